"""The scenarios on the real server, started as a client's `start_project` starts them."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import pytest

from roma_widget.server.embedded import Server
from roma_widget.server.scenarios import goal_of, scenario
from roma_widget.server.state.project_records import ProjectRecord

DEADLINE_S = 30.0


def played(name: str, server: Server, while_running: Callable[[ProjectRecord], None] | None = None) -> Any:
    """The record of the project, and what ended its run."""
    ended = threading.Event()
    reasons: list[BaseException | None] = []

    def on_end(_record: ProjectRecord, why: BaseException | None) -> None:
        reasons.append(why)
        ended.set()

    record = server.runs.start(goal_of(name), on_end=on_end)
    if while_running is not None:
        while_running(record)
    assert ended.wait(DEADLINE_S)
    return record, reasons[0]


@pytest.mark.parametrize(("name", "tasks"), [("report", 40), ("failure", 15), ("wide", 300), ("chat", 1)])
def test_a_scenario_runs_to_its_end(name: str, tasks: int) -> None:
    with Server(run=scenario(name, speed=math.inf, hitl=False, n=300)) as server:
        record, why = played(name, server)
        assert why is None
        assert record.fields["status"] == "completed"
        assert record.node_count == tasks
        statuses = {project.fields["status"] for project in server.state.projects.records()}
        assert statuses == {"completed"}
        assert len(list(server.state.projects.records())) == (12 if name == "chat" else 1)


@pytest.mark.parametrize("name", ["report", "failure", "wide", "chat"])
def test_a_scenario_can_be_stopped(name: str) -> None:
    with Server(run=scenario(name, hitl=False, n=300)) as server:
        began = threading.Event()
        tell = server.state.stage_changed

        def stage_changed(*stage: Any) -> None:
            tell(*stage)
            began.set()

        server.state.stage_changed = stage_changed

        def stop(record: ProjectRecord) -> None:
            assert began.wait(DEADLINE_S)
            assert server.runs.stop(record)

        record, why = played(name, server, stop)
        assert why is not None
        assert record.fields["status"] == "stopped"
        nodes = server.state.projects.nodes(record).values()
        assert {node.fields["status"] for node in nodes} <= {"DONE", "CANCELLED"}
