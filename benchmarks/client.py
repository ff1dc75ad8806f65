"""Child process: one client, which says on demand what it received and what that cost.

`python -m benchmarks.client VARIANT URL`. The variants are what the project is compared with, and itself:
`bare` drops every frame undecoded, `split` finds its tasks with msgspec and drops them, `mirror` keeps whole frames in
one trait, `naive_sync`, `naive_sync_unchecked` and `naive_async` are the widgets of `naive.py`; `roma` is a monitor
that nobody looks at, `roma_record` one that records, `roma_view` one with an open view, `roma_bytes` the same with its
messages counted.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psutil

from roma_widget.archive.capture import FRAME

from .generate import text
from .naive import NaiveWidget, TunedLink, mirror, unchecked_link


class Client(Protocol):
    def numbers(self) -> dict[str, Any]: ...


class Plain:
    """A tuned link. `take` gets each frame."""

    def __init__(self, url: str, take: Callable[[Any], None], serializer: Any = None) -> None:
        self._take = take
        self._frames = 0
        self._link = TunedLink(url, self._hear, serializer=serializer)

    def numbers(self) -> dict[str, Any]:
        return {"frames": self._frames}

    def _hear(self, frame: Any) -> None:
        self._take(frame)
        self._frames += 1


def bare(url: str) -> Client:
    return Plain(url, lambda _frame: None, _reading(lambda _text: None))


def split(url: str) -> Client:
    """The least that one can do who wants to know anything of a frame: find out where each task is."""
    import msgspec

    frame = msgspec.defstruct("Frame", [("all_nodes", dict[str, msgspec.Raw])])
    decode = msgspec.json.Decoder(frame).decode
    return Plain(url, lambda _frame: None, _reading(lambda text: decode(text[len(HEAD) : -1])))


HEAD = f'2["{FRAME}",'


def _reading(read: Callable[[str], object]) -> Any:
    """A packet class that hands a frame's text to `read` and drops it."""
    from socketio import packet

    class Read(packet.Packet):  # type: ignore[misc]
        def decode(self, encoded_packet: Any) -> int:
            if not isinstance(encoded_packet, str) or not encoded_packet.startswith(HEAD):
                return int(super().decode(encoded_packet))
            read(encoded_packet)
            self.packet_type, self.namespace, self.id = packet.EVENT, None, None
            self.data = [FRAME, None]
            return 0

    return Read


def tuned_mirror(url: str) -> Client:
    """The tuned client and the Dict trait alone, nothing drawn."""
    widget = mirror()

    def take(frame: Any) -> None:
        widget.frame = frame

    return Plain(url, take)


class Naive:
    """The whole naive widget, displayed nowhere."""

    def __init__(self, url: str, *, tuned: bool, link: Callable[..., Any] | None = None) -> None:
        self._widget = NaiveWidget(url, tuned=tuned, link=link)

    def numbers(self) -> dict[str, Any]:
        return {"frames": self._widget.frames}


