"""How a monitor gets to hear a server: transports, the state at the time of joining, large runs, tokens."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from client.servers import (
    IDLE,
    ROMA_V1,
    SAFE,
    Replay,
    WireServer,
    eventually,
    frame,
    node,
    packet,
    projects_list,
    recording,
)

import roma_widget as roma
from roma_widget.client import feed as feed_module
from roma_widget.core import frame as frame_reader
from roma_widget.widget.picture import html_of

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
MB = 1_000_000

SAFE_SERVER = {"/api/health": SAFE}
IDLE_V1 = {"/api/health": ROMA_V1, "/api/executions": IDLE}


def asked_for(server: WireServer) -> list[str]:
    return [name for name, _ in server.emitted]


# -- transports


def test_websocket_is_tried_first(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    assert m.wait("connected", timeout=5) is True
    assert m.connection["state"] == "live"
    assert m.connection["transport"] == "websocket"
    assert server.handshakes == ["websocket"]


@pytest.mark.parametrize("status", [400, 403, 502])
def test_polling_is_tried_where_websocket_upgrades_are_refused(
    connect: Connect, wire: Wire, status: int
) -> None:
    server = wire(SAFE_SERVER, refuse={"websocket": status})
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert m.connection["transport"] == "polling"
    assert server.handshakes == ["websocket", "polling"]
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: "root" in s.tasks, timeout=5)


def test_polling_alone_opens_no_websocket(connect: Connect, replay: Callable[..., Replay]) -> None:
    server = replay(recording(frame([node("root")]), frame([node("root", "DONE")], status="completed")))
    m = connect(server.url, transports="polling")
    m.wait("connected", timeout=5)
    assert m.connection["transport"] == "polling"
    server.go_to_end()
    assert m.wait("done", timeout=5) == "succeeded"


def test_a_burst_over_polling_does_not_end_the_connection(connect: Connect, wire: Wire) -> None:
    """The library takes 16 packets in one poll and hangs up on the 17th."""
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports=("polling",))
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send(*(packet("task_graph_update", frame([node("root"), node(f"n{i}")])) for i in range(200)))
    m.wait(lambda s: "n199" in s.tasks, timeout=5)
    assert m.connection["state"] == "live"
    assert m.connection["reconnects"] == 0


# -- the state at the time of joining


def test_a_server_that_says_it_is_safe_is_asked_for_its_state_at_once(
    connect: Connect, replay: Callable[..., Replay]
) -> None:
    server = replay(recording(frame([node("root", "DONE")], status="completed")))
    server.go_to_end()
    m = connect(server.url)
    assert m.wait("done", timeout=5) == "succeeded"


def test_a_server_that_does_not_say_it_is_safe_is_never_sent_request_initial_state(
    connect: Connect, wire: Wire, quick: None
) -> None:
    server = wire(IDLE_V1, greeting=[packet("projects_list", projects_list("p1"))])
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.emitted)
    assert server.emitted == [("restore_project_state", [{"project_id": "p1"}])]
    server.emit("project_restored", frame([node("root", "DONE")], status="completed"))
    assert m.wait("done", timeout=5) == "succeeded"
    assert asked_for(server) == ["restore_project_state"]


def test_a_finished_run_on_a_server_that_says_nothing_is_restored(
    connect: Connect, replay: Callable[..., Replay], quick: None
) -> None:
    server = replay(recording(frame([node("root", "DONE")], status="completed")), safe_to_join=False)
    server.go_to_end()
    m = connect(server.url)
    assert m.wait("done", timeout=5) == "succeeded"


def test_nothing_is_asked_for_when_a_frame_came_by_itself(connect: Connect, wire: Wire, quick: None) -> None:
    server = wire(
        IDLE_V1,
        greeting=[packet("projects_list", projects_list("p1"))],
        behind_welcome=[packet("task_graph_update", frame([node("root")]))],
    )
    m = connect(server.url)
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 2 * feed_module.FIRST_FRAME_S)
    assert server.emitted == []


def test_nothing_is_asked_for_when_there_is_no_project(connect: Connect, wire: Wire, quick: None) -> None:
    server = wire(IDLE_V1, greeting=[packet("projects_list", projects_list(None, "p1"))])
    m = connect(server.url)
    m.wait("connected", timeout=5)
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 2 * feed_module.FIRST_FRAME_S)
    assert server.emitted == []


def test_the_current_project_is_restored_also_while_another_one_is_watched_over_http(
    connect: Connect, wire: Wire, quick: None
) -> None:
    other = {"project": {"id": "p2", "goal": "another"}, "state": frame([node("x", "DONE")], project="p2")}
    server = wire(
        {**IDLE_V1, "/api/projects/p2": other}, greeting=[packet("projects_list", projects_list("p1", "p2"))]
    )
    watching = connect(server.url, project="p2")
    current = connect(server.url)
    watching.wait(lambda s: "x" in s.tasks, timeout=5)
    eventually(lambda: server.emitted)
    assert server.emitted == [("restore_project_state", [{"project_id": "p1"}])]
    server.emit("project_restored", frame([node("root")]))
    current.wait(lambda s: "root" in s.tasks, timeout=5)


def test_a_project_is_watched_on_when_the_server_turns_to_another(
    connect: Connect, wire: Wire, quick: None
) -> None:
    """Frames come for the current project only, and no list tells that another one became that."""
    state = {"project": {"id": "p1", "goal": "g"}, "state": frame([node("root")])}
    server = wire(
        {**SAFE_SERVER, "/api/projects/p1": state}, greeting=[packet("projects_list", projects_list("p1"))]
    )
    m = connect(server.url, project="p1")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root"), node("root.1")])
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    server.send_frame([node("elsewhere")], project="p2")
    server.answers["/api/projects/p1"] = {**state, "state": frame([node("root"), node("root.2")])}
    m.wait(lambda s: "root.2" in s.tasks, timeout=5)
    assert m.connection["state"] == "live"


def test_a_request_without_acknowledgement_does_not_hide_that_the_connection_is_lost(
    connect: Connect, wire: Wire
) -> None:
    server = wire(SAFE_SERVER, acknowledge=False)
    m = connect(server.url, timeout=20)
    m.wait("connected", timeout=5)
    eventually(lambda: server.emitted)
    server.cut()
    eventually(lambda: m.connection["reconnects"] == 1, timeout=5)


# -- large runs


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_run_of_150_mb_with_frames_of_20_mb_passes(connect: Connect, wire: Wire, transport: str) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports=(transport,), timeout=60)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    text = "lorem ipsum " * (MB // 12)
    many = {f"root.{i}": node(f"root.{i}", "DONE", full_result=text) for i in range(20)}
    for number in range(8):
        many["root.0"] = node("root.0", "DONE", full_result=text, output_summary=f"frame {number}")
        server.send_frame(many)
        summary = f"frame {number}"
        m.wait(lambda s, text=summary: s.tasks and s.tasks["root.0"].result_summary == text, timeout=30)
    assert m.link()["bytes_received"] > 150 * MB
    assert len(m.task("root.19").result) == len(text)
    assert m.connection["error"] is None
    assert m.connection["reconnects"] == 0


# -- what is not read twice


def test_a_task_that_did_not_change_is_not_decoded_again(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []
    read_node = frame_reader._read_node

    def counting(task_id: str, *arguments: Any) -> Any:
        decoded.append(task_id)
        return read_node(task_id, *arguments)

    monkeypatch.setattr(frame_reader, "_read_node", counting)
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    same = [node("root"), node("root.1"), node("root.2")]
    for number in range(10):
        server.send_frame(same, timestamp=f"2025-09-19T10:00:{number:02}.000001")
        eventually(lambda count=number: m.link()["frames"] == count + 1)
    assert sorted(decoded) == ["root", "root.1", "root.2"]
    server.send_frame([*same[:2], node("root.2", "DONE")])
    m.wait(lambda s: "root.2" in s.tasks and s.tasks["root.2"].status == "DONE", timeout=5)
    assert sorted(decoded) == ["root", "root.1", "root.2", "root.2"]


def test_a_frame_that_repeats_publishes_nothing(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    before = m.revision
    for number in range(5):
        server.send_frame([node("root")], timestamp=f"2025-09-19T10:00:{number:02}.000001")
    eventually(lambda: m.link()["frames"] == 6)
    server.send_frame([node("root"), node("root.1")])
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    assert m.revision == before + 1


def test_of_frames_that_come_faster_than_they_are_read_the_newest_wins(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports=("polling",))  # one poll brings them all together
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send(*(packet("task_graph_update", frame([node("root", layer=i)])) for i in range(50)))
    m.wait(lambda s: s.tasks and s.tasks["root"].layer == 49, timeout=5)
    link = m.link()
    assert link["skipped_frames"] > 0
    assert link["frames"] + link["skipped_frames"] == 50


def test_a_frame_is_not_skipped_for_what_is_no_frame(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports=("polling",))
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    pairs = [
        text
        for i in range(20)
        for text in (
            packet("task_graph_update", frame([node("root", layer=i)])),
            packet("execution_started", {}),
        )
    ]
    server.send(*pairs)
    m.wait(lambda s: s.tasks and s.tasks["root"].layer == 19, timeout=5)
    assert m.link()["skipped_frames"] == 0


# -- tokens


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_the_token_reaches_the_server_in_every_request(connect: Connect, wire: Wire, transport: str) -> None:
    server = wire(SAFE_SERVER)
    m = connect(
        server.url, token="s3cret-token", headers={"X-Extra": "e", "Cookie": "a=b"}, transports=(transport,)
    )
    m.wait("connected", timeout=5)
    eventually(lambda: server.emitted)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    assert [auth["token"] for auth in server.auths] == ["s3cret-token"]
    requests = [*server.http_headers, *server.socket_headers]
    assert len(server.socket_headers) >= (4 if transport == "polling" else 1)
    for headers in requests:
        assert headers["Authorization"] == "Bearer s3cret-token"
        assert headers["X-Extra"] == "e"
        assert headers["Cookie"] == "a=b"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_redirect_is_not_followed_and_carries_no_secret_away(
    connect: Connect, wire: Wire, transport: str
) -> None:
    elsewhere = wire(SAFE_SERVER)
    server = wire(SAFE_SERVER, refuse={transport: 307})
    server.redirect_to = elsewhere.url
    away = {"status": 307, "headers": {"Location": f"{elsewhere.url}/api/projects"}}
    server.answers["/api/projects"] = lambda: web.Response(**away)
    m = connect(server.url, token="s3cret-token", headers={"X-Key": "s3cret"}, transports=(transport,))
    reason = eventually(lambda: m.connection["reason"])
    assert f"{server.url} sends the {transport} handshake on to '{elsewhere.url}/socket.io/?" in reason
    assert len(reason) < 500
    eventually(lambda: "/api/projects" in server.asked)  # it is followed over HTTP meanwhile
    eventually(lambda: "HTTP 307" in (m.connection["error"] or ""))
    assert (elsewhere.socket_headers, elsewhere.http_headers, elsewhere.auths) == ([], [], [])


def test_cookies_of_a_server_do_not_come_back_to_it(connect: Connect, wire: Wire, quick: None) -> None:
    """It has a name: of a bare number no library keeps any."""
    health = {
        "text": json.dumps(SAFE),
        "content_type": "application/json",
        "headers": {"Set-Cookie": "who=me"},
    }
    server = wire({"/api/health": lambda: web.Response(**health)}, refuse={"websocket": 400})
    server.socket_says = {"Set-Cookie": "who=you"}
    m = connect(f"http://localhost:{server.port}")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)  # by polling, which is many requests
    server.cut()
    eventually(lambda: server.handshakes.count("polling") == 2)
    assert len(server.http_headers) > 1
    assert not any("Cookie" in headers for headers in [*server.http_headers, *server.socket_headers])


def test_no_proxy_of_the_environment_is_asked(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")
    assert connect(wire(SAFE_SERVER).url).wait("connected", timeout=5) is True


def test_the_token_is_nowhere_to_be_read(
    connect: Connect, wire: Wire, quick: None, caplog: pytest.LogCaptureFixture
) -> None:
    token = "s3cret-token"
    caplog.set_level(logging.DEBUG)
    echo = packet("error", {"message": f"I do not like {token}"})
    server = wire(SAFE_SERVER, refuse={"polling": 401})
    m = connect(server.url, token=token, headers={"X-Key": token})
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send("42[3]", echo)
    eventually(lambda: "I do not like" in (m.connection["error"] or ""))
    seen = [repr(m.connection)]
    server.answers["/api/health"] = 500
    server.cut()
    eventually(lambda: m.connection["state"] == "reconnecting")
    seen += [repr(m.connection)]
    server.close()
    eventually(lambda: m.connection["attempt"] > 1)
    with pytest.raises(roma.WaitTimeout) as late:
        m.wait("connected", timeout=0.05)
    seen += [
        str(late.value),
        repr(m),
        repr(m._session),
        repr(m._session._feed),
        repr(m._session._feed.options),
    ]
    # what a saved notebook holds: the widget's state, the output's bundle, the static picture
    seen += [
        json.dumps(m.get_state(), default=str),
        repr(m._repr_mimebundle_()),
        html_of(m.snapshot, m.static_key),
        caplog.text,
    ]
    seen += [repr(record.__dict__) for record in caplog.records]
    assert token not in "\n".join(seen)
