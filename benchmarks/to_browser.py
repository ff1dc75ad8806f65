"""Bytes from the kernel to a browser with an open view, against what changed and against what was received."""

from __future__ import annotations

from collections.abc import Iterator

from .children import Child, server
from .receive import INPUTS, await_frames
from .table import Row

FREE_BYTES = 2000
PER_CHANGED_BYTE = 1.2
MOST_OF_SNAPSHOT = 5.0


def measure() -> Iterator[Row]:
    for name, source in INPUTS.items():
        with (
            server(source) as frames,
            Child("benchmarks.client", "roma_bytes", frames.first["url"]) as client,
        ):
            sent = frames.ask()
            numbers = await_frames(client, sent["frames"])
        updates: list[tuple[float, float]] = numbers["updates"]  # type: ignore[assignment]
        told = sum(size for size, _ in updates)
        # the update that stands worst to its bound
        worst = max(updates, key=lambda update: update[0] / _most(update[1]))
        yield Row(f"to_browser {name}: worst update", worst[0] / 1000, "kB", _most(worst[1]) / 1000)
        yield Row(f"to_browser {name}: mean update", told / len(updates) / 1000, "kB")
        yield Row(
            f"to_browser {name}: mean update / snapshot",
            100 * told / len(updates) / (sent["bytes"] / sent["frames"]),
            "%",
            MOST_OF_SNAPSHOT,
        )
        yield Row(f"to_browser {name}: per MB received", told / sent["bytes"] * 1000, "kB")


def _most(changed_bytes: float) -> float:
    return FREE_BYTES + PER_CHANGED_BYTE * changed_bytes
