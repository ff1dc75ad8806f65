"""Every event at the wrong moment: unasked for, twice, before what it belongs to, of a project nobody heard of."""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from client.servers import SAFE, WireServer, eventually, frame, node, projects_list
from client.servers import packet as packet_of

import roma_widget as roma
from roma_widget.core import wire as reader
from roma_widget.core.replies import SMALL_EVENTS

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
STRANGER = frame([node("root", goal="a stranger's"), node("s")], project="stranger")
TRACE = {"node_id": "root", "trace_id": "t", "stages": []}

EVENTS: dict[str, Any] = {
    "task_graph_update": STRANGER,
    "project_restored": STRANGER,
    "project_switched": {"project_id": "stranger", "project_data": STRANGER},
    "project_switch_success": {"project_id": "stranger", "project_data": STRANGER},
    "projects_list": projects_list("p1", "p2"),
    "project_started": {"message": "begun", "project": {"id": "stranger"}},
    "node_trace_data": {"node_id": "root", "trace": TRACE},
    "stage_details_data": {"node_id": "root", "stage_id": "s", "stage": {"stage_name": "planning"}},
    "save_success": {"project_id": "stranger"},
    "execution_started": {"project_id": "stranger"},
    "traces_cleared": {"project_id": "stranger"},
    "project_stopped": {"project_id": "stranger"},
    "project_status_update": {"project_id": "stranger", "status": "failed"},
    "hitl_request": {"request_id": "r", "checkpoint_name": "c", "node_id": "nobody"},
    "hitl_answered": {"request_id": "r", "action": "approve", "answered_by": "somebody"},
    "hitl_closed": {"request_id": "r", "reason": "lost"},
    "hitl_queued": {"request_id": "r", "action": "approve", "answered_by": "somebody"},
    "extension": {"version": 1, "server": "s"},
    "relay": {"of": "http://elsewhere", "state": "reconnecting"},
    "simple_execution_started": {"message": "begun", "goal": "g"},
    "simple_execution_update": {"result": "r"},
    "error": {"message": "no"},
    "node_trace_error": {"error": "no"},
    "project_switch_error": {"error": "no"},
}
LEAN = {"goal": "g", "status": "RUNNING", "needs": []}
PACKED: dict[str, Any] = {
    "delta": {"epoch": 1, "seq": 2, "base": 1, "nodes": {"root": {"status": "DONE"}}},
    "snapshot": {"epoch": 1, "seq": 1, "project": {"id": "stranger"}, "nodes": {"root": LEAN, "s": LEAN}},
    "stages": {
        "stages": [
            {"project_id": "stranger", "node_id": "s", "seq": 0, "stage": '{"stage_name": "planning"}'}
        ]
    },
    "task_result_data": {"project_id": "stranger", "node_id": "s", "result": "null"},
    "task_watched": {"project_id": "stranger", "node_id": "s"},
    "task_unwatched": {"project_id": "stranger", "node_id": "s"},
}
"""Of the extension; binary."""
SAID = {"error", "node_trace_error", "project_switch_error"}


def test_these_are_all_events_that_are_read() -> None:
    assert EVENTS.keys() >= {*SMALL_EVENTS, *reader._GRAPH_EVENTS, *reader._SWITCH_EVENTS}
    for name, payload in EVENTS.items():
        event = reader.read_event(name, reader.Payload(json.dumps(payload)))
        assert not isinstance(event, reader.Unhandled | reader.Unreadable)


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire({"/api/health": SAFE})


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    """A monitor that has heard nothing yet."""
    monitor = connect(server.url)
    monitor.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    return monitor


def packets(name: str) -> list[str | bytes]:
    if name in PACKED:
        return [f'451-["{name}",{{"_placeholder":true,"num":0}}]', msgspec.msgpack.encode(PACKED[name])]
    return [packet_of(name, EVENTS[name])]


def show_both_runs(m: roma.Monitor, server: WireServer) -> None:
    """The server goes on as if nothing had been, and each project is what its own frame says."""
    server.emit("projects_list", projects_list("p2", "p1"))
    server.send_frame([node("root", goal="of p2"), node("b")], project="p2")
    m.wait(
        lambda s: s.project and s.project.project_id == "p2" and sorted(s.tasks) == ["b", "root"], timeout=5
    )
    server.send_frame([node("root", goal="of p1"), node("a")], project="p1")
    m.wait(
        lambda s: s.project and s.project.project_id == "p1" and sorted(s.tasks) == ["a", "root"], timeout=5
    )
    assert m.task("root").goal == "of p1"
    eventually(lambda: m.connection["error"] is None)
    assert m.connection["state"] == "live"
    assert m.connection["reconnects"] == 0


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("name", [*EVENTS, *PACKED])
def test_an_event_at_the_wrong_moment_changes_no_run(
    m: roma.Monitor, server: WireServer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    twice = packets(name) * 2
    server.send(*twice)  # before any list, nobody having asked
    show_both_runs(m, server)
    asked_before = m.link()["unasked_replies"]
    server.send(*twice, packet_of("project_status_update", {"project_id": "p1", "status": "heard"}))
    eventually(lambda: next(one["status"] for one in m.projects if one["id"] == "p1") == "heard")
    assert m.link()["unasked_replies"] - asked_before in (0, 2)
    if name in SAID:
        eventually(lambda: m.connection["error"] == f"The server said {name}: no.")
    show_both_runs(m, server)
    assert errors_of(caplog) == []


@pytest.mark.parametrize("seed", range(4))
def test_all_events_in_any_order(
    m: roma.Monitor, server: WireServer, caplog: pytest.LogCaptureFixture, seed: int
) -> None:
    names = [*EVENTS, *PACKED] * 3
    random.Random(seed).shuffle(names)
    server.send(*(one for name in names for one in packets(name)))
    show_both_runs(m, server)
    server.send(*(one for name in names[::-1] for one in packets(name)))
    show_both_runs(m, server)
    assert errors_of(caplog) == []


def test_a_project_that_is_started_twice_is_one_project(m: roma.Monitor, server: WireServer) -> None:
    server.send_frame([node("root"), node("old")], project="p1")
    started = {"message": "begun", "project": {"id": "p1", "status": "running"}}
    server.send(*[packet_of("project_started", started)] * 2)
    server.send_frame([node("root"), node("new")], project="p1")
    m.wait(lambda s: sorted(s.tasks) == ["new", "root"], timeout=5)
    assert [entry["id"] for entry in m.projects] == ["p1"]


def test_a_switch_before_the_list_is_a_project_all_the_same(m: roma.Monitor, server: WireServer) -> None:
    server.emit("project_switched", EVENTS["project_switched"])
    server.emit("projects_list", projects_list("stranger"))
    m.wait(lambda s: sorted(s.tasks) == ["root", "s"], timeout=5)
    assert m.project["id"] == "stranger"
