"""The one table: its arithmetic, its files, that every promise is in it, and that what takes seconds can be run."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks import __main__ as command
from benchmarks import imports, receive, size, to_browser
from benchmarks.generate import Source
from benchmarks.naive import drawn
from benchmarks.promises import PARTS, PROMISES, crashed, kept
from benchmarks.report import BEGIN, END, Report, write_between, write_json
from benchmarks.table import HEAD, Growth, Row, Spread, exponent, growths, markdown, table

ROOT = Path(__file__).resolve().parent.parent
# The design's table of numbers to hold, number by number: a bound that is changed is changed here, too.
DESIGNED = {
    "cpu_to_bare": 3,
    "cpu_to_naive": 1 / 4,
    "update_bytes": 1,
    "update_share": 5,
    "pixels": 300,
    "click": 200,
    "lost_prompts": 0,
    "first_paint": 300,
    "pan": 33,
    "update": 50,
    "tasks": 50,
    "reload": 1000,
    "import": 1.2,
    "memory": 1,
}


@pytest.mark.parametrize(
    ("value", "bound", "ratio", "verdict"),
    [
        (25.0, 50.0, 0.5, "pass"),
        (50.0, 50.0, 1.0, "pass"),
        (50.1, 50.0, 1.002, "miss"),
        (0.0, 0.0, None, "pass"),
        (1.0, 0.0, None, "miss"),
        (7.0, None, None, ""),
        (None, 50.0, None, "crash"),
    ],
)
def test_a_row_is_held_against_its_bound(
    value: float | None, bound: float | None, ratio: float | None, verdict: str
) -> None:
    row = Row("a", value, "ms", bound)
    assert row.ratio == (None if ratio is None else pytest.approx(ratio))
    assert row.verdict == verdict


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_is_that_power(power: float) -> None:
    assert exponent({n: 3 * n**power for n in (100, 1_000, 10_000)}) == pytest.approx(power, abs=1e-9)


def test_the_exponent_is_the_least_squares_one_and_needs_two_sizes() -> None:
    assert exponent({100: 1.0, 1_000: 1.0, 10_000: 100.0}) == pytest.approx(1.0)
    assert exponent({100: 1.0}) is None
    assert exponent({100: 0.0, 1_000: 5.0}) is None


def test_every_number_of_the_design_is_promised_and_measured_once() -> None:
    assert {key: promise.bound for key, promise in PROMISES.items()} == DESIGNED
    assert sorted(key for keys in PARTS.values() for key in keys) == sorted(PROMISES)
    assert set(PARTS) <= set(command.SIZED)


def test_the_page_has_the_last_table_with_every_promise() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    last = page[page.index(BEGIN) : page.index(END)]
    for promise in PROMISES.values():
        assert f"| {promise.words}" in last


def test_the_page_has_no_crash_and_says_why_a_bound_is_missed() -> None:
    page = (ROOT / "docs" / "benchmarks.md").read_text(encoding="utf-8")
    last, behind = page[page.index(BEGIN) :].split(END)
    why = behind.partition("## What misses, and why")[2].partition("\n## ")[0]
    for line in last.splitlines():
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert "crash" not in cells
        assert "miss" not in cells or f"**{name}**" in why


def test_a_line_has_the_bound_the_spread_and_what_others_need() -> None:
    row = kept("tasks", 20.0, [19.0, 20.0, 31.0], {"naive": 40.0, "plotly": float("inf")})
    line = table([row]).splitlines()[2]
    for said in ("20 ms", "19 … 31 of 3", "≤ 50 ms", "0.40", "pass", "naive 40, plotly never"):
        assert said in line
    assert markdown([HEAD, row.cells()]).count("|") == 3 * (len(HEAD) + 1)


def test_a_growth_says_each_size_and_the_exponent() -> None:
    told = growths([Growth("paint", "ms", {"ours": {100: 1.0, 1_000: 10.0}, "other": {100: 2.0}})])
    head, _, ours, other = told.splitlines()
    assert head.split() == "paint, ms n = 100 n = 1,000 exponent".split()
    assert ours.split() == ["ours", "1", "10", "1.00"]
    assert other.split() == ["other", "2"]


def report() -> Report:
    rows = [
        kept("tasks", 60.0, [60.0], {"plotly": float("inf")}),
        Row("detail", 1.0, "ms"),
        crashed("reload"),
    ]
    return Report({"CPU": "two"}, rows, [Growth("g", "ms", {"ours": {1: 1.0, 10: 10.0}})], {"tasks": 2.0})


def test_the_file_is_json_with_every_row_and_the_exponents(tmp_path: Path) -> None:
    path = tmp_path / "build" / "benchmarks.json"
    write_json(report(), path)

    def refuse(constant: str) -> Any:
        raise AssertionError(f"{constant} is no JSON")

    told = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    assert told["machine"] == {"CPU": "two"}
    assert [row["verdict"] for row in told["rows"]] == ["miss", "", "crash"]
    assert told["rows"][0]["bound"] == 50
    assert told["rows"][0]["beside"] == {"plotly": None}
    assert told["rows"][0]["spread"] == {"least": 60, "most": 60, "count": 1}
    assert told["growths"][0]["exponents"] == {"ours": pytest.approx(1.0)}


def test_what_is_printed_says_what_was_missed() -> None:
    said = report().text()
    assert "0 of 2 bounds are kept" in said
    assert "detail" not in said


def test_a_part_that_crashed_leaves_its_promises_as_rows() -> None:
    told = command.reported({}, {"to_browser": (None, 1.0), "tasks": ([kept("tasks", 1.0)], 1.0)})
    verdicts = {row.promise: row.verdict for row in told.promised}
    assert verdicts == {"update_bytes": "crash", "update_share": "crash", "tasks": "pass"}


def test_a_row_that_is_only_shown_is_in_the_table_and_no_promise() -> None:
    told = Report({}, [Row("worst case", 1.0, "x", is_shown=True, note="it is calm")], [], {})
    assert "worst case" in told.text()
    assert "it is calm" in told.markdown()
    assert "0 of 0 bounds" in told.text()


@pytest.mark.parametrize(
    ("bare", "said"), [([1.0, 2.0, 3.0], "within the noise of bare: ours +1.00 ms/MB"), ([1.0, 1.5, 1.9], "")]
)
def test_a_cost_within_the_spread_of_bare_receive_says_so(bare: list[float], said: str) -> None:
    ours = [cost + 1.0 for cost in bare]
    assert receive.noise({"bare": bare, "roma_view": ours}).startswith(said)
    assert bool(receive.noise({"bare": bare, "roma_view": ours})) == bool(said)


def test_a_run_that_goes_on_begins_as_the_same_run_and_does_not_repeat_itself() -> None:
    source = Source(tasks=20, task_bytes=500, frames=3, repeated=0.0)
    frames = [frame.payload for frame in islice(source.endless(), 6)]
    assert frames[:3] == [frame.payload for frame in source.play()]
    assert len(set(frames)) == 6


def test_only_what_stands_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<\nold\n>\nafter\n", encoding="utf-8")
    for words in ("new", "newer"):
        write_between(("<", ">"), words, page)
    assert page.read_text(encoding="utf-8") == "before\n<\n\nnewer\n\n>\nafter\n"
    with pytest.raises(ValueError, match="needs one line"):
        write_between(("[", "]"), "new", page)


def test_the_naive_figure_has_a_point_for_each_task_and_a_line_to_each_parent() -> None:
    nodes = {
        "root": {"layer": 0, "status": "DONE", "goal": "g"},
        "root.1": {"layer": 1, "parent_node_id": "root"},
        "odd": {"parent_node_id": "nobody"},
    }
    lines, points = drawn(nodes)
    assert (lines["x"], lines["y"]) == ([0, 1, None], [-1, -1, None])
    assert (points["x"], points["y"]) == ([0, 1, 0], [-1, -1, -2])


@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", [imports, to_browser], ids=["import", "to_browser"])
def test_a_quick_run_answers_its_promises(part: Any) -> None:
    rows = list(part.measure(size.QUICK))
    name = next(key for key, module in command.SIZED.items() if module == part.__name__.rpartition(".")[2])
    told = {row.promise: row for row in rows if row.promise is not None}
    assert set(told) == set(PARTS[name])
    for row in told.values():
        assert isinstance(row.spread, Spread)
        assert row.spread.least <= row.value <= row.spread.most
        assert "quick" in row.name
