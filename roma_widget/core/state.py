"""The mirror's state and its one transition: `apply(state, event, now) -> (state, changes)`.

Every frame is a whole snapshot of one project, so the last one alone decides what the state is; only
`Task.started` remembers more. Projects never mix: an update belongs to the project it names. The changes that
`apply` reports are complete: `replay(old, changes)` gives the new state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from .clock import ServerClock
from .events import (
    NO_NODES,
    Event,
    GraphUpdate,
    Node,
    ProjectsListed,
    ProjectStarted,
    ProjectStatus,
    ProjectSwitched,
)
from .linking import NO_FOREST, Edges, Forest, grow_forest, make_tasks, same_structure
from .model import NO_TASKS, Project, Task


@dataclass(frozen=True, slots=True)
class ProjectState:
    """One project as last told. What does not count as content (clocks, caches) is left out of `==`."""

    project: Project
    tasks: Mapping[str, Task] = field(default_factory=lambda: NO_TASKS)
    time: datetime | None = field(default=None, compare=False)
    offset: timedelta = field(default=timedelta(), compare=False)
    nodes: Mapping[str, Node] = field(default_factory=lambda: NO_NODES, compare=False, repr=False)
    edges: Edges = field(default=(), compare=False, repr=False)
    forest: Forest = field(default=NO_FOREST, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """All that is known of one server. `current_id` is the server's current project, one for everybody."""

    projects: Mapping[str, ProjectState] = field(default_factory=lambda: MappingProxyType({}))
    current_id: str | None = None
    clock: ServerClock = field(default_factory=ServerClock, compare=False)


@dataclass(frozen=True, slots=True)
class TaskAdded:
    project_id: str
    task: Task


@dataclass(frozen=True, slots=True)
class TaskChanged:
    project_id: str
    before: Task
    after: Task

    @property
    def fields(self) -> dict[str, tuple[Any, Any]]:
        """The public fields that differ: name to (before, after)."""
        names = (each.name for each in fields(Task) if not each.name.startswith("_"))
        pairs = ((name, (getattr(self.before, name), getattr(self.after, name))) for name in names)
        return {name: pair for name, pair in pairs if pair[0] != pair[1]}


@dataclass(frozen=True, slots=True)
class TaskRemoved:
    project_id: str
    task_id: str


@dataclass(frozen=True, slots=True)
class TasksReordered:
    """The plan order after tasks came, went or moved."""

    project_id: str
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProjectChanged:
    """A project appeared, or what the server says of it changed."""

    project: Project


@dataclass(frozen=True, slots=True)
class ProjectRemoved:
    project_id: str


@dataclass(frozen=True, slots=True)
class CurrentChanged:
    current_id: str | None


Change = (
    TaskAdded | TaskChanged | TaskRemoved | TasksReordered | ProjectChanged | ProjectRemoved | CurrentChanged
)


def apply(state: State, event: Event, now: float, *, live: bool = True) -> tuple[State, tuple[Change, ...]]:
    """The state after `event` arrived at `now` (epoch seconds), and what changed.

    `live` says that a frame was made just now, so that its time stamp tells the server's zone; a frame read from
    the server's disk does not.
    """
    match event:
        case GraphUpdate():
            return _apply_graph(state, event, now, live)
        case ProjectsListed():
            return _apply_list(state, event)
        case ProjectStarted():
            return _finish(
                state,
                [
                    *_project_changes(state, _in_utc(event.project, state.clock)),
                    *_current(state, event.project.project_id),
                ],
            )
        case ProjectSwitched():
            return _finish(state, _current(state, event.project_id))
        case ProjectStatus(project_id, status) if project_id in state.projects:
            known = state.projects[project_id].project
            return _finish(state, _project_changes(state, replace(known, status=status or known.status)))
        case _:
            return state, ()


