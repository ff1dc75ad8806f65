"""Each fault of a network in each moment of a connection, and random schedules of them: said, survived, caught up."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest
from client.proxy import BOTH, KINDS, Fault, Kind, Proxy
from client.servers import ServerThread, eventually

import roma_widget as roma
from roma_widget.client import socket
from roma_widget.client.loop import THREAD_NAME
from roma_widget.server.embedded import Server
from roma_widget.server.network.app import Limits
from roma_widget.server.scenarios import goal_of, scenario

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
MakeProxy = Callable[[int], Proxy]
PINGS = Limits(ping_interval_s=0.3, ping_timeout_s=0.3)
TASKS = 20
LONG = random.Random(1).randbytes(400).hex()
"""For goals: the extension leaves results out of its snapshots."""
BIG = random.Random(0).randbytes(5_000).hex()  # gzip makes no less than half of it

HEAVY: dict[Kind, float] = {"delay": 60.0, "throttle": 20.0, "corrupt": 10.0}
"""So much that no deadline is met and no word is whole. The other kinds have no amount."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(limits=PINGS, interval_s=0.05) as running:
        yield running


def tasks_on(server: Server) -> dict[str, dict[str, Any]]:
    with urllib.request.urlopen(f"{server.url}/api/task-graph", timeout=10) as response:
        tasks: dict[str, dict[str, Any]] = json.load(response)["all_nodes"]
        return tasks


def tasks_of(m: roma.Monitor) -> dict[str, dict[str, Any]] | None:
    """Results and all; None while these cannot be had."""
    try:
        return {task_id: task.raw for task_id, task in m.snapshot.tasks.items()}
    except roma.RomaError:
        return None


def follow(m: roma.Monitor) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    m.observe(lambda change: seen.append(change["new"]), "connection")
    return seen


def is_said(value: dict[str, Any]) -> bool:
    return value["state"] != "live" or bool(value["error"])


