"""Reads the small events: replies to requests, news of executions, and questions to a human."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .events import (
    Event,
    ExecutionStarted,
    ExtensionOffered,
    HitlClosed,
    HitlQueued,
    HitlRequested,
    Payload,
    ProjectSaved,
    ProjectStatus,
    ProjectStopped,
    RelayTold,
    SimpleExecution,
    TracesCleared,
    Unreadable,
)
from .reading import Fields, Problems
from .server_status import read_relay
from .split import Malformed, members

Reader = Callable[[str, Payload], Event]


def read_hitl_request(name: str, payload: Payload) -> HitlRequested | Unreadable:
    """`hitl_request`. What is to be reviewed stays text until somebody looks at it."""
    problems = Problems()
    top = _top(name, payload, problems, leave=("data_for_review",))
    if isinstance(top, Unreadable):
        return top
    fields, texts = top
    request_id = fields.identifier("request_id")
    if not request_id:
        return Unreadable(name, (*problems.sentences(), f"{name}: a question without an id was skipped"))
    return HitlRequested(
        request_id=request_id,
        checkpoint=fields.text("checkpoint_name"),
        task_id=fields.identifier("node_id"),
        attempt=fields.whole("current_attempt"),
        message=fields.text("context_message"),
        asked=fields.time("timestamp"),
        data_json=texts.get("data_for_review", "null"),
        problems=problems.sentences(),
        project_id=fields.identifier("project_id"),
    )


def _hitl_closed(fields: Fields, request_id: str, problems: Problems) -> Event:
    """`hitl_answered` and `hitl_closed`."""
    return HitlClosed(
        request_id,
        action=fields.text("action"),
        answered_by=fields.text("answered_by"),
        reason=fields.text("reason"),
        rid=fields.identifier("rid"),
        instructions=fields.text("modification_instructions"),
        state=fields.text("state"),
        problems=problems.sentences(),
    )


def _hitl_queued(fields: Fields, request_id: str, problems: Problems) -> Event:
    return HitlQueued(
        request_id,
        action=fields.text("action"),
        answered_by=fields.text("answered_by"),
        note=fields.text("note"),
        rid=fields.identifier("rid"),
        instructions=fields.text("modification_instructions"),
        problems=problems.sentences(),
    )


def _relay(name: str, payload: Payload) -> Event:
    problems = Problems()
    top = _top(name, payload, problems)
    if isinstance(top, Unreadable):
        return top
    news, rid = read_relay(top[0]), top[0].identifier("rid")
    return RelayTold(news, problems.sentences(), rid)


def _extension(name: str, payload: Payload) -> Event:
    problems = Problems()
    top = _top(name, payload, problems)
    if isinstance(top, Unreadable):
        return top
    version = top[0].whole("version")
    return (
        Unreadable(name, (*problems.sentences(), f"{name}: names no version"))
        if version is None
        else ExtensionOffered(version, problems.sentences())
    )


def _execution_started(fields: Fields, project_id: str, problems: Problems) -> Event:
    goal, max_steps = fields.text("goal"), fields.whole("max_steps")
    return ExecutionStarted(project_id, goal, max_steps, problems.sentences())


def _saved(fields: Fields, project_id: str, problems: Problems) -> Event:
    return ProjectSaved(project_id, fields.whole("node_count"), problems.sentences())


def _cleared(fields: Fields, project_id: str, problems: Problems) -> Event:
    return TracesCleared(project_id, problems.sentences())


def _stopped(fields: Fields, project_id: str, problems: Problems) -> Event:
    return ProjectStopped(project_id, problems.sentences())


def _status(fields: Fields, project_id: str, problems: Problems) -> Event:
    return ProjectStatus(project_id, fields.text("status"), fields.time("timestamp"), problems.sentences())


def _of_a_project(read: Callable[[Fields, str, Problems], Event]) -> Reader:
    return _that_names("project_id", "names no project", read)


def _that_names(key: str, without: str, read: Callable[[Fields, str, Problems], Event]) -> Reader:
    """Reads an event that is nothing without the id under `key`."""

    def read_one(name: str, payload: Payload) -> Event:
        problems = Problems()
        top = _top(name, payload, problems)
        if isinstance(top, Unreadable):
            return top
        identifier = top[0].identifier(key)
        if not identifier:
            return Unreadable(name, (*problems.sentences(), f"{name}: {without}"))
        return read(top[0], identifier, problems)

    return read_one


def _simple(name: str, payload: Payload) -> Event:
    problems = Problems()
    top = _top(name, payload, problems)
    if isinstance(top, Unreadable):
        return top
    fields, texts = top
    goal, message = fields.text("goal"), fields.text("message")
    return SimpleExecution(name, goal, message, sum(map(len, texts.values())), problems.sentences())


def _top(
    name: str, payload: Payload, problems: Problems, leave: tuple[str, ...] = ()
) -> tuple[Fields, Mapping[str, str]] | Unreadable:
    """The fields of the event's one object; a value that cannot be decoded costs itself only."""
    try:
        top = members(payload.text, payload.start, leave=leave)
    except Malformed as error:
        return Unreadable(name, (f"{name}: {error}",))
    for key, why in top.undecodable.items():
        problems.add(f"{name}.{key}", why)
    values: dict[str, Any] = top.decoded
    return Fields(values, name, problems), top.texts


SMALL_EVENTS: Mapping[str, Reader] = {
    "execution_started": _of_a_project(_execution_started),
    "save_success": _of_a_project(_saved),
    "traces_cleared": _of_a_project(_cleared),
    "project_stopped": _of_a_project(_stopped),
    "project_status_update": _of_a_project(_status),
    "simple_execution_started": _simple,
    "simple_execution_update": _simple,
    "hitl_request": read_hitl_request,
    "hitl_answered": _that_names("request_id", "names no question", _hitl_closed),
    "hitl_closed": _that_names("request_id", "names no question", _hitl_closed),
    "hitl_queued": _that_names("request_id", "names no question", _hitl_queued),
    "extension": _extension,
    "relay": _relay,
}
"""Name of an event -> its reader."""
