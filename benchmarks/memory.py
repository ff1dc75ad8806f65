"""Growth of the kernel's memory over twice 150 frames of 5 MB."""

from __future__ import annotations

from collections.abc import Iterator

from .children import Child, server
from .generate import Source
from .receive import await_frames
from .table import Row

FRAMES = 150
SNAPSHOTS = 3
CONSTANT_MB = 32.0
"""What allocators keep of the frames that passed through, and modules that load with the first frame."""


def measure() -> Iterator[Row]:
    with (
        server(Source(frames=FRAMES)) as frames,
        Child("benchmarks.client", "roma_view", frames.first["url"]) as client,
    ):
        before = client.ask()["rss"]
        sent = frames.ask(new_s=0.05)
        after = await_frames(client, sent["frames"])["rss"]
        snapshot_mb = sent["last_bytes"] / 1e6
        yield Row("memory: last snapshot", snapshot_mb, "MB")
        yield Row(
            f"memory: growth over {FRAMES} frames",
            (after - before) / 1e6,
            "MB",
            SNAPSHOTS * snapshot_mb + CONSTANT_MB,
        )
        frames.ask(new_s=0.05)
        again = client.ask()["rss"]
        yield Row(f"memory: growth over {FRAMES} more", (again - after) / 1e6, "MB", snapshot_mb)
