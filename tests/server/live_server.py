"""What tests of the embedded server share: a finished project, a run that waits, replies, recorded cases."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any

import aiohttp
import pytest

from roma_widget.server.agents.instrument import Project
from roma_widget.server.embedded import Server
from roma_widget.server.state.store import StoreError

FRAME = "task_graph_update"
EXTENDED = {"roma_widget": 1, "label": "Ann"}
GOAL = "Survey of rooftop farms"
NEWS = {FRAME, "projects_list", "snapshot", "delta"}
"""What comes by itself, whenever something moved."""
DEADLINE_S = 10.0

Scenario = Callable[[], Coroutine[Any, Any, None]]


def report(server: Server, goal: str = GOAL, result: str = "the report") -> Project:
    """A finished project of two tasks with traces."""
    with server.project(goal) as project, project.task(goal, task_type="WRITE") as root:
        with root.stage("planning", agent="planner", model="a/b") as stage:
            stage.record(prompt="what?", response="this", usage={"prompt_tokens": 3})
        with root.task("find", task_type="SEARCH") as leaf, leaf.stage("execution") as stage:
            stage.tool_call("search", {"query": "x"}, "y", duration_s=0.1)
        root.finish(result)
    return project


class Gate:
    """A `run` that goes on when it is told to. `enter` is set while one runs."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self.fails = False
        self.seen: list[Mapping[str, Any]] = []

    def __call__(self, project: Project, goal: str, options: Mapping[str, Any]) -> None:
        self.seen.append(options)
        with project.task(goal) as root:
            self.entered.set()
            while not self.go.wait(0.01):
                with root.stage("execution"):
                    pass  # raises when the run was stopped
            if self.fails:
                raise ValueError("out of luck")
            root.finish({"output_text": "found"})


def play(scenario: Scenario) -> None:
    asyncio.run(scenario())


def fail_saving(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    def full(batch: Any) -> None:
        raise StoreError("Cannot save to the store: the disk is full; free some space.")

    monkeypatch.setattr(server.state.store, "save", full)


async def server_deletes(server: Server, project_id: str) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.delete(f"{server.url}/api/projects/{project_id}") as response,
    ):
        assert response.status == 200


def is_ended(frame: Mapping[str, Any]) -> bool:
    return bool(frame["current_project"]) and frame["current_project"]["status"] == "completed"


async def ask(asker: Any, event: str, *args: Any) -> list[tuple[str, Any]]:
    """The replies to a request, without the news that came meanwhile. Every request is acknowledged with []."""
    replies, ack = await asker.ask(event, *args)
    assert ack == []
    return [reply for reply in replies if reply[0] not in NEWS]


def recorded_cases(
    lines: Iterator[dict[str, Any]],
) -> Iterator[tuple[str, str, tuple[Any, ...], list[tuple[str, Any]]]]:
    """(event, case, arguments, replies); arguments that were shortened in the file are made long again."""
    args: list[Any] = []
    replies: list[tuple[str, Any]] = []
    event = case = ""
    for line in lines:
        if line["dir"] == "out":
            args, replies = line["args"], []
        elif line["event"] == "case":
            event, case = line["args"]
        elif line["event"] == "ack":
            yield event, case, tuple(_lengthened(event, case, argument) for argument in args), replies
        elif line["dir"] == "in":
            replies.append((line["event"], line["args"][0]))


def _lengthened(event: str, case: str, argument: Any) -> Any:
    if not isinstance(argument, dict) or "_huge_len" not in argument:
        return argument
    text = "x" * argument["_huge_len"]
    if case.startswith("goal"):
        return {"goal" if event == "simple_execute_stream" else "project_goal": text}
    return {"node_id": text, "project_id": "p"} if case == "huge-node" else {"project_id": text}
