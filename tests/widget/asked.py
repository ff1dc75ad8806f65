"""A monitor's questions without a server: the ledger is the real one, whatever is sent is acknowledged at once."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

from roma_widget.client.loop import io_thread
from roma_widget.core.events import HitlRequested
from roma_widget.core.hitl import HitlRequest, HitlState, Via, checked_answer
from roma_widget.core.model import Project, Snapshot
from roma_widget.core.prompts import Prompts
from roma_widget.errors import NotLive
from roma_widget.widget.callbacks import Callbacks, call_later
from roma_widget.widget.hitl import Hitl
from roma_widget.widget.hitl_news import News
from roma_widget.widget.telling import Telling


class Session:
    """See the module. What was sent is in `sent`; times are made up."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(project=Project("p1", goal="Compare museums"), outcome="running")
        self.ledger = Prompts()
        self.ledger.link_up(0.0)
        self.sent: list[tuple[str, str, str | None, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.wakes = 0
        self.is_closed = False
        self._news = asyncio.Event()
        self.monitor: Monitor

    def prompts(self) -> tuple[HitlRequest, ...]:
        return tuple(request for request in self.ledger.all() if request.is_pending)

    def hitl_ledger(self) -> tuple[HitlRequest, ...]:
        return self.ledger.all()

    def question(self, request_id: str) -> HitlRequest | None:
        return next((one for one in self.ledger.all() if one.request_id == request_id), None)

    async def answer(
        self, request_id: str, action: str, instructions: str | None, via: Via, within_s: float = 0.0
    ) -> HitlRequest:
        request = self.ledger.answer(request_id, checked_answer(action, instructions, via, 100.0))
        self.sent.append((request_id, action, request.answer.instructions if request.answer else None, via))
        self.ledger.to_send(100.0)
        self.ledger.acknowledged(request_id, 100.0)
        self.wake()
        return self.ledger.get(request_id)

    async def hold(
        self,
        request_id: str,
        why: str,
        action: str | None = None,
        instructions: str | None = None,
        via: Via = "button",
    ) -> HitlRequest:
        held = self.ledger.hold(request_id, why, action and checked_answer(action, instructions, via, 100.0))
        self.wake()
        return held

    async def news_since(self, heard: int) -> None:
        while self.wakes == heard:
            self._news.clear()
            await self._news.wait()

    def wake(self) -> None:
        changed = self.ledger.take_changes()
        for request in changed:
            self.monitor.news.hear(request)
        self.monitor.news.show(self.prompts())
        self.wakes += 1
        self._news.set()

    def raise_if_hopeless(self) -> None:
        if self.is_closed:
            raise NotLive("closed")

    def describe(self) -> str:
        return "the run is running"

    def note_failure(self, name: str, sentence: str) -> None:
        self.failures.append((name, sentence))


class Monitor(Telling):
    """What `m.hitl` is made of, and the server's words to it."""

    def __init__(self) -> None:
        self._session: Session = Session()
        self._session.monitor = self
        self._io = io_thread()
        self._callbacks = Callbacks(self._failed)
        self.is_gone = False
        self.hitl = Hitl(self._here, lambda: self._session, self._io, self.on, self._failed)
        self.news = News(self._callbacks, self.hitl.shown)

    @property
    def sent(self) -> list[tuple[str, str, str | None, str]]:
        return self._session.sent

    @property
    def failures(self) -> list[tuple[str, str]]:
        self.caught_up()
        return self._session.failures

    def ask(self, *request_ids: str, at_s: float = 50.0, **fields: Any) -> None:
        """The server asks; again where it has asked before."""
        for request_id in request_ids:
            asked = {
                "checkpoint": "PlanReview",
                "task_id": "root",
                "attempt": 1,
                "message": "Is it good?",
                "asked": None,
                "data_json": json.dumps(fields.pop("data", None)),
                **fields,
            }
            event = HitlRequested(request_id=request_id, **asked)
            self.at_once(lambda event=event: self._session.ledger.hear(event, at_s))

    def change(self, **fields: Any) -> None:
        """Another state of the session."""
        self.at_once(lambda: [setattr(self._session, name, value) for name, value in fields.items()])

    def press(self, request_id: str, action: str, instructions: str | None = None) -> None:
        """A button; returns when the kernel has it."""
        self._io.result(self.hitl.answering.take(request_id, action, instructions, "button"), timeout_s=10)

    def state(self, request_id: str) -> HitlState:
        return self._session.ledger.get(request_id).state

    def at_once(self, act: Any) -> None:
        def acted() -> None:
            act()
            self._session.wake()

        self._at_once(acted)

    def caught_up(self) -> None:
        """Returns when the callbacks that wait are done, and what they said is noted."""
        done = threading.Event()
        call_later(done.set)
        assert done.wait(10)
        self._at_once(lambda: None)

    def _open_questions(self) -> Any:
        return [(each,) for each in self.hitl.pending if each.state in ("open", "held")]

    def _here(self) -> Session:
        if self.is_gone:
            raise NotLive("This monitor is disconnected.")
        return self._session
