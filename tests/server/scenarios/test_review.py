"""The two questions of `report`: approved, changed, aborted, not answered, not asked."""

from __future__ import annotations

from typing import Any

import pytest

from roma_widget.errors import TaskAborted
from roma_widget.server.scenarios.review import MOST_REVISIONS

WISH = "Leave out the prices; add a part on what\nneighbours say"
APPROVE = ("approve", None)


def checkpoints(played: Any) -> list[tuple[str, str]]:
    return [(prompt["node_id"], prompt["checkpoint_name"]) for prompt in played.prompts]


def stage_names(played: Any, task_id: str) -> list[str]:
    return [stage["stage_name"] for stage in played.stages(task_id)]


def test_two_plans_are_shown(play: Any) -> None:
    played = play("report", replies=[APPROVE] * 9)
    assert checkpoints(played) == [
        ("root", "PostInitialPlanGeneration"),
        ("root.4", "PostInitialPlanGeneration"),
    ]
    for prompt in played.prompts:
        task = played.tasks()[prompt["node_id"]]
        data = prompt["data_for_review"]
        assert set(data) == {"task_goal", "proposed_plan", "planner_input_summary"}
        assert data["task_goal"] == task["goal"]
        goals = [played.tasks()[child]["goal"] for child in task["planned_sub_task_ids"]]
        assert [sub_task["goal"] for sub_task in data["proposed_plan"]["sub_tasks"]] == goals
        keys = {"goal", "task_type", "node_type", "depends_on_indices"}
        assert all(set(sub_task) == keys for sub_task in data["proposed_plan"]["sub_tasks"])


def test_nobody_is_asked_where_nobody_should_be(play: Any) -> None:
    assert play("report", hitl=False).prompts == []


@pytest.mark.parametrize("name", ["failure", "chat"])
def test_the_other_scenarios_ask_nobody(name: str, play: Any) -> None:
    assert play(name, replies=[]).prompts == []


def test_what_else_runs_goes_on_while_a_question_is_open(play: Any) -> None:
    played = play("report", replies=[APPROVE])  # the second one is not answered
    assert len(played.prompts) == 2
    asked_at = played.stages("root.4")[2]["started_at"]
    assert played.tasks()["root.3"]["timestamp_completed"] > asked_at


@pytest.mark.parametrize(("before", "task_id"), [(0, "root"), (1, "root.4")])
def test_modify_changes_the_plan_and_asks_again(before: int, task_id: str, play: Any) -> None:
    plain = play("report", replies=[APPROVE] * 2)
    played = play("report", replies=[*[APPROVE] * before, ("modify", WISH), APPROVE, APPROVE])
    again = played.prompts[before + 1]
    assert (again["node_id"], again["checkpoint_name"], again["current_attempt"]) == (
        task_id,
        "PostModifiedPlanReview_Attempt_0",
        2,
    )
    data = again["data_for_review"]
    assert data["original_user_modification_request_for_this_cycle"] == WISH
    assert data["task_id"] == task_id
    assert data["replan_attempt_count"] == 1
    heeded = [
        sub["goal"] for sub in data["proposed_modified_plan"]["sub_tasks"] if "neighbours" in sub["goal"]
    ]
    assert len(heeded) == 2  # one more sub-task, and one that is done otherwise
    goals = [played.tasks()[child]["goal"] for child in played.tasks()[task_id]["planned_sub_task_ids"]]
    assert goals == [sub["goal"] for sub in data["proposed_modified_plan"]["sub_tasks"]]
    assert len(played.tasks()) == len(plain.tasks()) + 1
    assert {task["status"] for task in played.tasks().values()} == {"DONE"}
    assert stage_names(played, task_id) == [
        "atomization",
        "planning",
        "hitl",
        "replanning",
        "hitl",
        "aggregation",
    ]
    assert WISH in played.stages(task_id)[3]["user_input"]
    assert "NEEDS_REPLAN" in played.statuses[task_id]


def test_whoever_always_wants_changes_does_not_keep_the_run(play: Any) -> None:
    played = play("report", replies=[("modify", f"change {number}") for number in range(99)])
    assert played.error is None
    asked = [prompt["checkpoint_name"] for prompt in played.prompts if prompt["node_id"] == "root"]
    assert asked[0] == "PostInitialPlanGeneration"
    assert asked[1:] == [f"PostModifiedPlanReview_Attempt_{attempt}" for attempt in range(MOST_REVISIONS)]
    assert "changed 6 times" in played.stages("root")[-2]["output_data"]["reason"]
    assert played.projects()[0]["status"] == "completed"


@pytest.mark.parametrize("before", [0, 1])
def test_abort_cancels_the_run(before: int, play: Any) -> None:
    played = play("report", replies=[*[APPROVE] * before, ("abort", "too dear")])
    assert isinstance(played.error, TaskAborted)
    root = played.tasks()["root"]
    assert root["status"] == "CANCELLED"
    assert "too dear" in root["error"]
    assert {task["status"] for task in played.tasks().values()} <= {"DONE", "CANCELLED"}
    assert all(stage["status"] != "running" for stage in played.all_stages())
    if before:  # what ran beside the aborted task was not waited for
        beside = played.tasks()["root.3"]
        assert beside["status"] == "CANCELLED"
        assert beside["error"].startswith("Cancelled with its siblings: A human aborted the task root.4")
    assert played.projects()[0]["status"] == "failed"


def test_without_an_answer_the_run_goes_on_and_its_trace_says_so(play: Any) -> None:
    played = play("report", speed=2, replies=[])
    assert played.projects()[0]["status"] == "completed"
    assert len(played.tasks()) == 40
    asked, noted = (stage for stage in played.stages("root") if stage["stage_name"] == "hitl")
    assert asked["status"] == "failed"
    assert noted["output_data"]["reason"].startswith(
        "Nobody answered PostInitialPlanGeneration of root within 60 s."
    )
