"""A run as it stood at one moment, as the same data as the run of now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..core.model import Snapshot, Task
from ..core.outcome import progress
from ..core.recall import Recalled
from .run_data import RunData

if TYPE_CHECKING:
    import pandas


class Moment(RunData):
    """What `m.at(t)` gives: frozen, and readable as a monitor is: frames, graphs, figures.

    What comes from traces is missing: these are kept as they are now. Example: `m.at(30).tasks()`
    """

    def __init__(self, recalled: Recalled) -> None:
        self._recalled = recalled

    @property
    def snapshot(self) -> Snapshot:  # type: ignore[override]
        """The run as it was. Its `revision` is 0: it was not published. It is never "stalled"."""
        return self._recalled.snapshot

    @property
    def time(self) -> datetime:
        """The moment, aware: what was asked for, or until when the run is known, where that is earlier."""
        time = self.snapshot.time
        assert time is not None
        return time

    @property
    def is_exact(self) -> bool:
        """Is everything as it was? Else some details were thinned to bound the memory.

        The tasks, their statuses and links are right also then; texts, stamps and `raw` may be a little older.
        """
        return self._recalled.is_exact

    @property
    def progress(self) -> dict[str, Any]:
        """Counts and outcome, as `m.progress` has them."""
        return progress(self.snapshot.tasks, self._recalled.verdict)

    def task(self, task_id: str) -> Task:
        """One task as it was: see `Monitor.task`. Raises UnknownTask when there was none.

        Servers of ours leave results out, and know only what a task is now: reading one that has changed since raises
        RomaError. Example: `m.at(30).task("root").status`
        """
        return self.snapshot.task(task_id)

    def __repr__(self) -> str:
        numbers = self.progress
        return (
            f"<Moment {self.time.isoformat()}; {numbers['outcome'].replace('_', ' ')}: {numbers['done']} of "
            f"{numbers['total']} done, {numbers['failed']} failed, {numbers['running']} running>"
        )


def times(times_us: Sequence[int]) -> pandas.DatetimeIndex:
    """Moments, given as microseconds since 1970, as a `DatetimeIndex` named "time", `datetime64[us, UTC]`."""
    import numpy as np
    import pandas as pd

    return pd.DatetimeIndex(np.array(times_us, np.int64).view("M8[us]"), name="time").tz_localize("UTC")
