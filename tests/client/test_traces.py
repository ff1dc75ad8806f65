"""Fetching traces: from recordings and our server; what is asked again and what not; samples; interruption."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from client.servers import (
    IDLE,
    ROMA_V1,
    Replay,
    ServerThread,
    WireServer,
    eventually,
    frame,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget.archive.capture import read_capture
from roma_widget.client import trace_refresh
from roma_widget.client.trace_cache import TraceCache
from roma_widget.core.model import Stage, Task, Trace

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
TASKS = [node("root", "DONE"), node("root.1", "DONE"), node("root.2", "DONE")]


def trace_of(task_id: str, *stages: Any, **about: Any) -> str:
    trace = {"node_id": task_id, "trace_id": f"trace of {task_id}", "stages": list(stages), **about}
    return packet("node_trace_data", {"node_id": task_id, "trace": trace})


@pytest.fixture
def server(wire: Wire) -> WireServer:
    """As ROMA v1, with a run that has ended; it answers every request for a trace."""
    one = wire(
        {"/api/health": ROMA_V1, "/api/executions": IDLE, "/api/projects": projects_list("p1")},
        greeting=[packet("projects_list", projects_list("p1"))],
    )
    one.replies["request_node_trace"] = lambda fields: [trace_of(fields["node_id"])]
    return one


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    monitor = connect(server.url)
    monitor.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    show(monitor, server, *TASKS)
    return monitor


def show(m: roma.Monitor, server: WireServer, *nodes: dict[str, Any]) -> None:
    server.send_frame(list(nodes))
    wanted = {one["task_id"]: one for one in nodes}
    m.wait(lambda s: {key: task.raw for key, task in s.tasks.items()} == wanted, timeout=5)


def asked(server: WireServer) -> list[str]:
    ids = [arguments[0]["node_id"] for name, arguments in server.emitted if name == "request_node_trace"]
    server.emitted.clear()
    return ids


@pytest.mark.parametrize("name", ["a_complete", "b_hitl", "d_failed"])
def test_all_traces_of_a_recorded_run_come(
    connect: Connect, replay: Callable[..., Replay], captures: Any, name: str
) -> None:
    server = replay(read_capture(captures / f"{name}.jsonl.xz"))
    server.go_to_end()
    m = connect(server.url)
    m.wait("done", timeout=10)
    assert m.fetch_traces(progress=False) == len(m.snapshot.tasks)
    assert m.fetch_traces(progress=False) == 0
    for task_id in m.snapshot.tasks:
        trace = m.trace(task_id)
        assert trace.task_id == task_id
        assert trace.stages
        assert all(stage.started.tzinfo is not None for stage in trace.stages)
    assert m.connection["error"] is None
    stage = m.trace("root").stages[-1]
    details = m.stage_details("root", stage.stage_id or "")
    assert (details.stage, details.seq, details.output) == (stage.stage, stage.seq, stage.output)
    with pytest.raises(roma.ServerError, match="Stage no such stage not found"):
        m.stage_details("root", "no such stage")


def test_our_server_says_what_was_counted_and_which_task_has_no_trace(connect: Connect) -> None:
    with roma.Server() as server, server.project("a goal") as project:
        with project.task("a goal") as root:
            with root.stage("planning", agent="planner", model="a/b") as stage:
                stage.record(
                    prompt="what?", usage={"prompt_tokens": 3, "completion_tokens": 4, "cost_usd": 0.5}
                )
                stage.tool_call("search", {"query": "x"}, "y", duration_s=0.1)
            root.task("not begun")
            with root.task("bare"):
                pass
        m = connect(server.url)
        m.wait(lambda s: len(s.tasks) >= 2, timeout=5)
        assert m.fetch_traces(progress=False) == 1
        assert m.fetch_traces(progress=False) == 0, "that there is none is known, too"
        stage_seen = m.trace("root").stages[0]
        assert (stage_seen.prompt_tokens, stage_seen.completion_tokens, stage_seen.cost_usd) == (3, 4, 0.5)
        assert (stage_seen.n_tool_calls, stage_seen.user_input, stage_seen.agent) == (1, "what?", "planner")
        with pytest.raises(roma.ServerError, match="No trace found"):
            m.trace("root.1")
        m.close()


def test_a_trace_that_was_fetched_follows_its_task(
    m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_refresh, "REFRESH_AFTER_S", 0.02)
    m.trace("root")
    asked(server)
    show(m, server, node("root", "DONE", error="late news"), *TASKS[1:])
    eventually(lambda: "request_node_trace" in [name for name, _ in server.emitted])
    cache = m._session._feed.traces
    eventually(lambda: cache.get("p1", m.snapshot.tasks["root"]) is not None)
    assert m.trace("root").task_id == "root"
    assert asked(server) == ["root"], "root.1 and root.2 were never fetched, and root has been already"


def test_two_monitors_of_a_run_ask_once(
    connect: Connect, m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_refresh, "REFRESH_AFTER_S", 0.02)
    server.answers["/api/projects/p1"] = lambda: {"project": {"id": "p1"}, "state": None}
    beside = connect(server.url, project="p1")
    beside.wait(lambda s: s.tasks, timeout=5)
    assert m.fetch_traces(progress=False) == 3
    asked(server)
    show(m, server, *[node(task_id, "DONE", error="late") for task_id in ("root", "root.1", "root.2")])
    cache = m._session._feed.traces
    eventually(lambda: all(cache.get("p1", task) for task in m.snapshot.tasks.values()))
    assert sorted(asked(server)) == ["root", "root.1", "root.2"]


def test_a_trace_that_is_refused_is_not_asked_for_over_and_over(
    m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_refresh, "REFRESH_AFTER_S", 0.01)
    assert m.fetch_traces(["root", "root.1"], progress=False) == 2
    asked(server)
    refuses(server, root="Server error: not now")
    show(m, server, node("root", "DONE", error="late"), node("root.1", "DONE", error="late"), TASKS[2])
    cache = m._session._feed.traces
    eventually(lambda: cache.get("p1", m.snapshot.tasks["root.1"]) is not None)
    show(m, server, node("root", "DONE", error="late"), node("root.1", "DONE", error="later"), TASKS[2])
    eventually(lambda: cache.get("p1", m.snapshot.tasks["root.1"]) is not None)
    assert asked(server) == ["root", "root.1", "root.1"]


def refuses(server: WireServer, **said: str) -> None:
    """Instead of these tasks' traces comes an error."""
    server.replies["request_node_trace"] = lambda fields: [
        packet("node_trace_error", {"error": said[fields["node_id"]]})
        if fields["node_id"] in said
        else trace_of(fields["node_id"])
    ]


