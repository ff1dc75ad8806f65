"""What the replay answers to a client's event: the real server's matrix of replies, as pure functions.

Every request is refused in the real server's words (they are Python's: the server passes on what its code
raised), and is silent where that is silent. What would change the server (start, switch, save, clear) is
refused with `NO_RUNS`. One difference on purpose: for an unknown node the real server invents a trace, this
one says that there is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from roma_widget.server.capture import FRAME, Capture, compact_json
from roma_widget.server.standing import Standing, empty_frame

NO_RUNS = "this server replays a recording: it starts no runs"

_ONLY_IN_TRACES = frozenset(
    {
        "tool_calls",
        "tool_execution_count",
        "tool_call_duration_ms",
        "llm_input_messages",
        "llm_input_length",
        "llm_call_duration_seconds",
        "llm_call_start_time",
        "llm_call_end_time",
        "additional_data",
    }
)
"""Keys of a stage that stand in `node_trace_data` and not in `stage_details_data`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One event for the client that asked; `payload` is its single argument as JSON text."""

    event: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer may look at. `now` is the server's time, as it writes it."""

    capture: Capture
    standing: Standing
    now: str


class Refused(Exception):
    """The request gets its error event, with this text."""


@dataclass(frozen=True, slots=True)
class _Request:
    answer: Callable[[Any, Asked], list[Reply]]
    error_event: str
    error_key: str = "error"
    error_prefix: str = ""


def answer(event: str, args: Sequence[Any], asked: Asked) -> list[Reply]:
    """The replies to one of `HANDLED_EVENTS`, in order; never raises, whatever `args` holds."""
    if event == "request_initial_state":
        return _initial_state(asked) if not args else []
    if len(args) != 1:
        return []  # the real handler takes one argument; Flask-SocketIO drops its TypeError
    request = _REQUESTS[event]
    try:
        return request.answer(args[0], asked)
    except Refused as refused:
        text = f"{request.error_prefix}{refused}"
        return [Reply(request.error_event, compact_json({request.error_key: text}))]


def _initial_state(asked: Asked) -> list[Reply]:
    """The list and the frame, both to the asker: the real server's broadcast of it is news to nobody else."""
    frame = asked.standing.current_frame() or empty_frame(asked.now)
    return [Reply("projects_list", compact_json(asked.standing.projects_list())), Reply(FRAME, frame)]


def _start_project(payload: Any, asked: Asked) -> list[Reply]:
    if isinstance(payload, bool | int | float) and payload:
        raise Refused(f"Server error: argument of type '{_type(payload)}' is not iterable")
    if not isinstance(payload, dict) or "project_goal" not in payload:
        raise Refused("project_goal not provided")
    _check_goal(payload["project_goal"])
    _check_max_steps(payload.get("max_steps", 250))
    project_id = payload.get("project_id")
    if project_id and not asked.standing.knows(_hashable(project_id, "Server error: ")):
        raise Refused("Project not found")
    raise Refused(NO_RUNS)


def _simple_execute_stream(payload: Any, asked: Asked) -> list[Reply]:
    goal = _fields(payload, "Error: ").get("goal")
    if not goal:
        raise Refused("goal not provided")
    _check_goal(goal)
    raise Refused(NO_RUNS)


def _start_project_execution(payload: Any, asked: Asked) -> list[Reply]:
    fields = _fields(payload)
    if not fields.get("project_id") or not fields.get("goal"):
        raise Refused("project_id and goal are required")
    _hashable(fields["project_id"])
    raise Refused(NO_RUNS)


def _change_of_a_project(payload: Any, asked: Asked) -> list[Reply]:
    """`switch_project` and `clear_traces`."""
    _known_project(payload, asked)
    raise Refused(NO_RUNS)


def _force_save_project(payload: Any, asked: Asked) -> list[Reply]:
    if not _fields(payload).get("project_id"):
        raise Refused("project_id required")
    raise Refused(NO_RUNS)


def _auto_save_project(payload: Any, asked: Asked) -> list[Reply]:
    return []


def _restore_project_state(payload: Any, asked: Asked) -> list[Reply]:
    parts = _frame_parts(_known_project(payload, asked), asked)
    parts.pop("project_id", None)
    parts.pop("timestamp", None)
    return [Reply("project_restored", _joined(parts))]


def _request_project_restore(payload: Any, asked: Asked) -> list[Reply]:
    if not isinstance(payload, dict):
        return []
    project_id = payload.get("project_id")
    if not project_id:
        raise Refused("project_id required")
    if not asked.standing.knows(project_id):
        raise Refused(f"No saved state found for project {project_id}")
    parts = {
        **_frame_parts(project_id, asked),
        "restored": b"true",
        "restored_at": compact_json(asked.now),
        "restored_from": b'"basic_state"',
    }
    parts.setdefault("project_id", compact_json(project_id))  # a frame after a switch has neither
    parts.setdefault("timestamp", compact_json(asked.now))
    return [Reply("project_restored", _joined(parts))]


def _request_node_trace(payload: Any, asked: Asked) -> list[Reply]:
    fields = _fields(payload)
    node_id, project_id = fields.get("node_id"), fields.get("project_id")
    if not node_id:
        raise Refused("node_id is required")
    if not project_id:
        raise Refused("project_id is required")
    if not asked.standing.knows(_hashable(project_id)):
        raise Refused(f"Project {project_id} not found")
    trace = asked.capture.traces.get((project_id, _hashable(node_id)))
    if trace is None:
        raise Refused(f"No trace found for node {node_id}")
    return [Reply("node_trace_data", trace)]


