"""Several projects of one server: they never mix, what is remembered of them is bounded, and many cost no frame."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roma_widget.core import state as state_module
from roma_widget.core import wire
from roma_widget.core.project_list import MOST_LISTED, project_list, touches_the_list
from roma_widget.core.state import Change, State, apply, replay

NOW = 1_800_000_000.0
CAPTURES = ("a_complete", "d_failed")
FRAMES = 8
"""Of each recording, from its beginning to its end."""

Frames = dict[str, list[dict[str, Any]]]


@dataclass
class Mirror:
    """A state with the frame that the next one is read against, as a feed has them."""

    state: State = field(default_factory=State)
    texts: wire.FrameTexts = wire.NO_FRAME

    def hear(self, event: str, payload: Any, keep: tuple[str, ...] = ()) -> tuple[Change, ...]:
        heard = wire.read_event(event, wire.Payload(json.dumps(payload)), self.texts)
        if isinstance(heard, wire.GraphUpdate):
            self.texts = heard.texts
        self.state, changes = apply(self.state, heard, NOW, keep=keep)
        return changes


@pytest.fixture(scope="module")
def two_runs(recorded_frames: Callable[[str], Iterator[str]]) -> Frames:
    """Some frames of two recorded runs, by project."""
    found: Frames = {}
    for name in CAPTURES:
        all_frames = [json.loads(text) for text in recorded_frames(name)]
        full = [one for one in all_frames if one["all_nodes"]]
        step = max(1, len(full) // FRAMES)
        found[full[-1]["project_id"]] = [one for one in full[::step] if one["project_id"]][:FRAMES]
    assert len(found) == 2
    first, second = (set(frames[-1]["all_nodes"]) for frames in found.values())
    assert {"root", "root.1"} <= first & second
    return found


WAYS = ["task_graph_update", "project_restored", "project_switched", "project_switch_success"]
steps = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(WAYS), st.booleans(), st.booleans(), st.booleans()),
    min_size=FRAMES,
    max_size=2 * FRAMES,
)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_projects_whose_frames_come_mixed_are_what_each_is_alone(
    two_runs: Frames, coming: list[tuple[int, str, bool, bool, bool]]
) -> None:
    """Also where a frame names no project but its current one, or nothing at all while its project is current."""
    ids = list(two_runs)
    mixed, alone = Mirror(), {project_id: Mirror() for project_id in ids}
    left = {project_id: iter(frames) for project_id, frames in two_runs.items()}
    for which, way, names_id, names_current, is_listed_before in coming:
        project_id = ids[which]
        sent = next(left[project_id], None)
        if sent is None:
            continue
        if is_listed_before:
            listed = {"projects": [{"id": each} for each in ids], "current_project_id": ids[0]}
            mixed.hear("projects_list", listed)
        dropped = {*(() if names_id else ("project_id",)), *(() if names_current else ("current_project",))}
        if len(dropped) == 2 and mixed.state.current_id != project_id:
            dropped = {"project_id"}
        payload = {key: value for key, value in sent.items() if key not in dropped}
        switched = {"project_id": project_id, "project_data": payload}
        mixed.hear(way, switched if way.startswith("project_switch") else payload)
        alone[project_id].hear("task_graph_update", sent)
        for each, mirror in alone.items():
            of_its_own, of_both = mirror.state.projects.get(each), mixed.state.projects.get(each)
            assert dict(of_both.tasks if of_both else {}) == dict(of_its_own.tasks if of_its_own else {})
        assert mixed.state.projects.keys() <= {*ids}


def test_when_a_task_began_is_not_told_of_another_project() -> None:
    mirror = Mirror()
    mirror.hear("task_graph_update", of("p", timestamp_updated="2026-01-01T00:00:00"))
    assert mirror.state.projects["p"].tasks["root"].started is not None
    mirror.hear("task_graph_update", of("q", status="DONE", timestamp_updated="2026-01-01T00:00:00"))
    assert mirror.state.projects["q"].tasks["root"].started is None


def of(project_id: str, *task_ids: str, **fields: Any) -> dict[str, Any]:
    tasks = {each: {"goal": "g", "status": "RUNNING", **fields} for each in task_ids or ("root",)}
    return {"all_nodes": tasks, "project_id": project_id, "current_project": {"id": project_id}}


class TestBounds:
    def test_of_projects_without_end_the_last_heard_keep_their_tasks(self) -> None:
        mirror = Mirror()
        for number in range(100):
            mirror.hear("task_graph_update", of(f"p{number}"), keep=("p3",))
            mirror.hear("project_restored", of("p7"))  # heard of again and again
        with_tasks = [each for each, known in mirror.state.projects.items() if known.tasks]
        assert set(with_tasks) == {"p3", "p7", *(f"p{number}" for number in range(36, 100))}
        assert set(mirror.state.runs) == set(with_tasks)
        assert len(mirror.state.projects) == 100

    def test_large_runs_leave_earlier(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state_module, "MOST_CHARACTERS", 10_000)
        mirror = Mirror()
        for number in range(9):
            mirror.hear("task_graph_update", of(f"p{number}", full_result="x" * 3_000), keep=("p1",))
        assert mirror.state.runs == ("p1", "p5", "p6", "p7", "p8")
        mirror.hear("task_graph_update", of("p1", full_result="x" * 1_000_000), keep=("p1",))
        assert "p1" in mirror.state.runs, "what somebody looks at may be of any size"
        mirror.hear("task_graph_update", of("p9", full_result="x" * 1_000_000))
        mirror.hear("task_graph_update", of("p10"))
        assert mirror.state.runs == ("p10",)

    def test_the_current_project_stays(self) -> None:
        mirror = Mirror()
        mirror.hear("task_graph_update", of("now"))
        for number in range(100):
            mirror.hear("project_restored", of(f"p{number}"))
        assert mirror.state.current_id == "now"
        assert mirror.state.projects["now"].tasks

    def test_names_without_end_are_not_remembered_without_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(state_module, "MOST_PROJECTS", 50)
        mirror = Mirror()
        for number in range(200):
            mirror.hear("project_started", {"project": {"id": f"p{number}"}}, keep=("p0",))
            assert len(mirror.state.projects) <= 50
            assert {"p0", f"p{number}"} <= mirror.state.projects.keys()

    def test_a_list_without_end_is_cut(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wire, "MOST_LISTED", 30)
        listed = wire.read_event(
            "projects_list", wire.Payload(json.dumps({"projects": [{"id": f"p{n}"} for n in range(90)]}))
        )
        assert isinstance(listed, wire.ProjectsListed)
        assert len(listed.projects) == 30
        assert listed.problems == ("projects: 90 of them; the first 30 are known",)

    def test_what_was_forgotten_is_a_change_like_others(self) -> None:
        mirror, rebuilt = Mirror(), State()
        for number in range(70):
            rebuilt = replay(rebuilt, mirror.hear("task_graph_update", of(f"p{number}")))
            assert rebuilt == mirror.state

    def test_a_forgotten_project_is_as_new_when_it_comes_again(self) -> None:
        mirror = Mirror()
        for number in range(70):
            mirror.hear("task_graph_update", of(f"p{number}"))
        assert not mirror.state.projects["p0"].tasks
        mirror.hear("task_graph_update", of("p0", "root", "root.1"))
        assert list(mirror.state.projects["p0"].tasks) == ["root", "root.1"]


class TestTheList:
    def test_the_shown_and_the_current_project_are_always_in_it(self) -> None:
        mirror = Mirror()
        entries = [
            {"id": f"p{number:04}", "created_at": f"2026-01-01T00:{number // 60 % 60:02}:{number % 60:02}"}
            for number in range(3_000)
        ]
        mirror.hear("projects_list", {"projects": entries, "current_project_id": "p0001"})
        listed = [entry["id"] for entry in project_list(mirror.state, "p0002", [])]
        assert listed[:2] == ["p2999", "p2998"]
        assert listed[-2:] == ["p0002", "p0001"]
        assert len(listed) == MOST_LISTED
        assert len(project_list(mirror.state, "p0001", [])) == MOST_LISTED
        assert len(project_list(mirror.state, "unknown", [])) == MOST_LISTED

    def test_a_project_with_questions_is_listed_with_their_number(self) -> None:
        mirror = Mirror()
        entries = [{"id": f"p{number}"} for number in range(600)]
        mirror.hear("projects_list", {"projects": entries, "current_project_id": "p599"})
        before = project_list(mirror.state, "p599", [])
        old = next(f"p{number}" for number in range(600) if f"p{number}" not in {e["id"] for e in before})
        listed = {
            e["id"]: e["questions"] for e in project_list(mirror.state, "p599", before, {old: 2, "?": 1})
        }
        assert (len(listed), listed[old], listed["p599"]) == (MOST_LISTED, 2, 0)

    def test_it_stays_the_same_list_while_nothing_in_it_changes(self) -> None:
        mirror = Mirror()
        assert touches_the_list(mirror.hear("task_graph_update", of("p")))
        first = project_list(mirror.state, "p", [])
        assert not touches_the_list(mirror.hear("task_graph_update", of("p", "root", "root.1")))
        assert project_list(mirror.state, "p", first) is first
        assert touches_the_list(mirror.hear("project_status_update", {"project_id": "p", "status": "failed"}))
        assert project_list(mirror.state, "p", first)[0]["status"] == "failed"


def test_a_frame_costs_hardly_more_among_ten_thousand_projects() -> None:
    def cost_s(projects: int) -> float:
        mirror = Mirror()
        entries = [{"id": f"p{number}", "goal": "g"} for number in range(projects)]
        mirror.hear("projects_list", {"projects": entries, "current_project_id": "p0"})
        task_ids = [f"root.{number}" for number in range(100)]
        payloads = [of("p0", *task_ids, agent_name=f"agent {number}") for number in range(40)]
        frames = [wire.read_event("task_graph_update", wire.Payload(json.dumps(one))) for one in payloads]
        took_s = []
        for event in frames:
            began_s = time.thread_time()
            mirror.state, changes = apply(mirror.state, event, NOW)
            took_s.append(time.thread_time() - began_s)
            assert changes
        return statistics.median(took_s)

    tries = [(cost_s(10_000), cost_s(1)) for _ in range(3)]
    assert min(many / one for many, one in tries) < 1.5, tries
