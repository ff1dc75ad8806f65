"""`m.hitl`: what the agents ask a person, and the ways to answer from Python."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..analysis import questions
from ..core.hitl import ANSWERABLE, HitlRequest, Via
from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Snapshot
from ..core.reading import shorten
from ..errors import NotLive, WaitTimeout
from .acting import checked_timeout
from .answering import Answering, Asked, OnAnswer
from .asking import ask_on_the_terminal
from .callbacks import Fail
from .noting import Io
from .policy import Policy
from .question import Question

if TYPE_CHECKING:
    import pandas

MOST_AUTOMATIC = 100
_log = logging.getLogger("roma_widget.hitl")
Fn = TypeVar("Fn", bound=Callable[..., object])


class Questions(Asked, Protocol):
    """What is needed of a session to wait for a question."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def wakes(self) -> int: ...

    async def news_since(self, heard: int) -> None: ...

    def raise_if_hopeless(self) -> None: ...

    def describe(self) -> str: ...


class Hitl:
    """The questions of one monitor, those of the project that it shows. Example: `m.hitl.next(timeout=60).approve()`"""

    def __init__(
        self,
        here: Callable[[], Questions],
        last: Callable[[], Questions],
        io: Io,
        listen: Callable[..., Callable[[], None]],
        fail: Fail,
    ) -> None:
        """`here` gives the session where the monitor is, and raises NotLive when the monitor is disconnected; `last`
        gives it also then, to be read. `listen` is `Monitor.on`.
        """
        self.answering = Answering(here, self.shown)
        self._here = here
        self._last = last
        self._io = io
        self._listen = listen
        self._fail = fail
        self._end_policy: Callable[[], None] = lambda: None

    def __repr__(self) -> str:
        n_open = sum(question.state in ANSWERABLE for question in self.pending)
        return f"<m.hitl: {n_open} open, {len(self._last().hitl_ledger())} in the ledger>"

    # -- what there is

    @property
    def pending(self) -> list[Question]:
        """The shown project's open questions, oldest first; also those whose answer is on its way (`question.state`).

        `m.projects` tells how many wait in others.
        Example: `[question.message for question in m.hitl.pending]`
        """
        return [self.shown(request) for request in self._last().prompts()]

    def ledger(self) -> pandas.DataFrame:
        """All questions of the shown project, in the order in which they came, with what became of them.

        Columns: request_id, project_id, checkpoint, task_id, attempt (Int64), asked, answered (`datetime64[us, UTC]`),
        waited_s (float64, seconds), action, instructions, via ("button", "python", "input", "policy"), state ("open",
        "held", "waiting_link", "sent", "confirmed", "superseded", "lost"); the others are pandas strings. Missing is
        NA. Example: `m.hitl.ledger().groupby("via").waited_s.median()`
        """
        return questions.ledger(self._last().hitl_ledger())

    def as_code(self) -> str:
        """A cell that answers the questions of the shown run as they were answered here, by a policy.

        A question is the same when checkpoint, task and attempt are; all others wait for a person. Run it in a notebook
        where `m` is a monitor of another such run. Example: `print(m.hitl.as_code())`
        """
        session = self._last()
        project = session.snapshot.project
        of_run = (None, project.project_id if project is not None else None)
        asked = [request for request in session.hitl_ledger() if request.project_id in of_run]
        return questions.code(asked, project.goal if project is not None else None)

    # -- waiting for one

    def next(self, timeout: float | None = None, prompt: bool = False) -> Question:
        """The oldest question that wants an answer; waits for one. The same again as long as nobody answers it.

        `timeout` in seconds, None waits as long as the run does, 0 only looks. With `prompt` it is printed, and the
        answer is read with `input()`, which works wherever a cell may ask: a (approve), m (modify), x (abort); the end
        of the input or an interrupt leave it open. Raises WaitTimeout, NotLive (disconnected, or the shown run has
        ended), ConnectError (the server cannot be reached). Example: `m.hitl.next(timeout=60).approve()`
        """
        question: Question = self._io.result(self.awaited(timeout))
        if prompt:
            ask_on_the_terminal(
                question, lambda action, text: self.give(question.request_id, action, text, "input")
            )
        return question

    async def next_async(self, timeout: float | None = None) -> Question:
        """`next` for use with `await`: what else runs on the kernel's loop goes on while it waits.

        ipykernel 6 takes no click while a cell awaits, ipykernel 7 in JupyterLab does.

        Example: `(await m.hitl.next_async()).approve()`
        """
        question: Question = await asyncio.wrap_future(self._io.submit(self.awaited(timeout)))
        return question

    def awaited(self, timeout: float | None) -> Coroutine[Any, Any, Question]:
        """`next`, on `roma-io`."""
        timeout = None if timeout is None else checked_timeout(timeout, is_wait=True)
        self._here()
        return self._awaited(timeout)

    async def _awaited(self, timeout: float | None) -> Question:
        if timeout == 0 and (request := self._oldest(self._here())):
            return self.shown(request)
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return self.shown(await self._asked())
        except TimeoutError:
            if not limit.expired():
                raise
            raise WaitTimeout(f"Waited {timeout:g} s for a question; {self._here().describe()}.") from None

    async def _asked(self) -> HitlRequest:
        while True:
            session = self._here()
            heard = session.wakes
            if request := self._oldest(session):
                return request
            session.raise_if_hopeless()
            outcome = session.snapshot.outcome
            if outcome in OUTCOMES_OF_AN_ENDED_RUN:
                raise NotLive(f"The run has ended ({outcome.replace('_', ' ')}) and asks nothing any more.")
            await session.news_since(heard)

    def _oldest(self, session: Questions) -> HitlRequest | None:
        """One that the server has not repeated for long comes behind all others."""
        waiting = [
            request
            for request in session.prompts()
            if request.state in ANSWERABLE and not self.answering.is_under_way(request.request_id)
        ]
        return min(waiting, key=lambda request: request.is_silent, default=None)

    # -- having functions answer

    def on_request(self, fn: Fn) -> Fn:
        """Call `fn(request)` for each question of the shown project, also for those that are open already.

        Gives `fn`: it is a decorator.

        It is `m.on("hitl_request", fn)`, which gives what ends it. Example: `m.hitl.on_request(lambda r: r.approve())`
        """
        self._listen("hitl_request", fn)
        return fn

    def on_answer(self, fn: OnAnswer | None) -> Any:
        """Have `fn(request, answer)` see every answer of this monitor before it is sent, also a pressed button's.

        `answer.action`, `.instructions` and `.via` say what it is. It gives None, and the answer goes out as it is, or
        another answer: "approve", "abort", ("modify", "text"). When it raises or takes longer than 5 s the answer is
        held: the question stays open and says why. It runs in a thread of its own. One function at a time; None ends
        it. Gives `fn`: it is a decorator. Example: `m.hitl.on_answer(lambda request, answer: print(answer.action))`
        """
        if fn is not None and not callable(fn):
            raise ValueError(
                f"on_answer takes a function (request, answer) or None, not {shorten(repr(fn), 60)}."
            )
        self._here()
        self.answering.ask_before(fn)
        return fn

    def policy(self, fn: Callable[[Question], object] | None, limit: int = MOST_AUTOMATIC) -> Any:
        """Have `fn(request)` answer without a person: it gives "approve", "abort", ("modify", "text"), or None, which
        leaves it to the person.

        It is asked once for each question, also for those that are open already, in the thread of `m.on`, but for those
        that the server has not repeated for long (`question.is_silent`): perhaps nobody waits for them. One that the
        server asks again after its answer waits for a person. After `limit` automatic answers (also those that `fn`
        gives with `request.approve()` itself) it is asked no more, and further questions wait for a person. All that,
        and what it raises, is an "error" in `m.events()`. A later policy takes its place; None ends it. Nothing is
        ever answered without one. In the ledger `via` is "policy". Gives `fn`: it is a decorator. Raises NotLive,
        ValueError.
        Example: `m.hitl.policy(lambda r: "approve" if r.checkpoint == "PlanReview" else None, limit=10)`
        """
        if fn is not None and not callable(fn):
            raise ValueError(f"policy takes a function of a question or None, not {shorten(repr(fn), 60)}.")
        if type(limit) is not int or limit < 1:
            raise ValueError(f"limit takes a whole number from 1 on, not {shorten(repr(limit), 60)}.")
        if fn is not None:
            self._here()
        self._end_policy()
        self._end_policy = lambda: None
        if fn is not None:
            policy = Policy(fn, limit, self, self._fail)
            end = self._listen("hitl_request", policy)

            def end_policy() -> None:
                policy.is_over = True
                end()

            self._end_policy = end_policy
        return fn

    # -- for questions, from any thread (Desk)

    def shown(self, request: HitlRequest) -> Question:
        """As a person gets it."""
        return Question(request, self)

    def latest(self, request_id: str) -> HitlRequest | None:
        return self._last().question(request_id)

    def give(self, request_id: str, action: str, instructions: str | None, via: Via) -> HitlRequest:
        self._here()
        answered = self._io.result(self.answering.answer(request_id, action, instructions, via))
        return self.shown(answered)
