"""What the shown project was like at any moment since it came into view.

Tasks are frozen, and the same object in all states in which they are the same. So the history is, for each task, its
versions and the steps from which on they held: a change costs what changed, and a moment is put together by looking up
one version for each task, which is as quick after 50,000 steps as after five. There is nothing to replay, and no
keyframe to keep in step with it. The order is not kept: the tasks of a moment say it (`child_ids`, `plan_index`).

It is bounded by the bytes that it alone keeps alive: versions that are not the newest. Beyond `BUDGET_BYTES` the oldest
detail goes, as little as is needed, in three rounds:

1. versions between two of the same status, where the links are those of the one before;
2. the last version of a status, where the links are those of the one before;
3. the beginning of the history.

So a thinned moment has the right tasks with the right statuses and links; only texts, stamps and `raw` may be those of
an earlier version. Whether a moment has been thinned is told (`Recalled.is_exact`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import dropwhile
from operator import attrgetter
from typing import Protocol

from .model import Project, Task
from .recall import Recall, in_plan_order
from .state import Change, ProjectChanged, ProjectState, TaskAdded, TaskChanged, TaskRemoved
from .steps import Step, Steps

BUDGET_BYTES = 64_000_000
VERSION_BYTES = 600
"""Of a version without its texts, and of what leads to it; measured."""
STEP_BYTES = 300
_links = attrgetter("parent_id", "depth", "plan_index", "child_ids", "depends_on", "context_ids")


@dataclass(slots=True)
class _Life:
    """The versions of one task: it was `versions[i]` from step `seqs[i]` on, None: there was none of its id."""

    seqs: list[int] = field(default_factory=list)
    versions: list[Task | None] = field(default_factory=list)

    def at(self, seq: int) -> Task | None:
        place = bisect_right(self.seqs, seq)
        return self.versions[place - 1] if place else None

    def drop(self, place: int) -> None:
        del self.seqs[place], self.versions[place]


class Earlier(Protocol):
    """One step of somebody else's history, with what became of tasks at it."""

    @property
    def time_us(self) -> int: ...

    @property
    def heard_s(self) -> float: ...

    @property
    def project(self) -> Project: ...

    @property
    def versions(self) -> Mapping[str, Task | None]: ...

    @property
    def is_exact(self) -> bool: ...


