"""The way of an answer, from whoever gave it to the session: through the function that may change or hold it back.

On `roma-io`, but for that function, which has a thread of its own and `ON_ANSWER_S` seconds.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from ..core.hitl import ANSWERABLE, Answer, HitlRequest, HitlState, Via, checked_answer
from ..core.reading import shorten
from ..errors import AnswerError
from .cells import context_for_later

ON_ANSWER_S = 5.0
MOST_OVERDUE = 8
"""Calls of a person's function that have not ended: with more of them no further one is made."""
SENT_WITHIN_S = 5.0
"""For so long code that answers waits for the server's word, if there is a connection: a script may end behind it."""
_log = logging.getLogger("roma_widget.hitl")

OnAnswer = Callable[[Any, Answer], object]


class Asked(Protocol):
    """What is needed of a session to answer what its agents ask."""

    def prompts(self) -> tuple[HitlRequest, ...]: ...

    def hitl_ledger(self) -> tuple[HitlRequest, ...]: ...

    def question(self, request_id: str) -> HitlRequest | None: ...

    async def answer(
        self, request_id: str, action: str, instructions: str | None, via: Via, within_s: float = 0.0
    ) -> HitlRequest: ...

    async def hold(
        self,
        request_id: str,
        why: str,
        action: str | None = None,
        instructions: str | None = None,
        via: Via = "button",
    ) -> HitlRequest: ...


class Held(AnswerError):
    """An answer was held back. It is with the question that it was, and why."""


def read_answer(said: object) -> tuple[str, str | None] | None:
    """What a person's function gave as an answer: None, "approve", ("modify", "text"), or an `Answer`.

    Raises AnswerError for anything else, also for "modify" without instructions.
    """
    action: str
    instructions: str | None
    match said:
        case None:
            return None
        case Answer():
            action, instructions = said.action, said.instructions
        case str():
            action, instructions = said, None
        case (str() as action, (str() | None) as instructions):
            pass
        case _:
            raise AnswerError(
                'An answer is None (ask the person), "approve", "abort" or ("modify", "what is to be different"), '
                f"not {shorten(repr(said), 60)}."
            )
    checked = checked_answer(action, instructions, "python", 0.0)
    return checked.action, checked.instructions


class Answering:
    """See the module. `here` gives the session where the monitor is, and raises NotLive when it is nowhere;
    `shown_as` makes what a person's function is given."""

    def __init__(self, here: Callable[[], Asked], shown_as: Callable[[HitlRequest], object]) -> None:
        self._here = here
        self._shown_as = shown_as
        self._on_answer: tuple[OnAnswer, contextvars.Context] | None = None
        self._under_way: set[str] = set()
        self._delivering: set[asyncio.Task[HitlRequest]] = set()
        self._overdue: set[Future[Any]] = set()

    def ask_before(self, on_answer: OnAnswer | None) -> None:
        """Have this function see every answer before it is sent. Called where it was written: from any thread."""
        self._on_answer = None if on_answer is None else (on_answer, context_for_later())

    async def answer(self, request_id: str, action: object, instructions: object, via: Via) -> HitlRequest:
        """The question, answered. Raises AnswerError, NotLive; `Held` where the function held it back."""
        answer = self._begin(request_id, action, instructions, via)
        try:
            return await self._delivered(request_id, answer)
        finally:
            self._under_way.discard(request_id)

    async def take(self, request_id: str, action: object, instructions: object, via: Via) -> None:
        """`answer`, for who must hear at once that it was heard. What becomes of it shows in the question's state."""
        if self._on_answer is None or not self._is_answerable(request_id):
            await self.answer(request_id, action, instructions, via)
            return
        answer = self._begin(request_id, action, instructions, via)
        task = asyncio.ensure_future(self._delivered(request_id, answer))
        self._delivering.add(task)
        task.add_done_callback(lambda task: self._taken(request_id, task))

    def is_under_way(self, request_id: str) -> bool:
        """Has it been answered, and the person's function has not seen that yet?"""
        return request_id in self._under_way

    def _taken(self, request_id: str, task: asyncio.Task[HitlRequest]) -> None:
        self._under_way.discard(request_id)
        self._delivering.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("An answer was not sent: %s", error)

    def _begin(self, request_id: str, action: object, instructions: object, via: Via) -> Answer:
        answer = checked_answer(action, instructions, via, time.time())
        if request_id in self._under_way:
            raise AnswerError(
                f"Question {shorten(repr(request_id), 80)} is being answered: its on_answer runs."
            )
        self._under_way.add(request_id)
        return answer

    def _is_answerable(self, request_id: str) -> bool:
        request = self._here().question(request_id)
        return request is not None and request.state in ANSWERABLE

    async def _delivered(self, request_id: str, answer: Answer) -> HitlRequest:
        request, before = self._here().question(request_id), self._on_answer
        if before is not None and request is not None and request.state in ANSWERABLE:
            answer = await self._seen_before(request, answer, *before)
        within_s = 0.0 if answer.via == "button" else SENT_WITHIN_S
        return await self._here().answer(request_id, answer.action, answer.instructions, answer.via, within_s)

    async def _seen_before(
        self, request: HitlRequest, answer: Answer, fn: OnAnswer, context: contextvars.Context
    ) -> Answer:
        """The answer as the person's function leaves it. Raises `Held`."""
        said, why = await self._said_before(request, answer, fn, context)
        if why is None:
            return said or answer
        held = await self._here().hold(
            request.request_id, why, answer.action, answer.instructions, answer.via
        )
        if held.state is not HitlState.HELD:
            raise AnswerError(
                f"The answer ({answer.action}) was not sent ({why}): the question is {held.state} already."
            )
        raise Held(f"The answer ({answer.action}) is held and was not sent: {why} Answer again to send it.")

    async def _said_before(
        self, request: HitlRequest, answer: Answer, fn: OnAnswer, context: contextvars.Context
    ) -> tuple[Answer | None, str | None]:
        """(the changed answer, why it is to be held)."""
        self._overdue = {each for each in self._overdue if not each.done()}
        if len(self._overdue) >= MOST_OVERDUE:
            return None, f"on_answer was not called: {MOST_OVERDUE} earlier calls of it have not ended."
        shown = self._shown_as(request)
        called = _in_a_thread(lambda: context.copy().run(_called, fn, shown, answer))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(called), ON_ANSWER_S)
        except TimeoutError:
            self._overdue.add(called)
            return None, f"on_answer took longer than {ON_ANSWER_S:g} s."


def _called(fn: OnAnswer, request: object, answer: Answer) -> tuple[Answer | None, str | None]:
    """(the changed answer, why it is to be held); never raises."""
    try:
        changed = read_answer(fn(request, answer))
        if changed is None:
            return None, None
        return checked_answer(*changed, answer.via, answer.at_s), None
    except BaseException as error:  # also a sys.exit() of theirs: it must come to whoever answered
        _log.info("on_answer held an answer", exc_info=True)
        said = shorten(f"{type(error).__name__}: {error}".rstrip(".: "), 500)
        return None, f"on_answer raised {said}."


def _in_a_thread(call: Callable[[], tuple[Answer | None, str | None]]) -> Future[Any]:
    """Not of a pool: one that never ends must hold up no other."""
    called: Future[Any] = Future()
    called.set_running_or_notify_cancel()  # nobody can cancel a thread
    threading.Thread(target=lambda: called.set_result(call()), name="roma-on-answer", daemon=True).start()
    return called
