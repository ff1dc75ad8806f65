"""A relay that follows a run of ROMA v1 over HTTP opens its socket when a person below says so: once, never else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from client.conftest import wire
from client.freezing import FreezingServer
from client.servers import ServerThread, WireServer, eventually
from relay.below import TIMEOUT_S
from relay.conftest import MakeRelay
from relay.test_asking import Join, join, prompt, responses, roma_above
from relay.test_keeping_questions import Start, killed_with_a_queued_answer, process_of

import roma_widget as roma
from roma_widget import opening
from roma_widget.client.feed import Target
from roma_widget.core.model import Connection
from roma_widget.relay import link_above
from roma_widget.relay.link_above import LinkAbove
from roma_widget.relay.link_log import LinkLog
from roma_widget.relay.relay import Relay

__all__ = ["join", "process_of", "roma_above", "wire"]
pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_above, "BETWEEN_S", 0.01)


@pytest.fixture
def above(servers: ServerThread, closing: Callable[[Any], Any]) -> FreezingServer:
    """In the middle of a run, which does not end within a test."""
    server: FreezingServer = closing(FreezingServer(servers, step_s=10.0))
    server.start_run()
    return server


def followed(m: roma.Monitor) -> None:
    """Returns when the relay has said that it has no socket."""
    eventually(lambda: m.connection["state"] == "live" and m.connection["relay"]["state"] == "polling")


def looks_again(above: FreezingServer) -> None:
    """Returns when the server was asked over HTTP some times more."""
    asked = len(above.asked)
    eventually(lambda: len(above.asked) > asked + 9)


@pytest.mark.parametrize("levels", [1, 2])
def test_force_opens_one_socket_for_the_run_of_that_moment(
    above: FreezingServer,
    relay_of: MakeRelay,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
    levels: int,
) -> None:
    relays: list[Relay] = []
    for _ in range(levels):
        relays.append(relay_of(relays[-1].url if relays else above.url))
    monkeypatch.setattr(opening, "relay_of", lambda options: Target(relays[-1].url))
    m = connect(above.url, relay=True)
    followed(m)
    m.reconnect()
    looks_again(above)
    assert above.handshakes == []
    m.reconnect(force=True)
    eventually(lambda: m.connection["relay"]["state"] == "live")
    m.reconnect(force=True)  # it is open: nothing is kept for later
    above.cut()
    followed(m)
    looks_again(above)
    assert (above.handshakes, above.frozen) == (["websocket"], ["run-1"])
    assert relays[0].shell.connections_total == 1


def test_the_browsers_button_does_the_same(
    above: FreezingServer, relay_of: MakeRelay, connect: Connect
) -> None:
    m = connect(relay_of(above.url).url)
    followed(m)
    replies: list[dict[str, Any]] = []
    monitor: Any = m
    monitor._channel._send = lambda content, buffers: replies.append(content)
    monitor._io.post(monitor._receive, {"type": "do", "rid": "1", "action": "connect_anyway"})
    eventually(lambda: above.handshakes and m.connection["relay"]["state"] == "live")
    assert [reply["ok"] for reply in replies if reply["type"] == "reply"] == [True]


def test_an_answer_that_a_killed_relay_kept_reaches_the_run(
    roma_above: WireServer, process_of: Start, join: Join
) -> None:
    killed_with_a_queued_answer(roma_above, process_of, join)
    roma_above.answers["/api/executions"] = {"running_executions": {"p1": {"is_alive": True}}}
    _, url = process_of(roma_above.url)
    bob = join(url, "Bob")
    bob.hears("hitl_queued")
    eventually(lambda: bob.all("relay")[-1]["state"] == "polling", TIMEOUT_S)
    bob.asks("reconnect_above", {"rid": 7})
    eventually(lambda: any(told.get("rid") == 7 for told in bob.all("relay")), TIMEOUT_S)
    assert len(roma_above.handshakes) == 1
    bob.asks("reconnect_above", {"force": True})
    eventually(lambda: bob.all("relay")[-1]["state"] == "live", TIMEOUT_S)
    roma_above.emit("hitl_request", prompt())
    assert [each["answered_by"] for each in bob.hears("hitl_answered")] == ["Ann"]
    assert (len(roma_above.handshakes), len(responses(roma_above))) == (2, 2)


def test_what_cannot_be_is_refused_in_a_sentence(
    above: FreezingServer, relay_of: MakeRelay, client: Any
) -> None:
    async def refused(url: str, **fields: Any) -> str:
        async with client(url, auth={"roma_widget": 1}) as asks:
            await asks.ask("reconnect_above", fields)
            return str(asks.payloads("reconnect_above_error")[0]["error"])

    relay = relay_of(above.url)
    for force in (1, "yes", None, []):
        assert asyncio.run(refused(relay.url, force=force)) == "force must be true or false"
    with roma.Server() as server:
        assert "is no relay" in asyncio.run(refused(server.url, force=True))
    looks_again(above)
    assert above.handshakes == []


def test_the_log_says_that_the_link_is_lost_and_regained_once(caplog: pytest.LogCaptureFixture) -> None:
    log = LinkLog("http://above")
    silent = Connection("reconnecting", error="Nothing listens.")
    for connection in [
        *(Connection("connecting"), silent, replace(silent, attempt=2), replace(silent, state="failed")),
        *(Connection("live"), Connection("polling", reason="A run.")),
        *(silent, silent, Connection("live")),
    ]:
        log.moved(connection)
    assert caplog.messages == [
        "http://above is waited for: Nothing listens.",
        "http://above is there (live)",
        "the link to http://above was lost: Nothing listens.",
        "http://above is there again (live)",
    ]


def test_a_server_that_wants_a_token_is_said_in_the_words_of_the_command_line(
    wire: Callable[..., WireServer], relay_of: MakeRelay, caplog: pytest.LogCaptureFixture
) -> None:
    relay_of(wire({"*": 401}).url)
    eventually(lambda: "at the command line with --server-token-file" in caplog.text)


def test_who_asks_without_end_is_heard_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_above, "BETWEEN_S", 0.05)

    class Stands:
        async def reconnect(self, *, force: bool) -> None: ...

        def words(self) -> dict[str, Any]:
            return {}

    async def asked() -> float:
        stands: Any = Stands()
        link, began_s = LinkAbove(stands, stands), time.monotonic()
        for _ in range(4):
            await link.try_now(False)
        return time.monotonic() - began_s

    assert asyncio.run(asked()) >= 0.15
