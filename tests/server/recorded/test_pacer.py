from __future__ import annotations

import math

import pytest

from roma_widget.server.recorded.pacer import Pacer


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_no_drift() -> None:
    clock = Clock()
    pacer = Pacer(10.0, clock)
    assert pacer.delay_s(5.0) == pytest.approx(0.5)
    clock.now_s += 0.7  # late by 0.2 s: the next moment does not wait any longer for that
    assert pacer.delay_s(5.0) == 0.0
    assert pacer.delay_s(10.0) == pytest.approx(0.3)


@pytest.mark.parametrize("speed", [0.0, math.inf])
def test_as_fast_as_possible(speed: float) -> None:
    assert Pacer(speed, Clock()).delay_s(1e9) == 0.0


def test_jumps_go_forward_only() -> None:
    clock = Clock()
    pacer = Pacer(2.0, clock)
    pacer.jump(10.0)
    assert pacer.delay_s(14.0) == pytest.approx(2.0)
    pacer.jump(3.0)
    assert pacer.position_s == pytest.approx(10.0)
    pacer.jump(math.inf)
    assert pacer.delay_s(1e9) == 0.0


@pytest.mark.parametrize("speed", [-1.0, math.nan, -math.inf])
def test_speeds_that_are_none(speed: float) -> None:
    with pytest.raises(ValueError, match="speed of a replay"):
        Pacer(speed, Clock())
