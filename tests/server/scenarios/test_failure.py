"""`failure`: one leaf is rescued by a replan, another stays failed, and the root ends well and says what is missing."""

from __future__ import annotations

import itertools
from typing import Any

import pytest


@pytest.fixture
def failure(play: Any) -> Any:
    return play("failure", seed=2)


def test_one_failed_task_remains_under_a_root_that_is_done(failure: Any) -> None:
    tasks = failure.tasks()
    assert tasks["root"]["status"] == "DONE"
    assert failure.projects()[0]["status"] == "completed"
    assert [task_id for task_id, task in tasks.items() if task["status"] != "DONE"] == ["root.3"]
    assert len(tasks) == 15


def test_the_failed_branch_was_tried_three_times(failure: Any) -> None:
    failed = failure.tasks()["root.3"]
    assert failed["error"].startswith("Agent 'WebSearcher' failed to execute task 'root.3' (attempt 3): Perm")
    assert failed["full_result"] is None
    executions = failure.stages("root.3")[1:]
    assert [(stage["stage_name"], stage["status"]) for stage in executions] == [("execution", "failed")] * 3
    assert executions[-1]["error_message"] == failed["error"]
    assert executions[0]["tool_calls"][0]["tool_call_error"]


def test_the_rescued_leaf_fails_is_cut_into_parts_and_ends_done(failure: Any) -> None:
    stages = [(stage["stage_name"], stage["status"]) for stage in failure.stages("root.1.2")]
    assert stages == [
        ("atomization", "completed"),
        ("execution", "failed"),
        ("replanning", "completed"),
        ("aggregation", "completed"),
    ]
    assert failure.statuses["root.1.2"] == [
        "RUNNING",
        "NEEDS_REPLAN",
        "RUNNING",
        "PLAN_DONE",
        "AGGREGATING",
        "DONE",
    ]
    rescued = failure.tasks()["root.1.2"]
    assert rescued["node_type"] == "PLAN"
    assert rescued["planned_sub_task_ids"] == ["root.1.2.1", "root.1.2.2", "root.1.2.3"]
    assert rescued["error"] is None


def test_the_report_says_what_is_missing(failure: Any) -> None:
    tasks = failure.tasks()
    assert "## What is missing" in tasks["root"]["full_result"]
    assert tasks["root.3"]["goal"] in tasks["root"]["full_result"]
    assert failure.stages("root")[-1]["output_data"]["without_result"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_it_takes_about_25_s_and_is_never_silent_for_long(seed: int, play: Any) -> None:
    moments_s = play("failure", seed=seed).moments_s
    assert 20 < moments_s[-1] < 30
    assert max(later - earlier for earlier, later in itertools.pairwise(moments_s)) < 4
