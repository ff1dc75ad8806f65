"""Archives that earlier versions wrote are read as long as there are any. Each new format adds a file to `kept/`."""

from __future__ import annotations

import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from roma_widget.archive.saved import SavedRun, open_run

KEPT = Path(__file__).parent / "kept"


@pytest.fixture
def version_1(tmp_path: Path) -> Iterator[SavedRun]:
    """The recording b_hitl with two traces, an annotation and an answer, saved by the first version of the format."""
    path = tmp_path / "version_1.roma"
    path.write_bytes(lzma.decompress((KEPT / "version_1.roma.xz").read_bytes()))
    with open_run(path) as run:
        yield run


def test_version_1(version_1: SavedRun) -> None:
    run = version_1
    assert (run.progress["total"], run.progress["done"], run.progress["outcome"]) == (8, 8, "succeeded")
    assert run.times.size == 39
    assert str(run.times[10]) == "2026-11-22 21:16:11.378062+00:00"
    then = run.at(run.times[10]).snapshot
    assert {task_id: str(task.status) for task_id, task in then.tasks.items()} == {
        "root": "PLAN_DONE",
        "root.1": "DONE",
        "root.2": "DONE",
        "root.3": "PENDING",
        "root.4": "PENDING",
    }
    assert {task_id: len(trace.stages) for task_id, trace in run.traces().items()} == {
        "root.1": 3,
        "root.3.3": 2,
    }
    assert len(run.events()) == 121
    assert run.annotations()[["task_id", "text"]].to_numpy().tolist() == [
        ["root.1", "Looks odd: 20 % of what?"]
    ]
    asked = run.questions()
    assert [(each.checkpoint, each.task_id, str(each.state)) for each in asked] == [
        ("PostInitialPlanGeneration", "root", "confirmed"),
        ("PostModifiedPlanReview_Attempt_0", "root", "open"),
        ("PostInitialPlanGeneration", "root.3", "superseded"),
        ("PostModifiedPlanReview_Attempt_0", "root.3", "open"),
    ]
    assert asked[0].answer is not None
    assert asked[0].answer.instructions == "Add a sub-task about cost."
    assert asked[1].previous_id == asked[0].request_id
    assert len(asked[0].data["proposed_plan"]["sub_tasks"]) == 3
