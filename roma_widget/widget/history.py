"""What a monitor remembers: the run at any moment, and what happened between two."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..analysis import frames, moments
from ..analysis.moments import Moment
from ..core import view
from ..core.log import Excerpt
from ..core.recall import Recalled, StatusSince
from ..core.steps import as_time
from ..core.when import When

if TYPE_CHECKING:
    import pandas

MOST_TIMES = 2_000
"""What the browser's slider is told of the moments at which something changed."""


class Memory(Protocol):
    """What a session remembers."""

    def times_us(self) -> list[int]: ...

    def reaches_back(self) -> bool: ...

    def reach_back_now(self) -> None: ...

    async def reach_back(self) -> None: ...

    def recall(self, when: When) -> Recalled: ...

    def statuses(self, task_id: str) -> list[StatusSince]: ...

    def events_between(self, begin: When, end: When) -> Excerpt: ...


class Remembering:
    """Mixed into `Monitor`.

    A moment is a datetime, an ISO string, a clock time of the run's day ("14:02:10", of the next day where the run
    began later than that and lasted into it) or seconds since the run's start. What names no zone is in UTC, as in
    the frames. Moments have the server's time where it says one, else ours, and only grow, also when clocks jump.
    """

    _session: Memory

    @property
    def times(self) -> pandas.DatetimeIndex:
        """The moments at which the shown run changed, since it came into view: `datetime64[us, UTC]`, growing.

        Through a relay they go back to where the relay began with the run. Where another run comes into view the
        history begins anew. It takes up to 64 MB beside the run; then its oldest detail is thinned: first states
        between two of the same status of a task, then the last one of each status, then its beginning.
        `m.at(t).is_exact` says whether that is so at t. Empty with `history=False`. Example:
        `m.at(m.times[len(m.times) // 2])`
        """
        self._session.reach_back_now()
        return moments.times(self._session.times_us())

    def at(self, t: When) -> Moment:
        """The run as it stood at `t`: `.tasks()`, `.graph()`, `.figures`, `.task(id)`, `.snapshot`, `.progress`.

        `t` is a datetime, an ISO string, a clock time ("14:02:10") or seconds since the run's start; without a zone
        in UTC. After the last moment it is the run as last known. Raises UnknownTime before the first moment, also when
        the run began before that (it says when that is; `m.at(m.times[0])` is the first), ValueError for what is no
        time, RomaError with `history=False`. Example: `m.at(30).tasks().status.value_counts()`
        """
        self._session.reach_back_now()
        return Moment(self._session.recall(t))

    def between(self, t0: When, t1: When) -> pandas.DataFrame:
        """What happened from `t0` to `t1`, both included: the rows of `m.events()` of that time.

        The moments are as in `m.at`, and may lie outside of the run. The column `time` is our clock, so it differs from
        them where the server's clock does. Raises ValueError for what is no time and when `t1` is before `t0`,
        UnknownTime while there is no run, RomaError with `history=False`. Example: `m.between(0, 30)`
        """
        return frames.events(self._session.events_between(t0, t1))

    # -- from the browser, on roma-io (messages.Person)

    def known_times(self) -> dict[str, Any] | Awaitable[dict[str, Any]]:
        return self._all_times() if self._session.reaches_back() else self._times()

    async def _all_times(self) -> dict[str, Any]:
        await self._session.reach_back()
        return self._times()

    def _times(self) -> dict[str, Any]:
        times_us = self._session.times_us()
        return {"times": [time_us / 1000 for time_us in spread(times_us, MOST_TIMES)], "n": len(times_us)}

    async def run_at(self, epoch_ms: float) -> msgspec.Raw:
        """Put into words beside the loop: 10,000 tasks take 30 ms on a quiet machine, and a drag asks for many."""
        return await asyncio.to_thread(_moment_body, self._session, epoch_ms)


def spread(times_us: Sequence[int], most: int) -> list[int]:
    """At most `most` of them, evenly taken, the first and the last always."""
    last = len(times_us) - 1
    if last < most:
        return list(times_us)
    return [times_us[round(place * last / (most - 1))] for place in range(most)]


def _moment_body(memory: Memory, epoch_ms: float) -> msgspec.Raw:
    if not math.isfinite(epoch_ms):
        raise ValueError("A moment is a number of milliseconds since 1970.")
    moment = Moment(memory.recall(as_time(round(epoch_ms * 1000))))
    body = {
        "time": view.epoch_ms(moment.time),
        "exact": moment.is_exact,
        **view.whole(moment.snapshot.tasks),
        "progress": moment.progress,
    }
    return msgspec.Raw(msgspec.json.encode(body))
