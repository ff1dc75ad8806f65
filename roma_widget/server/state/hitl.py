"""Questions to a human: asked, answered once, or closed because nobody waits for the answer any more.

Called with the state's lock held. Waiting for an answer is the asker's business: `Prompt.future` resolves with it.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import msgspec

from roma_widget.errors import RomaError
from roma_widget.server.state.store import Store
from roma_widget.server.wire.records import encode, now_iso
from roma_widget.server.wire.requests import ACTIONS, Action

RESEND_S = 30.0
"""ROMA sends an open prompt again every 30 s (measured: 30.05)."""
REATTACH_S = 60.0
"""How long after a restart an asker may come back for its question."""
MOST_CLOSED = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said. `instructions` are there with "modify"; `answered_by` is the label the client gave, or
    "".
    """

    action: Action
    instructions: str | None = None
    answered_by: str = ""


class AskerGone(Exception):
    """The prompt was closed without an answer; why is in the message."""


class _Stored(msgspec.Struct):
    """What is kept of an open prompt on disk."""

    request_id: str
    project_id: str
    node_id: str
    checkpoint: str
    message: str
    data: msgspec.Raw
    attempt: int
    asked_at: str


@dataclass(slots=True, eq=False)
class Prompt:
    """One open question. `payload` is its `hitl_request`, the same each time it is sent."""

    stored: _Stored
    due_s: float
    future: Future[Answer] = field(default_factory=Future)
    is_orphan: bool = False
    """Read from disk after a restart, and its asker has not come back yet."""
    payload: bytes = b""
    extended_payload: bytes = b""

    @property
    def request_id(self) -> str:
        return self.stored.request_id


class AnswerRefused(RomaError):
    """An answer that does not count; the message says why, for the client that sent it."""


