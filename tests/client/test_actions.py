"""Start, switch, stop, save, refresh: on our server, on one that behaves as ROMA does, and without a socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from client.servers import (
    IDLE,
    ROMA_V1,
    RUNNING,
    SAFE,
    Hangs,
    Replay,
    WireServer,
    eventually,
    frame,
    free_port,
    node,
    packet,
    projects_list,
    recording,
)

import roma_widget as roma
from roma_widget.client import actions
from roma_widget.server.agents.instrument import Project

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
GOAL = "Survey of rooftop farms"


class Gate:
    """A `run` of one task that ends when it is let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.options: list[Mapping[str, Any]] = []

    def __call__(self, project: Project, goal: str, options: Mapping[str, Any]) -> None:
        self.options.append(options)
        with project.task(goal) as root, root.stage("execution"):
            while not self.go.wait(0.01):
                with root.stage("thinking"):
                    pass  # raises when the run was stopped
            root.finish({"output_text": "found"})


@pytest.fixture
def gate() -> Iterator[Gate]:
    one = Gate()
    yield one
    one.go.set()


@pytest.fixture
def ours(gate: Gate, closing: Any) -> roma.Server:
    server = roma.Server(run=gate).start()
    server.close = server.stop  # type: ignore[attr-defined]
    closing(server)
    return server


def v1(
    wire: Wire,
    *nodes: Any,
    executions: Any = IDLE,
    current: str | None = "p1",
    others: tuple[str, ...] = ("p2",),
) -> WireServer:
    """A server that behaves as ROMA v1: nothing is said of safety, and there is no stop."""
    server = wire(
        {
            "/api/health": ROMA_V1,
            "/api/executions": executions,
            "/api/projects": projects_list(current, *others),
            "/api/projects/p1": {"project": {"id": "p1", "goal": "g"}, "state": frame(nodes)},
            "/api/projects/p2": {"project": {"id": "p2", "goal": "g"}, "state": None},
            "/api/projects/gone": (404, '{"error": "Project not found"}', "application/json"),
        },
        greeting=[packet("projects_list", projects_list(current, *others))],
    )
    return server


def live(connect: Connect, server: WireServer, *nodes: Any, **options: Any) -> roma.Monitor:
    m = connect(server.url, **options)
    m.wait("connected", timeout=5)
    eventually(lambda: m.connection["state"] == "live" and server.clients_now)
    if nodes:
        server.send_frame(list(nodes))
        m.wait(lambda s: len(s.tasks) == len(nodes), timeout=5)
    return m


def polling(connect: Connect, server: WireServer) -> roma.Monitor:
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    assert m.connection["state"] == "polling"
    return m


def emitted(server: WireServer) -> list[str]:
    return [name for name, _ in server.emitted]


