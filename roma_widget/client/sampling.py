"""Samples how good the link of a feed is: the counters each second, a timed request every four while a socket is open.

It belongs to the feed and not to a session: all monitors of a server share one link. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from ..core.link import LinkQuality, Totals
from ..core.server_status import read_ready, relay_in_health
from .hearing import Hearing
from .rest import SMALL_BODY, Rest, Unreachable
from .socket import Link

LOOK_S = 1.0
HEALTH_EVERY_S = 4.0
"""Below the step of the history, so that no step is without a round trip."""
_log = logging.getLogger("roma_widget.sampling")


def awake_or_asleep_s() -> float:
    """Seconds of a clock that never goes back and also runs while the machine sleeps.

    `time.monotonic` stands still then, on Linux and on macOS, whose CLOCK_MONOTONIC does not.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Sampling:
    """See the module. `link` is the open socket, set by the feed."""

    def __init__(self, hearing: Hearing) -> None:
        self.link: Link | None = None
        self._hearing = hearing
        self._quality = LinkQuality()

    def hear_round_trip(self, round_trip_s: float) -> None:
        """`GET /api/health` was answered after so long."""
        self._hearing.numbers.round_trip_s = round_trip_s
        self._quality.hear_round_trip(awake_or_asleep_s(), round_trip_s)

    def forget_link(self) -> None:
        """The socket is gone: what it counted goes into the totals."""
        link, self.link = self.link, None
        if link is not None:
            self._hearing.numbers.bytes_received += link.bytes_received
            self._hearing.numbers.missed_pings += link.missed_pings

    def numbers(self) -> dict[str, Any]:
        """What `Monitor.link` gives, but for what a session knows better. May be called from any thread."""
        numbers, link, totals = self._hearing.numbers, self.link, self._totals()
        frames_per_s, bytes_per_s = self._quality.rates(totals, self._hearing.connection.state)
        return {
            "round_trip_s": numbers.round_trip_s,
            "jitter_s": self._quality.jitter_s(totals.at_s),
            "missed_pings": numbers.missed_pings + (link.missed_pings if link is not None else 0),
            "frames": totals.frames,
            "frames_per_s": frames_per_s,
            "bytes_received": totals.bytes,
            "bytes_per_s": bytes_per_s,
            "skipped_frames": numbers.skipped_frames,
            "lost_deltas": numbers.lost_deltas,
            "age_s": None if numbers.heard_at is None else time.monotonic() - numbers.heard_at,
            "extension": numbers.extension,
            "history": self._quality.history(totals.at_s),
        }

    async def look(self) -> None:
        """Note the counters once a second, as long as the feed lives."""
        while True:
            self._quality.look(self._totals(), self._hearing.connection.state)
            await asyncio.sleep(LOOK_S)

    async def time_health(self, rest: Rest) -> None:
        """Beside a socket: time a request every four seconds. One that fails is no error of the connection."""
        while True:
            await asyncio.sleep(HEALTH_EVERY_S)
            try:
                health = await rest.get("/api/health", SMALL_BODY)
            except Unreachable as error:
                _log.debug("timing: %s", error)
            else:
                self.hear_round_trip(health.took_s)
                is_ready = read_ready(health.status, health.body)
                self._hearing.note_server("ready" if is_ready else "not_ready")
                news = relay_in_health(health.body)
                if news is not None and not self._hearing.numbers.extension:  # else the relay tells it itself
                    self._hearing.note_relay(news)

    def _totals(self) -> Totals:
        numbers, link = self._hearing.numbers, self.link
        open_bytes = link.bytes_received if link is not None else 0
        return Totals(awake_or_asleep_s(), numbers.frames, numbers.bytes_received + open_bytes)
