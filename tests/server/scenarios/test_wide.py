"""`wide`: exactly as many tasks as asked for, in three levels, 64 leaves at a time."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from roma_widget.server.scenarios.wide import IN_FLIGHT, group_sizes


@pytest.mark.parametrize("n", [1, 2, 3, 26, 27, 28, 999, 1_000, 10_000, 12_345])
def test_group_sizes_add_up(n: int) -> None:
    sizes = group_sizes(n)
    assert 1 + len(sizes) + sum(sizes) == n
    assert n < 100 or all(20 <= size <= 30 for size in sizes)


def test_a_thousand_tasks(play: Any) -> None:
    played = play("wide", n=1_000)
    tasks = played.tasks()
    assert len(tasks) == 1_000
    assert {task["layer"] for task in tasks.values()} == {0, 1, 2}
    assert {task["status"] for task in tasks.values()} == {"DONE"}
    assert played.most_leaves == IN_FLIGHT
    assert 25 < played.moments_s[-1] < 35
    lengths = sorted(len(json.dumps(task["full_result"])) for task in tasks.values())
    assert lengths[0] > 1_500
    assert 2_500 < lengths[500] < 5_000
    assert lengths[-1] < 9_000


def test_the_options_of_a_run_say_how_many(play: Any) -> None:
    assert len(play("wide", options={"n": 50, "max_steps": 250}, speed=math.inf).tasks()) == 50


@pytest.mark.parametrize("n", ["50", 0, 10**8, None, True])
def test_options_that_make_no_sense_fail_the_run_with_a_reason(n: Any, play: Any) -> None:
    played = play("wide", options={"n": n}, speed=math.inf)
    assert isinstance(played.error, ValueError)
    assert played.projects()[0]["status"] == "failed"
    assert played.projects()[0]["error"].startswith("n is the number of tasks, 1 to 50,000, not ")


@pytest.mark.parametrize("n", [1, 2, 3])
def test_few_tasks(n: int, play: Any) -> None:
    played = play("wide", n=n, speed=math.inf)
    assert len(played.tasks()) == n
    assert {task["status"] for task in played.tasks().values()} == {"DONE"}


@pytest.mark.long
def test_ten_thousand_tasks_take_about_a_minute(play: Any) -> None:
    played = play("wide", n=10_000)
    assert len(played.tasks()) == 10_000
    assert 40 < played.moments_s[-1] < 70
    assert played.most_leaves == IN_FLIGHT
