"""A server that goes away: what is said meanwhile, and that it is heard again by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from client.servers import (
    HTML,
    IDLE,
    ROMA_V1,
    SAFE,
    RawPort,
    Replay,
    WireServer,
    eventually,
    frame,
    free_port,
    node,
    recording,
)

import roma_widget as roma
from roma_widget.core import reconnect

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
SAFE_SERVER = {"/api/health": SAFE}


def follow(m: roma.Monitor) -> list[dict[str, Any]]:
    """Every value that `connection` takes from now on."""
    seen: list[dict[str, Any]] = []
    m.observe(lambda change: seen.append(change["new"]), "connection")
    return seen


@pytest.mark.usefixtures("quick")
def test_attempts_are_counted_and_said(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconnect, "FIRST_DELAY_S", 0.1)
    url = f"http://127.0.0.1:{free_port()}"
    m = connect(url)
    seen = follow(m)
    eventually(lambda: m.connection["attempt"] >= 3)
    assert seen[-1]["attempt"] == 3
    for value in seen:
        assert value["state"] == "reconnecting"
        assert value["error"] == f"Nothing listens at {url} (connection refused)."
        assert abs((datetime.fromisoformat(value["next_retry"]) - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.usefixtures("quick")
def test_after_ten_attempts_it_has_failed_and_a_probe_brings_it_back(connect: Connect, wire: Wire) -> None:
    port = free_port()
    m = connect(f"http://127.0.0.1:{port}")
    seen = follow(m)
    eventually(lambda: m.connection["state"] == "failed")
    assert [value["attempt"] for value in seen][-1] == reconnect.MAX_ATTEMPTS
    assert all(value["state"] == "reconnecting" for value in seen[:-1])
    with pytest.raises(roma.ConnectError, match="Nothing listens"):
        m.wait("connected", timeout=5)
    wire(SAFE_SERVER, port=port)
    eventually(lambda: m.connection["state"] == "live")
    assert m.connection["attempt"] == 0
    assert m.connection["error"] is None


@pytest.mark.usefixtures("quick")
def test_a_person_need_not_wait_for_the_probe(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "PROBE_S", 600.0)
    port = free_port()
    m = connect(f"http://127.0.0.1:{port}")
    eventually(lambda: m.connection["state"] == "failed")
    wire(SAFE_SERVER, port=port)
    m.reconnect()
    eventually(lambda: m.connection["state"] == "live", timeout=3)


@pytest.mark.usefixtures("quick")
def test_a_server_that_is_killed_and_started_again_mid_run_is_caught_up_with(
    connect: Connect, replay: Callable[..., Replay]
) -> None:
    frames = [frame([node("root"), *(node(f"root.{i}") for i in range(count))]) for count in range(4)]
    first = replay(recording(*frames))
    first.go_to(2.0)
    m = connect(first.url, timeout=1.0)  # so long it waits where the port is open still and nobody answers
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    first.close()
    eventually(lambda: m.connection["state"] == "reconnecting" and m.connection["attempt"] >= 1)
    assert len(m.snapshot.tasks) == 2  # what was known stays
    second = replay(recording(*frames), port=first.port)
    second.go_to(4.0)
    m.wait(lambda s: len(s.tasks) == 4, timeout=5)
    assert m.connection["state"] == "live"
    assert m.connection["reconnects"] == 1
    assert m.link()["reconnects"] == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_lost_socket_is_replaced_and_counted(connect: Connect, wire: Wire, transport: str) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports=(transport,))
    m.wait("connected", timeout=5)
    seen = follow(m)
    for count in (1, 2, 3):
        eventually(lambda: server.clients_now)
        server.cut()
        eventually(lambda n=count: m.connection["state"] == "live" and m.connection["reconnects"] == n)
    assert any("was lost" in (value["error"] or "") for value in seen)
    eventually(lambda: server.clients_now == 1)


@pytest.mark.usefixtures("quick")
def test_sockets_that_end_as_soon_as_they_open_are_tried_ever_more_slowly(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "FIRST_DELAY_S", 0.2)
    monkeypatch.setattr(reconnect, "LONGEST_DELAY_S", 30.0)
    server = wire(SAFE_SERVER)
    server.replies["request_initial_state"] = lambda: ["41"]  # asked over an open link, not in the handshake
    m = connect(server.url, transports="websocket")
    eventually(lambda: len(server.opened_s) >= 5, 30.0)
    gaps = [b - a for a, b in zip(server.opened_s, server.opened_s[1:], strict=False)]
    assert gaps[-1] > gaps[-2] > 0.2
    eventually(lambda: "The socket does not stay open." in (m.connection["reason"] or ""))


@pytest.mark.usefixtures("quick")
def test_a_server_that_refuses_is_quoted(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER, welcome='44{"message":"who are you?"}')
    m = connect(server.url)
    eventually(lambda: "refused the connection (who are you?)" in str(m.connection))
    assert m.connection["state"] != "live"


def test_a_port_that_says_nothing_is_left_after_the_timeout(
    connect: Connect, raw_port: Callable[..., RawPort]
) -> None:
    port = raw_port()
    m = connect(port.url, timeout=0.3)
    eventually(lambda: m.connection["error"], timeout=2)
    assert m.connection["error"] == f"{port.url} did not answer within 0.3 s."
    assert m.connection["attempt"] == 1


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize("health", [SAFE_SERVER, {}], ids=["roma", "no-roma"])
def test_a_handshake_that_gets_no_answer_is_left_after_the_timeout(
    connect: Connect, wire: Wire, transport: str, health: dict[str, Any]
) -> None:
    server = wire({**health, "/api/projects": {"projects": [], "current_project_id": None}}, mute=True)
    m = connect(server.url, timeout=0.3, transports=(transport,))
    expected = f"The {transport} handshake with {server.url} got no answer within 0.3 s."
    eventually(lambda: expected in str((m.connection["reason"], m.connection["error"])), timeout=2)
    assert m.connection["state"] == ("polling" if health else "reconnecting")
    eventually(lambda: len(server.handshakes) >= 2)  # it goes on trying
    assert server.opened_s[1] - server.opened_s[0] >= 0.3


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "says",
    [b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\xff\x15\x03\x01\r\n\r\n", b"\xff" * 70_000],
    ids=["ssh", "binary", "long"],
)
def test_a_port_that_speaks_garbage_is_named(
    connect: Connect, raw_port: Callable[..., RawPort], says: bytes
) -> None:
    port = raw_port(says)
    m = connect(port.url, timeout=1)
    eventually(lambda: m.connection["error"])
    assert port.url in m.connection["error"]
    assert len(m.connection["error"]) < 200
    eventually(lambda: m.connection["state"] == "failed")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answer", [404, HTML], ids=["404", "200-html"])
def test_an_http_server_of_another_kind_is_named(connect: Connect, wire: Wire, answer: Any) -> None:
    refuse = {"websocket": 404, "polling": 404}
    server = wire({"*": answer}, refuse=refuse)
    m = connect(server.url)
    with pytest.raises(roma.ConnectError, match=rf"{server.url} is no (socket\.io|ROMA) server"):
        m.wait("connected", timeout=5)
    assert m.connection["state"] == "failed"
    # it is asked again, and is followed once it is a ROMA server
    server.answers.update(SAFE_SERVER)
    server.refuse.clear()
    eventually(lambda: m.connection["state"] == "live")
    assert m.connection["error"] is None


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("answer", [404, HTML, 401, 500], ids=str)
def test_a_server_without_a_list_of_projects_is_not_called_connected(
    connect: Connect, wire: Wire, answer: Any
) -> None:
    server = wire({"/api/health": ROMA_V1, "/api/executions": 500, "/api/projects": answer})
    m = connect(server.url)
    eventually(lambda: "gives no list of projects" in (m.connection["error"] or ""))
    assert m.connection["state"] == "reconnecting"
    assert server.handshakes == []
    server.answers["/api/projects"] = {"projects": [], "current_project_id": None}
    m.wait("connected", timeout=5)
    assert m.connection["state"] == "polling"
    assert m.connection["error"] is None
    server.answers["/api/executions"] = IDLE
    eventually(lambda: m.connection["state"] == "live")


@pytest.mark.usefixtures("quick")
def test_a_server_that_breaks_off_one_answer_is_not_asked_without_a_pause(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "POLL_FIRST_S", 0.3)
    server = wire({"/api/health": ROMA_V1, "/api/executions": 500, "/api/projects": 404})
    connect(server.url)
    eventually(lambda: server.asked.count("/api/projects") == 2)
    assert server.asked.count("/api/health") <= 3
