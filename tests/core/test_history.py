"""The history: any moment is what it was then, and what is thinned stays true."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roma_widget.archive.source import SourceStep
from roma_widget.core import wire
from roma_widget.core.history import BUDGET_BYTES, History
from roma_widget.core.model import Project, Status, Task
from roma_widget.core.state import Change, ProjectState, State, TaskChanged, apply
from roma_widget.core.steps import as_time
from roma_widget.errors import UnknownTime

NOW = 1_800_000_000.0
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
what_stays_true = attrgetter("task_id", "status", "parent_id", "plan_index", "child_ids", "depends_on")


class Mirror:
    """Frames go in; `states` are those after each of them, `history` what the history was told."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self.history = History(budget_bytes)
        self.states: list[ProjectState] = []
        self.steady_s = 0.0
        self._state = State()
        self._last = wire.NO_FRAME
        self._shown_id = ""

    def hear(self, text: str, after_s: float = 0.5) -> None:
        self.steady_s += after_s
        now_s = NOW + self.steady_s
        event = wire.read_event("task_graph_update", wire.Payload(text), self._last)
        assert isinstance(event, wire.GraphUpdate)
        self._last = event.texts
        self._state, changes = apply(self._state, event, now_s)
        self._shown_id = self._state.current_id or self._shown_id
        shown = self._state.projects.get(self._shown_id)
        if shown is not None:
            self.states.append(shown)
        self.history.note(shown, changes, now_s, self.steady_s)

    @property
    def moments(self) -> list[datetime]:
        return [as_time(time_us) for time_us in self.history.times_us()]


def frame(nodes: Mapping[str, Any], stamp: datetime | str | None = None) -> str:
    stamp = stamp.isoformat() if isinstance(stamp, datetime) else stamp
    return json.dumps({"all_nodes": nodes, "graphs": {}, "project_id": "p", "timestamp": stamp})


def node(status: str, **fields: Any) -> dict[str, Any]:
    return {"goal": "g", "status": status, **fields}


@pytest.mark.parametrize("budget_bytes", [BUDGET_BYTES, 100_000, 0])
@pytest.mark.parametrize(
    "capture", ["a_complete", "b_hitl", "d_failed", "f_two_projects", "m_midrun_connect"]
)
def test_any_moment_of_a_real_run_is_what_a_client_had_then(
    recorded_frames: Any, capture: str, budget_bytes: int
) -> None:
    mirror = Mirror(budget_bytes)
    for text in recorded_frames(capture):
        mirror.hear(text)
    shown_id = mirror.states[-1].project.project_id
    since = max(
        (i for i, each in enumerate(mirror.states) if each.project.project_id != shown_id), default=-1
    )
    seen = [state for state in mirror.states[since + 1 :] if state.time is not None]
    first = mirror.moments[0]
    n_exact = 0
    for state in random.Random(0).sample(seen, len(seen)):
        assert state.time is not None
        if state.time < first:
            assert budget_bytes < BUDGET_BYTES
            continue
        then = mirror.history.recall(state.time)
        n_exact += then.is_exact
        assert then.snapshot.time == state.time
        assert list(map(what_stays_true, then.snapshot.tasks.values())) == list(
            map(what_stays_true, state.tasks.values())
        )
        if then.is_exact:
            assert list(then.snapshot.tasks.items()) == list(state.tasks.items())
            assert then.snapshot.project == state.project
    assert mirror.history.bytes_kept <= budget_bytes
    assert n_exact == len(seen) if budget_bytes == BUDGET_BYTES else n_exact > 0


ids = st.sampled_from(["root", "root.1", "root.2", "root.1.1", "x"])
some_nodes = st.fixed_dictionaries(
    {
        "goal": st.sampled_from(["a", "b"]),
        "status": st.sampled_from(["RUNNING", "DONE"]),
        "parent_node_id": st.none() | ids,
        "planned_sub_task_ids": st.lists(ids, max_size=3),
    }
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.dictionaries(ids, some_nodes, max_size=5), min_size=1, max_size=8), st.integers(0, 12_000))
def test_tasks_that_come_go_and_come_again_are_there_when_they_were(
    sequence: Sequence[Mapping[str, Any]], budget_bytes: int
) -> None:
    full, thinned = Mirror(), Mirror(budget_bytes)
    for number, nodes in enumerate(sequence):
        for mirror in (full, thinned):
            mirror.hear(frame(nodes, NOON + timedelta(seconds=number)))
    assert thinned.history.bytes_kept <= budget_bytes
    assert set(thinned.moments) <= set(full.moments)
    for state in full.states:
        assert state.time is not None
        then = full.history.recall(state.time)
        assert then.is_exact
        assert list(then.snapshot.tasks.items()) == list(state.tasks.items())
        if state.time >= thinned.moments[0]:
            left = thinned.history.recall(state.time)
            assert [what_stays_true(task) for task in left.snapshot.tasks.values()] == [
                what_stays_true(task) for task in state.tasks.values()
            ]
            assert not left.is_exact or left.snapshot == then.snapshot


