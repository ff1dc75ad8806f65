"""What a process holds at a moment, and how fast that grows."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import psutil

KEPT_THREADS = "asyncio_"
"""Of the executor of a loop: as many as it may have, until the loop ends."""
_process = psutil.Process()


@dataclass(frozen=True, slots=True)
class Sample:
    """`objects` are those that Python's collector knows of, after it has collected."""

    at_s: float
    rss_bytes: int
    objects: int
    threads: int
    files: int


def sample() -> Sample:
    gc.collect()
    return Sample(
        time.monotonic(),
        _process.memory_info().rss,
        len(gc.get_objects()),
        threading.active_count(),
        _process.num_fds(),
    )


def types() -> Counter[str]:
    """How many objects of each type there are."""
    return Counter(type(each).__qualname__ for each in gc.get_objects())


def grown(samples: Sequence[Sample], name: str) -> float:
    """By how much `name` grew from the first sample to the last: the median of all slopes, times the seconds.

    One sample that fell into a burst changes nothing, as it would with the last minus the first.
    """
    slopes = [
        (getattr(later, name) - getattr(earlier, name)) / (later.at_s - earlier.at_s)
        for earlier, later in combinations(samples, 2)
    ]
    return statistics.median(slopes) * (samples[-1].at_s - samples[0].at_s)


def held() -> Counter[str]:
    """What would be left over: threads by name, other files and sockets by what they are."""
    gc.collect()
    names = (thread.name for thread in threading.enumerate())
    found = Counter(f"thread {name}" for name in names if not name.startswith(KEPT_THREADS))
    sockets = _process.net_connections("all")
    found["sockets"] = len(sockets)
    found["other files"] = _process.num_fds() - len(sockets)
    return found
