"""Waiting until something is so of a run, wherever its monitor moves meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Connection, Snapshot
from ..errors import ConnectError, NotLive, RunStalled, UnknownProject, WaitTimeout
from .aside import aside
from .feed import Feed

_AWAITED = {"connected": "a connection", "done": "the run to end"}
_background: set[asyncio.Task[None]] = set()

Until = str | Callable[[Snapshot], object]


class Awaited:
    """Mixed into `Session`: who waits is woken with all that is published. On the loop."""

    snapshot: Snapshot
    connection: Connection
    facts: dict[str, Any]
    wanted_project: str | None
    _feed: Feed

    def __init__(self) -> None:
        self._news = asyncio.Condition()
        self._wakes = 0

    async def wait(
        self,
        until: Until,
        timeout: float | None,
        stall_timeout: float | None,
        here: Callable[[], Awaited] | None = None,
    ) -> Any:
        """See `Monitor.wait`. `here` gives the session where its monitor is: who waits goes along when that moves.

        It raises when the monitor is disconnected, although the session may live on for others.
        """
        here = here or (lambda: self)
        what = "the condition to hold" if callable(until) else _AWAITED[until]
        if timeout == 0 and (value := await _is_so(here(), until)):
            return value
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                return await _wait(here, until, stall_timeout)
        except TimeoutError:
            if not limit.expired():  # the predicate's own
                raise
            raise WaitTimeout(f"Waited {timeout:g} s for {what}; {here().describe()}.") from None

    @property
    def wakes(self) -> int:
        """How often there was news; for `news_since`."""
        return self._wakes

    async def news_since(self, heard: int) -> None:
        """Returns when there is news since `wakes` was `heard`; at once when there was."""
        async with self._news:
            while self._wakes == heard:
                await self._news.wait()

    def raise_if_hopeless(self) -> None:
        """Raises what says why waiting is in vain. A relay without a server is not: it tries on for ever."""
        missing = self._feed.missing(self.wanted_project) if self.wanted_project is not None else None
        if missing is not None:
            raise UnknownProject(missing)
        if self.connection.state == "failed":
            raise ConnectError(self.connection.error or "The server cannot be reached.")
        self.raise_if_closed()

    def raise_if_closed(self) -> None:
        if self.connection.state == "closed":
            raise NotLive(
                "This monitor is disconnected: nothing more will come. Connect again with roma.connect(…)."
            )

    def describe(self) -> str:
        """How things stand, in a clause."""
        numbers = self.facts["progress"]
        run = (
            f"the run is {numbers['outcome'].replace('_', ' ')}"
            if numbers["total"]
            else "there is no task yet"
        )
        counts = "{done} of {total} done, {failed} failed, {running} running".format_map(numbers)
        said = f"{run} ({counts})" if numbers["total"] else run
        connection = self.connection
        error, link = connection.error, f"the connection is {connection.state}"
        if connection.state == "live" and not connection.is_supplied and connection.relay is not None:
            error, link = connection.relay.error, "the relay does not hear the server"
        because = f": {error}" if error else ""
        return f"{said}, {link}{because}".rstrip(".")

    def _wake_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._wake())
        _background.add(task)
        task.add_done_callback(_background.discard)

    async def _wake(self) -> None:
        self._wakes += 1
        async with self._news:
            self._news.notify_all()


async def _wait(here: Callable[[], Awaited], until: Until, stall_timeout: float | None) -> Any:
    stalled_since: float | None = None
    before: Awaited | None = None
    while True:
        session = here()
        if session is not before:
            before, stalled_since = session, None
        heard = session.wakes
        if value := await _is_so(session, until):
            return value
        if here() is not session:  # it moved while the predicate ran
            continue
        session.raise_if_hopeless()
        if session.snapshot.outcome != "stalled":
            stalled_since = None
        elif stall_timeout is not None:
            stalled_since = stalled_since or time.monotonic()
            if time.monotonic() - stalled_since >= stall_timeout:
                raise RunStalled(
                    f"The run has stalled: {session.snapshot.reason or 'nothing moves'} ({session.describe()})"
                )
        await session.news_since(heard)


async def _is_so(session: Awaited, until: Until) -> Any:
    """What the wait gives if it is over now, else something false."""
    if callable(until):
        # a person's code: off the loop, which must never be held up
        return await aside(until, session.snapshot)
    if until == "connected":
        return session.connection.is_supplied
    outcome = session.snapshot.outcome
    return outcome if outcome in OUTCOMES_OF_AN_ENDED_RUN else None
