"""What a question's data is taken for; whatever shape it has, it comes out bounded and nothing is lost silently."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.core.hitl import Answer, HitlRequest
from roma_widget.core.review import LONGEST_TEXT, MOST_FACTS, MOST_SUB_TASKS, SubTask, for_the_browser, review
from roma_widget.widget.asking import question_text

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


def test_what_a_plan_and_its_facts_do_not_show_is_counted_and_told() -> None:
    data = {
        "proposed_plan": {
            "sub_tasks": [{"goal": "Buy it", "command": "rm -rf /data", "budget_usd": 9000, "note": None}],
            "rationale": ["because A"],
        },
        "risks": ["costs 9,000 USD"],
        "context": {"region": "EU", "a": {"b": "deep"}},
        "region": "US",
        "nothing": [],
    }
    read = review(json.dumps(data))
    assert read.about == {"region": "EU"}
    assert [each.more for each in read.plan or ()] == [2]
    assert json.loads(read.rest or "") == {
        "risks": ["costs 9,000 USD"],
        "context": {"a": {"b": "deep"}},
        "region": "US",
        "proposed_plan": {
            "rationale": ["because A"],
            "sub_tasks": {"1": {"command": "rm -rf /data", "budget_usd": 9000}},
        },
    }
    assert read.more == 6
    assert "also in the data (6 more):" in question_text(question(data))
    assert "rm -rf /data" in question_text(question(data))
    many = review(json.dumps({"proposed_plan": [], **{f"fact {n}": n for n in range(MOST_FACTS + 5)}}))
    assert (len(many.about), many.more) == (MOST_FACTS, 5)
    whole = review(json.dumps({"proposed_plan": PLAN, "goal": "Compare"}))
    assert (whole.more, whole.rest) == (0, None)


def test_the_second_key_counts_where_the_first_has_no_plan() -> None:
    for first in (None, "later"):
        read = review(json.dumps({"proposed_plan": first, "proposed_modified_plan": PLAN}))
        assert (read.kind, read.plan) == ("plan", SUB_TASKS)


def test_of_deep_and_wide_data_no_more_is_made_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    whole = json.JSONEncoder.iterencode

    def counted(self: json.JSONEncoder, data: Any) -> Iterator[str]:
        for part in whole(self, data):
            made.append(len(part))
            yield part

    data_json = "[" * 300 + ",".join("1" * 100_000) + "]" * 300
    monkeypatch.setattr(json.JSONEncoder, "iterencode", counted)
    read = review(data_json)
    assert (read.is_cut, len(read.json or "")) == (True, LONGEST_TEXT)
    assert sum(made) < LONGEST_TEXT + 2_000
    too_deep = "[" * 3_000 + "]" * 3_000
    assert (review(too_deep).kind, review(too_deep).json) == ("data", too_deep)


def test_a_long_message_is_told_whole() -> None:
    asked = HitlRequest("r1", None, None, None, None, None, "Q" * 5_000 + " unless X", 1.0, 1.0)
    assert for_the_browser(asked, None)["message"] == asked.message


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
