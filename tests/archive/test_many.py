"""Many saved runs: which files, what they are called, one frame of all, a folder of Parquet files."""

from __future__ import annotations

import builtins
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from analysis.snapshots import of, task
from archive.saved_runs import Given, Shelf, with_traces

import roma_widget as roma
from roma_widget.archive import many
from roma_widget.archive.many import Runs, found
from roma_widget.archive.naming import as_folder, name_of_folder, run_names
from roma_widget.archive.parquet import Folder
from roma_widget.archive.redaction import redaction
from roma_widget.archive.run_frames import KINDS, empty_frames
from roma_widget.archive.saved import open_run
from roma_widget.archive.saving import save
from roma_widget.core.model import Snapshot
from roma_widget.errors import ArchiveError


def empty() -> Given:
    return Given(Snapshot())


@pytest.fixture
def shelf() -> Shelf:
    return Shelf({"x/a.roma": with_traces, "x/b.roma": empty, "x/d.jsonl.xz": with_traces})


@pytest.fixture
def runs(shelf: Shelf) -> Runs:
    """`c.roma` is no saved run."""
    return Runs([Path(path) for path in ("x/a.roma", "x/b.roma", "x/c.roma", "x/d.jsonl.xz")], shelf)


LEFT_OUT = r"1 of 4 files could not be read and are left out \(c.roma\): runs.problems says why."


# -- which files


def test_patterns_paths_folders_and_lists_find_each_file_once_and_sorted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.roma", "a.roma", "sub/c.roma", "d.jsonl.xz", "[e].roma"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)

    def names(pattern: Any) -> list[str]:
        return [
            path.relative_to(tmp_path).as_posix() if path.is_absolute() else path.as_posix()
            for path in found(pattern)
        ]

    assert names("*.roma") == ["[e].roma", "a.roma", "b.roma"]
    assert names(f"{tmp_path}/**/*.roma") == ["[e].roma", "a.roma", "b.roma", "sub/c.roma"]
    assert names("*") == ["[e].roma", "a.roma", "b.roma", "d.jsonl.xz"]
    assert names(tmp_path) == ["[e].roma", "a.roma", "b.roma"]
    assert names("[e].roma") == ["[e].roma"]
    assert names(["b.roma", tmp_path / "d.jsonl.xz", "b.roma", "gone.roma"]) == [
        "d.jsonl.xz",
        "b.roma",
        "gone.roma",
    ]


@pytest.mark.parametrize("pattern", ["*.roma", "gone.roma", [], ["*.roma"]])
def test_where_nothing_is_found_it_is_said_what_was_looked_for(
    pattern: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArchiveError, match=r"No saved run is found: (\*\.roma|gone\.roma|an empty list)"):
        found(pattern)


def test_what_is_no_path_is_refused() -> None:
    for pattern in (7, [None], "", " ", ["a.roma", ""]):
        with pytest.raises(ValueError, match="takes paths or patterns"):
            found(pattern)  # type: ignore[arg-type]


# -- names


def test_names_are_short_and_each_its_own() -> None:
    assert run_names([Path("x/a.roma"), Path("x/b.jsonl.xz"), Path("x/.roma")]) == ["a", "b", ".roma"]
    assert run_names([Path("x/a.roma"), Path("y/a.roma"), Path("y/b.roma")]) == ["x/a", "y/a", "b"]
    assert run_names([Path("x/a.roma"), Path("x/a.jsonl"), Path("x/A.jsonl.xz")]) == [
        "a.roma",
        "a.jsonl",
        "A.jsonl.xz",
    ]
    long = run_names([Path("ä" * 100 + "1.roma"), Path("ä" * 100 + "2.roma")])
    assert len(set(long)) == 2
    assert all(len(as_folder(name)) < 255 for name in long)


@pytest.mark.parametrize(
    "name", ["../up", "a=b", "a/b", "ä ö", "..", "run=", "a\\b:c*?", "%41", "\N{SNOWMAN}", "a.", "a. "]
)
def test_a_name_is_one_part_of_a_path(name: str, tmp_path: Path) -> None:
    folder = as_folder(name)
    assert folder.isascii()
    assert (tmp_path / folder).parent == tmp_path
    assert name_of_folder(folder) == name
    assert not folder.endswith((".", " "))  # Windows drops these
    assert not set(folder.removeprefix("run=")) & set('=/\\:*?"<>|')


# -- as data


def test_runs_are_opened_one_at_a_time_and_closed_again(runs: Runs, shelf: Shelf) -> None:
    assert shelf.opened == []
    with pytest.warns(UserWarning, match=LEFT_OUT):
        counts = [(len(run.snapshot.tasks), shelf.n_open) for run in runs]
    assert counts == [(15, 1), (0, 1), (15, 1)]
    assert shelf.n_open == 0
    with pytest.warns(UserWarning, match=LEFT_OUT):
        runs.tasks()
    assert shelf.n_open == 0


