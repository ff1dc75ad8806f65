"""What holds for every scenario: how it is made, and that the same seed gives the same run at any speed."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest

from roma_widget.server.scenarios import SCENARIOS, goal_of, scenario

ALL = ("report", "failure", "wide", "chat")
SMALL = {"n": 120}
VARYING = ("timestamp_created", "timestamp_updated", "timestamp_completed", "execution_details")
FROM_THE_SERVER = ("stage_id", "started_at", "completed_at", "duration_ms", "tool_call_duration_ms")


def content(played: Any) -> list[Any]:
    """All that a run left behind, but for times and the ids that the server draws."""
    runs = []
    for number, project in enumerate(played.projects()):
        tasks = played.tasks(number)
        for task in tasks.values():
            for key in VARYING:
                task.pop(key)
        traces = {task_id: [timeless(s) for s in played.stages(task_id, number)] for task_id in tasks}
        runs.append((project["goal"], project["status"], tasks, traces))
    return runs


def timeless(stage: dict[str, Any]) -> dict[str, Any]:
    calls = [
        (call["tool_name"], call["tool_args"], call["result"], call["tool_call_error"])
        for call in stage["tool_calls"] or ()
    ]
    return {key: value for key, value in stage.items() if key not in FROM_THE_SERVER} | {"tool_calls": calls}


def test_there_are_four() -> None:
    assert tuple(SCENARIOS) == ALL


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    for make in (scenario, goal_of):
        with pytest.raises(ValueError, match="no scenario 'nope'; there are report, failure, wide, chat"):
            make("nope")


@pytest.mark.parametrize("speed", [0, -1.0, math.nan])
def test_a_speed_is_above_zero(speed: float) -> None:
    with pytest.raises(ValueError, match="speed takes a number above 0"):
        scenario("report", speed=speed)


@pytest.mark.parametrize("n", [0, -3, 10**9, True, 2.5, "7", None])
def test_a_number_of_tasks_is_a_number(n: Any) -> None:
    with pytest.raises(ValueError, match="n is the number of tasks"):
        scenario("wide", n=n)


@pytest.mark.parametrize("name", ALL)
def test_goals_are_of_their_seed(name: str) -> None:
    assert goal_of(name, 4) == goal_of(name, 4)
    assert len({goal_of(name, seed) for seed in range(30)}) == 5


@pytest.mark.parametrize("name", ALL)
def test_the_same_seed_gives_the_same_run_in_whatever_order_tasks_run(name: str, play: Any) -> None:
    jitter = random.Random(99)

    async def erratic(_seconds: float) -> None:
        await asyncio.sleep(jitter.choice((0.0, 0.01, 5.0)))

    steady = play(name, seed=3, **SMALL)
    assert content(play(name, seed=3, sleep=erratic, **SMALL)) == content(steady)
    assert content(play(name, seed=3, speed=math.inf, **SMALL)) == content(steady)


@pytest.mark.parametrize("name", ALL)
def test_another_seed_gives_another_run_on_the_same_goal(name: str, play: Any) -> None:
    goal = goal_of(name, 0)
    runs = [play(name, seed=seed, goal=goal, speed=math.inf, **SMALL) for seed in (1, 2)]
    assert {run.projects()[0]["goal"] for run in runs} == {goal}
    first, second = (run.tasks()["root"]["full_result"] for run in runs)
    assert first != second


@pytest.mark.parametrize("name", ALL)
def test_a_goal_of_ones_own_is_the_roots(name: str, play: Any) -> None:
    played = play(name, goal="Plan the harvest festival", speed=math.inf, **SMALL)
    assert played.error is None
    assert played.tasks()["root"]["goal"] == "Plan the harvest festival"


def test_twice_the_speed_takes_half_the_time(play: Any) -> None:
    once, twice = (play("failure", speed=speed).moments_s[-1] for speed in (1.0, 2.0))
    assert twice == pytest.approx(once / 2, rel=0.01)


@pytest.mark.parametrize("name", ALL)
def test_infinite_speed_does_not_wait(name: str, play: Any) -> None:
    assert play(name, speed=math.inf, **SMALL).moments_s[-1] == 0.0


@pytest.mark.parametrize("name", ["report", "failure", "wide", "chat"])
def test_most_model_calls_say_what_they_used_and_some_do_not(name: str, play: Any) -> None:
    played = play(name, speed=math.inf, n=200)
    stages = [stage for number in range(len(played.project_ids)) for stage in played.all_stages(number)]
    usages = [(stage["additional_data"] or {}).get("usage") for stage in stages]
    said = [usage for usage in usages if usage is not None]
    assert len(said) > len(usages) / 2
    assert len(said) < len(usages)
    silent = {stage["stage_name"] for stage, usage in zip(stages, usages, strict=True) if usage is None}
    assert silent == ({"execution"} if name == "wide" else {"execution", "atomization"})
    assert all(usage["prompt_tokens"] > 0 < usage["completion_tokens"] for usage in said)
    priced = ["cost_usd" in usage for usage in said]
    assert any(priced)
    assert not all(priced)


@pytest.mark.parametrize("name", ["report", "failure", "wide"])
def test_no_two_results_are_alike(name: str, play: Any) -> None:
    results = [task["full_result"] for task in play(name, speed=math.inf, n=400).tasks().values()]
    texts = [
        str(result["output_text"] if isinstance(result, dict) else result) for result in results if result
    ]
    assert len(texts) > 10
    assert len(set(texts)) == len(texts)
