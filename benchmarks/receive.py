"""Kernel CPU per MB received: the project, what it is held against, and the least that is possible.

Each client is a process of its own with a server of its own, and all servers send the same run. A round goes through
the clients in turn, one at a time. Costs are compared within a round, because the machine is not the same in the next.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

from .children import Child, server
from .generate import Source
from .promises import kept
from .size import FULL, Size
from .table import Growth, Row, Spread

CAPTURES = ("m_midrun_connect", "a_complete")
WORDS = {
    "bare": "receive and drop",
    "split": "split with msgspec",
    "roma": "ours, nobody looks",
    "roma_view": "ours, one view",
    "mirror": "mirror, tuned",
    "naive_async": "naive, tuned async",
    "naive_sync": "naive, sync",
    "naive_sync_unchecked": "naive, sync, no UTF-8 check",
}
MEASURED = tuple(variant for variant in WORDS if variant != "roma")
GROWING = ("bare", "split", "roma_view", "naive_async", "naive_sync")
NAIVE = ("mirror", "naive_async", "naive_sync", "naive_sync_unchecked")
WORST = ("bare", "roma_view", "mirror")
"""Who is measured where no frame repeats, too."""
MOST_MB = 200.0
"""Of one client's frames, where they are large."""
SLOWER = {"naive_sync": 8, "naive_sync_unchecked": 4}
"""Who needs so long for a MB that so many times fewer frames must do."""
ONCE = ("naive_async", "naive_sync", "naive_sync_unchecked")
"""Nothing is held against these: one round says how far off they are."""
LEAST_FRAMES = 1
_PATIENCE_S = 60.0

Taken = dict[str, list[float]]
"""What each variant took in each round, ms/MB."""


class FramesMissing(RuntimeError):
    """The synchronous client lets go of a server whose frame it reads for longer than two pings are apart."""


