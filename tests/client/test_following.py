"""What HTTP says beside a run's state: open questions, how the server is, what runs, and that nothing changed."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from client.servers import (
    IDLE,
    ROMA_V1,
    RUNNING,
    SAFE,
    WireServer,
    eventually,
    frame,
    free_port,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget.client import looks
from roma_widget.client.hearing import MOST_REMEMBERED, Hearing
from roma_widget.client.rest import Answer
from roma_widget.core import state
from roma_widget.core.server_status import read_questions

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
DEBUG = "/api/system/hitl-debug"
CONFIG = {"llm": {"model": "m"}, "execution": {"max_steps": 3}, "cache": {}}


def v1(wire: Wire, **answers: Any) -> WireServer:
    """A server that behaves as ROMA v1, with a run in progress."""
    state = frame([node("root")])
    return wire(
        {
            "/api/health": ROMA_V1,
            "/api/executions": RUNNING,
            "/api/projects": projects_list("p1"),
            "/api/projects/p1": {"project": {"id": "p1", "goal": "g"}, "state": state},
            **answers,
        }
    )


def polling(connect: Connect, server: WireServer) -> roma.Monitor:
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    assert m.connection["state"] == "polling"
    return m


class TestQuestions:
    @pytest.fixture(autouse=True)
    def often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(looks, "QUESTIONS_EVERY_S", 0.03)

    def test_are_counted_while_a_run_is_followed_over_http(self, connect: Connect, wire: Wire) -> None:
        pending: list[Any] = [2]
        server = v1(wire, **{DEBUG: lambda: {"hitl_status": {"pending_requests": pending[0]}}})
        m = polling(connect, server)
        eventually(lambda: m.connection["questions"] == 2)
        assert "A run is in progress" in m.connection["reason"]
        pending[0] = []
        eventually(lambda: m.connection["questions"] == 0)
        server.answers["/api/executions"] = IDLE
        eventually(lambda: m.connection["state"] == "live")
        assert m.connection["questions"] is None

    @pytest.mark.parametrize("answer", [404, {"hitl_status": {"pending_requests": "many"}}], ids=str)
    def test_where_nobody_knows_it_is_asked_rarely(self, connect: Connect, wire: Wire, answer: Any) -> None:
        server = v1(wire, **{DEBUG: answer})
        m = polling(connect, server)
        eventually(lambda: DEBUG in server.asked)
        frames = m.link()["frames"]
        eventually(lambda: m.link()["frames"] > frames + 5)
        assert server.asked.count(DEBUG) == 1
        assert m.connection["questions"] is None


@pytest.mark.parametrize(
    ("health", "said"),
    [
        (ROMA_V1, "ready"),
        ({**ROMA_V1, "initialized": True}, "ready"),
        ({**ROMA_V1, "initialized": False}, "not_ready"),
        ({"status": "starting"}, "not_ready"),
        (500, "not_ready"),
        ((200, "[", "application/json"), "not_ready"),
    ],
    ids=str,
)
def test_what_a_server_says_of_itself_is_a_label_and_changes_nothing(
    connect: Connect, wire: Wire, health: Any, said: str
) -> None:
    server = v1(wire, **{"/api/health": health})
    m = polling(connect, server)
    assert m.connection["server"] == said
    server.answers["/api/executions"] = IDLE
    eventually(lambda: m.connection["state"] == "live")
    assert m.connection["server"] == said
    assert not any("readiness" in path for path in server.asked)


def test_a_server_without_the_http_side_of_roma_says_nothing_of_itself(connect: Connect, wire: Wire) -> None:
    m = connect(wire({}).url)
    m.wait("connected", timeout=5)
    assert (m.connection["state"], m.connection["server"]) == ("live", None)


def test_a_server_that_is_not_there_is_unreachable(connect: Connect) -> None:
    m = connect(f"http://127.0.0.1:{free_port()}")
    eventually(lambda: m.connection["server"] == "unreachable")
    m.disconnect()
    assert m.connection["server"] is None


class Tagged:
    """`GET /api/projects/{id}` of a server that knows entity tags: what it was asked with, what it sent."""

    def __init__(self, server: WireServer, project: str = "p2") -> None:
        self.server, self.project = server, project
        self.tag, self.nodes = '"1"', [node("x")]
        self.sent: list[int] = []

    def __call__(self) -> web.Response:
        if self.server.http_headers[-1].get("If-None-Match") == self.tag:
            self.sent.append(304)
            return web.Response(status=304, headers={"ETag": self.tag})
        self.sent.append(200)
        state = frame(self.nodes, project=self.project)
        body = {"project": {"id": self.project, "goal": "g"}, "state": state}
        headers = {"ETag": self.tag} if self.tag else {}
        return web.json_response(body, headers=headers)


@pytest.fixture
def tagged(wire: Wire) -> Tagged:
    server = wire({"/api/health": SAFE}, greeting=[packet("projects_list", projects_list("p1", "p2"))])
    answer = Tagged(server)
    server.answers["/api/projects/p2"] = answer
    return answer


def test_what_has_not_changed_is_not_sent_again(connect: Connect, tagged: Tagged) -> None:
    m = connect(tagged.server.url, project="p2")
    m.wait(lambda s: s.tasks, timeout=5)
    revision, received = m.revision, m.link()["bytes_received"]
    eventually(lambda: tagged.sent.count(304) > 3)
    assert tagged.sent.count(200) == 1
    assert (m.revision, m.connection["error"]) == (revision, None)
    assert m.link()["bytes_received"] - received < 500
    tagged.tag, tagged.nodes = '"2"', [node("x"), node("y")]
    m.wait(lambda s: "y" in s.tasks, timeout=5)
    eventually(lambda: tagged.sent[-1] == 304)
    m.watch(None)
    m.watch("p2")
    assert list(m.snapshot.tasks) == ["x", "y"], "who comes later does not need it to be sent again"
    assert tagged.sent.count(200) == 2


def test_what_a_session_has_forgotten_is_shown_again_where_nothing_has_changed(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed remembers more projects than the session holds tasks of."""
    monkeypatch.setattr(state, "MOST_RUNS", 1)
    server = v1(wire)
    ids = ["p1", "p2", "p3", "p4"]
    for each in ids:
        tagged = Tagged(server, each)
        tagged.nodes = [node(f"of-{each}")]
        server.answers[f"/api/projects/{each}"] = tagged
    m = polling(connect, server)
    for each in [*ids, "p1"]:
        server.answers["/api/projects"] = projects_list(each, *ids)
        m.wait(lambda s, task_id=f"of-{each}": list(s.tasks) == [task_id], timeout=5)
    assert server.answers["/api/projects/p1"].sent.count(200) == 1


