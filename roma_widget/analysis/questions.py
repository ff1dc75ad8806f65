"""The ledger of questions -> pandas.DataFrame, and -> code that answers the same questions the same way."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..core.hitl import ANSWERABLE, Answer, HitlRequest, HitlState
from ..core.reading import shorten
from ..core.text import GONE, count_text
from . import columns

if TYPE_CHECKING:
    import pandas as pd

LEDGER_COLUMNS = (
    "request_id",
    "project_id",
    "checkpoint",
    "task_id",
    "attempt",
    "asked",
    "answered",
    "waited_s",
    "action",
    "instructions",
    "via",
    "state",
)
COUNTED = frozenset({HitlState.WAITING_LINK, HitlState.SENT, HitlState.CONFIRMED})
"""States in which the answer that was given here is the one that counts, as far as is known."""


def ledger(requests: Iterable[HitlRequest]) -> pd.DataFrame:
    """One row per question, in the order in which they came.

    Columns and types:

    - request_id, project_id (NA unless the server says it or exactly one running project has the task), checkpoint,
      task_id, action, instructions, via ("button", "python", "input", "policy"), state: pandas strings;
    - attempt: `Int64`;
    - asked (the server's time), answered (ours): `datetime64[us, UTC]`;
    - waited_s: float64, seconds from `asked` to `answered`; from when it was heard where the server does not say when
      it asked, or says a time after the answer (its clock is ahead).

    What was answered here is NA for a question that was not, also where somebody else was before us or the answer is
    held; of an answer that was sent and came second `state` is "superseded". Example:
    `ledger(requests).groupby("action").waited_s.median()`
    """
    import pandas as pd

    rows = list(requests)
    answers = [_given(row) for row in rows]
    answered = [None if answer is None else datetime.fromtimestamp(answer.at_s, UTC) for answer in answers]
    return pd.DataFrame(
        {
            "request_id": columns.texts(row.request_id for row in rows),
            "project_id": columns.texts(row.project_id for row in rows),
            "checkpoint": columns.texts(row.checkpoint for row in rows),
            "task_id": columns.texts(row.task_id for row in rows),
            "attempt": columns.wholes(row.attempt for row in rows),
            "asked": columns.times(row.asked for row in rows),
            "answered": columns.times(answered),
            "waited_s": columns.numbers(map(_waited_s, rows)),
            "action": columns.texts(None if answer is None else answer.action for answer in answers),
            "instructions": columns.texts(
                None if answer is None else answer.instructions for answer in answers
            ),
            "via": columns.texts(None if answer is None else answer.via for answer in answers),
            "state": columns.texts(str(row.state) for row in rows),
        },
        columns=list(LEDGER_COLUMNS),
        copy=False,
    )


def _given(request: HitlRequest) -> Answer | None:
    """The answer, unless it was held back."""
    return None if request.state in ANSWERABLE else request.answer


def _waited_s(request: HitlRequest) -> float | None:
    answer = _given(request)
    if answer is None:
        return None
    at_s = answer.at_s
    if request.asked is not None and request.asked.timestamp() <= at_s:
        return at_s - request.asked.timestamp()
    return max(0.0, at_s - request.heard_s)


def code(requests: Iterable[HitlRequest], title: str | None) -> str:
    """A cell that answers these questions as they were answered, and leaves all others to a person.

    A question is the same when checkpoint, task and attempt are; what was asked several times is answered in the same
    order. `title` says of which run it is. Instructions of which something was redacted are nobody's answer.
    """
    of_what = f" of {shorten(title, 80)!r}" if title else ""
    given: dict[tuple[str | None, str | None, int | None], list[tuple[str, str | None] | None]] = {}
    n_given = n_redacted = 0
    for row in requests:
        if row.answer is None or row.state not in COUNTED:
            continue
        is_redacted = GONE in (row.answer.instructions or "")
        n_redacted += is_redacted
        n_given += not is_redacted
        answers = given.setdefault((row.checkpoint, row.task_id, row.attempt), [])
        answers.append(None if is_redacted else (row.answer.action, row.answer.instructions))
    redacted = (
        f"# Redacted, and so left to a person: {count_text(n_redacted, 'answer')}.\n" if n_redacted else ""
    )
    if not n_given:
        return (
            f"{redacted}# No question{of_what} was answered here: there is nothing to answer the same way.\n"
        )
    lines = [f"    {key!r}: {answers!r},\n" for key, answers in given.items()]
    return (
        f"{redacted}# {count_text(n_given, 'answer')}{of_what}, to be given again; any other question waits for a "
        "person.\n"
        "answers = {  # (checkpoint, task_id, attempt): [(action, instructions), …]\n"
        f"{''.join(lines)}"
        "}\n\n\n"
        "def answer_as_before(request):\n"
        "    given = answers.get((request.checkpoint, request.task_id, request.attempt))\n"
        "    return given.pop(0) if given else None\n\n\n"
        f"m.hitl.policy(answer_as_before, limit={n_given})\n"
    )
