"""The questions of agents above, asked of everyone below; the first answer goes up, and is kept until then.

    above  ->  ledger (client.questions)  ->  disk (keeping)  ->  clients      a word reaches them when it is on disk
    client ->  ledger  ->  disk  ->  above                                     and so does an answer the server above

What is open and what became of an answer is the ledger's to know: it is the same that a notebook has. Here is what the
clients were told of each question last, and that they are told when it is another thing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, assert_never

import msgspec

from ..client.feed import Feed
from ..core.hitl import ANSWERABLE, HitlRequest, HitlState
from ..core.kept_prompts import NO_LINK
from ..core.reading import shorten
from ..errors import AnswerError
from ..server.live.audience import Audience
from ..server.network.app import Client
from ..server.wire.json_parts import with_member
from ..server.wire.records import compact_json, encode
from ..server.wire.requests import HitlResponse, Refused, one_sentence
from .keeping import Keeping, KeptQuestion

REQUEST, ANSWERED, QUEUED, CLOSED = "hitl_request", "hitl_answered", "hitl_queued", "hitl_closed"
PATIENCE_S = 5.0
"""For so long an answer may be on its way before it counts as queued."""
REPEAT_S = 30.0
"""As ROMA."""
LOOK_S = 1.0
MOST_AT_ONCE = 16 * 1024 * 1024
"""Bytes of questions that one client is asked in a second: it would be disconnected if too much lay unread."""
LONGEST_WHO = 80
NOT_REACHED = "The server cannot be reached at this moment. It is sent once, as soon as that is possible."
_MOST_FORGOTTEN = 1_000
_log = logging.getLogger("roma_widget.relay")

Phase = Literal["open", "queued", "answered", "closed"]


@dataclass(slots=True)
class _Asker:
    """Who gave an answer, and waits to hear what becomes of it."""

    client: Client
    rid: str | int | None
    is_patient: bool = True
    heard: asyncio.Future[str | None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    """Resolves with None when it was told, or with why its answer does not count."""


@dataclass(slots=True)
class _Below:
    """What the clients know of one question."""

    timestamp: str | None = None
    answered_by: str = ""
    told: Phase | None = None
    due_s: float = 0.0
    asker: _Asker | None = None
    payload: bytes = b""
    """Of its `hitl_request`, as plain clients get it."""


class RelayAsking:
    """See the module. Made on the loop of `roma-io`, before the feed has a socket."""

    def __init__(self, feed: Feed, audience: Audience, keeping: Keeping) -> None:
        self._questions = feed.questions
        self._audience = audience
        self._keeping = keeping
        self._below = {
            kept.prompt.request.request_id: _Below(kept.timestamp, kept.answered_by)
            for kept in keeping.questions
        }
        self._changed: dict[str, None] = {}
        self._moved = asyncio.Event()
        feed.resume([kept.prompt for kept in keeping.questions], keeping.label)
        self._questions.before_sending = self._keep
        self._questions.on_behalf_of = self._who
        self._questions.listen(self._hear)
        self._hear(self._questions.all)
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._tell_what_changed(), name="roma-relay-questions"),
            loop.create_task(self._ask_now_and_then(), name="roma-relay-asking"),
        ]

    @property
    def n_open(self) -> int:
        return sum(question.state in ANSWERABLE for question in self._questions.all)

    @property
    def complaint(self) -> str | None:
        """One sentence, when questions cannot be kept."""
        return self._keeping.complaint

    async def close(self) -> None:
        """Nothing is told any more; what is pending stays on disk."""
        self._questions.ignore(self._hear)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._keep()
        self._keeping.close()

    # -- clients

    def ask_again(self, client: Client) -> None:
        """Somebody has joined: all that is pending, as the others know it. Of very much the rest comes later."""
        n_bytes = 0
        for question in self._questions.all:
            below = self._below.get(question.request_id)
            if below is None or below.told not in ("open", "queued"):
                continue
            payload = _payloads(question, below)[1]
            n_bytes += len(payload)
            if n_bytes > MOST_AT_ONCE:
                return
            client.post(REQUEST, payload)
            if below.told == "queued":
                client.post(QUEUED, _queued(question, below))

    async def answer(self, client: Client, given: HitlResponse, rid: str | int | None) -> None:
        """The first answer counts. Raises `Refused` for every other one. Returns when it was told."""
        request_id, label = given.request_id, given.by(client.label)
        question = self._open_question(request_id, given, label)
        below = self._below[request_id]
        if question.state not in ANSWERABLE:  # a client says again what it said before its link was lost
            await _reply(client, QUEUED, _queued(question, below), rid)
            return
        try:
            self._questions.take(request_id, given.action, given.instructions, "button")
        except AnswerError as error:
            raise Refused(f"request {request_id[:100]}: {one_sentence(error)}", status=400) from error
        below.answered_by = label
        asker = below.asker = _Asker(client, rid)
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asker.heard), PATIENCE_S)
            if not asker.heard.done():
                asker.is_patient = False
                self._look_at(request_id)
            refusal = await asker.heard
        finally:
            if below.asker is asker:
                below.asker = None
        if refusal is not None:
            raise Refused(refusal, status=409)

    def _open_question(self, request_id: str, given: HitlResponse, label: str) -> HitlRequest:
        """One that can be answered, or whose answer waits and is this very one."""
        question = self._find(request_id)
        if question is None or request_id not in self._below:
            raise Refused(f"request {request_id[:100]}: no such request is open", status=409)
        below, answer = self._below[request_id], question.answer
        said_before = (
            question.state is HitlState.WAITING_LINK
            and answer is not None
            and label != ""
            and (label, given.action, (given.instructions or "").strip() or None)
            == (below.answered_by, answer.action, answer.instructions)
        )
        if question.state in ANSWERABLE or said_before:
            return question
        raise Refused(_answered_already(question, below), status=409)

    def _who(self, request_id: str) -> str:
        below = self._below.get(request_id)
        return "" if below is None else shorten(below.answered_by, LONGEST_WHO)

    # -- the ledger, and the disk

    def _hear(self, changed: tuple[HitlRequest, ...]) -> None:
        self._keeping.note(question.request_id for question in changed)
        for question in changed:
            below = self._below.setdefault(question.request_id, _Below())
            if below.timestamp is None and question.asked is not None:
                below.timestamp, below.payload = question.asked.isoformat(), b""
            self._look_at(question.request_id)

    def _look_at(self, request_id: str) -> None:
        self._changed[request_id] = None
        self._moved.set()

    async def _keep(self) -> None:
        """Returns when what is known now is on disk."""
        await self._keeping.save(self._row)

    def _row(self, request_id: str) -> KeptQuestion | None:
        prompt, below = self._questions.kept(request_id), self._below.get(request_id)
        if prompt is None or below is None:
            return None
        return KeptQuestion(prompt, below.answered_by, below.timestamp)

    async def _tell_what_changed(self) -> None:
        """Until cancelled. Nobody is told anything that a restart would not know."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            changed, self._changed = self._changed, {}
            await self._keep()
            for request_id in changed:
                try:
                    await self._tell(request_id)
                except Exception:  # a bug of ours must not end the telling
                    _log.exception("Telling of the question %s failed.", shorten(request_id, 100))
            self._forget()

    def _forget(self) -> None:
        """What the ledger has forgotten."""
        if len(self._below) > len(self._questions.all) + _MOST_FORGOTTEN:
            known = {question.request_id for question in self._questions.all}
            self._below = {key: below for key, below in self._below.items() if key in known}

    # -- what is told

    async def _tell(self, request_id: str) -> None:
        question, below = self._find(request_id), self._below.get(request_id)
        if question is None or below is None:
            return  # forgotten meanwhile
        phase = self._phase(question, below)
        if phase is None:
            return
        was_told, below.told = below.told, phase
        is_news = phase != was_told
        asker = below.asker
        waits = asker is not None and not asker.heard.done()
        match phase:
            case "open":
                if waits:  # its answer came to nothing
                    _refuse(asker, f"request {request_id[:100]}: {question.why or 'answer again'}")
                if is_news:
                    self._ask(question, below)
            case "queued":
                if was_told is None:  # kept by a relay before this one: who came early has not heard it
                    self._ask(question, below)
                await self._tell_answer(QUEUED, _queued(question, below), asker, is_news=is_news)
            case "answered":
                await self._tell_answer(ANSWERED, _answered(question, below), asker, is_news=is_news)
            case "closed":
                if is_news:
                    event, news = _closed(question, below)
                    self._audience.extended(event, news)
                if waits:
                    _refuse(asker, _answered_already(question, below))
            case _:
                assert_never(phase)
        if phase not in ("open", "queued"):
            below.payload = b""

    def _phase(self, question: HitlRequest, below: _Below) -> Phase | None:
        """None while its answer is on its way, and who gave it waits for the word."""
        match question.state:
            case HitlState.OPEN | HitlState.HELD:
                return "open"
            case HitlState.WAITING_LINK:
                waits = below.asker is not None and below.asker.is_patient
                is_on_its_way = self._questions.is_linked and self._questions.is_under_way(
                    question.request_id
                )
                return None if waits and is_on_its_way else "queued"
            case HitlState.SENT | HitlState.CONFIRMED:
                return "answered"
            case HitlState.SUPERSEDED | HitlState.LOST:
                return "closed"
            case _:
                assert_never(question.state)

    async def _tell_answer(self, event: str, news: bytes, asker: _Asker | None, *, is_news: bool) -> None:
        """To everyone; who gave it and waits gets it as the reply."""
        waits = asker if asker is not None and not asker.heard.done() else None
        if is_news:
            self._audience.extended(event, news, but=None if waits is None else waits.client)
        if waits is not None:
            await _reply(waits.client, event, news, waits.rid)
            waits.heard.set_result(None)

    def _ask(self, question: HitlRequest, below: _Below) -> int:
        """Everyone, in the words of each; gives the bytes."""
        plain, extended = _payloads(question, below)
        below.due_s = time.monotonic() + REPEAT_S
        self._audience.by_kind(REQUEST, plain, extended)
        return len(extended)

    async def _ask_now_and_then(self) -> None:
        """Until cancelled: what is open is asked again, as ROMA does, the longest unasked first."""
        while True:
            await asyncio.sleep(LOOK_S)
            now_s, n_bytes = time.monotonic(), 0
            due = [
                (below.due_s, question, below)
                for question in self._questions.all
                if (below := self._below.get(question.request_id)) is not None
                and below.told == "open"
                and question.state in ANSWERABLE
                and not question.is_silent
                and below.due_s <= now_s
            ]
            for _, question, below in sorted(due, key=lambda each: each[0]):
                n_bytes += self._ask(question, below)
                if n_bytes > MOST_AT_ONCE:
                    break

    def _find(self, request_id: str) -> HitlRequest | None:
        try:
            return self._questions.get(request_id)
        except AnswerError:
            return None


