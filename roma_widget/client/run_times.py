"""When each run was heard of and when it moved, and since when somebody supplies its state: how long it is quiet."""

from __future__ import annotations

import time
from collections.abc import Collection

from ..core.state import MOST_RUNS
from .hearing import Hearing


class RunTimes:
    """By project. Times are of `time.monotonic`."""

    def __init__(self, like: RunTimes | None = None) -> None:
        self._heard: dict[str, float] = dict(like._heard) if like is not None else {}
        self._moved: dict[str, float] = dict(like._moved) if like is not None else {}
        self._supplied_since: float | None = None
        self._stood_still_at: float | None = like._stood_still_at if like is not None else None

    def supplied(self, is_supplied: bool) -> None:
        """Whether somebody supplies the state from now on."""
        if is_supplied:
            self._supplied_since, self._stood_still_at = self._supplied_since or time.monotonic(), None
        else:
            self._supplied_since, self._stood_still_at = None, self.now_s

    @property
    def now_s(self) -> float:
        """Now, or when nobody supplied the state any more: what is shown gets no older by that."""
        return time.monotonic() if self._stood_still_at is None else self._stood_still_at

    def note_stamp(self, project_id: str) -> None:
        """Its server's time was told anew."""
        self._heard[project_id] = time.monotonic()

    def note_move(self, project_id: str) -> None:
        self._moved[project_id] = time.monotonic()

    def since_stamp_s(self, project_id: str) -> float:
        return max(0.0, self.now_s - self._heard.get(project_id, self.now_s))

    def quiet_s(self, project_id: str, hearing: Hearing, *, is_looked_at: bool) -> float:
        """Seconds in which something would have been heard and nothing moved: an outage of ours is no stall."""
        if self._supplied_since is None:
            return 0.0
        since_s, until_s = self._supplied_since, time.monotonic()
        if is_looked_at:
            looked = hearing.looked_at.get(project_id)
            if looked is None:
                return 0.0
            since_s, until_s = max(since_s, looked.since_s), looked.last_s
        return max(0.0, until_s - max(self._moved.get(project_id, 0.0), since_s))

    def forget_but(self, runs: Collection[str], looked_at: Collection[str]) -> None:
        """A server can name projects without end: when many are gone from the state, their times go, too."""
        if len(self._heard) > 2 * MOST_RUNS + len(runs):
            for times in (self._heard, self._moved):
                for project_id in times.keys() - {*runs, *looked_at}:
                    del times[project_id]

    def clear(self) -> None:
        self._heard.clear()
        self._moved.clear()
