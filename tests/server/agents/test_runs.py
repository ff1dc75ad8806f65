"""Runs that clients start: sync and async callables, how they end, how they are stopped."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import pytest
from server.reporting import Desk, desk

from roma_widget.errors import RomaError, RunStopped
from roma_widget.server.agents.instrument import Project
from roma_widget.server.agents.runs import STOPPED, Runs
from roma_widget.server.state.project_records import ProjectRecord

TIMEOUT_S = 10


@pytest.fixture
def host() -> Iterator[Desk]:
    with desk() as host:
        yield host


class Ended:
    """Waits for a run's end and keeps how it came."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.error: BaseException | None = None

    def __call__(self, record: ProjectRecord, error: BaseException | None) -> None:
        self.error = error
        self._event.set()

    def wait(self) -> BaseException | None:
        assert self._event.wait(TIMEOUT_S)
        return self.error


def report(project: Project, goal: str, options: Mapping[str, Any]) -> None:
    with project.task(goal) as root:
        root.finish({"max_steps": options["max_steps"]})


async def report_async(project: Project, goal: str, options: Mapping[str, Any]) -> None:
    await asyncio.sleep(0)
    report(project, goal, options)


@pytest.mark.parametrize("run", [report, report_async])
def test_a_run_gets_its_project_goal_and_options(host: Desk, run: Callable[..., Any]) -> None:
    ended = Ended()
    record = Runs(host, run).start("Survey of X", max_steps=7, on_end=ended)
    assert ended.wait() is None
    assert record.fields["status"] == "completed"
    assert host.state.projects.current_id == record.project_id
    project = Project(host, record)
    assert host.node(project, "root")["full_result"] == {"max_steps": 7}


def test_a_server_without_a_callable_starts_no_runs(host: Desk) -> None:
    runs = Runs(host, None)
    assert runs.can_start is False
    with pytest.raises(RomaError, match="this server starts no runs"):
        runs.start("Survey of X")
    assert host.state.projects.listed()["projects"] == []


