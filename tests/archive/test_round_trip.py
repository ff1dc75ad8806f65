"""What is saved is what is read again: real recordings, and histories that no server would have."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest
from archive.runs import (
    NOON,
    PLAYABLE,
    Written,
    growing,
    journal_is_hot,
    saved,
    seen_in,
    some_traces,
    spill,
    writer,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from roma_widget.archive import place, saving
from roma_widget.archive.redaction import redaction
from roma_widget.archive.saved import SavedRun, open_run
from roma_widget.archive.saving import save
from roma_widget.archive.source import Source
from roma_widget.core.annotations import Annotation
from roma_widget.core.events import TaskRest
from roma_widget.core.linking import grow_forest
from roma_widget.core.log import Row
from roma_widget.core.model import Project, Status, Task
from roma_widget.core.reading import clean
from roma_widget.core.steps import as_time, as_us
from roma_widget.errors import ArchiveError, NotLive

FRAMES: tuple[Callable[[Any], pd.DataFrame], ...] = (
    SavedRun.tasks,
    SavedRun.stages,
    SavedRun.tool_calls,
    SavedRun.messages,
    SavedRun.context_edges,
    SavedRun.events,
    SavedRun.annotations,
)


def again(run: SavedRun, path: Path) -> SavedRun:
    return open_run(save(path, run.source(), redaction(None)))


def assert_same(a: SavedRun, b: SavedRun) -> None:
    assert a.times_us() == b.times_us()
    assert a.snapshot == b.snapshot
    assert list(a.snapshot.tasks) == list(b.snapshot.tasks)
    assert (a.progress, a.traces(), a.server_offset_s) == (b.progress, b.traces(), b.server_offset_s)
    for frame in FRAMES:
        assert_frame_equal(frame(a), frame(b))
        assert frame(a).attrs == frame(b).attrs
    for task_id in a.snapshot.tasks:
        assert a.statuses(task_id) == b.statuses(task_id)
    for time_us in a.times_us():
        assert a.recall(as_time(time_us)) == b.recall(as_time(time_us))


@pytest.mark.parametrize("name", PLAYABLE)
def test_a_real_run_is_at_every_moment_what_a_client_had_then(
    captures: Path, tmp_path: Path, name: str
) -> None:
    capture = captures / f"{name}.jsonl.xz"
    seen = seen_in(capture)
    with open_run(capture) as run:
        assert {kept.project_id for kept in run.projects} == set(seen)
    for project_id, states in seen.items():
        with (
            open_run(capture, project_id) as captured,
            again(captured, tmp_path / f"{project_id}.roma") as run,
        ):
            assert_same(captured, run)
            every = [run.recall(as_time(time_us)).snapshot for time_us in run.times_us()]
            assert [(list(each.tasks.items()), each.project) for each in every] == [
                key for key, _ in groupby((list(each.tasks.items()), each.project) for each in states)
            ]
            stamped = [
                after
                for before, after in pairwise([None, *states])
                if before is None or before.time != after.time
            ]
            for state in random.Random(0).sample(stamped, len(stamped)):
                if state.time is not None:
                    then = run.recall(state.time)
                    assert list(then.snapshot.tasks.items()) == list(state.tasks.items())
                    assert (then.snapshot.time, then.is_exact) == (state.time, True)
            assert [task.raw for task in run.snapshot.tasks.values()] == [
                task.raw for task in states[-1].tasks.values()
            ]


# -- histories that no server would have

odd_texts = st.text(st.characters(), max_size=12) | st.sampled_from(
    ["", "\ud800", "a\udfff\x00b", "é" * 300, "x" * 40_000, "\U0001f600" * 100]
)
ids = st.sampled_from(["root", "root.1", "root.2", "root.1.1", "\ud800", "é", "x" * 300])
times = st.none() | st.sampled_from(
    [NOON, NOON + timedelta(microseconds=1), as_time(2**62), as_time(-(2**62))]
)
wholes = st.none() | st.integers(-(2**53), 2**53)
raws = odd_texts | st.sampled_from(['{"a": NaN}', '{"a": "\\ud800"}', "not json"])
some_fields = st.fixed_dictionaries(
    {
        "goal": odd_texts,
        "status": st.sampled_from([*Status, "ODD", ""]),
        "task_type": st.none() | odd_texts,
        "agent": st.none() | odd_texts,
        "layer": wholes,
        "created": times,
        "started": times,
        "completed": times,
        "error": st.none() | odd_texts,
        "result_summary": st.none() | odd_texts,
        "raw_json": raws,
    }
)
some_nodes = st.dictionaries(
    ids, st.tuples(some_fields, st.none() | ids, st.lists(ids, max_size=3)), max_size=5
)
projects = st.builds(
    Project,
    st.sampled_from(["p", "\ud800q"]),
    title=st.none() | odd_texts,
    status=st.none() | odd_texts,
    created=times,
    updated=times,
)
some_steps = st.lists(st.tuples(projects, some_nodes, st.integers(-3, 3)), min_size=1, max_size=12)


class _Node:
    """As much of a node as `grow_forest` looks at."""

    def __init__(self, parent_id: str | None, planned_ids: tuple[str, ...]) -> None:
        self.parent_id, self.planned_ids = parent_id, planned_ids


def linked(nodes: Mapping[str, tuple[dict[str, Any], str | None, list[str]]]) -> dict[str, Task]:
    """Tasks in plan order, linked as the core links them."""
    forest = grow_forest(
        {key: _Node(parent, tuple(planned)) for key, (_, parent, planned) in nodes.items()},  # type: ignore[misc]
        tuple((planned[0], key) for key, (_, _, planned) in nodes.items() if planned),
    )
    return {
        key: Task(
            key,
            depth=links.depth,
            parent_id=links.parent_id,
            plan_index=links.plan_index,
            child_ids=links.child_ids,
            depends_on=links.depends_on,
            **nodes[key][0],
        )
        for key, links in forest.links.items()
    }


def cleaned(value: Any) -> Any:
    match value:
        case str() if not isinstance(value, Status):
            return clean(value)
        case tuple():
            return tuple(map(cleaned, value))
        case Task():
            fields = {name: cleaned(getattr(value, name)) for name in Task.__slots__ if name[0] != "_"}
            return replace(value, **fields)
        case Project():
            return Project(*(cleaned(getattr(value, name)) for name in Project.__slots__))
        case _:
            return value


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    steps=some_steps,
    keyframe_after=st.sampled_from([1, 3, 1_000]),
    commit_every=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_any_history_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[Any],
    keyframe_after: int,
    commit_every: int,
    seed: int,
) -> None:
    path = tmp_path_factory.mktemp("any") / "run.roma"
    written: dict[str, list[Written]] = {}
    tasks: dict[str, dict[str, Task]] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("roma_widget.archive.written.KEYFRAME_AFTER", keyframe_after)
        out = writer(path)
        for number, (project, nodes, jump_s) in enumerate(steps):
            project_id = project.project_id
            after, before = linked(nodes), tasks.get(project_id)
            versions: dict[str, Task | None] = dict.fromkeys(set(before or ()) - set(after))
            versions.update({key: task for key, task in after.items() if (before or {}).get(key) != task})
            last_us = written[project_id][-1].time_us if project_id in written else -(2**62)
            time_us = as_us(NOON) + (number + jump_s) * 1_000_000
            out.step(
                project,
                after if before is None else versions,
                time_us,
                float(number),
                is_whole=before is None,
            )
            tasks[project_id] = after
            written.setdefault(project_id, []).append(Written(max(time_us, last_us + 1), project, after))
            if number % commit_every == 0:
                out.commit()
        for project_id in tasks:
            out.show(project_id)
        out.commit()
        out.close()
    for project_id, kept in written.items():
        with open_run(path, clean(project_id)) as run:
            assert run.times_us() == [step.time_us for step in kept]
            for step in [*kept, *random.Random(seed).sample(kept, len(kept))]:
                then = run.recall(as_time(step.time_us)).snapshot
                expected = {clean(key): cleaned(task) for key, task in step.tasks.items()}
                if len(expected) == len(step.tasks):
                    assert list(then.tasks.items()) == list(expected.items())
                assert then.project == cleaned(step.project)
            run.tasks()
            run.graph()


# -- parts


def test_everything_beside_the_tasks_comes_back(tmp_path: Path) -> None:
    rest = TaskRest("p", "t1", '"whole"', '{"a": 1}', "null", {"goal": "long"})
    lean = '{"result_size": 7, "text": "word"}'
    (first, *others) = growing(3, 4)
    left_out = replace(first.versions["t1"], raw_json=lean, _rest=lambda _: {})  # type: ignore[type-var]
    untold = replace(first.versions["t3"], raw_json=lean, _rest=lambda _: {})  # type: ignore[type-var]
    steps = [replace(first, versions={**first.versions, "t1": left_out, "t3": untold}), *others[1:]]
    rows = (Row(3, 1.5, "p", "task_changed", "t1", "goal", "a", "b"), Row(7, 2.0, None, "error", after="x"))
    notes = (Annotation(3.0, "p", "t1", "odd é", ("a", "b")),)
    source = Source(
        steps=steps,
        offset_s=-3600.0,
        traces=some_traces(["t1"]),
        results=[(lean, rest)],
        rows=rows,
        rows_dropped=4,
        annotations=notes,
        missing=("One trace is not here.",),
    )
    with open_run(save(tmp_path / "run.roma", source, redaction(None))) as run:
        for each in (run, again(run, tmp_path / "again.roma")):
            assert each.name in ("run", "again")
            assert each.result("t1") == "whole"
            with pytest.raises(NotLive, match="left on its server"):
                _ = each.task("t3").raw
            assert [row[1:] for row in each.excerpt().rows] == [row[1:] for row in rows]
            assert each.excerpt().dropped == 4
            assert each.written() == notes
            assert each.lack == "One trace is not here."
            assert each.server_offset_s == -3600.0
            started = each.trace("t1").stages[0].started
            assert started is not None
            assert started.utcoffset() == timedelta()
            assert each.traces() == source.traces
            each.close()


@pytest.mark.parametrize(("rule", "left"), [("secrets", "[redacted: e-mail]"), ("responses", "[redacted]")])
def test_what_is_said_to_be_missing_is_redacted(tmp_path: Path, rule: str, left: str) -> None:
    said = "The results of 3 tasks are not all here: "
    source = Source(steps=list(growing(1, 1)), missing=(f"{said}a@example.org",))
    with open_run(save(tmp_path / "run.roma", source, redaction(rule))) as run:
        assert run.lack == said + left


def test_the_flat_tables_are_read_without_us(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma")
    with sqlite3.connect(path) as db:
        tasks = pd.read_sql("SELECT * FROM tasks ORDER BY task_id", db, parse_dates=["created"])
        stages = pd.read_sql("SELECT * FROM stages", db)
    db.close()
    with open_run(path) as run:
        live = run.tasks().sort_index()
        assert tasks.goal.to_list() == live.goal.to_list()
        assert tasks.status.to_list() == live.status.to_list()
        assert list(tasks.created) == list(live.created)
        assert len(stages) == len(run.stages()) == 4
        assert set(stages.agent) == set(run.stages().agent)


# -- whole or not at all


def assert_only(folder: Path, *names: str) -> None:
    assert sorted(each.name for each in folder.iterdir()) == sorted(names)


def test_saving_again_takes_the_place_of_the_archive_before(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma", n_steps=20)
    with open_run(path) as before:
        saved(path, n_steps=5)
        assert len(before.times_us()) == 20
        assert before.recall(as_time(before.times_us()[3])).snapshot.tasks  # read on, as it was
        with open_run(path) as after:
            assert len(after.times_us()) == 5
        save(path, before.source(), redaction(None))  # onto itself
    with open_run(path) as after:
        assert len(after.times_us()) == 20
    assert_only(tmp_path, "run.roma")


@pytest.mark.parametrize("content", [b"my notes", b"SQLite format 3\x00" + bytes(200)])
def test_what_is_no_archive_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.roma"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"mine\.roma is there already, and it is .*not overwritten"):
        saved(path)
    assert path.read_bytes() == content
    assert_only(tmp_path, "mine.roma")


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_save_is_for_its_user_alone_until_they_share_it(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    assert stat.S_IMODE(saved(path).stat().st_mode) == 0o640


def test_where_nothing_can_be_written_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("x")
    for path, why in (
        (tmp_path / "file" / "run.roma", "There is no folder"),
        (tmp_path / "none" / "run.roma", "There is no folder"),
        (tmp_path, "is a folder"),
        (Path("/dev/full"), "is no file"),
    ):
        with pytest.raises(ArchiveError, match=why):
            saved(path)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place.os, "replace", refuse)
    with pytest.raises(ArchiveError, match="cannot be written: No space left"):
        saved(tmp_path / "run.roma")
    assert_only(tmp_path, "file")


def test_a_full_disk_is_said_and_leaves_the_archive_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "run.roma")
    before = path.read_bytes()
    connect = sqlite3.connect

    class Full(sqlite3.Connection):
        def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
            if "blocks" in sql:
                raise sqlite3.OperationalError("database or disk is full")
            return super().executemany(sql, rows)

    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, factory=Full, **named))
    with pytest.raises(ArchiveError, match=r"run\.roma cannot be written: database or disk is full"):
        saved(path, n_steps=500)
    assert path.read_bytes() == before
    assert_only(tmp_path, "run.roma")


@pytest.mark.parametrize("after", [0, 3, 15])
def test_an_interrupted_save_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    path = saved(tmp_path / "run.roma")
    before = path.read_bytes()
    monkeypatch.setattr(saving, "COMMIT_EVERY", 2)

    def interrupted() -> Any:
        for number, step in enumerate(growing(20)):
            if number == after:
                raise KeyboardInterrupt
            yield step

    with pytest.raises(KeyboardInterrupt):
        save(path, Source(steps=interrupted()), redaction(None))
    assert path.read_bytes() == before
    assert_only(tmp_path, "run.roma")


def test_nothing_known_of_a_run_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match=r"no run to write to .*run\.roma"):
        save(tmp_path / "run.roma", Source(steps=()), redaction(None))
    assert_only(tmp_path)


def test_what_a_killed_recording_left_is_not_played_back_into_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "run.roma"
    saved(path, n_steps=50)
    killed = sqlite3.connect(path, isolation_level=None)
    spill(killed)
    assert journal_is_hot(path)
    old, journal = path.read_bytes(), Path(f"{path}-journal").read_bytes()
    killed.execute("ROLLBACK")
    killed.close()
    for there in (True, False):
        path.unlink()
        if there:
            path.write_bytes(old)
        Path(f"{path}-journal").write_bytes(journal)
        saved(path, n_steps=5)
        with open_run(path) as run:
            assert len(run.times_us()) == 5
            assert len(run.tasks()) == 12


def test_a_step_of_the_calendars_end_is_kept(tmp_path: Path) -> None:
    out = writer(tmp_path / "run.roma")
    last = as_us(datetime.max.replace(tzinfo=NOON.tzinfo))
    for number, time_us in enumerate((last, last, 0)):
        out.step(Project("p"), {}, time_us, float(number), is_whole=number == 0)
    out.commit()
    out.close()
    with open_run(tmp_path / "run.roma") as run:
        assert run.times_us() == [last, last + 1, last + 2]
        assert len(run.times) == 3


def test_the_states_can_be_read_as_the_documentation_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By docs/archive.md alone: no module of ours takes part."""
    monkeypatch.setattr("roma_widget.archive.written.KEYFRAME_AFTER", 7)
    path = saved(tmp_path / "run.roma", n_steps=60)
    with sqlite3.connect(path) as db:
        blocks = db.execute(
            "SELECT first_seq, is_keyframe, body FROM blocks ORDER BY last_seq, is_keyframe"
        ).fetchall()
    db.close()

    def unpacked(body: bytes) -> Any:
        assert int.from_bytes(body[:8], "big") == len(zlib.decompress(body[8:]))
        return msgspec.msgpack.decode(zlib.decompress(body[8:]))

    def state(n: int) -> dict[str, list[Any]]:
        begin, body = max((first, body) for first, is_keyframe, body in blocks if is_keyframe and first <= n)
        tasks = {record[0]: record for record in unpacked(body)}
        for seq, changes in (change for _, is_key, body in blocks if not is_key for change in unpacked(body)):
            for task_id, *new in changes if begin < seq <= n else ():
                if not new:
                    del tasks[task_id]
                elif isinstance(new[0], list):
                    tasks[task_id] = new[0]
                else:
                    record = list(tasks[task_id])
                    for place, value in new[0].items():
                        record[place] = value
                        if place == 21 and isinstance(value, list):
                            inflate = zlib.decompressobj(zdict=tasks[task_id][21].encode()[-32_768:])
                            record[place] = inflate.decompress(value[1]).decode()
                    tasks[task_id] = record
        return tasks

    with open_run(path) as run:
        for seq, time_us in enumerate(run.times_us()):
            tasks = run.recall(as_time(time_us)).snapshot.tasks
            found = state(seq)
            assert found.keys() == tasks.keys()
            for task_id, task in tasks.items():
                record = found[task_id]
                assert (record[0], record[2], record[19], record[21]) == (
                    task_id,
                    str(task.status),
                    task.result_summary,
                    task.raw_json,
                )
