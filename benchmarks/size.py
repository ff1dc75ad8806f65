"""How much is measured: the whole, or little enough to see in seconds that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`many` is the graph that the bounds are about, `tasks` the run; `growth` has the numbers of tasks compared."""

    growth: tuple[int, ...] = (100, 1_000, 10_000)
    many: int = 10_000
    tasks: int = 1_000
    frames: int = 30
    rounds: int = 3
    receive_rounds: int = 5
    openings: int = 5
    updates: int = 20
    moves: int = 80
    passes: int = 3
    memory_parts: int = 5
    questions: int = 50
    outage_s: float = 600.0
    runs: tuple[int, ...] = (10, 100, 1_000)
    runs_saved: int = 100
    """That many are made; more than that are the same Parquet files under other names."""

    @property
    def words(self) -> str:
        """What a row of the bounds has to say besides: nothing where it measures what was promised."""
        return "" if self == FULL else f" (quick: {self.many:,} and {self.tasks:,} tasks)"


FULL = Size()
QUICK = Size(
    growth=(30, 100, 300),
    many=300,
    tasks=100,
    frames=16,
    rounds=2,
    receive_rounds=2,
    openings=2,
    updates=5,
    moves=10,
    passes=1,
    memory_parts=2,
    questions=8,
    runs=(1, 2, 4),
    runs_saved=2,
)
