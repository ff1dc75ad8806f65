"""What one client, or too many of them, may cost a relay: nothing that the others notice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from client.servers import ServerThread, eventually
from relay.conftest import MakeRelay
from server.shells import Joined, RawWebSocket

import roma_widget as roma
from roma_widget import cli
from roma_widget.relay.relay import LIMITS, Relay
from roma_widget.server.network.listening import ServeError

TIMEOUT_S = 15.0
FLOOD, BURST = 500, 100
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def above() -> Iterator[roma.Server]:
    with roma.Server() as server:
        yield server


@pytest.fixture
def relay(above: roma.Server, relay_of: MakeRelay) -> Relay:
    return relay_of(above.url, limits=replace(LIMITS, requests_per_s=1, burst=BURST))


@pytest.fixture
def neighbour(relay: Relay) -> Iterator[roma.Monitor]:
    with roma.connect(relay.url) as m:
        m.wait("connected", timeout=TIMEOUT_S)
        yield m


def served_as_ever(above: roma.Server, m: roma.Monitor) -> bool:
    """A run is seen to its end, and a question answered, on the same connection as before."""
    m.hitl.on_request(lambda request: request.approve())
    with above.project("Survey") as project, project.task("Survey", task_type="WRITE") as root:
        root.ask("PlanReview", "Good?", timeout=TIMEOUT_S)
        root.finish("found")
    m.wait("done", timeout=TIMEOUT_S)
    return not m.connection["reconnects"]


def test_who_floods_it_with_requests_is_refused_and_nobody_else_waits(
    above: roma.Server, relay: Relay, neighbour: roma.Monitor, servers: ServerThread
) -> None:
    async def flood() -> int:
        async with Joined(relay.url) as client:
            for number in range(FLOOD):
                await client.socket.emit("request_node_trace", {"project_id": "p", "node_id": str(number)})
            await client.until("node_trace_error", FLOOD)
            return sum("too many" in str(said) for _, said in client.events)

    assert servers.run(flood()) > FLOOD - 2 * BURST
    assert served_as_ever(above, neighbour)


@pytest.mark.parametrize("garbage", ["9", "4{", "42[", "\x00"])
def test_who_sends_garbage_is_cut_and_nobody_else(
    above: roma.Server, relay: Relay, neighbour: roma.Monitor, servers: ServerThread, garbage: str
) -> None:
    async def send() -> None:
        async with RawWebSocket(relay.url) as raw:
            await raw.join()
            await raw.send(garbage)
            await raw.read_to_end()

    servers.run(send())
    eventually(lambda: len(relay.shell.clients) == 1)
    assert served_as_ever(above, neighbour)


def test_who_does_not_read_costs_no_memory_and_holds_nobody_up(
    above: roma.Server, relay: Relay, neighbour: roma.Monitor, servers: ServerThread
) -> None:
    async def join() -> RawWebSocket:
        raw = await RawWebSocket(relay.url).__aenter__()
        await raw.join()
        return raw

    raw = servers.run(join())
    for number in range(10):
        with above.project(f"Survey {number}") as project, project.task("Survey") as root:
            root.finish("x" * 3_000_000)
    assert served_as_ever(above, neighbour)
    assert len(relay.shell.clients) == 2
    transport = relay.shell._transport
    assert transport is not None
    assert max(transport.waiting(sid)[1] for sid in relay.shell.clients) < 10_000_000, "not all ten runs"
    servers.run(raw.__aexit__())


# -- who may come at all


def test_an_address_that_others_reach_demands_a_token(above: roma.Server, relay_of: MakeRelay) -> None:
    with pytest.raises(
        ServeError, match=r"'0\.0\.0\.0' is reachable from other machines and there is no token"
    ):
        relay_of(above.url, host="0.0.0.0")
    relay = relay_of(above.url, host="0.0.0.0", token="of-the-relay")
    with roma.connect(relay.url, token="of-the-relay") as m:
        m.wait("connected", timeout=TIMEOUT_S)


def test_the_command_line_demands_one_too(
    above: roma.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    assert cli.main(["relay", above.url, "--host", "0.0.0.0"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "reachable from other machines and there is no token" in said.err
    assert len(said.err.splitlines()) == 1
