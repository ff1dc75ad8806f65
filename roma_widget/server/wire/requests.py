"""What clients ask for: untrusted arguments in, typed requests out, or `Refused` with one sentence for who asked.

Also which error event answers which request, as on ROMA, and what a goal may be. Ids are only text here: whether there
is such a project is for those who know the projects.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from roma_widget.server.wire.records import clean_text, compact_json

MAX_STEPS = 250
"""Where a request does not say."""
Action = Literal["approve", "modify", "abort"]
ACTIONS = frozenset(get_args(Action))
_LONGEST_ECHO = 100
_LONGEST_TEXT = 400
_LONGEST_WHO = 80
_SURROGATE = re.compile("[\ud800-\udfff]")  # JSON may hold one alone, UTF-8 may not


class Refused(Exception):
    """The request gets its error event, with this text; over HTTP `status` and the text."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """How a request is refused: `{key: prefix + why}` as `event`."""

    event: str
    key: str = "error"
    prefix: str = ""

    def payload(self, why: str) -> bytes:
        return compact_json({self.key: f"{self.prefix}{why}"})


ERRORS: Mapping[str, ErrorReply] = {
    "request_initial_state": ErrorReply("error", "message"),
    "start_project": ErrorReply("error", "message"),
    "simple_execute_stream": ErrorReply("simple_execution_error", "message"),
    "switch_project": ErrorReply("project_switch_error"),
    "restore_project_state": ErrorReply("project_restore_error"),
    "request_project_restore": ErrorReply("project_restore_error"),
    "auto_save_project": ErrorReply("save_error"),
    "force_save_project": ErrorReply("save_error"),
    "start_project_execution": ErrorReply("execution_error"),
    "request_node_trace": ErrorReply("node_trace_error"),
    "request_stage_details": ErrorReply("stage_details_error"),
    "clear_traces": ErrorReply("clear_traces_error"),
    "hitl_response": ErrorReply("hitl_error", "message", "Failed to process HITL response: "),
    # not of ROMA
    "stop_project": ErrorReply("project_stop_error"),
    "request_snapshot": ErrorReply("snapshot_error"),
    "watch_task": ErrorReply("watch_task_error"),
    "unwatch_task": ErrorReply("watch_task_error"),
    "request_task_result": ErrorReply("task_result_error"),
    "request_history": ErrorReply("history_error"),
    "reconnect_above": ErrorReply("reconnect_above_error"),
}
"""Request -> its error event."""


@dataclass(frozen=True, slots=True)
class RequestInitialState:
    pass


@dataclass(frozen=True, slots=True)
class StartProject:
    """`project_id` runs that project anew."""

    goal: str
    max_steps: int = MAX_STEPS
    project_id: str | None = None


@dataclass(frozen=True, slots=True)
class SimpleExecuteStream:
    goal: str
    max_steps: int = MAX_STEPS
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _OfProject:
    project_id: str


class SwitchProject(_OfProject):
    pass


class RestoreProjectState(_OfProject):
    pass


class RequestProjectRestore(_OfProject):
    pass


class AutoSaveProject(_OfProject):
    pass


class ForceSaveProject(_OfProject):
    pass


class ClearTraces(_OfProject):
    pass


class StopProject(_OfProject):
    pass


@dataclass(frozen=True, slots=True)
class StartProjectExecution:
    project_id: str
    goal: str
    max_steps: int = MAX_STEPS


@dataclass(frozen=True, slots=True)
class RequestNodeTrace:
    project_id: str
    node_id: str


@dataclass(frozen=True, slots=True)
class RequestStageDetails:
    project_id: str
    node_id: str
    stage_id: str


@dataclass(frozen=True, slots=True)
class HitlResponse:
    """`action` is one of `ACTIONS`. `answered_by` is on whose behalf a client of the extension says that it answers:
    to be shown, and nothing else."""

    request_id: str
    action: str
    instructions: str | None = None
    answered_by: str = ""

    def by(self, label: str) -> str:
        """Who is announced, when the client of this label sent it."""
        who = self.answered_by[:_LONGEST_WHO]
        return clean_text(f"{who} (via {label})" if who and label else label)


Request = (
    RequestInitialState
    | StartProject
    | SimpleExecuteStream
    | SwitchProject
    | RestoreProjectState
    | RequestProjectRestore
    | AutoSaveProject
    | ForceSaveProject
    | StartProjectExecution
    | RequestNodeTrace
    | RequestStageDetails
    | ClearTraces
    | HitlResponse
    | StopProject
)
Fields = Mapping[str, Any]


def parse(event: str, args: tuple[Any, ...]) -> Request:
    """The request that `event` makes with `args` (decoded JSON, or anything else). Raises `Refused` and nothing else.

    `event` is one of `EVENTS`. Unknown fields pass.

    >>> parse("switch_project", ({"project_id": "7f"},))
    SwitchProject(project_id='7f')
    """
    if event == "request_initial_state" and args in ((), (None,)):
        return RequestInitialState()
    return _PARSERS[event](fields_of(event, args))


def fields_of(event: str, args: tuple[Any, ...]) -> Fields:
    """The one object that a request carries."""
    if len(args) != 1:
        raise Refused(f"{event} takes one argument, not {len(args)}")
    if not isinstance(args[0], dict):
        raise Refused(f"{event} takes an object, not {_type(args[0])}")
    return args[0]


def rid_of(args: tuple[Any, ...]) -> str | int | None:
    """The id that a client gave its request, to be echoed; None where there is none that will do."""
    given = args[0].get("rid") if args and isinstance(args[0], dict) else None
    if isinstance(given, str) and len(given) <= 100 and not _SURROGATE.search(given):
        return given
    if isinstance(given, int) and not isinstance(given, bool) and abs(given) < 2**63:
        return given
    return None


def shown(value: str) -> str:
    """An id as it stands in a refusal."""
    return value if len(value) <= _LONGEST_ECHO else value[:_LONGEST_ECHO] + "…"


def one_sentence(error: BaseException) -> str:
    """What a client is told of an error of ours."""
    text = str(error).strip() or type(error).__name__
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def check_goal(goal: object) -> str:
    """A goal without the blanks around it. Raises `Refused` for what is none, in ROMA's words."""
    if not isinstance(goal, str) or not goal:
        raise Refused("Goal must be a non-empty string")
    stripped = goal.strip()
    if len(stripped) < 3:
        raise Refused("Goal must be at least 3 characters long")
    if len(stripped) > 1000:
        raise Refused("Goal must be less than 1000 characters")
    return clean_text(stripped)


