"""Questions to humans, as the clients see them: asked, asked again, answered, closed.

What is open and which answer counts is `hitl`'s to know.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time

from roma_widget.server.live.audience import Audience
from roma_widget.server.network.app import Client
from roma_widget.server.state.hitl import AnswerRefused, Prompt
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.wire.json_parts import with_member
from roma_widget.server.wire.records import compact_json, encode, now_iso
from roma_widget.server.wire.requests import HitlResponse, Refused

REQUEST = "hitl_request"
LOST = "the server restarted and its asker did not come back"

_log = logging.getLogger("roma_widget.server")


class Asking:
    """Tells the clients of prompts. Lives on the loop."""

    def __init__(self, state: State, audience: Audience) -> None:
        self._state = state
        self._audience = audience
        self._moved = asyncio.Event()

    @property
    def n_open(self) -> int:
        with self._state.lock:
            return len(self._state.prompts.open())

    def opened(self, prompt: Prompt) -> None:
        """A question was asked: everyone hears it, and again every 30 s until it is answered."""
        if not prompt.future.done():
            self._ask(prompt)
        self._moved.set()

    def closed(self, prompt: Prompt, state: str, why: str) -> None:
        """A question was closed without an answer (ROMA has no word for that)."""
        stored = prompt.stored
        news = {
            "request_id": stored.request_id,
            "project_id": stored.project_id,
            "node_id": stored.node_id,
            "state": state,
            "reason": why,
        }
        self._audience.extended("hitl_closed", encode(news))

    def ask_again(self, client: Client) -> None:
        """A client of the extension has joined: it is asked what is open."""
        with self._state.lock:
            prompts = self._state.prompts.open()
        for prompt in prompts:
            client.post(REQUEST, prompt.extended_payload)

    async def answer(self, client: Client, given: HitlResponse, rid: str | int | None) -> None:
        """The first answer counts, and clients of the extension hear whose it was. Raises `Refused` for all others."""
        try:
            with self._state.lock:
                prompt, answer = self._state.prompts.answer(
                    given.request_id, given.action, given.instructions, given.by(client.label)
                )
        except AnswerRefused as error:
            raise Refused(str(error), status=409) from error
        self._state.wants_saving()
        news = encode(
            {
                "request_id": prompt.request_id,
                "project_id": prompt.stored.project_id,
                "node_id": prompt.stored.node_id,
                "action": answer.action,
                "modification_instructions": answer.instructions,
                "answered_by": answer.answered_by,
                "answered_at": now_iso(),
            }
        )
        self._audience.extended("hitl_answered", news, but=client)
        if client.extension:
            text = news if rid is None else with_member(news, "rid", compact_json(rid))
            await client.reply("hitl_answered", text)

    async def keep_asking(self) -> None:
        """Until cancelled: asks again what is open, closes what was lost."""
        while True:
            self._moved.clear()  # before looking: what is asked from here on is looked for again
            with self._state.lock:
                again, lost = self._state.prompts.due(time.monotonic())
                due_s = self._state.prompts.next_due_s()
            for prompt in again:
                self._ask(prompt)
            for prompt in lost:
                await self._lose(prompt)
            wait_s = None if due_s is None else max(0.0, due_s - time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), wait_s)

    def _ask(self, prompt: Prompt) -> None:
        self._audience.by_kind(REQUEST, prompt.payload, prompt.extended_payload)

    async def _lose(self, prompt: Prompt) -> None:
        stored = prompt.stored

        def say_so_in_the_trace() -> None:
            with self._state.lock:
                self._state.traces.fail_question(stored.project_id, stored.node_id, stored.request_id, LOST)

        self.closed(prompt, "lost", LOST)
        try:
            await asyncio.to_thread(say_so_in_the_trace)
        except StoreError as error:
            _log.error("The trace of %s cannot say that its question was lost: %s", stored.node_id, error)
        self._state.wants_saving()