class TestOnOurServer:
    def test_a_run_is_started_watched_and_comes_to_something(
        self, connect: Connect, ours: roma.Server, gate: Gate
    ) -> None:
        m = connect(ours.url)  # also before it is connected
        project_id = m.start(GOAL, max_steps=7)
        assert m.project["id"] == project_id
        assert m.project["goal"] == GOAL
        gate.go.set()
        assert m.wait("done", timeout=10) == "succeeded"
        assert gate.options[0]["max_steps"] == 7
        assert m.result("root") == {"output_text": "found"}
        with pytest.raises(roma.UnknownTask):
            m.result("no such task")

    @pytest.mark.parametrize(
        ("goal", "options", "words"),
        [
            ("x", {}, "Goal must be at least 3 characters long"),
            ("  ", {}, "Goal must be"),
            ("g" * 1001, {}, "Goal must be less than 1000 characters"),
            (GOAL, {"max_steps": -1}, "max_steps must be at least 1"),
        ],
    )
    def test_a_goal_that_will_not_do_raises_the_servers_words(
        self, connect: Connect, ours: roma.Server, goal: str, options: dict[str, Any], words: str
    ) -> None:
        m = connect(ours.url)
        with pytest.raises(roma.ServerError, match=words) as caught:
            m.start(goal, **options)
        assert caught.value.event == "error"
        with pytest.raises(ValueError, match="goal takes a string"):
            m.start(5)  # type: ignore[arg-type]

    def test_switching_is_for_everybody_and_confirmed(self, connect: Connect, ours: roma.Server) -> None:
        m, other = connect(ours.url), connect(ours.url, token=None, headers={"x": "another"})
        first = m.start(GOAL)
        second = m.start("Another goal")
        assert m.project["id"] == second
        m.switch(first)
        assert m.project["id"] == first
        assert [one["id"] for one in m.projects if one["is_current"]] == [first]
        eventually(lambda: other.project.get("id") == first)

    def test_a_project_that_is_not_there(self, connect: Connect, ours: roma.Server) -> None:
        m = connect(ours.url)
        for call in (m.switch, m.stop):
            with pytest.raises(roma.UnknownProject, match="no project 'nope'"):
                call("nope")
            with pytest.raises(ValueError, match="project_id takes"):
                call("")
        for nothing_shown in (m.stop, m.save_on_server):
            with pytest.raises(roma.UnknownProject, match="No project is shown"):
                nothing_shown()

    def test_stopping_ends_the_run_once(self, connect: Connect, ours: roma.Server) -> None:
        m = connect(ours.url)
        m.start(GOAL)
        m.wait(lambda s: s.tasks, timeout=5)
        m.stop()
        m.wait(lambda s: s.tasks["root"].status == "CANCELLED", timeout=5)
        with pytest.raises(roma.ServerError, match="is not running"):
            m.stop()

    def test_saving_and_refreshing(self, connect: Connect, ours: roma.Server, gate: Gate) -> None:
        m = connect(ours.url)
        project_id = m.start(GOAL)
        m.wait(lambda s: s.tasks, timeout=5)
        m.save_on_server()
        assert ours.state.projects.get(project_id).saved_at is not None
        m.refresh()
        assert "root" in m.snapshot.tasks

    def test_a_server_that_starts_no_runs_says_so(self, connect: Connect) -> None:
        with roma.Server() as server:
            m = connect(server.url)
            with pytest.raises(roma.ServerError, match="this server starts no runs"):
                m.start(GOAL)
            m.close()


def test_a_replay_starts_and_switches_nothing_and_says_so(
    connect: Connect, replay: Callable[..., Replay]
) -> None:
    server = replay(recording(frame([node("root")])))
    server.go_to_end()
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    for act in (lambda: m.start(GOAL), lambda: m.switch("p1"), m.save_on_server):
        with pytest.raises(roma.ServerError, match="replays a recording"):
            act()
    m.refresh()


