"""Asks a server over its socket and finds the answer among the events.

Replies are events of their own, and ROMA's errors name neither request nor task. So one request of a kind is under
way at a time: those that share an error event stand in one queue, a `_Lane`, and an error belongs to the one whose
turn it is. A lane is free again once the acknowledgement has come, which ROMA sends behind the reply: an answer that
comes late, to somebody who no longer waits, is not taken for the next one's.

The acknowledgement tells silence from loss: with it the server got the request and said nothing, without it the request
or the handler is missing. What nobody asked for, and a second reply, is counted in `unasked` and stays an event.

A server of ours repeats the `rid` of a request in its reply to clients of its extension. There, requests for data
(`Question.by_rid`) are under way four at a time. Answers to agents, whose refusals quote them (`Question.name`), wait
for nobody. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ..core import wire
from ..core.reading import hide
from ..errors import ConnectError, NotLive, RomaError, ServerError, WaitTimeout
from .library import LinkError
from .socket import Link

SILENCE_S = 5.0
"""How long a reply may take after the acknowledgement. ROMA sends it before."""
BEHIND_REPLY_S = 1.0
"""How long the acknowledgement may take after the reply, before the next request goes out without it."""
AT_ONCE = 4
GIVEN_UP_S = 10.0
"""How long a lane is kept for a request that nobody waits for any more and that is not acknowledged."""


@dataclass(frozen=True, slots=True)
class Question:
    """A request as it is emitted, and how its answer is known: the event `reply` that `is_reply`, or `refusal`."""

    event: str
    reply: str
    refusal: str
    is_reply: Callable[[wire.Event], bool] = field(repr=False, compare=False)
    argument: Mapping[str, object] | None = None
    by_rid: bool = False
    may_end_in_silence: bool = False
    """The acknowledgement alone is an answer, too: `wire.Acknowledged`."""
    name: str | None = None
    """Where a refusal quotes it: then any number of others may be under way, and only this one once."""


@dataclass(slots=True, eq=False)
class _Waiting:
    question: Question
    answer: asyncio.Future[wire.Event]
    rid: str | None = None
    acknowledged: bool = False

    def arguments(self) -> tuple[object, ...]:
        argument = self.question.argument
        if self.rid is not None:
            return ({**(argument or {}), "rid": self.rid},)
        return () if argument is None else (argument,)

    def takes(self, event: wire.Event) -> bool:
        return self.question.is_reply(event) and self.rid in (None, getattr(event, "rid", None))

    def fail(self, error: RomaError) -> None:
        """What whoever waits gets to see, if somebody still does."""
        if not self.answer.done():
            self.answer.set_exception(error)


_LaneKey = tuple[str, bool, str | None]
"""The refusal, whether requests are numbered, and the name where that makes it one question's own."""


class _Lane:
    def __init__(self, key: _LaneKey, width: int) -> None:
        self.key = key
        self.turn = asyncio.Semaphore(width)
        self.waiting: list[_Waiting] = []


