"""How good a link is, told second by second: no clock runs here."""

from __future__ import annotations

import json

import pytest

from roma_widget.core.link import HISTORY_S, MOST_LOOKS, MOST_POINTS, STEP_S, LinkQuality, Totals


def told(seconds: int, *, frames_per_s: int = 2, from_s: int = 0) -> LinkQuality:
    quality = LinkQuality()
    for second in range(seconds + 1):
        quality.look(Totals(from_s + second, second * frames_per_s, second * 1000), "live")
    return quality


def test_a_link_of_which_nothing_is_known_yet() -> None:
    quality = LinkQuality()
    assert quality.jitter_s(0) is None
    assert quality.rates(Totals(0, 0, 0), "live") == (None, None)
    assert quality.history(0) == []


def test_jitter_is_the_mean_step_from_one_round_trip_to_the_next() -> None:
    quality = LinkQuality()
    quality.hear_round_trip(0, 0.010)
    assert quality.jitter_s(0) is None
    for at_s, took_s in ((5, 0.014), (10, 0.012), (15, 0.018)):
        quality.hear_round_trip(at_s, took_s)
    assert quality.jitter_s(15) == pytest.approx((0.004 + 0.002 + 0.006) / 3)
    # steady and slow is no jitter; what is older than ten minutes does not count
    for at_s in (700, 705, 710):
        quality.hear_round_trip(at_s, 3.0)
    assert quality.jitter_s(710) == 0
    assert quality.jitter_s(710 + HISTORY_S) is None


def test_rates_reach_ten_seconds_back() -> None:
    quality = told(30)
    quality.look(Totals(31, 160, 31_000), "live")  # a hundred more in the last second
    frames_per_s, bytes_per_s = quality.rates(Totals(31, 160, 31_000), "live")
    assert (frames_per_s, bytes_per_s) == (pytest.approx(160 / 10 - 21 * 2 / 10), pytest.approx(1000))


def test_rates_of_a_young_link_are_over_its_life_but_not_over_a_moment() -> None:
    assert told(4).rates(Totals(4, 8, 4000), "polling") == (2.0, 1000.0)
    assert told(0).rates(Totals(0.5, 8, 4000), "live") == (None, None)


@pytest.mark.parametrize("state", ["connecting", "reconnecting", "failed", "closed"])
def test_there_is_no_rate_while_nothing_supplies_the_state(state: str) -> None:
    assert told(20).rates(Totals(20, 40, 20_000), state) == (None, None)  # type: ignore[arg-type]


def test_a_point_every_five_seconds_with_what_came_within_it() -> None:
    quality = LinkQuality()
    for second in range(12):
        if second == 3:
            quality.hear_round_trip(second, 0.25)
        quality.look(Totals(second, second, 100 * second), "reconnecting" if second == 10 else "live")
    assert quality.history(12) == [
        {"ago_s": 7, "round_trip_s": 0.25, "frames": 5, "bytes": 500, "state": "live"},
        {"ago_s": 2, "round_trip_s": None, "frames": 5, "bytes": 500, "state": "reconnecting"},
    ]


def test_ten_minutes_are_kept() -> None:
    quality = told(3600)
    for at_s in range(3600):
        quality.hear_round_trip(at_s, 0.1)
    history = quality.history(3600)
    assert len(history) == MOST_POINTS
    assert [history[0]["ago_s"], history[-1]["ago_s"]] == [HISTORY_S - STEP_S, 0]
    assert json.loads(json.dumps(history, allow_nan=False)) == history


def test_a_laptop_that_slept_leaves_a_gap_and_no_points() -> None:
    quality = told(20)
    awake_s = 20 + 300
    for second in range(6):
        quality.look(Totals(awake_s + second, 40 + second, 20_000), "live")
    ago = [point["ago_s"] for point in quality.history(awake_s + 5)]
    assert ago == [320, 315, 310, 305, 5, 0]
    assert quality.history(awake_s + 2 * HISTORY_S) == []


def test_looks_without_number_are_no_memory_without_end() -> None:
    quality = LinkQuality()
    for look in range(10_000):
        quality.look(Totals(look / 1000, 0, 0), "live")
    assert len(quality._lately) == MOST_LOOKS
