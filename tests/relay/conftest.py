"""Relays that are stopped after their test; servers above them as in `client.conftest`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client.conftest import closing, quick, servers, wire
from client.servers import IDLE, ROMA_V1, WireServer, eventually, packet, projects_list
from server.conftest import Client, gate

import roma_widget as roma
from roma_widget.client.feed import FeedOptions
from roma_widget.client.loop import io_thread
from roma_widget.relay.relay import Relay, RelayOptions

__all__ = ["closing", "gate", "quick", "servers", "wire"]

TIMEOUT_S = 15.0
MakeRelay = Callable[..., Relay]


@pytest.fixture
def relay_of() -> Iterator[MakeRelay]:
    """`relay_of(url)` follows the server there; further options are those of `RelayOptions`."""
    io = io_thread()
    relays: list[Relay] = []

    async def made(url: str, options: dict[str, Any]) -> Relay:
        relay = Relay(RelayOptions(**{"upstream": FeedOptions(url), **options}))
        await relay.start()
        return relay

    def make(url: str, **options: Any) -> Relay:
        relays.append(io.result(made(url, options), TIMEOUT_S))
        return relays[-1]

    yield make
    for relay in reversed(relays):
        io.result(relay.stop(), TIMEOUT_S)


@pytest.fixture(scope="session")
def client() -> type[Client]:
    """One that writes down what it gets."""
    return Client


@pytest.fixture
def roma_above(wire: Callable[..., WireServer]) -> WireServer:
    """An idle ROMA v1 that says what it is told to; its current project is p1."""
    answers = {
        "/api/health": ROMA_V1,
        "/api/executions": IDLE,
        "/api/projects": projects_list("p1", "p2"),
        "/api/projects/p1": {"project": {"id": "p1"}, "state": None},
    }
    return wire(answers, greeting=[packet("projects_list", projects_list("p1", "p2"))])


@pytest.fixture
def beside_roma(roma_above: WireServer, relay_of: MakeRelay) -> Relay:
    """A relay that is joined to it."""
    relay = relay_of(roma_above.url)
    eventually(lambda: relay.session.connection.state == "live" and roma_above.clients_now)
    return relay


@pytest.fixture
def connect(closing: Callable[[Any], Any]) -> Callable[..., roma.Monitor]:
    """`roma.connect`, whose monitors are closed after the test."""
    return lambda *args, **options: closing(roma.connect(*args, **options))
