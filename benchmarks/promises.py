"""What the project promises in numbers, and which part measures it. Bounds stand here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .table import Row, Spread


@dataclass(frozen=True, slots=True)
class Promise:
    words: str
    bound: float
    unit: str


PROMISES = {
    "cpu_to_bare": Promise("kernel CPU per MB received / bare receive", 3.0, "x"),
    "cpu_to_naive": Promise("kernel CPU per MB above bare receive / a tuned naive mirror's", 0.25, "x"),
    "update_bytes": Promise(
        "kernel → browser, worst update / (2 kB + 1.2 × bytes of changed fields)", 1.0, "x"
    ),
    "update_share": Promise("kernel → browser, mean update / snapshot", 5.0, "%"),
    "pixels": Promise("server frame → pixels, 1,000 tasks, idle kernel, median", 300.0, "ms"),
    "click": Promise("question: click → socket, kernel busy in a cell, median", 200.0, "ms"),
    "lost_prompts": Promise("questions lost: reload, 10-minute disconnect, 50 queued", 0.0, ""),
    "first_paint": Promise("10,000 tasks: first paint, median", 300.0, "ms"),
    "pan": Promise("10,000 tasks: p95 frame while panning", 33.0, "ms"),
    "update": Promise("10,000 tasks: update of one task, median", 50.0, "ms"),
    "tasks": Promise("m.tasks() on 10,000 tasks, median", 50.0, "ms"),
    "reload": Promise("page reload: view created → full graph, 1,000 tasks, median", 1000.0, "ms"),
    "import": Promise("import roma_widget / import of the libraries it stands on", 1.2, "x"),
    "memory": Promise("kernel memory grown / (3 × last snapshot + history budget)", 1.0, "x"),
}

PARTS: Mapping[str, tuple[str, ...]] = {
    "import": ("import",),
    "receive": ("cpu_to_bare", "cpu_to_naive"),
    "to_browser": ("update_bytes", "update_share"),
    "tasks": ("tasks",),
    "memory": ("memory",),
    "graph": ("first_paint", "pan", "update"),
    "pixels": ("pixels",),
    "reload": ("reload",),
    "click": ("click",),
    "questions": ("lost_prompts",),
}
"""The parts of the one table, in the order in which they are measured, and the promises that each answers."""


def kept(
    key: str,
    value: float,
    spread: Sequence[float] = (),
    beside: Mapping[str, float] | None = None,
    words: str = "",
    note: str = "",
) -> Row:
    """The row that answers a promise. `words` says what a quick run measured instead of what was promised."""
    promise = PROMISES[key]
    return Row(
        promise.words + words,
        value,
        promise.unit,
        promise.bound,
        Spread.of(spread) if spread else None,
        beside or {},
        key,
        note,
    )


def crashed(key: str) -> Row:
    promise = PROMISES[key]
    return Row(promise.words, None, promise.unit, promise.bound, promise=key)
