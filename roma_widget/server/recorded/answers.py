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

from roma_widget.archive.capture import FRAME, Capture
from roma_widget.server.recorded.standing import Standing
from roma_widget.server.wire.json_parts import join_object, split_object
from roma_widget.server.wire.records import compact_json, empty_frame
from roma_widget.server.wire.requests import ERRORS, Refused, check_goal, check_max_steps

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


def answer(event: str, args: Sequence[Any], asked: Asked) -> list[Reply]:
    """The replies to one of `HANDLED_EVENTS`, in order; never raises, whatever `args` holds."""
    if event == "request_initial_state":
        return _initial_state(asked) if not args else []
    if len(args) != 1:
        return []  # the real handler takes one argument; Flask-SocketIO drops its TypeError
    try:
        return _REQUESTS[event](args[0], asked)
    except Refused as refused:
        error = ERRORS[event]
        return [Reply(error.event, error.payload(str(refused)))]


def _initial_state(asked: Asked) -> list[Reply]:
    """The list and the frame, both to the asker: the real server's broadcast of it is news to nobody else."""
    frame = asked.standing.current_frame() or empty_frame(asked.now)
    return [Reply("projects_list", compact_json(asked.standing.projects_list())), Reply(FRAME, frame)]


def _start_project(payload: Any, asked: Asked) -> list[Reply]:
    if isinstance(payload, bool | int | float) and payload:
        raise Refused(f"Server error: argument of type '{_type(payload)}' is not iterable")
    if not isinstance(payload, dict) or "project_goal" not in payload:
        raise Refused("project_goal not provided")
    check_goal(payload["project_goal"])
    check_max_steps(payload.get("max_steps", 250))
    project_id = payload.get("project_id")
    if project_id and not asked.standing.knows(_hashable(project_id, "Server error: ")):
        raise Refused("Project not found")
    raise Refused(NO_RUNS)


def _simple_execute_stream(payload: Any, asked: Asked) -> list[Reply]:
    goal = _fields(payload, "Error: ").get("goal")
    if not goal:
        raise Refused("goal not provided")
    check_goal(goal)
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
    return [Reply("project_restored", join_object(parts))]


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
    return [Reply("project_restored", join_object(parts))]


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
            **split_object(empty_frame(asked.now)),
            "project_id": compact_json(project_id),
            "current_project": project,
        }
    return split_object(frame)


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


_REQUESTS: Mapping[str, Callable[[Any, Asked], list[Reply]]] = {
    "start_project": _start_project,
    "simple_execute_stream": _simple_execute_stream,
    "switch_project": _change_of_a_project,
    "restore_project_state": _restore_project_state,
    "request_project_restore": _request_project_restore,
    "auto_save_project": _auto_save_project,
    "force_save_project": _force_save_project,
    "start_project_execution": _start_project_execution,
    "request_node_trace": _request_node_trace,
    "request_stage_details": _request_stage_details,
    "clear_traces": _change_of_a_project,
    "hitl_response": _hitl_response,
}

HANDLED_EVENTS: tuple[str, ...] = ("request_initial_state", *_REQUESTS)
"""All others are as on the real server: no reply and no acknowledgement."""
