"""Kernel CPU per MB received, against a client that drops the bytes and one that mirrors whole frames."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack

from .children import Child, server
from .generate import Source
from .table import Row

INPUTS = {
    "1,000 tasks x 5 kB": Source(),
    "m_midrun_connect": Source(capture="m_midrun_connect"),
    "a_complete": Source(capture="a_complete"),
}
VARIANTS = ("bare", "roma", "roma_view", "naive")
ROUNDS = 2
MOST_OF_BARE = 3.0
MOST_OF_NAIVE = 0.25
_PATIENCE_S = 60.0


def measure() -> Iterator[Row]:
    for name, source in INPUTS.items():
        best = _best_ms_per_mb(source)
        for variant in VARIANTS:
            yield Row(f"receive {name}: {variant}", best[variant], "ms/MB")
        for variant in ("roma", "roma_view"):
            ours, bare, naive = best[variant], best["bare"], best["naive"]
            yield Row(f"receive {name}: {variant} / bare", ours / bare, "x", MOST_OF_BARE)
            above = (ours - bare) / (naive - bare)
            # a frame of 200 kB has a cost of its own beside that of its bytes; the promise is about large ones
            bound = MOST_OF_NAIVE if source.capture is None else None
            yield Row(f"receive {name}: ({variant} - bare) / (naive - bare)", above, "x", bound)


def _best_ms_per_mb(source: Source) -> dict[str, float]:
    """The least of some rounds. Each variant is a process of its own; in a round they get each frame in turn."""
    taken: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with server(source) as frames:
        for _ in range(ROUNDS):
            with ExitStack() as stack:
                clients = {
                    variant: stack.enter_context(Child("benchmarks.client", variant, frames.first["url"]))
                    for variant in VARIANTS
                }
                before = {variant: client.ask() for variant, client in clients.items()}
                sent = frames.ask()
                for variant, client in clients.items():
                    after = await_frames(client, sent["frames"])
                    if after.get("skipped"):
                        print(f"receive: {variant} was late for {after['skipped']} frames", file=sys.stderr)
                    taken[variant].append((after["cpu_s"] - before[variant]["cpu_s"]) * 1e9 / sent["bytes"])
    return {variant: min(values) for variant, values in taken.items()}


def await_frames(client: Child, count: int) -> dict[str, float]:
    """What the client says once it has handled `count` frames."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.1)
        numbers = client.ask()
        if numbers["frames"] >= count:
            return numbers
    raise RuntimeError(f"{numbers['frames']} of {count} frames arrived.")
