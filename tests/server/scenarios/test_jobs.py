"""Plans, and how a person's wish changes them."""

from __future__ import annotations

import pytest

from roma_widget.server.scenarios.jobs import LONGEST_GOAL, Job, plan_of, revised, short, title_of

RESEARCH = (
    Job("find a", "SEARCH"),
    Job("find b", "SEARCH", parts=(Job("find b1", "SEARCH"),)),
    Job("write", "WRITE", after=(0, 1)),
    Job("edit", "WRITE", after=(1, 2)),
)


def test_a_plan_names_goals_types_and_dependencies() -> None:
    assert plan_of(RESEARCH)["sub_tasks"][1:3] == [
        {"goal": "find b", "task_type": "SEARCH", "node_type": "PLAN", "depends_on_indices": []},
        {"goal": "write", "task_type": "WRITE", "node_type": "EXECUTE", "depends_on_indices": [0, 1]},
    ]


def test_what_is_wished_for_comes_before_the_writing_and_the_writing_builds_upon_it() -> None:
    changed = revised(RESEARCH, "also c")
    assert [job.goal for job in changed] == [
        "find a",
        "find b",
        "Meet the reviewer's request: also c",
        "write",
        "edit (as reviewed: also c)",
    ]
    assert [job.after for job in changed] == [(), (), (), (0, 1, 2), (1, 2, 3)]
    assert changed[1].parts == RESEARCH[1].parts


def test_a_plan_of_writing_only_gets_its_new_part_before_the_last() -> None:
    chapters = (Job("one", "WRITE"), Job("two", "WRITE"), Job("join", "WRITE", after=(0, 1)))
    changed = revised(chapters, "shorter")
    assert [job.task_type for job in changed] == ["WRITE"] * 4
    assert [job.after for job in changed] == [(), (), (), (0, 1, 2)]


def test_every_dependency_of_a_changed_plan_stands_before_the_task() -> None:
    changed = RESEARCH
    for number in range(5):
        changed = revised(changed, f"wish {number}")
        assert all(place < here for here, job in enumerate(changed) for place in job.after)


@pytest.mark.parametrize(
    ("goal", "title"),
    [
        ("Write a report for a city council on how cities store heat", "how cities store heat"),
        ("Write the annex: every source with what it says", "every source with what it says"),
        ("Make the table of figures on lagoons", "figures on lagoons"),
        ("Compare measurements and experience of lagoons", "lagoons"),
        ("Check the annex for claims without a source", "Check the annex for claims without a source"),
        ("How do turbines avoid harming seals?", "How do turbines avoid harming seals?"),
    ],
)
def test_a_text_is_called_by_its_subject(goal: str, title: str) -> None:
    assert title_of(goal) == title


def test_long_instructions_do_not_become_long_goals() -> None:
    assert short("  a\n b ") == "a b"
    assert len(short("word " * 5_000)) <= LONGEST_GOAL
    assert len(revised(RESEARCH, "x" * 10_000)[2].goal) < LONGEST_GOAL + 60
