"""A server that is killed, a network that is away for ten minutes, and large frames where only polling gets through."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import selectors
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from client.servers import (
    SAFE,
    Replay,
    ServerThread,
    WireServer,
    eventually,
    frame,
    free_port,
    io_cpu_s,
    node,
    recording,
)

import roma_widget as roma
from roma_widget.client.feed import Feed, FeedOptions
from roma_widget.core import reconnect, wire
from roma_widget.core.model import Connection
from roma_widget.server.child import ChildServer, start_child

Connect = Callable[..., roma.Monitor]


def statuses_at(url: str) -> dict[str, str]:
    with urllib.request.urlopen(f"{url}/api/task-graph", timeout=10) as response:
        return {task: one["status"] for task, one in json.load(response)["all_nodes"].items()}


def statuses_of(m: roma.Monitor) -> dict[str, str]:
    return {task.task_id: task.status for task in m.snapshot.tasks.values()}


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_server_that_is_killed_in_a_run_and_started_again(
    connect: Connect, closing: Callable[[ChildServer], ChildServer], tmp_path: Path, transport: str
) -> None:
    port = free_port()
    serve = ["serve", "--port", str(port), "--data-dir", str(tmp_path / "state")]
    run = ["--scenario", "report", "--speed", "10", "--no-hitl", "--start"]
    first = closing(start_child([*serve, *run]))
    m = connect(first.url, transports=(transport,), timeout=2)
    m.wait(lambda s: len(s.tasks) > 20, timeout=20)
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: m.connection["state"] == "reconnecting" and m.connection["attempt"] >= 1)
    assert len(m.snapshot.tasks) > 20  # what was known stays
    second = closing(start_child(serve))
    assert second.url == first.url
    eventually(lambda: m.connection["state"] == "live")
    saved = statuses_at(second.url)
    assert saved
    eventually(lambda: statuses_of(m) == saved)
    assert m.connection["reconnects"] == 1
    assert m.connection["error"] is None


@pytest.mark.usefixtures("quick")
def test_frames_of_five_megabytes_over_polling_only_cost_little_more_than_over_websocket(
    connect: Connect, replay: Callable[..., Replay]
) -> None:
    text = "ä" * 100_000 + "\n" * 50_000
    nodes = [node("root"), *(node(f"root.{n}", full_result=text) for n in range(15))]
    frames = [frame([*nodes, *(node(f"more.{n}") for n in range(count))]) for count in range(8)]
    assert 5e6 < len(json.dumps(frames[0])) * 0.8 < 2e7

    def cpu_s_per_mb(transport: str) -> float:
        server = replay(recording(*frames))
        m = connect(server.url, transports=(transport,))
        m.wait("connected", timeout=10)
        began_s = io_cpu_s()
        for count in range(8):
            server.go_to(count + 1.0)
            m.wait(lambda s, n=count: len(s.tasks) == 16 + n, timeout=20)
        used_s = io_cpu_s() - began_s
        received = m.link()["bytes_received"]
        assert m.connection["transport"] == transport
        assert m.connection["reconnects"] == 0
        assert received > 8 * 5e6
        assert m.snapshot.task("root.3").result == text
        m.close()
        return float(used_s / received * 1e6)

    websocket, polling = cpu_s_per_mb("websocket"), cpu_s_per_mb("polling")
    assert polling < 3 * websocket, (polling, websocket)


# -- ten minutes that take a second


class HurryingSelector(selectors.DefaultSelector):
    """Waits as long as real sockets need, and then lets the clock jump to when the loop wanted to be woken."""

    now_s = 0.0
    REAL_WAIT_S = 0.02

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(self.REAL_WAIT_S if timeout is None else min(timeout, self.REAL_WAIT_S))
        if not ready and timeout is not None:
            self.now_s += timeout
        return ready


class HurryingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is the injected clock."""

    def __init__(self) -> None:
        self.clock = HurryingSelector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now_s


class Diary:
    """Listens to a feed, and notes when its connection changed by the loop's clock."""

    wanted_project = None

    def __init__(self, loop: HurryingLoop) -> None:
        self.entries: list[tuple[float, Connection]] = []
        self.is_live = asyncio.Event()
        self._loop = loop

    def on_event(self, event: wire.Event, *, live: bool) -> None:
        """What the server said is no matter here."""

    def on_connection(self, connection: Connection) -> None:
        self.entries.append((self._loop.time(), connection))
        if connection.state == "live":
            self.is_live.set()


OUTAGE_S = 600.0


def test_after_an_outage_of_ten_minutes_it_comes_back_by_itself(servers: ServerThread) -> None:
    port = free_port()
    loop = HurryingLoop()
    diary = Diary(loop)

    async def live_through_it() -> float:
        feed = Feed(FeedOptions(root=f"http://127.0.0.1:{port}", timeout_s=5.0))
        feed.subscribe(diary)
        feed.start()
        await asyncio.sleep(OUTAGE_S)
        back_at_s = loop.time()
        server = WireServer(servers, {"/api/health": SAFE}, port=port)
        try:
            async with asyncio.timeout(2 * reconnect.PROBE_S):
                await diary.is_live.wait()
        finally:
            await feed.close()
            server.close()
        return back_at_s

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        back_at_s = runner.run(live_through_it())

    counted = [(at_s, one.attempt) for at_s, one in diary.entries if one.state == "reconnecting"]
    assert [attempt for _, attempt in counted] == list(range(1, reconnect.MAX_ATTEMPTS))
    gaps = [b - a for (a, _), (b, _) in itertools.pairwise(counted)]
    for number, gap in enumerate(gaps, start=1):
        least = min(reconnect.FIRST_DELAY_S * reconnect.GROWTH ** (number - 1), reconnect.LONGEST_DELAY_S)
        assert least <= gap <= least * (1 + reconnect.JITTER_SHARE) + 0.5
    failed = [at_s for at_s, one in diary.entries if one.state == "failed"]
    assert len(failed) >= 15  # a probe every half minute
    live_at_s = next(at_s for at_s, one in diary.entries if one.state == "live")
    assert live_at_s - back_at_s < reconnect.PROBE_S + 2