def test_one_run_by_name_and_by_place(runs: Runs) -> None:
    assert len(runs) == 4
    assert runs.names == ["a", "b", "c", "d"]
    assert len(runs["d"].snapshot.tasks) == len(runs[-1].snapshot.tasks) == 15
    with pytest.raises(
        ArchiveError, match=r"no run 'dd' among these 4 files \(a, b, c, d\)\. Did you mean 'd'\?"
    ):
        runs["dd"]
    with pytest.raises(ArchiveError, match=r"c\.roma is no saved run"):
        runs["c"]
    with pytest.raises(IndexError):
        runs[4]


def test_what_cannot_be_read_is_said_without_reading_more_than_once(runs: Runs, shelf: Shelf) -> None:
    problems = runs.problems
    assert problems.values.tolist() == [[str(Path("x/c.roma")), "c.roma is no saved run."]]
    assert [str(kind) for kind in problems.dtypes] == ["string", "string"]
    n_opened = len(shelf.opened)
    assert len(runs.problems) == 1
    assert len(shelf.opened) == n_opened


def test_a_run_that_breaks_while_it_is_read_is_a_problem_and_leaves_no_rows(shelf: Shelf) -> None:
    class Broken(Given):
        def stages(self, include_samples: bool = False) -> pd.DataFrame:
            raise ArchiveError("The traces of b.roma are damaged.")

    shelf.runs[Path("x/b.roma")] = lambda: Broken(with_traces().snapshot)
    runs = Runs([Path("x/a.roma"), Path("x/b.roma")], shelf)
    with pytest.warns(UserWarning, match=r"1 of 2 files .*b\.roma"):
        stages = runs.stages()
    assert set(stages["run"]) == {"a"}
    assert runs.problems["problem"].to_list() == ["The traces of b.roma are damaged."]
    assert shelf.n_open == 0


