"""`demo`: a recorded run played by a child process that ends with its monitor."""

from __future__ import annotations

import time

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
    with roma.demo(speed=30) as m:
        child = child_of(m.address.rsplit(":", 1)[1])
        assert m.wait(timeout=60) == "succeeded"
        assert len(m.tasks()) == 15
        assert (m.tasks()["status"] == "DONE").all()
        assert m.connection["state"] == "live"
    wait_gone(child)


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


@pytest.mark.parametrize(("arguments", "word"), [({"speed": 0}, "speed"), ({"speed": -1}, "speed")])
def test_a_speed_that_is_none_is_refused(arguments: dict[str, float], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        roma.demo(**arguments)


def test_an_unknown_scenario_names_those_there_are() -> None:
    with pytest.raises(roma.RomaError, match="report"):
        roma.demo("nope")
