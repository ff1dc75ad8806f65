"""How far the kernel's memory grows in a long run, until its history is full and beyond; and with the naive widget.

The run does not repeat itself: each part goes on where the last one ended. A real run fills the history in hours; here
every frame is new and moves one task in ten, so that it is full within a minute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from roma_widget.core.history import BUDGET_BYTES

from .children import Child, server
from .generate import Source
from .promises import kept
from .receive import FramesMissing, await_frames
from .size import FULL, Size
from .table import Row, Spread

FRAMES_PER_PART = 50
MOVED = 0.1
SNAPSHOTS = 3
NAIVE_FRAMES = 15
"""What a naive widget keeps is the last frame, twice."""
NAIVE = {"naive, tuned async": "naive_async", "naive, sync": "naive_sync_unchecked"}
"""The check that is left out keeps nothing, and takes so long that the server gives its client up."""


@dataclass(frozen=True, slots=True)
class Grown:
    """After each part of the run: how much larger the process is, and its history. And the run's last snapshot."""

    process_mb: list[float]
    history_mb: list[float]
    has_forgotten: bool
    snapshot_mb: float


def measure(size: Size = FULL) -> Iterator[Row]:
    source = Source(tasks=size.tasks, frames=FRAMES_PER_PART, repeated=0.0, moved=MOVED)
    grown = _grown("roma_view", source, size.memory_parts)
    bound_mb = SNAPSHOTS * grown.snapshot_mb + BUDGET_BYTES / 1e6
    few = replace(source, frames=NAIVE_FRAMES)
    beside = {}
    for words, variant in NAIVE.items():
        try:
            few_mb = _grown(variant, few, 1).process_mb[-1]
        except FramesMissing as error:  # no reason to lose our own number
            print(f"memory: {variant}: {error}", file=sys.stderr)
        else:
            beside[f"{words} ({NAIVE_FRAMES} frames)"] = few_mb / bound_mb
    frames = size.memory_parts * FRAMES_PER_PART
    most_mb = max(grown.process_mb)
    yield Row("memory: last snapshot", grown.snapshot_mb, "MB")
    yield Row(f"memory: most over {frames} frames", most_mb, "MB", None, Spread.of(grown.process_mb))
    yield Row("memory: history", max(grown.history_mb), "MB", BUDGET_BYTES / 1e6, Spread.of(grown.history_mb))
    yield kept(
        "memory",
        most_mb / bound_mb,
        [mb / bound_mb for mb in grown.process_mb],
        beside,
        size.words,
        _filled(grown),
    )


def _filled(grown: Grown) -> str:
    if not grown.has_forgotten:
        return f"the history was not full: {max(grown.history_mb):.0f} of {BUDGET_BYTES / 1e6:.0f} MB"
    return f"the history was full ({BUDGET_BYTES / 1e6:.0f} MB), its oldest detail gone"


def _grown(variant: str, source: Source, parts: int) -> Grown:
    with server(source) as frames, Child("benchmarks.client", variant, frames.first["url"]) as client:
        before = client.ask()["rss"]
        numbers = []
        for part in range(1, parts + 1):
            sent = frames.ask(goes_on=source.frames)
            numbers.append(await_frames(client, part * sent["frames"]))
    return Grown(
        [(each["rss"] - before) / 1e6 for each in numbers],
        [each.get("history_bytes", 0) / 1e6 for each in numbers],
        bool(numbers[-1].get("has_forgotten")),
        sent["last_bytes"] / 1e6,
    )
