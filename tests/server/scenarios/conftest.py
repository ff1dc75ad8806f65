"""Plays scenarios through the real instrumentation and records, without a network and on a clock that jumps."""

from __future__ import annotations

import asyncio
import json
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from roma_widget.server.agents.instrument import Project
from roma_widget.server.scenarios import goal_of, scenario
from roma_widget.server.state.hitl import Prompt
from roma_widget.server.state.state import State
from roma_widget.server.wire.records import encode

Reply = tuple[str, str | None]
"""(action, instructions)"""


class JumpingSelector(selectors.DefaultSelector):
    """Does not wait: the clock jumps to where waiting would have led."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if not ready:
            assert timeout is not None, "everybody waits, and nothing will ever happen"
            self.now_s += max(timeout, 0.0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_s


@dataclass
class Played:
    """What a performance left behind, as clients would get it. `moments_s` is when something changed."""

    state: State
    project_ids: list[str] = field(default_factory=list)
    prompts: list[dict[str, Any]] = field(default_factory=list)
    moments_s: list[float] = field(default_factory=list)
    statuses: dict[str, list[str]] = field(default_factory=dict)
    error: BaseException | None = None
    most_leaves: int = 0
    cpu_s: float = 0.0

    def projects(self) -> list[dict[str, Any]]:
        return [self.state.projects.get(project_id).fields for project_id in self.project_ids]

    def tasks(self, number: int = 0) -> dict[str, dict[str, Any]]:
        record = self.state.projects.get(self.project_ids[number])
        nodes = self.state.projects.nodes(record)
        return {node_id: json.loads(encode(node.fields)) for node_id, node in nodes.items()}

    def stages(self, task_id: str, number: int = 0) -> list[dict[str, Any]]:
        trace = self.state.traces.read(self.project_ids[number], task_id)
        return [] if trace is None else list(json.loads(encode(trace))["stages"])

    def all_stages(self, number: int = 0) -> list[dict[str, Any]]:
        return [stage for task_id in self.tasks(number) for stage in self.stages(task_id, number)]


class Host:
    """A server as far as instrumentation needs one. It answers prompts from a list, and then no more."""

    is_running = True

    def __init__(self, state: State, played: Played, replies: list[Reply]) -> None:
        self.state = state
        self._played = played
        self._replies = list(replies)

    def project(self, goal: str) -> Project:
        with self.state.lock:
            record = self.state.create_project(goal)
        self._played.project_ids.append(record.project_id)
        return Project(self, record)

    def prompt_opened(self, prompt: Prompt) -> None:
        self._played.prompts.append(json.loads(prompt.payload))
        if self._replies:
            action, instructions = self._replies.pop(0)
            with self.state.lock:
                self.state.prompts.answer(prompt.request_id, action, instructions, "the test")

    def prompt_closed(self, prompt: Prompt, state: str, why: str) -> None:
        pass


Play = Callable[..., Played]


@pytest.fixture
def play() -> Iterator[Play]:
    """`play(name, goal=, options=, replies=, **scenario options)`: plays a scenario to its end on the jumping clock."""
    states: list[State] = []

    def perform(
        name: str,
        *,
        goal: str | None = None,
        options: dict[str, Any] | None = None,
        replies: list[Reply] | None = None,
        **settings: Any,
    ) -> Played:
        state = State(None, most_traces=100_000)
        states.append(state)
        played = Played(state)
        settings = {"hitl": replies is not None, **settings}
        host = Host(state, played, replies or [])
        asked = goal or goal_of(name, settings.get("seed", 0))
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            loop = runner.get_loop()
            watch(state, played, loop)
            began_s = time.thread_time()
            runner.run(started(host, name, asked, options or {}, settings, played))
            played.cpu_s = time.thread_time() - began_s
        return played

    yield perform
    for state in states:
        state.close()


async def started(
    host: Host, name: str, goal: str, options: dict[str, Any], settings: dict[str, Any], played: Played
) -> None:
    run = scenario(name, **settings)
    try:
        with host.project(goal) as project:
            await run(project, goal, options)
    except Exception as error:
        played.error = error


def watch(state: State, played: Played, loop: asyncio.AbstractEventLoop) -> None:
    """Notes when anything changed, and the statuses that tasks went through."""
    state.changed = lambda _project_id: played.moments_s.append(loop.time())
    state.stage_changed = lambda *_stage: played.moments_s.append(loop.time())
    change_node = state.projects.change_node
    running: set[str] = set()

    def noted(record: Any, node: Any, **changes: Any) -> None:
        change_node(record, node, **changes)
        if "status" not in changes:
            return
        passed = played.statuses.setdefault(node.node_id, [])
        if not passed or passed[-1] != changes["status"]:
            passed.append(changes["status"])
        leaf = node.fields["layer"] == 2
        (running.add if leaf and changes["status"] == "RUNNING" else running.discard)(node.node_id)
        played.most_leaves = max(played.most_leaves, len(running))

    state.projects.change_node = noted  # type: ignore[method-assign]
