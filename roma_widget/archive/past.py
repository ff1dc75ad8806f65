"""The moments of a saved run, put together from its file when they are asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from ..core.lean import same_result, whole_of
from ..core.model import NO_TASKS, Task
from ..core.reading import shorten
from ..core.recall import Recall, in_plan_order
from ..core.steps import Step, Steps
from ..errors import NotLive, RomaError
from .reading import ArchiveReader, Kept, KeptResult, State
from .versions import Record, size_too_large, task_of

links = attrgetter("parent_id", "depth", "child_ids", "depends_on", "context_ids")


class Past(Recall):
    """Goes on from the moment it was asked for last, where that is nearer than the keyframe before: a slider's steps
    are small. Not safe to use from two threads at a time.
    """

    def __init__(self, reader: ArchiveReader, kept: Kept, *, has_forgotten: bool, exact_from: int) -> None:
        self._reader = reader
        self._project_id = kept.project_id
        self._steps = Steps.of(reader.steps(kept.project_id), kept.known_until_us)
        self._has_forgotten = has_forgotten
        self._exact_from = exact_from
        self.results = reader.results(kept.project_id)
        self._rest = _Rest(self.results)
        self._last: tuple[int, State] | None = None
        self._made: dict[str, tuple[Record, Task]] = {}
        self._statuses: dict[str, list[tuple[int, str | None]]] | None = None
        self._last_tasks = self._tasks_at(self._steps[-1].seq) if self._steps else NO_TASKS

    def each(self) -> Iterator[tuple[Step, Mapping[str, Task | None], bool]]:
        """Every step, what became of tasks at it (at the first one: all), and whether all is known of it."""
        tasks: dict[str, Task] = {}
        changes = self._reader.changes(self._project_id)
        change = next(changes, None)
        for place in range(len(self._steps)):
            step = self._steps[place]
            versions: dict[str, Task | None] = {}
            while change is not None and change[0] <= step.seq:
                for task_id, record in change[1].items():
                    versions[task_id] = None if record is None else task_of(record, self._rest)
                change = next(changes, None)
            if _move(tasks, versions):
                with self._reader.guarded():
                    check_links(tasks)
            yield step, versions if place else dict(tasks), self._is_exact(step.seq)

    def let_go(self) -> None:
        """Of all that was put together; the moments themselves stay known."""
        self._last, self._made, self._last_tasks = None, {}, NO_TASKS
        self._statuses = None
        self.results.clear()

    def _tasks_at(self, seq: int) -> Mapping[str, Task]:
        records = self._reader.state(self._project_id, seq, self._last)
        self._last = seq, records
        with self._reader.guarded():
            made = {task_id: self._task(record) for task_id, record in records.items()}
            check_links(made)
            self._made = {task_id: (record, made[task_id]) for task_id, record in records.items()}
            return in_plan_order(made)

    def _task(self, record: Record) -> Task:
        """The same object for the same version, so that unchanged tasks are told by identity."""
        known = self._made.get(record[0])
        return known[1] if known is not None and known[0] is record else task_of(record, self._rest)

    def _newest(self) -> Iterable[Task]:
        return self._last_tasks.values()

    def _statuses_of(self, task_id: str) -> Iterable[tuple[int, str | None]]:
        if self._statuses is None:
            self._statuses = {}
            for seq, changes in self._reader.changes(self._project_id):
                for changed_id, record in changes.items():
                    known = self._statuses.setdefault(changed_id, [])
                    status = None if record is None else record[2]
                    if not known or known[-1][1] != status:
                        known.append((seq, status))
        return self._statuses.get(task_id, ())

    def _is_exact(self, seq: int) -> bool:
        return seq >= self._exact_from


class _Rest:
    """Reads what a server had left out of tasks, where it was fetched before the run was saved."""

    def __init__(self, results: Mapping[str, KeptResult | None]) -> None:
        self._results = results

    def __call__(self, task: Task) -> Mapping[str, Any]:
        size = size_too_large(task.raw_json)
        if size is not None:
            raise RomaError(
                f"What the server sent of task {shorten(task.task_id, 60)!r} at this moment ({size:,} characters) was "
                "too large to be saved."
            )
        kept = self._results.get(task.task_id)
        if kept is None and task.task_id in self._results:
            raise RomaError(
                f"The saved result of {shorten(task.task_id, 60)!r} cannot be read: it is damaged or too large."
            )
        if kept is None or not same_result(task.raw_json, kept.lean_json):
            raise NotLive(
                f"The result of {shorten(task.task_id, 60)!r} at this moment was left on its server: it was not "
                "fetched before the run was saved."
            )
        return whole_of(task.task_id, task.raw_json, kept.rest)

    def whole(self, task: Task, _timeout_s: float) -> Awaitable[Mapping[str, Any]]:
        async def read() -> Mapping[str, Any]:
            return self(task)

        return read()


def _move(tasks: dict[str, Task], versions: Mapping[str, Task | None]) -> bool:
    """Makes `tasks` what became of them. Have links changed?"""
    have_changed = False
    for task_id, task in versions.items():
        before = tasks.get(task_id)
        if task is None:
            tasks.pop(task_id, None)
        else:
            tasks[task_id] = task
        have_changed |= before is None or task is None or links(before) != links(task)
    return have_changed


def check_links(tasks: Mapping[str, Task]) -> None:
    """Raises ValueError unless parents and children agree, form a forest, and every link leads to a task."""
    seen = 0
    stack = [(task, 0) for task in tasks.values() if task.parent_id is None]
    while stack:
        task, depth = stack.pop()
        seen += 1
        if seen > len(tasks) or task.depth != depth or len(set(task.child_ids)) != len(task.child_ids):
            raise ValueError("its tasks are no tree")
        for child_id in task.child_ids:
            child = tasks.get(child_id)
            if child is None or child.parent_id != task.task_id:
                raise ValueError("its tasks are no tree")
            stack.append((child, depth + 1))
    if seen != len(tasks):
        raise ValueError("its tasks are no tree")
    for task in tasks.values():
        if any(each not in tasks for each in (*task.depends_on, *task.context_ids)):
            raise ValueError("a task needs one that there is not")
