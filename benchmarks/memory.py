"""Growth of the kernel's memory over 300 frames of 5 MB."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from roma_widget.core.history import BUDGET_BYTES

from .children import Child, server
from .generate import Source
from .receive import await_frames
from .table import Row

PARTS = 6
FRAMES_PER_PART = 50
SNAPSHOTS = 3
HISTORY_MB = BUDGET_BYTES / 1e6
CONSTANT_MB = 32.0
"""What allocators keep of the frames that passed through, and modules that load with the first frame."""


def measure() -> Iterator[Row]:
    with (
        server(Source(frames=FRAMES_PER_PART)) as frames,
        Child("benchmarks.client", "roma_view", frames.first["url"]) as client,
    ):
        before = client.ask()["rss"]
        grown_mb = []
        for part in range(1, PARTS + 1):
            sent = frames.ask(new_s=0.05)
            grown_mb.append((await_frames(client, part * sent["frames"])["rss"] - before) / 1e6)
    snapshot_mb = sent["last_bytes"] / 1e6
    first, last = grown_mb[: PARTS // 2], grown_mb[PARTS // 2 :]
    grown = f"memory: growth over {PARTS * FRAMES_PER_PART} frames"
    yield Row("memory: last snapshot", snapshot_mb, "MB")
    yield Row(
        f"{grown}, median of {PARTS}",
        statistics.median(grown_mb),
        "MB",
        SNAPSHOTS * snapshot_mb + HISTORY_MB + CONSTANT_MB,
    )
    yield Row(f"{grown}, most", max(grown_mb), "MB")
    yield Row(
        f"{grown}, 2nd half - 1st", statistics.median(last) - statistics.median(first), "MB", snapshot_mb
    )