def test_the_first_and_the_last_state_of_a_status_outlive_what_was_between() -> None:
    words = [("RUNNING", number) for number in range(10)] + [("DONE", 10), ("DONE", 11)]
    mirror = Mirror(budget_bytes=12_000)
    for number, (status, word) in enumerate(words):
        nodes = {"root": node(status, output_summary=f"{word} {'long ' * 200}")}
        mirror.hear(frame(nodes, NOON + timedelta(seconds=number)))
    kept = [(moment - NOON).total_seconds() for moment in mirror.moments]
    assert kept == [0, 9, 10, 11]
    assert not mirror.history.recall(NOON + timedelta(seconds=5)).is_exact
    assert mirror.history.recall(NOON + timedelta(seconds=9)).is_exact


def test_without_any_room_the_newest_state_is_left_and_the_error_says_why() -> None:
    mirror = Mirror(budget_bytes=0)
    for number, status in enumerate(["PENDING", "RUNNING", "DONE"]):
        mirror.hear(frame({"root": node(status)}, NOON + timedelta(seconds=number)))
    assert mirror.moments == [NOON + timedelta(seconds=2)]
    with pytest.raises(
        UnknownTime, match=r"begins at 2026-01-01T12:00:02\+00:00.* went, to bound the memory"
    ):
        mirror.history.recall(NOON)


def test_a_frame_that_changes_nothing_is_no_moment() -> None:
    mirror = Mirror()
    for number in range(3):
        mirror.hear(frame({"root": node("RUNNING")}, NOON + timedelta(seconds=number)))
    assert mirror.moments == [NOON]


def test_after_the_last_moment_it_is_as_at_the_last_and_before_the_first_unknown() -> None:
    mirror = Mirror()
    with pytest.raises(UnknownTime, match="Nothing is known of a run yet"):
        mirror.history.recall(NOON)
    mirror.hear(frame({"root": node("DONE")}, NOON))
    then = mirror.history.recall(NOON + timedelta(days=1))
    assert (then.snapshot.time, then.snapshot.outcome) == (NOON, "succeeded")
    with pytest.raises(UnknownTime, match=r"11:59:59.*begins at 2026-01-01T12:00:00\+00:00"):
        mirror.history.recall(NOON - timedelta(seconds=1))


# -- clocks


def seconds(mirror: Mirror) -> list[float]:
    return [(moment - NOON).total_seconds() for moment in mirror.moments]


def told(*stamps: datetime | str | None) -> Mirror:
    """A frame every second that changes something, with these stamps."""
    mirror = Mirror()
    for number, stamp in enumerate(stamps):
        mirror.hear(frame({"root": node("RUNNING", goal=str(number))}, stamp), after_s=1.0)
    return mirror


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def test_a_frame_without_a_stamp_is_dated_by_our_clock_from_the_last_that_had_one() -> None:
    assert seconds(told(at(0), None, None, at(3.5))) == [0, 1, 2, 3.5]


def test_without_any_stamp_it_is_our_clock() -> None:
    assert told(None, None).moments == [
        datetime.fromtimestamp(NOW + 1, UTC),
        datetime.fromtimestamp(NOW + 2, UTC),
    ]


def test_what_was_dated_by_our_clock_moves_to_the_servers_when_that_is_heard() -> None:
    assert seconds(told(None, None, at(0))) == [-2, -1, 0]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([at(0), at(0), at(0)], [0, 1, 2]),  # a clock that stands still
        ([at(0), at(1), at(0.5), at(3)], [0, 1, 2, 3]),
        ([at(0), at(1), at(-3600), at(3)], [0, 1, 2, 3]),
        ([at(0), at(1), at(7200), at(3)], [0, 1, 2, 3]),
        ([at(0), at(1), "9999-12-31T23:59:59.999999+00:00", None, at(4)], [0, 1, 2, 3, 4]),
    ],
)
def test_moments_only_grow_and_a_stamp_that_leads_astray_is_made_good(
    stamps: Sequence[datetime | str | None], expected: Sequence[float]
) -> None:
    assert seconds(told(*stamps)) == expected


def test_at_the_end_of_the_calendar_time_still_grows() -> None:
    mirror = told("9999-12-31T23:59:59.999999+00:00", None, None)
    times_us = mirror.history.times_us()
    assert times_us == sorted(set(times_us))
    assert (
        mirror.history.recall(mirror.moments[-1]).snapshot.tasks["root"].goal == "0"
    )  # there is no later time


def test_when_the_servers_zone_is_learnt_the_moments_move_with_it() -> None:
    mirror = Mirror()
    for number in range(1, 6):
        stamp = datetime.fromtimestamp(NOW + number + 7200, UTC).replace(tzinfo=None)
        mirror.hear(frame({"root": node("RUNNING", goal=str(number))}, stamp), after_s=1.0)
    assert mirror.moments == [datetime.fromtimestamp(NOW + number, UTC) for number in range(1, 6)]


