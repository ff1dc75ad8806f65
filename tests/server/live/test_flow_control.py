"""A client that does not read holds up nobody and costs a bounded amount of memory."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psutil
import pytest
from server.extension_client import unpack
from server.shells import RawWebSocket, until

from roma_widget.server.agents.instrument import Project, Task
from roma_widget.server.embedded import Server

TASKS = 1000
CLIENTS = 10
INTERVAL_S = 0.5
EXTENDED = {"roma_widget": 1}


@dataclass
class Run:
    """1,000 tasks, of which one changes every few milliseconds; `summary` of the root says when."""

    project: Project
    root: Task
    tasks: list[Task]
    stop: threading.Event = field(default_factory=threading.Event)

    def go_on(self) -> None:
        state = self.project.server.state
        record = state.projects.get(self.project.id)
        number = 0
        while not self.stop.wait(0.005):
            number += 1
            with state.lock:
                nodes = state.projects.nodes(record)
                at = str(time.monotonic())
                changed = nodes[self.tasks[number % TASKS].id]
                state.projects.change_node(record, changed, output_summary=f"step {number}")
                state.projects.change_node(record, nodes[self.root.id], output_summary=at)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(interval_s=INTERVAL_S) as server:
        yield server


def begin(server: Server) -> Run:
    project = server.project("wide").__enter__()
    root = project.task("wide").__enter__()
    tasks = [root.task(f"task {n} of a wide run, with a goal of usual length") for n in range(TASKS)]
    return Run(project, root, tasks)


class Follower:
    """Reads all that comes, and how old each newest state is when it does."""

    def __init__(self, url: str, auth: dict[str, Any] | None) -> None:
        self._socket = RawWebSocket(url)
        self._auth = auth
        self.delays_s: list[float] = []

    async def follow(self) -> None:
        async with self._socket as socket:
            await socket.send("40" + json.dumps(self._auth or {}))
            while True:
                frame = await socket.read(timeout_s=30)
                if frame.opcode == RawWebSocket.TEXT and frame.content == b"2":
                    await socket.send("3")
                    continue
                told = _told_at(frame.opcode, frame.content)
                if told is not None:
                    self.delays_s.append(time.monotonic() - told)


def _told_at(opcode: int, content: bytes) -> float | None:
    """When the root of the state that came was changed last; None for what is no state."""
    if opcode == RawWebSocket.BINARY:
        at = unpack(content)["nodes"].get("root", {}).get("output_summary")
    elif content.startswith(b'42["task_graph_update",'):
        # the root stands first: decoding a megabyte here would measure ourselves
        place = content.find(b'"output_summary":"', 0, 100_000)
        at = content[place + 18 : place + 60].split(b'"')[0].decode() if place >= 0 else None
    else:
        at = None
    return float(at) if at else None


def waiting_clients(server: Server) -> list[str]:
    """The labels of those that have not taken all that was sent to them."""
    transport = server.shell._transport
    assert transport is not None
    clients = list(server.shell.clients.values())
    return [client.label for client in clients if not transport._socket(client.sid).queue.idle.is_set()]


async def median_delay_s(server: Server, *, seconds: float, is_one_stuck: bool) -> float:
    """Of the clients that read; half of them speak the extension."""
    followers = [Follower(server.url, EXTENDED if n % 2 else None) for n in range(CLIENTS - 1)]
    following = [asyncio.create_task(follower.follow()) for follower in followers]
    stuck = RawWebSocket(server.url)
    try:
        if is_one_stuck:
            await stuck.__aenter__()
            await stuck.send('40{"label":"stuck"}')  # and reads nothing from here on
        await until(lambda: all(len(follower.delays_s) > 1 for follower in followers), 20)
        if is_one_stuck:  # the buffers on the way to it take some frames
            await until(lambda: "stuck" in waiting_clients(server), 30)
        for follower in followers:
            follower.delays_s.clear()
        until_s = time.monotonic() + seconds
        await until(lambda: time.monotonic() > until_s, seconds + 10)
        assert not any(task.done() for task in following)
        assert all(follower.delays_s for follower in followers)
        # after a minute it is gone: it has not answered a ping
        left = [client.label for client in list(server.shell.clients.values())]
        assert "stuck" not in left or "stuck" in waiting_clients(server)
        return statistics.median(delay for follower in followers for delay in follower.delays_s)
    finally:
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        if is_one_stuck:
            await stuck.__aexit__()


async def compare(server: Server, *, seconds: float) -> None:
    run = begin(server)
    agent = threading.Thread(target=run.go_on)
    agent.start()
    try:
        alone_s = await median_delay_s(server, seconds=seconds, is_one_stuck=False)
        before = psutil.Process().memory_info().rss
        beside_s = await median_delay_s(server, seconds=seconds, is_one_stuck=True)
        grown = psutil.Process().memory_info().rss - before
    finally:
        run.stop.set()
        agent.join()
    print(
        f"median delay {alone_s:.3f} s without, {beside_s:.3f} s with a stuck client; {grown / 1e6:.1f} MB more"
    )
    assert beside_s < alone_s + 0.1
    assert grown < 50_000_000


async def test_a_client_that_reads_nothing_holds_up_nobody(server: Server) -> None:
    await compare(server, seconds=4)


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_client_that_reads_nothing_for_a_minute_holds_up_nobody(server: Server) -> None:
    await compare(server, seconds=60)


@pytest.mark.parametrize("auth", [None, EXTENDED], ids=["plain", "extension"])
async def test_what_waits_for_a_client_that_reads_nothing_is_one_state(auth: dict[str, Any] | None) -> None:
    with Server(interval_s=0.01) as quick:
        run = begin(quick)
        async with RawWebSocket(quick.url) as stuck, RawWebSocket(quick.url) as reading:
            await stuck.send("40" + json.dumps(auth or {}))
            await reading.join()
            for _ in range(30):
                with quick.state.lock:
                    record = quick.state.projects.get(run.project.id)
                    for node in quick.state.projects.nodes(record).values():
                        quick.state.projects.change_node(record, node, output_summary=os.urandom(100).hex())
                await reading.read_until('42["task_graph_update"')
            transport = quick.shell._transport
            assert transport is not None
            assert max(transport.waiting(sid)[0] for sid in quick.shell.clients) <= 2
