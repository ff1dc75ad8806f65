"""Child process: one client, which says on demand what it received and what that cost.

`python -m benchmarks.client VARIANT URL`. The variants are what the project is compared with, and itself:
`bare` drops every frame undecoded, `naive` mirrors whole frames in one trait, `roma` is a monitor that nobody looks
at, `roma_record` one that records, `roma_view` one with an open view, `roma_bytes` the same with its messages counted.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import psutil

from .generate import text


class Client(Protocol):
    def numbers(self) -> dict[str, Any]: ...


def our_options(http: Any) -> dict[str, Any]:
    """The options of `roma_widget.client.socket`, for a socket to this machine."""
    from roma_widget.client.socket import LARGEST_FRAME

    return {
        "reconnection": False,
        "handle_sigint": False,
        "http_session": http,
        "websocket_extra_options": {"max_msg_size": LARGEST_FRAME, "compress": 0},
    }


class Plain:
    """A socket.io client on a thread of its own. `take` gets each frame."""

    def __init__(self, url: str, take: Callable[[Any], None], serializer: Any = None) -> None:
        self._url = url
        self._take = take
        self._serializer = serializer
        self.widget: Any = None
        self._frames = 0
        self._ready = threading.Event()
        threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True).start()
        if not self._ready.wait(20):
            raise RuntimeError("no connection within 20 s")

    def numbers(self) -> dict[str, Any]:
        return {"frames": self._frames}

    async def _run(self) -> None:
        import aiohttp
        import socketio

        options = {} if self._serializer is None else {"serializer": self._serializer}
        async with aiohttp.ClientSession() as http:
            client = socketio.AsyncClient(**our_options(http), **options)
            client.on("task_graph_update", self._hear)
            await client.connect(self._url, transports=["websocket"])
            self._ready.set()
            await client.wait()

    def _hear(self, frame: Any) -> None:
        self._take(frame)
        self._frames += 1


def bare(url: str) -> Client:
    from socketio import packet

    class Dropped(packet.Packet):  # type: ignore[misc]
        def decode(self, encoded_packet: Any) -> int:
            if not isinstance(encoded_packet, str) or not encoded_packet.startswith("2["):
                return int(super().decode(encoded_packet))
            self.packet_type, self.namespace, self.id = packet.EVENT, None, None
            self.data = ["task_graph_update", None]
            return 0

    return Plain(url, lambda _frame: None, Dropped)


NAIVE_FRONT_END = """export default { render({ model, el }) {
  const show = () => {
    const nodes = model.get("frame").all_nodes ?? {}
    const counts = {}
    for (const { status } of Object.values(nodes)) counts[status] = (counts[status] ?? 0) + 1
    el.textContent = JSON.stringify(counts)
    const mark = nodes.root?.goal ?? ""
    requestAnimationFrame(() => requestAnimationFrame(() => { el.dataset.revision = mark }))
  }
  model.on("change:frame", show)
  show()
} }"""


def naive(url: str) -> Plain:
    import anywidget
    import traitlets

    class Mirror(anywidget.AnyWidget):
        _esm = NAIVE_FRONT_END
        frame = traitlets.Dict().tag(sync=True)

    mirror = Mirror()

    def take(frame: Any) -> None:
        mirror.frame = frame

    plain = Plain(url, take)  # the library reads with json.loads
    plain.widget = mirror
    return plain


class Roma:
    """A real monitor, as `connect` gives it."""

    def __init__(self, url: str, *, view: bool = False, count: bool = False, record: bool = False) -> None:
        import roma_widget

        self._folder = TemporaryDirectory()
        self.recorded = Path(self._folder.name) / "recorded.roma"
        self.monitor = roma_widget.connect(url, record=self.recorded if record else None)
        self.updates: list[list[float]] = []
        if count:
            self.monitor.observe(self._new_update, "snapshot")
            self.monitor.comm.publish_msg = self._count
        self.monitor.wait("connected", timeout=20)
        if view:
            hello = {"type": "hello", "view": "v-1", "rev": None}
            self.monitor._io.post(self.monitor._receive, hello)

    def numbers(self) -> dict[str, Any]:
        link = self.monitor.link()
        return {
            "frames": link["frames"] + link["skipped_frames"],
            "io_cpu_s": _thread_cpu_s(self.monitor._io.thread),
            "skipped": link["skipped_frames"],
            "revision": self.monitor.revision,
            "updates": self.updates,
        }

    def tables(self) -> dict[str, Any]:
        """Seconds that each table takes of what is shown now."""
        import networkx  # noqa: F401 - loaded when first used, which is not what is measured
        import pandas as pd  # noqa: F401

        def median_s(make: Callable[[], object]) -> float:
            taken = []
            for _ in range(9):
                began = time.perf_counter()
                make()
                taken.append(time.perf_counter() - began)
            return statistics.median(taken)

        monitor = self.monitor
        monitor.wait(lambda snapshot: snapshot.tasks, timeout=20)
        return {
            "n": len(monitor.tasks()),
            "tasks": median_s(monitor.tasks),
            "graph": median_s(monitor.graph),
            "children": median_s(lambda: monitor.graph("child")),
        }

    def archive(self) -> dict[str, Any]:
        """Seconds and bytes of a saved run, with a trace of 10 kB for each task."""
        import roma_widget

        monitor, traced = self.monitor, 0
        snapshot = monitor.snapshot
        for task in snapshot.tasks.values():
            trace = _made_up_trace(task.task_id)
            traced += trace.size
            monitor._session._feed.traces.put(snapshot.project.project_id, task, trace)
        path = Path(self._folder.name) / "run.roma"
        save_s = _taken_s(lambda: monitor.save(path))
        loaded: list[Any] = []
        load_s = _taken_s(lambda: loaded.append(roma_widget.load(path)))
        times = list(loaded[0].times)
        random.Random(0).shuffle(times)
        moments_s = [_taken_s(lambda time=time: loaded[0].at(time)) for time in times]
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
        self.updates.append([0, changed_bytes(change["old"].tasks, change["new"].tasks)])

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
    "naive": naive,
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
