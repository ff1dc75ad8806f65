"""The server's clock: reading its time stamps, and finding out which zone its naive ones are in.

ROMA writes naive local time. The offset from UTC is the difference between a live frame's time stamp and our own
clock, rounded to a quarter of an hour; a replayed recording has none, and then naive stamps are read as UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone

QUARTER_S = 900
LARGEST_OFFSET_S = 14 * 3600
TOLERANCE_S = 5.0
SIGHTINGS = 3
MISSES = 3

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
    after `MISSES` frames in a row do not: a late frame proves nothing, a recording played faster does."""

    candidate_s: int | None = None
    sightings: int = 0
    misses: int = 0

    @property
    def offset(self) -> timedelta | None:
        if self.candidate_s is None or self.sightings < SIGHTINGS or self.misses >= MISSES:
            return None
        return timedelta(seconds=self.candidate_s)

    def observe(self, stamp: datetime | None, now: float) -> ServerClock:
        """The clock after a live frame stamped `stamp` arrived at `now` (epoch seconds, ours)."""
        if self.misses >= MISSES or stamp is None or stamp.tzinfo is not None:
            return self
        ahead_s = stamp.replace(tzinfo=UTC).timestamp() - now
        seen_s = round(ahead_s / QUARTER_S) * QUARTER_S
        credible = abs(ahead_s - seen_s) <= TOLERANCE_S and abs(seen_s) <= LARGEST_OFFSET_S
        if not credible or seen_s != (seen_s if self.candidate_s is None else self.candidate_s):
            return replace(self, misses=self.misses + 1)
        return ServerClock(seen_s, min(self.sightings + 1, SIGHTINGS))

    def utc(self, stamp: datetime | None) -> datetime | None:
        """`stamp` as an aware UTC time."""
        if stamp is None:
            return None
        if stamp.tzinfo is None:
            stamp = stamp.replace(tzinfo=timezone(self.offset) if self.offset is not None else UTC)
        try:
            return stamp.astimezone(UTC)
        except OverflowError:  # the year 1 or 9999 beside a zone
            return None
