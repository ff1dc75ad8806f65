"""No run is ever frozen by us, whatever the network does; and a server that can be frozen is what proves it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

import pytest
from client.freezing import FreezingServer
from client.proxy import Fault, Proxy
from client.servers import ServerThread, eventually

import roma_widget as roma

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
MakeProxy = Callable[[int], Proxy]
RUNS = 2
DROPS: tuple[tuple[Fault, float], ...] = (
    (Fault("cut"), 0.1),
    (Fault("cut"), 0.4),
    (Fault("half-close"), 0.1),
    (Fault("black-hole"), 0.3),
    (Fault("delay", 0.05), 0.3),
    (Fault("throttle", 20_000), 0.2),
)


@pytest.fixture
def freezing(servers: ServerThread, closing: Callable[[Any], Any]) -> Callable[..., FreezingServer]:
    return lambda seed=0: closing(FreezingServer(servers, seed=seed))


def play(seed: int, server: FreezingServer, network: Proxy, m: roma.Monitor) -> None:
    """Runs one after the other, the network dropping in each at a random moment; the monitor sees each end."""
    rng = random.Random(seed)
    for _ in range(RUNS):
        eventually(lambda: m.connection["state"] == "live")
        run_id = server.start_run()
        for _ in range(2):
            time.sleep(rng.uniform(0.0, 0.25))
            fault, seconds = rng.choice(DROPS)
            network.now(fault)
            time.sleep(seconds)
            network.clear()
            network.cut()
        eventually(
            lambda run=run_id: (
                server.frozen or (m.project.get("id") == run and m.snapshot.outcome == "succeeded")
            )
        )
        if server.frozen:
            return
        assert {task.status for task in m.snapshot.tasks.values()} == {"DONE"}


def safely(seed: int, freezing: Callable[..., FreezingServer], proxy: MakeProxy, connect: Connect) -> None:
    server = freezing(seed)
    network = proxy(server.port)
    transports = ("polling",) if seed % 4 == 0 else ("websocket", "polling")
    m = connect(network.url, timeout=0.5, transports=transports)
    play(seed, server, network, m)
    assert server.frozen == []
    assert server.ended == [f"run-{n + 1}" for n in range(RUNS)]


@pytest.mark.parametrize("seed", range(4))
def test_a_run_is_never_frozen_and_seen_to_its_end(
    connect: Connect, proxy: MakeProxy, freezing: Callable[..., FreezingServer], seed: int
) -> None:
    safely(seed, freezing, proxy, connect)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4, 54))
def test_no_run_in_fifty_schedules_is_ever_frozen(
    connect: Connect, proxy: MakeProxy, freezing: Callable[..., FreezingServer], seed: int
) -> None:
    safely(seed, freezing, proxy, connect)


def test_joining_always_does_freeze_one(
    connect: Connect, proxy: MakeProxy, freezing: Callable[..., FreezingServer]
) -> None:
    server = freezing()
    network = proxy(server.port)
    m = connect(network.url, timeout=0.5, join="always")
    play(1, server, network, m)
    assert server.frozen
    frozen = server.frozen[0]
    frames = m.link()["frames"]
    eventually(lambda: m.link()["frames"] > frames + 5)  # frames go on, and nothing moves
    assert server.ended == []
    assert m.project["id"] == frozen
    assert any(task.status == "RUNNING" for task in m.snapshot.tasks.values())


def test_a_run_that_begins_during_a_slow_handshake_is_not_joined(
    connect: Connect, proxy: MakeProxy, freezing: Callable[..., FreezingServer]
) -> None:
    """The server was idle when it was asked; its answer to the handshake took its time."""
    server = freezing()
    network = proxy(server.port)
    network.on(b"transport=websocket", Fault("delay", 0.6), "up", spoils=("down",))
    m = connect(network.url, transports=("websocket",))
    eventually(lambda: network.is_spoiled)
    server.start_run()
    m.wait("done", timeout=10)
    assert server.frozen == []
