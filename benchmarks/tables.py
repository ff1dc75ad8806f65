"""How long `m.tasks()` and `m.graph()` take; a DataFrame of the server's own dicts is what the naive widget has."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from .children import Child, server
from .generate import Source
from .promises import kept
from .size import FULL, Size
from .table import Growth, Row, Spread


def measure(size: Size = FULL) -> Iterator[Row | Growth]:
    taken, first_ms = {}, {}
    for n in sorted({*size.growth, size.many}):
        taken[n], first_ms[n] = _taken_ms(n)
    most = taken[size.many]
    for name, ms in most.items():
        yield Row(f"tasks: {name}, {size.many:,} tasks", statistics.median(ms), "ms", spread=Spread.of(ms))
    naive = statistics.median(most["naive DataFrame"])
    yield kept(
        "tasks",
        statistics.median(most["m.tasks()"]),
        most["m.tasks()"],
        {"first call": first_ms[size.many], "naive DataFrame": naive},
        size.words,
    )
    costs = {name: {n: statistics.median(taken[n][name]) for n in size.growth} for name in most}
    yield Growth("tables", "ms", costs)


def _taken_ms(n: int) -> tuple[dict[str, list[float]], float]:
    """What each table took, several times; and `m.tasks()` before anything had been asked."""
    source = Source(tasks=n, task_bytes=1000, frames=1)
    with server(source) as frames, Child("benchmarks.client", "roma", frames.first["url"]) as client:
        frames.ask()
        taken: dict[str, Any] = client.ask(what="tables")
    if taken["n"] != n:
        raise RuntimeError(f"{taken['n']} tasks instead of {n}")
    return {name: [1000 * s for s in each] for name, each in taken["taken_s"].items()}, 1000 * taken[
        "first_s"
    ]
