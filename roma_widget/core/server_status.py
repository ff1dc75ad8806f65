"""What a server says of itself over HTTP: is it ready, what runs, how many questions wait. Nothing is raised."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, TypedDict, get_args

from .clock import ServerClock
from .model import RelayedState, RelayNews
from .reading import LONGEST_ID, Fields, Problems, clean, shorten

GIVE_TOKEN = "connect with token="
"""To who came without the right one."""
MOST_EXECUTIONS = 1000
LONGEST_GOAL = 2000
LONGEST_WORDS = 500
"""Of what a relay says of itself."""
_RELAYED = frozenset(get_args(RelayedState)) - {"absent"}


class Execution(TypedDict):
    """What runs, in the server's words. What it does not say is None."""

    goal: str | None
    max_steps: int | None
    started: datetime | None
    is_alive: bool | None


def json_object(payload: str) -> dict[str, Any] | None:
    """The object that `payload` is; None when it is something else."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_ready(status: int, payload: str) -> bool:
    """Does the answer to `GET /api/health` say that the server is ready?

    A label for the person and nothing to act on: an old ROMA answers 500 and works.
    """
    values = json_object(payload) if status == 200 else None
    if values is None:
        return False
    return values.get("initialized") is not False and values.get("status", "healthy") == "healthy"


def relay_in_health(payload: str) -> RelayNews | None:
    """What `GET /api/health` says of the relay that answers; None where none does."""
    values = json_object(payload)
    relay = values.get("relay") if values is not None else None
    return read_relay(Fields(relay, "relay", Problems())) if isinstance(relay, dict) else None


def read_relay(fields: Fields) -> RelayNews:
    """How a relay stands with the server above it. A state that is none is not known."""
    state = fields.text("state")
    return RelayNews(
        of=_words(fields, "of"),
        state=state if state in _RELAYED else None,  # type: ignore[arg-type] # one of them
        reason=_words(fields, "reason"),
        error=_words(fields, "error"),
        heard_at=_moment(fields.time("heard_at")),
    )


def _moment(time: datetime | None) -> datetime | None:
    """In UTC; None where it names no zone, or is of no year there."""
    try:
        return None if time is None or time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        return None


def _words(fields: Fields, name: str) -> str | None:
    said = fields.text(name)
    return None if said is None else shorten(said, LONGEST_WORDS)


def read_execution_status(payload: str, clock: ServerClock) -> dict[str, Execution] | None:
    """The executions in the answer to `GET /api/executions`, by project; None when that is not what came."""
    values = json_object(payload)
    running = values.get("running_executions") if values is not None else None
    if not isinstance(running, dict):
        return None
    found: dict[str, Execution] = {}
    for project_id, value in running.items():
        if len(found) == MOST_EXECUTIONS:
            break
        if len(project_id) <= LONGEST_ID:
            found[clean(project_id)] = _execution(value, clock)
    return found


def _execution(value: object, clock: ServerClock) -> Execution:
    fields = Fields(value if isinstance(value, dict) else {}, "running_executions", Problems())
    goal = fields.text("goal")
    is_alive = value.get("is_alive") if isinstance(value, dict) else None
    return {
        "goal": None if goal is None else shorten(goal, LONGEST_GOAL),
        "max_steps": fields.whole("max_steps"),
        "started": clock.utc(fields.time("started_at")),
        "is_alive": is_alive if isinstance(is_alive, bool) else None,
    }


def read_questions(payload: str) -> int | None:
    """How many prompts wait, from `GET /api/system/hitl-debug`: a number there, or what can be counted."""
    values = json_object(payload)
    status = values.get("hitl_status") if values is not None else None
    pending = status.get("pending_requests") if isinstance(status, dict) else None
    if isinstance(pending, list | dict):
        return len(pending)
    if isinstance(pending, int) and not isinstance(pending, bool) and 0 <= pending < 2**53:
        return pending
    return None
