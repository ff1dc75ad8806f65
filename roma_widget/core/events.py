"""What a server can say, as typed values. `wire` makes them out of text; everybody else only reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from .model import Project, RelayNews, Rest, Stage, Status, Trace
from .split import decoded


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON text from `start` on. Frames are megabytes, so their text is pointed into and not cut out."""

    text: str = field(repr=False)
    start: int = 0


@dataclass(frozen=True, slots=True)
class Packed:
    """A binary argument as it came, of one of the extension's messages."""

    body: bytes = field(repr=False)


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
    rest: Rest | None = field(default=None, repr=False, compare=False)
    """Reads what the server left out of `raw_json`, for clients of its extension; None where that is all."""

    @property
    def is_whole(self) -> bool:
        return self.rest is None

    @property
    def began(self) -> datetime | None:
        """When work on the task itself began, where that is said: ROMA says it of a later step in a planned one."""
        return self.execution_started if self.node_type == "EXECUTE" or not self.is_whole else None


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

    @property
    def is_current(self) -> bool:
        """Does it come by itself? Such frames come for the server's current project only."""
        return self.source in _OF_THE_CURRENT


_OF_THE_CURRENT = frozenset({"task_graph_update", "snapshot", "delta"})


@dataclass(frozen=True, slots=True)
class ProjectsListed:
    projects: tuple[Project, ...]
    current_id: str | None
    problems: tuple[str, ...] = ()
    is_whole: bool = True
    """Was each of them read? Else nothing follows for those that are missing."""


@dataclass(frozen=True, slots=True)
class ProjectStarted:
    project: Project
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectSwitched:
    """Another project is current. From ROMA it comes with the whole graph, and is a `GraphUpdate` then."""

    source: str
    project_id: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecutionStarted:
    """A project that exists was started again."""

    project_id: str
    goal: str | None = None
    max_steps: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectSaved:
    """`save_success`. ROMA says so of a project that does not exist, too, with no tasks."""

    project_id: str
    n_tasks: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectStopped:
    """Our servers' answer to `stop_project`; ROMA cannot stop a run."""

    project_id: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProjectStatus:
    """`project_status_update`: in ROMA's source, never seen on its wire."""

    project_id: str
    status: str | None
    time: datetime | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TracesCleared:
    """On ROMA the traces come back: the next request reads them from disk again."""

    project_id: str
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeTrace:
    """`node_trace_data`. It names no project; the times of `trace` are as stamped (`traces.in_utc`)."""

    task_id: str
    trace: Trace
    problems: tuple[str, ...] = ()
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class StageDetails:
    """`stage_details_data`; times as stamped (`traces.stage_in_utc`)."""

    task_id: str
    stage_id: str
    stage: Stage
    problems: tuple[str, ...] = ()
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class SimpleExecution:
    """`simple_execution_started` and `simple_execution_update`: runs outside of projects, which nobody shows."""

    event: str
    goal: str | None = None
    message: str | None = None
    size: int = 0
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HitlRequested:
    """An agent asks a human; asked again every 30 s until somebody answers. `asked` as stamped.

    ROMA names no project; our servers do to clients of their extension.
    """

    request_id: str
    checkpoint: str | None
    task_id: str | None
    attempt: int | None
    message: str | None
    asked: datetime | None
    data_json: str = field(default="null", repr=False)
    problems: tuple[str, ...] = ()
    project_id: str | None = None

    @property
    def data(self) -> Any:
        """What is to be reviewed, decoded at each call."""
        return decoded(self.data_json)


@dataclass(frozen=True, slots=True)
class HitlClosed:
    """Our servers, to clients of their extension: a question was answered (`action`, by whom), or nobody will, and the
    `reason`. `state` "superseded": somebody has, as far as a relay of plain ROMA can know. With the `rid` of a request
    it is the reply to our own answer."""

    request_id: str
    action: str | None = None
    answered_by: str | None = None
    problems: tuple[str, ...] = ()
    reason: str | None = None
    rid: str | None = None
    instructions: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class HitlQueued:
    """A relay, to clients of the extension: it has taken this answer and keeps it until the server above can be
    reached. With the `rid` of a request it is the reply to our own answer."""

    request_id: str
    action: str | None = None
    answered_by: str | None = None
    note: str | None = None
    problems: tuple[str, ...] = ()
    rid: str | None = None
    instructions: str | None = None


@dataclass(frozen=True, slots=True)
class RelayTold:
    """A relay, to clients of the extension: how it stands with the server above. With a `rid` it is the reply to
    `reconnect_above`."""

    news: RelayNews
    problems: tuple[str, ...] = ()
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class ExtensionOffered:
    """The first word of a server that speaks the extension to us."""

    version: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeltaLost:
    """A change that does not lead on from what is known: the whole has to be asked for."""

    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StagesPushed:
    """Stages of watched tasks that began or changed, each with its project's id; times as stamped."""

    stages: tuple[tuple[str, Stage], ...]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskRest:
    """`task_result_data`: what a lean task left out, as JSON texts, and the whole of what it cut."""

    project_id: str | None
    task_id: str
    result_json: str = field(repr=False)
    details_json: str = field(repr=False)
    aux_json: str = field(repr=False)
    texts: Mapping[str, str] = field(repr=False)
    rid: str | None = None
    problems: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many characters it holds."""
        texts = (self.result_json, self.details_json, self.aux_json, *self.texts.values())
        return sum(map(len, texts))


@dataclass(frozen=True, slots=True)
class HistoryTold:
    """`history_data`, a relay's reply: what it has heard of a project, as an archive (`roma.load`)."""

    project_id: str | None
    archive: bytes = field(repr=False)
    rid: str | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerRefused:
    """An error event: what the server said, in its own words. None of them names what it is about."""

    event: str
    message: str
    problems: tuple[str, ...] = ()
    rid: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """No event: the acknowledgement of a request, where that may be all that comes."""

    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unhandled:
    """An event this version has no use for. `size` in bytes."""

    event: str
    size: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An event whose payload is not what its name promises."""

    event: str
    problems: tuple[str, ...]


Event = (
    GraphUpdate
    | ProjectsListed
    | ProjectStarted
    | ProjectSwitched
    | ExecutionStarted
    | ProjectSaved
    | ProjectStopped
    | ProjectStatus
    | TracesCleared
    | NodeTrace
    | StageDetails
    | SimpleExecution
    | HitlRequested
    | HitlClosed
    | HitlQueued
    | RelayTold
    | ExtensionOffered
    | DeltaLost
    | StagesPushed
    | TaskRest
    | HistoryTold
    | ServerRefused
    | Acknowledged
    | Unhandled
    | Unreadable
)


def project_of(event: Event) -> str | None:
    """The project that an event names; None where it names none."""
    if isinstance(event, ProjectStarted):
        return event.project.project_id
    named: str | None = getattr(event, "project_id", None)
    return named
