"""A host for instrumentation without a network: the state, and what the clients would have been told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from roma_widget.server.agents.instrument import Project
from roma_widget.server.state.hitl import Prompt
from roma_widget.server.state.state import State


class Desk:
    """Instrumentation's `Host`. `answers` are given to the questions in order, each as soon as it is asked."""

    def __init__(self, data_dir: Path | None = None, **options: Any) -> None:
        self.state = State(data_dir, **options)
        self.is_running = True
        self.opened: list[Prompt] = []
        self.closed: list[tuple[str, str]] = []
        self.answers: list[tuple[str, str | None]] = []

    def prompt_opened(self, prompt: Prompt) -> None:
        self.opened.append(prompt)
        if self.answers:
            action, instructions = self.answers.pop(0)
            with self.state.lock:
                self.state.prompts.answer(prompt.request_id, action, instructions, "a test")

    def prompt_closed(self, prompt: Prompt, state: str, why: str) -> None:
        self.closed.append((state, why))

    def project(self, goal: str = "Survey of X", **options: Any) -> Project:
        with self.state.lock:
            record = self.state.create_project(goal, **options)
            self.state.projects.make_current(record)
        return Project(self, record)

    def frame(self, project: Project) -> dict[str, Any]:
        frame = msgspec.json.decode(self.state.projects.frame(project.id))
        assert isinstance(frame, dict)
        return frame

    def node(self, project: Project, node_id: str) -> dict[str, Any]:
        node = self.frame(project)["all_nodes"][node_id]
        assert isinstance(node, dict)
        return node

    def stages(self, project: Project, node_id: str) -> list[dict[str, Any]]:
        trace = self.state.traces.read(project.id, node_id)
        stages = msgspec.json.decode(msgspec.json.encode(trace.stages)) if trace is not None else []
        assert isinstance(stages, list)
        return stages


@contextmanager
def desk(data_dir: Path | None = None, **options: Any) -> Iterator[Desk]:
    host = Desk(data_dir, **options)
    try:
        yield host
    finally:
        host.state.close()