class Requests:
    """See the module. `caught_up` returns when all that has arrived has been heard; `secrets` are hidden in what the
    server is quoted with. The times are in seconds."""

    def __init__(
        self,
        caught_up: Callable[[], Awaitable[None]],
        secrets: Iterable[str] = (),
        *,
        silence_s: float = SILENCE_S,
        behind_reply_s: float = BEHIND_REPLY_S,
        given_up_s: float = GIVEN_UP_S,
    ) -> None:
        self.link: Link | None = None
        self.echoes_rids = False
        self.unasked = 0
        self._caught_up = caught_up
        self._secrets = tuple(secrets)
        self._silence_s = silence_s
        self._behind_reply_s = behind_reply_s
        self._given_up_s = given_up_s
        self._lanes: dict[_LaneKey, _Lane] = {}
        self._last_rid = 0
        self._exchanges: set[asyncio.Task[None]] = set()

    @property
    def width(self) -> int:
        """How many requests for data go out at a time."""
        return AT_ONCE if self.echoes_rids else 1

    async def ask(self, question: Question, timeout_s: float) -> wire.Event:
        """The reply. `timeout_s` is for all of it, the waiting for its turn included.

        Raises ServerError (the server's words, or its silence), NotLive (no socket, or lost meanwhile), ConnectError
        (not acknowledged) or WaitTimeout (others' requests took all the time).
        """
        has_rid = question.by_rid and self.echoes_rids
        lane = self._lane(question.refusal, has_rid, question.name)
        waiting: _Waiting | None = None
        try:
            async with asyncio.timeout(timeout_s):
                await lane.turn.acquire()
                waiting = self._begin(lane, question, timeout_s, has_rid)
                return await waiting.answer
        except TimeoutError:
            raise _too_late(question, waiting, timeout_s) from None

    @asynccontextmanager
    async def turn(self, refusal: str) -> AsyncIterator[None]:
        """For who sends a request of this kind by other means: nobody else's is under way meanwhile."""
        async with self._lane(refusal, has_rid=False).turn:
            yield
            await self._caught_up()

    async def quiet(self) -> None:
        """Returns when none is under way."""
        while self._exchanges:
            await asyncio.wait(self._exchanges)

    def hear(self, event: wire.Event) -> bool:
        """Called with each event in order; True when somebody waited for it."""
        match event:
            case wire.ServerRefused():
                waiting = self._refused_by(event)
                error = ServerError(hide(event.message, self._secrets), event.event)
            case wire.Unreadable():
                waiting = self._only([one for one in self._all() if one.question.reply == event.event])
                why = event.problems[0] if event.problems else "it is empty"
                sentence = (
                    f"The reply to {waiting.question.event} could not be read ({why})." if waiting else ""
                )
                error = ServerError(sentence, event.event)
            case _:
                waiting = next((one for one in self._all() if one.takes(event)), None)
                if waiting is not None and not waiting.answer.done():
                    waiting.answer.set_result(event)
                    return True
                self.unasked += isinstance(event, _REPLIES)
                return False
        if waiting is None or waiting.answer.done():
            self.unasked += isinstance(event, wire.ServerRefused)
            return False
        waiting.fail(error)
        return True

    def expects(self, event: wire.Event) -> bool:
        """Is it a reply that somebody asked for, also somebody who has given up waiting?"""
        return any(waiting.takes(event) for waiting in self._all())

    def _refused_by(self, event: wire.ServerRefused) -> _Waiting | None:
        """Whose request this error is about: the one it names, or the only one it can be."""
        here = [one for one in self._all() if (one.question.refusal, one.rid) == (event.event, event.rid)]
        quoted = [one for one in here if one.question.name and _quotes(event.message, one.question.name)]
        return self._only(quoted) or self._only(here)

    @staticmethod
    def _only(found: list[_Waiting]) -> _Waiting | None:
        return found[0] if len(found) == 1 else None

    def _all(self) -> list[_Waiting]:
        return [waiting for lane in self._lanes.values() for waiting in lane.waiting]

    def _lane(self, refusal: str, has_rid: bool, name: str | None = None) -> _Lane:
        key = (refusal, has_rid, name)
        if key not in self._lanes:
            self._lanes[key] = _Lane(key, AT_ONCE if has_rid and name is None else 1)
        return self._lanes[key]

    def _leave(self, lane: _Lane) -> None:
        """The next one's turn; a lane of one question's own goes with the last who wanted it."""
        lane.turn.release()
        *_, name = lane.key
        if name is not None and not lane.turn.locked():
            self._lanes.pop(lane.key, None)

    def _begin(self, lane: _Lane, question: Question, timeout_s: float, has_rid: bool) -> _Waiting:
        """It is this question's turn. From here on `_exchange` frees the lane, whoever still waits."""
        link = self.link
        if link is None or link.ended.done():
            self._leave(lane)
            raise NotLive(f"{question.event} was not sent: there is no socket to the server any more.")
        self._last_rid += 1
        loop = asyncio.get_running_loop()
        waiting = _Waiting(question, loop.create_future(), str(self._last_rid) if has_rid else None)
        lane.waiting.append(waiting)
        exchange = loop.create_task(self._exchange(link, lane, waiting, timeout_s), name="roma-request")
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)
        return waiting

    async def _exchange(self, link: Link, lane: _Lane, waiting: _Waiting, timeout_s: float) -> None:
        """From the emit until nothing more can come of it."""
        question, answer = waiting.question, waiting.answer
        sending = asyncio.ensure_future(
            link.request(question.event, *waiting.arguments(), timeout_s=timeout_s + self._given_up_s)
        )
        try:
            await _first(sending, answer)
            if not sending.done():
                patience_s = self._given_up_s if answer.cancelled() else self._behind_reply_s
                await _first(sending, timeout_s=patience_s)
                return
            sending.result()
            waiting.acknowledged = True
            # the acknowledgement overtakes what came before it and is not read yet
            reading = asyncio.ensure_future(self._caught_up())
            await _first(reading, link.ended)
            reading.cancel()
            if answer.done():
                return
            if question.may_end_in_silence and not link.ended.done():
                answer.set_result(wire.Acknowledged())
                return
            await _first(answer, link.ended, timeout_s=self._silence_s)
            waiting.fail(_lost(question, link) if link.ended.done() else _silent(question))
        except LinkError as error:
            waiting.fail(_lost(question, link) if link.ended.done() else _unheard(question, str(error)))
        finally:
            if not sending.cancel() and not sending.cancelled():
                sending.exception()  # looked at, so that nobody warns of it
            waiting.fail(_unheard(question, "it was interrupted"))
            lane.waiting.remove(waiting)
            self._leave(lane)


