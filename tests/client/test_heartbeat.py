"""A link on which nothing is heard is dead, whatever TCP says; one that is only late is not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from client.servers import SAFE, WireServer, eventually, node

import roma_widget as roma
from roma_widget.client import library

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
SAFE_SERVER = {"/api/health": SAFE}

pytestmark = pytest.mark.usefixtures("quick")


def opening(interval_ms: object, timeout_ms: object) -> str:
    return "0" + json.dumps(
        {"sid": "e1", "upgrades": [], "pingInterval": interval_ms, "pingTimeout": timeout_ms}
    )


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_silent_link_is_replaced_after_the_time_the_server_itself_named(
    connect: Connect, wire: Wire, transport: str
) -> None:
    server = wire(SAFE_SERVER, opening=opening(200, 200))
    m = connect(server.url, transports=(transport,))
    seen = []
    m.observe(lambda change: seen.append(change["new"]), "connection")
    eventually(lambda: m.connection["reconnects"] >= 1)
    assert 0.4 <= server.opened_s[1] - server.opened_s[0] < 1.0
    lost = next(value for value in seen if value["state"] == "reconnecting")
    assert "nothing was heard, not even a ping, for 0.4 s" in lost["error"]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_pings_alone_keep_a_link(connect: Connect, wire: Wire, transport: str) -> None:
    server = wire(SAFE_SERVER, opening=opening(200, 200))
    m = connect(server.url, transports=(transport,))
    eventually(lambda: server.clients_now)
    for _ in range(10):
        time.sleep(0.15)  # the passing of time is what is tested
        server.send("2")
    assert m.connection["state"] == "live"
    assert m.connection["reconnects"] == 0


@pytest.mark.parametrize(("interval_ms", "timeout_ms"), [(0, 0), (-5000, 10), (1, 1)])
def test_a_server_that_names_no_time_to_speak_of_gets_a_fair_one(
    connect: Connect, wire: Wire, interval_ms: int, timeout_ms: int
) -> None:
    server = wire(SAFE_SERVER, opening=opening(interval_ms, timeout_ms))
    m = connect(server.url)
    eventually(lambda: m.connection["reconnects"] >= 1)
    assert server.opened_s[1] - server.opened_s[0] >= library.LEAST_SILENCE_S


def test_a_server_that_names_a_year_is_given_two_minutes(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "LONGEST_SILENCE_S", 0.3)
    server = wire(SAFE_SERVER, opening=opening(10**11, 10**11))
    m = connect(server.url)
    eventually(lambda: m.connection["reconnects"] >= 1)


def test_an_answer_is_still_sent_to_a_ping_that_comes_late(connect: Connect, wire: Wire) -> None:
    """The library stops writing after the longer of the two and five seconds, and reads on: -4.9 makes that 0.1 s."""
    server = wire(SAFE_SERVER, opening=opening(-4900, -4900))
    m = connect(server.url)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    time.sleep(0.15)
    answers = server.pongs
    server.send("2")
    eventually(lambda: server.pongs > answers, timeout=1)


def test_closing_while_connecting_does_not_wait(connect: Connect, wire: Wire) -> None:
    """A cancellation that came together with the welcome was swallowed, and closing took for ever."""
    server = wire(SAFE_SERVER)
    for step in range(25):
        m = connect(server.url)
        time.sleep(step * 0.0006)  # somewhere in the handshake
        began = time.monotonic()
        m.close()
        assert time.monotonic() - began < 2
