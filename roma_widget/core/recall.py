"""How a run stood at one of its moments, whoever keeps its states: `history` in memory, an archive in a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType

from ..errors import UnknownTime
from .model import Snapshot, Task
from .outcome import ROOT_GRACE_S, Verdict, judge
from .steps import Steps, as_time, as_us
from .when import When, read_when

MOST_STATUSES = 100


@dataclass(frozen=True, slots=True)
class Recalled:
    """The run at one moment. `is_exact` says that nothing that was known then has been thinned."""

    snapshot: Snapshot
    verdict: Verdict
    is_exact: bool


StatusSince = tuple[int | None, str]
"""When a task came into a status, as microseconds since 1970, and the status. None: it was so when we came."""


def status_changes(versions: Iterable[tuple[int | None, str | None]]) -> list[StatusSince]:
    """Of a task's versions those in which its status is another one. A status of None: the task was gone."""
    changes: list[StatusSince] = []
    before: str | None = None
    for time_us, status in versions:
        if status is not None and status != before:
            changes.append((time_us, status))
        before = status
    return changes[-MOST_STATUSES:]


class Recall(ABC):
    """The moments of one run. Who derives it keeps `_steps`, and the tasks at each."""

    _steps: Steps
    _has_forgotten: bool

    def times_us(self) -> list[int]:
        """The moments at which something changed, as microseconds since 1970, growing."""
        return self._steps.times_us()

    def recall(self, when: When) -> Recalled:
        """The run as it was at `when`: see `read_when`. After the last moment it is as at the last.

        It is judged without regard to how long nothing had moved, so it never counts as stalled: it is not kept
        whether somebody was listening. Raises UnknownTime before the first moment, ValueError for what is no time.
        """
        time_us = self._read(when)
        step = self._steps.at(time_us)
        if step is None:
            raise UnknownTime(self._too_early(as_time(time_us)))
        tasks = self._tasks_at(step.seq)
        verdict = judge(tasks, step.project, ROOT_GRACE_S)
        snapshot = Snapshot(
            tasks=tasks,
            project=step.project,
            time=as_time(min(time_us, self._steps.newest_us)),
            outcome=verdict.outcome,
            reason=verdict.reason,
        )
        return Recalled(snapshot, verdict, self._is_exact(step.seq))

    def heard_between(self, begin: When, end: When) -> tuple[float, float]:
        """When we heard what happened between two moments, both included, in epoch seconds as in the log.

        Raises ValueError for what is no time, and when `end` is before `begin`.
        """
        begin_us, end_us = self._read(begin), self._read(end)
        if end_us < begin_us:
            raise ValueError(
                f"The end, {as_time(end_us).isoformat()}, is before the beginning, {as_time(begin_us).isoformat()}."
            )
        return self._steps.heard_s(begin_us), self._steps.heard_s(end_us)

    def statuses(self, task_id: str) -> list[StatusSince]:
        """The statuses that a task came into, oldest first, the newest `MOST_STATUSES`; [] for one never seen."""
        return status_changes(
            (self._steps.time_us_of(seq), status) for seq, status in self._statuses_of(task_id)
        )

    @abstractmethod
    def _statuses_of(self, task_id: str) -> Iterable[tuple[int, str | None]]:
        """Of each version of a task, oldest first: the number of its step, and its status; None: it was gone."""

    @abstractmethod
    def _tasks_at(self, seq: int) -> Mapping[str, Task]:
        """In plan order, as they were from step `seq` on."""

    @abstractmethod
    def _newest(self) -> Iterable[Task]:
        """The tasks as they are now."""

    @abstractmethod
    def _is_exact(self, seq: int) -> bool:
        """Is everything known of that step?"""

    def _read(self, when: When) -> int:
        if not self._steps:
            raise UnknownTime(
                'Nothing is known of a run yet, so it has no moments; m.wait("connected") waits for the server.'
            )
        first, last = as_time(self._steps[0].time_us), as_time(self._steps[-1].time_us)
        return as_us(read_when(when, first, last, self._start() or first))

    def _start(self) -> datetime | None:
        created = (task.created for task in self._newest() if task.parent_id is None)
        return min((time for time in created if time is not None), default=None)

    def _too_early(self, when: datetime) -> str:
        first = as_time(self._steps[0].time_us)
        start = self._start()
        since = f", {(first - start).total_seconds():.3f} s after the run's start" if start else ""
        why = " What was before went, to bound the memory." if self._has_forgotten else ""
        return (
            f"Nothing is known of {when.isoformat()}: the history begins at {first.isoformat()}{since}.{why} "
            "m.at(m.times[0]) is the first, and m.times has all its moments."
        )


def in_plan_order(tasks: Mapping[str, Task]) -> Mapping[str, Task]:
    """A parent before its children, siblings as they were planned: as `linking.make_tasks` gives them."""
    ordered: dict[str, Task] = {}
    roots = (task for task in tasks.values() if task.parent_id is None)
    stack = sorted(roots, key=attrgetter("plan_index"), reverse=True)
    while stack:
        task = stack.pop()
        ordered[task.task_id] = task
        stack += [tasks[child_id] for child_id in reversed(task.child_ids)]
    return MappingProxyType(ordered)
