"""How good the connection is: round trips, their jitter, rates, and ten minutes of history in steps of five seconds.

Whoever holds a `LinkQuality` tells it the counters about once a second (`look`), and each round trip. It looks at no
clock: times are seconds of any clock that never goes back and that also runs while the machine sleeps, so that sleep
is a gap between two points and no row of points in which nothing came.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .model import ConnectionState

STEP_S = 5.0
HISTORY_S = 600.0
MOST_POINTS = 120
RATE_S = 10.0
LEAST_RATE_S = 1.0
"""There is no rate before this has passed: one frame in the first millisecond is no thousand a second."""
MOST_ROUND_TRIPS = 600
MOST_LOOKS = 100
_SUPPLIED: frozenset[ConnectionState] = frozenset({"live", "polling"})


@dataclass(frozen=True, slots=True)
class Totals:
    """The counters at one moment; they only grow."""

    at_s: float
    frames: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Point:
    """One step, at its end: what came within it, and the newest round trip that was timed within it."""

    at_s: float
    round_trip_s: float | None
    frames: int
    bytes: int
    state: ConnectionState


class LinkQuality:
    """See the module. Bounded, whatever it is told; read from any thread, for which each read copies in one step."""

    def __init__(self) -> None:
        self._round_trips: deque[tuple[float, float]] = deque(maxlen=MOST_ROUND_TRIPS)
        self._lately: deque[Totals] = deque(maxlen=MOST_LOOKS)
        self._points: deque[Point] = deque(maxlen=MOST_POINTS)
        self._step_began: Totals | None = None

    def hear_round_trip(self, now_s: float, round_trip_s: float) -> None:
        """A request was answered after so long. One that was not answered is not told: its step will have none."""
        self._round_trips.append((now_s, round_trip_s))

    def look(self, totals: Totals, state: ConnectionState) -> None:
        """The counters as they stand, about once a second; every `STEP_S` this makes a point."""
        self._lately.append(totals)
        while len(self._lately) > 1 and self._lately[1].at_s <= totals.at_s - RATE_S:
            self._lately.popleft()
        began = self._step_began
        if began is None:
            self._step_began = totals
        elif totals.at_s - began.at_s >= STEP_S:
            self._points.append(
                Point(
                    totals.at_s,
                    self._round_trip_since(began.at_s),
                    totals.frames - began.frames,
                    totals.bytes - began.bytes,
                    state,
                )
            )
            self._step_began = totals

    def jitter_s(self, now_s: float) -> float | None:
        """How unsteady the round trips of the last ten minutes are, in seconds; None with fewer than two.

        The mean of |r(i) - r(i-1)| over consecutive round trips r. That is the idea of the interarrival jitter of
        RFC 3550, section 6.4.1 (the mean deviation of the difference between neighbours, not from a mean), with
        round trips in the place of transit times, and all differences of the window weighted equally where the RFC
        smooths with 1/16.
        """
        recent = [took_s for at_s, took_s in tuple(self._round_trips) if at_s >= now_s - HISTORY_S]
        steps = [abs(after - before) for before, after in pairwise(recent)]
        return sum(steps) / len(steps) if steps else None

    def rates(self, totals: Totals, state: ConnectionState) -> tuple[float, float] | tuple[None, None]:
        """(frames, bytes) a second over the last `RATE_S`; (None, None) while nothing supplies the state."""
        since = self._since(totals.at_s)
        if state not in _SUPPLIED or since is None or totals.at_s - since.at_s < LEAST_RATE_S:
            return None, None
        elapsed_s = totals.at_s - since.at_s
        return (totals.frames - since.frames) / elapsed_s, (totals.bytes - since.bytes) / elapsed_s

    def history(self, now_s: float) -> list[dict[str, Any]]:
        """The points of the last ten minutes, oldest first, as plain values (see `Monitor.link`)."""
        return [
            {
                "ago_s": now_s - point.at_s,
                "round_trip_s": point.round_trip_s,
                "frames": point.frames,
                "bytes": point.bytes,
                "state": point.state,
            }
            for point in tuple(self._points)
            if point.at_s >= now_s - HISTORY_S
        ]

    def _since(self, now_s: float) -> Totals | None:
        """The newest look that is as old as the rates reach back, else the oldest there is."""
        lately = tuple(self._lately)
        old_enough = [totals for totals in lately if totals.at_s <= now_s - RATE_S]
        return old_enough[-1] if old_enough else lately[0] if lately else None

    def _round_trip_since(self, began_s: float) -> float | None:
        at_s, took_s = self._round_trips[-1] if self._round_trips else (began_s, 0.0)
        return took_s if at_s > began_s else None
