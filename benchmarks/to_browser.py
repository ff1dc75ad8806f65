"""Bytes from the kernel to a browser with an open view, against what changed and against what was received.

The first telling is the whole, and no update: the promises are about those behind it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from .children import Child, server
from .generate import Source
from .promises import PROMISES, kept
from .receive import CAPTURES, await_frames
from .size import FULL, Size
from .table import Row, short

FREE_BYTES = 2000
PER_CHANGED_BYTE = 1.2
NAIVE = "naive: the whole Dict"
"""A trait is sent whole."""


def measure(size: Size = FULL) -> Iterator[Row]:
    source = Source(tasks=size.tasks, frames=size.frames)
    numbers, sent = _told(source)
    snapshot = sent["bytes"] / sent["frames"]
    updates = [(told, changed) for told, changed, is_first in numbers["updates"] if not is_first]
    to_bound = [told / _most(changed) for told, changed in updates]
    shares = [100 * told / snapshot for told, _ in updates]
    yield from _rows(f"to_browser {size.tasks:,} tasks × 5 kB", numbers, sent)
    naive = max(snapshot / _most(changed) for _, changed in updates)
    yield kept("update_bytes", max(to_bound), to_bound, {NAIVE: naive}, size.words)
    yield kept("update_share", statistics.mean(shares), shares, {NAIVE: 100.0}, size.words, _worst(shares))


def _worst(shares: list[float]) -> str:
    """The bound is the mean's; it is said where an update does not keep it."""
    most = PROMISES["update_share"].bound
    return f"the worst update is above {short(most)} %" if max(shares) > most else ""


def measure_captures(size: Size = FULL) -> Iterator[Row]:
    for name in CAPTURES:
        yield from _rows(f"to_browser {name}", *_told(Source(capture=name)))


def _told(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the client counted, and what the server sent."""
    with server(source) as frames, Child("benchmarks.client", "roma_bytes", frames.first["url"]) as client:
        sent = frames.ask()
        return await_frames(client, sent["frames"]), sent


def _rows(name: str, numbers: dict[str, Any], sent: dict[str, Any]) -> Iterator[Row]:
    updates: list[tuple[float, float, bool]] = numbers["updates"]
    told = sum(size for size, *_ in updates)
    # the update that stands worst to its bound
    worst = max(updates, key=lambda update: update[0] / _most(update[1]))
    yield Row(f"{name}: worst update", worst[0] / 1000, "kB", _most(worst[1]) / 1000)
    yield Row(f"{name}: mean update", told / len(updates) / 1000, "kB")
    yield Row(f"{name}: per MB received", told / sent["bytes"] * 1000, "kB")


def _most(changed_bytes: float) -> float:
    return FREE_BYTES + PER_CHANGED_BYTE * changed_bytes
