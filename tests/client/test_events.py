"""`m.events()` on real feeds: what happened, and what a server said that nobody understands."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from client.servers import SAFE, WireServer, eventually, node, packet

import roma_widget as roma

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]

pytestmark = pytest.mark.usefixtures("quick")


def told(m: roma.Monitor) -> list[tuple[Any, ...]]:
    """The rows as tuples, None where a value is missing."""
    columns = ["event", "task_id", "field", "before", "after"]
    rows = m.events()[columns].itertuples(index=False, name=None)
    return [tuple(None if pd.isna(value) else value for value in row) for row in rows]


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire({"/api/health": SAFE})


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    monitor = connect(server.url)
    eventually(lambda: server.clients_now)
    return monitor


def test_a_run_and_its_connection_leave_their_traces(m: roma.Monitor, server: WireServer) -> None:
    server.send_frame([node("root")])
    eventually(lambda: ("task_added", "root", None, None, "RUNNING") in told(m))
    server.send_frame([node("root")], timestamp="2025-09-19T10:00:01")  # nothing new
    server.send_frame([node("root", "DONE"), node("root.1", "PENDING")])
    eventually(lambda: ("task_added", "root.1", None, None, "PENDING") in told(m))
    server.send_frame([node("root", "DONE")], status="completed")
    eventually(lambda: ("task_removed", "root.1", None, None, None) in told(m))
    server.cut()
    eventually(lambda: told(m)[-1] == ("connection", None, None, "reconnecting", "live"))
    assert told(m) == [
        ("connection", None, None, "connecting", "live"),
        ("project_changed", None, "project_id", None, "p1"),
        ("project_changed", None, "goal", None, "a goal"),
        ("project_changed", None, "status", None, "running"),
        ("task_added", "root", None, None, "RUNNING"),
        ("task_changed", "root", "status", "RUNNING", "DONE"),
        ("task_added", "root.1", None, None, "PENDING"),
        ("project_changed", None, "status", "running", "completed"),
        ("task_removed", "root.1", None, None, None),
        ("connection", None, None, "live", "reconnecting"),
        ("connection", None, None, "reconnecting", "live"),
    ]
    m.disconnect()
    assert told(m)[-1] == ("connection", None, None, "live", "closed")


def test_what_a_server_says_beyond_what_is_known(m: roma.Monitor, server: WireServer) -> None:
    long_name = "n" * 10_000
    server.emit("weather", {"ö": 1})
    server.emit("w" * 200, [])
    server.send(packet(long_name, 1))
    server.send('42["bare"]')
    server.send('451-["weather",{"_placeholder":true,"num":0}]', b"\x00\xff")
    server.emit("save_project_error", {"message": "the disk is full"})
    server.emit("projects_list", None)
    rows = eventually(lambda: [row for row in told(m) if row[2] == "projects_list"] and told(m)[1:])
    size = len(json.dumps([{"ö": 1}])[1:])
    assert rows[:2] == [
        ("weather", None, "size", None, str(size)),
        ("w" * 200, None, "size", None, "3"),
    ]
    errors = [(field, after) for event, _, field, _, after in rows[2:] if event == "error"]
    assert errors[:2] == [
        ("n" * 79 + "…", "an event with a name of 10,000 characters was skipped"),
        ("bare", "bare: came without its argument"),
    ]
    assert any("binary" in after for _, after in errors)
    assert errors[-2:] == [
        ("save_project_error", "the disk is full"),
        ("projects_list", "projects_list: expected an object, got null"),
    ]
    assert m.connection["state"] == "live"


def test_a_flood_of_unknown_events_does_not_make_the_log_forget(m: roma.Monitor, server: WireServer) -> None:
    server.send_frame([node("root")])
    server.send(*(packet(f"noise {count}", count) for count in range(3_000)))
    eventually(lambda: m.events().attrs["dropped"] == 500, timeout=30)
    assert ("task_added", "root", None, None, "RUNNING") in told(m)