def test_a_run_that_raises_fails_its_project_and_the_log_has_the_rest(
    host: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    def run(project: Project, goal: str, options: object) -> None:
        raise ZeroDivisionError("division by zero")

    ended = Ended()
    with caplog.at_level(logging.ERROR, "roma_widget.server"):
        record = Runs(host, run).start("Survey of X", on_end=ended)
        assert isinstance(ended.wait(), ZeroDivisionError)
    assert (record.fields["status"], record.fields["error"]) == ("failed", "division by zero")
    assert "Traceback" in caplog.text


def test_a_coroutine_is_cancelled_when_it_is_stopped(host: Desk) -> None:
    waiting = threading.Event()

    async def run(project: Project, goal: str, options: object) -> None:
        async with project.task(goal):
            waiting.set()
            await asyncio.sleep(3600)

    runs, ended = Runs(host, run), Ended()
    record = runs.start("Survey of X", on_end=ended)
    assert waiting.wait(TIMEOUT_S)
    assert runs.stop(record) is True
    assert isinstance(ended.wait(), asyncio.CancelledError)
    assert record.fields["status"] == "stopped"
    assert host.node(Project(host, record), "root")["status"] == "CANCELLED"


@pytest.mark.filterwarnings("error")
def test_a_coroutine_that_is_stopped_before_it_begins_is_closed(host: Desk) -> None:
    made: list[Coroutine[Any, Any, None]] = []

    async def run() -> None:
        raise AssertionError("it was stopped before")

    def begin(project: Project, goal: str, options: object) -> Coroutine[Any, Any, None]:
        runs.stop(project.record)
        made.append(run())
        return made[0]

    runs, ended = Runs(host, begin), Ended()
    runs.start("Survey of X", on_end=ended)
    assert isinstance(ended.wait(), RunStopped)
    assert inspect.getcoroutinestate(made[0]) == inspect.CORO_CLOSED


def test_a_function_hears_of_its_stop_with_its_next_report(host: Desk) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def run(project: Project, goal: str, options: object) -> None:
        with project.task(goal) as root:
            begun.set()
            go_on.wait(TIMEOUT_S)
            root.task("never")

    runs, ended = Runs(host, run), Ended()
    record = runs.start("Survey of X", on_end=ended)
    assert begun.wait(TIMEOUT_S)
    runs.stop(record)
    go_on.set()
    assert isinstance(ended.wait(), RunStopped)
    assert list(host.frame(Project(host, record))["all_nodes"]) == ["root"]


def test_a_running_project_is_not_started_twice_and_an_ended_one_begins_anew(host: Desk) -> None:
    go_on = threading.Event()

    def run(project: Project, goal: str, options: object) -> None:
        with project.task(goal):
            go_on.wait(TIMEOUT_S)

    runs, ended = Runs(host, run), Ended()
    record = runs.start("Survey of X", on_end=ended)
    with pytest.raises(RomaError, match="is running already"):
        runs.start("again", record=record)
    go_on.set()
    ended.wait()
    again = Ended()
    assert runs.start("Survey of Y", record=record, on_end=again) is record
    again.wait()
    project = Project(host, record)
    assert (project.goal, host.node(project, "root")["goal"]) == ("Survey of Y", "Survey of Y")


def test_a_stopped_run_has_no_part_in_the_next_one(host: Desk) -> None:
    """It hears of its stop late, when its project runs again: it must not report to that run, nor end it."""
    begun, go_on, second = threading.Event(), threading.Event(), threading.Event()
    heard: list[BaseException] = []

    def run(project: Project, goal: str, options: object) -> None:
        with project.task(goal) as root:
            if goal == "second":
                second.wait(TIMEOUT_S)
                return
            begun.set()
            go_on.wait(TIMEOUT_S)
            root.task("a child of the dead")

    runs, first_ended, second_ended = Runs(host, run), Ended(), Ended()
    record = runs.start("first", on_end=first_ended)
    assert begun.wait(TIMEOUT_S)
    assert runs.stop(record) is True
    runs.start("second", record=record, on_end=second_ended)
    go_on.set()
    heard.append(first_ended.wait() or ValueError())
    assert isinstance(heard[0], RunStopped)
    assert (record.fields["status"], record.fields["title"], record.alive) == ("running", "Second", True)
    assert runs.stop(record) is True
    second.set()
    second_ended.wait()
    project = Project(host, record)
    assert [node["goal"] for node in host.frame(project)["all_nodes"].values()] == ["second"]


def test_a_stopped_run_leaves_no_stage_running(host: Desk) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def run(project: Project, goal: str, options: object) -> None:
        with project.task(goal) as root, root.stage("execution"):
            begun.set()
            go_on.wait(TIMEOUT_S)

    runs, ended = Runs(host, run), Ended()
    record = runs.start("Survey of X", on_end=ended)
    assert begun.wait(TIMEOUT_S)
    runs.stop(record)
    (stage,) = host.stages(Project(host, record), "root")
    assert (stage["status"], stage["error_message"]) == ("failed", STOPPED)
    go_on.set()
    ended.wait()


def test_there_is_a_limit_to_how_many_run_at_once(host: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roma_widget.server.agents.runs.MOST_LIVING", 2)
    go_on = threading.Event()
    runs = Runs(host, lambda project, goal, options: go_on.wait(TIMEOUT_S))
    ended = [Ended(), Ended()]
    for number in range(2):
        runs.start("Survey of X", on_end=ended[number])
    with pytest.raises(RomaError, match="2 runs are alive"):
        runs.start("Survey of X")
    go_on.set()
    for one in ended:
        one.wait()


def test_closing_ends_what_runs(host: Desk) -> None:
    begun = threading.Event()

    async def run(project: Project, goal: str, options: object) -> None:
        begun.set()
        await asyncio.sleep(3600)

    runs, ended = Runs(host, run), Ended()
    record = runs.start("Survey of X", on_end=ended)
    assert begun.wait(TIMEOUT_S)
    runs.close()
    ended.wait()
    assert record.fields["status"] == "stopped"
    assert not [thread for thread in threading.enumerate() if thread.name == "roma-run"]
