"""A run in progress on a server that does not say that joining is safe: followed over HTTP, never by a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client.servers import (
    IDLE,
    ROMA_V1,
    RUNNING,
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
from roma_widget.archive.capture import read_capture
from roma_widget.client.rest import RUN_IN_PROGRESS

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
Make = Callable[..., Replay]

GROWING = [frame([node("root"), *(node(f"root.{i}") for i in range(count))]) for count in range(3)]
ENDED = frame([node("root", "DONE"), node("root.0", "DONE")], status="completed")
P1 = {"projects": [{"id": "p1", "goal": "g", "status": "running"}], "current_project_id": "p1"}


def roma_v1(state: Any, executions: Any = RUNNING) -> dict[str, Any]:
    """The answers of a server whose current project p1 has `state` saved."""
    project = {"id": "p1", "goal": "g", "status": "running"}
    if isinstance(state, dict):
        project = state["current_project"]
    return {
        "/api/health": ROMA_V1,
        "/api/executions": executions,
        "/api/projects": P1,
        "/api/projects/p1": {"project": project, "state": state},
    }


def test_a_run_in_progress_is_followed_without_a_socket_until_it_has_ended(
    connect: Connect, replay: Make
) -> None:
    server = replay(recording(*GROWING, ENDED), safe_to_join=False)
    server.go_to(1.0)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert m.connection["state"] == "polling"
    assert m.connection["reason"] == RUN_IN_PROGRESS
    for count in (1, 2, 3):
        server.go_to(float(count))
        m.wait(lambda s, n=count: len(s.tasks) == n, timeout=5)
        assert m.connection["state"] == "polling"
    assert server.connections_total == 0
    server.go_to_end()
    assert m.wait("done", timeout=5) == "succeeded"
    eventually(lambda: m.connection["state"] == "live")
    assert server.connections_total == 1
    assert m.connection["reason"] is None


def test_a_recorded_run_of_the_real_server_is_followed_without_a_socket(
    connect: Connect, replay: Make, captures: Any
) -> None:
    recorded = read_capture(captures / "a_complete.jsonl.xz")
    server = replay(recorded, safe_to_join=False)
    started = next(i for i, f in enumerate(recorded.frames) if f.project and b'"root"' in f.payload)
    m = None
    counts = set()
    for broadcast in recorded.frames[started::12]:
        server.go_to(broadcast.at_s)
        m = m or connect(server.url)
        frames_before = m.link()["frames"]
        eventually(lambda before=frames_before, of=m: of.link()["frames"] > before)
        counts.add(len(m.snapshot.tasks))
        assert server.connections_total == 0
    assert m is not None
    assert len(counts) > 2
    server.go_to_end()
    assert m.wait("done", timeout=5) == "succeeded"
    eventually(lambda: server.connections_total == 1)


def test_joining_always_connects_at_once(connect: Connect, replay: Make) -> None:
    server = replay(recording(*GROWING), safe_to_join=False)
    server.go_to(1.0)
    m = connect(server.url, join="always")
    m.wait("connected", timeout=5)
    assert m.connection["state"] == "live"
    assert server.connections_total == 1


def test_also_who_joins_always_does_not_ask_for_the_initial_state_of_such_a_server(
    connect: Connect, wire: Wire
) -> None:
    server = wire(roma_v1(frame([node("root")])), greeting=[packet("projects_list", projects_list("p1"))])
    connect(server.url, join="always")
    eventually(lambda: server.emitted)
    assert server.emitted == [("restore_project_state", [{"project_id": "p1"}])]


def test_a_person_can_connect_anyway(connect: Connect, replay: Make) -> None:
    server = replay(recording(*GROWING), safe_to_join=False)
    server.go_to(1.0)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert server.connections_total == 0
    m.reconnect()
    frames = m.link()["frames"]
    eventually(lambda: m.link()["frames"] > frames + 1)
    assert server.connections_total == 0
    m.reconnect(force=True)
    eventually(lambda: m.connection["state"] == "live")
    server.go_to(3.0)
    m.wait(lambda s: len(s.tasks) == 3, timeout=5)


@pytest.mark.parametrize("forced", ["before the socket was open", "also while it was open"])
def test_connecting_anyway_holds_for_one_socket(connect: Connect, wire: Wire, forced: str) -> None:
    server = wire(roma_v1(frame([node("root")])))
    m = connect(server.url)
    m.wait("connected", timeout=5)
    m.reconnect(force=True)
    eventually(lambda: m.connection["state"] == "live" and server.clients_now)
    if forced == "also while it was open":
        m.reconnect(force=True)
    server.cut()
    eventually(lambda: m.connection["state"] == "polling")
    frames = m.link()["frames"]
    eventually(lambda: m.link()["frames"] > frames + 3)
    assert len(server.handshakes) == 1


def test_a_socket_lost_during_a_run_is_replaced_by_http_until_the_run_has_ended(
    connect: Connect, wire: Wire
) -> None:
    server = wire(roma_v1(frame([node("root")]), IDLE))
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    server.answers.update(roma_v1(frame([node("root"), node("root.0")])))
    server.cut()
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    assert m.connection["state"] == "polling"
    assert m.connection["reason"] == RUN_IN_PROGRESS
    assert len(server.handshakes) == 1
    server.answers.update(roma_v1(ENDED, IDLE))
    assert m.wait("done", timeout=5) == "succeeded"
    eventually(lambda: m.connection["state"] == "live")
    assert m.connection["reconnects"] == 1
    assert len(server.handshakes) == 2


@pytest.mark.parametrize("torn", [None, frame({}), [], "half"], ids=["null", "no-tasks", "list", "text"])
def test_a_torn_read_keeps_the_last_good_state(connect: Connect, wire: Wire, torn: Any) -> None:
    whole = roma_v1(frame([node("root"), node("root.0")]))
    server = wire(whole)
    m = connect(server.url)
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    server.answers.update(roma_v1(torn))
    asked = len(server.asked)
    eventually(lambda: len(server.asked) > asked + 12)
    assert len(m.snapshot.tasks) == 2
    assert m.connection["state"] == "polling"
    server.answers.update(roma_v1(frame([node("root"), node("root.0"), node("root.1")])))
    m.wait(lambda s: len(s.tasks) == 3, timeout=5)


def test_a_body_that_breaks_off_keeps_the_last_good_state(connect: Connect, wire: Wire) -> None:
    server = wire(roma_v1(frame([node("root")])))
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    server.answers["/api/projects/p1"] = (
        200,
        '{"project": null, "state": {"all_nodes": {"roo',
        "application/json",
    )
    eventually(lambda: m.connection["error"])
    assert len(m.connection["error"]) < 400
    assert list(m.snapshot.tasks) == ["root"]
    server.answers.update(roma_v1(frame([node("root"), node("root.0")])))
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    eventually(lambda: m.connection["error"] is None)


@pytest.mark.parametrize(
    "executions", [500, 404, (200, "{", "application/json"), {"running_executions": []}], ids=str
)
def test_no_usable_word_on_what_runs_is_not_safe(connect: Connect, wire: Wire, executions: Any) -> None:
    server = wire(roma_v1(frame([node("root")]), executions))
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    assert m.connection["state"] == "polling"
    assert "nobody knows whether a run is in progress" in m.connection["reason"]
    assert server.handshakes == []


def test_a_health_answer_that_fails_does_not_make_an_idle_server_unsafe(connect: Connect, wire: Wire) -> None:
    server = wire({**roma_v1(None, IDLE), "/api/health": 500})
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert m.connection["state"] == "live"


def test_a_run_that_is_not_alive_any_more_does_no_harm(connect: Connect, wire: Wire) -> None:
    server = wire(roma_v1(None, {"running_executions": {"p1": {"is_alive": False}}}))
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert m.connection["state"] == "live"


def test_a_server_that_has_neither_question_is_not_roma_and_is_connected_to(
    connect: Connect, wire: Wire
) -> None:
    server = wire({})
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert m.connection["state"] == "live"
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)


@pytest.mark.parametrize("word", [True, "yes", 1, None, False])
def test_only_the_word_true_declares_a_server_safe(connect: Connect, wire: Wire, word: Any) -> None:
    server = wire({**roma_v1(frame([node("root")])), "/api/health": {**SAFE, "safe_to_join": word}})
    m = connect(server.url)
    m.wait("connected", timeout=5)
    assert m.connection["state"] == ("live" if word is True else "polling")


def test_a_project_that_is_not_current_is_watched_over_http_beside_the_socket(
    connect: Connect, wire: Wire
) -> None:
    def other(*nodes: Any) -> dict[str, Any]:
        return {"project": {"id": "p/2", "goal": "another"}, "state": frame(nodes, project="p/2")}

    server = wire(
        {"/api/health": SAFE, "/api/projects/p/2": other(node("x"))},
        greeting=[packet("projects_list", projects_list("p1", "p/2"))],
    )
    m = connect(server.url, project="p/2")
    m.wait(lambda s: "x" in s.tasks, timeout=5)
    server.send_frame([node("root")])
    server.answers["/api/projects/p/2"] = other(node("x"), node("y"))
    m.wait(lambda s: "y" in s.tasks, timeout=5)
    assert list(m.snapshot.tasks) == ["x", "y"]
    assert m.connection["state"] == "live"
    assert m.project["id"] == "p/2"


def test_a_project_that_is_not_there_is_named(connect: Connect, wire: Wire) -> None:
    server = wire({"/api/health": SAFE})
    m = connect(server.url, project="n" * 10_000)
    eventually(lambda: m.connection["error"])
    assert "The server knows no project" in m.connection["error"]
    assert len(m.connection["error"]) < 200
