"""What a monitor tells the functions that a person gave to `m.on`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Snapshot, Task
from ..core.state import Change, TaskAdded, TaskChanged, TaskRemoved
from ..errors import NotLive
from .acting import detached
from .callbacks import Callbacks, Event, name_of
from .noting import Io

Fn = TypeVar("Fn", bound=Callable[..., object])


@dataclass(frozen=True, slots=True)
class TaskChange:
    """One change of one task, as it was heard. `before` is None for a new task, `after` for one that is gone.

    Example: `change.fields.get("status")`
    """

    task_id: str
    before: Task | None
    after: Task | None

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """The fields that differ: name to (before, after); {} for a task that came or went."""
        if self.before is None or self.after is None:
            return {}
        return TaskChanged("", self.before, self.after).fields


class Failing(Protocol):
    """What is needed of a session to say that something of a person's failed."""

    def note_failure(self, name: str, sentence: str) -> None: ...


class Telling:
    """Mixed into `Monitor`."""

    _session: Failing
    _io: Io
    _callbacks: Callbacks

    if TYPE_CHECKING:

        def _open_questions(self) -> Iterable[tuple[object, ...]]: ...

    @overload
    def on(self, event: Event, fn: Callable[..., object]) -> Callable[[], None]: ...

    @overload
    def on(self, event: Event, fn: None = None) -> Callable[[Fn], Fn]: ...

    def on(self, event: Event, fn: Callable[..., object] | None = None) -> Any:
        """Call `fn` each time that something happens. Gives what ends it; without `fn` it is a decorator.

        - "task_changed": `fn(change)`, a `TaskChange` for every single change of a task of the shown run, also of those
          that are published together; `change.task_id`, `.before`, `.after`, `.fields`.
        - "task_selected": `fn(task)` for each task that is newly selected, here or in the browser.
        - "stage_opened": `fn(task, stage)` when a person opens a stage in the browser.
        - "hitl_request": `fn(request)` for each question once, also for those that are open already.
        - "hitl_answered": `fn(request)` when an answer to it was sent, by whoever it was; `request.answer` is ours,
          None where only that of somebody else is known of (`request.why`).
        - "connection": `fn(connection)`, the new `m.connection`, each time that it changes.
        - "run_finished": `fn(snapshot)` when the shown run ends; `snapshot.outcome`.
        - "error": `fn(sentence)` for each row "error" of `m.events()`.

        The functions of all monitors run in a thread of their own, `roma-callbacks`, one at a time and in order; they
        may ask and answer as a cell does; one that takes long delays all others. What one raises is an "error" in
        `m.events()`, and it is called again the next time. When 10,000 calls wait, further ones are dropped, which is
        said; never those of questions, answers and the end of a run. It ends with the monitor. A cell that runs again
        replaces what it registered. Raises NotLive when the monitor is disconnected, ValueError. Examples:
        `m.on("run_finished", lambda snapshot: print(snapshot.outcome))`, `m.on("hitl_request", print)`
        """
        if fn is None:

            def register(function: Fn) -> Fn:
                self.on(event, function)
                return function

            return register
        registration = self._callbacks.made(event, fn)
        if self._callbacks.is_over:
            raise detached()
        if event != "hitl_request":
            return self._callbacks.add(registration)
        return self._at_once(lambda: self._callbacks.add(registration, self._open_questions()))

    def _at_once(self, act: Callable[[], Any]) -> Any:
        """What `act` gives, on roma-io, where nothing happens meanwhile."""
        if self._io.is_current():
            return act()

        async def acted() -> Any:
            return act()

        return self._io.result(acted())

    def _failed(self, name: str, sentence: str) -> None:
        """Something of a person's failed: a row in the log, which is written on roma-io. From any thread."""
        with suppress(NotLive):  # in a fork, or as Python ends
            self._io.post(lambda: self._session.note_failure(name, sentence))

    # -- from the session and the monitor, on roma-io

    def hear(self, changes: Iterable[Change], before: Mapping[str, Task], tasks: Mapping[str, Task]) -> None:
        """What changed in the shown run, each single change, between these tasks."""
        if not self._callbacks.wants("task_changed"):
            return
        for change in changes:
            match change:
                case TaskAdded(_, task):
                    told = TaskChange(task.task_id, None, task.within(tasks))
                case TaskChanged(_, was, task):
                    told = TaskChange(task.task_id, was.within(before), task.within(tasks))
                case TaskRemoved(_, task_id) if task_id in before:
                    told = TaskChange(task_id, before[task_id].within(before), None)
                case _:
                    continue
            self._callbacks.tell("task_changed", told)

    def hear_error(self, name: str, sentence: str) -> None:
        """A row "error" of the log."""
        if name != name_of("error"):  # else a function that raises would hear of it without end
            self._callbacks.tell("error", f"{name}: {sentence}")

    def _tell_of_the_end(self, before: Snapshot, after: Snapshot) -> None:
        ended = OUTCOMES_OF_AN_ENDED_RUN
        if before.project is None or after.project is None:
            return
        if before.project.project_id != after.project.project_id:
            return
        if after.outcome in ended and before.outcome not in ended:
            self._callbacks.tell("run_finished", after)

    def _tell_selected(self, before: Iterable[str], after: Iterable[str], snapshot: Snapshot) -> None:
        known = set(before)
        for task_id in after:
            if task_id not in known and task_id in snapshot.tasks:
                self._callbacks.tell("task_selected", snapshot.task(task_id))
