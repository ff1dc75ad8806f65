"""Several projects of one server: one that is broken or slow is nobody else's trouble, and what is wrong with it is
told to those who show it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, frame, node, packet, projects_list

import roma_widget as roma
from roma_widget.client.complaints import MOST_PROJECTS, Complaints
from roma_widget.client.hearing import Hearing
from roma_widget.client.rest import Answer

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
BAD = "all_nodes.secret task: expected a task, got the number 5; it was skipped."


def saved(project: str, *nodes: Any, **more: Any) -> dict[str, Any]:
    """The answer of `GET /api/projects/{id}`; `more` are tasks that no server should have."""
    tasks = {**{one["task_id"]: one for one in nodes}, **more}
    return {"project": {"id": project, "goal": project}, "state": frame(tasks, project=project)}


def live_server(wire: Wire, **answers: Any) -> WireServer:
    """p1 is current and comes over the socket, p2 can be read over HTTP."""
    listed = projects_list("p1", "p2")
    answers = {"/api/health": SAFE, "/api/projects": listed, "/api/projects/p2": saved("p2"), **answers}
    return wire(answers, greeting=[packet("projects_list", listed)])


def live(connect: Connect, server: WireServer) -> roma.Monitor:
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    return m


def errors(m: roma.Monitor) -> list[str | None]:
    """What its `connection` will say from now on, at each change."""
    said: list[str | None] = []
    m.observe(lambda change: said.append(change["new"]["error"]), "connection")
    return said


def looked_again(server: WireServer, path: str, times: int = 3) -> None:
    asked = server.asked.count(path)
    eventually(lambda: server.asked.count(path) >= asked + times)


# -- what is wrong with one


def test_what_is_wrong_with_a_project_is_told_to_who_shows_it_and_stays_said(
    connect: Connect, wire: Wire
) -> None:
    server = live_server(wire)
    m, other = live(connect, server), connect(server.url, project="p2")
    other.wait(lambda s: s.project, timeout=5)
    said, said_there = errors(m), errors(other)
    server.answers["/api/projects/p2"] = saved("p2", node("x"), **{"secret task": 5})
    eventually(lambda: other.connection["error"] == BAD)
    for count in range(5):
        server.send_frame([node("root", goal=str(count))])
        looked_again(server, "/api/projects/p2")
        m.wait(lambda s, n=count: s.tasks["root"].goal == str(n), timeout=5)
    assert (said, said_there) == ([], [BAD])
    assert "secret" not in m.events().to_csv()
    assert "secret task" in other.events().to_csv()
    server.answers["/api/projects/p2"] = 500
    eventually(lambda: other.connection["error"] == "Project 'p2' cannot be read over HTTP (HTTP 500).")
    assert said == []
    m.watch(None)
    server.answers["/api/projects/p2"] = saved("p2", node("x"))
    eventually(lambda: other.connection["error"] is None)


def test_what_is_wrong_with_all_is_told_to_all(connect: Connect, wire: Wire) -> None:
    server = live_server(wire)
    m, other = live(connect, server), connect(server.url, project="p2")
    other.wait(lambda s: s.project, timeout=5)
    server.emit("error", {"message": "no room"})
    eventually(
        lambda: m.connection["error"] == other.connection["error"] == "The server said error: no room."
    )
    server.send_frame([node("root"), node("root.1")])
    eventually(lambda: m.connection["error"] is other.connection["error"] is None)


def heard(status: int, *nodes: Any, **more: Any) -> Answer:
    return Answer(status, json.dumps(saved("p", *nodes, **more)), 0.0, '"1"')


def test_a_look_at_what_has_not_changed_leaves_what_was_said_of_it() -> None:
    hearing = Hearing(())
    hearing.hear_project("p", heard(200, node("x"), **{"secret task": 5}))
    assert hearing.complaint("p") == BAD
    torn = {"project": {"id": "p"}, "state": None}
    hearing.hear_project("p", Answer(200, json.dumps(torn), 0.0))
    hearing.hear_project("p", Answer(304, "", 0.0))
    assert hearing.complaint("p") == BAD
    hearing.hear_project("p", heard(200, node("x")))
    assert hearing.complaint("p") is None
    hearing.hear_project("p", Answer(500, "", 0.0))
    assert hearing.complaint("p") is not None
    hearing.hear_project("p", Answer(304, "", 0.0))
    assert hearing.complaint("p") is None
    assert hearing.complaint() is None


def test_complaints_are_bounded_and_hide_secrets() -> None:
    complaints = Complaints(("s3cret",))
    for number in range(5 * MOST_PROJECTS):
        complaints.add(f"p{number}", (f"s3cret {number}",), needed={"p0"})
        complaints.add("p0", (f"more {number}",), needed={"p0"})
    assert len(complaints._lines) <= MOST_PROJECTS + 2
    assert len(complaints._lines["p0"]) < 30
    assert complaints.sentence(f"p{number}") == f"… {number}."
