"""What `m.figures.timeline()` draws."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from analysis.snapshots import END, START, of, report, task, tree

from roma_widget.analysis.drawing import FILLS, SHORTEST_PX, TALLEST_PX
from roma_widget.analysis.figures import Figures
from roma_widget.core.model import Snapshot, Status


def timeline(snapshot: Snapshot) -> dict[str, Any]:
    return Figures(lambda: snapshot).timeline().to_dict()


def traces(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """By the last word of their name: "done", "failed", "started" (the light parts)."""
    return {trace["name"].split()[-1]: trace for trace in timeline(snapshot)["data"]}


def test_a_bar_per_task_in_a_trace_per_status() -> None:
    made = traces(report())
    assert set(made) == {"done", "failed", "started"}
    assert sorted([*made["done"]["y"], *made["failed"]["y"]]) == list(range(15))
    assert made["done"]["marker"]["color"] == FILLS[Status.DONE] == "#3a9468"
    assert len(made["started"]["y"]) == 14  # the root was started when it was created


def test_a_bar_runs_from_start_to_end() -> None:
    failed = traces(report())["failed"]
    assert list(failed["base"]) == ["2026-11-22 20:51:10.000"]
    assert list(failed["x"]) == [17_000.0]
    assert list(failed["y"]) == [9]
    light = traces(report())["started"]
    place = list(light["y"]).index(9)
    assert (light["base"][place], light["x"][place]) == ("2026-11-22 20:51:08.000", 2000.0)


def test_a_running_task_ends_at_the_time_of_the_snapshot() -> None:
    running = of(task("a", Status.RUNNING, created=START, started=START), time=START + timedelta(seconds=5))
    assert list(traces(running)["running"]["x"]) == [5000.0]


def test_without_a_time_of_the_snapshot_the_newest_known_one_counts() -> None:
    snapshot = of(
        task("a", Status.RUNNING, created=START, started=START),
        task("b", Status.DONE, started=START, completed=END),
    )
    assert list(traces(snapshot)["running"]["x"]) == [73_000.0]


def test_a_task_whose_start_was_not_seen_is_light() -> None:
    made = traces(of(task("a", Status.DONE, created=START, completed=END)))
    assert set(made) == {"started"}
    assert list(made["started"]["x"]) == [73_000.0]
    assert list(made["started"]["marker"]["color"]) == ["#3a9468"]


@pytest.mark.parametrize("n", [15, 200])
def test_failed_tasks_show_without_colours(n: int) -> None:
    failed = traces(tree(n, failed_every=7))["failed"]
    assert failed["marker"]["pattern"]["shape"] == "/"
    assert set(failed["text"]) == {"✕"}


def test_rows_are_in_plan_order_with_the_root_on_top() -> None:
    axis = timeline(report())["layout"]["yaxis"]
    assert list(axis["range"]) == [14.5, -0.5]
    assert axis["ticktext"][0] == "Write a short briefing on urban rooftop…  root"
    assert axis["ticktext"][14].endswith("  root.3.3")
    assert list(axis["tickvals"]) == list(range(15))


def test_axes_say_what_they_measure() -> None:
    layout = timeline(report())["layout"]
    assert "UTC" in layout["xaxis"]["title"]["text"]
    assert layout["xaxis"]["type"] == "date"
    assert layout["yaxis"]["title"]["text"] == "Task, in plan order"


def test_hovering_tells_goal_agent_and_duration() -> None:
    (hover,) = traces(report())["failed"]["customdata"]
    assert list(hover) == [
        "Compute litres per week for a 200 square metre roof",
        "root.2.2.2",
        "failed",
        "BasicReasoningExecutor",
        "20:51:10 UTC",
        "17 s",
    ]
    (bare,) = traces(of(task("a", created=START), time=END))["started"]["customdata"]
    assert list(bare)[3:] == ["—", "—", "—"]


def test_hostile_text_is_neither_markup_nor_math() -> None:
    goal = "<a href='https://example.org'>x</a><b> $\\alpha$\n\n\u202e"
    snapshot = of(task("a", goal=goal, agent="<i>", created=START, started=START), time=END)
    shown = [
        *timeline(snapshot)["layout"]["yaxis"]["ticktext"],
        *traces(snapshot)["running"]["customdata"][0],
    ]
    assert not [text for text in shown if set("<>$\n") & set(text)]


def test_statuses_a_server_invents_share_one_trace() -> None:
    snapshot = of(*(task(f"t{i}", f"STATE_{i}", created=START, started=START) for i in range(50)), time=END)
    made = timeline(snapshot)["data"]
    assert len(made) == 1
    assert made[0]["name"] == "? unknown"
    assert {hover[2] for hover in made[0]["customdata"]} == {f"STATE_{i}" for i in range(50)}


@pytest.mark.parametrize(
    ("snapshot", "says"),
    [(Snapshot(), "No tasks yet"), (of(task("a")), "No task has a time yet")],
    ids=["empty", "no times"],
)
def test_nothing_to_draw_is_said(snapshot: Snapshot, says: str) -> None:
    made = timeline(snapshot)
    assert [note["text"] for note in made["layout"]["annotations"]] == [says]
    assert not made.get("data")


def test_times_in_the_wrong_order_make_no_bar_backwards() -> None:
    snapshot = of(task("a", Status.DONE, created=END, started=END, completed=START))
    assert min(traces(snapshot)["done"]["x"]) == 0


def test_height_grows_and_is_bounded() -> None:
    heights = [timeline(tree(n))["layout"]["height"] for n in (1, 15, 40, 2000)]
    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (SHORTEST_PX, TALLEST_PX)


def test_a_big_run_has_few_traces_and_labels() -> None:
    start = time.perf_counter()
    made = timeline(tree(10_000))
    print(f"timeline() of 10,000 tasks: {(time.perf_counter() - start) * 1000:.0f} ms")
    assert len(made["data"]) == 3
    assert len(made["layout"]["yaxis"]["ticktext"]) <= 60


def test_a_figure_is_of_the_moment_it_is_asked_for() -> None:
    now = [Snapshot()]
    figures = Figures(lambda: now[0])
    assert not figures.timeline().data
    now[0] = report()
    assert figures.timeline().data


def test_it_can_be_written_as_json() -> None:
    assert '"failed"' in Figures(report).timeline().to_json()


def test_importing_the_analysis_imports_none_of_the_big_three(root: Path) -> None:
    code = (
        "import sys, roma_widget.analysis.figures, roma_widget.analysis.frames, roma_widget.analysis.graphs\n"
        "print(sorted({'pandas', 'plotly', 'networkx', 'numpy'} & set(sys.modules)))"
    )
    said = subprocess.run(  # a process of its own: this one has imported them
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "[]"