class History(Recall):
    """See the module. Not safe to read while another thread writes: whoever shares one holds a lock."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget_bytes = budget_bytes
        self._begin(None)

    def _begin(self, project_id: str | None) -> None:
        self._project_id = project_id
        self._steps = Steps()
        self._lives: dict[str, _Life] = {}
        self._bytes = 0
        self._thinned = [-1] * len(_ROUNDS)
        """Up to which step each round has gone."""
        self._exact_from = 0
        self._has_forgotten = False

    @property
    def bytes_kept(self) -> int:
        """An estimate of what only the history keeps alive."""
        return self._bytes

    def note(
        self, shown: ProjectState | None, changes: Iterable[Change], now_s: float, steady_s: float
    ) -> None:
        """What is shown has become `shown`, by `changes`; begins anew where that is another project.

        `now_s` is our clock (epoch seconds), `steady_s` one that nobody sets.
        """
        if shown is None:
            return
        project_id = shown.project.project_id
        if project_id != self._project_id:
            self._begin(project_id)
            project: Project | None = shown.project
            versions: dict[str, Task | None] = dict(shown.tasks)
        else:
            project, versions = changed_versions(changes, project_id)
        self._steps.hear(shown.time, shown.offset, steady_s)
        last = self._steps[-1].project if self._steps else None
        if project is None or project == last:
            project = last
        if project is last and not versions:
            return
        if last is not None:
            self._bytes += STEP_BYTES + (_project_bytes(last) if project is not last else 0)
        step = self._steps.add(now_s, steady_s, project or shown.project, list(versions))
        for task_id, version in versions.items():
            self._add_version(step.seq, task_id, version)
        self._thin()

    def begin_with(self, project_id: str, earlier: Iterable[Earlier]) -> None:
        """What somebody else knows of the same project from before its first step, oldest first. The first of these
        names all tasks."""
        if project_id != self._project_id or not self._lives:
            return
        while not self._steps[0].task_ids:  # who comes hears of a project before its tasks
            self._steps.remove(0)
        first = self._steps[0]
        known = (each for each in earlier if each.time_us < first.time_us)
        before = list(
            dropwhile(lambda each: not each.versions, known)
        )  # nor does the relay's begin without tasks
        steps: list[Step] = []
        lives: dict[str, _Life] = {}
        exact_from = first.seq - len(before)
        for seq, each in enumerate(before, first.seq - len(before)):
            steady_s = first.steady_s - (first.time_us - each.time_us) / 1e6
            steps.append(Step(seq, each.time_us, each.heard_s, steady_s, each.project, list(each.versions)))
            for task_id, version in each.versions.items():
                life = lives.setdefault(task_id, _Life())
                life.seqs.append(seq)
                life.versions.append(version)
            self._bytes += STEP_BYTES + sum(map(_version_bytes, each.versions.values()))
            exact_from = exact_from if each.is_exact else seq + 1
        if not steps:
            return
        if self._exact_from <= first.seq:
            self._exact_from = exact_from
        self._put_before(first, lives)
        self._steps.begin_with(steps)
        self._thinned = [steps[0].seq - 1] * len(_ROUNDS)
        self._thin()

    def _put_before(self, first: Step, earlier: Mapping[str, _Life]) -> None:
        for life in self._lives.values():
            life.seqs[0] = max(life.seqs[0], first.seq)
        for task_id, life in earlier.items():
            own = self._lives.get(task_id, _Life())
            if not own.seqs or own.seqs[0] > first.seq:  # it was gone when we came
                life.seqs.append(first.seq)
                life.versions.append(None)
                first.task_ids.append(task_id)
            self._lives[task_id] = _Life(life.seqs + own.seqs, life.versions + own.versions)

    def each(self) -> list[tuple[Step, Mapping[str, Task | None], bool]]:
        """Every step, what became of tasks at it (at the first one: all), and whether all is known of it."""
        kept: list[tuple[Step, Mapping[str, Task | None], bool]] = []
        for place in range(len(self._steps)):
            step = self._steps[place]
            tasks: Mapping[str, Task | None] = (
                {task_id: self._lives[task_id].at(step.seq) for task_id in step.task_ids}
                if place
                else dict(self._tasks_at(step.seq))
            )
            kept.append((replace(step), tasks, self._is_exact(step.seq)))
        return kept

    @property
    def until_us(self) -> int | None:
        """Until when it is known how the run was."""
        return self._steps.newest_us if self._steps else None

    @property
    def has_forgotten(self) -> bool:
        """Did its beginning go?"""
        return self._has_forgotten

    def _newest(self) -> Iterable[Task]:
        newest = (life.versions[-1] for life in self._lives.values())
        return (task for task in newest if task is not None)

    def _is_exact(self, seq: int) -> bool:
        return seq >= self._exact_from

    def _tasks_at(self, seq: int) -> Mapping[str, Task]:
        found = ((task_id, life.at(seq)) for task_id, life in self._lives.items())
        return in_plan_order({task_id: task for task_id, task in found if task is not None})

    def _statuses_of(self, task_id: str) -> Iterable[tuple[int, str | None]]:
        life = self._lives.get(task_id)
        if life is None:
            return ()
        statuses = (None if task is None else str(task.status) for task in life.versions)
        return zip(life.seqs, statuses, strict=True)

    def _add_version(self, seq: int, task_id: str, version: Task | None) -> None:
        life = self._lives.get(task_id)
        if life is None:
            life = self._lives[task_id] = _Life()
        if life.versions:
            self._bytes += _version_bytes(life.versions[-1])
        life.seqs.append(seq)
        life.versions.append(version)

    # -- thinning

    def _thin(self) -> None:
        for number, is_spare in enumerate(_ROUNDS):
            while self._bytes > self._budget_bytes:
                place = self._steps.after(self._thinned[number])
                if place == len(self._steps):
                    break
                self._thinned[number] = self._steps[place].seq
                self._thin_step(place, is_spare)
        while self._bytes > self._budget_bytes and len(self._steps) > 1:
            self._forget_first()

    def _thin_step(self, place: int, is_spare: _IsSpare) -> None:
        step = self._steps[place]
        step.task_ids = [task_id for task_id in step.task_ids if not self._drops(task_id, step, is_spare)]
        if not step.task_ids and place and step.project is self._steps[place - 1].project:
            self._steps.remove(place)
            self._bytes -= STEP_BYTES

    def _drops(self, task_id: str, step: Step, is_spare: _IsSpare) -> bool:
        life = self._lives[task_id]
        place = bisect_left(life.seqs, step.seq)
        if not 0 < place < len(life.versions) - 1:
            return False
        before, version, after = life.versions[place - 1 : place + 2]
        if before is None or version is None or after is None or not is_spare(before, version, after):
            return False
        self._bytes -= _version_bytes(version)
        self._exact_from = max(self._exact_from, life.seqs[place + 1])
        life.drop(place)
        return True

    def _forget_first(self) -> None:
        first, second = self._steps[0], self._steps[1]
        for task_id in second.task_ids:
            life = self._lives[task_id]
            while len(life.seqs) > 1 and life.seqs[1] <= second.seq:
                self._bytes -= _version_bytes(life.versions[0])
                life.drop(0)
            if life.versions[0] is None and len(life.versions) == 1:
                del self._lives[task_id]
        if second.project is not first.project:
            self._bytes -= _project_bytes(first.project)
        self._bytes -= STEP_BYTES
        self._steps.remove(0)
        self._has_forgotten = True


_IsSpare = Callable[[Task, Task, Task], bool]


def _within_a_status(before: Task, version: Task, after: Task) -> bool:
    return before.status == version.status == after.status and _links(before) == _links(version)


def _last_of_a_status(before: Task, version: Task, _after: Task) -> bool:
    return before.status == version.status and _links(before) == _links(version)


_ROUNDS: tuple[_IsSpare, ...] = (_within_a_status, _last_of_a_status)


def changed_versions(
    changes: Iterable[Change], project_id: str
) -> tuple[Project | None, dict[str, Task | None]]:
    """What `changes` made of that project, where they did, and of its tasks, None: gone."""
    project: Project | None = None
    versions: dict[str, Task | None] = {}
    for change in changes:
        match change:
            case TaskChanged(of, _, task) | TaskAdded(of, task) if of == project_id:
                versions[task.task_id] = task
            case TaskRemoved(of, task_id) if of == project_id:
                versions[task_id] = None
            case ProjectChanged(now) if now.project_id == project_id:
                project = now
            case _:
                pass
    return project, versions


def _version_bytes(version: Task | None) -> int:
    if version is None:
        return VERSION_BYTES
    return (
        VERSION_BYTES
        + 8 * (len(version.child_ids) + len(version.depends_on) + len(version.context_ids))
        + version.goal.__sizeof__()
        + version.error.__sizeof__()
        + version.result_summary.__sizeof__()
        + version.overall_objective.__sizeof__()
        + version.raw_json.__sizeof__()
    )


def _project_bytes(project: Project) -> int:
    return project.title.__sizeof__() + project.goal.__sizeof__() + project.status.__sizeof__()
