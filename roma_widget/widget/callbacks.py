"""Functions that a person wants called when something happens: who is told what, on which thread.

One thread, `roma-callbacks`, makes the calls of all monitors, one at a time and in order, so that `roma-io` never
waits for a person's code. What cannot be dropped (questions, answers, the end of a run) never is; of the rest
`MOST_WAITING` calls wait, and it is said when more came.
"""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args
from weakref import WeakSet

from ..core.reading import shorten
from .cells import context_for_later, current_cell

Event = Literal[
    "task_changed",
    "task_selected",
    "stage_opened",
    "hitl_request",
    "hitl_answered",
    "connection",
    "run_finished",
    "error",
]
EVENTS: tuple[str, ...] = get_args(Event)
NEVER_DROPPED = frozenset({"hitl_request", "hitl_answered", "run_finished"})
MOST_WAITING = 10_000
THREAD_NAME = "roma-callbacks"
_log = logging.getLogger("roma_widget.callbacks")

Fail = Callable[[str, str], object]
"""Told under which name something of a person's failed, and how."""
Call = Callable[[], object]


class CallbackThread:
    """A daemon thread that makes calls in the order in which they were handed over. It ends when nothing is left to
    be called and nobody has registered anything.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.is_over = False
        self._calls: deque[Call] = deque()
        self._news = threading.Condition()
        self.thread = threading.Thread(target=self._run, name=THREAD_NAME, daemon=True)

    @property
    def n_waiting(self) -> int:
        return len(self._calls)

    def put(self, call: Call) -> bool:
        """Have the call made when those before it are done; False when the thread has just ended. From any thread."""
        with self._news:
            if self.is_over:
                return False
            self._calls.append(call)
            self._news.notify()
            if self.thread.ident is None:  # not before there is something to do: it would end at once
                self.thread.start()
            return True

    def look_up(self) -> None:
        """Somebody wants nothing any more: perhaps it can end."""
        with self._news:
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                while not self._calls:
                    if not _listening:
                        self.is_over = True
                        return
                    self._news.wait()
                call = self._calls.popleft()
            try:
                call()
            except BaseException:  # the thread is everybody's
                _log.exception("a call on %s failed", THREAD_NAME)
            del call  # what it holds must not live until the next one


_lock = threading.Lock()
_current: CallbackThread | None = None
_listening: WeakSet[Callbacks] = WeakSet()
"""Who has registered something."""


def callback_thread() -> CallbackThread:
    """The process's thread for callbacks, started when first needed; a forked child gets one of its own."""
    global _current
    with _lock:
        if _current is None or _current.pid != os.getpid() or _current.is_over:
            _current = CallbackThread()
        return _current


def call_later(call: Call) -> None:
    """Have the call made on `roma-callbacks`, when those before it are done. Returns at once; from any thread."""
    while not callback_thread().put(call):
        pass  # it ended in this moment: another one begins


@dataclass(eq=False, slots=True)
class Registration:
    """One function; `made_by` is the cell it was given in, so that the cell may run again."""

    event: str
    fn: Callable[..., object]
    made_by: tuple[str, str] | None
    context: contextvars.Context = field(default_factory=context_for_later)
    is_over: bool = False


class Callbacks:
    """What is to be called for one monitor. `fail` is told of what raised and what was dropped, on any thread."""

    def __init__(self, fail: Fail) -> None:
        self._fail = fail
        self._lock = threading.Lock()
        self._registered: dict[str, tuple[Registration, ...]] = {}
        self._is_dropping = False
        self.is_over = False

    def made(self, event: str, fn: Callable[..., object]) -> Registration:
        """A registration, made in the cell that wants it: what `fn` prints goes there. Raises ValueError."""
        if event not in EVENTS:
            raise ValueError(f"event takes one of {', '.join(EVENTS)}, not {shorten(repr(event), 60)}.")
        if not callable(fn):
            raise ValueError(f"fn takes a function, not {shorten(repr(fn), 60)}.")
        cell = current_cell()
        return Registration(event, fn, (cell.cell_id, cell.execution) if cell is not None else None)

    def add(
        self, registration: Registration, so_far: Iterable[tuple[object, ...]] = ()
    ) -> Callable[[], None]:
        """Call its function from now on, and for what is `so_far` so already. Gives what ends it.

        What an earlier run of the same cell gave for the event is called no more: notebooks run cells again.
        """
        with self._lock:
            registration.is_over = self.is_over
            registered = self._registered.get(registration.event, ())
            for earlier in registered:
                earlier.is_over = earlier.is_over or _is_replaced(earlier.made_by, registration.made_by)
            kept = [each for each in (*registered, registration) if not each.is_over]
            self._registered[registration.event] = tuple(kept)
            self._note_listening()
        for arguments in so_far:
            self._put(registration, arguments)
        return lambda: self._remove(registration)

    def wants(self, event: str) -> bool:
        return bool(self._registered.get(event))

    def tell(self, event: str, *arguments: object) -> None:
        """Have everyone who registered for the event called. From any thread; returns at once."""
        for registration in self._registered.get(event, ()):
            self._put(registration, arguments)

    def end(self) -> None:
        """Nothing is called any more, also not what waits."""
        self.is_over = True
        with self._lock:
            for registrations in self._registered.values():
                for each in registrations:
                    each.is_over = True
            self._registered = {}
            self._note_listening()

    def _remove(self, registration: Registration) -> None:
        registration.is_over = True
        with self._lock:
            before = self._registered.get(registration.event, ())
            self._registered[registration.event] = tuple(each for each in before if each is not registration)
            self._note_listening()

    def _note_listening(self) -> None:
        if any(self._registered.values()):
            _listening.add(self)
        elif self in _listening:
            _listening.discard(self)
            if _current is not None and _current.pid == os.getpid():
                _current.look_up()

    def _put(self, registration: Registration, arguments: tuple[object, ...]) -> None:
        n_waiting = callback_thread().n_waiting
        if registration.event not in NEVER_DROPPED and n_waiting >= MOST_WAITING:
            self._say_dropped(registration.event)
            return
        self._is_dropping = self._is_dropping and n_waiting >= MOST_WAITING // 2
        call_later(lambda: self._call(registration, arguments))

    def _say_dropped(self, event: str) -> None:
        if self._is_dropping or event == "error":  # an error that is said would be the next one to drop
            return
        self._is_dropping = True
        sentence = f"The callbacks are slower than the run: {MOST_WAITING:,} calls wait, and further ones are dropped."
        _log.warning(sentence)
        self._fail(name_of(event), sentence)

    def _call(self, registration: Registration, arguments: tuple[object, ...]) -> None:
        if registration.is_over:
            return
        try:
            registration.context.run(registration.fn, *arguments)
        except BaseException as error:  # also a sys.exit() of theirs must not end everybody's callbacks
            _log.exception("a callback for %r raised", registration.event)
            self._fail(name_of(registration.event), f"{type(error).__name__}: {error}")


def name_of(event: str) -> str:
    """Under which name a callback's failure stands in `m.events()`."""
    return f"on {event}"


def _is_replaced(earlier: tuple[str, str] | None, now: tuple[str, str] | None) -> bool:
    """Was it made by an earlier run of the same cell?"""
    return earlier is not None and now is not None and earlier[0] == now[0] and earlier[1] != now[1]
