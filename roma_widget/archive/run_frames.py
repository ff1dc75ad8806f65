"""The frames of one saved run that stand beside those of others: its own, and the one row that sums it up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from ..analysis import columns, frames, trace_frames
from ..core.log import Excerpt
from ..core.model import Snapshot

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("summary", "tasks", "stages", "tool_calls", "messages", "events")


class Opened(Protocol):
    """What is needed of a saved run that is open."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def progress(self) -> dict[str, Any]: ...

    def tasks(self) -> pd.DataFrame: ...

    def stages(self, include_samples: bool = False) -> pd.DataFrame: ...

    def tool_calls(self, include_samples: bool = False) -> pd.DataFrame: ...

    def messages(self, include_samples: bool = False) -> pd.DataFrame: ...

    def events(self) -> pd.DataFrame: ...

    def close(self) -> None: ...


def frame_of(run: Opened, kind: str) -> pd.DataFrame:
    """One of KINDS; its index is a plain range."""
    if kind == "summary":
        return summary([run])
    frame: pd.DataFrame = getattr(run, kind)()
    return _flat(frame) if kind == "tasks" else frame


def _flat(tasks: pd.DataFrame) -> pd.DataFrame:
    """With ids as a column of texts. In pandas 2 an index has objects, of which a file without rows has no type."""
    return tasks.reset_index().astype({"task_id": "string"})


def empty_frames() -> dict[str, pd.DataFrame]:
    """Of each kind one without rows: its columns and types."""
    nothing = Snapshot()
    return {
        "summary": summary([]),
        "tasks": _flat(frames.tasks(nothing)),
        "stages": trace_frames.stages(nothing, {}),
        "tool_calls": trace_frames.tool_calls(nothing, {}),
        "messages": trace_frames.messages(nothing, {}),
        "events": frames.events(Excerpt()),
    }


def summary(of: Sequence[Opened]) -> pd.DataFrame:
    """One row per run: see `Runs.summary`, but without `run`."""
    import pandas as pd

    projects = [run.snapshot.project for run in of]
    numbers = [run.progress for run in of]
    tasks = [run.tasks() for run in of]
    started = columns.times(_time(each["started"]) for each in numbers)
    ended = columns.times(_time(each["ended"]) for each in numbers)
    return pd.DataFrame(
        {
            "project": columns.texts(each.title if each else None for each in projects),
            "goal": columns.texts(each.goal if each else None for each in projects),
            "outcome": columns.texts(each["outcome"] for each in numbers),
            "n_tasks": columns.wholes(each["total"] for each in numbers),
            "done": columns.wholes(each["done"] for each in numbers),
            "failed": columns.wholes(each["failed"] for each in numbers),
            "started": started,
            "ended": ended,
            "duration_s": (ended - started).total_seconds().to_numpy().clip(min=0.0),
            "tokens": columns.wholes(_sum(each, "prompt_tokens", "completion_tokens") for each in tasks),
            "cost_usd": columns.numbers(_sum(each, "cost_usd") for each in tasks),
            "n_stages": columns.wholes(_sum(each, "n_stages") for each in tasks),
            "missing_traces": columns.wholes(each.attrs["missing_traces"] for each in tasks),
        },
        copy=False,
    )


def _time(iso: str | None) -> datetime | None:
    return datetime.fromisoformat(iso) if iso is not None else None


def _sum(tasks: pd.DataFrame, *names: str) -> Any:
    """Of what was said; None where nobody said any."""
    said = [tasks[name].dropna().sum() for name in names if tasks[name].notna().any()]
    return sum(said) if said else None
