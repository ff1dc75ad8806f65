"""What agents ask people: the nouns. How a question lives is `prompts`' story."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, get_args

from ..errors import AnswerError
from .reading import clean, cut, shorten
from .split import decoded

Action = Literal["approve", "modify", "abort"]
Via = Literal["button", "python", "input", "policy"]
ACTIONS: frozenset[str] = frozenset(get_args(Action))
LONGEST_INSTRUCTIONS = 80_000
"""Characters. ROMA drops who sends a million bytes, and JSON may take twelve for one."""
LONGEST_MESSAGE = 2_000
"""Of what the browser is told in the trait."""


class HitlState(StrEnum):
    """Where a question stands. The first four are open: they wait, or their answer may still come to nothing."""

    OPEN = "open"
    """Nobody has answered."""
    HELD = "held"
    """An `on_answer` held the answer back; `why` says what it raised. It can be answered again."""
    WAITING_LINK = "waiting_link"
    """Answered, and not acknowledged: there is no connection, or it was sent just now."""
    SENT = "sent"
    """The server has acknowledged the answer, and nothing shows yet that the run took it."""
    CONFIRMED = "confirmed"
    """The run goes on with our answer."""
    SUPERSEDED = "superseded"
    """Somebody else's answer was quicker, as far as can be known."""
    LOST = "lost"
    """Nobody waits for an answer any more."""


PENDING = frozenset({HitlState.OPEN, HitlState.HELD, HitlState.WAITING_LINK, HitlState.SENT})
ANSWERABLE = frozenset({HitlState.OPEN, HitlState.HELD})


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered here, how, and when (`at_s`: seconds since 1970, our clock)."""

    action: Action
    instructions: str | None
    via: Via
    at_s: float


@dataclass(frozen=True, slots=True)
class ServerSaid:
    """What a server of ours said last of a question: who answered what, or (without an `action`) why nobody will."""

    action: str | None = None
    instructions: str | None = None
    answered_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class HitlRequest:
    """One question of an agent to a person, as it stands now.

    `project_id` is None where the server does not say and more than one running project may have the task. `asked` is
    the server's time (aware, UTC). `heard_s`, `last_heard_s` and `settled_s` are seconds since 1970 by our clock:
    when it came first and last (a server repeats it every 30 s), and when it was confirmed, superseded or lost. `why`
    is a sentence on the state, where there is something to say. `previous_id` is the question before, of the same
    task, that was answered with "modify". `is_silent`: the server has not repeated it for long, so that perhaps nobody
    waits any more; it can be answered, and comes behind the others. `said` is what a server of ours said became of it.

    Example: `m.hitl.pending[0].checkpoint == "PlanReview"`
    """

    request_id: str
    project_id: str | None
    checkpoint: str | None
    task_id: str | None
    attempt: int | None
    asked: datetime | None
    message: str | None
    heard_s: float
    last_heard_s: float
    data_json: str = field(default="null", repr=False)
    state: HitlState = HitlState.OPEN
    answer: Answer | None = None
    why: str | None = None
    previous_id: str | None = None
    settled_s: float | None = None
    is_silent: bool = False
    said: ServerSaid | None = None

    @property
    def data(self) -> Any:
        """What is to be reviewed (a dict, list, str, … or None), decoded at each call."""
        return decoded(self.data_json)

    @property
    def is_pending(self) -> bool:
        """Open, held, waiting for the connection, or sent and perhaps not taken yet."""
        return self.state in PENDING and self.settled_s is None

    def as_trait(self) -> dict[str, Any]:
        """One entry of the trait `pending` (docs/messages.md)."""
        return {
            "request_id": self.request_id,
            "checkpoint": cut(self.checkpoint, 200),
            "task_id": self.task_id,
            "attempt": self.attempt,
            "message": cut(self.message, LONGEST_MESSAGE),
            "asked": None if self.asked is None else self.asked.isoformat(),
            "state": str(self.state),
            "why": self.why,
            "action": None if self.answer is None else self.answer.action,
            "project_id": self.project_id,
            "previous_id": self.previous_id,
        }


def checked_answer(action: object, instructions: object, via: Via, at_s: float) -> Answer:
    """An answer that any server takes. Raises AnswerError: an unknown action (ROMA takes that for approval), no
    instructions to modify by, or too many.
    """
    if not isinstance(action, str) or action not in ACTIONS:
        said = shorten(repr(action), 60)
        raise AnswerError(f'An answer is "approve", "modify" or "abort", not {said}. Nothing was sent.')
    if instructions is not None and not isinstance(instructions, str):
        raise AnswerError(f"Instructions are text, not {type(instructions).__name__}. Nothing was sent.")
    text = clean(instructions or "").strip()
    if action == "modify" and not text:
        raise AnswerError("To modify takes instructions: say what is to be different. Nothing was sent.")
    if len(text) > LONGEST_INSTRUCTIONS:
        raise AnswerError(
            f"Instructions of {len(text):,} characters are too long: {LONGEST_INSTRUCTIONS:,} are the most. "
            "Nothing was sent."
        )
    return Answer(action, text or None, via, at_s)  # type: ignore[arg-type] # one of ACTIONS