async def _first(*futures: asyncio.Future[Any], timeout_s: float | None = None) -> None:
    """Returns when one of them is done, or the time is over."""
    await asyncio.wait(futures, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)


def _too_late(question: Question, waiting: _Waiting | None, timeout_s: float) -> RomaError:
    if waiting is None:
        return WaitTimeout(
            f"{question.event} did not get its turn within {timeout_s:g} s: an earlier one has no answer yet. "
            "Try again."
        )
    if waiting.acknowledged:
        return _silent(question)
    return _unheard(question, f"no acknowledgement within {timeout_s:g} s")


def _silent(question: Question) -> ServerError:
    return ServerError(
        f"The server got {question.event} and said nothing: neither {question.reply} nor {question.refusal} came.",
        question.reply,
    )


def _unheard(question: Question, why: str) -> ConnectError:
    return ConnectError(
        f"The server did not take {question.event} ({why.rstrip('.')}): the connection is bad, or this server has "
        "no such request. Look at m.connection and try again."
    )


def _lost(question: Question, link: Link) -> NotLive:
    return NotLive(
        f"{question.event} has no answer: {link.ended.result()} Whether the server did it is not known; "
        'wait with m.wait("connected") and look.'
    )


_REPLIES = (
    wire.ProjectStarted,
    wire.ExecutionStarted,
    wire.ProjectSaved,
    wire.ProjectStopped,
    wire.TracesCleared,
    wire.NodeTrace,
    wire.StageDetails,
    wire.TaskRest,
    wire.HistoryTold,
)
"""Events that come to nobody but who asked for them."""


# -- the questions


def initial_state() -> Question:
    """Never of a server that does not declare itself safe: it can freeze the run."""
    return Question(
        "request_initial_state",
        "task_graph_update",
        "error",
        lambda event: isinstance(event, wire.GraphUpdate) and event.source == "task_graph_update",
    )


def restore(project_id: str) -> Question:
    return Question(
        "restore_project_state",
        "project_restored",
        "project_restore_error",
        lambda event: (
            isinstance(event, wire.GraphUpdate)
            and event.source == "project_restored"
            and event.project_id == project_id
        ),
        {"project_id": project_id},
    )


