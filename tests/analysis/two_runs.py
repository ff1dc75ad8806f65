"""Pairs of runs to compare: the report of the pictures done again with changes, and large trees."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from analysis.snapshots import END, START, report, task, tree

from roma_widget.analysis.run_data import RunData
from roma_widget.core.model import Snapshot, Status


class Given(RunData):
    """A run in memory, with the name that a saved one would have."""

    def __init__(self, snapshot: Snapshot, name: str = "") -> None:
        self.snapshot = snapshot
        self.name = name


def reports() -> tuple[Given, Given]:
    """The second time one more task is done, one is slower, one reworded; root.3.3 is gone, root.3.4 came."""
    before = report()
    tasks = dict(before.tasks)
    slow = tasks["root.2.2.2"]
    tasks["root.2.2.2"] = replace(slow, status=Status.DONE, error=None, completed=END)
    tasks["root.1.3"] = replace(
        tasks["root.1.3"], goal="Compare yield figures with the costs of installation"
    )
    del tasks["root.3.3"]
    tasks["root.3.4"] = task(
        "root.3.4",
        Status.DONE,
        goal="Look up each number again <img src=x onerror=alert(1)>",
        parent_id="root.3",
        depth=2,
        plan_index=3,
        started=START,
        completed=END,
    )
    kept = (*(each for each in tasks["root.3"].child_ids if each != "root.3.3"), "root.3.4")
    tasks["root.3"] = replace(tasks["root.3"], child_ids=kept)
    after = replace(before, tasks=tasks, outcome="succeeded", reason=None)
    return Given(before, "monday"), Given(after, "tuesday")


def trees(n: int) -> tuple[Given, Given]:
    """The second time each seventh task takes half as long again."""
    before = tree(n)
    longer = timedelta(seconds=40)
    tasks = {
        task_id: each if place % 7 else replace(each, completed=END + longer)
        for place, (task_id, each) in enumerate(before.tasks.items())
    }
    return Given(before, "before"), Given(replace(before, tasks=tasks), "after")
