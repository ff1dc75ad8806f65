"""When the shown project changed: moments that only grow, whatever the clocks do.

A moment has the server's time where the frame that brought it said one, else our clock goes on from the newest that
did. `core.clock` has taken back most jumps of the server's clock already. What is left of them: a stamp that does
not lead on is not believed, and our clock goes on; a leap ahead that turns out to have been none is taken back, with
what came after it, by our clock; where the server's zone is learnt, all moments move with it.

Times are whole microseconds since 1970, because the last `datetime` there is has no next one.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter

from .clock import LEAST_JUMP_S
from .model import Project

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LEAST_JUMP_US = round(LEAST_JUMP_S * 1e6)
_time_us = attrgetter("time_us")
_seq = attrgetter("seq")


def as_us(time: datetime) -> int:
    """An aware time as microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def as_time(time_us: int) -> datetime:
    """`as_us` undone; the end of the calendar for what lies beyond it."""
    try:
        return _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return (datetime.max if time_us > 0 else datetime.min).replace(tzinfo=UTC)


@dataclass(slots=True)
class Step:
    """One change: when it was; when we heard of it, in epoch seconds as in the log and by a clock that nobody sets;
    what the project was from then on; and which tasks have a version that begins here."""

    seq: int
    time_us: int
    heard_s: float
    steady_s: float
    project: Project
    task_ids: list[str]


class Steps:
    """The steps of one project, in the order of their times, which all differ."""

    def __init__(self) -> None:
        self._steps: list[Step] = []
        self._next_seq = 0
        self._stamp: datetime | None = None
        self._offset = timedelta()
        self.moves = 0
        """How often steps got other times than they had."""
        self._anchor: tuple[int, float] | None = None
        """A time and when that was, by our steady clock: from there it goes on."""

    @classmethod
    def of(cls, kept: list[Step], known_until_us: int | None) -> Steps:
        """Steps that were kept, in the order of their times; it is known how it was until `known_until_us`."""
        steps = cls()
        steps._steps = kept
        steps._next_seq = kept[-1].seq + 1 if kept else 0
        if known_until_us is not None and kept:
            steps._anchor = known_until_us, kept[-1].steady_s
        return steps

    def __len__(self) -> int:
        return len(self._steps)

    def __getitem__(self, place: int) -> Step:
        return self._steps[place]

    def times_us(self) -> list[int]:
        return [step.time_us for step in self._steps]

    @property
    def newest_us(self) -> int:
        """Until when it is known how it was: the last step, or a later frame that changed nothing.

        There must be a step.
        """
        last_us = self._steps[-1].time_us
        return last_us if self._anchor is None else max(last_us, self._anchor[0])

    def hear(self, stamp: datetime | None, offset: timedelta, steady_s: float) -> None:
        """The newest frame of the project was made at `stamp`; None, or the same again: it does not say.

        `offset` is the server's zone, as it is known now.
        """
        if offset != self._offset:
            moved_us = (self._offset - offset) // _MICROSECOND
            self._offset = offset
            self.moves += 1
            for step in self._steps:
                step.time_us += moved_us
            if self._anchor is not None:
                self._anchor = self._anchor[0] + moved_us, self._anchor[1]
        if stamp is None or stamp == self._stamp:
            return
        is_first, self._stamp = self._stamp is None, stamp
        stamp_us = as_us(stamp)
        if is_first:
            self._retime(0, stamp_us, steady_s)
        else:
            self._take_back_a_leap(stamp_us, steady_s)
        self._anchor = stamp_us, steady_s

    def add(self, now_s: float, steady_s: float, project: Project, task_ids: list[str]) -> Step:
        """A step of now. `now_s` is our clock, in epoch seconds."""
        if self._anchor is None:
            self._anchor = round(now_s * 1e6), steady_s
        time_us = self._anchor[0] + round((steady_s - self._anchor[1]) * 1e6)
        if self._steps and time_us <= self._steps[-1].time_us:
            last = self._steps[-1]
            time_us = last.time_us + max(1, round((steady_s - last.steady_s) * 1e6))
        step = Step(self._next_seq, time_us, now_s, steady_s, project, task_ids)
        self._next_seq += 1
        self._steps.append(step)
        return step

    def begin_with(self, earlier: list[Step]) -> None:
        """Puts steps before the first one. Their times and numbers are less than its."""
        self._steps[:0] = earlier
        self.moves += 1

    def at(self, time_us: int) -> Step | None:
        """The last step that is not later; None before the first."""
        place = bisect_right(self._steps, time_us, key=_time_us)
        return self._steps[place - 1] if place else None

    def time_us_of(self, seq: int) -> int | None:
        """When the step of that number was; None for the first one, before which nothing is known, and what it had."""
        place = bisect_left(self._steps, seq, key=_seq)
        return self._steps[place].time_us if 0 < place < len(self._steps) else None

    def after(self, seq: int) -> int:
        """The place of the first step behind that number; `len` when there is none."""
        return bisect_right(self._steps, seq, key=_seq)

    def remove(self, place: int) -> None:
        del self._steps[place]

    def heard_s(self, time_us: int) -> float:
        """When, by the clock of the log, we heard what was so at that time. There must be a step."""
        place = bisect_right(self._steps, time_us, key=_time_us)
        step = self._steps[max(0, place - 1)]
        if time_us == step.time_us:
            return step.heard_s
        heard_s = step.heard_s + (time_us - step.time_us) / 1e6
        if 0 < place < len(self._steps):
            return min(heard_s, math.nextafter(self._steps[place].heard_s, -math.inf))
        return heard_s

    def _take_back_a_leap(self, stamp_us: int, steady_s: float) -> None:
        """What is later than this stamp by far, and came with a leap that our clock knows nothing of."""
        if not self._steps or stamp_us >= self._steps[-1].time_us - _LEAST_JUMP_US:
            return
        first = bisect_right(self._steps, stamp_us, key=_time_us)
        if first == 0:
            return
        before, leaped = self._steps[first - 1], self._steps[first]
        by_ours_us = round((leaped.steady_s - before.steady_s) * 1e6)
        if leaped.time_us - before.time_us - by_ours_us > _LEAST_JUMP_US:
            self._retime(first, stamp_us, steady_s)

    def _retime(self, first: int, stamp_us: int, steady_s: float) -> None:
        """Give the steps from `first` on the times that they have by our clock, which now stands at `stamp_us`."""
        self.moves += 1
        least_us = self._steps[first - 1].time_us + 1 if first else None
        for step in self._steps[first:]:
            time_us = stamp_us - round((steady_s - step.steady_s) * 1e6)
            step.time_us = time_us if least_us is None else max(time_us, least_us)
            least_us = step.time_us + 1
