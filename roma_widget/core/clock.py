"""The server's clock: reading its time stamps, and finding out which zone its naive ones are in.

ROMA writes naive local time. The offset from UTC is the difference between a live frame's time stamp and our own
clock, rounded to a quarter of an hour; a replayed recording has none, and then naive stamps are read as UTC.

A server's clock can jump while a run is going on: summer time ends, somebody sets it. Durations that go across would be
wrong by hours, so the steady difference between its stamps and our clock is watched, and by how much it jumped is told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

QUARTER_S = 900
LARGEST_OFFSET_S = 14 * 3600
TOLERANCE_S = 5.0
SIGHTINGS = 3
MISSES = 3
LEAST_JUMP_S = 120.0
"""A frame may be late by less: a link that is silent for longer is dead."""

_FIRST_MS = 1e11  # numbers below are epoch seconds (until the year 5138), above milliseconds
_SMALLEST, _LARGEST_MS = 1e8, 1e14


def parse_time(value: object) -> datetime | None:
    """A datetime (naive where the server names no zone) from ISO text or epoch s or ms. Raises ValueError."""
    if value is None:
        return None
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip())
    if isinstance(value, int | float) and not isinstance(value, bool) and _SMALLEST <= value < _LARGEST_MS:
        return datetime.fromtimestamp(value / 1000 if value >= _FIRST_MS else value, UTC)
    raise ValueError(f"not a time: {str(value)[:40]}")


@dataclass(frozen=True, slots=True)
class ServerClock:
    """What is known of the server's zone. `offset` is None until `SIGHTINGS` frames agree, and again for good
    after `MISSES` frames in a row do not: a late frame proves nothing, a recording played faster does.

    `steady_s` is by how much its stamps were ahead of our clock for `SIGHTINGS` frames, `jumped_s` by how much that has
    jumped since, and `suspect_s` a jump that fewer frames than that have shown.
    """

    candidate_s: int | None = None
    sightings: int = 0
    misses: int = 0
    ahead_s: float | None = None
    agreed: int = 0
    steady_s: float | None = None
    jumped_s: float = 0.0
    suspect_s: float = 0.0
    suspected: int = 0

    @classmethod
    def of(cls, offset_s: float | None) -> ServerClock:
        """One whose zone is known to be ahead of UTC by so many seconds, or is not known."""
        return cls() if offset_s is None else cls(candidate_s=round(offset_s), sightings=SIGHTINGS)

    @property
    def offset(self) -> timedelta | None:
        if self.candidate_s is None or self.sightings < SIGHTINGS or self.misses >= MISSES:
            return None
        return timedelta(seconds=self.candidate_s)

    def observe(self, stamp: datetime | None, now: float) -> ServerClock:
        """The clock after a live frame stamped `stamp` arrived at `now` (epoch seconds, ours)."""
        if stamp is None:
            return self
        try:
            ahead_s = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp() - now
        except (OverflowError, ValueError):  # the year 1 or 9999
            return self
        after = self._watch_for_jumps(ahead_s)
        return after if stamp.tzinfo else after._learn_zone(ahead_s - after.jumped_s)

    @property
    def jump_s(self) -> float:
        """By how much the stamps of now are ahead of what they would be, had the clock not jumped."""
        return self.jumped_s + self.suspect_s

    def forget_steadiness(self) -> ServerClock:
        """Our own clock was set: what differs now is not the server's doing."""
        return replace(self, ahead_s=None, agreed=0, steady_s=None, suspect_s=0.0, suspected=0)

    def _watch_for_jumps(self, ahead_s: float) -> ServerClock:
        if self.ahead_s is None or abs(ahead_s - self.ahead_s) > TOLERANCE_S:
            after = replace(self, ahead_s=ahead_s, agreed=1)
        else:
            after = replace(self, ahead_s=ahead_s, agreed=min(self.agreed + 1, SIGHTINGS))
        if abs(ahead_s) > LARGEST_OFFSET_S:  # a recording, or a state that was saved long ago
            return replace(after, agreed=0, suspect_s=0.0)
        off_s = 0.0 if self.steady_s is None else ahead_s - self.steady_s
        if abs(off_s) < LEAST_JUMP_S:
            steady_s = ahead_s if after.agreed == SIGHTINGS else self.steady_s
            return replace(after, steady_s=steady_s, suspect_s=0.0, suspected=0)
        if after.agreed == SIGHTINGS:
            jumped_s = self.jumped_s + off_s
            return replace(after, steady_s=ahead_s, jumped_s=jumped_s, suspect_s=0.0, suspected=0)
        if self.suspected == 2 * SIGHTINGS:
            return after.forget_steadiness()  # a recording that is played fast
        return replace(after, suspect_s=off_s, suspected=self.suspected + 1)

    def _learn_zone(self, ahead_s: float) -> ServerClock:
        if self.misses >= MISSES:
            return self
        seen_s = round(ahead_s / QUARTER_S) * QUARTER_S
        credible = abs(ahead_s - seen_s) <= TOLERANCE_S and abs(seen_s) <= LARGEST_OFFSET_S
        if not credible or seen_s != (seen_s if self.candidate_s is None else self.candidate_s):
            return replace(self, misses=self.misses + 1)
        return replace(self, candidate_s=seen_s, sightings=min(self.sightings + 1, SIGHTINGS), misses=0)

    def utc(self, stamp: datetime | None, jump: timedelta = timedelta()) -> datetime | None:
        """`stamp`, made when the clock had jumped by `jump`, as an aware UTC time."""
        if stamp is None:
            return None
        if stamp.tzinfo is None:
            stamp = stamp.replace(tzinfo=timezone(self.offset) if self.offset is not None else UTC)
        try:
            return stamp.astimezone(UTC) - jump
        except OverflowError:  # the year 1 or 9999 beside a zone
            return None
