"""What a browser, a wait and the watch for stalls make of a server whose clock is hours off, or jumps."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, node

import roma_widget as roma
from roma_widget.core import outcome
from roma_widget.session import Session

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
HOURS_3 = timedelta(hours=3)


def now(off: timedelta, aware: bool) -> str:
    moment = datetime.now(UTC) + off
    return (moment if aware else moment.replace(tzinfo=None)).isoformat()


def server_now_ms(m: roma.Monitor) -> float:
    """What the browser is told."""
    session: Any = m._session
    assert isinstance(session, Session)
    told = session._server_now_ms()
    assert told is not None
    return told


@pytest.mark.parametrize(
    ("before", "after", "aware"),
    [
        (HOURS_3, HOURS_3, False),
        (-HOURS_3, -HOURS_3, True),
        (timedelta(), HOURS_3, True),
        (timedelta(), -HOURS_3, True),
        (HOURS_3, 2 * HOURS_3, False),
    ],
    ids=["a zone", "a wrong clock", "a jump ahead", "a jump back", "a zone that changes"],
)
def test_elapsed_times_and_verdicts_are_not_fooled(
    connect: Connect,
    wire: Wire,
    monkeypatch: pytest.MonkeyPatch,
    before: timedelta,
    after: timedelta,
    aware: bool,
) -> None:
    monkeypatch.setattr(outcome, "FROZEN_AFTER_S", 3600.0)
    server = wire({"/api/health": SAFE})
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    started = now(before, aware)
    for number in range(10):
        off = before if number < 5 else after
        root = node("root", timestamp_created=started, timestamp_updated=started)
        server.send_frame([root, node(f"n{number}")], timestamp=now(off, aware))
        m.wait(lambda s, n=number: f"n{n}" in s.tasks, timeout=5)
        since_s = server_now_ms(m) / 1000 - m.task("root").started.timestamp()
        assert -0.1 < since_s < 60, "the elapsed time of a task that has just begun"
        assert m.progress["outcome"] == "running"
    ended = now(after, aware)
    root = node("root", "DONE", timestamp_created=started, timestamp_updated=ended, timestamp_completed=ended)
    server.send_frame([root], status="completed", timestamp=ended)
    assert m.wait(timeout=5, stall_timeout=0.1) == "succeeded"
    assert 0 <= m.task("root").duration_s < 60


def test_a_frame_without_a_time_does_not_set_the_servers_clock_back(connect: Connect, wire: Wire) -> None:
    server = wire({"/api/health": SAFE})
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")], timestamp=now(timedelta(), True))
    m.wait(lambda s: s.tasks, timeout=5)
    began_s, told_ms = time.monotonic(), server_now_ms(m)
    eventually(lambda: time.monotonic() - began_s > 0.3)
    server.send_frame([node("root"), node("a")], timestamp=None)
    m.wait(lambda s: "a" in s.tasks, timeout=5)
    passed_ms = (time.monotonic() - began_s) * 1000
    assert server_now_ms(m) - told_ms == pytest.approx(passed_ms, abs=100)
