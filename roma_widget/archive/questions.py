"""Questions of agents, and what was answered, as rows of an archive."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from ..core.hitl import Action, Answer, HitlRequest, HitlState, Via
from ..core.reading import clean
from ..core.steps import as_time, as_us

Row = tuple[
    str, str | None, str | None, str | None, int | None, int | None, str | None, float, float, str, str
]
"""request_id, project_id, checkpoint, task_id, attempt, asked_us, message, heard_s, last_heard_s, state, data (JSON);
and what the last column holds as JSON: `_More`."""
COLUMNS = (
    "request_id, project_id, checkpoint, task_id, attempt, asked_us, message, heard_s, last_heard_s, state, "
    "data, more"
)


class _More(msgspec.Struct):
    action: Action | None = None
    instructions: str | None = None
    via: Via | None = None
    answered_s: float | None = None
    why: str | None = None
    previous_id: str | None = None
    settled_s: float | None = None


def question_row(request: HitlRequest) -> tuple[Any, ...]:
    """The columns of `questions`."""
    answer = request.answer
    more = _More(
        action=None if answer is None else answer.action,
        instructions=None if answer is None else answer.instructions,
        via=None if answer is None else answer.via,
        answered_s=None if answer is None else answer.at_s,
        why=request.why,
        previous_id=request.previous_id,
        settled_s=request.settled_s,
    )
    return (
        clean(request.request_id),
        _clean(request.project_id),
        _clean(request.checkpoint),
        _clean(request.task_id),
        request.attempt if request.attempt is not None and abs(request.attempt) < 2**63 else None,
        None if request.asked is None else as_us(request.asked),
        _clean(request.message),
        request.heard_s,
        request.last_heard_s,
        str(request.state),
        clean(request.data_json),
        clean(json.dumps(msgspec.to_builtins(more), ensure_ascii=False)),
    )


def question_of(row: tuple[Any, ...]) -> HitlRequest:
    """`question_row` undone. Raises ValueError (msgspec's are) for what is none."""
    values = msgspec.convert(row[:11], Row)
    more = msgspec.json.decode(msgspec.convert(row[11], str), type=_More)
    answer = None
    if more.action is not None and more.via is not None and more.answered_s is not None:
        answer = Answer(more.action, more.instructions, more.via, more.answered_s)
    return HitlRequest(
        request_id=values[0],
        project_id=values[1],
        checkpoint=values[2],
        task_id=values[3],
        attempt=values[4],
        asked=None if values[5] is None else as_time(values[5]),
        message=values[6],
        heard_s=values[7],
        last_heard_s=values[8],
        data_json=values[10],
        state=HitlState(values[9]),
        answer=answer,
        why=more.why,
        previous_id=more.previous_id,
        settled_s=more.settled_s,
    )


def _clean(text: str | None) -> str | None:
    return None if text is None else clean(text)