def start(goal: str, max_steps: int | None, known: Iterable[str]) -> Question:
    """`known` are the projects there are: the one that was started is none of these."""
    before = frozenset(known)
    more = {} if max_steps is None else {"max_steps": max_steps}
    return Question(
        "start_project",
        "project_started",
        "error",
        lambda event: isinstance(event, wire.ProjectStarted) and event.project.project_id not in before,
        {"project_goal": goal, **more},
    )


def switch(project_id: str) -> Question:
    return Question(
        "switch_project",
        "project_switch_success",
        "project_switch_error",
        lambda event: (
            isinstance(event, wire.GraphUpdate | wire.ProjectSwitched)
            and event.source == "project_switch_success"
            and event.project_id == project_id
        ),
        {"project_id": project_id},
    )


def save(project_id: str) -> Question:
    """Only with an id that the server has named: ROMA makes a file and a project of any other."""
    return Question(
        "force_save_project",
        "save_success",
        "save_error",
        lambda event: isinstance(event, wire.ProjectSaved) and event.project_id == project_id,
        {"project_id": project_id},
    )


def node_trace(project_id: str, task_id: str, is_anothers: Callable[[str], bool]) -> Question:
    """`is_anothers(trace_id)`: such a trace is known to be of another task; task ids repeat across projects."""
    return Question(
        "request_node_trace",
        "node_trace_data",
        "node_trace_error",
        lambda event: (
            isinstance(event, wire.NodeTrace)
            and event.task_id == task_id
            and not (event.trace.trace_id and is_anothers(event.trace.trace_id))
        ),
        {"project_id": project_id, "node_id": task_id},
        by_rid=True,
    )


def stage_details(project_id: str, task_id: str, stage_id: str) -> Question:
    return Question(
        "request_stage_details",
        "stage_details_data",
        "stage_details_error",
        lambda event: (
            isinstance(event, wire.StageDetails) and (event.task_id, event.stage_id) == (task_id, stage_id)
        ),
        {"project_id": project_id, "node_id": task_id, "stage_id": stage_id},
        by_rid=True,
    )


def answer(request_id: str, argument: Mapping[str, object]) -> Question:
    """To an agent's question. ROMA says nothing to it; our servers tell a client of their extension that it counts, or
    that a relay keeps it."""
    return Question(
        "hitl_response",
        "hitl_answered",
        "hitl_error",
        lambda event: (
            isinstance(event, wire.HitlClosed | wire.HitlQueued)
            and event.request_id == request_id
            and event.rid is not None
        ),
        argument,
        by_rid=True,
        may_end_in_silence=True,
        name=request_id[:100],
    )


def snapshot() -> Question:
    """Of a server that speaks its extension to us: everything again."""
    return Question(
        "request_snapshot",
        "snapshot",
        "snapshot_error",
        lambda event: isinstance(event, wire.GraphUpdate) and event.source == "snapshot",
        {},
    )


def task_rest(project_id: str, task_id: str) -> Question:
    """What the extension left out of a task."""
    return Question(
        "request_task_result",
        "task_result_data",
        "task_result_error",
        lambda event: (
            isinstance(event, wire.TaskRest) and (event.project_id, event.task_id) == (project_id, task_id)
        ),
        {"project_id": project_id, "node_id": task_id},
        by_rid=True,
    )


def history(project_id: str) -> Question:
    """Of a relay: what it has heard of a project since it began."""
    return Question(
        "request_history",
        "history_data",
        "history_error",
        lambda event: isinstance(event, wire.HistoryTold) and event.project_id == project_id,
        {"project_id": project_id},
        by_rid=True,
    )


def reconnect_above(force: bool) -> Question:
    """Of a relay that has no socket to the server: that it tries now. `force` can freeze a run on ROMA v1."""
    return Question(
        "reconnect_above",
        "relay",
        "reconnect_above_error",
        lambda event: isinstance(event, wire.RelayTold) and event.rid is not None,
        {"force": force},
        by_rid=True,
    )


def _quotes(words: str, name: str) -> bool:
    """Does it stand there by itself, and not in a longer name?"""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-]|\.\w)", words) is not None
