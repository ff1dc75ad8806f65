"""How long `m.tasks()` and `m.graph()` take on 10,000 tasks."""

from __future__ import annotations

from collections.abc import Iterator

from .children import Child, server
from .generate import Source
from .table import Row

MOST_MS = 50.0


def measure() -> Iterator[Row]:
    source = Source(tasks=10_000, task_bytes=1000, frames=1)
    with server(source) as frames, Child("benchmarks.client", "roma", frames.first["url"]) as client:
        frames.ask()
        taken = client.ask(what="tables")
    if taken["n"] != source.tasks:
        raise RuntimeError(f"{taken['n']} tasks instead of {source.tasks}")
    yield Row("tasks: m.tasks(), 10,000 tasks", taken["tasks"] * 1000, "ms", MOST_MS)
    yield Row("tasks: m.graph(), 10,000 tasks", taken["graph"] * 1000, "ms")
    yield Row('tasks: m.graph("child"), 10,000 tasks', taken["children"] * 1000, "ms")
