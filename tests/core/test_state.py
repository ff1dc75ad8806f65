"""`apply` on real runs and on generated ones: the last snapshot decides, and changes tell the whole story."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roma_widget.core import wire
from roma_widget.core.clock import ServerClock
from roma_widget.core.linking import natural_key
from roma_widget.core.model import Status, Task
from roma_widget.core.state import State, TaskAdded, TaskChanged, apply, replay

NOW = 1_800_000_000.0


def told(
    state: State, text: str, last: wire.FrameTexts = wire.NO_FRAME, now: float = NOW
) -> tuple[State, Any, wire.FrameTexts]:
    event = wire.read_event("task_graph_update", wire.Payload(text), last)
    assert isinstance(event, wire.GraphUpdate)
    after, changes = apply(state, event, now)
    return after, changes, event.texts


def without_memory(state: State) -> dict[str, list[Task]]:
    """What must depend on the last frame alone: everything but when a task was first seen running."""
    return {
        project_id: [replace(task, started=None) for task in each.tasks.values()]
        for project_id, each in state.projects.items()
    }


ids = st.sampled_from(["root", "root.1", "root.2", "root.10", "root.1.1", "x", "__proto__", "é"])
nodes = st.fixed_dictionaries(
    {
        "goal": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["PENDING", "RUNNING", "DONE", "FAILED", "ODD"]),
        "parent_node_id": st.none() | ids,
        "planned_sub_task_ids": st.lists(ids, max_size=3),
        "input_context_sources": st.lists(st.fixed_dictionaries({"source_task_id": ids}), max_size=2),
        "timestamp_updated": st.sampled_from(["2026-01-01T00:00:00", "2026-01-01T00:00:05"]),
    }
)
edges = st.lists(st.fixed_dictionaries({"source": ids, "target": ids}), max_size=3)
frames = st.builds(
    lambda all_nodes, edge_list, status: {
        "all_nodes": all_nodes,
        "graphs": {"g": {"nodes": [], "edges": edge_list}},
        "project_id": "p",
        "current_project": {"id": "p", "status": status},
    },
    st.dictionaries(ids, nodes | st.none(), max_size=8),
    edges,
    st.sampled_from(["running", "completed"]),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(frames, min_size=1, max_size=6))
def test_any_sequence_of_snapshots_leaves_what_the_last_one_alone_gives(
    sequence: list[dict[str, Any]],
) -> None:
    state, last = State(), wire.NO_FRAME
    for each in sequence:
        state, _, last = told(state, json.dumps(each), last)
    alone, _, _ = told(State(), json.dumps(sequence[-1]))
    assert without_memory(state) == without_memory(alone)
    assert state.current_id == alone.current_id
    assert state.projects["p"].project == alone.projects["p"].project


@settings(max_examples=150, deadline=None)
@given(st.lists(frames, min_size=1, max_size=6))
def test_the_reported_changes_made_to_the_old_state_give_the_new_one(sequence: list[dict[str, Any]]) -> None:
    state, last = State(), wire.NO_FRAME
    for each in sequence:
        before = state
        state, changes, last = told(state, json.dumps(each), last)
        replayed = replay(before, changes)
        assert replayed == state
        assert [list(each.tasks) for each in replayed.projects.values()] == [
            list(each.tasks) for each in state.projects.values()
        ]


@settings(max_examples=100, deadline=None)
@given(frames, st.integers(0, 2**32))
def test_the_order_of_keys_in_a_frame_does_not_matter(one: dict[str, Any], seed: int) -> None:
    rng = random.Random(seed)
    first, _, _ = told(State(), json.dumps(one))
    second, _, _ = told(State(), json.dumps(shuffled(one, rng)))
    for project_id, each in first.projects.items():
        other = second.projects[project_id]
        assert each.project == other.project
        # the server's own text of a task is kept as it came
        assert [replace(task, raw_json="") for task in each.tasks.values()] == [
            replace(task, raw_json="") for task in other.tasks.values()
        ]
        assert [task.raw for task in each.tasks.values()] == [task.raw for task in other.tasks.values()]


def shuffled(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        rng.shuffle(keys)
        return {key: shuffled(value[key], rng) for key in keys}
    return value


@settings(max_examples=150, deadline=None)
@given(frames)
def test_tasks_always_form_a_forest_with_parents_before_children(one: dict[str, Any]) -> None:
    state, _, _ = told(State(), json.dumps(one))
    tasks = state.projects["p"].tasks
    assert tasks.keys() == {key for key, value in one["all_nodes"].items() if value is not None}
    seen: set[str] = set()
    for task in tasks.values():
        assert task.parent_id is None or task.parent_id in seen
        assert task.depth == (tasks[task.parent_id].depth + 1 if task.parent_id else 0)
        assert set(task.depends_on) | set(task.context_ids) | set(task.child_ids) <= tasks.keys()
        assert [tasks[child].plan_index for child in task.child_ids] == list(range(task.n_children))
        seen.add(task.task_id)


@pytest.mark.parametrize("name", ["a_complete", "d_failed", "m_midrun_connect", "f_two_projects"])
def test_recorded_runs_replay_from_their_changes(recorded_frames: Any, name: str) -> None:
    state, rebuilt, last, published = State(), State(), wire.NO_FRAME, 0
    texts = list(recorded_frames(name))
    for text in texts:
        state, changes, last = told(state, text, last)
        rebuilt = replay(rebuilt, changes)
        published += bool(changes)
    assert rebuilt == state
    assert published < len(texts) * 0.6, "frames that repeat the one before publish nothing"


def test_a_run_is_seen_starting(recorded_frames: Any) -> None:
    state, last = State(), wire.NO_FRAME
    for text in recorded_frames("a_complete"):
        state, _, last = told(state, text, last)
    (project,) = state.projects.values()
    durations = {task_id: round(task.duration_s or 0, 1) for task_id, task in project.tasks.items()}
    assert durations["root.1.3"] == 5.3
    assert durations["root"] == 44.4
    assert list(project.tasks)[:6] == ["root", "root.1", "root.1.1", "root.1.2", "root.1.3", "root.2"]
    assert project.tasks["root.1.3"].depends_on == ("root.1.1", "root.1.2")
    assert project.tasks["root.1.3"].context_ids == ("root.1.1", "root.1.2")


def test_a_change_tells_its_fields() -> None:
    one = {"all_nodes": {"root": {"goal": "g", "status": "RUNNING"}}, "project_id": "p"}
    state, changes, last = told(State(), json.dumps(one))
    assert [type(change) for change in changes if isinstance(change, TaskAdded)] == [TaskAdded]
    one["all_nodes"]["root"]["status"] = "DONE"
    _, changes, _ = told(state, json.dumps(one), last)
    (change,) = [change for change in changes if isinstance(change, TaskChanged)]
    assert change.fields["status"] == (Status.RUNNING, Status.DONE)


def test_a_frame_without_project_id_belongs_to_its_current_project() -> None:
    text = json.dumps(
        {"all_nodes": {"root": {"goal": "g", "status": "DONE"}}, "current_project": {"id": "q"}}
    )
    state, _, _ = told(State(), text)
    assert list(state.projects) == ["q"]


def test_the_same_ids_in_two_projects_stay_apart() -> None:
    def of(project: str, goal: str) -> str:
        return json.dumps({"all_nodes": {"root": {"goal": goal, "status": "DONE"}}, "project_id": project})

    state, _, last = told(State(), of("p", "one"))
    state, _, _ = told(state, of("q", "two"), last)
    assert state.projects["p"].tasks["root"].goal == "one"
    assert state.projects["q"].tasks["root"].goal == "two"


def test_a_circle_of_parents_and_a_missing_one_are_shown_at_the_top_and_reported() -> None:
    all_nodes = {
        "a": {"goal": "a", "status": "DONE", "parent_node_id": "b"},
        "b": {"goal": "b", "status": "DONE", "parent_node_id": "a"},
        "c": {"goal": "c", "status": "DONE", "parent_node_id": "gone"},
        "d": {"goal": "d", "status": "DONE", "parent_node_id": "d"},
    }
    state, _, _ = told(State(), json.dumps({"all_nodes": all_nodes, "project_id": "p"}))
    project = state.projects["p"]
    assert [(task.task_id, task.parent_id) for task in project.tasks.values()] == [
        ("a", None),
        ("b", "a"),
        ("c", None),
        ("d", None),
    ]
    assert len(project.forest.problems) == 3


def test_ids_sort_their_numbers_as_numbers() -> None:
    assert sorted(["root.10", "root.9", "root", "²", "9" * 600], key=natural_key)[:3] == [
        "root",
        "root.9",
        "root.10",
    ]


class TestServerClock:
    def test_a_steady_difference_of_quarter_hours_is_the_zone(self) -> None:
        clock = ServerClock()
        for second in range(3):
            stamp = datetime.fromtimestamp(NOW + second + 5.5 * 3600, UTC).replace(tzinfo=None)
            clock = clock.observe(stamp, NOW + second + 0.02)
        assert clock.offset == timedelta(hours=5.5)
        assert clock.utc(datetime(2026, 1, 1, 12)) == datetime(2026, 1, 1, 6, 30, tzinfo=UTC)

    def test_one_late_frame_does_not_shake_it_but_a_recording_does(self) -> None:
        clock = ServerClock()
        for second in range(4):
            clock = clock.observe(
                datetime.fromtimestamp(NOW + second, UTC).replace(tzinfo=None), NOW + second
            )
        clock = clock.observe(datetime.fromtimestamp(NOW + 5, UTC).replace(tzinfo=None), NOW + 25)
        assert clock.offset == timedelta()
        for second in range(10, 100, 20):
            clock = clock.observe(
                datetime.fromtimestamp(NOW + 20 * second, UTC).replace(tzinfo=None), NOW + second
            )
        assert clock.offset is None

    def test_a_year_old_recording_has_no_zone(self) -> None:
        clock = ServerClock()
        for second in range(5):
            clock = clock.observe(datetime(2024, 1, 1), NOW + second)
        assert clock.offset is None


def test_every_project_is_shifted_when_the_zone_is_learnt() -> None:
    def of(project: str, status: str, stamp: str) -> str:
        task = {"goal": "g", "status": status, "timestamp_created": "2027-01-15T10:00:00"}
        return json.dumps(
            {
                "all_nodes": {"a": task, "b": {**task, "status": "DONE"}},
                "project_id": project,
                "timestamp": stamp,
            }
        )

    state, last = told(State(), of("p", "RUNNING", "2020-01-01T00:00:00"), now=NOW)[::2]
    for second in range(3):  # two hours ahead
        stamp = datetime.fromtimestamp(NOW + second + 7200, UTC).replace(tzinfo=None).isoformat()
        state, _, last = told(state, of("q", "RUNNING", stamp), last, now=NOW + second)
    assert state.clock.offset == timedelta(hours=2)
    state, _, _ = told(state, of("p", "DONE", "2020-01-01T00:00:00"), last, now=NOW + 4)
    assert {task.created for task in state.projects["p"].tasks.values()} == {
        datetime(2027, 1, 15, 8, tzinfo=UTC)
    }


@pytest.mark.parametrize("body", ['{"all_nodes": {}}', '{"all_nodes": {"root": {"status": "DONE"}}}'])
def test_a_saved_state_without_tasks_takes_none_away(body: str) -> None:
    """One look in a hundred over HTTP reads a file that is being written."""
    before, _, _ = told(State(), '{"project_id": "p", "all_nodes": {"root": {"status": "RUNNING"}}}')
    frame = wire.read_graph("state", wire.Payload(body))
    assert isinstance(frame, wire.GraphUpdate)
    after, changes = apply(before, replace(frame, project_id="p"), NOW)
    assert list(after.projects["p"].tasks) == ["root"]
    assert bool(changes) is bool(frame.nodes)
