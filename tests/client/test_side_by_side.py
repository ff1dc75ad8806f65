"""Several projects of one server: one that is broken or slow is nobody else's trouble, and what is wrong with it is
told to those who show it."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from client.conftest import tasks_of_roma_io
from client.servers import (
    IDLE,
    ROMA_V1,
    RUNNING,
    SAFE,
    WireServer,
    eventually,
    frame,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget.client import looks
from roma_widget.client.complaints import MOST_PROJECTS, Complaints
from roma_widget.client.hearing import Hearing
from roma_widget.client.rest import Answer
from roma_widget.core import reconnect

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


class Drops(web.Response):
    """Closes the connection without an answer."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        assert request.transport is not None
        request.transport.abort()
        raise ConnectionResetError


class Hangs(web.Response):
    """Never answers; `asked` is how often it was asked to."""

    asked = 0

    async def prepare(self, request: web.BaseRequest) -> Any:
        Hangs.asked += 1
        await asyncio.Event().wait()


@pytest.fixture(autouse=True)
def nobody_hangs() -> None:
    Hangs.asked = 0


def moving(project: str) -> Callable[[], dict[str, Any]]:
    """Answers that differ each time."""
    count = itertools.count()
    return lambda: saved(project, node("root", goal=str(next(count))))


# -- one that is broken or slow


@pytest.mark.parametrize("trouble", [Drops, Hangs])
@pytest.mark.parametrize("way", ["socket", "http"])
def test_one_that_gives_no_answer_holds_up_none_of_the_others(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch, trouble: type[web.Response], way: str
) -> None:
    monkeypatch.setattr(looks, "ROUND_S", 0.05)
    executions = {"/api/health": ROMA_V1, "/api/executions": RUNNING} if way == "http" else {}
    server = live_server(
        wire,
        **executions,
        **{f"/api/projects/p{n}": moving(f"p{n}") for n in (1, 2)},
        **{"/api/projects/a": trouble},
    )
    m, other = connect(server.url, project="p2"), connect(server.url, project="a")
    for each in (m, other):
        eventually(lambda one=each: one.connection["state"] == ("live" if way == "socket" else "polling"))
    eventually(lambda: "/api/projects/a" in server.asked)
    m.wait(lambda s: s.tasks, timeout=5)
    said, revision = errors(m), m.revision
    eventually(lambda: m.revision > revision + 5)
    assert said == []
    if trouble is Drops:
        eventually(lambda: other.connection["error"])
        assert other.connection["error"].startswith("Project 'a' cannot be read over HTTP: http://")
    else:
        assert Hangs.asked == 1, "it is not asked again while it is being asked"
    if way == "http":
        m.refresh(timeout=5)
    server.answers["/api/projects/a"] = saved("a", node("x"))
    if trouble is Drops:
        other.wait(lambda s: s.tasks, timeout=5)
        eventually(lambda: other.connection["error"] is None)


def test_a_look_that_hangs_ends_when_the_socket_opens(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "ROUND_S", 0.05)
    server = live_server(wire, **{"/api/health": ROMA_V1, "/api/executions": RUNNING})
    server.answers["/api/projects/p1"] = moving("p1")
    server.answers["/api/projects/p2"] = Hangs
    m = connect(server.url, project="p2")
    eventually(lambda: Hangs.asked == 1)
    server.answers["/api/projects/p2"] = saved("p2", node("x"))
    server.answers["/api/executions"] = IDLE
    m.wait(lambda s: s.tasks, timeout=5)
    assert (m.connection["state"], m.connection["error"]) == ("live", None)
    eventually(lambda: not any("roma-feed-look" in task for task in tasks_of_roma_io()))


def test_when_no_project_gives_an_answer_the_connection_is_lost(connect: Connect, wire: Wire) -> None:
    server = live_server(wire, **{"/api/health": ROMA_V1, "/api/executions": RUNNING})
    server.answers["/api/projects/p1"] = moving("p1")
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    server.answers["/api/projects/p1"] = Drops
    eventually(lambda: m.connection["state"] == "reconnecting")
    assert "closed the connection without an answer" in m.connection["error"]
    server.answers["/api/projects/p1"] = moving("p1")
    eventually(lambda: m.connection["state"] == "polling" and m.connection["error"] is None)


# -- one that comes over the socket no more


@pytest.mark.parametrize("how", ["list", "frame", "switched"])
def test_a_held_project_is_looked_at_at_once_when_it_is_current_no_more(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(reconnect, "GROWTH", 10_000)
    monkeypatch.setattr(reconnect, "POLL_LONGEST_S", 60.0)  # what rests is looked at no more in this test
    server = live_server(wire, **{"/api/projects/p1": saved("p1", node("late"))})
    m = connect(server.url, project="p1")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    match how:
        case "list":
            server.emit("projects_list", projects_list("p2", "p1"))
        case "frame":
            server.send_frame([node("z")], project="p2")
        case _:
            server.emit("project_switched", {"project_id": "p2"})
    m.wait(lambda s: "late" in s.tasks, timeout=5)


def test_a_server_that_changes_its_mind_all_the_time_is_asked_no_more_often(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "POLL_FIRST_S", 60.0)
    server = live_server(wire, **{"/api/projects/p1": saved("p1", node("late"))})
    m = connect(server.url, project="p1")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    for count in range(20):
        server.send_frame([node("z")], project="p2")
        server.send_frame([node(f"n{count}")])
        m.wait(lambda s, n=count: f"n{n}" in s.tasks, timeout=5)
    assert server.asked.count("/api/projects/p1") <= 1


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
