"""What python-socketio's `AsyncRedisManager` makes of ROMA's frames: two workers share a crowd, one of them emits.

`python -m benchmarks redis`; how to read it is in docs/scale.md. It needs redis-server (on the PATH, or named by
`ROMA_WIDGET_REDIS`) and the package redis; the project itself needs neither.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from .children import Child
from .generate import head_of, made_up, tail_of
from .machine import cpu_s, machine
from .relay import PATIENCE_S, TASK_BYTES, TASKS, Heard, together
from .scale_page import write_measured
from .table import Row

SECONDS = 10.0
WATCHERS = 10
ROUNDS = 7


class NoRedis(RuntimeError):
    """The message says what to install."""


def measure() -> Iterator[Row]:
    on, found = machine(), list(_measured())
    write_measured("redis", on, found)
    yield from found


def _measured() -> Iterator[Row]:
    encode_s = _encode_s()
    yield Row("redis: one frame of 5 MB to JSON", 1000 * encode_s, "ms")
    alone = _played(workers=1, redis=None)
    yield from _rows("one server, no Redis", alone)
    tell_s = (alone.frame_s["worker 1"] - encode_s) / WATCHERS
    yield Row("redis: one frame to one watcher, processor", 1000 * tell_s, "ms")
    with redis_server() as (address, pid):
        shared = _played(workers=2, redis=address, redis_pid=pid)
    yield from _rows("two workers", shared)


@dataclass(frozen=True, slots=True)
class Played:
    """`frame_s` is processor time for one frame, by process; `heard` what the crowd of each worker saw."""

    frame_s: dict[str, float]
    heard: list[Heard]


@contextmanager
def redis_server() -> Iterator[tuple[str, int]]:
    """A Redis of its own, without files and without a port: its address and its process. Raises `NoRedis`."""
    program = shutil.which(os.environ.get("ROMA_WIDGET_REDIS", "redis-server"))
    if program is None or find_spec("redis") is None:
        raise NoRedis("This needs redis-server (ROMA_WIDGET_REDIS may name it) and `pip install redis`.")
    with tempfile.TemporaryDirectory(prefix="roma-redis-") as folder:
        place = Path(folder) / "socket"
        said = [program, "--port", "0", "--unixsocket", str(place), "--save", "", "--dir", folder]
        process = subprocess.Popen(said, stdout=subprocess.DEVNULL)
        try:
            _await_file(place, process)
            yield f"unix://{place}", process.pid
        finally:
            process.terminate()
            process.wait()


def _await_file(place: Path, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not place.exists():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise NoRedis("redis-server did not start.")
        time.sleep(0.05)


def _played(workers: int, redis: str | None, redis_pid: int | None = None) -> Played:
    """The first worker plays the run; each has its share of the watchers."""
    arguments = [str(TASKS), str(TASK_BYTES), *([] if redis is None else [redis])]
    with ExitStack() as stack:
        servers = [stack.enter_context(Child("benchmarks.roma_like", *arguments)) for _ in range(workers)]
        share = str(WATCHERS // workers)
        crowds = [
            stack.enter_context(Child("benchmarks.crowd", server.first["url"], share, "plain"))
            for server in servers
        ]
        for crowd in crowds:
            crowd.ask(begin=True)
        pids = {f"worker {place}": server.pid for place, server in enumerate(servers, 1)}
        if redis_pid is not None:
            pids["Redis"] = redis_pid
        before_s = {name: cpu_s(pid) for name, pid in pids.items()}
        played = servers[0].ask(seconds=SECONDS)
        heard = [
            together([crowd.ask(stamps=played["stamps"], tasks=played["tasks"], patience_s=PATIENCE_S)])
            for crowd in crowds
        ]
        if any(each.lost or each.behind for each in heard):
            raise RuntimeError("A watcher lost its connection, or never saw the last frame.")
        frames = len(played["stamps"])
        return Played({name: (cpu_s(pid) - before_s[name]) / frames for name, pid in pids.items()}, heard)


def _rows(name: str, played: Played) -> Iterator[Row]:
    for process, frame_s in played.frame_s.items():
        yield Row(f"redis: {name}: {process}, processor for one frame", 1000 * frame_s, "ms")
    for place, heard in enumerate(played.heard, 1):
        of = f"redis: {name}: watchers of worker {place}"
        yield Row(f"{of}, delay, median", heard.delay_ms(0.5), "ms", beside={"p95": heard.delay_ms(0.95)})


def _encode_s() -> float:
    """To JSON as the library does it: the median of some."""
    nodes = made_up(TASKS, TASK_BYTES, random.Random(0))
    frame = {**head_of(nodes), "all_nodes": nodes, **tail_of(nodes, "")}
    taken_s = []
    for _ in range(ROUNDS):
        began_s = time.process_time()
        json.dumps(frame, separators=(",", ":"))
        taken_s.append(time.process_time() - began_s)
    return median(taken_s)
