"""A question as it is given out to a person's code: what is asked, how it stands now, and the ways to answer."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Protocol

from ..core.hitl import HitlRequest, Via
from ..core.reading import shorten

_LIVE = frozenset({"last_heard_s", "state", "answer", "why", "settled_s", "project_id", "asked", "is_silent"})
"""Of a question; all else stays as it was asked."""


class Desk(Protocol):
    """Where a question is answered."""

    def latest(self, request_id: str) -> HitlRequest | None: ...

    def give(self, request_id: str, action: str, instructions: str | None, via: Via) -> HitlRequest: ...


class Question(HitlRequest):
    """A `roma.HitlRequest` as `m.hitl` gives it out: its state is always the present one, and it can be answered.

    From any thread but `roma-io` (a trait observer). Example: `m.hitl.next().modify("Add a step about prices")`
    """

    __slots__ = ("_desk", "_seen")
    _desk: Desk
    _seen: HitlRequest

    def __init__(self, request: HitlRequest, desk: Desk) -> None:
        put = object.__setattr__  # it is frozen
        for each in fields(HitlRequest):
            if each.name not in _LIVE:
                put(self, each.name, getattr(request, each.name))
        put(self, "_seen", request)
        put(self, "_desk", desk)

    def _now(self) -> HitlRequest:
        latest = self._desk.latest(self.request_id)
        if latest is not None:
            object.__setattr__(self, "_seen", latest)
        return self._seen

    def approve(self, note: str | None = None) -> HitlRequest:
        """Let the agent go on; `note` goes along to servers that read it. Gives the question as it stands then.

        Returns when the answer is on its way: `.state` says how far it has come. Raises AnswerError (it has an answer
        already, or an `on_answer` held this one), NotLive (the monitor is disconnected). Example:
        `m.hitl.next().approve()`
        """
        return self._desk.give(self.request_id, "approve", note, "python")

    def modify(self, instructions: str) -> HitlRequest:
        """Have it changed: the agent asks again, with a new attempt. Raises AnswerError also without instructions,
        else as `approve`. Example: `m.hitl.next().modify("Drop sub-task 3")`
        """
        return self._desk.give(self.request_id, "modify", instructions, "python")

    def abort(self, reason: str | None = None) -> HitlRequest:
        """End what asks: our server cancels the task, ROMA fails it. Raises as `approve`. Example:
        `m.hitl.next().abort("Too dear")`
        """
        return self._desk.give(self.request_id, "abort", reason, "python")

    def __reduce__(self) -> tuple[Any, ...]:
        """Copied or pickled it is a plain `roma.HitlRequest`, as it stands."""
        return HitlRequest, tuple(getattr(self, each.name) for each in fields(HitlRequest))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HitlRequest) and other.request_id == self.request_id

    def __hash__(self) -> int:
        return hash(self.request_id)

    def __repr__(self) -> str:
        about = " of ".join(filter(None, (self.checkpoint, self.task_id)))
        message = f" {shorten(self.message, 80)!r}" if self.message else ""
        return f"<Question {self.request_id[:40]} {about[:120]}, {self.state}:{message}>"


def _live(name: str) -> property:
    return property(lambda question: getattr(question._now(), name))


for _name in _LIVE:  # in the places of the fields
    setattr(Question, _name, _live(_name))