def test_what_was_heard_between_two_moments_is_found_by_the_clock_of_the_log() -> None:
    mirror = told(at(0), at(10), at(20))  # played ten times as fast
    assert mirror.history.heard_between(at(0), at(10)) == (NOW + 1, NOW + 2)
    begin_s, end_s = mirror.history.heard_between(at(5), at(99))
    assert NOW + 1 < begin_s < NOW + 2
    assert end_s >= NOW + 3
    with pytest.raises(ValueError, match="is before the beginning"):
        mirror.history.heard_between(at(10), at(0))


def test_a_task_tells_when_it_came_into_which_status_but_not_for_the_first_moment() -> None:
    mirror = Mirror()
    for number, status in enumerate(["READY", "RUNNING", "RUNNING", "PLAN_DONE", "RUNNING"]):
        mirror.hear(frame({"root": node(status, goal=str(number))}, at(number)))
    told = [(None if us is None else as_time(us), status) for us, status in mirror.history.statuses("root")]
    assert told == [(None, "READY"), (at(1), "RUNNING"), (at(3), "PLAN_DONE"), (at(4), "RUNNING")]
    assert mirror.history.statuses("nowhere") == []


# -- what it costs


def changed(task: Task, number: int) -> Task:
    return replace(
        task, result_summary=f"{number} {'x' * 100}", raw_json=f'{{"n": {number}, "x": "{"x" * 200}"}}'
    )


def test_a_moment_of_1_000_tasks_and_5_000_steps_takes_less_than_50_ms() -> None:
    root = Task("root", "g", Status.RUNNING, child_ids=tuple(f"root.{i}" for i in range(999)))
    tasks = {"root": root} | {
        task_id: Task(task_id, "g", Status.RUNNING, depth=1, parent_id="root", plan_index=place)
        for place, task_id in enumerate(root.child_ids)
    }
    history, project, ids_of_all = History(), Project("p"), list(tasks)
    history.note(ProjectState(project, MappingProxyType(tasks), NOON), (), NOW, 0.0)
    for number in range(1, 5_000):
        before = tasks[ids_of_all[number * 7 % 1_000]]
        tasks[before.task_id] = after = changed(before, number)
        change: Change = TaskChanged("p", before, after)
        history.note(ProjectState(project, {}, at(number)), (change,), NOW + number, float(number))
    assert len(history.times_us()) == 5_000
    took_s = []
    for second in (0, 2_500, 4_999):
        began_s = time.perf_counter()
        history.recall(at(second))
        took_s.append(time.perf_counter() - began_s)
    assert dict(history.recall(at(4_999)).snapshot.tasks) == tasks
    assert max(took_s) <= 0.050


def test_the_estimate_of_what_it_keeps_alive_is_no_underestimate() -> None:
    tracemalloc.start()
    try:
        mirror = Mirror()
        nodes = {f"t{i}": node("RUNNING", agent_name="A", output_summary="s" * 100) for i in range(200)}
        for number in range(12):
            stamped = {
                key: {**each, "timestamp_updated": at(number).isoformat()} for key, each in nodes.items()
            }
            mirror.hear(frame(stamped, at(number)))
            mirror.states.clear()
            if number == 1:
                before = tracemalloc.get_traced_memory()[0] - mirror.history.bytes_kept
        real = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.9 * real <= mirror.history.bytes_kept <= 2 * real


@pytest.mark.parametrize("budget_bytes", [BUDGET_BYTES, 20_000])
def test_who_came_late_knows_what_one_who_was_there_tells(budget_bytes: int) -> None:
    there, late = Mirror(), Mirror(budget_bytes)
    for n in range(60):
        ids = {"root": node("RUNNING", goal=f"{n}"), f"root.{n % 7}": node("DONE" if n % 2 else "RUNNING")}
        text = frame(
            {"root": node("RUNNING"), "gone": node("DONE")} if n < 5 else ids, NOON + timedelta(seconds=n)
        )
        there.hear(text)
        if n >= 40:
            late.hear(text)
    told = [
        SourceStep(step.time_us, step.heard_s, step.project, versions, is_exact)
        for step, versions, is_exact in there.history.each()
    ]
    own = late.moments
    late.history.begin_with("another project", told)
    assert late.moments == own
    late.history.begin_with("p", told)
    for moment in late.moments:
        then, true = late.history.recall(moment), there.history.recall(moment)
        assert list(map(what_stays_true, then.snapshot.tasks.values())) == list(
            map(what_stays_true, true.snapshot.tasks.values())
        )
        assert then.snapshot.tasks == true.snapshot.tasks or not then.is_exact
    assert late.history.bytes_kept <= budget_bytes
    if budget_bytes == BUDGET_BYTES:
        assert late.moments == there.moments
        assert all(late.history.recall(moment).is_exact for moment in late.moments)
    late.hear(frame({"root": node("DONE")}, NOON + timedelta(seconds=100)))
    assert late.history.recall(NOON + timedelta(seconds=100)).snapshot.tasks["root"].status == "DONE"