class Prompts:
    """The open prompts, oldest first, and what became of those before."""

    def __init__(
        self, store: Store, now_s: float, *, resend_s: float = RESEND_S, reattach_s: float = REATTACH_S
    ) -> None:
        self._resend_s = resend_s
        self._open: dict[str, Prompt] = {}
        self._closed: OrderedDict[str, str] = OrderedDict()
        self._modified: dict[tuple[str, str], int] = {}
        self.dirty: set[str] = set()
        decoder = msgspec.json.Decoder(_Stored)
        for text in store.prompts().values():
            stored = decoder.decode(text)
            prompt = _prompt(stored, now_s + reattach_s)
            prompt.is_orphan = True
            self._open[stored.request_id] = prompt

    def open(self) -> list[Prompt]:
        """What can be answered now."""
        return [prompt for prompt in self._open.values() if not prompt.is_orphan]

    def next_due_s(self) -> float | None:
        return min((prompt.due_s for prompt in self._open.values()), default=None)

    def ask(
        self, project_id: str, node_id: str, checkpoint: str, message: str, data: Any, now_s: float
    ) -> Prompt:
        """A new question; or, after a restart, the very same one that the same task asked before it."""
        text = data if isinstance(data, msgspec.Raw) else msgspec.Raw(encode(data))
        for prompt in list(self._open.values()):
            stored = prompt.stored
            place = (stored.project_id, stored.node_id, stored.checkpoint)
            if not prompt.is_orphan or place != (project_id, node_id, checkpoint):
                continue
            if (stored.message, bytes(stored.data)) == (message, bytes(text)):
                prompt.is_orphan = False
                prompt.due_s = now_s + self._resend_s
                return prompt
            self.withdraw(prompt, "it was lost: after a restart its asker asked something else")
        attempt = self._modified.get((project_id, node_id), 0) + 1
        stored = _Stored(
            str(uuid.uuid4()),
            project_id,
            node_id,
            checkpoint,
            message,
            text,
            attempt,
            now_iso(),
        )
        prompt = _prompt(stored, now_s + self._resend_s)
        self._open[stored.request_id] = prompt
        self.dirty.add(stored.request_id)
        return prompt

    def answer(
        self, request_id: str, action: str, instructions: str | None, by: str
    ) -> tuple[Prompt, Answer]:
        """The first answer counts. Raises `AnswerRefused` for every other one, and for what is no answer."""
        prompt = self._open.get(request_id)
        if prompt is None:
            why = self._closed.get(request_id, "no such request is open")
            raise AnswerRefused(f"request {request_id[:100]}: {why}")
        if prompt.is_orphan:
            raise AnswerRefused(
                f"request {request_id[:100]}: its asker has not come back since the server restarted"
            )
        if action not in ACTIONS:
            raise AnswerRefused(f"action must be approve, modify or abort, not {action[:50]!r}")
        if action == "modify" and not (instructions or "").strip():
            raise AnswerRefused("modify needs modification_instructions")
        answer = Answer(action, instructions or None, by)  # type: ignore[arg-type] # one of ACTIONS
        key = (prompt.stored.project_id, prompt.stored.node_id)
        if action == "modify":
            self._modified[key] = prompt.stored.attempt  # what is asked next is a new attempt at the same
        else:
            self._modified.pop(key, None)
        self._close(prompt, f"it was answered ({action}{f' by {by}' if by else ''})")
        prompt.future.set_result(answer)
        return prompt, answer

    def withdraw(self, prompt: Prompt, why: str) -> bool:
        """Closes a prompt that nobody waits for any more; False when it was closed before."""
        if self._open.get(prompt.request_id) is not prompt:
            return False
        self._close(prompt, why)
        if not prompt.future.done():
            prompt.future.set_exception(AskerGone(why))
        return True

    def release(self) -> None:
        """The server stops: nobody waits for an answer any more, but on disk the questions stay open."""
        for prompt in self._open.values():
            if not prompt.future.done():
                prompt.future.set_exception(AskerGone("the server was stopped"))

    def of_project(self, project_id: str) -> list[Prompt]:
        return [prompt for prompt in self._open.values() if prompt.stored.project_id == project_id]

    def due(self, now_s: float) -> tuple[list[Prompt], list[Prompt]]:
        """(to be sent again, lost: their askers did not come back in time)."""
        due = [prompt for prompt in self._open.values() if prompt.due_s <= now_s]
        lost = [prompt for prompt in due if prompt.is_orphan]
        for prompt in lost:
            self.withdraw(prompt, "it was lost: the server restarted and its asker did not come back")
        again = [prompt for prompt in due if not prompt.is_orphan]
        for prompt in again:
            prompt.due_s = max(prompt.due_s + self._resend_s, now_s)
        return again, lost

    def forget_attempts(self, project_id: str) -> None:
        """The project runs anew or is gone."""
        for key in [key for key in self._modified if key[0] == project_id]:
            del self._modified[key]

    def take(self) -> dict[str, bytes | None]:
        """The rows of `store` that changed since the last time; None removes one."""
        taken, self.dirty = self.dirty, set()
        rows: dict[str, bytes | None] = {}
        for request_id in taken:
            prompt = self._open.get(request_id)
            rows[request_id] = None if prompt is None else encode(prompt.stored)
        return rows

    def _close(self, prompt: Prompt, why: str) -> None:
        del self._open[prompt.request_id]
        self.dirty.add(prompt.request_id)
        self._closed[prompt.request_id] = why
        while len(self._closed) > MOST_CLOSED:
            self._closed.popitem(last=False)


def _prompt(stored: _Stored, due_s: float) -> Prompt:
    plain = {
        "checkpoint_name": stored.checkpoint,
        "context_message": stored.message,
        "data_for_review": stored.data,
        "node_id": stored.node_id,
        "current_attempt": stored.attempt,
        "request_id": stored.request_id,
        "timestamp": stored.asked_at,
    }
    extended = {**plain, "project_id": stored.project_id}
    return Prompt(stored, due_s, payload=encode(plain), extended_payload=encode(extended))
