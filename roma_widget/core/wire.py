"""The only reader of what a ROMA server sends: text to typed events, nothing raised.

Unknown fields pass. A wrong type is reported with its path and skipped, and one bad task never hides the good
ones. An unknown status is kept as the server's own word. Frames are read against the last one (see `split`), so
that what did not change is not decoded again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from .model import Project, Status
from .reading import LONGEST_ID, Fields, Problems, clean, kind, shorten
from .split import NO_MEMBERS, Malformed, Members, members

MOST_TASKS = 100_000
_STATUSES = {status.value: status for status in Status}
_GRAPH_EVENTS = frozenset({"task_graph_update", "project_restored"})
_EVENT = re.compile(r'\s*\[\s*("(?:[^"\\]|\\.)*")\s*([,\]])\s*', re.DOTALL)
_decoder = json.JSONDecoder(strict=False)
_SWITCH_EVENTS = frozenset({"project_switched", "project_switch_success"})


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


@dataclass(frozen=True, slots=True)
class Payload:
    """JSON text from `start` on. Frames are megabytes, so their text is pointed into and not cut out."""

    text: str = field(repr=False)
    start: int = 0


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


def read_event(name: str, payload: Payload | None, last: FrameTexts = NO_FRAME) -> Event:
    """The typed event for `name` with its first argument, read against the `last` frame."""
    if payload is None:
        return Unreadable(name, (f"{name}: came without its argument",))
    if name in _GRAPH_EVENTS:
        return read_graph(name, payload, last)
    if name in _SWITCH_EVENTS:
        return _read_switched(name, payload, last)
    if name == "projects_list":
        return _with_object(name, payload, _read_projects)
    if name == "project_started":
        return _with_object(name, payload, _read_started)
    if name == "error" or name.endswith("_error"):
        return _with_object(name, payload, _read_refusal)
    return Unhandled(name, len(payload.text) - payload.start)


def read_graph(source: str, payload: Payload, last: FrameTexts = NO_FRAME) -> GraphUpdate | Unreadable:
    """A frame (`task_graph_update`, `project_restored`, the `state` of a project over HTTP)."""
    problems = Problems()
    try:
        top = members(payload.text, payload.start, last.top, {"all_nodes": last.node_texts})
    except Malformed as error:
        return Unreadable(source, (f"{source}: {error}",))
    for key in top.duplicates:
        problems.add(key, "came twice; the last one counts")
    for key, why in top.undecodable.items():
        problems.add(key, why)
    nodes, node_texts, node_problems = _read_nodes(top, last, problems)
    edges = _read_edges(top.decoded["graphs"], problems) if "graphs" in top.decoded else last.edges
    if "graphs" not in top.texts:
        edges = ()
    project = last.project
    if "current_project" not in top.texts:
        project = None
    elif "current_project" in top.decoded:
        project = _read_project(top.decoded["current_project"], "current_project", problems)
    fields = Fields(
        {key: _scalar(top, key) for key in ("project_id", "overall_project_goal", "timestamp")},
        source,
        problems,
    )
    project_id = fields.identifier("project_id") or (project.project_id if project else None)
    return GraphUpdate(
        source=source,
        project_id=project_id,
        project=project,
        goal=fields.text("overall_project_goal"),
        nodes=nodes,
        edges=edges,
        time=fields.time("timestamp"),
        problems=problems.sentences(),
        texts=FrameTexts(top.texts, node_texts, nodes, node_problems, edges, project),
    )


def read_project(
    payload: str, last: FrameTexts = NO_FRAME
) -> tuple[Project | None, GraphUpdate | None, tuple[str, ...]]:
    """The body of `GET /api/projects/{id}`: the project, its saved frame (None while torn or absent), problems."""
    problems = Problems()
    try:
        top = members(payload, leave=("state",))
    except Malformed as error:
        return None, None, (f"GET /api/projects/…: {error}",)
    project = _read_project(top.decoded.get("project"), "project", problems)
    state_text = top.texts.get("state", "null")
    if not state_text.startswith("{"):
        return project, None, problems.sentences()
    frame = read_graph("state", Payload(state_text), last)
    if isinstance(frame, Unreadable):
        return project, None, (*problems.sentences(), *frame.problems)
    return project, frame, problems.sentences()


def read_projects(payload: str) -> ProjectsListed | Unreadable:
    """The body of `GET /api/projects`."""
    event = _with_object("projects_list", Payload(payload), _read_projects)
    return event if isinstance(event, ProjectsListed) else Unreadable("projects_list", event.problems)


def read_health(payload: str) -> bool | None:
    """Does `GET /api/health` say `safe_to_join`? None when the body is no health reply at all."""
    values = _object(payload)
    return None if values is None else values.get("safe_to_join") is True


def read_executions(payload: str) -> tuple[str, ...] | None:
    """Ids of the projects with a living run, from `GET /api/executions`; None when that is not what came."""
    values = _object(payload)
    running = values.get("running_executions") if values is not None else None
    if not isinstance(running, dict):
        return None
    dead = {
        key for key, value in running.items() if isinstance(value, dict) and value.get("is_alive") is False
    }
    return tuple(clean(key) for key in running if key not in dead)


def _read_nodes(
    top: Members, last: FrameTexts, problems: Problems
) -> tuple[Mapping[str, Node], Mapping[str, str], Mapping[str, tuple[str, ...]]]:
    split = top.nested.get("all_nodes")
    text = top.texts.get("all_nodes", "null")
    if split is None and text.startswith("{"):  # the very text of the last frame
        for lines in last.node_problems.values():
            _repeat(problems, lines)
        return last.nodes, last.node_texts, last.node_problems
    if split is None:
        if text != "null":
            problems.add("all_nodes", f"expected an object, got {kind(top.decoded.get('all_nodes'))}")
        return NO_NODES, NO_MEMBERS, {}
    for key in split.duplicates:
        problems.add(f"all_nodes.{key}", "this id came twice; the last one counts")
    if not split.decoded and not split.undecodable and split.texts.keys() == last.node_texts.keys():
        for lines in last.node_problems.values():
            _repeat(problems, lines)
        return last.nodes, last.node_texts, last.node_problems
    nodes: dict[str, Node] = {}
    refused: dict[str, tuple[str, ...]] = {}
    for key, text in split.texts.items():
        task_id = clean(key)
        if key in split.decoded or key in split.undecodable:
            found = Problems()
            node = _read_node(task_id, split, key, text, found)
            lines = found.sentences()
        else:
            node = last.nodes.get(task_id)
            lines = last.node_problems.get(key, ())
        if lines:
            refused[key] = lines
            _repeat(problems, lines)
        if node is not None and len(nodes) < MOST_TASKS:
            nodes[task_id] = node
    if len(split.texts) > MOST_TASKS:
        problems.add("all_nodes", f"{len(split.texts):,} tasks; the first {MOST_TASKS:,} are shown")
    return MappingProxyType(nodes), split.texts, refused


def _read_node(task_id: str, split: Members, key: str, text: str, problems: Problems) -> Node | None:
    path = f"all_nodes.{task_id}"
    if key in split.undecodable:
        problems.add(path, f"{split.undecodable[key]}; the task was skipped")
        return None
    value = split.decoded[key]
    if not isinstance(value, dict):
        problems.add(path, f"expected a task, got {kind(value)}; it was skipped")
        return None
    if not task_id or len(task_id) > LONGEST_ID:
        problems.add(path, f"an id of {len(task_id):,} characters; the task was skipped")
        return None
    fields = Fields(value, path, problems)
    own_id = fields.text("task_id")
    if own_id is not None and own_id != task_id:
        problems.add(f"{path}.task_id", f"says {shorten(own_id, 40)!r}; the key counts")
    status = fields.text("status") or ""
    task_type, node_type = fields.text("task_type"), fields.text("node_type")
    execution = Fields(fields.mapping("execution_details") or {}, f"{path}.execution_details", problems)
    return Node(
        task_id=task_id,
        goal=fields.text("goal") or "",
        status=_STATUSES.get(status, status),
        task_type=task_type,
        node_type=node_type,
        agent=fields.text("agent_name"),
        # the searcher never writes its model: what stands there is the atomizer's
        model=None if (task_type, node_type) == ("SEARCH", "EXECUTE") else fields.text("model_display"),
        layer=fields.whole("layer"),
        parent_id=fields.identifier("parent_node_id"),
        planned_ids=fields.ids("planned_sub_task_ids"),
        context_ids=_context_ids(fields, path, problems),
        created=fields.time("timestamp_created"),
        updated=fields.time("timestamp_updated"),
        completed=fields.time("timestamp_completed"),
        execution_started=execution.time("processing_started"),
        error=fields.text("error"),
        result_summary=fields.text("output_summary"),
        overall_objective=fields.text("overall_objective"),
        raw_json=text,
    )


def _context_ids(fields: Fields, path: str, problems: Problems) -> tuple[str, ...]:
    ids = []
    for place, source in enumerate(fields.items("input_context_sources")):
        if not isinstance(source, dict):
            problems.add(f"{path}.input_context_sources[{place}]", f"expected an object, got {kind(source)}")
            continue
        source_id = Fields(source, f"{path}.input_context_sources[{place}]", problems).identifier(
            "source_task_id"
        )
        if source_id is not None and source_id not in ids:
            ids.append(source_id)
    return tuple(ids)


def _read_edges(graphs: object, problems: Problems) -> tuple[tuple[str, str], ...]:
    if graphs is None:
        return ()
    if not isinstance(graphs, dict):
        problems.add("graphs", f"expected an object, got {kind(graphs)}")
        return ()
    edges = set()
    for graph_id, graph in graphs.items():
        path = f"graphs.{graph_id}"
        if not isinstance(graph, dict):
            problems.add(path, f"expected an object, got {kind(graph)}")
            continue
        for place, edge in enumerate(Fields(graph, path, problems).items("edges")):
            if (
                isinstance(edge, dict)
                and isinstance(edge.get("source"), str)
                and isinstance(edge.get("target"), str)
            ):
                edges.add((clean(edge["source"]), clean(edge["target"])))
            else:
                problems.add(f"{path}.edges[{place}]", f"expected source and target, got {kind(edge)}")
    return tuple(sorted(edges))


def _read_project(value: object, path: str, problems: Problems) -> Project | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        problems.add(path, f"expected an object, got {kind(value)}")
        return None
    fields = Fields(value, path, problems)
    project_id = fields.identifier("id")
    if not project_id:
        problems.add(f"{path}.id", "a project without an id was skipped")
        return None
    return Project(
        project_id=project_id,
        title=fields.text("title"),
        goal=fields.text("goal"),
        status=fields.text("status"),
        created=fields.time("created_at"),
        updated=fields.time("updated_at"),
    )


def _read_projects(name: str, values: dict[str, Any], problems: Problems) -> Event:
    fields = Fields(values, name, problems)
    found = []
    for place, value in enumerate(fields.items("projects")):
        if value is None:
            problems.add(f"projects[{place}]", "expected an object, got null")
        found.append(_read_project(value, f"projects[{place}]", problems))
    projects = tuple(project for project in found if project is not None)
    return ProjectsListed(projects, fields.identifier("current_project_id"), problems.sentences())


def _read_started(name: str, values: dict[str, Any], problems: Problems) -> Event:
    project = _read_project(values.get("project"), f"{name}.project", problems)
    if project is None:
        return Unreadable(name, problems.sentences() or (f"{name}: names no project",))
    return ProjectStarted(project, problems.sentences())


def _read_refusal(name: str, values: dict[str, Any], problems: Problems) -> Event:
    fields = Fields(values, name, problems)
    message = fields.text("message") or fields.text("error") or "the server gave no reason"
    return ServerRefused(name, shorten(message, 500), problems.sentences())


def _read_switched(name: str, payload: Payload, last: FrameTexts) -> Event:
    try:
        top = members(payload.text, payload.start, leave=("project_data",))
    except Malformed as error:
        return Unreadable(name, (f"{name}: {error}",))
    return read_graph(name, Payload(top.texts.get("project_data", "")), last)


def _with_object(
    name: str, payload: Payload, read: Callable[[str, dict[str, Any], Problems], Event]
) -> Event:
    try:
        value, _ = _decoder.raw_decode(payload.text, payload.start)
    except (ValueError, RecursionError) as error:
        return Unreadable(name, (f"{name}: {_reason(error)}",))
    if not isinstance(value, dict):
        return Unreadable(name, (f"{name}: expected an object, got {kind(value)}",))
    return read(name, value, Problems())


def _object(payload: str) -> dict[str, Any] | None:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _scalar(top: Members, key: str) -> object:
    """A small top-level value, which `split` leaves undecoded when it is the last frame's."""
    if key in top.decoded:
        return top.decoded[key]
    return json.loads(top.texts[key]) if key in top.texts and key not in top.undecodable else None


def _repeat(problems: Problems, lines: tuple[str, ...]) -> None:
    problems.count += len(lines)
    problems.lines.extend(lines[: max(0, 20 - len(problems.lines))])


def _reason(error: ValueError | RecursionError) -> str:
    return (
        "nested too deep to read"
        if isinstance(error, RecursionError)
        else f"not JSON ({shorten(str(error), 80)})"
    )


def read_packet(text: str, start: int) -> tuple[str, Payload | None]:
    """The name and the first argument of a socket.io event, `start` being where its array begins.

    Raises `Malformed`.
    """
    match = _EVENT.match(text, start)
    if match is None:
        raise Malformed(f"not a socket.io event: {text[start : start + 40]!r}")
    name = json.loads(match[1])
    return clean(name), None if match[2] == "]" else Payload(text, match.end())