class TestOnRoma:
    def test_refreshing_restores_and_never_asks_for_the_initial_state(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = v1(wire)
        m = live(connect, server, node("root"))
        state = {
            key: value for key, value in frame([node("root"), node("root.1")]).items() if key != "project_id"
        }
        server.replies["restore_project_state"] = lambda _: [packet("project_restored", state)]
        m.refresh()
        assert set(m.snapshot.tasks) == {"root", "root.1"}
        server.replies["restore_project_state"] = lambda _: [
            packet("project_restore_error", {"error": "Project p1 not found"})
        ]
        with pytest.raises(roma.ServerError, match="Project p1 not found"):
            m.refresh()
        assert "request_initial_state" not in emitted(server)

    def test_without_a_project_refreshing_looks_at_the_list(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire, current=None, others=())
        m = live(connect, server)
        server.answers["/api/projects"] = projects_list("p1")
        m.refresh()
        assert m.project["id"] == "p1"
        assert emitted(server) == []

    def test_there_is_no_stop(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire)
        m = live(connect, server, node("root"))
        with pytest.raises(roma.ServerError, match="This server cannot stop a run") as caught:
            m.stop()
        assert caught.value.event == "POST /api/projects/p1/stop"
        assert "stop_project" not in emitted(server)

    def test_only_an_id_that_the_server_names_now_is_saved(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire)
        m = live(connect, server, node("root"))
        server.replies["force_save_project"] = lambda fields: [
            packet("save_success", {"project_id": fields["project_id"], "node_count": 1})
        ]
        m.save_on_server()
        server.answers["/api/projects"] = projects_list(
            "p2"
        )  # p1 was deleted meanwhile, which nobody is told
        with pytest.raises(roma.UnknownProject, match="'p1' any more"):
            m.save_on_server()
        server.answers["/api/projects"] = 500
        with pytest.raises(roma.ConnectError, match="no list of projects"):
            m.save_on_server()
        assert emitted(server).count("force_save_project") == 1

    def test_a_start_is_confirmed_over_http(
        self, connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(actions, "CONFIRM_S", 0.2)
        server = v1(wire)
        m = live(connect, server, node("root"))
        server.replies["start_project"] = lambda _: [packet("project_started", {"project": {"id": "p3"}})]
        with pytest.raises(roma.ServerError, match="GET /api/projects/p3 answers HTTP 404"):
            m.start(GOAL)
        server.answers["/api/projects/p4"] = {"project": {"id": "p4"}, "state": None}
        server.answers["/api/projects"] = projects_list("p4", "p1")
        server.replies["start_project"] = lambda _: [packet("project_started", {"project": {"id": "p4"}})]
        assert m.start(GOAL) == "p4"
        assert server.emitted[-1] == ("start_project", [{"project_goal": GOAL}])

    def test_the_announcement_of_an_earlier_start_is_not_taken_for_this_one(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = v1(wire)
        m = live(connect, server, node("root"))
        server.replies["start_project"] = lambda _: [
            packet("project_started", {"project": {"id": each}}) for each in ("p1", "p2", "new")
        ]
        server.answers["/api/projects/new"] = {"project": {"id": "new"}, "state": None}
        assert m.start(GOAL) == "new"

    def test_a_switch_that_http_does_not_see_did_not_happen(
        self, connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(actions, "CONFIRM_S", 0.2)
        server = v1(wire)
        m = live(connect, server, node("root"))

        def switched(fields: dict[str, str]) -> list[str]:
            graph = {"all_nodes": {}, "graphs": {}, "current_project": {"id": fields["project_id"]}}
            about = {"project_id": fields["project_id"], "project_data": graph}
            return [packet("project_switched", about), packet("project_switch_success", about)]

        server.replies["switch_project"] = switched
        with pytest.raises(roma.ServerError, match="its list says that p1 is current"):
            m.switch("p2")
        server.answers["/api/projects"] = projects_list("p2", "p1")
        m.switch("p2")
        assert m.project["id"] == "p2"

    def test_a_project_deleted_while_it_is_shown(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire)
        m = live(connect, server, node("root"))
        server.replies["switch_project"] = lambda _: [
            packet("project_switch_error", {"error": "Project gone not found"})
        ]
        with pytest.raises(roma.UnknownProject, match="Project gone not found"):
            m.switch("gone")
        assert "root" in m.snapshot.tasks

    def test_a_server_without_an_http_api_is_taken_at_its_word(self, connect: Connect, wire: Wire) -> None:
        server = wire({}, greeting=[packet("projects_list", projects_list("p1"))])
        m = live(connect, server, node("root"))
        server.replies["start_project"] = lambda _: [packet("project_started", {"project": {"id": "p3"}})]
        assert m.start(GOAL) == "p3"


class TestOverHttp:
    """A run is in progress on ROMA v1: no socket may be opened."""

    def test_a_run_can_be_started(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire, node("root"), executions=RUNNING)
        m = polling(connect, server)
        server.answers["POST /api/projects"] = (
            201, json.dumps({"project": {"id": "p2"}, "message": "m"}), "application/json",
        )  # fmt: skip
        server.answers["/api/projects"] = projects_list("p2", "p1")
        assert m.start(GOAL, max_steps=9) == "p2"
        assert server.posted == [("/api/projects", {"goal": GOAL, "max_steps": 9})]
        assert m.project["id"] == "p2"
        assert server.handshakes == []

    def test_what_the_server_refuses_raises_its_words(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire, node("root"), executions=RUNNING)
        m = polling(connect, server)
        words = "Goal must be at least 3 characters long"
        server.answers["POST /api/projects"] = (400, json.dumps({"error": words}), "application/json")
        with pytest.raises(roma.ServerError, match=words) as caught:
            m.start("x")
        assert caught.value.event == "POST /api/projects"
        server.answers["POST /api/projects"] = 502
        with pytest.raises(roma.ServerError, match="POST /api/projects answered HTTP 502"):
            m.start(GOAL)

    def test_a_project_can_be_switched_to(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire, node("root"), executions=RUNNING)
        m = polling(connect, server)

        def switched() -> dict[str, Any]:
            server.answers["/api/projects"] = projects_list("p2", "p1")
            return {"project": {"id": "p2"}, "message": "m"}

        server.answers["POST /api/projects/p2/switch"] = switched
        m.switch("p2")
        assert m.project["id"] == "p2"
        failed = (500, '{"error": "Failed to switch project"}', "application/json")
        server.answers["POST /api/projects/gone/switch"] = failed
        with pytest.raises(roma.UnknownProject, match="Failed to switch project"):
            m.switch("gone")
        assert server.handshakes == []

    def test_refreshing_is_one_look(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire, node("root"), executions=RUNNING)
        m = polling(connect, server)
        server.answers["/api/projects/p1"] = {
            "project": {"id": "p1"}, "state": frame([node("root"), node("root.1")]),
        }  # fmt: skip
        m.refresh()
        assert set(m.snapshot.tasks) == {"root", "root.1"}

    def test_what_needs_the_socket_says_what_to_do(self, connect: Connect, wire: Wire) -> None:
        server = v1(wire, node("root"), executions=RUNNING)
        m = polling(connect, server)
        for act in (
            lambda: m.trace("root"),
            lambda: m.stage_details("root", "s"),
            m.save_on_server,
            m.fetch_traces,
        ):
            with pytest.raises(roma.NotLive, match=r"followed over HTTP.*reconnect\(force=True\).*freeze"):
                act()
        assert server.handshakes == []


def test_an_unreachable_server(connect: Connect) -> None:
    m = connect(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(roma.ConnectError, match="POST /api/projects got no answer"):
        m.start(GOAL)
    with pytest.raises(roma.ConnectError, match="got no answer"):
        m.refresh()
    m.disconnect()
    for act in (lambda: m.start(GOAL), m.refresh, lambda: m.switch("p"), m.stop, m.save_on_server):
        with pytest.raises(roma.NotLive, match="disconnected"):
            act()


def test_a_session_that_ended_under_its_monitor_can_ask_nothing(connect: Connect, wire: Wire) -> None:
    m = live(connect, wire({"/api/health": SAFE}), node("root"))
    session: Any = m._session
    m._io.result(session.close())
    with pytest.raises(roma.NotLive):
        m.trace("root")
    with pytest.raises(roma.NotLive):
        m.start(GOAL)


@pytest.mark.parametrize(
    ("call", "hangs"),
    [
        (lambda m: m.stop(timeout=0.2), "POST /api/projects/p1/stop"),
        (lambda m: m.switch("p2", timeout=0.2), "POST /api/projects/p2/switch"),
        (lambda m: m.start(GOAL, timeout=0.2), "POST /api/projects"),
        (lambda m: m.refresh(timeout=0.2), "/api/projects"),
    ],
    ids=["stop", "switch", "start", "refresh"],
)
def test_an_action_takes_no_longer_than_it_may(
    connect: Connect, wire: Wire, call: Callable[[roma.Monitor], object], hangs: str
) -> None:
    state = {"project": {"id": "p1", "goal": "g"}, "state": frame([node("root")])}
    listed = projects_list("p1", "p2")
    server = wire(
        {
            "/api/health": ROMA_V1,
            "/api/executions": RUNNING,
            "/api/projects": listed,
            "/api/projects/p1": state,
        }
    )
    m = connect(server.url)
    m.wait(lambda s: s.tasks, timeout=5)
    server.answers[hangs] = Hangs
    began = time.monotonic()
    with pytest.raises(roma.WaitTimeout, match=r"not done within 0\.2 s"):
        call(m)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("nonsense", ["5", None, 0, -1, float("nan"), float("inf"), True, 10**400])
def test_a_timeout_is_a_number_above_0(connect: Connect, wire: Wire, nonsense: Any) -> None:
    m = connect(wire({"/api/health": SAFE}).url)
    calls: dict[str, Callable[..., object]] = {
        "trace": lambda **more: m.trace("root", **more),
        "stage_details": lambda **more: m.stage_details("root", "s", **more),
        "fetch_traces": m.fetch_traces,
        "execution_status": m.execution_status,
        "start": lambda **more: m.start(GOAL, **more),
        "switch": lambda **more: m.switch("p2", **more),
        "stop": m.stop,
        "save": m.save_on_server,
        "refresh": m.refresh,
        "watch": lambda **more: m.watch("p2", **more),
        "connect": lambda **more: roma.connect(m.address, **more),
    }
    for call in calls.values():
        with pytest.raises(ValueError, match=r"^timeout takes seconds above 0, not .{1,60}\.$"):
            call(timeout=nonsense)