def test_tasks_without_a_trace_do_not_count(m: roma.Monitor, server: WireServer) -> None:
    server.replies["request_node_trace"] = lambda fields: [
        trace_of("root.1", trace_id="sample-root.1")
        if fields["node_id"] == "root.1"
        else packet("node_trace_error", {"error": "No trace found for node root.2"})
        if fields["node_id"] == "root.2"
        else trace_of(fields["node_id"])
    ]
    assert m.fetch_traces(progress=False) == 1
    assert asked(server) == ["root", "root.1", "root.2"]


def test_a_refusal_costs_one_trace_and_all_refused_is_an_error(m: roma.Monitor, server: WireServer) -> None:
    refuses(server, root="Server error: this one cannot be read")
    assert m.fetch_traces(progress=False) == 2
    with pytest.raises(roma.ServerError, match="this one cannot be read"):
        m.fetch_traces(["root"], progress=False)


def test_a_fetching_stays_with_the_project_it_was_begun_on(m: roma.Monitor, server: WireServer) -> None:
    def answer_and_switch(fields: dict[str, Any]) -> list[str]:
        other = frame([node("root", "DONE"), node("root.1", "DONE")], project="p2")
        return [trace_of(fields["node_id"]), packet("task_graph_update", other)]

    server.replies["request_node_trace"] = answer_and_switch
    assert m.fetch_traces(progress=False) == 3
    of_projects = [fields[0]["project_id"] for name, fields in server.emitted if name == "request_node_trace"]
    assert of_projects == ["p1", "p1", "p1"]


