"""`demo`: a staged run on a child process's server that ends with its monitor."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest

import roma_widget as roma
from roma_widget import opening
from roma_widget.widget.cells import Cell


def child_of(url_port: str) -> psutil.Process:
    for child in psutil.Process().children(recursive=True):
        if any(str(connection.laddr.port) == url_port for connection in child.net_connections("tcp")):
            return child
    raise AssertionError(f"no child listens at {url_port}")


def wait_gone(process: psutil.Process) -> None:
    deadline = time.monotonic() + 10
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child is still there"
        process.cpu_percent(0.05)


def test_the_demo_plays_a_run_to_its_end_and_takes_its_server_along() -> None:
    with roma.demo(speed=30, hitl=False) as m:
        child = child_of(m.address.rsplit(":", 1)[1])
        assert m.wait(timeout=60) == "succeeded"
        assert 35 <= len(m.tasks()) <= 50
        assert (m.tasks()["status"] == "DONE").all()
        assert m.tasks()["layer"].max() >= 3
        assert m.connection["state"] == "live"
    wait_gone(child)


def test_the_same_seed_gives_the_same_run() -> None:
    def ended(seed: int) -> list[object]:
        with roma.demo(speed=60, seed=seed, hitl=False) as m:
            m.wait(timeout=60)
            return [(task.task_id, task.goal, task.status, task.result) for task in m.snapshot.tasks.values()]

    assert ended(1) == ended(1) != ended(2)


def test_a_demo_that_nobody_answers_goes_on_by_itself() -> None:
    with roma.demo(speed=100) as m:  # each question waits 1.2 s
        assert m.wait(timeout=60) == "succeeded"


def test_the_scenario_with_failures() -> None:
    with roma.demo("failure", speed=30) as m:
        assert m.wait(timeout=60) == "with_failures"
        assert list(m.tasks().query("status == 'FAILED'")["error"].notna())


def test_running_the_cell_again_ends_the_demo_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 1"))
    first = roma.demo(speed=1)
    beside = roma.demo(speed=1)
    children = [child_of(m.address.rsplit(":", 1)[1]) for m in (first, beside)]
    assert first.wait("connected", timeout=20) is True
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 2"))
    with roma.demo(speed=1) as again:
        again.wait("connected", timeout=20)
        for child in children:
            wait_gone(child)
        assert first.connection["state"] == beside.connection["state"] == "closed"
        assert again.connection["state"] == "live"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"speed": 0}, "speed"),
        ({"speed": -1}, "speed"),
        ({"speed": "fast"}, "speed takes a number above 0"),
        ({"hitl": "no"}, "hitl takes True or False"),
        ({"seed": "one"}, "seed"),
        ({"scenario": "nope"}, "report, failure, wide, chat"),
    ],
)
def test_a_bad_option_is_refused_before_anything_starts(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        roma.demo(**arguments)
