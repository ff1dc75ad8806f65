"""The verdict on a run comes from its tasks, not from ROMA's own word."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from roma_widget.core.model import Project, Status, Task
from roma_widget.core.outcome import BLOCKED_AFTER_S, FROZEN_AFTER_S, judge, progress
from roma_widget.core.reconnect import poll_delay_s, reconnect_delay_s


def run(**statuses: Status) -> MappingProxyType[str, Task]:
    """A root with leaves; `c` needs `a`."""
    tasks = {"root": Task("root", "goal", statuses.pop("root", Status.PLAN_DONE))}
    for name, status in statuses.items():
        needs = ("a",) if name == "c" else ()
        tasks[name] = Task(name, name, status, parent_id="root", depends_on=needs)
    return MappingProxyType(tasks)


S = Status
RUNNING, COMPLETED, FAILED = (Project("p", status=status) for status in ("running", "completed", "failed"))


@pytest.mark.parametrize(
    ("tasks", "project", "quiet_s", "outcome"),
    [
        (run(root=S.RUNNING), RUNNING, 1, "running"),
        (run(root=S.DONE, a=S.DONE), COMPLETED, 0, "succeeded"),
        (run(root=S.DONE, a=S.FAILED), COMPLETED, 0, "with_failures"),
        (run(root=S.FAILED, a=S.DONE), COMPLETED, 0, "failed"),
        (run(root=S.PLAN_DONE, a=S.DONE), FAILED, 3, "failed"),
        (run(root=S.PLAN_DONE, a=S.DONE), COMPLETED, 3, "unknown"),
        (run(root=S.PLAN_DONE, a=S.FAILED), COMPLETED, 2, "running"),  # the list came before the last frame
        (run(root=S.CANCELLED, a=S.CANCELLED), None, 0, "failed"),
        (run(root=S.DONE, a=S.DONE), RUNNING, 0.5, "running"),
        (run(root=S.DONE, a=S.DONE), RUNNING, 4, "succeeded"),
        (run(root=S.DONE, a=S.DONE), None, 0, "succeeded"),
        (run(a=S.FAILED, b=S.DONE, c=S.PENDING), RUNNING, BLOCKED_AFTER_S, "stalled"),
        (run(a=S.FAILED, b=S.DONE, c=S.PENDING), RUNNING, BLOCKED_AFTER_S - 1, "running"),
        (run(a=S.FAILED, b=S.RUNNING, c=S.PENDING), RUNNING, 60, "running"),
        (run(a=S.RUNNING), RUNNING, FROZEN_AFTER_S, "stalled"),
        (MappingProxyType({}), None, 0, "unknown"),
        (MappingProxyType({}), FAILED, 0, "failed"),
        (MappingProxyType({}), RUNNING, 0, "running"),
    ],
)
def test_outcomes(
    tasks: MappingProxyType[str, Task], project: Project | None, quiet_s: float, outcome: str
) -> None:
    assert judge(tasks, project, quiet_s).outcome == outcome


def test_a_stalled_run_names_the_task_that_blocks() -> None:
    verdict = judge(run(a=S.FAILED, c=S.PENDING), RUNNING, 30)
    assert verdict.reason == "c waits for a, which failed."


def test_progress_counts_and_guesses_nothing() -> None:
    tasks = run(a=S.DONE, b=S.FAILED, c=S.PENDING, d=S.RUNNING, e=S.AGGREGATING)
    numbers = progress(tasks, judge(tasks, RUNNING, 0))
    assert (numbers["total"], numbers["done"], numbers["failed"]) == (6, 1, 1)
    assert (numbers["running"], numbers["waiting"]) == (2, 2)
    assert numbers["fraction"] == pytest.approx(2 / 6)
    assert progress(MappingProxyType({}), judge(MappingProxyType({}), None, 0))["fraction"] is None


def test_reconnect_delays_grow_to_half_a_minute_and_end() -> None:
    delays = [reconnect_delay_s(attempt, 0.0) for attempt in range(1, 11)]
    assert delays[:4] == [1.0, 1.5, 2.25, 3.375]
    assert delays[8] == pytest.approx(25.6, abs=0.1)
    assert delays[9] is None
    assert reconnect_delay_s(1, 0.999) == pytest.approx(1.3, abs=0.01)


def test_polling_is_quick_while_the_run_moves() -> None:
    assert poll_delay_s(8.0, changed=True) == 1.0
    assert poll_delay_s(8.0, changed=False) == 12.0
    assert poll_delay_s(12.0, changed=False) == 15.0
