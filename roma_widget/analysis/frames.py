"""A run and its log -> pandas.DataFrame. Names, order and types of the columns are a contract: docs/frames.md.

Missing is missing (`isna()`), never 0 or "". Types do not depend on the values: an empty run has the same.
The frames that are made of traces alone are in `trace_frames`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core.log import Excerpt
from ..core.model import Snapshot, Trace
from . import columns
from .context import given
from .run import NO_TRACES, NOT_FETCHED, Run

if TYPE_CHECKING:
    import pandas as pd


def tasks(
    snapshot: Snapshot, traces: Mapping[str, Trace] = NO_TRACES, server_offset_s: float | None = None
) -> pd.DataFrame:
    """One row per task, in plan order (a parent before its children), indexed by `task_id`.

    Columns and types:

    - goal, task_type, node_type, status, agent, model, parent_id, error, result_summary: pandas strings;
    - layer, depth, plan_index, n_children, n_stages, retries, prompt_tokens, completion_tokens: `Int64`;
    - created, updated, completed: `datetime64[us, UTC]`;
    - duration_s: float64, seconds from the start of the work to its end; cost_usd: float64, US dollars.

    `n_stages`, `retries` (stages whose name came before in their trace), tokens and cost come from fetched traces: NA
    without one, and tokens and cost also where none of its stages says any.

    `df.attrs`: "missing_traces", how many tasks have no fetched trace; "server_offset", by how many seconds the
    server's times without a zone are ahead of UTC, None where that is not known and they count as UTC.

    Example: `tasks(m.snapshot).query("status == 'FAILED'")[["goal", "error"]]`
    """
    import pandas as pd

    run = Run(snapshot, traces, server_offset_s)
    rows = snapshot.tasks.values()
    totals = run.totals_of()
    sums = [totals.get(task_id, NOT_FETCHED) for task_id in snapshot.tasks]
    frame = pd.DataFrame(
        {
            "goal": columns.texts(t.goal for t in rows),
            "task_type": columns.texts(t.task_type for t in rows),
            "node_type": columns.texts(t.node_type for t in rows),
            "status": columns.texts(str(t.status) for t in rows),
            "agent": columns.texts(t.agent for t in rows),
            "model": columns.texts(t.model for t in rows),
            "layer": columns.wholes(t.layer for t in rows),
            "depth": columns.wholes(t.depth for t in rows),
            "parent_id": columns.texts(t.parent_id for t in rows),
            "plan_index": columns.wholes(t.plan_index for t in rows),
            "n_children": columns.wholes(len(t.child_ids) for t in rows),
            "created": columns.times(t.created for t in rows),
            "updated": columns.times(t.updated for t in rows),
            "completed": columns.times(t.completed for t in rows),
            "duration_s": columns.numbers(t.duration_s for t in rows),
            "error": columns.texts(t.error for t in rows),
            "result_summary": columns.texts(t.result_summary for t in rows),
            "n_stages": columns.wholes(s.n_stages for s in sums),
            "retries": columns.wholes(s.retries for s in sums),
            "prompt_tokens": columns.wholes(s.prompt_tokens for s in sums),
            "completion_tokens": columns.wholes(s.completion_tokens for s in sums),
            "cost_usd": columns.numbers(s.cost_usd for s in sums),
        },
        index=columns.index_of(snapshot.tasks, "task_id"),
        copy=False,  # the arrays are the frame's own already
    )
    frame.attrs["missing_traces"] = len(rows) - len(totals)
    frame.attrs["server_offset"] = server_offset_s
    return frame


def context_edges(snapshot: Snapshot, of_task: str | None = None) -> pd.DataFrame:
    """One row per result that a task was given, tasks in plan order, in the order in which they were given.

    Columns, all pandas strings: source (the task whose result it is; it need not be in the run), target (the task that
    was given it), content_type (the server's word for what it is, as "child_done_output"), summary (the server's short
    form of the source's goal). With `of_task` only what this task was given; raises UnknownTask.

    Example: `context_edges(m.snapshot).query("target == 'root'")`
    """
    import pandas as pd

    targets = snapshot.tasks.values() if of_task is None else (snapshot.task(of_task),)
    rows = [edge for task in targets for edge in given(task)]
    return pd.DataFrame(
        {name: columns.texts(getattr(edge, name) for edge in rows) for name in CONTEXT_COLUMNS}, copy=False
    )


CONTEXT_COLUMNS = ("source", "target", "content_type", "summary")


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
    time_us = np.array([round(row.time_s * 1e6) for row in rows], np.int64)
    made: dict[str, Any] = {
        "seq": np.array([row.seq for row in rows], np.int64),
        "time": pd.DatetimeIndex(time_us.view("M8[us]")).tz_localize("UTC"),
    }
    for name in ("event", "task_id", "field", "before", "after"):
        made[name] = columns.texts(getattr(row, name) for row in rows)
    frame = pd.DataFrame(made, copy=False)
    frame.attrs["dropped"] = excerpt.dropped
    return frame
