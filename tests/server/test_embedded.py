"""`Server` as its users have it: it comes, serves, goes, comes back; and joining it never touches a run."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import roma_widget as roma
from roma_widget.server.agents.instrument import Task
from roma_widget.server.network.app import ServeError
from roma_widget.server.scenarios import goal_of, scenario
from roma_widget.server.state.hitl import Prompt
from roma_widget.server.state.projects import LOST
from roma_widget.server.state.store import StoreError

TIMEOUT_S = 20


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
        return json.load(response)


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + TIMEOUT_S
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


others: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def threads_of_others() -> None:
    """What a fixture of the session still runs is none of these tests' threads."""
    others.clear()
    others.update(threading.enumerate())


def our_threads() -> list[str]:
    return [
        thread.name
        for thread in threading.enumerate()
        if thread not in others and thread.name.startswith(("roma-server", "roma-run"))
    ]


def test_it_comes_and_goes_and_leaves_nothing_behind() -> None:
    server = roma.Server()
    with pytest.raises(roma.NotLive, match="not running"):
        _ = server.url
    with server:
        assert get(f"{server.url}/api/health")["safe_to_join"] is True
        assert server.port == int(server.url.rpartition(":")[2])
        with pytest.raises(roma.RomaError, match="running already"):
            server.start()
    server.stop()
    assert our_threads() == []
    assert repr(server) == "<Server, not running>"
    with server:
        assert get(f"{server.url}/api/projects") == {"projects": [], "current_project_id": None}


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"host": "0.0.0.0"}, ServeError, "token"),
        ({"host": "no.such.host.invalid"}, ServeError, "host"),
        ({"port": -1}, ServeError, "port"),
        ({"data_dir": "/proc/nothing/here"}, StoreError, "/proc/nothing"),
        ({"run": "report"}, TypeError, "callable"),
    ],
)
def test_what_will_not_do_is_said_at_start(options: dict[str, Any], error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        roma.Server(**options).start()
    assert our_threads() == []


def test_a_taken_port_and_a_taken_folder_are_said(tmp_path: Path) -> None:
    with roma.Server(data_dir=tmp_path) as server:
        with pytest.raises(ServeError, match=str(server.port)):
            roma.Server(port=server.port).start()
        with pytest.raises(StoreError, match="another server"):
            roma.Server(data_dir=tmp_path).start()
        assert get(f"{server.url}/api/health")["status"] == "healthy"


def test_reports_from_before_a_restart_are_refused(tmp_path: Path) -> None:
    server = roma.Server(data_dir=tmp_path)
    with server:
        project = server.project("Survey of X").__enter__()
        root = project.task("root").__enter__()
    with server:
        with pytest.raises(roma.NotLive, match="was stopped"):
            root.task("more")
        root.__exit__(None, None, None)
        project.__exit__(None, None, None)
        assert get(f"{server.url}/api/projects")["projects"][0]["status"] == "failed"
        again = server.project("Survey of X", project_id=project.id)
        with again, again.task("Survey of X", task_id="root") as root:
            root.finish("all")
        assert again.status == "completed"


def test_whoever_takes_a_project_up_has_it_alone() -> None:
    with roma.Server() as server:
        first = server.project("Survey of X")
        root = first.task("root")
        second = server.project("Survey of X", project_id=first.id)
        with pytest.raises(roma.RunStopped):
            root.task("more")
        assert second.task("more", parent=None).id == "root-2"


def test_a_stop_that_fails_half_way_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    server = roma.Server().start()

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(server.runs, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.stop()
    monkeypatch.undo()
    server.stop()
    assert our_threads() == []


def test_a_start_that_is_interrupted_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    server = roma.Server()
    wait = Future.result

    def interrupted(self: Future[Any], timeout: float | None = None) -> Any:
        wait(self, timeout)
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.start()
    monkeypatch.undo()
    assert our_threads() == []
    with server:
        assert get(f"{server.url}/api/health")["status"] == "healthy"


def test_a_run_may_stop_the_server_and_many_deaf_ones_do_not_hold_it_up() -> None:
    go_on = threading.Event()

    def run(project: Any, goal: str, options: object) -> None:
        if goal == "stop":
            server.stop()
        go_on.wait(TIMEOUT_S)

    server = roma.Server(run=run).start()
    for _ in range(5):
        server.runs.start("deaf")
    began_s = time.monotonic()
    server.runs.start("stop")
    until(lambda: not server.is_running and "roma-server" not in our_threads())
    assert time.monotonic() - began_s < 5
    go_on.set()
    until(lambda: our_threads() == [])


# --- joining ---------------------------------------------------------------------------------------------------------


def statuses_and_results(server: roma.Server) -> dict[str, Any]:
    nodes = get(f"{server.url}/api/task-graph")["all_nodes"]
    return {
        key: (node["status"], node["goal"], node["full_result"], node["error"]) for key, node in nodes.items()
    }


def started(server: roma.Server) -> Any:
    record = server.runs.start(goal_of("report", 3))
    return lambda: not record.alive


def test_joining_and_leaving_a_hundred_times_changes_nothing_of_a_run(client: Any) -> None:
    """The real server freezes a run for ever when anyone does this once."""

    async def join_and_leave(url: str) -> None:
        async with client(url) as joined:
            await joined.ask("request_initial_state")
            assert joined.payloads("projects_list")
            assert joined.payloads("task_graph_update")

    async def crowd(url: str, ended: Callable[[], bool]) -> int:
        joins = 0
        while joins < 100 or not ended():
            await join_and_leave(url)
            joins += 1
        return joins

    with roma.Server(run=scenario("report", seed=3, speed=200.0, hitl=False)) as server:
        ended = started(server)
        until(ended)
        alone = statuses_and_results(server)
    with roma.Server(run=scenario("report", seed=3, speed=40.0, hitl=False)) as server:
        ended = started(server)
        during = asyncio.run(asyncio.wait_for(crowd(server.url, ended), 100))
        crowded = statuses_and_results(server)
    assert during >= 100
    assert crowded == alone
    assert {status for status, *_ in alone.values()} == {"DONE"}


# --- going on after an end -------------------------------------------------------------------------------------------


def test_a_question_goes_on_when_its_asker_comes_back(tmp_path: Path) -> None:
    server = roma.Server(data_dir=tmp_path).start()

    def ask(task: Task) -> str:
        return task.ask("PlanReview", "Good?", timeout=TIMEOUT_S).action

    def opened() -> Prompt | None:
        with server.state.lock:
            return next(iter(server.state.prompts.open()), None)

    with ThreadPoolExecutor(1) as pool:
        project = server.project("Survey of X").__enter__()
        root = project.task("Survey of X").__enter__()
        asking = pool.submit(ask, root)
        before = until(opened)
        server.stop()
        with pytest.raises(roma.NotLive, match=r"(?i)the server was stopped"):
            asking.result(TIMEOUT_S)
        server.start()
        assert opened() is None  # nobody waits for it yet
        again = server.project("Survey of X", project_id=project.id)
        with again, again.task("Survey of X", task_id="root") as root:
            asking = pool.submit(ask, root)
            after = until(opened)
            assert after.request_id == before.request_id
            with server.state.lock:
                server.state.prompts.answer(after.request_id, "approve", None, "")
            assert asking.result(TIMEOUT_S) == "approve"
    assert again.status == "completed"
    server.stop()


def test_a_question_whose_asker_is_gone_is_lost_and_says_so(tmp_path: Path, client: Any) -> None:
    with roma.Server(data_dir=tmp_path) as server, ThreadPoolExecutor(1) as pool:
        project = server.project("Survey of X").__enter__()
        root = project.task("Survey of X").__enter__()
        asking = pool.submit(lambda: root.ask("PlanReview", "Good?"))
        request_id = until(lambda: [prompt.request_id for prompt in server.state.prompts.open()])[0]
        server.stop()
        assert isinstance(asking.exception(TIMEOUT_S), roma.NotLive)

    async def answer(url: str) -> list[tuple[str, Any]]:
        async with client(url) as joined:
            replies, _ = await joined.ask("hitl_response", {"request_id": request_id, "action": "approve"})
            return list(replies)

    with roma.Server(data_dir=tmp_path, reattach_s=0.05) as server:
        until(lambda: server.state.prompts.next_due_s() is None)
        replies = asyncio.run(answer(server.url))
        assert [event for event, _ in replies] == ["hitl_error"]
        assert "lost" in replies[0][1]["message"]
        stages = server.state.traces.read(project.id, "root")
        assert stages is not None
        assert stages.stages[-1].status == "failed"
        assert "did not come back" in str(stages.stages[-1].error_message)


@contextmanager
def serving(data_dir: Path, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`roma-widget serve` as a process of its own: (its address, the process)."""
    command = [
        sys.executable,
        "-m",
        "roma_widget",
        "serve",
        "--announce",
        "--data-dir",
        str(data_dir),
        *arguments,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"], process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_what_it_knew_is_there_after_a_sigkill(tmp_path: Path, client: Any) -> None:
    async def saved(url: str) -> Any:
        async with client(url) as joined:
            replies, _ = await joined.ask("force_save_project", {"project_id": project["id"]})
            return replies

    with serving(tmp_path, "--scenario", "report", "--start", "--no-hitl", "--speed", "20") as (url, process):
        until(
            lambda: (
                sum(n["status"] == "DONE" for n in get(f"{url}/api/task-graph")["all_nodes"].values()) >= 5
            )
        )
        (project,) = get(f"{url}/api/projects")["projects"]
        assert list(get(f"{url}/api/executions")["running_executions"]) == [project["id"]]
        assert asyncio.run(saved(url))[0][0] == "save_success"
        process.kill()
        process.wait()

    async def trace_of(url: str, task_id: str) -> Any:
        async with client(url) as joined:
            replies, _ = await joined.ask(
                "request_node_trace", {"project_id": project["id"], "node_id": task_id}
            )
            return replies

    with serving(tmp_path) as (url, process):
        (after,) = get(f"{url}/api/projects")["projects"]
        assert (after["id"], after["status"], after["error"]) == (project["id"], "failed", LOST)
        nodes = get(f"{url}/api/task-graph")["all_nodes"]
        assert {node["status"] for node in nodes.values()} <= {"DONE", "CANCELLED"}
        assert get(f"{url}/api/executions") == {"running_executions": {}}
        event, payload = asyncio.run(trace_of(url, "root"))[0]
        assert event == "node_trace_data"
        assert payload["trace"]["stages"][0]["stage_name"]
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(TIMEOUT_S) == 0


# --- in a notebook ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("host", 5, "host takes a text, not int."),
        ("port", 1.5, "port takes a whole number, not float."),
        ("port", "x", "port takes a whole number, not str."),
        ("most_traces", 0, "most_traces takes a whole number from 1 on, not 0."),
        ("token", 5, "token takes a text, not int."),
        ("origins", [5], "each of origins takes a text, not int."),
        ("origins", "https://x", "origins takes a list of texts, not str."),
        ("interval_s", "x", "interval_s takes seconds, a number, not str."),
        ("interval_s", -1, "interval_s takes seconds from 0 on, not -1."),
        ("most_traces", "x", "most_traces takes a whole number, not str."),
        ("data_dir", 5, "data_dir takes a folder's path, not int."),
    ],
)
def test_an_option_that_no_server_takes_is_said_before_it_starts(option: str, value: Any, says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(says)):
        roma.Server(**{option: value})


def test_what_no_project_takes_is_said() -> None:
    wrong: list[tuple[str, Any, str]] = [
        ("max_steps", "a", "max_steps takes a whole number, not str."),
        ("title", 5, "title takes a text, not int."),
        ("project_id", 5, "project_id takes a text, not int."),
    ]
    with roma.Server() as server:
        for option, value, says in wrong:
            with pytest.raises(TypeError, match=says):
                server.project("Survey of X", **{option: value})


def test_a_users_agent_is_watched_in_the_same_process() -> None:
    with roma.Server() as server, roma.connect(server.url) as m:
        assert m.wait("connected", timeout=TIMEOUT_S) is True
        with server.project("Survey of X") as project, project.task("Survey of X") as root:
            for number in range(3):
                with root.task(f"part {number}", task_type="SEARCH") as part:
                    part.finish(f"result {number}")
            root.finish("all")
        assert m.wait("done", timeout=TIMEOUT_S) == "succeeded"
        assert list(m.tasks()["status"]) == ["DONE"] * 4
        assert m.task("root.2").result == "result 1"
        assert m.connection["state"] == "live"
