"""The questions of one server: hears them, sends answers, sees what becomes of them, and tells who listens.

What may be sent when, and what a sign means, is `core.prompts`' story; here are the socket and the clock. One for each
feed, shared by its sessions. On the loop of `roma-io`, except `all`, which is swapped whole and read from anywhere.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from ..core import prompts as ledger
from ..core import wire
from ..core.clock import ServerClock
from ..core.hitl import HitlRequest, Via, checked_answer
from ..core.kept_prompts import KeptPrompt
from ..core.prompts import Prompts, Sending
from ..errors import ConnectError, NotLive, ServerError, WaitTimeout
from . import requests
from .hearing import Hearing
from .sampling import awake_or_asleep_s

LOOK_EVERY_S = 1.0
ACKNOWLEDGED_WITHIN_S = 20.0
AT_ONCE = 32
_PREFIX = "Failed to process HITL response: "
_log = logging.getLogger("roma_widget.questions")
Listener = Callable[[tuple[HitlRequest, ...]], None]


class Questions:
    """See the module. `label` is the name under which servers of ours announce who answered.

    `clock` is what is known of the server's, kept up to date by the sessions.
    """

    def __init__(self, hearing: Hearing, label: str) -> None:
        self.all: tuple[HitlRequest, ...] = ()
        """Every question that is remembered, in the order they came."""
        self.clock = ServerClock()
        self.before_sending: Callable[[], Awaitable[None]] | None = None
        """Awaited before an answer goes out: what is kept elsewhere says by then that it perhaps did."""
        self.on_behalf_of: Callable[[str], str] | None = None
        """Whose answer to this question it is, where we pass on those of others: told to servers of ours."""
        self._hearing = hearing
        self._prompts = Prompts(
            label,
            interval_s=ledger.INTERVAL_S,
            slack_s=ledger.SLACK_S,
            resend_within_s=ledger.RESEND_WITHIN_S,
            settling_s=ledger.SETTLING_S,
        )
        self._epoch_s = time.time() - awake_or_asleep_s()
        self._listeners: list[Listener] = []
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._sending: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        hearing.on_question = self._hear

    def _now_s(self) -> float:
        """Seconds since 1970, of a clock that nobody sets: what is measured with it must not jump."""
        return self._epoch_s + awake_or_asleep_s()

    def listen(self, listener: Listener) -> None:
        """Call it with what is new or has changed, from now on."""
        self._listeners.append(listener)

    def ignore(self, listener: Listener) -> None:
        """Call it no more."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    # -- a person

    async def answer(
        self, request_id: str, action: str, instructions: str | None, via: Via, within_s: float = 0.0
    ) -> HitlRequest:
        """Take an answer and send it as soon as it can be; gives the question as it stands then.

        With `within_s` it waits so many seconds for the server's word, while there is a connection. Raises AnswerError.
        """
        self.take(request_id, action, instructions, via)
        try:
            async with asyncio.timeout(within_s):
                while within_s and self.is_under_way(request_id):
                    await self._moved.wait()
        except TimeoutError:
            _log.debug("no acknowledgement within %g s", within_s)
        return self._prompts.get(request_id)

    def take(self, request_id: str, action: str, instructions: str | None, via: Via) -> HitlRequest:
        """Take an answer, which goes out by itself as soon as it can. Raises AnswerError."""
        self._prompts.answer(request_id, checked_answer(action, instructions, via, self._now_s()))
        self._go_on()
        return self._prompts.get(request_id)

    def get(self, request_id: str) -> HitlRequest:
        """As it stands. Raises AnswerError for a question that is not known."""
        return self._prompts.get(request_id)

    @property
    def is_linked(self) -> bool:
        """Can answers be sent at this moment?"""
        return self._prompts.is_linked

    def is_under_way(self, request_id: str) -> bool:
        """May a word on its answer come at any moment? Raises AnswerError for a question that is not known."""
        is_linked = self._hearing.connection.state in ("connecting", "live")
        return is_linked and self._prompts.is_under_way(request_id)

    def hold(
        self,
        request_id: str,
        why: str,
        action: str | None = None,
        instructions: str | None = None,
        via: Via = "button",
    ) -> HitlRequest:
        """Keep an answer back, and say why; the question can be answered again. Raises AnswerError."""
        answer = None if action is None else checked_answer(action, instructions, via, self._now_s())
        held = self._prompts.hold(request_id, why, answer)
        self._go_on()
        return held

    # -- another life

    def kept(self, request_id: str) -> KeptPrompt | None:
        """What is to be kept of a question over the end of this process; None once it is settled."""
        return self._prompts.kept(request_id)

    def restore(self, kept: Iterable[KeptPrompt], label: str) -> None:
        """Take up what an earlier process kept, whose answers were announced under `label`."""
        self._prompts.restore(kept, label, self._now_s())
        self._go_on()

    # -- the feed

    def begin_link(self) -> None:
        """A new connection is about to open, and all that the last one brought has been heard."""
        self._prompts.link_begins()

    async def beside_socket(self) -> None:
        """Until cancelled: sends what waits, and looks at what becomes of it. Begins and ends with the link."""
        await self._hearing.caught_up()  # the first word says whether requests may be numbered
        self._prompts.is_told = self._hearing.numbers.extension
        self._prompts.link_up(self._now_s())
        try:
            while True:
                self._prompts.note_zone(self._in_utc)
                self._prompts.look(self._hearing.status_of, self._now_s(), self._hearing.has_ended)
                self._go_on()
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._prompts.link_lost(self._now_s())
            self._go_on()

    async def close(self) -> None:
        """Nothing is sent any more; what is known can be read on."""
        self._prompts.end()
        self._go_on()
        self._listeners.clear()
        for sending in self._sending:
            sending.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)

    # -- insides

    def _hear(self, event: wire.HitlRequested | wire.HitlClosed | wire.HitlQueued) -> None:
        now_s = self._now_s()
        if isinstance(event, wire.HitlClosed):
            self._prompts.closed(event, now_s)
        elif isinstance(event, wire.HitlQueued):
            self._prompts.queued(event, now_s)
        else:
            task_id = event.task_id
            project_id = event.project_id or (self._hearing.only_run_with(task_id) if task_id else None)
            status = self._hearing.status_of(project_id, task_id) if project_id and task_id else None
            n_left_out = self._prompts.n_left_out
            self._prompts.is_told = self._hearing.numbers.extension
            self._prompts.hear(event, now_s, project_id=project_id, status=status)
            if self._prompts.n_left_out > n_left_out:
                self._hearing.complain(
                    "There are more questions than this monitor can hold: answer some, and the others come in when "
                    "the server asks them again."
                )
            self._prompts.note_zone(self._in_utc)
        self._go_on()

    def _in_utc(self, stamp: datetime) -> datetime | None:
        """None while a stamp names no zone and the server's is not known."""
        is_told = stamp.tzinfo is not None or self.clock.offset is not None
        return self.clock.utc(stamp) if is_told else None

    def _go_on(self) -> None:
        """Send what is due, and tell what has changed."""
        for sending in self._prompts.to_send(self._now_s()):
            task = asyncio.get_running_loop().create_task(self._send(sending), name="roma-answer")
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        changed = self._prompts.take_changes()
        self.all = self._prompts.all()
        if not changed:
            return
        self._moved.set()
        self._moved = asyncio.Event()
        for listener in tuple(self._listeners):
            try:
                listener(changed)
            except Exception as error:  # a bug of ours must not end the listening without a word
                self._hearing.tell_bug("handing on a question", error)

    async def _send(self, sending: Sending) -> None:
        """An answer goes out, and comes to something, or to nothing."""
        request_id = sending.request_id
        if self.before_sending is not None:
            await self.before_sending()
            if not self._prompts.is_to_go(
                sending
            ):  # the link died meanwhile, or somebody else's answer counts
                return
        argument = sending.argument
        if self.on_behalf_of is not None and self._hearing.numbers.extension:
            argument = {**argument, "answered_by": self.on_behalf_of(request_id)}
        try:
            async with self._turns:
                reply = await self._hearing.requests.ask(
                    requests.answer(request_id, argument), ACKNOWLEDGED_WITHIN_S
                )
        except ServerError as error:
            if error.event == "hitl_error":
                self._prompts.refused(request_id, _reason(error.message, request_id), self._now_s())
            else:  # the server had it, and its reply is beyond reading
                self._prompts.acknowledged(request_id, self._now_s())
        except WaitTimeout:
            self._prompts.not_sent(request_id)
        except ConnectError:
            self._prompts.unacknowledged(request_id)
        except NotLive as error:  # `link_lost` knows what to do
            _log.debug("an answer under way: %s", error)
        else:
            if isinstance(reply, wire.HitlQueued):
                self._prompts.queued(reply, self._now_s(), is_reply=True)
            elif isinstance(reply, wire.HitlClosed):
                self._prompts.taken(request_id, self._now_s())
            else:
                self._prompts.acknowledged(request_id, self._now_s())
        self._go_on()


def _reason(words: str, request_id: str) -> str:
    """A refusal without what everybody knows."""
    return words.removeprefix(_PREFIX).removeprefix(f"request {request_id[:100]}: ")
