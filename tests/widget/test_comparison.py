"""`roma.compare`: what it takes, what it calls the runs, and what a notebook gets to show."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from analysis.snapshots import of, report, task, tree

import roma_widget as roma
from roma_widget.analysis.run_data import RunData
from roma_widget.core.model import Project, Snapshot
from roma_widget.widget import cells, comparison
from roma_widget.widget.cells import Cell
from roma_widget.widget.comparison import MOST_BODY_BYTES, packed


class Given(RunData):
    """A run in memory."""

    def __init__(self, snapshot: Snapshot, name: str | None = None) -> None:
        self.snapshot = snapshot
        if name is not None:
            self.name = name


class File(Given):
    """A saved run that says when it was closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(report(), path.stem)
        self.closed = 0

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed += 1


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> list[File]:
    """The files that were opened; "gone.roma" cannot be."""
    opened: list[File] = []

    def open_run(path: str | Path) -> File:
        if Path(path).name == "gone.roma":
            raise roma.ArchiveError("There is no file gone.roma.")
        opened.append(File(Path(path)))
        return opened[-1]

    monkeypatch.setattr(comparison, "open_run", open_run)
    return opened


@pytest.fixture
def found() -> Iterator[roma.Comparison]:
    after = replace(report(), outcome="succeeded")
    with roma.compare(Given(report(), "monday"), Given(after, "tuesday")) as made:
        yield made


# -- names


def project(title: str | None = None, goal: str | None = None) -> Snapshot:
    return of(task(), project=Project("p", title=title, goal=goal))


@pytest.mark.parametrize(
    ("a", "b", "names"),
    [
        (Given(report(), "monday"), Given(report(), "tuesday"), ("monday", "tuesday")),
        (Given(report(), "run"), Given(report(), "run"), ("run (1)", "run (2)")),
        (Given(project("Roofs")), Given(project(None, "Write of roofs")), ("Roofs", "Write of roofs")),
        (Given(project("x " * 50)), Given(of(task())), (("x " * 50)[:39].strip() + "…", "b")),
        (Given(of()), Given(of()), ("a", "b")),
    ],
    ids=["files", "same name", "projects", "long title", "nothing"],
)
def test_the_runs_have_two_names(a: RunData, b: RunData, names: tuple[str, str]) -> None:
    assert roma.compare(a, b).names == names


def test_a_loaded_run_is_called_as_its_file_is(captures: Path) -> None:
    path = captures / "d_failed.jsonl.xz"
    with roma.load(path) as loaded, roma.compare(loaded, path) as found:
        assert found.names == ("d_failed (1)", "d_failed (2)")
        assert [row["changed"] for row in found.view()["rows"] if row["changed"]] == []


def test_the_person_may_name_them() -> None:
    a, b = Given(report(), "x"), Given(report(), "y")
    assert roma.compare(a, b, names=("before", "after")).names == ("before", "after")
    assert roma.compare(a, b, names=["same", "same"]).names == ("same (1)", "same (2)")


@pytest.mark.parametrize("names", ["ab", ("one",), ("a", "b", "c"), ("a", 2)])
def test_other_than_two_names_are_refused(names: Any) -> None:
    with pytest.raises(ValueError, match="takes two texts"):
        roma.compare(Given(of()), Given(of()), names=names)


# -- what is taken


@pytest.mark.parametrize("run", [3, None, report(), ["a.roma"]])
def test_what_is_no_run_is_refused(run: Any, files: list[File]) -> None:
    with pytest.raises(TypeError, match=r"roma.compare\(a, b\) takes monitors"):
        roma.compare("monday.roma", run)
    assert [each.closed for each in files] == [1]


def test_files_are_opened_and_closed_with_the_comparison(files: list[File]) -> None:
    with roma.compare("runs/monday.roma", Path("tuesday.roma")) as found:
        assert found.names == ("monday", "tuesday")
        assert [each.closed for each in files] == [0, 0]
    assert [each.closed for each in files] == [1, 1]
    found.close()
    assert [each.closed for each in files] == [1, 1]


def test_the_first_file_is_closed_when_the_second_cannot_be_read(files: list[File]) -> None:
    with pytest.raises(roma.ArchiveError, match=r"gone\.roma"):
        roma.compare("monday.roma", "gone.roma")
    assert [each.closed for each in files] == [1]


def test_a_cell_that_runs_again_closes_the_files_and_the_view_that_it_made(
    files: list[File], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = ["cell", "run 1"]
    monkeypatch.setattr(cells, "current_cell", lambda: Cell(*running))
    first, second = roma.compare("a.roma", "b.roma"), roma.compare("a.roma", "c.roma")
    first._repr_mimebundle_()
    second._repr_mimebundle_()
    running[:] = ["another cell", "run 2"]
    assert roma.compare("a.roma", "b.roma")
    assert [each.closed for each in files] == [0] * 6
    running[:] = ["cell", "run 3"]
    third = roma.compare("a.roma", "b.roma")
    assert [each.closed for each in files] == [1, 1, 1, 1, 0, 0, 0, 0]
    views = [each._shown for each in (first, second)]
    third._repr_mimebundle_()
    assert [view.comm for view in views if view is not None] == [None, None]
    assert (
        "application/vnd.jupyter.widget-view+json" in first._repr_mimebundle_()
    )  # shown again, in a new view
    assert first._shown is not views[0]


# -- what is shown


def test_the_view_has_what_was_found_and_hides_the_table_beside_it(found: roma.Comparison) -> None:
    bundle = found._repr_mimebundle_()
    view = found._shown
    assert view is not None
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == view.model_id
    state = view.get_state()
    assert state["shows"] == "comparison"
    assert unpacked(state["body"]) == {**found.view(), "left_out": 0}
    assert bundle["text/html"].startswith(f'<div data-static="{state["static_key"]}"')
    assert "monday" in bundle["text/html"]
    assert "monday" in bundle["text/plain"]


def test_a_display_makes_two_outputs_and_again_two_of_the_same_widget(
    found: roma.Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr("IPython.display.display", lambda what, **_: shown.append(what))
    found._ipython_display_()
    found._ipython_display_()
    views = [what["application/vnd.jupyter.widget-view+json"]["model_id"] for what in shown[::2]]
    assert views[0] == views[1]
    assert ["data-static=" in what.data for what in shown[1::2]] == [True, True]


def test_closing_removes_the_view(found: roma.Comparison) -> None:
    found._repr_mimebundle_()
    view = found._shown
    assert view is not None
    found.close()
    assert view.comm is None


def unpacked(body: bytes) -> Any:
    return json.loads(gzip.decompress(body))


def test_ten_thousand_pairs_fit() -> None:
    a = tree(10_000)
    body = packed(roma.compare(Given(a), Given(a)).view())
    assert len(body) < MOST_BODY_BYTES / 2
    assert unpacked(body)["left_out"] == 0


def test_what_does_not_fit_is_counted() -> None:
    words = random.Random(1)
    rows = [{"a": f"{words.random()}", "b": None, "depth": 0} for _ in range(2_000)]
    body = packed({"rows": rows}, most_bytes=5_000)
    told = unpacked(body)
    assert 4_000 < len(body) <= 5_000
    assert told["rows"] == rows[: len(told["rows"])]
    assert told["left_out"] == 2_000 - len(told["rows"])
    assert unpacked(packed({"rows": rows}, most_bytes=1)) == {"rows": [], "left_out": 2_000}
