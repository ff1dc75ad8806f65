"""The questions that a ledger remembers, each with what it must know of it, and room for so many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from .events import HitlRequested
from .hitl import HitlRequest

MOST_OPEN = 1_000
MOST_SETTLED = 1_000
MOST_CHARACTERS = 64_000_000
"""Of all questions together. A question that finds no room is repeated by its server, and comes in when there is."""


@dataclass(slots=True)
class Entry:
    """A question as it stands, and what is known of its answer's way."""

    request: HitlRequest
    size: int = 0
    stamp: datetime | None = None
    """When it was asked, as stamped."""
    sent_s: float = 0.0
    n_sent: int = 0
    """How often its present answer was sent."""
    turn: int = 0
    """Of the `prompts.Sending` that was given out last."""
    is_due: bool = False
    is_out: bool = False
    """It was given out to be sent, and nothing has come back."""
    is_asked_again: bool = False
    """The server has asked again while it was out."""
    is_asked_here: bool = False
    """It came over the present link."""
    is_kept: bool = False
    """A relay keeps an answer to it, ours or another's, until the server can be reached."""
    acknowledged_s: float = 0.0
    status: str | None = None
    """Of its task while the server asks."""
    last_status: str | None = None
    """Of its task when it was seen last."""
    has_moved: bool = False
    """Its task has had another status since the server last asked."""
    is_modified: bool = False
    """Somebody asked for changes: what the task asks next is a new attempt."""
    has_next: bool = False
    """That new attempt has come."""


class Remembered:
    """In the order they came, by id. What is settled goes when room is needed; what is pending never does."""

    def __init__(
        self,
        *,
        most_open: int = MOST_OPEN,
        most_settled: int = MOST_SETTLED,
        most_characters: int = MOST_CHARACTERS,
    ) -> None:
        self._most_open = most_open
        self._most_settled = most_settled
        self._most_characters = most_characters
        self._entries: dict[str, Entry] = {}
        self._characters = 0

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, request_id: str) -> Entry | None:
        """None where it is not known, or was forgotten."""
        return self._entries.get(request_id)

    def add(
        self, event: HitlRequested, project_id: str | None, status: str | None, now_s: float
    ) -> Entry | None:
        """A question that was not known; None where there is no room for it."""
        request = HitlRequest(
            request_id=event.request_id,
            project_id=project_id,
            checkpoint=event.checkpoint,
            task_id=event.task_id,
            attempt=event.attempt,
            asked=None,
            message=event.message,
            heard_s=now_s,
            last_heard_s=now_s,
            data_json=event.data_json,
        )
        return self.put(Entry(request, stamp=event.asked, status=status))

    def put(self, entry: Entry) -> Entry | None:
        """A question that was not known, with what is known of its answer; None where there is no room for it."""
        request = entry.request
        texts = (request.data_json, request.message, request.checkpoint, request.task_id, request.request_id)
        entry.size = sum(len(text) for text in texts if text is not None)
        if not self._make_room(entry.size):
            return None
        self._entries[request.request_id] = entry
        self._characters += entry.size
        return entry

    def of_the_same_task(self, entry: Entry) -> list[Entry]:
        """The others, the newest first."""
        place = _place(entry)
        if place is None:
            return []
        return [
            each for each in reversed(self._entries.values()) if each is not entry and _place(each) == place
        ]

    def perhaps_of_the_same_task(self, entry: Entry) -> list[Entry]:
        """The others whose task has the same id, the newest first: ids repeat across projects, and of these questions
        or of this one it is not known of which they are.
        """
        request = entry.request
        return [
            each
            for each in reversed(self._entries.values())
            if each is not entry
            and each.request.task_id == request.task_id is not None
            and None in (each.request.project_id, request.project_id)
        ]

    def _make_room(self, size: int) -> bool:
        """For one more of so many characters: what is settled goes, the oldest first, and never what is pending."""
        settled = [entry for entry in self if not entry.request.is_pending]
        n_pending = len(self._entries) - len(settled)
        pending_size = self._characters - sum(entry.size for entry in settled)
        if n_pending >= self._most_open or (n_pending and pending_size + size > self._most_characters):
            return False
        n_settled = len(settled)
        for entry in settled:
            if n_settled <= self._most_settled and self._characters + size <= self._most_characters:
                break
            del self._entries[entry.request.request_id]
            self._characters -= entry.size
            n_settled -= 1
        return True


def _place(entry: Entry) -> tuple[str, str] | None:
    request = entry.request
    if request.task_id is None or request.project_id is None:
        return None
    return request.project_id, request.task_id
