"""What a browser, a wait and the watch for stalls make of a server whose clock is hours off, or jumps."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, frame, node

import roma_widget as roma
from roma_widget.client import hearing
from roma_widget.client.rest import Answer
from roma_widget.core import outcome
from roma_widget.core.state import State, apply
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


class Listener:
    """What a session makes of events, on a clock that is set."""

    wanted_project = "p1"

    def __init__(self) -> None:
        self.state, self.now_s = State(), 1_767_614_400.0

    def on_event(self, event: Any, *, live: bool) -> None:
        self.state, _ = apply(self.state, event, self.now_s, live=live)

    def on_connection(self, connection: Any) -> None:
        pass


@pytest.mark.parametrize("aware", [True, False])
def test_a_project_that_is_looked_at_again_after_minutes_is_no_clock_that_jumped(
    monkeypatch: pytest.MonkeyPatch, aware: bool
) -> None:
    """An outage, or somebody watched another project for a while; the server's clock is right all the time."""
    heard, told = hearing.Hearing(()), Listener()
    heard.subscribe(told)
    began_s = told.now_s
    monkeypatch.setattr(hearing, "time", SimpleNamespace(time=lambda: told.now_s, monotonic=time.monotonic))

    def stamp(at_s: float) -> str:
        made = datetime.fromtimestamp(began_s + at_s, UTC)
        return made.isoformat() if aware else (made + HOURS_3).replace(tzinfo=None).isoformat()

    def look(now_s: float, stamped_s: float, **fields: Any) -> None:
        told.now_s = began_s + now_s
        root = node("root", node_type="EXECUTE", timestamp_created=stamp(0), **fields)
        state = frame([root], timestamp=stamp(stamped_s))
        heard.hear_project("p1", Answer(200, json.dumps({"project": {"id": "p1"}, "state": state}), 0.01))

    for at_s in range(6):
        look(at_s + 0.5, at_s, execution_details={"processing_started": stamp(1)})
    for at_s in range(205, 300):
        ended = {"status": "DONE", "timestamp_completed": stamp(15)}
        look(at_s, 15, execution_details={"processing_started": stamp(1)}, **ended)
    task = told.state.projects["p1"].tasks["root"]
    assert (task.duration_s, told.state.clock.jump_s) == (14.0, 0.0)
    assert task.created == datetime.fromtimestamp(began_s, UTC)
