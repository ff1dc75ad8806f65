"""`report`: as large, as deep, as long and as lively as promised, with two questions and one retry."""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from typing import Any

import pytest


@pytest.fixture
def report(play: Any) -> Any:
    """Played at its own speed, on a clock that jumps."""
    return play("report", seed=1)


def test_it_has_forty_tasks_in_four_levels_all_done(report: Any) -> None:
    tasks = report.tasks()
    assert len(tasks) == 40
    assert {task["layer"] for task in tasks.values()} == {0, 1, 2, 3}
    assert {task["status"] for task in tasks.values()} == {"DONE"}
    assert report.projects()[0]["status"] == "completed"
    assert {task["task_type"] for task in tasks.values()} == {"SEARCH", "WRITE", "THINK"}


@pytest.mark.parametrize("seed", range(5))
def test_it_takes_about_a_minute_and_is_never_silent_for_long(seed: int, play: Any) -> None:
    moments_s = play("report", seed=seed).moments_s
    assert 54 < moments_s[-1] < 66
    assert max(later - earlier for earlier, later in itertools.pairwise(moments_s)) < 4


def test_searches_run_side_by_side_and_writers_wait_for_them(report: Any) -> None:
    assert report.most_leaves >= 4
    tasks = report.tasks()
    for task_id, task in tasks.items():
        siblings = [f"{task['parent_node_id']}.{n + 1}" for n in task["aux_data"]["depends_on_indices"]]
        assert [source["source_task_id"] for source in task["input_context_sources"]] == siblings, task_id
        started = task["execution_details"]["processing_started"]
        assert all(tasks[sibling]["timestamp_completed"] <= started for sibling in siblings)
    assert tasks["root.4"]["aux_data"]["depends_on_indices"] == [0, 1]


def test_every_planned_task_passes_through_planning_and_aggregation(report: Any) -> None:
    for task_id, task in report.tasks().items():
        names = [stage["stage_name"] for stage in report.stages(task_id)]
        if task["planned_sub_task_ids"]:
            assert names == ["atomization", "planning", "aggregation"]
            assert report.statuses[task_id][-3:] == ["PLAN_DONE", "AGGREGATING", "DONE"]
            plan = json.loads(report.stages(task_id)[1]["llm_response"])
            goals = [report.tasks()[child]["goal"] for child in task["planned_sub_task_ids"]]
            assert [sub_task["goal"] for sub_task in plan["sub_tasks"]] == goals
        else:
            assert names[0] == "atomization"
            assert set(names[1:]) == {"execution"}


def test_one_leaf_is_tried_again(report: Any) -> None:
    executions = {
        task_id: [s for s in report.stages(task_id) if s["stage_name"] == "execution"]
        for task_id in report.tasks()
    }
    (retried,) = [stages for stages in executions.values() if len(stages) > 1]
    assert [stage["status"] for stage in retried] == ["failed", "completed"]
    assert retried[0]["error_message"].startswith("RateLimitError: 429")
    assert Counter(stage["status"] for stage in report.all_stages())["failed"] == 1


def test_results_have_the_shapes_of_their_types(report: Any) -> None:
    for task in report.tasks().values():
        result = task["full_result"]
        if task["planned_sub_task_ids"] or task["task_type"] == "WRITE":
            assert isinstance(result, str)
            assert result.startswith("# ")
        elif task["task_type"] == "SEARCH":
            assert set(result) == {"query_used", "output_text", "citations"}
            assert all(set(cited) == {"title", "url", "snippet"} for cited in result["citations"])
        else:
            assert set(result) == {"query_used", "output_text"}
        assert 20 < len(task["output_summary"]) <= 200


def test_one_result_and_one_prompt_are_long(report: Any) -> None:
    results = [len(json.dumps(task["full_result"])) for task in report.tasks().values()]
    assert [length for length in results if length > 40_000] == [pytest.approx(51_000, abs=3_000)]
    prompts = [len(stage["user_input"]) for stage in report.all_stages()]
    assert [length for length in prompts if length > 40_000] == [pytest.approx(52_000, abs=3_000)]


def test_searches_call_tools_and_one_page_in_some_runs_does_not_answer(play: Any) -> None:
    errors = 0
    for seed in range(4):
        played = play("report", seed=seed, speed=math.inf)
        searches = [t for t in played.tasks().values() if isinstance(t["full_result"], dict)]
        searches = [t for t in searches if t["task_type"] == "SEARCH"]
        for task in searches:
            calls = played.stages(task["task_id"])[-1]["tool_calls"]
            assert calls[0]["tool_name"] == "web_search"
            assert {call["tool_name"] for call in calls[1:]} == {"fetch_page"}
            errors += sum(call["tool_call_error"] is not None for call in calls)
    assert errors > 0


def test_the_whole_run_costs_little(play: Any) -> None:
    assert play("report", speed=math.inf).cpu_s < 1.0