def _payloads(question: HitlRequest, below: _Below) -> tuple[bytes, bytes]:
    """(plain, extended), the same bytes each time."""
    if not below.payload:
        below.payload = _asked(question, below)
    return below.payload, with_member(below.payload, "project_id", encode(question.project_id))


def _asked(question: HitlRequest, below: _Below) -> bytes:
    data: Any
    try:
        text = question.data_json.encode()
        msgspec.json.decode(text, type=msgspec.Raw)
        data = msgspec.Raw(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):  # NaN, a lone surrogate, a depth
        data = question.data
    return encode(
        {
            "checkpoint_name": question.checkpoint,
            "context_message": question.message,
            "data_for_review": data,
            "node_id": question.task_id,
            "current_attempt": question.attempt,
            "request_id": question.request_id,
            "timestamp": below.timestamp,
        }
    )


def _about(question: HitlRequest) -> dict[str, Any]:
    return {
        "request_id": question.request_id,
        "project_id": question.project_id,
        "node_id": question.task_id,
    }


def _answer(question: HitlRequest, below: _Below) -> tuple[str | None, str | None, str]:
    """(action, instructions, by whom), as far as they are known."""
    answer, said = question.answer, question.said
    if answer is not None:
        return answer.action, answer.instructions, below.answered_by
    if said is not None and said.action is not None:
        return said.action, said.instructions, shorten(said.answered_by or "", LONGEST_WHO)
    return None, None, ""


