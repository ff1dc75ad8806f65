"""What a server says of itself over HTTP: is it ready, what runs, how many questions wait. Nothing is raised."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, TypedDict

from .clock import ServerClock
from .reading import LONGEST_ID, Fields, Problems, clean, shorten

MOST_EXECUTIONS = 1000
LONGEST_GOAL = 2000


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