def check_max_steps(max_steps: Any) -> int:
    """Numbers as text pass, as on ROMA. Raises `Refused` in its words."""
    try:
        number = int(max_steps)
    except (TypeError, ValueError, OverflowError):
        raise Refused("max_steps must be a valid integer") from None
    if number < 1:
        raise Refused("max_steps must be at least 1")
    if number > 10_000:
        raise Refused("max_steps must be less than 10000")
    return number


def _start_project(fields: Fields) -> Request:
    if "project_goal" not in fields:
        raise Refused("project_goal not provided")
    goal = check_goal(fields["project_goal"])
    max_steps = check_max_steps(fields.get("max_steps", MAX_STEPS))
    project_id = fields.get("project_id")
    if project_id is None or project_id == "":
        return StartProject(goal, max_steps)
    return StartProject(goal, max_steps, _text(fields, "project_id"))


def _simple_execute_stream(fields: Fields) -> Request:
    if not fields.get("goal"):
        raise Refused("goal not provided")
    goal = check_goal(fields["goal"])
    options = fields.get("options")
    if options is None:
        return SimpleExecuteStream(goal)
    if not isinstance(options, dict):
        raise Refused(f"options must be an object, not {_type(options)}")
    return SimpleExecuteStream(goal, check_max_steps(options.get("max_steps", MAX_STEPS)), options)


def _start_project_execution(fields: Fields) -> Request:
    if not fields.get("project_id") or not fields.get("goal"):
        raise Refused("project_id and goal are required")
    return StartProjectExecution(
        _text(fields, "project_id"),
        check_goal(fields["goal"]),
        check_max_steps(fields.get("max_steps", MAX_STEPS)),
    )


def _request_node_trace(fields: Fields) -> Request:
    node_id = _text(fields, "node_id")
    return RequestNodeTrace(_text(fields, "project_id"), node_id)


def _request_stage_details(fields: Fields) -> Request:
    if not fields.get("node_id") or not fields.get("stage_id"):
        raise Refused("node_id and stage_id are required")
    project_id = _text(fields, "project_id")
    return RequestStageDetails(project_id, _text(fields, "node_id"), _text(fields, "stage_id"))


def _hitl_response(fields: Fields) -> Request:
    request_id = _text(fields, "request_id")
    action = fields.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        given = (
            "missing" if action is None else repr(shown(action)) if isinstance(action, str) else _type(action)
        )
        raise Refused(f"action must be approve, modify or abort, not {given}")
    instructions = fields.get("modification_instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise Refused(f"modification_instructions must be text, not {_type(instructions)}")
    answered_by = fields.get("answered_by")
    return HitlResponse(
        request_id,
        action,
        clean_text(instructions) if instructions else None,
        answered_by if isinstance(answered_by, str) else "",
    )


def _of_project(
    request: Callable[[str], Request], missing: str = "project_id is required"
) -> Callable[[Fields], Request]:
    def of_project(fields: Fields) -> Request:
        return request(_text(fields, "project_id", missing))

    return of_project


def _text(fields: Fields, key: str, missing: str | None = None) -> str:
    value = fields.get(key)
    if value is None or value == "":
        raise Refused(missing or f"{key} is required")
    if not isinstance(value, str):
        raise Refused(f"{key} must be text, not {_type(value)}")
    return value


_TYPES = {
    "NoneType": "null",
    "bool": "a boolean",
    "int": "a number",
    "float": "a number",
    "str": "text",
    "list": "a list",
    "dict": "an object",
    "bytes": "binary data",
}


def _type(value: object) -> str:
    """The JSON type of what came."""
    return _TYPES.get(type(value).__name__, "something else")


_PARSERS: Mapping[str, Callable[[Fields], Request]] = {
    "request_initial_state": lambda fields: RequestInitialState(),
    "start_project": _start_project,
    "simple_execute_stream": _simple_execute_stream,
    "switch_project": _of_project(SwitchProject),
    "restore_project_state": _of_project(RestoreProjectState),
    "request_project_restore": _of_project(RequestProjectRestore, "project_id required"),
    "auto_save_project": _of_project(AutoSaveProject, "project_id required"),
    "force_save_project": _of_project(ForceSaveProject, "project_id required"),
    "start_project_execution": _start_project_execution,
    "request_node_trace": _request_node_trace,
    "request_stage_details": _request_stage_details,
    "clear_traces": _of_project(ClearTraces),
    "hitl_response": _hitl_response,
    "stop_project": _of_project(StopProject),
}

EVENTS: tuple[str, ...] = tuple(_PARSERS)
"""What plain clients may ask. The extension's requests are `Extension.EVENTS`."""
