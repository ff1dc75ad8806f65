"""At most every 500 ms while something changes, the last change always, nothing while nothing changes. On a clock
of its own.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
from collections.abc import Callable

from roma_widget.server.live.broadcast import RealtimeExecutionWrapper


class FakeLoop:
    """The three calls that the wrapper makes, on a clock that a test turns."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def time(self) -> float:
        return self.now_s

    def call_soon_threadsafe(self, act: Callable[[], None]) -> None:
        self.call_at(self.now_s, act)

    def call_at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (at_s, next(self._number), act))

    def run_until(self, at_s: float) -> None:
        while self._timers and self._timers[0][0] <= at_s:
            due_s, _, act = heapq.heappop(self._timers)
            self.now_s = max(self.now_s, due_s)
            act()
        self.now_s = max(self.now_s, at_s)


def wrapped(cost_s: float = 0.0) -> tuple[FakeLoop, RealtimeExecutionWrapper, list[float]]:
    loop, told = FakeLoop(), []

    def tell() -> None:
        told.append(round(loop.now_s, 3))
        loop.now_s += cost_s

    return loop, RealtimeExecutionWrapper(tell, loop), told  # type: ignore[arg-type]


def test_many_changes_are_told_twice_a_second_and_the_last_one_too() -> None:
    loop, wrapper, told = wrapped()
    for step in range(101):  # one second of changes, every 10 ms
        loop.run_until(100 + step / 100)
        wrapper.changed()
    loop.run_until(200)
    assert told[:3] == [100.0, 100.5, 101.0]
    assert len(told) <= 4
    assert told[-1] >= 101.0  # the last change came at 101.0


def test_nothing_is_told_while_nothing_changes() -> None:
    loop, wrapper, told = wrapped()
    loop.run_until(150)
    assert told == []
    wrapper.changed()
    loop.run_until(300)
    assert told == [150.0]


def test_a_change_while_telling_is_told_again() -> None:
    loop, told = FakeLoop(), []

    def tell() -> None:
        told.append(loop.now_s)
        if len(told) == 1:
            wrapper.changed()

    wrapper = RealtimeExecutionWrapper(tell, loop)  # type: ignore[arg-type]
    wrapper.changed()
    loop.run_until(200)
    assert told == [100.0, 100.5]


def test_what_costs_much_is_told_less_often() -> None:
    loop, wrapper, told = wrapped(cost_s=1.0)
    for step in range(0, 1100):
        loop.run_until(100 + step / 100)
        wrapper.changed()
    assert told == [100.0, 105.0, 110.0]


def test_after_close_nothing_is_told() -> None:
    loop, wrapper, told = wrapped()
    wrapper.changed()
    wrapper.close()
    wrapper.changed()
    loop.run_until(200)
    assert told == []


async def test_from_threads_on_a_real_loop() -> None:
    told = asyncio.Event()
    wrapper = RealtimeExecutionWrapper(told.set, asyncio.get_running_loop())
    threads = [threading.Thread(target=wrapper.changed) for _ in range(10)]
    for thread in threads:
        thread.start()
    await asyncio.wait_for(told.wait(), 5)
    for thread in threads:
        thread.join()
    wrapper.close()


def test_a_loop_that_is_closed_is_nobodys_error() -> None:
    loop = asyncio.new_event_loop()
    wrapper = RealtimeExecutionWrapper(lambda: None, loop)
    loop.close()
    wrapper.changed()
    wrapper.changed()