@pytest.mark.parametrize("tag", ["", "bare", '"' + "x" * 300 + '"'], ids=["none", "bare", "long"])
def test_a_tag_that_is_none_is_not_sent_back(connect: Connect, tagged: Tagged, tag: str) -> None:
    tagged.tag = tag
    connect(tagged.server.url, project="p2")
    eventually(lambda: tagged.sent.count(200) > 2)
    assert not any("If-None-Match" in headers for headers in tagged.server.http_headers)


def test_what_is_kept_of_projects_that_nobody_wants_is_bounded() -> None:
    hearing = Hearing(())
    for number in range(5 * MOST_REMEMBERED):
        body = {"project": {"id": f"p{number}"}, "state": frame([node("x")], project=f"p{number}")}
        hearing.hear_project(f"p{number}", Answer(200, json.dumps(body), 0.0, '"1"'))
        hearing.hear_project(f"gone{number}", Answer(404, "{}", 0.0))
    assert len(hearing._polled) <= MOST_REMEMBERED + 1
    assert hearing._missing == {}
    assert hearing.etag(f"p{number}") == '"1"'
    assert hearing.etag("p0") is None


def test_our_server_says_how_many_questions_wait() -> None:
    with roma.Server() as server, urllib.request.urlopen(f"{server.url}{DEBUG}", timeout=5) as answer:
        assert read_questions(answer.read().decode()) == 0


class Runs:
    """A `run` that waits; `options` is what it was given."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.options: list[Mapping[str, Any]] = []

    def __call__(self, project: Any, goal: str, options: Mapping[str, Any]) -> None:
        self.options.append(options)
        with project.task(goal):
            self.go.wait(10)


@pytest.fixture
def runs() -> Iterator[Runs]:
    one = Runs()
    yield one
    one.go.set()


def test_a_configured_run_gets_its_options_and_is_listed_while_it_runs(connect: Connect, runs: Runs) -> None:
    with roma.Server(run=runs) as server:
        m = connect(server.url)
        assert m.execution_status() == {}
        project_id = m.start("Survey of rooftop farms", max_steps=7, **CONFIG)
        assert m.project["id"] == project_id
        m.wait(lambda s: s.tasks, timeout=5)
        assert runs.options == [{"max_steps": 7, **CONFIG}]
        (running,) = m.execution_status().values()
        assert (running["goal"], running["max_steps"], running["is_alive"]) == (
            "Survey of rooftop farms", 7, True,
        )  # fmt: skip
        assert running["started"] is not None
        assert abs((datetime.now(UTC) - running["started"]).total_seconds()) < 60
        with pytest.raises(roma.ServerError, match="Missing required config section: execution") as caught:
            m.start("Survey of rooftop farms", llm={})
        assert caught.value.event == "POST /api/projects/configured"
        with pytest.raises(ValueError, match="what JSON can hold"):
            m.start("Survey of rooftop farms", llm=object())
        runs.go.set()
        m.close()


def test_options_go_over_http_also_while_there_is_a_socket(connect: Connect, wire: Wire) -> None:
    created = (201, json.dumps({"project": {"id": "p1"}, "config_applied": True}), "application/json")
    server = v1(wire, **{"/api/executions": IDLE, "POST /api/projects/configured": created})
    m = connect(server.url)
    eventually(lambda: m.connection["state"] == "live")
    assert m.start("goal", **CONFIG) == "p1"
    assert server.posted == [("/api/projects/configured", {"goal": "goal", "config": CONFIG})]
    assert "start_project" not in [name for name, _ in server.emitted]


def test_what_runs_as_a_stranger_says_it(connect: Connect, wire: Wire) -> None:
    odd = {
        "p1": {"goal": 5, "max_steps": "x", "started_at": "2026-11-22T21:05:35.551817", "is_alive": True},
        "p2": None,
    }
    server = v1(wire, **{"/api/executions": {"running_executions": odd}})
    m = polling(connect, server)
    nothing = {"goal": None, "max_steps": None, "started": None, "is_alive": None}
    started = datetime(2026, 11, 22, 21, 5, 35, 551817, UTC)
    assert m.execution_status() == {"p1": {**nothing, "started": started, "is_alive": True}, "p2": nothing}
    server.answers["/api/executions"] = (500, '{"error": "no"}', "application/json")
    with pytest.raises(roma.ServerError, match="no"):
        m.execution_status()
    server.close()
    with pytest.raises(roma.ConnectError, match="GET /api/executions got no answer"):
        m.execution_status()
