"""What was written can be read, at each limit: what is too much is left out and said, and nothing else with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from archive.runs import NOON, growing, saved, some_traces, tree, writer

from roma_widget.archive import reading, versions, written
from roma_widget.archive.redaction import redaction
from roma_widget.archive.saved import SavedRun, open_run
from roma_widget.archive.saving import save
from roma_widget.archive.source import Source
from roma_widget.core.events import TaskRest
from roma_widget.core.log import Row
from roma_widget.core.model import Project, Task
from roma_widget.core.steps import as_time, as_us
from roma_widget.errors import ArchiveError, RomaError

PROJECT = Project("p", title="Made by hand")
NOTHING = redaction(None)


@pytest.fixture(params=["ASCII", "latin: é", "CJK: 漢字", "emoji: \U0001f600"])
def changing(request: pytest.FixtureRequest) -> list[dict[str, Task]]:
    """What became of the tasks of a run, at each step; each takes 20 kB, and differs from before by little."""
    text = request.param * (20_000 // len(request.param))

    def change(task: Task, number: int) -> Task:
        return replace(task, raw_json=json.dumps({"n": number, "t": text}, ensure_ascii=False))

    tasks = {task_id: change(task, 0) for task_id, task in tree(8).items()}
    return [tasks, *({f"t{n % 8}": change(tasks[f"t{n % 8}"], n)} for n in range(1, 120))]


def write(path: Path, steps: list[dict[str, Task]], commit_every: int = 50) -> None:
    out = writer(path)
    for number, tasks in enumerate(steps):
        out.step(PROJECT, tasks, as_us(NOON) + number, float(number), is_whole=number == 0)
        if number % commit_every == 0:
            out.commit()
    out.show("p")
    out.commit()
    out.close()


def assert_is_read(path: Path, steps: list[dict[str, Task]]) -> None:
    now: dict[str, Task] = {}
    with open_run(path) as run:
        for number, tasks in enumerate(steps):
            now |= tasks
            assert run.recall(as_time(as_us(NOON) + number)).snapshot.tasks == now
        assert len(list(run.source().steps)) == len(steps)
    with open_run(path) as run:  # from the keyframe before, without a state that was known
        assert run.snapshot.tasks == now


@pytest.mark.parametrize("commit_every", [1, 7, 1_000])
def test_a_run_of_large_versions_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changing: list[dict[str, Task]], commit_every: int
) -> None:
    """What is gone through to get to a moment, each block and each state, are bounded by their bytes."""
    monkeypatch.setattr(written, "KEYFRAME_BYTES", 500_000)
    monkeypatch.setattr(reading, "LARGEST_CHANGES", 1_500_000)
    monkeypatch.setattr(written, "CHANGES_BYTES", 10_000)
    monkeypatch.setattr(written, "BLOCK_BYTES", 5_000)
    monkeypatch.setattr(reading, "LARGEST_BODY", 1_000_000)
    write(tmp_path / "run.roma", changing, commit_every)
    assert_is_read(tmp_path / "run.roma", changing)


def test_a_step_of_much_becomes_a_keyframe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changing: list[dict[str, Task]]
) -> None:
    monkeypatch.setattr(written, "BLOCK_BYTES", 100)
    write(tmp_path / "run.roma", changing[:10])
    assert_is_read(tmp_path / "run.roma", changing[:10])


# -- tasks that are too large


@pytest.fixture
def small_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "LARGEST_TEXT", 5_000)
    monkeypatch.setattr(versions, "LONGEST_CUT", 500)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.usefixtures("small_tasks")
def test_a_task_that_is_too_large_loses_its_json_and_no_other_task_anything(
    tmp_path: Path, place: int
) -> None:
    tasks = tree(3, raw_json='{"full_result": "short"}')
    large = {**tasks, "t1": replace(tasks["t1"], status="DONE", raw_json=json.dumps({"t": "x" * 5_000}))}
    steps = [[large], [tasks, large]][place]
    out = writer(tmp_path / "run.roma")
    for number, each in enumerate(steps):
        out.step(PROJECT, each, as_us(NOON) + number, 0.0, is_whole=number == 0)
    assert out.too_large == {"t1"}
    out.show("p")
    out.commit()
    out.close()
    with open_run(tmp_path / "run.roma") as run:
        assert run.task("t2").result == "short"
        assert run.task("t1").status == "DONE"
        assert not run.task("t1").is_whole
        for read in (lambda: run.task("t1").raw, lambda: run.task("t1").result):
            with pytest.raises(
                RomaError, match=r"'t1' at this moment \(5,009 characters\) was too large to be saved"
            ):
                read()
        run.tasks()
        save(tmp_path / "again.roma", run.source(), NOTHING)
    with open_run(tmp_path / "again.roma") as run, pytest.raises(RomaError, match="too large to be saved"):
        _ = run.task("t1").raw


@pytest.mark.usefixtures("small_tasks")
def test_other_texts_of_a_task_that_is_too_large_are_cut(tmp_path: Path) -> None:
    tasks = tree(2)
    save_tasks(tmp_path / "run.roma", {**tasks, "t1": replace(tasks["t1"], error="e" * 6_000)})
    with open_run(tmp_path / "run.roma") as run:
        assert run.task("t1").error == "e" * 499 + "…"
        assert "JSON" in (run.lack or "")
        assert "1 task" in (run.lack or "")


def save_tasks(path: Path, tasks: dict[str, Task]) -> None:
    (first,) = growing(1)
    save(path, Source(steps=[replace(first, versions=tasks)]), NOTHING)


def test_a_moment_that_is_too_large_loses_the_largest_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (written, reading):
        monkeypatch.setattr(module, "LARGEST_STATE", 50_000)
    tasks = tree(20, raw_json='{"t": "%s"}' % ("x" * 1_000))
    tasks["t3"] = replace(tasks["t3"], raw_json='{"t": "%s"}' % ("x" * 40_000))
    save_tasks(tmp_path / "run.roma", tasks)
    with open_run(tmp_path / "run.roma") as run:
        assert [task_id for task_id, task in run.snapshot.tasks.items() if not task.is_whole] == ["t3"]


def test_where_no_cut_helps_nothing_is_written_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = writer(tmp_path / "run.roma")
    out.step(PROJECT, tree(3), as_us(NOON), 0.0, is_whole=True)
    with monkeypatch.context() as patch:
        patch.setattr(written, "MOST_TASKS", 2)
        with pytest.raises(ArchiveError, match="3 tasks is more than the 2"):
            out.step(PROJECT, {"t1": tree(3)["t1"]}, as_us(NOON) + 1, 0.0)
    changed = {"t1": replace(tree(3)["t1"], status="DONE")}
    out.step(PROJECT, changed, as_us(NOON) + 2, 0.0)
    out.show("p")
    out.commit()
    out.close()
    with open_run(tmp_path / "run.roma") as run:
        assert len(run.times_us()) == 2
        assert run.task("t1").status == "DONE"


# -- what is left out while reading


@pytest.fixture
def run(tmp_path: Path) -> Iterator[SavedRun]:
    """With 100 lines of its log, five traces of two stages, and five results."""
    steps = list(growing(3))
    rows = [Row(number, float(number), "p", "task_changed", "t0", after="x" * 50) for number in range(100)]
    traces = some_traces(["t0", "t1", "t2", "t3", "t4"])
    results = [("{}", TaskRest("p", f"t{n}", '"result"', "null", "null", {})) for n in range(5)]
    save(tmp_path / "run.roma", Source(steps=steps, traces=traces, results=results, rows=rows), NOTHING)
    with open_run(tmp_path / "run.roma") as opened:
        yield opened


@pytest.mark.parametrize(("name", "most"), [("MOST_ROWS", 40), ("LARGEST_ANSWER", 10_000)])
def test_of_a_log_that_is_too_long_the_newest_is_read(
    run: SavedRun, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    assert len(run.excerpt().rows) == 100
    monkeypatch.setattr(reading, name, most)
    if name == "LARGEST_ANSWER":
        monkeypatch.setattr(reading.ArchiveReader._first_rows, "__defaults__", (most,))
    told = run.excerpt()
    assert [row.seq for row in told.rows] == list(range(100 - len(told.rows), 100))
    assert 20 < len(told.rows) <= 40
    assert told.dropped == 100 - len(told.rows)


@pytest.mark.parametrize(("name", "most"), [("MOST_STAGES", 5), ("LARGEST_TRACES", 3_000)])
def test_of_traces_that_are_too_many_the_rest_is_left_out(
    run: SavedRun, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(reading, name, most)
    assert run.lack is None
    assert {"t0", "t1"} <= set(run.traces()) < {"t0", "t1", "t2", "t3", "t4"}
    assert f"{5 - len(run.traces())} traces of run.roma could not be read" in (run.lack or "")
    with pytest.raises(RomaError, match="or was left out: "):
        run.trace("t4")


def test_one_trace_that_is_too_large_is_left_out_alone(
    run: SavedRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "has_too_many_marks", lambda text: '"node_id": "t2"' in text)
    assert set(run.traces()) == {"t0", "t1", "t3", "t4"}
    assert "1 trace of run.roma" in (run.lack or "")


def test_results_that_are_too_many_are_left_out(
    run: SavedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "LARGEST_TRACES", 1_500)
    with open_run(tmp_path / "run.roma") as again:
        assert "results of run.roma could not be read" in (again.lack or "")
        save(tmp_path / "again.roma", again.source(), NOTHING)


def test_a_project_that_says_much_at_each_step_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its status moves with each step, and its goal, which is long, does not."""
    monkeypatch.setattr(reading, "LARGEST_ANSWER", 60_000)
    monkeypatch.setattr(reading, "STEPS_AT_ONCE", 7)
    out = writer(tmp_path / "run.roma")
    for number in range(28):
        project = replace(PROJECT, goal="g" * 5_000, status=f"step {number}")
        out.step(project, tree(2) if number == 0 else {}, as_us(NOON) + number, 0.0, is_whole=number == 0)
    out.show("p")
    out.commit()
    out.close()
    with open_run(tmp_path / "run.roma") as run:
        assert len(run.times_us()) == 28
        assert run.snapshot.project is not None
        assert run.snapshot.project.status == "step 27"


def test_the_log_and_annotations_are_those_of_when_it_was_opened(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma")
    with open_run(path) as run:
        before = run.excerpt()
        out = writer(path, append=True)
        out.rows([Row(0, 1.0, "p", "task_changed")])
        out.commit()
        out.close()
        assert run.excerpt() == before
