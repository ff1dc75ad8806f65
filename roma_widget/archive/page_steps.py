"""The moments of a run as a page has them: what changed from each to the next, of the records that a browser is told.

    {"time": epoch ms, "changed": {id: {fields}}, "removed": [id], "progress": {fields}, "exact": false}

What is not there did not change; the first one has everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..core.model import Project, Task
from ..core.outcome import ROOT_GRACE_S, judge, progress
from ..core.recall import StatusSince, status_changes
from ..core.view import Record, task_record
from .redaction import Redaction
from .source import SourceStep

MOST_STEPS = 2_000
MOST_JUDGED = 4_000_000
"""Tasks of all moments together: each moment's counts and outcome are made of all of its tasks."""


def page_steps(steps: Iterable[SourceStep], n_steps: int, n_tasks: int, redaction: Redaction) -> list[Record]:
    """Some of the `n_steps` steps of a run of about `n_tasks` tasks, evenly taken, with the first and the last."""
    most = max(2, min(MOST_STEPS, MOST_JUDGED // max(1, n_tasks)))
    made = _Steps(redaction)
    kept: list[Record] = []
    untold: SourceStep | None = None
    for place, step in enumerate(steps):
        made.take(step)
        untold = step
        if _is_kept(place, n_steps, most):
            kept.append(made.record(step))
            untold = None
    return kept if untold is None else [*kept, made.record(untold)]


def halved(steps: Sequence[Record]) -> list[Record]:
    """About every other one of two or more, with what changed in between; the last always stays."""
    first, *rest = steps
    if len(rest) == 1:
        return [_joined(first, rest[0])]
    odd = len(rest) % 2
    pairs = zip(rest[odd::2], rest[odd + 1 :: 2], strict=True)
    return [first, *rest[:odd], *(_joined(one, other) for one, other in pairs)]


class Statuses:
    """Steps on their way to whoever reads them; what they said of the tasks' statuses is known afterwards."""

    def __init__(self, steps: Iterable[SourceStep]) -> None:
        self._steps = steps
        self._seen: dict[str, list[tuple[int | None, str | None]]] = {}

    def __iter__(self) -> Iterator[SourceStep]:
        for place, step in enumerate(self._steps):
            for task_id, task in step.versions.items():
                known = self._seen.setdefault(task_id, [])
                status = None if task is None else str(task.status)
                if not known or known[-1][1] != status:
                    known.append((step.time_us if place else None, status))
            yield step

    def of(self, task_id: str) -> list[StatusSince]:
        """See `Recall.statuses`."""
        return status_changes(self._seen.get(task_id, ()))


class _Steps:
    """The run as it is told at one step after the other."""

    def __init__(self, redaction: Redaction) -> None:
        self._redaction = redaction
        self._tasks: dict[str, Task] = {}
        self._touched: dict[str, Task | None] = {}
        self._told: dict[str, Record] = {}
        self._progress: Record = {}

    def take(self, step: SourceStep) -> None:
        self._touched.update(step.versions)
        for task_id, task in step.versions.items():
            if task is None:
                self._tasks.pop(task_id, None)
            else:
                self._tasks[task_id] = task

    def record(self, step: SourceStep) -> Record:
        """What is new since the last one."""
        changed: dict[str, Record] = {}
        removed: list[str] = []
        for task_id, task in self._touched.items():
            if task is None:
                gone = self._told.pop(task_id, None)
                if gone is not None:
                    removed.append(gone["id"])
                continue
            # its JSON is not in the record, and takes long to be looked through
            record = task_record(self._redaction.task(replace(task, raw_json="{}")))
            fields = _difference(self._told.get(task_id, {}), record)
            self._told[task_id] = record
            if fields:
                changed[record["id"]] = fields
        self._touched.clear()
        numbers = self._numbers(step.project)
        news = _difference(self._progress, numbers)
        self._progress = numbers
        said: Record = {"time": step.time_us / 1000}
        said |= {"changed": changed} if changed else {}
        said |= {"removed": removed} if removed else {}
        said |= {"progress": news} if news else {}
        return said if step.is_exact else said | {"exact": False}

    def _numbers(self, project: Project) -> Record:
        verdict = judge(self._tasks, project, ROOT_GRACE_S)
        reason = self._redaction.words("progress.reason", verdict.reason)
        return progress(self._tasks, replace(verdict, reason=reason))


def _is_kept(place: int, n_steps: int, most: int) -> bool:
    """Whether one of `most` places that are spread evenly over all is this one."""
    if n_steps <= most:
        return True
    last = n_steps - 1
    nearest = round(place * (most - 1) / last)
    return round(nearest * last / (most - 1)) == place


def _difference(before: Mapping[str, object], after: Record) -> Record:
    return {name: value for name, value in after.items() if name not in before or before[name] != value}


def _joined(one: Record, other: Record) -> Record:
    """Two steps as the later one."""
    changed: dict[str, Record] = dict(one.get("changed", {}))
    for task_id in other.get("removed", ()):
        changed.pop(task_id, None)
    for task_id, fields in other.get("changed", {}).items():
        changed[task_id] = changed.get(task_id, {}) | fields
    removed = [*one.get("removed", ()), *other.get("removed", ())]
    numbers = one.get("progress", {}) | other.get("progress", {})
    joined = {name: value for name, value in other.items() if name in ("time", "exact")}
    joined |= {"changed": changed} if changed else {}
    joined |= {"removed": removed} if removed else {}
    return joined | ({"progress": numbers} if numbers else {})
