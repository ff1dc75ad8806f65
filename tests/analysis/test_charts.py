"""What the other figures draw: stages in the timeline, durations, status, tree, tokens."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import plotly.io
import pytest
from analysis.snapshots import END, START, of, report, stage, task, trace, traces, tree, usage

from roma_widget.analysis.drawing import HOLLOW, QUIET
from roma_widget.analysis.figures import Figures
from roma_widget.analysis.over_time import MOST_MOMENTS
from roma_widget.analysis.timeline import MOST_STAGES
from roma_widget.core.hitl import Answer, HitlRequest, HitlState
from roma_widget.core.model import Snapshot, Status, Trace

FIGURES = ("timeline", "durations", "status", "tree", "tokens")


def drawn(name: str, snapshot: Snapshot, fetched: dict[str, Trace] | None = None, **options: Any) -> Any:
    figures = Figures(lambda: snapshot, lambda _: (fetched or {}, None))
    return getattr(figures, name)(**options).to_dict()


def said(figure: Any) -> list[str]:
    return [note["text"] for note in figure["layout"].get("annotations", [])]


def at(seconds: float) -> str:
    return (START + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat(timespec="milliseconds")


def tried_twice() -> dict[str, Trace]:
    """In root.2.2.2, which ran from second 14 to 31: two tries of 4 s, and a wait of 6 s before the end."""
    first = stage(started_at=at(14), completed_at=None, status="running")
    again = stage(started_at=at(18), completed_at=at(22), status="failed", **usage(1000, 50, 0.25))
    last = stage("output", started_at=at(28), completed_at=at(31), **usage(500, None))
    around = stage("node_dispatch", started_at=at(14), completed_at=at(31))
    return traces(trace("root.2.2.2", around, first, again, last), trace("root", stage(started_at=None)))


def asked(request_id: str, task_id: str | None, after_s: float, **more: Any) -> HitlRequest:
    begin = START + timedelta(seconds=after_s)
    told = {"checkpoint": "PlanReview", "attempt": 1, "asked": begin, "message": None}
    return HitlRequest(request_id, None, task_id=task_id, heard_s=0.0, last_heard_s=0.0, **{**told, **more})


def test_the_time_in_which_a_person_was_asked_is_in_the_timeline() -> None:
    answer = Answer("modify", "shorter", "button", (START + timedelta(seconds=12)).timestamp())
    questions = (
        asked("a", "root.1", 4, answer=answer, state=HitlState.CONFIRMED),
        asked("b", "root.2", 70),
        asked("c", None, 70),
        asked("d", "no such task", 70),
    )
    snapshot = report()
    figure = Figures(lambda: snapshot, asked=lambda _: questions).timeline().to_dict()
    drawn_ = {each["name"]: each for each in figure["data"]}["waits for a person"]
    assert list(drawn_["base"]) == ["2026-11-22 20:51:00.000", "2026-11-22 20:52:06.000"]
    assert drawn_["x"][0] == 8000.0
    assert list(drawn_["y"]) == [list(snapshot.tasks).index("root.1"), list(snapshot.tasks).index("root.2")]
    assert [each[0] for each in drawn_["customdata"]] == ["PlanReview: modify", "PlanReview"]


def test_stages_and_the_waits_between_them_are_in_the_timeline() -> None:
    made = {each["name"]: each for each in drawn("timeline", report(), tried_twice())["data"]}
    stages = made["stage: execution"]
    assert sorted(zip(stages["base"], stages["x"], strict=True)) == [
        ("2026-11-22 20:51:10.000", 4000.0),  # until it was tried again
        ("2026-11-22 20:51:14.000", 4000.0),
    ]
    assert list(made["waits"]["x"]) == [6000.0]
    assert list(made["waits"]["base"]) == ["2026-11-22 20:51:18.000"]
    assert set(stages["y"]) == set(made["waits"]["y"]) == {9}
    assert sorted(each[0] for each in stages["customdata"]) == ["execution", "execution, attempt 2"]
    assert "✕" in stages["text"]
    assert not [name for name in made if "node_dispatch" in name]
    patterns = [each["marker"]["pattern"]["shape"] for name, each in made.items() if name.startswith("stage")]
    assert len(set(patterns)) == len(patterns)


def test_more_stages_than_can_be_seen_are_left_out_and_that_is_said() -> None:
    fetched = traces(trace("root", *[stage(started_at=at(0))] * (MOST_STAGES + 1)))
    made = drawn("timeline", report(), fetched)
    assert said(made) == ["6,001 stages: too many to be drawn."]
    assert len(made["data"]) == 3


def test_stages_whose_names_begin_alike_are_all_drawn() -> None:
    fetched = traces(trace("root", *(stage("s" * 50 + str(n), started_at=at(n)) for n in range(3))))
    assert [
        len(each["y"]) for each in drawn("timeline", report(), fetched)["data"] if "stage" in each["name"]
    ] == [3]


def test_stage_names_without_end_share_traces() -> None:
    fetched = traces(trace("root", *(stage(f"s{n}", started_at=at(n)) for n in range(100))))
    assert len(drawn("timeline", report(), fetched)["data"]) < 15


@pytest.mark.parametrize(("by", "most"), [("agent", "RootGeneralAggregator"), ("task_type", "WRITE")])
def test_durations_by_what_took_the_most(by: str, most: str) -> None:
    made = drawn("durations", report(), by=by)
    assert made["layout"]["yaxis"]["categoryarray"][-1] == most
    (points,) = made["data"]
    assert len(points["x"]) == len(points["y"]) == len(points["customdata"]) == 15
    assert points["customdata"][0][5] == "1:13"


def test_tasks_without_a_duration_are_counted() -> None:
    assert said(drawn("durations", of(task("a", started=START, completed=END), task("b")))) == [
        "1 of 2 tasks without a duration."
    ]


def test_status_over_time() -> None:
    shown = of(
        task("a", Status.DONE, created=START, started=START + timedelta(seconds=1), completed=END),
        task("b", Status.FAILED, created=START, updated=START + timedelta(seconds=2)),
        task("c", Status.PENDING, created=START),
        task("d", Status.DONE, created=START),
        time=END + timedelta(seconds=1),
    )
    made = drawn("status", shown)
    counts = {each["name"].split(maxsplit=1)[1]: list(each["y"]) for each in made["data"]}
    assert counts == {
        "done": [0, 0, 0, 1, 1],
        "failed": [0, 0, 1, 1, 1],
        "under way": [0, 1, 1, 0, 0],
        "waiting": [3, 2, 1, 1, 1],
    }
    assert said(made) == ["1 of 4 tasks without a time."]


def test_times_in_the_wrong_order_count_each_task_once() -> None:
    made = drawn("status", of(task("a", Status.DONE, created=END, started=START, completed=START)))
    assert [sum(column) for column in zip(*(each["y"] for each in made["data"]), strict=True)] == [1]


def test_a_task_of_the_tree_is_as_wide_as_what_ran_in_it_alone() -> None:
    (made,) = drawn("tree", report())["data"]
    own = dict(zip((row[1] for row in made["customdata"]), made["values"], strict=True))
    assert own["root.1.3"] == 5.3
    assert own["root.1"] == pytest.approx(16 - 3.5 - 5.3)
    assert made["branchvalues"] == "remainder"
    assert made["labels"][9].startswith("✕ ")
    assert [place for place, shape in enumerate(made["marker"]["pattern"]["shape"]) if shape] == [9]
    parents = dict(zip(made["ids"], made["parents"], strict=True))
    assert list(parents.values()).count("") == 1


def test_the_tree_by_tokens() -> None:
    made = drawn("tree", report(), tried_twice(), size="tokens")
    assert sum(made["data"][0]["values"]) == 1550
    assert said(made) == ["14 of 15 tasks without known tokens."]


def test_tokens_of_each_agent_and_what_they_cost() -> None:
    made = drawn("tokens", report(), tried_twice())
    assert [(each["name"], list(each["x"])) for each in made["data"]] == [
        ("prompt", [1500]),
        ("completion", [50]),
    ]
    assert list(made["layout"]["yaxis"]["ticktext"]) == ["BasicReasoningExecutor  US&#36; 0.25"]
    assert said(made) == ["14 of 15 tasks without known tokens."]


@pytest.mark.parametrize(
    ("name", "snapshot", "fetched", "says"),
    [(name, Snapshot(), {}, "No tasks yet") for name in FIGURES]
    + [
        ("durations", of(task()), {}, "No task has a duration yet"),
        ("status", of(task()), {}, "No task has a time yet"),
        ("tree", of(task()), {}, "No task has a duration yet"),
        ("tokens", report(), {}, "No trace has been fetched yet: m.fetch_traces()"),
        ("tokens", report(), traces(trace("root", stage())),
         "The server says nothing of tokens in the 1 trace that were fetched"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(name: str, snapshot: Snapshot, fetched: dict[str, Trace], says: str) -> None:
    made = drawn(name, snapshot, fetched)
    assert said(made) == [says]
    assert not made.get("data")


@pytest.mark.parametrize(("name", "option"), [("durations", "by"), ("tree", "size")])
def test_an_unknown_option_is_refused(name: str, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} is one of .* not 'goal'"):
        drawn(name, report(), **{option: "goal"})


@pytest.mark.parametrize("name", FIGURES)
def test_height_title_and_the_template_of_the_notebook(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plotly.io.templates, "default", "plotly_dark")
    for shown in (report(), Snapshot()):
        figure = getattr(Figures(lambda shown=shown: shown, lambda _: (tried_twice(), None)), name)
        made = figure(height=333, title="Monday")
        assert (made.layout.height, made.layout.title.text) == (333, "Monday")
        assert made.layout.template == plotly.io.templates["plotly_dark"]
        assert made.layout.paper_bgcolor is None
        assert figure().layout.title.text is None


@pytest.mark.parametrize("name", FIGURES)
def test_unless_somebody_chose_a_template_it_stands_on_any_ground(name: str) -> None:
    for shown in (report(), Snapshot()):
        figure = getattr(Figures(lambda shown=shown: shown, lambda _: (tried_twice(), None)), name)
        look = figure().layout.template.layout
        assert (look.paper_bgcolor, look.plot_bgcolor, look.font.color) == (HOLLOW, HOLLOW, QUIET)


def hostile() -> tuple[Snapshot, dict[str, Trace]]:
    bad = "<a href='x'>$\\alpha$\n\u202e"
    shown = of(
        task(bad, bad, goal=bad, agent=bad, task_type=bad, created=START, started=START, completed=END),
        task("", Status.DONE, goal="", parent_id="gone", started=END, completed=START),
        task("c", Status.DONE, agent="", parent_id=bad, depends_on=("c",), child_ids=("c",)),
        time=END,
    )
    return shown, traces(trace(bad, stage(bad, started_at=at(0), status=bad, **usage(1, 1, 0.1))))


def texts_of(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts_of(each)]
    return [text for each in value for text in texts_of(each)] if hasattr(value, "__iter__") else []


@pytest.mark.parametrize("name", FIGURES)
def test_hostile_text_is_neither_markup_nor_math(name: str) -> None:
    made = drawn(name, *hostile())
    shown = texts_of(made["data"]) + texts_of({k: v for k, v in made["layout"].items() if k != "template"})
    ours = "<b>%{", "<extra></extra>"
    assert not [text for text in shown if set("<>$\n") & set(text) and not any(mark in text for mark in ours)]


@pytest.mark.parametrize("name", FIGURES)
def test_1000_tasks_are_quick_and_small(name: str) -> None:
    shown = tree(1000, goal="Find out what is known of the yields of rooftop farms in cities")
    said_of_each = [stage(f"stage {n}", started_at=at(10 * n), **usage(10, 10, 0.1)) for n in range(5)]
    fetched = traces(*(trace(task_id, *said_of_each) for task_id in shown.tasks))
    drawn(name, report(), fetched)  # plotly is imported at first use
    start = time.perf_counter()
    figure = getattr(Figures(lambda: shown, lambda _: (fetched, None)), name)()
    took_s = time.perf_counter() - start
    size = len(figure.to_json())
    print(f"{name}() of 1,000 tasks: {took_s * 1000:.0f} ms, {size / 1e6:.2f} MB")
    assert size <= 2e6
    assert took_s <= 2.0  # the budget is 1: shared machines are slow at times


def test_moments_are_bounded() -> None:
    shown = tree(3000)
    spread = {
        key: replace(each, created=START + timedelta(seconds=n))
        for n, (key, each) in enumerate(shown.tasks.items())
    }
    made = drawn("status", replace(shown, tasks=spread, time=None))
    assert {len(each["x"]) for each in made["data"]} == {MOST_MOMENTS}
