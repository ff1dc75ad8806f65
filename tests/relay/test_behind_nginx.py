"""Relays behind a real nginx: TLS, a path for each, a proxy's own login. The configuration is docs/nginx-relay.conf."""

from __future__ import annotations

import io
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from client.servers import ServerThread, eventually
from relay.conftest import MakeRelay
from relay.nginx import Nginx

import roma_widget as roma
from roma_widget.relay.relay import Relay
from roma_widget.server.network.limits import Limits

TIMEOUT_S = 20.0
TOKEN = "of-the-relay"
HUB = {"Authorization": "token of-the-hub"}
BIG = 10_000_000
SOCKET = "socket.io/?EIO=4&transport=websocket"
JOIN = f'40{{"token":"{TOKEN}"}}'
pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def above() -> Iterator[roma.Server]:
    with roma.Server() as server:
        yield server


@pytest.fixture
def relay(above: roma.Server, relay_of: MakeRelay) -> Relay:
    return relay_of(above.url, token=TOKEN, limits=Limits(ping_interval_s=0.3, ping_timeout_s=2.0))


@pytest.fixture
def nginx(relay: Relay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nginx]:
    """Alice's relay is `relay`, Bob's is not there."""
    running = Nginx(tmp_path, {8001: relay.port, 8002: 1})
    monkeypatch.setenv("SSL_CERT_FILE", str(running.certificate))
    yield running
    running.close()


def finish(server: roma.Server, result: str = "found") -> None:
    with server.project("Survey") as project, project.task("Survey", task_type="WRITE") as root:
        with root.stage("execution", agent="writer") as stage:
            stage.record(prompt="Where?", response="Here.")
        root.finish(result)


@pytest.mark.parametrize(
    ("place", "headers", "transport"),
    [
        ("/roma/alice/", {}, "websocket"),
        ("/no-upgrade/", {}, "polling"),
        ("/user/alice/proxy/8001/", HUB, "websocket"),
    ],
)
def test_what_a_notebook_does_works_through_it(
    above: roma.Server, nginx: Nginx, place: str, headers: dict[str, str], transport: str
) -> None:
    with roma.connect(nginx.url + place, token=TOKEN, headers=headers) as m:
        m.wait("connected", timeout=TIMEOUT_S)
        assert (m.connection["state"], m.connection["transport"]) == ("live", transport)
        m.hitl.on_request(lambda request: request.modify("shorter"))
        with above.project("Survey") as project, project.task("Survey", task_type="WRITE") as root:
            assert root.ask("PlanReview", "Good?", timeout=TIMEOUT_S).instructions == "shorter"
            with root.stage("execution", agent="writer") as stage:
                stage.record(prompt="Where?", response="Here.")
            root.finish("found")
        assert m.wait("done", timeout=TIMEOUT_S) == "succeeded"
        assert m.result("root") == "found"
        assert m.trace("root").stages[-1].llm_response == "Here."
        assert m.link()["extension"], "changes come, not whole states"


@pytest.mark.parametrize(
    ("place", "options", "said"),
    [
        ("/roma/alice", {}, "lets nobody in without the right token: connect with token="),
        ("/roma/alice", {"token": "wrong"}, "lets nobody in without the right token: connect with token="),
        ("/user/alice/proxy/8001", {"token": TOKEN}, "wants a login first"),
        ("/roma/bob", {"token": TOKEN}, "HTTP 502"),
    ],
)
def test_who_may_not_come_in_is_told_in_one_sentence(
    relay: Relay, nginx: Nginx, place: str, options: dict[str, Any], said: str
) -> None:
    with roma.connect(nginx.url + place, **options) as m:
        error = eventually(lambda: m.connection["error"], TIMEOUT_S)
        assert error.startswith(nginx.url + place)
        assert said in error or said in m.connection["reason"]
        assert not m.snapshot.tasks
    assert relay.shell.connections_total == 0


def test_a_certificate_that_nobody_trusts_is_said(nginx: Nginx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with roma.connect(f"{nginx.url}/roma/alice", token=TOKEN) as m:
        error = eventually(lambda: m.connection["error"], TIMEOUT_S)
        assert (
            f"The certificate of {nginx.url}/roma/alice is not trusted here (self-signed certificate)"
            in error
        )
        assert "SSL_CERT_FILE" in error
        monkeypatch.setenv("SSL_CERT_FILE", str(nginx.certificate))
        assert len(error) < 300


def test_large_frames_and_answers_pass(above: roma.Server, nginx: Nginx, servers: ServerThread) -> None:
    finish(above, "x" * BIG)
    url = f"{nginx.url}/roma/alice"
    with roma.connect(url, token=TOKEN) as m:
        m.wait("done", timeout=TIMEOUT_S)
        assert len(m.result("root")) == BIG

    async def as_plain_client() -> tuple[int, int, str]:
        """The sizes of a frame and of an HTTP answer, and what a large body comes to."""
        tls = aiohttp.TCPConnector(ssl=ssl.create_default_context())
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with aiohttp.ClientSession(connector=tls, headers=headers) as http:
            async with http.ws_connect(f"{url}/{SOCKET}", max_msg_size=0) as line:
                await line.send_str(JOIN)
                async for heard in line:
                    if len(heard.data) > BIG:
                        break
            async with http.get(f"{url}/api/task-graph") as response:
                graph = await response.text()
            body = io.BytesIO(b'{"goal":"%b"}' % (b"y" * BIG))
            json = {"Content-Type": "application/json"}
            async with http.post(f"{url}/api/projects", data=body, headers=json) as response:
                refusal = await response.json()
        return len(heard.data), len(graph), refusal["error"]

    frame, graph, refusal = servers.run(as_plain_client())
    assert min(frame, graph) > BIG
    assert "Goal" in refusal, "the relay's own word, not the proxy's"


def test_who_does_not_read_is_cut_and_nobody_else(above: roma.Server, relay: Relay, nginx: Nginx) -> None:
    with roma.connect(f"{nginx.url}/roma/alice", token=TOKEN) as m:
        m.wait("connected", timeout=TIMEOUT_S)
        with joined_and_not_reading(nginx):
            eventually(lambda: len(relay.shell.clients) == 2, TIMEOUT_S)
            finish(above, "x" * BIG)
            m.wait("done", timeout=TIMEOUT_S)
            eventually(lambda: len(relay.shell.clients) == 1, TIMEOUT_S)
        finish(above, "again")
        eventually(lambda: m.snapshot.tasks and m.result("root") == "again", TIMEOUT_S)
        assert m.connection["reconnects"] == 0


def joined_and_not_reading(nginx: Nginx) -> socket.socket:
    line = ssl.create_default_context().wrap_socket(
        socket.create_connection(("127.0.0.1", nginx.port)), server_hostname="localhost"
    )
    asked = (
        f"GET /roma/alice/{SOCKET} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    text, no_mask = JOIN.encode(), bytes(4)
    line.sendall(asked.encode() + bytes([0x81, 0x80 | len(text)]) + no_mask + text)
    return line
