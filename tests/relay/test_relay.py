"""A relay between a server of ours and notebooks: what they see, ask and answer is as if they were joined above."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from client.servers import WireServer, eventually, node
from relay.conftest import MakeRelay

import roma_widget as roma
from roma_widget.relay.relay import Relay

TIMEOUT_S = 15.0


@pytest.fixture
def above() -> Iterator[roma.Server]:
    with roma.Server() as server:
        yield server


@pytest.fixture
def relay(above: roma.Server, relay_of: MakeRelay) -> Relay:
    return relay_of(above.url)


def test_tasks_below_are_those_above(above: roma.Server, relay: Relay) -> None:
    with above.project("Survey") as project, project.task("Survey", task_type="WRITE") as root:
        with root.task("Search") as leaf:
            leaf.finish("found")
        root.finish("done")
    below, beside = roma.connect(relay.url), roma.connect(above.url)
    try:
        for monitor in (below, beside):
            monitor.wait("done", timeout=TIMEOUT_S)
        assert [task.task_id for task in below.snapshot.tasks.values()] == list(beside.snapshot.tasks)
        assert below.task("root").completed == beside.task("root").completed
        assert below.task("root").child_ids == beside.task("root").child_ids
    finally:
        below.disconnect()
        beside.disconnect()


def test_a_late_joiner_learns_when_a_planned_task_began(roma_above: WireServer, beside_roma: Relay) -> None:
    def told(status: str, stamp: str) -> None:
        roma_above.send_frame([node("root", status, node_type="PLAN", timestamp_updated=stamp)])
        eventually(lambda: [task.status for task in beside_roma.session.snapshot.tasks.values()] == [status])

    told("RUNNING", "2025-09-19T10:00:00+00:00")
    told("PLAN_DONE", "2025-09-19T10:00:01+00:00")
    late = roma.connect(beside_roma.url)
    try:
        late.wait(lambda s: s.tasks, timeout=TIMEOUT_S)
        assert late.task("root").started == datetime(2025, 9, 19, 10, tzinfo=UTC)
    finally:
        late.disconnect()


def test_an_answer_below_reaches_who_asked_above(above: roma.Server, relay: Relay) -> None:
    below = roma.connect(relay.url)
    try:
        with above.project("Survey") as project, project.task("Survey") as root:
            below.hitl.on_request(lambda request: request.modify("shorter"))
            answer = root.ask("PlanReview", "Good?", data={"plan": 1}, timeout=TIMEOUT_S)
            assert (answer.action, answer.instructions) == ("modify", "shorter")
            root.finish("done")
    finally:
        below.disconnect()


def test_a_trace_is_fetched_above(above: roma.Server, relay: Relay) -> None:
    with above.project("Survey") as project, project.task("Survey") as root:
        with root.stage("execution", agent="searcher") as stage:
            stage.record(prompt="Where?", response="Here.")
        root.finish("done")
    below = roma.connect(relay.url)
    try:
        below.wait("done", timeout=TIMEOUT_S)
        (stage_below,) = below.trace("root").stages
        assert (stage_below.agent, stage_below.llm_response) == ("searcher", "Here.")
    finally:
        below.disconnect()