def replay(state: State, changes: Iterable[Change]) -> State:
    """`state` with `changes` made to it, in order."""
    projects = dict(state.projects)
    current_id = state.current_id
    for change in changes:
        match change:
            case TaskAdded(project_id, task):
                projects[project_id] = _with_task(projects[project_id], task)
            case TaskChanged(project_id, _, after):
                projects[project_id] = _with_task(projects[project_id], after)
            case TaskRemoved(project_id, task_id):
                left = {key: task for key, task in projects[project_id].tasks.items() if key != task_id}
                projects[project_id] = replace(projects[project_id], tasks=MappingProxyType(left))
            case TasksReordered(project_id, order):
                tasks = projects[project_id].tasks
                ordered = MappingProxyType({task_id: tasks[task_id] for task_id in order})
                projects[project_id] = replace(projects[project_id], tasks=ordered)
            case ProjectChanged(project):
                known = projects.get(project.project_id)
                projects[project.project_id] = (
                    replace(known, project=project) if known else ProjectState(project)
                )
            case ProjectRemoved(project_id):
                del projects[project_id]
            case CurrentChanged(now_current):
                current_id = now_current
    return replace(state, projects=MappingProxyType(projects), current_id=current_id)


def _apply_graph(
    state: State, frame: GraphUpdate, now: float, live: bool
) -> tuple[State, tuple[Change, ...]]:
    if frame.is_empty and frame.is_current:
        return _finish(state, _current(state, None))
    project_id = frame.project_id or state.current_id
    if project_id is None:
        project_id = ""  # tasks of a server that names no project at all
    clock = state.clock.observe(frame.time, now) if live else state.clock
    offset = clock.offset or timedelta()
    known = state.projects.get(project_id)
    shift = known.offset - offset if known else timedelta()
    listed = frame.project if frame.project is not None and frame.project.project_id == project_id else None
    project = (
        _in_utc(listed, clock) if listed else known.project if known else Project(project_id, goal=frame.goal)
    )
    before = known or ProjectState(project)
    changes: list[Change] = [] if known and known.project == project else [ProjectChanged(project)]
    if frame.is_current:
        changes += _current(state, project_id)
    if frame.nodes is before.nodes and frame.edges == before.edges and not shift:
        tasks, forest = before.tasks, before.forest
    else:
        kept = same_structure(frame.nodes, frame.edges, before.nodes, before.edges)
        forest = before.forest if kept else grow_forest(frame.nodes, frame.edges)
        tasks = make_tasks(frame.nodes, forest, clock, before.tasks, before.nodes, before.forest, shift)
        changes += _task_changes(project_id, before.tasks, tasks)
    after = ProjectState(
        project=project,
        tasks=tasks,
        time=clock.utc(frame.time) or before.time,
        offset=offset,
        nodes=frame.nodes,
        edges=frame.edges,
        forest=forest,
    )
    projects = MappingProxyType({**state.projects, project_id: after})
    current_id = project_id if frame.is_current else state.current_id
    return State(projects, current_id, clock), tuple(changes)


def _apply_list(state: State, event: ProjectsListed) -> tuple[State, tuple[Change, ...]]:
    """A list is complete: a project that it does not name is gone, unless we hold tasks of it."""
    changes: list[Change] = []
    named = {project.project_id for project in event.projects}
    for project in event.projects:
        changes += _project_changes(state, _in_utc(project, state.clock))
    for project_id, known in state.projects.items():
        if project_id not in named and not known.tasks:
            changes.append(ProjectRemoved(project_id))
    return _finish(state, [*changes, *_current(state, event.current_id)])


def _finish(state: State, changes: list[Change]) -> tuple[State, tuple[Change, ...]]:
    return (replay(state, changes) if changes else state), tuple(changes)


def _project_changes(state: State, project: Project) -> list[Change]:
    known = state.projects.get(project.project_id)
    return [] if known is not None and known.project == project else [ProjectChanged(project)]


def _current(state: State, current_id: str | None) -> list[Change]:
    return [] if state.current_id == current_id else [CurrentChanged(current_id)]


def _task_changes(project_id: str, before: Mapping[str, Task], after: Mapping[str, Task]) -> list[Change]:
    changes: list[Change] = [TaskRemoved(project_id, task_id) for task_id in before if task_id not in after]
    for task_id, task in after.items():
        known = before.get(task_id)
        if known is None:
            changes.append(TaskAdded(project_id, task))
        elif known is not task:
            changes.append(TaskChanged(project_id, known, task))
    order = tuple(after)
    if order != tuple(before):
        changes.append(TasksReordered(project_id, order))
    return changes


def _with_task(state: ProjectState, task: Task) -> ProjectState:
    return replace(state, tasks=MappingProxyType({**state.tasks, task.task_id: task}))


def _in_utc(project: Project, clock: ServerClock) -> Project:
    return replace(project, created=clock.utc(project.created), updated=clock.utc(project.updated))
