"""The small events: each as recorded, and none of them raises or guesses."""

from __future__ import annotations

import json
import lzma
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from roma_widget.core import wire
from roma_widget.core.events import (
    ExecutionStarted,
    GraphUpdate,
    HitlQueued,
    HitlRequested,
    ProjectSaved,
    ProjectStatus,
    ProjectStopped,
    RelayTold,
    SimpleExecution,
    TracesCleared,
    Unhandled,
    Unreadable,
)
from roma_widget.core.model import Project, RelayNews
from roma_widget.core.state import ProjectState, State, apply
from roma_widget.core.wire import Payload

RECORDINGS = (
    "a_complete",
    "b_hitl",
    "d_failed",
    "f_two_projects",
    "g_kill_restart",
    "h_rest",
    "s_simple_stream",
)


def read(name: str, payload: Any) -> wire.Event:
    return wire.read_event(name, Payload(json.dumps(payload)))


@pytest.mark.parametrize("name", RECORDINGS)
def test_every_recorded_event_has_a_type_and_no_problems(captures: Path, name: str) -> None:
    with lzma.open(captures / f"{name}.jsonl.xz", "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] == "in" and entry["event"] not in ("http", "task_graph_update"):
                event = read(entry["event"], entry["args"][0])
                assert not isinstance(event, Unhandled | Unreadable), entry["event"]
                assert event.problems == ()


@pytest.mark.parametrize(
    ("name", "payload", "event"),
    [
        (
            "hitl_queued",
            {
                "request_id": "r",
                "action": "abort",
                "answered_by": "Ann",
                "note": "Later.",
                "rid": "1",
                "new": 1,
            },
            HitlQueued("r", "abort", "Ann", "Later.", rid="1"),
        ),
        (
            "relay",
            {
                "of": "http://a",
                "state": "failed",
                "reason": None,
                "error": "No.",
                "heard_at": "2026-11-23T10:00:00",
            },
            RelayTold(RelayNews("http://a", "failed", None, "No.")),
        ),
        ("relay", {"state": "absent"}, RelayTold(RelayNews())),
        ("relay", {"heard_at": "0001-01-01T00:00:00+05:00"}, RelayTold(RelayNews())),
    ],
)
def test_what_a_relay_says_is_typed(name: str, payload: dict[str, Any], event: wire.Event) -> None:
    assert read(name, payload) == event


@pytest.mark.parametrize(
    ("name", "payload", "event"),
    [
        ("save_success", {"project_id": "p", "message": "m", "node_count": 9}, ProjectSaved("p", 9)),
        ("traces_cleared", {"project_id": "p", "message": "m"}, TracesCleared("p")),
        ("project_stopped", {"project_id": "p"}, ProjectStopped("p")),
        (
            "execution_started",
            {"project_id": "p", "message": "m", "goal": "g", "max_steps": 5},
            ExecutionStarted("p", "g", 5),
        ),
        (
            "project_status_update",
            {"project_id": "p", "status": "failed", "timestamp": "2026-01-01T00:00:00"},
            ProjectStatus("p", "failed", datetime(2026, 1, 1)),
        ),
    ],
)
def test_what_names_a_project_is_typed(name: str, payload: dict[str, Any], event: wire.Event) -> None:
    assert read(name, payload) == event
    del payload["project_id"]
    nameless = read(name, payload)
    assert isinstance(nameless, Unreadable)
    assert "names no project" in nameless.problems[0]


def test_a_wrong_type_is_reported_with_its_path_and_missing() -> None:
    event = read("save_success", {"project_id": "p", "node_count": "nine"})
    assert isinstance(event, ProjectSaved)
    assert event.n_tasks is None
    assert "save_success.node_count" in event.problems[0]


def test_a_simple_execution_is_kept_by_name_and_size() -> None:
    event = read("simple_execution_update", {"anything": [1, 2, 3]})
    assert isinstance(event, SimpleExecution)
    assert (event.event, event.size) == ("simple_execution_update", len("[1, 2, 3]"))


def test_a_question_keeps_its_data_as_text(captures: Path) -> None:
    event = read("hitl_request", {"request_id": "r", "node_id": "root", "data_for_review": {"plan": [1]}})
    assert isinstance(event, HitlRequested)
    assert (event.data_json, event.data) == ('{"plan": [1]}', {"plan": [1]})
    assert isinstance(read("hitl_request", {"node_id": "root"}), Unreadable)


def test_a_switch_belongs_to_the_project_it_names() -> None:
    graph = {"all_nodes": {}, "graphs": {}}
    event = read("project_switched", {"project_id": "p2", "project_data": graph})
    assert isinstance(event, GraphUpdate)
    assert event.project_id == "p2"
    within = {**graph, "current_project": {"id": "p3"}}
    event = read("project_switched", {"project_id": "p2", "project_data": within})
    assert isinstance(event, GraphUpdate)
    assert event.project_id == "p3"


def test_a_status_update_changes_a_project_that_is_known_and_no_other() -> None:
    state = State(MappingProxyType({"p": ProjectState(Project("p", status="running"))}), "p")
    after, changes = apply(state, ProjectStatus("p", "failed"), 0.0)
    assert after.projects["p"].project.status == "failed"
    assert len(changes) == 1
    assert apply(state, ProjectStatus("q", "failed"), 0.0) == (state, ())
    assert apply(state, ProjectStatus("p", None), 0.0) == (state, ())
