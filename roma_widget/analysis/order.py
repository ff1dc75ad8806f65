"""What had to wait for what: the chain that made a run as long as it was, and what still holds a task up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from ..core.model import FINAL, WORKING, Snapshot, Status, Task

_NEVER = datetime.min.replace(tzinfo=UTC)

# How late a task ends, as far as that can be said.
_UNKNOWN, _ENDED, _AT_WORK, _YET_TO_COME = range(4)
_End = tuple[int, datetime, int]


def critical_path(snapshot: Snapshot) -> list[str]:
    """The ids of the tasks that a run's end waited for, in the order in which they ended.

    It is found backwards, from the task without a parent that ends last. A task that has sub-tasks waited for the one
    of them that ended last. A task that has none waited for the one that ended last of those that it needs
    (`depends_on`); where it needs none, its nearest ancestor that needs some waited for the last of these. So the path
    ends with the root.

    "Ended last" compares `completed`, else `updated` of tasks in a final status. A task that is under way counts as
    ending after all that have ended, and one that has yet to begin, or has sub-tasks out, as ending after those: in a
    run in progress the path leads through what it waits for. One in a final status without a time, or in a status that
    is not known, counts as ended before all others. Among equals the later one in plan order counts. A task that a
    circle leads back to is not taken twice. A run without tasks has the path [].

    Example: `tasks(m.snapshot).loc[critical_path(m.snapshot), ["agent", "duration_s"]]`
    """
    tasks = snapshot.tasks
    ends = {task_id: _end(task, place) for place, (task_id, task) in enumerate(tasks.items())}
    found: dict[str, None] = {}

    def last(ids: Iterable[str]) -> str | None:
        return max(
            (each for each in ids if each in tasks and each not in found), key=ends.__getitem__, default=None
        )

    at = last(task_id for task_id, task in tasks.items() if task.parent_id not in tasks) or last(tasks)
    while at is not None:
        found[at] = None
        waited_for = last(tasks[at].child_ids)
        if waited_for is None and not any(child_id in tasks for child_id in tasks[at].child_ids):
            needed = (last(each.depends_on) for each in _with_ancestors(at, tasks))
            waited_for = next((each for each in needed if each is not None), None)
        at = waited_for
    return list(found)[::-1]


def blocked_by(snapshot: Snapshot, task_id: str) -> list[str]:
    """The ids of the tasks that `task_id` waits for, in plan order; [] once it is in a final status.

    These are the tasks that it, or a task above it, needs (`depends_on`) and that are not done, and those that hold up
    these in the same way. One that failed or was cancelled is among them: what needs it may wait in vain. Needed tasks
    that do not exist are left out. Raises UnknownTask.

    Example: `blocked_by(m.snapshot, "root.3")`
    """
    tasks = snapshot.tasks
    if snapshot.task(task_id).status in FINAL:
        return []
    found: set[str] = set()
    to_look_at = [task_id]
    while to_look_at:
        for task in _with_ancestors(to_look_at.pop(), tasks):
            for needed in task.depends_on:
                if needed in tasks and needed not in found and tasks[needed].status is not Status.DONE:
                    found.add(needed)
                    to_look_at.append(needed)
    found.discard(task_id)
    return [each for each in tasks if each in found]


def _with_ancestors(task_id: str, tasks: Mapping[str, Task]) -> Iterator[Task]:
    """The task, its parent, its parent's parent, …"""
    at: str | None = task_id
    seen: set[str] = set()
    while at is not None and at in tasks and at not in seen:
        seen.add(at)
        yield tasks[at]
        at = tasks[at].parent_id


def _end(task: Task, place: int) -> _End:
    if task.status in FINAL:
        at = task.completed or task.updated
        return (_UNKNOWN, _NEVER, place) if at is None else (_ENDED, at, place)
    if task.status in WORKING:
        return _AT_WORK, _NEVER, place
    return (_YET_TO_COME if isinstance(task.status, Status) else _UNKNOWN), _NEVER, place
