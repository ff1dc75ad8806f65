"""`m.on` on real feeds: what happens is told, each single change too, and nothing after the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, node, packet, projects_list

import roma_widget as roma
from roma_widget import session

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]


@pytest.fixture
def server(wire: Callable[..., WireServer]) -> WireServer:
    listed = projects_list("p1", "p2")
    return wire({"/api/health": SAFE, "/api/projects": listed}, greeting=[packet("projects_list", listed)])


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    monitor = connect(server.url)
    eventually(lambda: server.clients_now and monitor.connection["state"] == "live")
    return monitor


def failures(m: roma.Monitor) -> list[str]:
    return [f"{row.field}: {row.after}" for row in m.events().query("event == 'error'").itertuples()]


def test_every_single_change_of_a_task_is_told(
    m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PUBLISH_EVERY_S", 60.0)  # all of it is published together
    changes: list[Any] = []
    end = m.on("task_changed", changes.append)
    for n_changes, one in enumerate([node("root", "PENDING"), node("root", "READY"), node("root")], start=1):
        server.send_frame([one])
        eventually(lambda n=n_changes: len(changes) == n)
    server.send_frame([node("other")])
    eventually(lambda: len(changes) == 5)
    assert [change.task_id for change in changes] == ["root", "root", "root", "root", "other"]
    assert [change.fields.get("status") for change in changes[:3]] == [
        None,
        ("PENDING", "READY"),
        ("READY", "RUNNING"),
    ]
    assert (changes[0].before, changes[0].after.status, changes[0].after.children) == (None, "PENDING", ())
    assert (changes[3].before.status, changes[3].after, changes[3].fields) == ("RUNNING", None, {})
    end()
    server.send_frame([node("other", "DONE")])
    eventually(lambda: "DONE" in set(m.events().after))
    assert len(changes) == 5


def test_the_end_of_a_run_is_told_once_and_not_of_one_that_had_ended(
    m: roma.Monitor, server: WireServer
) -> None:
    ended: list[str] = []

    @m.on("run_finished")
    def note(snapshot: roma.Snapshot) -> None:
        ended.append(f"{snapshot.project.project_id if snapshot.project else None} {snapshot.outcome}")

    server.send_frame([node("root")])
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    server.send_frame([node("root", "DONE")], status="completed")
    eventually(lambda: ended == ["p1 succeeded"])
    server.send_frame([node("root", "DONE"), node("x", "DONE")], status="completed")
    server.send_frame([node("root", "FAILED")], project="p2", status="failed")
    m.wait(lambda s: s.project.project_id == "p2", timeout=5)
    assert ended == ["p1 succeeded"]


def test_what_is_selected_is_told_and_the_connection(m: roma.Monitor, server: WireServer) -> None:
    selected: list[str] = []
    states: list[str] = []
    m.on("task_selected", lambda task: selected.append(task.task_id))
    m.on("connection", lambda connection: states.append(connection["state"]))
    server.send_frame([node("root"), node("x")])
    m.wait(lambda s: "x" in s.tasks, timeout=5)
    m.selection = ["root"]
    m.selection = ["root", "x"]
    server.cut()
    eventually(lambda: "reconnecting" in states and states[-1] == "live")
    assert selected == ["root", "x"]


def test_errors_are_told_and_a_function_that_raises_is_one_but_not_without_end(
    m: roma.Monitor, server: WireServer
) -> None:
    said: list[str] = []

    def fail(sentence: str) -> None:
        raise RuntimeError("no errors, please")

    m.on("error", fail)
    m.on("error", said.append)
    m.on("connection", lambda _: 1 / 0)
    server.emit("error", {"message": "No such project"})
    eventually(lambda: "error: No such project" in said)
    eventually(lambda: "on error: RuntimeError: no errors, please" in failures(m))
    server.cut()
    eventually(lambda: "on connection: ZeroDivisionError: division by zero" in said)
    assert not [one for one in said if one.startswith("on error")]


def test_after_the_end_nothing_is_told(m: roma.Monitor, server: WireServer, connect: Connect) -> None:
    states: list[Any] = []
    m.on("connection", states.append)
    m.disconnect()
    assert m.connection["state"] == "closed"
    with pytest.raises(roma.NotLive):
        m.on("connection", states.append)
    assert states == []


def test_what_is_no_event_is_refused(m: roma.Monitor) -> None:
    with pytest.raises(ValueError, match="event takes one of task_changed, "):
        m.on("tasks_changed", print)  # type: ignore[call-overload]