class Roma:
    """A real monitor, as `connect` gives it."""

    def __init__(self, url: str, *, view: bool = False, count: bool = False, record: bool = False) -> None:
        import roma_widget

        self._folder = TemporaryDirectory()
        self.recorded = Path(self._folder.name) / "recorded.roma"
        self.monitor = roma_widget.connect(url, record=self.recorded if record else None)
        self.updates: list[list[float]] = []
        """Of each: bytes told, bytes that had changed, and whether nothing had been told before it."""
        if count:
            self.monitor.observe(self._new_update, "snapshot")
            self.monitor.comm.publish_msg = self._count
        self.monitor.wait("connected", timeout=20)
        if view:
            hello = {"type": "hello", "view": "v-1", "rev": None}
            self.monitor._io.post(self.monitor._receive, hello)

    def numbers(self) -> dict[str, Any]:
        link = self.monitor.link()
        session: Any = self.monitor._session
        io: Any = self.monitor._io
        history = session._history
        return {
            "frames": link["frames"] + link["skipped_frames"],
            "io_cpu_s": _thread_cpu_s(io.thread),
            "skipped": link["skipped_frames"],
            "revision": self.monitor.revision,
            "updates": self.updates,
            "history_bytes": history.bytes_kept,
            "has_forgotten": history.has_forgotten,
        }

    def tables(self) -> dict[str, Any]:
        """Seconds that each table takes of what is shown now, several times."""
        import networkx  # noqa: F401 - loaded when first used, which is not what is measured
        import pandas as pd

        monitor = self.monitor
        monitor.wait(lambda snapshot: snapshot.tasks, timeout=20)
        first_s = _taken_s(monitor.tasks)
        nodes = {task.task_id: task.raw for task in monitor.snapshot.tasks.values()}
        made: dict[str, Callable[[], object]] = {
            "m.tasks()": monitor.tasks,
            "m.graph()": monitor.graph,
            'm.graph("child")': lambda: monitor.graph("child"),
            "naive DataFrame": lambda: pd.DataFrame.from_dict(nodes, orient="index"),
        }
        return {
            "n": len(monitor.tasks()),
            "first_s": first_s,
            "taken_s": {name: [_taken_s(make) for _ in range(9)] for name, make in made.items()},
        }

    def archive(self) -> dict[str, Any]:
        """Seconds and bytes of a saved run, with a trace of 10 kB for each task."""
        import roma_widget

        monitor, traced = self.monitor, 0
        session: Any = monitor._session
        snapshot = monitor.snapshot
        for task in snapshot.tasks.values():
            trace = _made_up_trace(task.task_id)
            traced += trace.size
            session._feed.traces.put(snapshot.project.project_id, task, trace)
        path = Path(self._folder.name) / "run.roma"
        save_s = _taken_s(lambda: monitor.save(path))
        loaded: list[Any] = []
        load_s = _taken_s(lambda: loaded.append(roma_widget.load(path)))
        times = list(loaded[0].times)
        random.Random(0).shuffle(times)
        moments_s = [_taken_s(partial(loaded[0].at, time)) for time in times]
        loaded[0].close()
        return {
            "save_s": save_s,
            "load_s": load_s,
            "moment_s": statistics.median(moments_s),
            "bytes": path.stat().st_size,
            "recorded": self.recorded.stat().st_size,
            "received": monitor.link()["bytes_received"] + traced,
        }

    def _new_update(self, change: Any) -> None:
        old, new = change["old"].tasks, change["new"].tasks
        self.updates.append([0, changed_bytes(old, new), not old])

    def _count(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None) -> None:
        if self.updates:
            content = json.dumps({"comm_id": "c" * 32, "data": data}, separators=(",", ":"))
            self.updates[-1][0] += len(content) + sum(map(len, buffers or ()))


def _taken_s(work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return time.perf_counter() - began_s


def _thread_cpu_s(thread: threading.Thread) -> float:
    assert thread.ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))


def _made_up_trace(task_id: str) -> Any:
    from roma_widget.core.events import NodeTrace, Payload
    from roma_widget.core.traces import read_node_trace

    rng = random.Random(task_id)
    stages = [
        {
            "stage_name": name,
            "status": "completed",
            "system_prompt": text(2500, rng),
            "llm_response": text(2500, rng),
        }
        for name in ("planning", "execution")
    ]
    event = read_node_trace(
        "node_trace_data", Payload(json.dumps({"node_id": task_id, "trace": {"stages": stages}}))
    )
    assert isinstance(event, NodeTrace)
    return event.trace


def changed_bytes(before: Any, after: Any) -> int:
    """JSON bytes of the fields of the server's own dicts that differ."""
    size = 0
    for task_id, task in after.items():
        known = before.get(task_id)
        if known is None or known.raw_json != task.raw_json:
            old = known.raw if known else {}
            size += sum(
                len(json.dumps(value)) for name, value in task.raw.items() if old.get(name, old) != value
            )
    return size


VARIANTS: dict[str, Callable[[str], Client]] = {
    "bare": bare,
    "split": split,
    "mirror": tuned_mirror,
    "naive_sync": lambda url: Naive(url, tuned=False),
    "naive_sync_unchecked": lambda url: Naive(url, tuned=False, link=unchecked_link),
    "naive_async": lambda url: Naive(url, tuned=True),
    "roma": Roma,
    "roma_view": lambda url: Roma(url, view=True),
    "roma_record": lambda url: Roma(url, record=True),
    "roma_bytes": lambda url: Roma(url, view=True, count=True),
}


def main() -> None:
    client = VARIANTS[sys.argv[1]](sys.argv[2])
    process = psutil.Process()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        what = json.loads(line).get("what")
        if what == "tables" and isinstance(client, Roma):
            answer = client.tables()
        elif what == "archive" and isinstance(client, Roma):
            answer = client.archive()
        else:
            answer = {
                "cpu_s": time.process_time(),
                "rss": process.memory_info().rss,
                **client.numbers(),
            }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
