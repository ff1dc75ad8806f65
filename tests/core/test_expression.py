"""The language of conditions: what is so of a run, and what is refused with which sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
from analysis.snapshots import of, report, task, tree
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.core import condition as asking
from roma_widget.core.expression import condition
from roma_widget.core.model import Snapshot, Status
from roma_widget.errors import RomaError

RUN = report()  # 15 tasks ended, one of them failed


@pytest.mark.parametrize(
    "text",
    [
        "failed == 1 and total == 15 and running == 0 and not waiting",
        "outcome == 'with_failures'",
        "fraction > 0.5 and running == 0",
        "0 < failed <= 1 < done",
        "task('root.1').status == 'DONE'",
        "any(t.status == 'FAILED' and t.agent == 'BasicReasoningExecutor' for t in tasks)",
        "all(t.duration_s >= 2 for t in tasks)",
        "len(tasks) == 15 and len([t for t in tasks if t.task_type == 'SEARCH']) == 5",
        "sum(t.status == 'FAILED' for t in tasks) == failed",
        "sum(t.duration_s for t in tasks if t.agent == 'BasicReportWriter') / 3 > 7",
        "max(t.depth for t in tasks) == 3",
        "min(t.duration_s for t in tasks if t.depth == 9) is None",
        "'council' in task('root.3').goal and 'council' not in task('root').goal",
        "task('root.2').status in ('DONE', 'FAILED')",
        "'FAILED' in [t.status for t in tasks]",
        "'root.2' in task('root.3').context_ids",
        "task('root.2.2.2').error.lower().startswith('the model')",
        "any(not c.n_children for c in task('root').children) is not None",
        "all(c.parent.task_id == 'root' for c in task('root').children)",
        "any(any(c.status == 'FAILED' for c in t.children) for t in tasks)",
        "(failed * 2 - 1) // 1 % 2 == 1 == -failed + 2",
    ],
)
def test_what_is_so(text: str) -> None:
    assert condition(text)(RUN) is True
    assert condition(f"not ({text})")(RUN) is False


@pytest.mark.parametrize(
    "text",
    [
        "task('nowhere').status == 'DONE'",
        "task('nowhere').status != 'DONE'",
        "task('nowhere').parent.goal.lower().endswith('')",
        "task('root').error not in ('a', 'b')",
        "'a' not in task('root').error",
        "task('root').error in (task('root').error, 'a')",
        "task('root').layer / 0 >= 0",
        "-task('nowhere').depth <= 0",
        "task('root').model.lower() <= 'z'",
        "any(t.goal == 'x' for t in task('nowhere').children)",
    ],
)
def test_a_comparison_with_what_is_missing_is_false(text: str) -> None:
    assert condition(text)(RUN) is False


def test_an_empty_run_has_no_share_of_ended_tasks() -> None:
    empty = Snapshot()
    assert condition("fraction is None and total == 0 and outcome == 'unknown'")(empty)
    assert not condition("failed / total > 0.5")(empty)


def test_a_status_that_nobody_knows_is_a_text() -> None:
    assert condition("task('a').status == 'ODD'")(of(task("a", "ODD")))
    assert condition("task('a').status.lower() == 'done'")(of(task("a", Status.DONE)))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "1 to 2,000 characters"),
        ("failed" + " or failed" * 300, "1 to 2,000 characters"),
        ("failled >= 3", r"'failled' \(character 1\) is not known. Did you mean 'failed'\?$"),
        ("'ä' == outcom", r"'outcom' \(character 8\).*Did you mean 'outcome'"),
        ("(failed and\nrunnig)", r"line 2, character 1.*Did you mean 'running'"),
        ("(failed\r\n and\r\r runnig)", r"line 4, character 2.*Did you mean 'running'"),
        ("failed >=", "cannot be read"),
        ("failed = 3", "cannot be read"),
        ("outcome == '\0'", "cannot be read|holds characters"),
        ("'\ud800' == outcome", "holds characters"),
        ("(" * 300 + "1" + ")" * 300, "cannot be read|too deeply"),
        ("not " * 400 + "failed", "deeper than 30 levels|too deeply"),
        ("__import__('os').system('true')", "no method that is known|no function that is known"),
        ("open('x')", "no function that is known"),
        ("task('root').__class__", "has no '__class__'"),
        ("task('root').raw", "has no 'raw'"),
        ("task('root').result", "has no 'result'"),
        ("any(t.statuss == 'DONE' for t in tasks)", "Did you mean 'status'"),
        ("''.join('a')", "no method that is known"),
        ("'{0.__class__}'.format(1)", "no method that is known"),
        ("f'{failed}' == '1'", "not in the language"),
        ("9 ** 9 ** 9 > 1", "not in the language"),
        ("'a' * 1000000000 == outcome", "is a text, where a number"),
        ("[failed] * 1000000000", "where a number"),
        (f"{10**400} > 1", "of a usual size"),
        ("1 << 1000000000", "not in the language"),
        ("lambda: 1", "not in the language"),
        ("(x := 1)", "not in the language"),
        ("[_ for _ in tasks]", "no free name"),
        ("any(failed for failed in tasks)", "no free name"),
        ("any(1 for t in tasks for u in tasks)", "one `for`"),
        ("any(1 for t in tasks for t.goal in tasks)", "one `for`"),
        ("any(t for t in tasks) and t", "'t' .* is not known"),
        ("tasks", "is a list of tasks"),
        ("any(*tasks)", "not in the language"),
        ("any(x=tasks)", "named arguments"),
        ("any()", "one argument"),
        ("failed > '3'", "compares a number with a text"),
        ("task('root') == 'DONE'", "is a task, where"),
        ("failed in tasks", "in which there is no number"),
        ("outcome.lower('x')", "no argument"),
        ("sum(t.goal for t in tasks)", "takes one of numbers"),
        ("len(failed)", "takes a list"),
        ("any(t for t in failed)", "takes a list"),
        ("('a', 1)", "mixes"),
        ("task('root').error == None", "`is None` asks"),
        ("failed is 3", "takes None"),
        ("any", "is a function"),
    ],
)
def test_what_is_no_condition_is_refused_at_once(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        condition(text)
    assert len(str(refused.value)) < 500


def test_a_question_that_takes_too_long_is_given_up() -> None:
    every_pair = condition("all(all(t.depth <= u.depth + 9 for t in tasks) for u in tasks)")
    assert every_pair(RUN)
    with pytest.raises(RomaError, match=r"more than 1,000,000 steps on this run of 1,000 tasks"):
        every_pair(tree(1_000))


def test_long_texts_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MOST_STEPS", 1_000)
    run = of(task("a", goal="x" * 3_000_000))
    for text in ("task('a').goal.lower() == ''", "'y' in task('a').goal"):
        with pytest.raises(RomaError, match="more than 1,000 steps"):
            condition(text)(run)


WORDS = st.sampled_from(
    "failed total tasks task t 'root' ( ) [ ] , . for in if not and or is None any all sum len status lower goal == "
    "!= < + - * / % 1 0.5 'a' error children _x lambda : ** \n".split(" ")
)


@given(st.lists(WORDS, max_size=30).map(" ".join))
def test_whatever_is_written_is_a_condition_or_a_value_error(text: str) -> None:
    try:
        asked = condition(text)
    except ValueError:
        return
    for run in (Snapshot(), RUN, replace(RUN, project=None, outcome="failed", reason=None)):
        assert asked(run) in (True, False)
