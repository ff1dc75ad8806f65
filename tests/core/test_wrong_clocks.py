"""Servers whose clock or zone is hours from ours, or jumps in the middle of a run: durations stay what they were."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from roma_widget.core import wire
from roma_widget.core.clock import ServerClock
from roma_widget.core.state import ProjectState, State, apply

NOW = 1_800_000_000.0
FRAME_S = 0.5
TASKS = 20
STARTS_EVERY_S, RUNS_S = 1.0, 4.0
HOURS_3 = 3 * 3600.0

Reads = Callable[[float], float]
"""What the server's clock is off by at second `at` of the run."""


def stamp(at_s: float, off_s: float, aware: bool) -> str:
    time = datetime.fromtimestamp(NOW + at_s + off_s, UTC)
    return (time if aware else time.replace(tzinfo=None)).isoformat()


def states(off: Reads, aware: bool, mute_at: tuple[float, ...] = ()) -> list[ProjectState]:
    """The states of a run in which a task starts each second and takes four, from a server whose clock is off."""

    def made(at_s: float | None, until_s: float) -> str | None:
        return None if at_s is None or at_s > until_s else stamp(at_s, off(at_s), aware)

    seen, state, last = [], State(), wire.NO_FRAME
    for number in range(int((TASKS * STARTS_EVERY_S + RUNS_S) / FRAME_S) + 2):
        now_s = number * FRAME_S
        nodes: dict[str, Any] = {}
        for place in range(TASKS):
            began_s, ended_s = place * STARTS_EVERY_S, place * STARTS_EVERY_S + RUNS_S
            status = "PENDING" if now_s < began_s else "RUNNING" if now_s < ended_s else "DONE"
            nodes[f"t{place}"] = {
                "goal": "g",
                "status": status,
                "timestamp_created": made(0.0, now_s),
                "timestamp_updated": made(
                    {"PENDING": 0.0, "RUNNING": began_s, "DONE": ended_s}[status], now_s
                ),
                "timestamp_completed": made(ended_s, now_s),
            }
        frame = {"all_nodes": nodes, "project_id": "p", "timestamp": stamp(now_s, off(now_s), aware)}
        event = wire.read_event("task_graph_update", wire.Payload(json.dumps(frame)), last)
        assert isinstance(event, wire.GraphUpdate)
        last = event.texts
        state, _ = apply(state, event, NOW + now_s + 0.01)
        seen.append(state.projects["p"])
    return seen


CLOCKS: dict[str, tuple[Reads, bool]] = {
    "a zone": (lambda at_s: HOURS_3, False),
    "a zone to the west": (lambda at_s: -HOURS_3, False),
    "a wrong clock": (lambda at_s: HOURS_3 + 77.0, True),
    "a wrong clock that is behind": (lambda at_s: -HOURS_3, True),
    "summer time begins": (lambda at_s: 7200.0 if at_s >= 10.2 else 3600.0, False),
    "summer time ends": (lambda at_s: 3600.0 if at_s >= 10.2 else 7200.0, False),
    "a jump ahead": (lambda at_s: HOURS_3 if at_s >= 10.2 else 0.0, True),
    "a jump back": (lambda at_s: -HOURS_3 if at_s >= 10.2 else 0.0, True),
    "a jump ahead, naive": (lambda at_s: HOURS_3 + 100 if at_s >= 10.2 else 0.0, False),
    "a jump back and ahead again": (lambda at_s: -HOURS_3 if 7.2 <= at_s < 14.2 else 0.0, True),
}


@pytest.mark.parametrize(("off", "aware"), CLOCKS.values(), ids=CLOCKS)
def test_durations_are_right_whatever_the_clock_says(off: Reads, aware: bool) -> None:
    seen = states(off, aware)
    durations = {task.task_id: task.duration_s for task in seen[-1].tasks.values()}
    assert durations == {task_id: pytest.approx(RUNS_S, abs=0.05) for task_id in durations}
    for state in seen:
        assert state.time is not None
        for task in state.tasks.values():
            if task.started is not None and task.completed is None:
                elapsed_s = (state.time - task.started).total_seconds()
                assert -0.05 <= elapsed_s <= RUNS_S + 0.05, "what the browser shows of a running task"


@pytest.mark.parametrize(("off", "aware"), CLOCKS.values(), ids=CLOCKS)
def test_the_servers_now_goes_on_evenly(off: Reads, aware: bool) -> None:
    seen = states(off, aware)
    learnt = 3  # the zone is learnt with the third frame, and everything moves with it
    for before, after in itertools.pairwise(seen[learnt:]):
        assert before.time is not None
        assert after.time is not None
        assert (after.time - before.time).total_seconds() == pytest.approx(FRAME_S, abs=0.05)


def test_a_zone_is_not_lost_when_summer_time_ends() -> None:
    last = states(*CLOCKS["summer time ends"])[-1]
    assert last.time is not None
    assert abs(last.time.timestamp() - NOW) < 60


def fed(clock: ServerClock, *leads: tuple[float, float]) -> ServerClock:
    for at_s, ahead_s in leads:
        clock = clock.observe(datetime.fromtimestamp(NOW + at_s + ahead_s, UTC), NOW + at_s)
    return clock


STEADY = fed(ServerClock(), (0, 0), (1, 0), (2, 0))


def test_a_late_frame_is_no_jump() -> None:
    assert fed(STEADY, (33, -30)).jump_s == 0
    assert fed(STEADY, (33, -30), (34, -31), (35, -32), (36, -33), (37, 0)).jump_s == 0


def test_one_frame_of_another_time_is_taken_back() -> None:
    stray = fed(STEADY, (3, -HOURS_3))
    assert stray.jump_s == -HOURS_3
    assert fed(stray, (4, 0)).jump_s == 0


def test_a_recording_that_is_played_fast_is_no_clock_that_jumps() -> None:
    clock = fed(STEADY, *((3 + number, 400.0 * (number + 1)) for number in range(30)))
    assert clock.jump_s == 0


def test_a_saved_state_of_yesterday_is_no_jump() -> None:
    assert fed(STEADY, *((3 + number, -86_400.0) for number in range(5))).jump_s == 0


def test_a_step_of_our_own_clock_is_no_jump_of_the_servers() -> None:
    clock = fed(STEADY.forget_steadiness(), *((3 + number, HOURS_3) for number in range(5)))
    assert clock.jump_s == 0


def test_a_project_that_comes_after_a_jump_is_read_as_it_is() -> None:
    clock = fed(STEADY, *((3 + number, HOURS_3) for number in range(5)))
    task = {"goal": "g", "status": "DONE", "timestamp_created": "2027-01-15T08:00:00+00:00"}
    text = json.dumps({"all_nodes": {"root": task}, "project_id": "late"})
    state, _ = apply(
        State(clock=clock), wire.read_event("task_graph_update", wire.Payload(text)), NOW, live=True
    )
    assert state.projects["late"].tasks["root"].created == datetime(2027, 1, 15, 8, tzinfo=UTC)
