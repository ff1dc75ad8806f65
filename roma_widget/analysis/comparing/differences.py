"""What is different in a pair of tasks. Unknown on one side is unknown, and no difference."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from ...core.model import Stage
from ..run import NOT_FETCHED, Run, Totals
from .alignment import Pair, align
from .results import Results

DIFFERS_BY_SHARE, DIFFERS_BY_S = 0.1, 0.1
"""No two runs take the same time: by less than a tenth, or a tenth of a second, a duration has not changed."""


@dataclass(frozen=True)
class Sides:
    """Two runs at one moment, with what was fetched for them."""

    a: Run
    b: Run
    results_a: Results = field(default_factory=Results)
    results_b: Results = field(default_factory=Results)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """See `alignment.align`."""
        return align(self.a.snapshot, self.b.snapshot)

    @cached_property
    def totals(self) -> list[tuple[Totals, Totals]]:
        """What the traces of each pair add up to."""
        of_a, of_b = self.a.totals_of(), self.b.totals_of()
        return [
            (
                of_a.get(pair.a.task_id, NOT_FETCHED) if pair.a else NOT_FETCHED,
                of_b.get(pair.b.task_id, NOT_FETCHED) if pair.b else NOT_FETCHED,
            )
            for pair in self.pairs
        ]

    @cached_property
    def results_changed(self) -> list[bool | None]:
        """Of each pair; None for a task of one run alone, and where a result could not be read."""
        return [self._result_changed(pair) for pair in self.pairs]

    @cached_property
    def stages(self) -> list[tuple[Pair, Stage | None, Stage | None]]:
        """Stages of the tasks that both runs have and both have traces of; paired by name and attempt, a's first."""
        traces_a, traces_b = self.a.traces_shown(), self.b.traces_shown()
        rows: list[tuple[Pair, Stage | None, Stage | None]] = []
        for pair in self.pairs:
            if pair.a is None or pair.b is None:
                continue
            trace_a, trace_b = traces_a.get(pair.a.task_id), traces_b.get(pair.b.task_id)
            if trace_a is None or trace_b is None:
                continue
            in_b = {(stage.stage, stage.attempt): stage for stage in trace_b.stages}
            rows += [(pair, stage, in_b.pop((stage.stage, stage.attempt), None)) for stage in trace_a.stages]
            rows += [(pair, None, stage) for stage in in_b.values()]
        return rows

    def changed(self, place: int) -> list[str]:
        """The words for what is different in the pair at this place; none for a task of one run alone."""
        pair = self.pairs[place]
        if pair.a is None or pair.b is None:
            return []
        tokens_a, tokens_b = (each.tokens for each in self.totals[place])
        said = {
            "goal": differ(pair.a.goal, pair.b.goal),
            "status": differ(str(pair.a.status), str(pair.b.status)),
            "agent": differ(pair.a.agent, pair.b.agent),
            "model": differ(pair.a.model, pair.b.model),
            "duration": durations_differ(pair.a.duration_s, pair.b.duration_s),
            "tokens": differ(tokens_a, tokens_b),
            "result": self.results_changed[place],
        }
        return [name for name, is_changed in said.items() if is_changed]

    def _result_changed(self, pair: Pair) -> bool | None:
        if pair.a is None or pair.b is None:
            return None
        return differ(self.results_a.digest(pair.a), self.results_b.digest(pair.b))


def differ(a: object, b: object) -> bool | None:
    """None where one of them is missing."""
    return None if a is None or b is None else a != b


def durations_differ(a_s: float | None, b_s: float | None) -> bool | None:
    """By more than runs of the same differ anyway."""
    if a_s is None or b_s is None:
        return None
    return abs(b_s - a_s) >= max(DIFFERS_BY_S, DIFFERS_BY_SHARE * max(a_s, b_s))


def change(a: float | None, b: float | None) -> float | None:
    """b less a; None where one of them is missing."""
    return None if a is None or b is None else b - a


def change_of_count(a: int | None, b: int | None) -> int | None:
    """The same of whole numbers."""
    return None if a is None or b is None else b - a