def _answered(question: HitlRequest, below: _Below) -> bytes:
    action, instructions, by = _answer(question, below)
    at_s = question.answer.at_s if question.answer is not None else time.time()
    return encode(
        {
            **_about(question),
            "action": action or "answered",
            "modification_instructions": instructions,
            "answered_by": by,
            "answered_at": datetime.fromtimestamp(at_s, UTC).isoformat(),
        }
    )


def _queued(question: HitlRequest, below: _Below) -> bytes:
    action, instructions, by = _answer(question, below)
    return encode(
        {
            **_about(question),
            "action": action,
            "modification_instructions": instructions,
            "answered_by": by,
            "note": NOT_REACHED if question.why == NO_LINK else question.why,
        }
    )


def _closed(question: HitlRequest, below: _Below) -> tuple[str, bytes]:
    """Somebody else's answer counts, of whom more or less is known; or nobody waits for one."""
    said = question.said
    if question.state is HitlState.SUPERSEDED and said is not None and said.action is not None:
        theirs = {
            **_about(question),
            "action": said.action,
            "modification_instructions": said.instructions,
            "answered_by": shorten(said.answered_by or "", LONGEST_WHO),
            "answered_at": datetime.now(UTC).isoformat(),
        }
        return ANSWERED, encode(theirs)
    why = said.reason if said is not None and said.reason else question.why
    return CLOSED, encode({**_about(question), "state": str(question.state), "reason": why})


def _answered_already(question: HitlRequest, below: _Below) -> str:
    """In the words of our servers, which their clients understand."""
    said = question.said
    if question.state is HitlState.LOST:
        why = said.reason if said is not None and said.reason else question.why
        what = f"it was lost: {shorten(why or 'nobody waits for an answer', 300)}"
    elif question.state is HitlState.SUPERSEDED and (said is None or said.action is None):
        what = f"it was answered by somebody else: {shorten(question.why or '', 300)}"
    elif question.state is HitlState.SUPERSEDED and said is not None:
        by = shorten(said.answered_by or "", LONGEST_WHO)
        what = f"it was answered ({shorten(said.action or '', 40)}{f' by {by}' if by else ''})"
    else:
        action, _, by = _answer(question, below)
        what = f"it was answered ({shorten(action or '', 40)}{f' by {by}' if by else ''})"
        if question.state is HitlState.WAITING_LINK:
            what += ", and that answer waits for the server"
    return f"request {question.request_id[:100]}: {what}"


def _refuse(asker: _Asker | None, why: str) -> None:
    if asker is not None:
        asker.heard.set_result(why)


async def _reply(client: Client, event: str, news: bytes, rid: str | int | None) -> None:
    if client.extension:
        await client.reply(event, news if rid is None else with_member(news, "rid", compact_json(rid)))
