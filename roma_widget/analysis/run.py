"""What the frames, graphs and figures are made of: a snapshot, and the traces that were fetched for it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from ..core.model import Snapshot, Stage, Trace

NO_TRACES: Mapping[str, Trace] = MappingProxyType({})
MOST_COUNTED = 2**53


@dataclass(frozen=True, slots=True)
class Run:
    """A run as data.

    `traces` maps a task's id to its fetched trace, whose times may be as stamped: those without a zone are
    `server_offset_s` ahead of UTC, and count as UTC where that is None.
    """

    snapshot: Snapshot = field(default_factory=Snapshot)
    traces: Mapping[str, Trace] = field(default_factory=lambda: NO_TRACES)
    server_offset_s: float | None = None

    def traces_shown(self, include_samples: bool = False) -> dict[str, Trace]:
        """The traces of tasks of the snapshot, in plan order; without those that a server invented."""
        found = ((task_id, self.traces.get(task_id)) for task_id in self.snapshot.tasks)
        return {
            task_id: trace
            for task_id, trace in found
            if trace is not None and (include_samples or not trace.is_sample)
        }

    @property
    def missing_traces(self) -> int:
        """How many tasks of the snapshot have no fetched trace."""
        return len(self.snapshot.tasks) - len(self.traces_shown())

    def totals_of(self) -> dict[str, Totals]:
        """What the trace of each task adds up to, for those that have one."""
        return {task_id: totals(trace.stages) for task_id, trace in self.traces_shown().items()}

    def utc(self, stamp: datetime | None) -> datetime | None:
        """A time of a trace, aware."""
        if stamp is None or stamp.tzinfo is not None:
            return stamp
        try:
            return stamp.replace(tzinfo=UTC) - timedelta(seconds=self.server_offset_s or 0.0)
        except OverflowError:  # the year 1 or 9999
            return None


@dataclass(frozen=True, slots=True)
class Totals:
    """What a trace adds up to. Of tokens and cost what was said: None where no stage says any."""

    n_stages: int | None = None
    retries: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None

    @property
    def tokens(self) -> int | None:
        """Both kinds together; None where neither is known."""
        said = [n for n in (self.prompt_tokens, self.completion_tokens) if n is not None]
        return sum(said) if said else None


NOT_FETCHED = Totals()


def totals(stages: Iterable[Stage]) -> Totals:
    """A retry is a stage whose name came before in its trace."""
    n_stages = retries = 0
    prompt: int | None = None
    completion: int | None = None
    cost: float | None = None
    for stage in stages:  # one walk: `m.tasks()` makes it for every trace
        n_stages += 1
        retries += stage.attempt > 1
        if stage.prompt_tokens is not None:
            prompt = stage.prompt_tokens + (prompt or 0)
        if stage.completion_tokens is not None:
            completion = stage.completion_tokens + (completion or 0)
        if stage.cost_usd is not None:
            cost = stage.cost_usd + (cost or 0.0)
    return Totals(n_stages, retries, _credible(prompt), _credible(completion), cost)


def _credible(count: int | None) -> int | None:
    """None for a sum that no column can hold: each number is bounded where it is read, their number hardly is."""
    return count if count is not None and count < MOST_COUNTED else None