def test_one_row_a_run(runs: Runs) -> None:
    with pytest.warns(UserWarning, match=LEFT_OUT):
        rows = runs.summary().set_index("run")
    assert list(rows.index) == ["a", "b", "d"]
    first = rows.loc["a"]
    assert first[["project", "outcome", "n_tasks", "done", "failed"]].to_list() == [
        "Write A Short", "with_failures", 15, 14, 1,
    ]  # fmt: skip
    assert first["goal"].startswith("Write a short briefing")
    assert (first["duration_s"], first["ended"] - first["started"]) == (73.0, pd.Timedelta(seconds=73))
    assert first[["tokens", "cost_usd", "n_stages", "missing_traces"]].to_list() == [16, 0.25, 3, 13]
    unknown = rows.loc["b"]
    assert unknown[["n_tasks", "missing_traces"]].to_list() == [0, 0]
    assert (
        unknown[["project", "goal", "started", "ended", "duration_s", "tokens", "cost_usd", "n_stages"]]
        .isna()
        .all()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_one_frame_of_all_has_the_run_first_and_the_same_types_also_when_empty(
    kind: str, runs: Runs, shelf: Shelf
) -> None:
    with pytest.warns(UserWarning, match=LEFT_OUT):
        whole = getattr(runs, kind)()
    nothing = getattr(Runs([Path("x/b.roma")], shelf), kind)()
    assert whole.columns[0] == "run"
    assert whole["run"].drop_duplicates().to_list() in (["a", "d"], ["a", "b", "d"])
    assert list(whole.index) == list(range(len(whole)))
    of_one = empty_frames()[kind]
    assert list(whole.columns[1:]) == list(of_one.columns)
    assert whole.dtypes[1:].equals(of_one.dtypes)
    assert whole.dtypes.equals(nothing.dtypes)
    counts = {"summary": {}, "events": {"dropped": 12}}
    assert whole.attrs == counts.get(kind, {"missing_traces": 26})


def test_progress_is_shown_when_it_takes_long_and_ends_its_line(
    runs: Runs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(UserWarning, match=LEFT_OUT):
        runs.summary()
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(many, "PROGRESS_AFTER_S", 0.0)
    with pytest.warns(UserWarning, match=LEFT_OUT):
        runs.summary()
    assert capsys.readouterr().out.split("\r")[1:] == [f"Runs: {n} of 4" for n in range(4)] + [
        "Runs: 4 of 4\n"
    ]
    with pytest.warns(UserWarning, match=LEFT_OUT):
        runs.summary(progress=False)
    assert capsys.readouterr().out == ""


def test_files_of_both_kinds_and_broken_ones(captures: Path, tmp_path: Path) -> None:
    with open_run(captures / "d_failed.jsonl.xz") as run:
        save(tmp_path / "kept.roma", run.source(), redaction(None))
    (tmp_path / "broken.roma").write_bytes(b"SQLite format 3")
    runs = roma.runs([captures / "a_complete.jsonl.xz", tmp_path])
    with pytest.warns(UserWarning, match=r"1 of 3 files .*broken\.roma"):
        rows = runs.summary().set_index("run")
    assert rows.loc[["a_complete", "kept"], "outcome"].to_list() == ["succeeded", "with_failures"]
    assert rows.loc[["a_complete", "kept"], "n_tasks"].to_list() == [15, 9]
    with runs["kept"] as kept:
        assert kept.name == "kept"
        assert kept.tasks().index.is_unique


# -- as Parquet


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_has_a_file_for_each_run_and_kind_all_of_one_schema(runs: Runs, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "not" / "there"
    with pytest.warns(UserWarning, match=LEFT_OUT):
        assert runs.to_parquet(folder) == 3
    assert files(folder) == {f"{kind}/run={run}/part.parquet" for kind in KINDS for run in ("a", "b", "d")}
    for kind, nothing in empty_frames().items():
        schemas = [
            parquet.read_schema(folder / kind / f"run={run}" / "part.parquet") for run in ("a", "b", "d")
        ]
        assert schemas[0].equals(schemas[1], check_metadata=True)
        assert schemas[0].equals(schemas[2], check_metadata=True)
        for run in "ab":
            back = pd.read_parquet(folder / kind / f"run={run}" / "part.parquet", partitioning=None)
            assert back.dtypes.equals(nothing.dtypes)
    stages = pd.read_parquet(folder / "stages" / "run=a" / "part.parquet", partitioning=None)
    pd.testing.assert_frame_equal(stages, with_traces().stages())


def test_a_call_that_is_interrupted_has_written_the_runs_before_and_nothing_else(
    shelf: Shelf, tmp_path: Path
) -> None:
    pytest.importorskip("pyarrow")

    def interrupted() -> Given:
        raise KeyboardInterrupt

    shelf.runs[Path("x/d.jsonl.xz")] = interrupted
    runs = Runs([Path("x/a.roma"), Path("x/b.roma"), Path("x/d.jsonl.xz")], shelf)
    with pytest.raises(KeyboardInterrupt):
        runs.to_parquet(tmp_path)
    assert files(tmp_path) == {f"{kind}/run={run}/part.parquet" for kind in KINDS for run in ("a", "b")}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(KINDS)
    shelf.runs[Path("x/d.jsonl.xz")] = with_traces
    assert runs.to_parquet(tmp_path) == 3  # those that are there are replaced
    assert len(files(tmp_path)) == 3 * len(KINDS)


@pytest.mark.parametrize("fails_at", ["part.parquet", "write"])
def test_where_writing_fails_nothing_half_written_is_left(
    fails_at: str, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    replace_, write_table = os.replace, parquet.write_table

    def full(*arguments: Any) -> None:
        if fails_at == "write" and str(arguments[1]).endswith("stages"):
            Path(arguments[1]).write_bytes(b"PAR1 half of it")
            raise OSError(28, "No space left on device")
        write_table(*arguments)

    def read_only(source: Any, target: Any) -> None:
        if fails_at == "part.parquet" and "stages" in str(target):
            raise PermissionError(13, "Permission denied")
        replace_(source, target)

    monkeypatch.setattr(parquet, "write_table", full)
    monkeypatch.setattr(os, "replace", read_only)
    runs = Runs([Path("x/a.roma"), Path("x/b.roma")], shelf)
    with pytest.raises(ArchiveError, match=r"cannot be written: (No space left|Permission denied)"):
        runs.to_parquet(tmp_path / "deep" / "data")
    assert list(tmp_path.iterdir()) == []
    assert shelf.n_open == 0


def test_a_run_that_cannot_be_replaced_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    shelf = Shelf({"a.roma": with_traces})
    runs = Runs([Path("a.roma")], shelf)
    runs.to_parquet(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    replace_ = os.replace

    def read_only(source: Path, target: Path) -> None:
        if "stages" in str(target):
            raise PermissionError(13, "Permission denied")
        replace_(source, target)

    monkeypatch.setattr(os, "replace", read_only)
    shelf.runs[Path("a.roma")] = empty
    with pytest.raises(ArchiveError, match="Permission denied"):
        runs.to_parquet(tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in files(tmp_path)} == before


def test_a_run_that_may_be_there_under_another_name_is_said(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    pytest.importorskip("pyarrow")
    shelf = Shelf({"x/report.roma": empty, "y/report.roma": empty, "z.roma": empty})
    one, two, three = shelf.runs
    for paths in ([one], [one], [three], [one]):  # again, and others
        Runs(paths, shelf).to_parquet(tmp_path)
    assert not recwarn.list
    with pytest.warns(UserWarning, match=r" also holds report, from an earlier call: "):
        Runs([one, two], shelf).to_parquet(tmp_path)


def test_a_place_that_is_a_file_cannot_be_written(runs: Runs, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ArchiveError, match="cannot be written"):
        runs.to_parquet(tmp_path / "file" / "data")
    with pytest.raises(ArchiveError, match="cannot be written"):
        runs.to_parquet(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_without_pyarrow_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_ = builtins.__import__

    def none(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return import_(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", none)
    with pytest.raises(ArchiveError, match=r"pip install 'roma-widget\[parquet\]'"):
        Folder(tmp_path / "data", {})
    assert list(tmp_path.iterdir()) == []


def test_texts_that_utf_8_cannot_carry_are_written(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    shelf = Shelf({"odd.roma": lambda: Given(of(task("a", goal="half a pair: \ud83d", error="\x00")))})
    assert Runs([Path("odd.roma")], shelf).to_parquet(tmp_path) == 1
