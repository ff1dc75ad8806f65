"""Snapshot and log -> pandas.DataFrame. Names, order and types of the columns are a contract with users' notebooks.

Missing is missing (`isna()`), never 0 or "". Types do not depend on the values: an empty run has the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..core.log import Excerpt
from ..core.model import Snapshot

if TYPE_CHECKING:
    import pandas as pd

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def tasks(snapshot: Snapshot) -> pd.DataFrame:
    """One row per task, in plan order (a parent before its children), indexed by `task_id`.

    Columns and types:

    - goal, task_type, node_type, status, agent, model, parent_id, error, result_summary: pandas strings;
    - layer, depth, plan_index, n_children, n_stages, retries, prompt_tokens, completion_tokens: `Int64`;
    - created, updated, completed: `datetime64[us, UTC]`;
    - duration_s: float64, seconds from the start of the work to its end; cost_usd: float64, US dollars.

    `n_stages`, `retries`, tokens and cost come from traces. `df.attrs["missing_traces"]` is the number of
    tasks whose trace has not been fetched: all of them so far.

    Example: `tasks(m.snapshot).query("status == 'FAILED'")[["goal", "error"]]`
    """
    import numpy as np
    import pandas as pd

    rows = snapshot.tasks.values()
    n = len(rows)
    # The one that needs no pyarrow, and so also takes what UTF-8 cannot carry.
    text = pd.StringDtype("python")

    def strings(values: Iterable[str | None]) -> pd.api.extensions.ExtensionArray:
        return pd.array(list(values), dtype=text)

    def integers(values: Iterable[int | None]) -> pd.api.extensions.ExtensionArray:
        return pd.array(list(values), dtype="Int64")

    def times(values: Iterable[datetime | None]) -> pd.DatetimeIndex:
        # Counted by hand: numpy takes four times as long, and pandas 2.2 goes through nanoseconds (1677 to 2262).
        missing = np.iinfo(np.int64).min  # NaT
        since_us = [missing if value is None else (value - _EPOCH) // _MICROSECOND for value in values]
        return pd.DatetimeIndex(np.array(since_us, np.int64).view("M8[us]")).tz_localize("UTC")

    def unknown_integers() -> pd.api.extensions.ExtensionArray:
        return pd.arrays.IntegerArray(np.zeros(n, np.int64), np.ones(n, np.bool_))

    frame = pd.DataFrame(
        {
            "goal": strings(t.goal for t in rows),
            "task_type": strings(t.task_type for t in rows),
            "node_type": strings(t.node_type for t in rows),
            "status": strings(str(t.status) for t in rows),
            "agent": strings(t.agent for t in rows),
            "model": strings(t.model for t in rows),
            "layer": integers(t.layer for t in rows),
            "depth": integers(t.depth for t in rows),
            "parent_id": strings(t.parent_id for t in rows),
            "plan_index": integers(t.plan_index for t in rows),
            "n_children": integers(len(t.child_ids) for t in rows),
            "created": times(t.created for t in rows),
            "updated": times(t.updated for t in rows),
            "completed": times(t.completed for t in rows),
            "duration_s": np.array([t.duration_s for t in rows], dtype=np.float64),  # None becomes NaN
            "error": strings(t.error for t in rows),
            "result_summary": strings(t.result_summary for t in rows),
            "n_stages": unknown_integers(),
            "retries": unknown_integers(),
            "prompt_tokens": unknown_integers(),
            "completion_tokens": unknown_integers(),
            "cost_usd": np.full(n, np.nan),
        },
        index=pd.Index(list(snapshot.tasks), dtype=text, name="task_id"),
        copy=False,  # the arrays are the frame's own already
    )
    frame.attrs["missing_traces"] = n
    return frame


def events(excerpt: Excerpt) -> pd.DataFrame:
    """One row per line of the log, oldest first.

    Columns and types:

    - seq: int64, counts all rows there ever were, from 0 (a gap: rows that are gone, or of another project);
    - time: `datetime64[us, UTC]`, when we heard of it;
    - event, task_id, field, before, after: pandas strings, NA where it does not apply (see `Monitor.events`).

    `df.attrs["dropped"]` is the number of older rows that are gone.

    Example: `events(excerpt).query("event == 'connection'")[["time", "before", "after"]]`
    """
    import numpy as np
    import pandas as pd

    rows = excerpt.rows
    text = pd.StringDtype("python")
    time_us = np.array([round(row.time_s * 1e6) for row in rows], np.int64)
    columns: dict[str, Any] = {
        "seq": np.array([row.seq for row in rows], np.int64),
        "time": pd.DatetimeIndex(time_us.view("M8[us]")).tz_localize("UTC"),
    }
    for name in ("event", "task_id", "field", "before", "after"):
        columns[name] = pd.array([getattr(row, name) for row in rows], dtype=text)
    frame = pd.DataFrame(columns, copy=False)
    frame.attrs["dropped"] = excerpt.dropped
    return frame
