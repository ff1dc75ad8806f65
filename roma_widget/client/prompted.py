"""What a session tells of its server's questions, and how they are answered there."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..core.hitl import ANSWERABLE, HitlRequest, HitlState, Via
from ..core.log import EventLog
from .feed import Feed


class HearsPrompts(Protocol):
    """A monitor, as this part of a session sees it. Called on `roma-io`."""

    def show_prompts(self, pending: tuple[HitlRequest, ...]) -> None:
        """These are open now, the oldest first; told when they are others than before."""

    def prompt_changed(self, request: HitlRequest) -> None:
        """This one is new, or in another state; told once for each, before `show_prompts`."""


class Prompted:
    """Mixed into `Session`. Of the feed's questions it has those of the project that it shows, and those that cannot be
    told apart. On the loop, but for what it gives.
    """

    _feed: Feed
    _shown_id: str | None
    _event_log: EventLog

    if TYPE_CHECKING:

        def _each(self, tell: Callable[[Any], None]) -> None: ...

        def _schedule(self) -> None: ...

        def _wake_soon(self) -> None: ...

        def raise_if_closed(self) -> None: ...

    def __init__(self) -> None:
        self._told_prompts: tuple[HitlRequest, ...] = ()

    def hitl_ledger(self) -> tuple[HitlRequest, ...]:
        """Every question that is remembered, settled ones too, in the order they came. From any thread."""
        return tuple(request for request in self._feed.questions.all if self._is_here(request))

    def prompts(self) -> tuple[HitlRequest, ...]:
        """Those that are pending (open, held, waiting for the connection, or sent), oldest first. From any thread."""
        return tuple(request for request in self.hitl_ledger() if request.is_pending)

    def questions_by_project(self) -> dict[str, int]:
        """How many wait for a person in each project of the server, shown or not. From any thread."""
        return Counter(
            request.project_id
            for request in self._feed.questions.all
            if request.project_id is not None and request.is_pending and request.state in ANSWERABLE
        )

    def question(self, request_id: str) -> HitlRequest | None:
        """One as it stands, of whatever project; None where it is not known. From any thread."""
        return next((one for one in self._feed.questions.all if one.request_id == request_id), None)

    async def answer(
        self, request_id: str, action: str, instructions: str | None, via: Via, within_s: float = 0.0
    ) -> HitlRequest:
        """Answer a question: "approve", "modify" (takes instructions) or "abort". Gives it as it stands then.

        It goes out at once, or as soon as there is a connection; with `within_s` it waits so many seconds for the
        server's word. Raises AnswerError (unknown, answered already, no answer), NotLive when the session is closed.
        Example: `await session.answer(request.request_id, "modify", "Add a step.", "python")`
        """
        self.raise_if_closed()
        return await self._feed.questions.answer(request_id, action, instructions, via, within_s)

    async def hold(
        self,
        request_id: str,
        why: str,
        action: str | None = None,
        instructions: str | None = None,
        via: Via = "button",
    ) -> HitlRequest:
        """Keep an answer back, for the reason `why` (a sentence); the question can be answered again.

        Raises AnswerError, NotLive. Example: `await session.hold(request_id, "on_answer raised ValueError: no")`
        """
        self.raise_if_closed()
        return self._feed.questions.hold(request_id, why, action, instructions, via)

    def _is_here(self, request: HitlRequest) -> bool:
        return None in (request.project_id, self._shown_id) or request.project_id == self._shown_id

    def _on_prompts(self, changed: tuple[HitlRequest, ...]) -> None:
        """The feed's ledger has moved."""
        for request in changed:
            if self._is_here(request):
                self._each(lambda viewer, request=request: viewer.prompt_changed(request))  # type: ignore[misc]
                if request.state is HitlState.LOST and request.answer is not None:
                    self._event_log.note_lost_answer(request.task_id, request.why, time.time())
        self._schedule()

    def _show_prompts(self) -> None:
        """With each publication: ten times a second, and also when another project is shown."""
        pending = self.prompts()
        if pending == self._told_prompts:
            return
        self._told_prompts = pending
        self._each(lambda viewer: viewer.show_prompts(pending))
        self._wake_soon()