def _request_stage_details(payload: Any, asked: Asked) -> list[Reply]:
    fields = _fields(payload)
    node_id, stage_id, project_id = fields.get("node_id"), fields.get("stage_id"), fields.get("project_id")
    if not node_id or not stage_id:
        raise Refused("node_id and stage_id are required")
    if not project_id:
        raise Refused("project_id is required")
    trace = None
    if isinstance(node_id, str) and asked.standing.knows(project_id):
        trace = asked.capture.traces.get((project_id, node_id))
    recorded = None
    if isinstance(node_id, str) and isinstance(stage_id, str) and asked.standing.knows(project_id):
        recorded = asked.capture.stage_details.get((project_id, node_id, stage_id))
    if recorded is not None:
        return [Reply("stage_details_data", recorded)]
    if trace is None:
        raise Refused(f"No trace found for node {node_id}")
    return [Reply("stage_details_data", _stage_of(trace, node_id, stage_id))]


def _stage_of(trace: bytes, node_id: str, stage_id: object) -> bytes:
    """The details of a stage that nobody asked for while recording: its trace has them all."""
    for stage in json.loads(trace)["trace"].get("stages", []):
        if stage.get("stage_id") == stage_id:
            details = {key: value for key, value in stage.items() if key not in _ONLY_IN_TRACES}
            return compact_json({"node_id": node_id, "stage_id": stage_id, "stage": details})
    raise Refused(f"Stage {stage_id} not found")


def _hitl_response(payload: Any, asked: Asked) -> list[Reply]:
    """No reply: the acknowledgement says that it came, and the recorded run goes on as it did."""
    _hashable(_fields(payload).get("request_id"))
    return []


def _known_project(payload: Any, asked: Asked) -> str:
    project_id = _fields(payload).get("project_id")
    if not project_id:
        raise Refused("project_id is required")
    if not asked.standing.knows(_hashable(project_id)):
        raise Refused(f"Project {project_id} not found")
    return str(project_id)


def _frame_parts(project_id: str, asked: Asked) -> dict[str, bytes]:
    """The newest frame of a known project by key, each value as JSON text."""
    frame = asked.standing.frame(project_id)
    if frame is None:
        project = compact_json(asked.standing.project(project_id))
        return {
            **_split(empty_frame(asked.now)),
            "project_id": compact_json(project_id),
            "current_project": project,
        }
    return _split(frame)


def _split(json_object: bytes) -> dict[str, bytes]:
    try:
        return {key: bytes(raw) for key, raw in _raw_values.decode(json_object).items()}
    except msgspec.DecodeError:  # the server wrote NaN
        return {key: compact_json(value) for key, value in json.loads(json_object).items()}


_raw_values = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _joined(parts: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(compact_json(key) + b":" + value for key, value in parts.items()) + b"}"


def _type(value: object) -> str:
    return type(value).__name__


def _fields(payload: Any, prefix: str = "") -> Mapping[str, Any]:
    if not isinstance(payload, dict):
        raise Refused(f"{prefix}'{_type(payload)}' object has no attribute 'get'")
    return payload


def _hashable(value: Any, prefix: str = "") -> Any:
    if isinstance(value, list | dict):
        raise Refused(f"{prefix}unhashable type: '{_type(value)}'")
    return value


def _check_goal(goal: object) -> None:
    if not isinstance(goal, str) or not goal:
        raise Refused("Goal must be a non-empty string")
    if len(goal.strip()) < 3:
        raise Refused("Goal must be at least 3 characters long")
    if len(goal.strip()) > 1000:
        raise Refused("Goal must be less than 1000 characters")


def _check_max_steps(max_steps: Any) -> None:
    try:
        number = int(max_steps)
    except (TypeError, ValueError, OverflowError):
        raise Refused("max_steps must be a valid integer") from None
    if number < 1:
        raise Refused("max_steps must be at least 1")
    if number > 10_000:
        raise Refused("max_steps must be less than 10000")


_REQUESTS: Mapping[str, _Request] = {
    "start_project": _Request(_start_project, "error", "message"),
    "simple_execute_stream": _Request(_simple_execute_stream, "simple_execution_error", "message"),
    "switch_project": _Request(_change_of_a_project, "project_switch_error"),
    "restore_project_state": _Request(_restore_project_state, "project_restore_error"),
    "request_project_restore": _Request(_request_project_restore, "project_restore_error"),
    "auto_save_project": _Request(_auto_save_project, "save_error"),
    "force_save_project": _Request(_force_save_project, "save_error"),
    "start_project_execution": _Request(_start_project_execution, "execution_error"),
    "request_node_trace": _Request(_request_node_trace, "node_trace_error"),
    "request_stage_details": _Request(_request_stage_details, "stage_details_error"),
    "clear_traces": _Request(_change_of_a_project, "clear_traces_error"),
    "hitl_response": _Request(_hitl_response, "hitl_error", "message", "Failed to process HITL response: "),
}

HANDLED_EVENTS: tuple[str, ...] = ("request_initial_state", *_REQUESTS)
"""All others are as on the real server: no reply and no acknowledgement."""