@pytest.mark.parametrize("moment", ["handshake", "frame", "snapshot", "idle"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_fault_is_said_and_survived(
    connect: Connect,
    proxy: MakeProxy,
    server: Server,
    kind: Kind,
    moment: str,
    transport: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if moment == "frame":
        monkeypatch.setattr(socket, "EXTENSION_VERSION", 0)  # speaks plain ROMA
    network = proxy(server.port)
    fault = Fault(kind, HEAVY.get(kind, 0.0))
    with server.project("a goal") as project, project.task("a goal") as root:
        for number in range(TASKS):
            with root.task(f"part {number} {LONG}") as part:
                part.finish(BIG)
        if moment == "handshake":
            network.on(f"transport={transport}".encode(), fault, "up", spoils=BOTH)
        if moment == "frame":
            word = b"task_graph_update" if transport == "websocket" else b"Content-Encoding: gzip"
            network.on(word, fault, "down", after=20_000, spoils=BOTH)
        if moment == "snapshot":
            word = (
                b'451-["snapshot"' if transport == "websocket" else b"\x1eb"
            )  # where a binary packet begins
            network.on(word, fault, "down", after=1_000, spoils=BOTH)
        m = connect(network.url, timeout=0.4, transports=(transport,))
        seen = follow(m)
        if moment == "idle":
            eventually(lambda: len(m.snapshot.tasks) == TASKS + 1)
            network.now(fault)
        eventually(lambda: network.is_spoiled)
        with root.task("while nobody hears it") as part:
            part.finish("done")
        eventually(lambda: any(is_said(value) for value in seen[1:]))
        network.clear()
        if kind == "corrupt":
            network.cut()  # no client can know which of the bytes it took were false
        eventually(lambda: m.connection["state"] == "live" and tasks_of(m) == tasks_on(server))
        assert len(m.snapshot.tasks) == TASKS + 2
        eventually(lambda: m.connection["error"] is None)


@pytest.mark.parametrize("byte", [0, 1, 150, 400, 700, 1500, 5000, 60_000])
def test_a_connection_cut_at_whatever_byte_is_made_again(
    connect: Connect, proxy: MakeProxy, server: Server, byte: int
) -> None:
    network = proxy(server.port)
    with server.project("a goal") as project, project.task("a goal") as root:
        for number in range(TASKS):
            with root.task(f"part {number}") as part:
                part.finish(BIG)
        network.at(byte, Fault("cut"), "down")
        m = connect(network.url, timeout=0.4)
        eventually(lambda: network.is_spoiled)
        network.clear()
        eventually(lambda: m.connection["state"] == "live" and tasks_of(m) == tasks_on(server))


@pytest.mark.parametrize(
    "fault", [Fault("delay", 0.02), Fault("throttle", 2_000_000)], ids=["delay", "throttle"]
)
def test_a_network_that_is_only_slow_keeps_its_link(
    connect: Connect, proxy: MakeProxy, server: Server, fault: Fault
) -> None:
    network = proxy(server.port)
    network.now(fault)
    with server.project("a goal") as project, project.task("a goal") as root:
        m = connect(network.url, timeout=5)
        for number in range(TASKS):
            with root.task(f"part {number}") as part:
                part.finish(BIG)
                time.sleep(0.05)  # a run of a second
        eventually(lambda: tasks_of(m) == tasks_on(server))
    assert m.connection["reconnects"] == 0


# -- random schedules

PLAYED_S = 1.6
AT_ONCE = 10


def threads_of_ours() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("roma")}


@pytest.fixture(params=["extension", "plain"])
def speech(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our servers speak both."""
    if request.param == "plain":
        monkeypatch.setattr(socket, "EXTENSION_VERSION", 0)


def play_schedules(seeds: range, connect: Connect, proxy: MakeProxy, servers: ServerThread) -> None:
    """So many monitors behind networks of their own watch one run to its end."""
    ended = threading.Event()
    run = scenario("report", seed=seeds[0], speed=40.0, hitl=False)
    with Server(run=run, limits=PINGS, interval_s=0.1) as server:
        networks = [proxy(server.port) for _ in seeds]
        monitors = [
            connect(
                network.url,
                timeout=0.5,
                transports=("polling",) if seed % 5 == 0 else ("websocket", "polling"),
            )
            for network, seed in zip(networks, seeds, strict=True)
        ]
        server.runs.start(goal_of("report", seeds[0]), on_end=lambda *_: ended.set())

        async def spoil() -> None:
            await asyncio.gather(
                *(network.play(seed, PLAYED_S, 4) for network, seed in zip(networks, seeds, strict=True))
            )

        servers.run(spoil(), timeout=60)
        assert ended.wait(60)
        right = tasks_on(server)
        assert len(right) > 20
        for m, network, seed in zip(monitors, networks, seeds, strict=True):
            try:
                eventually(lambda of=m: tasks_of(of) == right and of.connection["state"] == "live", 15)
            except AssertionError:
                pytest.fail(f"schedule {seed}: {m.connection}, {len(m.snapshot.tasks)} of {len(right)} tasks")
            m.close()
            eventually(lambda of=network: sockets_to(of.port) == 0)


def sockets_to(port: int) -> int:
    return sum(
        1
        for one in psutil.Process().net_connections("tcp")
        if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    )


@pytest.mark.usefixtures("speech")
def test_random_schedules_end_in_the_servers_state(
    connect: Connect, proxy: MakeProxy, servers: ServerThread
) -> None:
    play_schedules(range(AT_ONCE), connect, proxy, servers)


@pytest.mark.long
@pytest.mark.usefixtures("speech")
@pytest.mark.parametrize("first", range(AT_ONCE, 200 + AT_ONCE, AT_ONCE))
def test_two_hundred_random_schedules_end_in_the_servers_state(
    connect: Connect,
    proxy: MakeProxy,
    servers: ServerThread,
    first: int,
) -> None:
    before = threads_of_ours()
    play_schedules(range(first, first + AT_ONCE), connect, proxy, servers)
    assert threads_of_ours() <= before | {THREAD_NAME}
