"""What a person adds to a run: what to watch for, and what to remember of a task."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Protocol

from ..analysis import notes
from ..core.annotations import Annotation, checked_annotation
from ..core.expression import condition
from ..core.model import Snapshot
from ..core.reading import shorten
from .acting import detached

if TYPE_CHECKING:
    import pandas

Predicate = Callable[[Snapshot], object]
LONGEST_NAME = 100
_log = logging.getLogger("roma_widget.widget")


class Watched(Protocol):
    """What is needed of a session to watch it."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def is_closed(self) -> bool: ...

    @property
    def wakes(self) -> int: ...

    async def news_since(self, heard: int) -> None: ...

    def note_watch(self, name: str) -> None: ...

    def note_failure(self, name: str, sentence: str) -> None: ...


class Annotated(Protocol):
    """What is needed of a session to write beside its tasks."""

    def annotate(self, task_id: str, text: str, tags: tuple[str, ...]) -> None: ...

    def annotations(self) -> tuple[Annotation, ...]: ...


class Noted(Watched, Annotated, Protocol):
    """Both."""


class Io(Protocol):
    """The thread that owns the session."""

    def post(self, call: Callable[..., object], *arguments: object) -> None: ...

    def submit(self, work: Coroutine[Any, Any, Any]) -> Future[Any]: ...

    def is_current(self) -> bool: ...

    async def aside(self, function: Callable[..., Any], *arguments: object) -> Any: ...

    def result(
        self,
        work: Coroutine[Any, Any, Any],
        timeout_s: float | None = None,
        meanwhile: Callable[[], object] | None = None,
    ) -> Any: ...


class Noting:
    """Mixed into `Monitor`."""

    _session: Noted
    _io: Io
    _watches: Watches

    def watch_for(
        self, name: str, predicate: Predicate | str, action: Callable[[Snapshot], object] | None = None
    ) -> Callable[[], None]:
        """Note when something becomes so: a row "watch" in `m.events()`, its `field` being `name`.

        `predicate` is a function of a `Snapshot`, or a condition as text, in which a comparison with what is missing
        is false (docs/watching.md has its language). Each time that it becomes true, also when it is so already,
        `action(snapshot)` is called once; then it has to become false first, or another run be shown. It is asked of
        what is published (at most ten times a second: what was so for less may be missed), in a thread of its own, as
        the action is; what these raise is an "error" in `m.events()`, and the watch goes on. Gives what ends it. It
        ends also with the monitor, and when another is begun under its name. Raises NotLive when the monitor is
        disconnected, ValueError, also at once for a text that is no condition. Examples:
        `m.watch_for("failures", "failed >= 3")`,
        `m.watch_for("long goals", lambda s: any(len(t.goal) > 999 for t in s.tasks.values()), print)`
        """
        if not isinstance(name, str):
            raise ValueError(f"name takes a string, not {type(name).__name__}.")
        if not 0 < len(name) <= LONGEST_NAME:
            raise ValueError(f"name takes 1 to {LONGEST_NAME} characters, not {len(name):,}.")
        if isinstance(predicate, str):
            predicate = condition(predicate)
        if not callable(predicate):
            raise ValueError(
                f"predicate takes a function of a Snapshot or a text, not {shorten(repr(predicate), 60)}."
            )
        if action is not None and not callable(action):
            raise ValueError(f"action takes a function of a Snapshot, not {shorten(repr(action), 60)}.")
        if self._watches.is_over:
            raise detached()
        return self._watches.begin(
            name, self._io.submit(_watch(self._io, lambda: self._session, name, predicate, action))
        )

    def annotate(self, task_id: str, text: str, tags: Iterable[str] = ()) -> None:
        """Write something beside a task of the shown run, for `m.annotations()`.

        It is also a row "annotation" in `m.events()`. It is kept here, for all monitors of this server as long as one
        of them is open; the server is not told. Raises UnknownTask, ValueError for what is no text, RomaError beyond
        10,000 annotations. Example: `m.annotate("root.1", "searched the wrong year", tags=["prompt"])`
        """
        text, kept_tags = checked_annotation(text, tags)

        async def annotate() -> None:
            self._annotate(task_id, text, kept_tags)

        if self._io.is_current():
            self._annotate(task_id, text, kept_tags)
        else:
            self._io.result(annotate())

    def _annotate(self, task_id: str, text: str, tags: tuple[str, ...]) -> None:
        self._session.annotate(task_id, text, tags)
        self._show_notes()

    def _show_notes(self) -> None:
        raise NotImplementedError

    def annotations(self) -> pandas.DataFrame:
        """What was written beside the tasks of the shown run, oldest first.

        Columns: time (`datetime64[us, UTC]`, our clock), task_id, text, tags (a JSON list). Example:
        `m.annotations().query("task_id == 'root'").text`
        """
        return notes.notes(self._session.annotations())


class Watches:
    """What a monitor watches for, by name."""

    def __init__(self) -> None:
        self._running: dict[str, Future[Any]] = {}
        self.is_over = False

    def begin(self, name: str, watch: Future[Any]) -> Callable[[], None]:
        before = self._running.get(name)
        self._running[name] = watch
        if before is not None:
            before.cancel()

        def end() -> None:
            watch.cancel()

        return end

    def end(self) -> None:
        self.is_over = True
        for watch in self._running.values():
            watch.cancel()
        self._running.clear()


async def _watch(
    io: Io,
    here: Callable[[], Watched],
    name: str,
    predicate: Predicate,
    action: Callable[[Snapshot], object] | None,
) -> None:
    """See `Noting.watch_for`. `here` gives the session where the monitor is."""
    held, seen, of, said = False, None, None, None
    while True:
        session = here()
        heard, snapshot = session.wakes, session.snapshot
        if snapshot is not seen:
            seen = snapshot
            project_id = snapshot.project.project_id if snapshot.project is not None else None
            held, of = held and of == project_id, project_id
            try:
                holds = bool(await io.aside(predicate, snapshot))
                said = None
                begins, held = holds and not held, holds
                if begins:
                    session.note_watch(name)
                if begins and action is not None:
                    await io.aside(action, snapshot)
            except Exception as error:
                sentence = f"{type(error).__name__}: {error}"
                if sentence != said:
                    said = sentence
                    _log.exception("watching for %r", name)
                    session.note_failure(name, sentence)
        if here() is session and session.snapshot is snapshot:
            if session.is_closed:
                return
            await session.news_since(heard)
