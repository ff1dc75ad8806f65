"""The only reader of what a ROMA server sends: text to typed events, nothing raised.

Unknown fields pass. A wrong type is reported with its path and skipped. An unknown status is kept as the server's
own word. Frames have a file of their own (`frame`), and so have the events (`events`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .events import (
    NO_FRAME,
    NO_NODES,
    Acknowledged,
    DeltaLost,
    Event,
    ExecutionStarted,
    ExtensionOffered,
    FrameTexts,
    GraphUpdate,
    HistoryTold,
    HitlClosed,
    HitlQueued,
    HitlRequested,
    Node,
    NodeTrace,
    Packed,
    Payload,
    ProjectSaved,
    ProjectsListed,
    ProjectStarted,
    ProjectStatus,
    ProjectStopped,
    ProjectSwitched,
    RelayTold,
    ServerRefused,
    SimpleExecution,
    StageDetails,
    StagesPushed,
    TaskRest,
    TracesCleared,
    Unhandled,
    Unreadable,
)
from .frame import read_graph, read_project_entry
from .model import Project
from .reading import Fields, Problems, clean, kind, shorten
from .replies import SMALL_EVENTS
from .server_status import json_object
from .split import Malformed, members
from .traces import read_node_trace, read_stage_details

__all__ = [
    "NO_FRAME",
    "NO_NODES",
    "Acknowledged",
    "DeltaLost",
    "Event",
    "ExecutionStarted",
    "ExtensionOffered",
    "FrameTexts",
    "GraphUpdate",
    "HistoryTold",
    "HitlClosed",
    "HitlQueued",
    "HitlRequested",
    "Node",
    "NodeTrace",
    "Packed",
    "Payload",
    "ProjectSaved",
    "ProjectStarted",
    "ProjectStatus",
    "ProjectStopped",
    "ProjectSwitched",
    "ProjectsListed",
    "RelayTold",
    "ServerRefused",
    "SimpleExecution",
    "StageDetails",
    "StagesPushed",
    "TaskRest",
    "TracesCleared",
    "Unhandled",
    "Unreadable",
    "read_created",
    "read_error",
    "read_event",
    "read_executions",
    "read_graph",
    "read_health",
    "read_packet",
    "read_project",
    "read_projects",
]

MOST_LISTED = 18_000
"""Projects of one list: a tenth below what `state` remembers, so that a full list does not push itself out."""
_GRAPH_EVENTS = frozenset({"task_graph_update", "project_restored"})
_EVENT = re.compile(r'\s*\[\s*("(?:[^"\\]++|\\.)*+")\s*([,\]])\s*', re.DOTALL)
_decoder = json.JSONDecoder(strict=False)
_SWITCH_EVENTS = frozenset({"project_switched", "project_switch_success"})


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
    if name == "node_trace_data":
        return read_node_trace(name, payload)
    if name == "stage_details_data":
        return read_stage_details(name, payload)
    if name in SMALL_EVENTS:
        return SMALL_EVENTS[name](name, payload)
    if name == "error" or name.endswith("_error"):
        return _with_object(name, payload, _read_refusal)
    return Unhandled(name, _bytes(payload))


def read_project(
    payload: str, last: FrameTexts = NO_FRAME
) -> tuple[Project | None, GraphUpdate | None, tuple[str, ...]]:
    """The body of `GET /api/projects/{id}`: the project, its saved frame (None while torn or absent), problems."""
    problems = Problems()
    try:
        top = members(payload, leave=("state",))
    except Malformed as error:
        return None, None, (f"GET /api/projects/…: {error}",)
    project = read_project_entry(top.decoded.get("project"), "project", problems)
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


def read_created(payload: str) -> Project | None:
    """The project in the body of `POST /api/projects` or of a switch; None when the body names none."""
    values = json_object(payload)
    return None if values is None else read_project_entry(values.get("project"), "project", Problems())


def read_error(payload: str) -> str | None:
    """The server's words in the body of an HTTP error; None for a page of HTML, or what else is none of ROMA's."""
    values = json_object(payload)
    said = (values.get("error") or values.get("message")) if values is not None else None
    return shorten(clean(said), 500) if isinstance(said, str) else None


def read_health(payload: str) -> bool | None:
    """Does `GET /api/health` say `safe_to_join`? None when the body is no health reply at all."""
    values = json_object(payload)
    return None if values is None else values.get("safe_to_join") is True


def read_executions(payload: str) -> tuple[str, ...] | None:
    """Ids of the projects with a living run, from `GET /api/executions`; None when that is not what came."""
    values = json_object(payload)
    running = values.get("running_executions") if values is not None else None
    if not isinstance(running, dict):
        return None
    dead = {
        key for key, value in running.items() if isinstance(value, dict) and value.get("is_alive") is False
    }
    return tuple(clean(key) for key in running if key not in dead)


def _read_projects(name: str, values: dict[str, Any], problems: Problems) -> Event:
    fields = Fields(values, name, problems)
    found = []
    values_of_all = fields.items("projects")
    if len(values_of_all) > MOST_LISTED:
        problems.add("projects", f"{len(values_of_all):,} of them; the first {MOST_LISTED:,} are known")
    for place, value in enumerate(values_of_all[:MOST_LISTED]):
        if value is None:
            problems.add(f"projects[{place}]", "expected an object, got null")
        found.append(read_project_entry(value, f"projects[{place}]", problems))
    projects = tuple(project for project in found if project is not None)
    is_whole = isinstance(values.get("projects"), list) and len(projects) == len(values_of_all)
    return ProjectsListed(
        projects, fields.identifier("current_project_id"), problems.sentences(), is_whole=is_whole
    )


def _read_started(name: str, values: dict[str, Any], problems: Problems) -> Event:
    project = read_project_entry(values.get("project"), f"{name}.project", problems)
    if project is None:
        return Unreadable(name, problems.sentences() or (f"{name}: names no project",))
    return ProjectStarted(project, problems.sentences())


def _read_refusal(name: str, values: dict[str, Any], problems: Problems) -> Event:
    fields = Fields(values, name, problems)
    message = fields.text("message") or fields.text("error") or "the server gave no reason"
    return ServerRefused(name, shorten(message, 500), problems.sentences(), fields.text("rid"))


def _read_switched(name: str, payload: Payload, last: FrameTexts) -> Event:
    try:
        top = members(payload.text, payload.start, leave=("project_data",))
    except Malformed as error:
        return Unreadable(name, (f"{name}: {error}",))
    if "project_data" not in top.texts:
        problems = Problems()
        project_id = Fields(top.decoded, name, problems).identifier("project_id")
        if not project_id:
            return Unreadable(name, (*problems.sentences(), f"{name}: names no project and has no graph"))
        return ProjectSwitched(name, project_id, problems.sentences())
    graph = read_graph(name, Payload(top.texts.get("project_data", "")), last)
    if isinstance(graph, Unreadable) or graph.project_id is not None:
        return graph
    return replace(graph, project_id=Fields(top.decoded, name, Problems()).identifier("project_id"))


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


def _bytes(payload: Payload) -> int:
    """How long the text from `start` on is in UTF-8; a packet's has the bracket behind its arguments, too."""
    if payload.text.isascii():
        return len(payload.text) - payload.start
    return len(payload.text[payload.start :].encode("utf-8", "surrogatepass"))


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
    try:
        name = _decoder.decode(match[1])
    except ValueError as error:
        raise Malformed(f"the name of an event is {_reason(error)}") from None
    return clean(name), None if match[2] == "]" else Payload(text, match.end())