def test_silence_ends_the_fetching(
    m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(m._session._feed.hearing.requests, "_silence_s", 0.05)
    server.replies.clear()
    with pytest.raises(roma.ServerError, match="said nothing"):
        m.fetch_traces(progress=False)
    assert asked(server) == ["root"]


def test_the_trace_of_an_ended_task_is_asked_for_once(m: roma.Monitor, server: WireServer) -> None:
    first = m.trace("root")
    assert m.trace("root") == first
    assert asked(server) == ["root"]


def test_when_the_task_has_changed_it_is_asked_for_again(m: roma.Monitor, server: WireServer) -> None:
    assert m.fetch_traces(progress=False) == 3
    assert asked(server) == ["root", "root.1", "root.2"]
    show(m, server, TASKS[0], TASKS[1], node("root.2", "FAILED", error="late"))
    assert m.fetch_traces(progress=False) == 1
    assert asked(server) == ["root.2"]


def test_a_task_that_runs_is_asked_about_each_time(m: roma.Monitor, server: WireServer) -> None:
    show(m, server, node("root"))
    m.trace("root")
    m.trace("root")
    assert asked(server) == ["root", "root"]


def test_a_trace_with_a_stage_that_still_runs_is_asked_for_again(m: roma.Monitor, server: WireServer) -> None:
    server.replies["request_node_trace"] = lambda fields: [
        trace_of("root", {"stage_name": "aggregation", "status": "running"})
    ]
    for _ in range(2):
        assert m.trace("root").stages[0].status is roma.StageStatus.RUNNING
    assert asked(server) == ["root", "root"]


def test_a_sample_is_flagged_and_never_kept_as_real(m: roma.Monitor, server: WireServer) -> None:
    server.replies["request_node_trace"] = lambda fields: [
        trace_of(fields["node_id"], {"stage_name": "a"}, trace_id=f"sample-{fields['node_id']}")
    ]
    trace = m.trace("root")
    assert trace.is_sample
    assert trace.stages[0].is_sample
    assert m.fetch_traces(["root", "root.1"], progress=False) == 0
    assert asked(server) == ["root", "root.1"], "a task that has none is not asked about until it changes"
    server.replies["request_node_trace"] = lambda fields: [trace_of(fields["node_id"])]
    assert not m.trace("root").is_sample


def test_a_task_that_does_not_exist_is_never_asked_about(m: roma.Monitor, server: WireServer) -> None:
    for act in (
        m.trace,
        lambda task_id: m.fetch_traces([task_id]),
        lambda task_id: m.stage_details(task_id, "s"),
    ):
        with pytest.raises(roma.UnknownTask, match=r"no task 'root\.9'"):
            act("root.9")
    assert asked(server) == []


def test_known_traces_can_be_read_without_a_socket(m: roma.Monitor, server: WireServer) -> None:
    m.trace("root")
    server.close()
    eventually(lambda: m.connection["state"] != "live")
    assert m.trace("root").task_id == "root"
    with pytest.raises(roma.NotLive, match="needs the socket"):
        m.trace("root.1")


def test_cleared_traces_are_forgotten(m: roma.Monitor, server: WireServer) -> None:
    m.trace("root")
    server.emit("traces_cleared", {"project_id": "p1", "message": "m"})
    eventually(lambda: m.link()["unasked_replies"] == 1)
    m.trace("root")
    assert asked(server) == ["root", "root"]


def test_fetching_can_be_interrupted_and_goes_on_where_it_stopped(
    m: roma.Monitor, server: WireServer
) -> None:
    def interrupt(fields: dict[str, str]) -> list[str]:
        if fields["node_id"] == "root.1":
            os.kill(os.getpid(), signal.SIGINT)
            return []
        return [trace_of(fields["node_id"])]

    answer = server.replies["request_node_trace"]
    server.replies["request_node_trace"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        m.fetch_traces(progress=False)
    server.replies["request_node_trace"] = answer
    assert asked(server) == ["root", "root.1"]
    assert m.fetch_traces(progress=False) == 2
    assert asked(server) == ["root.1", "root.2"]


def test_progress_is_said_on_one_line(m: roma.Monitor, capsys: pytest.CaptureFixture[str]) -> None:
    m.fetch_traces()
    said = capsys.readouterr().out
    assert said.split("\r")[-1] == "Traces: 3 of 3\n"
    m.fetch_traces()
    assert capsys.readouterr().out == "", "there was nothing to fetch"


def test_progress_counts_the_tasks_without_a_trace(
    m: roma.Monitor, server: WireServer, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(fields: dict[str, str]) -> list[str]:
        if fields["node_id"] == "root":
            return [trace_of("root")]
        return [packet("node_trace_error", {"error": "No trace found for node"})]

    server.replies["request_node_trace"] = answer
    assert m.fetch_traces() == 1
    assert capsys.readouterr().out.endswith("Traces: 3 of 3, 2 tasks without one\n")


def test_a_server_that_falls_silent_ends_the_fetching(m: roma.Monitor, server: WireServer) -> None:
    session: Any = m._session
    session._feed.hearing.requests._silence_s = 0.05
    server.replies.clear()
    with pytest.raises(roma.ServerError, match="said nothing"):
        m.fetch_traces(progress=False)
    assert asked(server) == ["root"]


@pytest.mark.parametrize("can_load", [True, False])
def test_a_project_that_the_server_has_not_loaded_is_restored_once(
    m: roma.Monitor, server: WireServer, can_load: bool
) -> None:
    """As ROMA after a restart."""
    answer = server.replies["request_node_trace"]
    refused = [packet("node_trace_error", {"error": "Project p1 not found"})]
    server.replies["request_node_trace"] = lambda _: refused

    def restored(_: Any) -> list[str]:
        if not can_load:
            return [packet("project_restore_error", {"error": "Project p1 not found"})]
        server.replies["request_node_trace"] = answer
        return [packet("project_restored", frame(TASKS))]

    server.replies["restore_project_state"] = restored
    if can_load:
        assert m.fetch_traces(progress=False) == 3
    else:
        with pytest.raises(roma.ServerError, match="Project p1 not found"):
            m.fetch_traces(progress=False)
    asked_for = [(name, arguments) for name, arguments in server.emitted if name == "restore_project_state"]
    assert asked_for == [("restore_project_state", [{"project_id": "p1"}])]
    server.replies["request_node_trace"] = answer
    assert m.fetch_traces(progress=False) == (0 if can_load else 3)


def test_times_are_the_servers_clock_put_right(m: roma.Monitor, server: WireServer) -> None:
    began = datetime.now(UTC).replace(microsecond=0)
    for number in range(4):  # a server whose clock is three hours ahead
        stamp = (datetime.now(UTC) + timedelta(hours=3)).replace(tzinfo=None).isoformat()
        server.send_frame([node("root", "DONE", error=str(number))], timestamp=stamp)
        m.wait(lambda s, n=number: s.tasks["root"].error == str(n), timeout=5)
    ahead = (began + timedelta(hours=3)).replace(tzinfo=None).isoformat()
    server.replies["request_node_trace"] = lambda _: [
        trace_of("root", {"stage_name": "a", "started_at": ahead}, created_at=ahead)
    ]
    trace = m.trace("root")
    assert (trace.created, trace.stages[0].started) == (began, began)
    assert m.trace("root") == trace


def test_monitors_of_one_server_share_what_was_fetched(
    connect: Connect, m: roma.Monitor, server: WireServer, servers: ServerThread
) -> None:
    m.fetch_traces(progress=False)
    other = connect(server.url)
    other.wait(lambda s: len(s.tasks) == 3, timeout=5)
    assert other.fetch_traces(progress=False) == 0


class TestCache:
    task = Task("root", "g", "DONE", raw_json="{}")

    def trace(self, size: int = 10, **fields: Any) -> Trace:
        return Trace("root", trace_id="t", _stage_texts=("x" * size,), **fields)

    def test_what_was_used_longest_ago_goes_first(self) -> None:
        cache = TraceCache(most_characters=100)
        tasks = [replace(self.task, task_id=f"root.{n}") for n in range(12)]
        for place, task in enumerate(tasks):
            cache.put("p", task, replace(self.trace(), trace_id=str(place)))
            cache.get("p", tasks[0])
        assert (len(cache), cache.characters) == (10, 100)
        assert cache.get("p", tasks[0]) is not None
        assert cache.get("p", tasks[1]) is None

    def test_one_that_is_too_large_is_not_kept_and_the_number_is_bounded(self) -> None:
        cache = TraceCache(most_characters=100, most_traces=3)
        cache.put("p", self.task, self.trace(101))
        assert (len(cache), cache.characters) == (0, 0)
        for number in range(9):
            cache.put("p", replace(self.task, task_id=str(number)), None)
        assert len(cache) == 3

    def test_projects_do_not_mix(self) -> None:
        cache = TraceCache()
        cache.put("p", self.task, self.trace())
        assert cache.get("q", self.task) is None
        assert cache.is_anothers("t", "q", "root")
        assert not cache.is_anothers("t", "p", "root")
        cache.forget("p")
        assert (len(cache), cache.characters) == (0, 0)
        assert not cache.is_anothers("t", "q", "root")

    def test_a_sample_is_kept_as_there_is_none(self) -> None:
        cache = TraceCache()
        cache.put("p", self.task, self.trace(is_sample=True))
        known = cache.get("p", self.task)
        assert known is not None
        assert known.trace is None
        assert cache.characters == 0


def test_a_browser_is_told_of_the_traces_of_a_live_and_of_a_saved_run(
    connect: Connect, tmp_path: Path
) -> None:
    with roma.Server() as server, server.project("a goal") as project:
        with project.task("a goal") as root:
            with root.stage("planning", agent="planner") as stage:
                stage.record(prompt="what?", response="x" * 5_000)
            root.task("not begun")
        m = connect(server.url)
        m.wait(lambda s: len(s.tasks) == 2, timeout=5)
        (root_id, bare_id) = m.snapshot.tasks
        heard: Queue[tuple[Task, Stage]] = Queue()
        m.on("stage_opened", lambda task, stage: heard.put((task, stage)))
        m._io.result(m.open_stage(root_id, 0))
        task, opened = heard.get(timeout=5)
        assert (task.task_id, opened.stage, opened.llm_response) == (root_id, "planning", "x" * 5_000)
        assert told(m.task_trace(bare_id), m)["stages"] == []
        live = told(m.task_trace(root_id), m)
        m.save(tmp_path / "run.roma")
    saved = roma.load(tmp_path / "run.roma")
    assert told(saved.task_trace(root_id), saved) == live
    assert live["stages"][0]["sizes"] == {"llm_response": 5_000}
    assert told(saved.stage_texts(root_id, 0), saved)["texts"]["llm_response"] == "x" * 5_000
    with pytest.raises(roma.RomaError, match="was not fetched before the run was saved"):
        told(saved.task_trace(bare_id), saved)


def told(answer: Coroutine[Any, Any, Any], m: roma.Monitor) -> Any:
    return json.loads(bytes(m._io.result(answer)))
