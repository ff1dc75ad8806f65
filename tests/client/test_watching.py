"""`watch`: another project in one monitor, the server and everybody else as they were."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from client.browser import Browser
from client.freezing import FreezingServer
from client.servers import (
    HTML,
    IDLE,
    ROMA_V1,
    RUNNING,
    SAFE,
    Hangs,
    ServerThread,
    WireServer,
    eventually,
    frame,
    free_port,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget import opening
from roma_widget.client.feed import FeedOptions
from roma_widget.core import outcome
from roma_widget.widget.cells import Cell

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]


def saved(project: str, *nodes: Any, **about: Any) -> dict[str, Any]:
    """The answer of `GET /api/projects/{id}`."""
    return {"project": {"id": project, "goal": project, **about}, "state": frame(nodes, project=project)}


def two_projects(wire: Wire, **answers: Any) -> WireServer:
    """p1 is current and comes over the socket, p2 can be read over HTTP."""
    return wire(
        {
            "/api/health": SAFE,
            "/api/projects": projects_list("p1", "p2"),
            "/api/projects/p1": saved("p1", node("root")),
            "/api/projects/p2": saved("p2", node("x"), node("root", "DONE")),
            "/api/projects/gone": (404, '{"error": "Project not found"}', "application/json"),
            **answers,
        },
        greeting=[packet("projects_list", projects_list("p1", "p2"))],
    )


def live(connect: Connect, server: WireServer, **options: Any) -> roma.Monitor:
    m = connect(server.url, **options)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    return m


def switches(server: WireServer) -> list[str]:
    """What was asked of the server that everybody would see."""
    emitted = [name for name, _ in server.emitted if name in ("switch_project", "start_project")]
    return [*emitted, *(path for path, _ in server.posted)]


def test_one_monitor_watches_another_project_and_nobody_else_sees_anything(
    connect: Connect, wire: Wire
) -> None:
    server = two_projects(wire)
    m, other = live(connect, server), connect(server.url)
    other.wait(lambda s: s.tasks, timeout=5)
    seen: list[Any] = []
    other.observe(lambda change: seen.append((change["name"], change["new"])))
    m.watch("p2")
    assert (m.watching, m.project["id"], list(m.snapshot.tasks)) == ("p2", "p2", ["root", "x"])
    server.answers["/api/projects/p2"] = saved("p2", node("x"), node("y"))
    m.wait(lambda s: "y" in s.tasks, timeout=5)
    m.watch("p2")
    m.watch(None)
    assert (m.watching, m.project["id"], list(m.snapshot.tasks)) == (None, "p1", ["root"])
    assert seen == []
    assert switches(server) == []
    assert server.handshakes == ["websocket"]


def test_connecting_to_a_project_is_watching_it(connect: Connect, wire: Wire) -> None:
    server = two_projects(wire)
    m = connect(server.url, project="p2")
    m.wait(lambda s: s.tasks, timeout=5)
    assert m.watching == "p2"
    m.watch(None)
    server.send_frame([node("root"), node("root.1")])
    m.wait(lambda s: list(s.tasks) == ["root", "root.1"], timeout=5)


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside others"])
def test_the_browser_ends_up_with_exactly_the_tasks_of_the_project(
    connect: Connect, wire: Wire, beside: bool
) -> None:
    """`beside`: others are at both projects already, so that sessions with revisions of their own are moved to."""
    server = two_projects(wire)
    m = live(connect, server)
    others = [connect(server.url), connect(server.url, project="p2")] if beside else []
    for other in others:
        other.wait(lambda s: s.tasks, timeout=5)
    browser = Browser(m)
    eventually(lambda: browser.revs)
    for turn in range(1, 5):
        for project in ("p2", None):
            m.watch(project)
            eventually(lambda: browser.shows(m))
            count = 10 * turn + (project is None)
            nodes = [node("root"), *(node(f"n{i}", "DONE" if i % turn else "RUNNING") for i in range(count))]
            server.answers["/api/projects/p2"] = saved("p2", *nodes)
            server.send_frame(nodes[:-1])
            wanted = len(nodes) - (project is None)
            m.wait(lambda s, n=wanted: len(s.tasks) == n, timeout=5)
            eventually(lambda: browser.shows(m))
    assert browser.lost == 0
    assert browser.revs == sorted(set(browser.revs))
    assert browser.snapshots < len(browser.revs), "deltas go on behind a move"
    assert all(other.snapshot.tasks.keys() == m.snapshot.tasks.keys() for other in others[:1])


def test_a_project_that_is_not_there_leaves_the_monitor_where_it_was(connect: Connect, wire: Wire) -> None:
    server = two_projects(wire)
    m, other = live(connect, server), connect(server.url)
    other.wait(lambda s: s.tasks, timeout=5)
    seen: list[Any] = []
    other.observe(lambda change: seen.append(change["new"]), "connection")
    with pytest.raises(roma.UnknownProject, match="The server knows no project 'gone': Project not found"):
        m.watch("gone")
    assert (m.watching, m.project["id"], m.connection["error"]) == (None, "p1", None)
    assert seen == []
    assert len(sessions()) == 1
    for nonsense in (5, ""):
        with pytest.raises(ValueError, match="project_id takes"):
            m.watch(nonsense)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, '{"error": "the disk is full"}', "application/json"), "the disk is full"),
        (403, "GET /api/projects/p2 answered HTTP 403"),
        (HTML, "GET /api/projects/p2 answered HTTP 200 with something else than a project"),
    ],
    ids=["500", "403", "HTML"],
)
def test_a_project_that_cannot_be_read_leaves_the_monitor_where_it_was(
    connect: Connect, wire: Wire, answer: Any, words: str
) -> None:
    server = two_projects(wire, **{"/api/projects/p2": answer})
    m = live(connect, server)
    with pytest.raises(roma.ServerError, match=words):
        m.watch("p2")
    assert (m.watching, m.project["id"], list(m.snapshot.tasks)) == (None, "p1", ["root"])
    assert len(sessions()) == 1


def test_a_project_without_tasks_is_shown_empty(connect: Connect, wire: Wire) -> None:
    answers = {"/api/projects/new": {"project": {"id": "new", "goal": "g"}, "state": None}}
    server = two_projects(wire, **answers)
    m = live(connect, server)
    m.watch("new")
    assert (m.project["id"], m.project["goal"], len(m.snapshot.tasks)) == ("new", "g", 0)


def test_a_file_that_is_just_being_written_is_looked_at_again(connect: Connect, wire: Wire) -> None:
    whole = saved("p2", node("x"))
    looks = iter([{**whole, "state": None}])
    server = two_projects(wire, **{"/api/projects/p2": lambda: next(looks, whole)})
    m = live(connect, server)
    m.watch("p2")
    assert list(m.snapshot.tasks) == ["x"]


def test_a_server_that_does_not_answer(connect: Connect, raw_port: Callable[..., Any]) -> None:
    m = connect(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(roma.ConnectError, match="GET /api/projects/p2 got no answer"):
        m.watch("p2")
    silent = connect(raw_port().url)
    with pytest.raises(roma.WaitTimeout, match=r"Waited 0\.1 s for the state of project 'p2'"):
        silent.watch("p2", timeout=0.1)
    silent.disconnect()
    with pytest.raises(roma.NotLive, match="disconnected"):
        silent.watch("p2")
    assert (m.watching, silent.watching) == (None, None)


def test_the_same_ids_are_other_tasks_in_another_project(connect: Connect, wire: Wire) -> None:
    m = live(connect, two_projects(wire))
    m.selection = ["root"]
    m.watch("p2")
    assert m.selection == []
    m.selection = ["x"]
    m.watch("p2")
    assert m.selection == ["x"]


def test_who_waits_goes_along(connect: Connect, wire: Wire) -> None:
    ended = {
        "project": {"id": "p2", "goal": "g"},
        "state": frame([node("root", "DONE")], project="p2", status="completed"),
    }
    m = live(connect, two_projects(wire, **{"/api/projects/p2": ended}))
    came: list[Any] = []
    asked = threading.Event()

    def in_p2(snapshot: Any) -> bool:
        asked.set()
        return snapshot.project is not None and snapshot.project.project_id == "p2"

    threads = [
        threading.Thread(target=lambda until=until: came.append(m.wait(until, timeout=10)))
        for until in ("done", in_p2)
    ]
    for thread in threads:
        thread.start()
    assert asked.wait(5)
    m.watch("p2")
    for thread in threads:
        thread.join(5)
    assert sorted(map(str, came)) == ["True", "succeeded"]
    m.watch(None)
    with pytest.raises(roma.WaitTimeout, match="the run is running"):
        m.wait("done", timeout=0.1)


def test_what_was_seen_before_is_known_when_the_monitor_comes_back(connect: Connect, wire: Wire) -> None:
    """Only a session that saw a planned task begin knows when it did."""
    server = two_projects(wire)
    m = live(connect, server)
    server.send_frame([node("root", timestamp_updated="2025-09-19T10:00:00")])
    m.wait(lambda s: s.tasks["root"].started, timeout=5)
    server.send_frame([node("root", "PLAN_DONE", timestamp_updated="2025-09-19T10:05:00")])
    m.wait(lambda s: s.tasks["root"].status == "PLAN_DONE", timeout=5)
    started = m.task("root").started
    m.watch("p2")
    m.watch(None)
    assert m.task("root").started == started is not None


def sessions() -> list[Any]:
    assert opening._registry is not None
    return list(opening._registry._sessions.values())


def test_moving_leaves_nothing_behind(connect: Connect, wire: Wire) -> None:
    server = two_projects(wire)
    m, other = live(connect, server), connect(server.url, project="p2")
    for project in ("p2", None, "p2"):
        m.watch(project)
    assert len(sessions()) == 1
    m.disconnect()
    assert (m.connection["state"], other.connection["state"]) == ("closed", "live")
    other.disconnect()
    assert sessions() == []
    eventually(lambda: server.clients_now == 0)
    assert server.handshakes == ["websocket"]


def test_a_cell_that_runs_again_frees_the_project_that_its_monitor_had_moved_to(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = two_projects(wire)
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 1"))
    m = live(connect, server)
    m.watch("p2")
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 2"))
    again = connect(server.url)
    assert [session.wanted_project for session in sessions()] == [None]
    assert (m.connection["state"], again.connection["state"]) == ("closed", "live")
    with pytest.raises(roma.NotLive):
        m.watch(None)


def in_a_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[str]]:
    """Runs it; the list has what it raised, or that it returned."""
    came: list[str] = []

    def run() -> None:
        try:
            call()
            came.append("returned")
        except roma.RomaError as error:
            came.append(f"{type(error).__name__}: {error}")

    thread = threading.Thread(target=run)
    thread.start()
    return thread, came


def test_a_monitor_that_is_disconnected_while_it_moves_does_not_come_back(
    connect: Connect, wire: Wire
) -> None:
    server = two_projects(wire, **{"/api/projects/p2": Hangs})
    m, other = live(connect, server), connect(server.url)
    thread, came = in_a_thread(lambda: m.watch("p2"))
    eventually(lambda: "/api/projects/p2" in server.asked)
    m.disconnect()
    thread.join(5)
    assert "NotLive: This monitor is disconnected" in came[0]
    assert (m.connection["state"], m.watching) == ("closed", None)
    assert [session.wanted_project for session in sessions()] == [None]
    other.disconnect()
    assert sessions() == []


@pytest.mark.parametrize("action", ["watch", "switch", "retry", "connect_anyway"])
def test_the_view_of_a_disconnected_monitor_can_ask_nothing(
    connect: Connect, wire: Wire, action: str
) -> None:
    server = two_projects(wire)
    m = live(connect, server)
    connect(server.url).wait("connected", timeout=5)
    m.disconnect()
    reply = ask_from_the_browser(m, action=action, project="p2")
    assert not reply["ok"]
    assert "This monitor is disconnected" in reply["error"]
    assert (m.connection["state"], m.watching, len(sessions())) == ("closed", None, 1)
    assert switches(server) == []


def ask_from_the_browser(m: roma.Monitor, **content: Any) -> dict[str, Any]:
    replies: list[dict[str, Any]] = []
    monitor: Any = m
    monitor._channel._send = lambda content, buffers: replies.append(content)
    monitor._io.post(monitor._receive, {"type": "do", "rid": "1", **content})
    return eventually(lambda: replies)[0]


@pytest.mark.parametrize("beside", [True, False], ids=["where others are", "where nobody is"])
def test_a_monitor_whose_cell_ran_again_keeps_nothing_open(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    server = two_projects(wire)
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 1"))
    old = live(connect, server)
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 2"))
    new = connect(server.url)
    new.wait("connected", timeout=5)
    monkeypatch.setattr(opening, "current_cell", lambda: None)
    other = connect(server.url, project="p2") if beside else None
    reply = ask_from_the_browser(old, action="watch", project="p2")
    assert (reply["ok"], old.watching) == ((True, "p2") if beside else (False, None))
    assert beside or "A later run of the cell" in reply["error"]
    new.disconnect()
    if other is not None:
        other.disconnect()
    assert sessions() == []
    assert old.connection["state"] == "closed"


def test_a_watch_that_waits_for_another_takes_no_longer_than_it_may(connect: Connect, wire: Wire) -> None:
    server = two_projects(wire, **{"/api/projects/b": Hangs})
    m = live(connect, server)
    thread, came = in_a_thread(lambda: m.watch("b", timeout=5))
    eventually(lambda: "/api/projects/b" in server.asked)
    began = time.monotonic()
    with pytest.raises(roma.WaitTimeout, match=r"Waited 0\.2 s for this monitor"):
        m.watch("p2", timeout=0.2)
    assert time.monotonic() - began < 2
    m.disconnect()
    thread.join(5)
    assert came[0].startswith("NotLive")


def test_what_ends_with_a_feed_lives_on_when_its_monitor_moves(wire: Wire) -> None:
    server = two_projects(wire)
    ended: list[bool] = []
    options = FeedOptions(root=server.url)
    m = opening._open(options, None, "demo", lambda: ended.append(True))
    m.watch("p2")
    m.watch(None)
    assert ended == []
    m.close()
    assert ended == [True]


def test_a_run_in_progress_is_watched_without_a_socket(connect: Connect, wire: Wire) -> None:
    server = two_projects(wire, **{"/api/health": ROMA_V1, "/api/executions": RUNNING})
    m, other = connect(server.url), connect(server.url)
    for each in (m, other):
        each.wait(lambda s: s.tasks, timeout=5)
    assert m.connection["state"] == "polling"
    m.watch("p2")
    server.answers["/api/projects/p2"] = saved("p2", node("x"), node("y"))
    m.wait(lambda s: "y" in s.tasks, timeout=5)
    assert (m.project["id"], other.project["id"]) == ("p2", "p1")
    assert server.handshakes == []
    assert switches(server) == []
    server.answers["/api/executions"] = IDLE
    eventually(lambda: m.connection["state"] == "live")
    assert m.project["id"] == "p2"


def test_an_outage_of_the_http_side_is_no_stall_of_what_comes_over_it(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "FROZEN_AFTER_S", 1.0)
    run = saved("p2", node("x"), status="running")
    server = two_projects(wire, **{"/api/projects/p2": run})
    m = live(connect, server)
    m.watch("p2")
    server.answers["/api/projects/p2"] = 502
    began = time.monotonic()
    outcomes: list[str] = []
    m.observe(lambda change: outcomes.append(change["new"]["outcome"]), "progress")
    while time.monotonic() - began < 1.5:  # the socket lives on
        looks = len(server.asked)
        server.send_frame([node("root", timestamp_updated=f"2025-09-19T10:00:00.{looks:06}")])
        eventually(lambda n=looks: len(server.asked) > n)
    assert outcomes == []
    assert m.link()["age_s"] > 1, "of the project, not of the server"
    server.answers["/api/projects/p2"] = run
    eventually(lambda: outcomes == ["stalled"])
    assert m.link()["age_s"] < 1


def test_watching_freezes_no_run(
    connect: Connect, servers: ServerThread, closing: Callable[[Any], Any]
) -> None:
    server = closing(FreezingServer(servers, step_s=0.03))
    first = server.start_run()
    m, other = connect(server.url), connect(server.url)
    eventually(lambda: server.ended == [first])
    eventually(lambda: m.connection["state"] == other.connection["state"] == "live")
    second = server.start_run()
    other.wait(lambda s: s.project and s.project.project_id == second and s.tasks, timeout=5)
    server.cut()  # the socket is lost during the run, and must not come back
    handshakes = len(server.handshakes)
    for project in (first, second, None, first):
        m.watch(project)
        assert m.project["id"] == (project or second)
    assert other.project["id"] == second
    assert len(server.handshakes) == handshakes or server.ended == [first, second]
    assert other.wait("done", timeout=10) == "succeeded"
    assert server.frozen == []
    assert switches(server) == []


def delete(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=5) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("watching", [True, False], ids=["watched", "current"])
def test_a_project_deleted_while_it_is_shown_stays_as_it_was_last(connect: Connect, watching: bool) -> None:
    with roma.Server() as server:
        ids = []
        for _ in range(2):  # of the same title
            with server.project("Survey of X") as project, project.task("Survey of X"):
                ids.append(project.id)
        shown = ids[0] if watching else ids[1]
        m = connect(server.url)
        m.wait(lambda s: s.tasks, timeout=5)
        if watching:
            m.watch(shown)
        delete(f"{server.url}/api/projects/{shown}")
        eventually(lambda: m.connection["error"])
        assert m.connection["error"].endswith("What is shown is its last state.")
        assert (m.project["id"], list(m.snapshot.tasks)) == (shown, ["root"])
        other = ids[1] if watching else ids[0]
        m.watch(other)
        assert (m.project["id"], m.connection["error"]) == (other, None)
        m.close()


def test_two_projects_of_one_title_are_two(connect: Connect) -> None:
    with roma.Server() as server:
        ids = []
        for count in range(2):
            with server.project("Survey of X") as project, project.task("Survey of X") as root:
                ids.append(project.id)
                for number in range(count):
                    root.task(f"part {number}")
        m = connect(server.url)
        for _ in range(2):
            for count, project_id in enumerate(ids, start=1):
                m.watch(project_id)
                assert (m.project["id"], len(m.snapshot.tasks)) == (project_id, count)
        assert len({one["title"] for one in m.projects}) == 1
        m.close()


def test_a_person_watches_from_the_browser(connect: Connect, wire: Wire) -> None:
    m = live(connect, two_projects(wire))
    replies = [ask_from_the_browser(m, action="watch", project=project) for project in ("gone", "p2")]
    assert [(reply["rid"], reply["ok"]) for reply in replies] == [("1", False), ("1", True)]
    assert "Project not found" in replies[0]["error"]
    assert (m.watching, m.project["id"]) == ("p2", "p2")
