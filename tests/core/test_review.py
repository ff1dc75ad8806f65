"""What a question's data is taken for; whatever shape it has, it comes out bounded and nothing is lost silently."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.core.hitl import Answer, HitlRequest
from roma_widget.core.review import LONGEST_TEXT, MOST_SUB_TASKS, SubTask, for_the_browser, review

PLAN = {
    "sub_tasks": [
        {"goal": "Find prices", "task_type": "SEARCH", "node_type": "EXECUTE", "depends_on_indices": []},
        {"goal": "Weigh them", "task_type": "THINK", "node_type": "PLAN", "depends_on_indices": [0]},
    ]
}
SUB_TASKS = (SubTask("Find prices", "SEARCH", "EXECUTE"), SubTask("Weigh them", "THINK", "PLAN", (0,)))


def question(data: Any, **fields: Any) -> HitlRequest:
    return HitlRequest("r2", None, "c", "root", 1, None, None, 1.0, 1.0, json.dumps(data), **fields)


@pytest.mark.parametrize(
    "data",
    [
        {
            "task_goal": "Compare",
            "proposed_plan": PLAN,
            "planner_input_summary": {"overall_objective": "Go out"},
        },
        {"task_goal": "Compare", "overall_objective": "Go out", "proposed_modified_plan": PLAN, "note": ""},
    ],
)
def test_a_plan_is_found_under_either_key_with_its_facts(data: Any) -> None:
    read = review(json.dumps(data))
    assert (read.kind, read.plan, read.is_cut) == ("plan", SUB_TASKS, False)
    assert read.about == {"task_goal": "Compare", "overall_objective": "Go out"}


@pytest.mark.parametrize(
    "plan",
    [
        None,
        "a plan",
        {"sub_tasks": "none"},
        {"sub_tasks": [{"goal": 7}]},
        {"sub_tasks": ["a goal"]},
        {"sub_tasks": [{"goal": "a", "depends_on_indices": [1]}]},
        {"sub_tasks": [{"goal": "a", "depends_on_indices": [-1]}]},
        {"sub_tasks": [{"goal": "a", "depends_on_indices": "0"}]},
    ],
)
def test_what_is_not_wholly_a_plan_is_shown_as_it_is(plan: Any) -> None:
    read = review(json.dumps({"proposed_plan": plan}))
    assert (read.kind, read.plan) == ("data", None)
    assert json.loads(read.json or "") == {"proposed_plan": plan}


def test_what_else_there_is() -> None:
    assert review("null").kind == review("").kind == "none"
    assert review('"a text"').text == "a text"
    assert (review("[1]").kind, review("[1]").json) == ("data", "[\n  1\n]")
    assert review("false").kind == "data"
    assert review("[" * 100_000).json == "[" * 100_000  # too deep to be read, and not lost


def test_what_is_large_is_cut_and_said_to_be() -> None:
    for data in ("x" * 5_000_000, {"text": "x" * 5_000_000}, ["x"] * 1_000_000):
        read = review(json.dumps(data))
        assert read.is_cut
        assert len(read.text or read.json or "") == LONGEST_TEXT
    many = review(json.dumps({"proposed_plan": {"sub_tasks": [{"goal": "g" * 20_000}] * 600}}))
    assert many.is_cut
    assert len(many.plan or ()) == MOST_SUB_TASKS


def test_a_new_attempt_comes_with_the_one_before() -> None:
    before = question({"proposed_plan": PLAN}, answer=Answer("modify", "Shorter", "button", 5.0))
    told = for_the_browser(question({"proposed_modified_plan": {"sub_tasks": []}}), before)
    assert told["previous_plan"] == [each.as_json() for each in SUB_TASKS]
    assert (told["plan"], told["previous_instructions"]) == ([], "Shorter")
    repeated = {"original_user_modification_request_for_this_cycle": "Longer", "proposed_modified_plan": PLAN}
    alone = for_the_browser(question(repeated), None)
    assert (alone["previous_plan"], alone["previous_instructions"]) == (None, "Longer")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["proposed_plan", "sub_tasks", "goal", "depends_on_indices", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_comes_can_be_told(data: Any) -> None:
    msgspec.json.encode(for_the_browser(question(data), question(data)))
    review(json.dumps(data)[:-1])
