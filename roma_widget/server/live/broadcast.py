"""When the state is told to the clients: not at every change, and not at any other time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

INTERVAL_S = 0.5
SHARE = 0.2
"""Telling takes at most this share of the loop's time: what costs more than `INTERVAL_S * SHARE` is told less
often.
"""


class RealtimeExecutionWrapper:
    """Turns any number of `changed()` into a call of `broadcast` at most every `interval_s` seconds.

    The first change after a silence is told at once, the last one always, and nothing while nothing changes.
    `changed` may be called from any thread; `broadcast` runs on `loop`.

    >>> wrapper = RealtimeExecutionWrapper(shell.refresh, asyncio.get_running_loop())
    >>> wrapper.changed()
    """

    def __init__(
        self, broadcast: Callable[[], None], loop: asyncio.AbstractEventLoop, interval_s: float = INTERVAL_S
    ) -> None:
        self._broadcast = broadcast
        self._loop = loop
        self._interval_s = interval_s
        self._not_before_s = 0.0
        self._is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def changed(self) -> None:
        """Something changed. Costs next to nothing when that is known already."""
        if self._is_due or self._closed:
            return
        self._is_due = True
        try:
            self._loop.call_soon_threadsafe(self._schedule)
        except RuntimeError:  # the loop is closed: nobody is left to be told
            self._closed = True

    def close(self) -> None:
        """On the loop: nothing is told after this."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _schedule(self) -> None:
        if not self._closed:
            self._timer = self._loop.call_at(max(self._not_before_s, self._loop.time()), self._tell)

    def _tell(self) -> None:
        self._is_due = False  # before the state is looked at: a change from here on is told again
        began_s = self._loop.time()
        try:
            self._broadcast()
        finally:
            cost_s = self._loop.time() - began_s
            self._not_before_s = began_s + max(self._interval_s, cost_s / SHARE)
