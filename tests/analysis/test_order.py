"""What a run waited for, and what a task waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from analysis.snapshots import END, START, of, report, task, tree

from roma_widget.analysis.order import blocked_by, critical_path
from roma_widget.analysis.run_data import RunData
from roma_widget.core.model import Snapshot, Status, Task
from roma_widget.errors import UnknownTask


def done(task_id: str, ended_s: float | None, **fields: Any) -> Task:
    at = None if ended_s is None else START + timedelta(seconds=ended_s)
    parent_id = task_id.rpartition(".")[0] or None
    return task(task_id, Status.DONE, **{"completed": at, "parent_id": parent_id, **fields})


def test_the_path_of_the_report() -> None:
    """root.3 ended last, through root.3.3, which needs nothing; root.3 needs root.1."""
    assert critical_path(report()) == ["root.1.1", "root.1.3", "root.1", "root.3.3", "root.3", "root"]


def test_needs_are_followed_before_those_of_the_task_above() -> None:
    snapshot = of(
        done("r", 20, child_ids=("r.1", "r.2")),
        done("r.1", 5),
        done("r.2", 19, depends_on=("r.1", "gone"), child_ids=("r.2.1", "r.2.2")),
        done("r.2.1", 9),
        done("r.2.2", 18, depends_on=("r.2.1",)),
    )
    assert critical_path(snapshot) == ["r.1", "r.2.1", "r.2.2", "r.2", "r"]


def test_a_run_in_progress_leads_through_what_it_waits_for() -> None:
    snapshot = of(
        task("r", Status.PLAN_DONE, child_ids=("r.1", "r.2", "r.3")),
        done("r.1", 5),
        task("r.2", Status.RUNNING, parent_id="r", depends_on=("r.1",)),
        task("r.3", Status.PENDING, parent_id="r", depends_on=("r.1", "r.2")),
    )
    assert critical_path(snapshot) == ["r.1", "r.2", "r.3", "r"]


def test_without_times_the_later_in_plan_order_counts_and_a_time_beats_none() -> None:
    assert critical_path(
        of(done("r", None, child_ids=("r.1", "r.2")), done("r.1", None), done("r.2", None))
    ) == [
        "r.2",
        "r",
    ]
    assert critical_path(
        of(done("r", None, child_ids=("r.1", "r.2")), done("r.1", 1), done("r.2", None))
    ) == [
        "r.1",
        "r",
    ]
    at = task("r.2", Status.FAILED, parent_id="r", updated=END)
    assert critical_path(of(done("r", None, child_ids=("r.1", "r.2")), done("r.1", 1), at)) == ["r.2", "r"]


def test_circles_and_nothing_at_all() -> None:
    assert critical_path(Snapshot()) == []
    assert critical_path(of(done("a", 1, depends_on=("b",)), done("b", 2, depends_on=("a",)))) == ["a", "b"]
    circle = of(done("a", 1, parent_id="b", child_ids=("b",)), done("b", 2, parent_id="a", child_ids=("a",)))
    assert critical_path(circle) == ["a", "b"]


def test_the_path_of_a_big_run_ends_with_its_root() -> None:
    assert critical_path(tree(10_000))[-1] == "root"


def waiting() -> Snapshot:
    shown = report()
    states = {
        "root.1": Status.PLAN_DONE,
        "root.1.1": Status.RUNNING,
        "root.1.2": Status.DONE,
        "root.1.3": Status.PENDING,
        "root.3": Status.PENDING,
        "root.3.1": Status.PENDING,
        "root.2": Status.FAILED,
    }
    tasks = {key: replace(each, status=states.get(key, each.status)) for key, each in shown.tasks.items()}
    tasks["root.1"] = replace(tasks["root.1"], depends_on=("root.2",))
    return replace(shown, tasks=tasks)


@pytest.mark.parametrize(
    ("task_id", "by"),
    [
        ("root.1.3", ["root.1.1", "root.2"]),
        ("root.3", ["root.1", "root.2"]),
        ("root.3.1", ["root.1", "root.2"]),
        ("root.2", []),
        ("root", []),
    ],
    ids=[
        "its own needs and its parent's",
        "what holds those up",
        "only its parent's",
        "has ended",
        "needs nothing",
    ],
)
def test_what_holds_a_task_up(task_id: str, by: list[str]) -> None:
    assert blocked_by(waiting(), task_id) == by


def test_tasks_that_need_each_other() -> None:
    assert blocked_by(of(task("a", depends_on=("b",)), task("b", depends_on=("a",))), "a") == ["b"]


class Shown(RunData):
    snapshot = report()


@pytest.mark.parametrize("ask", [Shown().blocked_by, Shown().context_of])
def test_an_unknown_task_is_refused(ask: Any) -> None:
    with pytest.raises(UnknownTask, match=r"Did you mean 'root\.1\.1'"):
        ask("root.1.1x")


def test_whoever_shows_a_snapshot_has_the_frames_and_graphs_of_it() -> None:
    shown = Shown()
    assert shown.context_of("root.3")["source"].to_list() == ["root.1", "root.2"]
    assert shown.critical_path()[-1] == "root"
    assert len(shown.tasks()) == len(shown.graph()) == 15
    assert shown.stages().attrs["missing_traces"] == 15
    assert None not in shown.graph("child", portable=True).nodes["root"].values()