def measure(size: Size = FULL) -> Iterator[Row | Growth]:
    source = Source(tasks=size.tasks, frames=size.frames)
    taken = _ms_per_mb(source, MEASURED, size.receive_rounds)
    yield from _rows(source, taken, size)
    yield from _worst(replace(source, repeated=0.0, frames=source.frames // 2), size)
    yield _growth(taken, size)


def measure_captures(size: Size = FULL) -> Iterator[Row]:
    """Recordings of the real server, whose frames of 200 kB have a cost of their own beside that of their bytes."""
    for name in CAPTURES:
        taken = _ms_per_mb(Source(capture=name), ("bare", "roma", "roma_view", "mirror"), size.rounds)
        yield from _costs(f"receive {name}", taken)


def _rows(source: Source, taken: Taken, size: Size) -> Iterator[Row]:
    yield from _costs(f"receive {source.tasks:,} tasks × {source.task_bytes / 1000:g} kB", taken)
    to_bare = _to_bare(taken)
    yield kept(
        "cpu_to_bare",
        statistics.median(to_bare["roma_view"]),
        to_bare["roma_view"],
        {WORDS[other]: statistics.median(to_bare[other]) for other in ("split", *NAIVE)},
        size.words,
        noise(taken),
    )
    to_mirror = _above_bare_to_mirror(taken)
    yield kept(
        "cpu_to_naive",
        statistics.median(to_mirror["roma_view"]),
        to_mirror["roma_view"],
        {WORDS[other]: statistics.median(to_mirror[other]) for other in ("split", *ONCE)},
        size.words,
        noise(taken),
    )


def _worst(source: Source, size: Size) -> Iterator[Row]:
    """Nothing is promised of it: it is shown. Every frame has something new, so that none is known by its bytes."""
    taken = _ms_per_mb(source, WORST, size.rounds)
    yield from _costs("receive, no frame repeats", taken)
    to_bare = _to_bare(taken)
    yield Row(
        f"the same where no frame repeats / bare receive{size.words}",
        statistics.median(to_bare["roma_view"]),
        "x",
        spread=Spread.of(to_bare["roma_view"]),
        beside={WORDS["mirror"]: statistics.median(to_bare["mirror"])},
        note=noise(taken),
        is_shown=True,
    )


def _to_bare(taken: Taken) -> Taken:
    return {variant: _ratios(costs, taken["bare"]) for variant, costs in taken.items()}


def _above_bare_to_mirror(taken: Taken) -> Taken:
    above = {variant: _differences(costs, taken["bare"]) for variant, costs in taken.items()}
    return {variant: _ratios(costs, above["mirror"]) for variant, costs in above.items()}


def _ratios(costs: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round; who is measured once stands in the first."""
    return [cost / other for cost, other in zip(costs, others, strict=False)]


def _differences(costs: Sequence[float], others: Sequence[float]) -> list[float]:
    return [cost - other for cost, other in zip(costs, others, strict=False)]


def noise(taken: Taken) -> str:
    """What is to be said where ours lies no further above bare receive than bare receive from itself."""
    above = statistics.median(_differences(taken["roma_view"], taken["bare"]))
    width = max(taken["bare"]) - min(taken["bare"])
    if abs(above) >= width:
        return ""
    itself = f"{min(taken['bare']):.2f} … {max(taken['bare']):.2f}"
    return f"within the noise of bare: ours {above:+.2f} ms/MB, bare itself {itself}"


def _costs(name: str, taken: Taken) -> Iterator[Row]:
    for variant, values in taken.items():
        yield Row(f"{name}: {WORDS[variant]}", statistics.median(values), "ms/MB", spread=Spread.of(values))


def _growth(taken: Taken, size: Size) -> Growth:
    """CPU of one frame, at each number of tasks."""
    costs: dict[str, dict[int, float]] = {WORDS[variant]: {} for variant in GROWING}
    for n in size.growth:
        source = Source(tasks=n, frames=size.frames)
        frame_mb = n * source.task_bytes / 1e6
        few = replace(source, frames=min(size.frames, round(MOST_MB / frame_mb)))
        at_n = taken if n == size.tasks else _ms_per_mb_once(few, GROWING)
        for variant in GROWING:
            costs[WORDS[variant]][n] = statistics.median(at_n[variant]) * frame_mb
    return Growth("CPU per frame, 5 kB a task", "ms", costs)


def _ms_per_mb(source: Source, variants: Sequence[str], rounds: int) -> Taken:
    """The rounds' order is turned, so that none is always the first. Each round goes on where the last one ended."""
    taken: Taken = {variant: [] for variant in variants}
    with ExitStack() as stay:
        listeners: dict[str, Listener] = {}
        for turn in range(rounds):
            for variant in (*variants[turn:], *variants[:turn]):
                if turn and variant in ONCE:
                    continue
                if variant not in listeners:
                    frames = stay.enter_context(server(source))
                    listeners[variant] = stay.enter_context(Listener(frames, source, variant))
                taken[variant].append(listeners[variant].ms_per_mb())
    return taken


def _ms_per_mb_once(source: Source, variants: Sequence[str]) -> Taken:
    """One server for all, who come one after the other: 10,000 tasks take seconds to make up."""
    taken: Taken = {}
    with server(source) as frames:
        for variant in variants:
            with Listener(frames, source, variant) as listener:
                taken[variant] = [listener.ms_per_mb()]
    return taken


class Listener:
    """A client, and the server that plays to it alone."""

    def __init__(self, frames: Child, source: Source, variant: str) -> None:
        self._variant = variant
        self._frames = frames
        self._count = max(LEAST_FRAMES, source.frames // SLOWER.get(variant, 1))
        self._client = Child("benchmarks.client", variant, frames.first["url"])

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.__exit__()

    def ms_per_mb(self) -> float:
        """What the next frames of the run cost the client's process."""
        before = self._client.ask()
        sent = self._frames.ask(goes_on=self._count)
        try:
            after = await_frames(self._client, before["frames"] + sent["frames"])
        except FramesMissing as error:
            if self._variant not in ONCE:
                raise
            print(f"receive: {self._variant}: {error}", file=sys.stderr)
            return math.inf
        late = after.get("skipped", 0) - before.get("skipped", 0)
        if late:
            print(f"receive: {self._variant} was late for {late} frames", file=sys.stderr)
        return float((after["cpu_s"] - before["cpu_s"]) * 1e9 / sent["bytes"])


def await_frames(client: Child, count: int) -> dict[str, float]:
    """What the client says once it has handled `count` frames."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        time.sleep(0.1)
        numbers = client.ask()
        if numbers["frames"] >= count:
            return numbers
    raise FramesMissing(f"{numbers['frames']} of {count} frames arrived.")
