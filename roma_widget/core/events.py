"""What a server can say, as typed values. `wire` makes them out of text; everybody else only reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from .model import Project, Status


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON text from `start` on. Frames are megabytes, so their text is pointed into and not cut out."""

    text: str = field(repr=False)
    start: int = 0


@dataclass(frozen=True, slots=True)
class Node:
    """One task as the server describes it; links unchecked, times as stamped (naive where no zone is named)."""

    task_id: str
    goal: str
    status: Status | str
    task_type: str | None
    node_type: str | None
    agent: str | None
    model: str | None
    layer: int | None
    parent_id: str | None
    planned_ids: tuple[str, ...]
    context_ids: tuple[str, ...]
    created: datetime | None
    updated: datetime | None
    completed: datetime | None
    execution_started: datetime | None
    error: str | None
    result_summary: str | None
    overall_objective: str | None
    raw_json: str = field(repr=False)


NO_NODES: Mapping[str, Node] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FrameTexts:
    """The pieces of a frame's text that the next frame is compared with, and what they were read as."""

    top: Mapping[str, str] = field(default_factory=dict)
    node_texts: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=lambda: NO_NODES)
    node_problems: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    edges: tuple[tuple[str, str], ...] = ()
    project: Project | None = None


NO_FRAME = FrameTexts()


@dataclass(frozen=True, slots=True)
class GraphUpdate:
    """A whole snapshot of one project. `nodes` shares the `Node`s of the frame it was read against.

    `project_id` is None when the frame names no project at all. `edges` are (needed task, dependent task).
    `is_empty` is the server's way of saying that it has no current project.
    """

    source: str
    project_id: str | None
    project: Project | None
    goal: str | None
    nodes: Mapping[str, Node]
    edges: tuple[tuple[str, str], ...]
    time: datetime | None
    problems: tuple[str, ...] = ()
    texts: FrameTexts = field(default_factory=lambda: NO_FRAME, repr=False, compare=False)

    @property
    def is_empty(self) -> bool:
        return self.project_id is None and not self.nodes


@dataclass(frozen=True, slots=True)
class ProjectsListed:
    projects: tuple[Project, ...]
    current_id: str | None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectStarted:
    project: Project
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerRefused:
    """An error event: what the server said, in its own words. None of them names what it is about."""

    event: str
    message: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unhandled:
    """An event this version has no use for."""

    event: str
    size: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event whose payload is not what its name promises."""

    event: str
    problems: tuple[str, ...]


Event = GraphUpdate | ProjectsListed | ProjectStarted | ServerRefused | Unhandled | Unreadable
