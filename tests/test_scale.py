"""docs/scale.md: the arithmetic of its simulation, its table, and that every way to ask many runs answers alike."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.analysis_at_scale import checked, shelf_of
from benchmarks.analyst import WAYS
from benchmarks.arrangements import ARRANGEMENTS, Coefficients, bears, most_borne, outcome
from benchmarks.redis_manager import NoRedis, redis_server
from benchmarks.saved_runs import AGENTS, Shape, write_runs
from benchmarks.scale import MEASURED
from benchmarks.scale_page import PAGE, markers
from benchmarks.simulated import Level, Network, Pause, share_of, simulate, spread

FAST = Network(bytes_per_s=1e12, hop_s=0.0)


def level(fan_out: int = 1, *, read_s: float = 0.0, tell_s: float = 0.0, pause: Pause | None = None) -> Level:
    return Level("one", 1, fan_out, read_s, tell_s, 0.0, pause)


def test_children_are_told_one_after_the_other_when_the_frame_is_read() -> None:
    found = simulate([level(4, read_s=0.1, tell_s=0.05)], FAST, every_s=1.0, seconds=3.0)
    assert (found.median_s, found.p95_s) == (pytest.approx(0.2), pytest.approx(0.3))
    assert found.loads[0].cpu == pytest.approx(0.3)
    assert found.keeps_up


def test_levels_add_their_delays_and_hops() -> None:
    network = replace(FAST, hop_s=0.01)
    found = simulate(
        [level(read_s=0.1), level(read_s=0.2), level(read_s=0.3)], network, every_s=1.0, seconds=2.0
    )
    assert found.p95_s == pytest.approx(0.63)
    assert [load.cpu for load in found.loads] == pytest.approx([0.1, 0.2, 0.3])


def test_who_needs_longer_than_a_frame_takes_falls_further_behind_with_each() -> None:
    found = simulate([level(read_s=1.5)], FAST, every_s=1.0, seconds=10.0)
    assert not found.keeps_up
    assert found.p95_s == pytest.approx(10 * 1.5 - 9)


def test_a_card_that_is_slower_than_the_processor_decides() -> None:
    slow = Level("one", 1, 4, 0.0, 0.01, sent_bytes=10.0)
    found = simulate([slow], Network(bytes_per_s=100.0, hop_s=0.0), every_s=1.0, seconds=1.0)
    assert found.p95_s == pytest.approx(0.01 + 4 * 0.1)
    assert (found.loads[0].card, found.loads[0].sent_bytes_per_s) == (pytest.approx(0.4), 40.0)


def test_with_a_pause_frames_are_told_together() -> None:
    """Telling costs 0.12 s and may take a fifth of the time: the frames of 0.25 s and 0.5 s are told at 0.6 s."""
    paused = level(tell_s=0.12, pause=Pause(0.1, 0.2))
    found = simulate([paused], FAST, every_s=0.25, seconds=0.75)
    assert (found.median_s, found.p95_s) == (pytest.approx(0.22), pytest.approx(0.47))
    assert found.loads[0].cpu == pytest.approx(2 * 0.12 / 0.75)


def test_a_few_children_stand_for_all() -> None:
    assert spread(3) == [1, 2, 3]
    assert spread(1600) == [50 + 100 * part for part in range(16)]
    assert share_of([1.0, 2.0, 3.0, 4.0], 0.5) == 2.0
    assert share_of([1.0], 0.95) == 1.0


@pytest.mark.parametrize("name", ARRANGEMENTS)
@pytest.mark.parametrize("watchers", [1, 999, 1_001, 123_456])
def test_every_arrangement_has_room_for_everyone(name: str, watchers: int) -> None:
    levels = ARRANGEMENTS[name](watchers, Coefficients())
    places = 1
    for each, below in zip(levels, [*levels[1:], None], strict=True):
        places = each.stations * each.fan_out
        if below is not None:
            assert places >= below.stations
    assert watchers <= places <= 2 * watchers


def test_a_second_level_of_relays_comes_with_the_first_watcher_beyond_one() -> None:
    tree = ARRANGEMENTS["relays of 1,000"]
    stations = {n: [each.stations for each in tree(n, Coefficients())] for n in (1_000, 1_001, 1_000_001)}
    assert stations == {1_000: [1, 1], 1_001: [1, 1, 2], 1_000_001: [1, 1, 2, 1_001]}


def test_the_largest_crowd_is_borne_and_a_larger_one_is_not() -> None:
    of = Coefficients()
    most = most_borne("ROMA's server alone", of, 1_000)
    assert bears(outcome("ROMA's server alone", most, of))
    assert not bears(outcome("ROMA's server alone", most + 1, of))
    assert most_borne("ROMA's server alone", replace(of, encode_s=9.0), 1_000) == 0


def test_the_page_has_the_table_of_the_simulation() -> None:
    page = PAGE.read_text(encoding="utf-8")
    begin, end = markers("scale")
    assert page[page.index(begin) + len(begin) : page.index(end)].strip() == scale.words(Coefficients())


def test_the_page_names_every_number_that_the_simulation_stands_on() -> None:
    page = PAGE.read_text(encoding="utf-8")
    named = dict(re.findall(r"`(\w+_(?:s|bytes))` (\d[\d.,]*\d)", page))
    assert {name: float(number.replace(",", "")) for name, number in named.items()} == {
        name: getattr(Coefficients(), name) for name in Coefficients.__dataclass_fields__
    }


def test_what_the_simulation_is_held_against_is_what_the_other_page_says() -> None:
    page = PAGE.with_name("benchmarks.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith(("| one relay,", "| two levels,"))]
    for numbers in MEASURED.values():
        assert any(all(number in row for number in numbers) for row in rows), numbers


def test_without_redis_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROMA_WIDGET_REDIS", "no-such-program")
    with pytest.raises(NoRedis, match="needs redis-server"), redis_server():
        pass


@pytest.mark.filterwarnings("default")  # other people's
def test_all_ways_to_ask_answer_alike(tmp_path: Path) -> None:
    pytest.importorskip("dask.dataframe")
    pytest.importorskip("pyarrow")
    shelf = shelf_of(tmp_path, write_runs(tmp_path, 2, Shape(tasks=3, text_bytes=40)), (2, 5))
    assert {agent: count for agent, (count, _, _) in shelf.answer(5).items()} == dict.fromkeys(AGENTS, 15)
    for way, ask in WAYS.items():
        runs = 5 if shelf.of(way, 5) else 2
        given = shelf.of(way, runs)
        assert given is not None
        for texts in (False, True):
            if way != "Dask, 2 processes":  # takes seconds to start; `python -m benchmarks dask` checks it
                checked(way, ask(given, texts), shelf.answer(runs), texts)
    with pytest.raises(RuntimeError, match="pandas answers"):
        checked("pandas", {}, shelf.answer(2), True)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "fast"])
def test_what_is_no_number_of_a_machine_is_refused_in_one_sentence(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["scale", f"--read-frame-s={text}"])
    with pytest.raises(SystemExit) as refused:
        scale.main()
    assert refused.value.code == 2
    assert f"it takes a finite number above zero, not {text!r}." in capsys.readouterr().err
