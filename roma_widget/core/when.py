"""How a person names a moment of a run."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, time, timedelta

from .arguments import as_number
from .reading import shorten

When = datetime | str | float
_CLOCK_TIME = re.compile(r"\d{1,2}:\d\d")
_FORMS = (
    "a datetime, an ISO string, a clock time of the run's day (\"14:02:10\") or seconds since the run's start"
)


def read_when(when: object, first: datetime, last: datetime, start: datetime) -> datetime:
    """The aware time that `when` names in a run that began at `start` and is known from `first` to `last`.

    What names no zone is in UTC, as in the frames. A clock time is of the day of `first`; where it was not yet known
    then, of the next day, if the run lasted into it. Raises ValueError. Example: `read_when("14:02:10", …)`
    """
    try:
        named = _read(when, first, last, start)
        if math.isfinite(named.year):  # that of pandas.NaT is not
            return named
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"A moment is {_FORMS}, not {shorten(repr(when), 60)}.")


def _read(when: object, first: datetime, last: datetime, start: datetime) -> datetime:
    if isinstance(when, datetime):
        return when if when.tzinfo is not None else when.replace(tzinfo=UTC)
    seconds = as_number(when)
    if seconds is not None:
        return start + timedelta(seconds=seconds)
    if not isinstance(when, str):
        raise ValueError
    text = when.strip()
    if _CLOCK_TIME.match(text):
        return _on_the_day(time.fromisoformat(text.rjust(len(text) + (text[1] == ":"), "0")), first, last)
    named = datetime.fromisoformat(text)
    return named if named.tzinfo is not None else named.replace(tzinfo=UTC)


def _on_the_day(clock_time: time, first: datetime, last: datetime) -> datetime:
    zone = clock_time.tzinfo or UTC
    named = datetime.combine(first.astimezone(zone).date(), clock_time, zone)
    next_day = named + timedelta(days=1)
    return next_day if named < first and next_day <= last else named
