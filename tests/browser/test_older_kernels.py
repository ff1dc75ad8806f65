"""Clicks while a cell runs, with ipykernels of other versions than the pinned one (pip fetches them)."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from browser.agents_that_ask import Agents
from browser.lab import OpenNotebook, lab_server, notebook_of, opened
from browser.questions_in_lab import (
    CELLS,
    COMPUTING,
    INTERRUPT,
    RUNS,
    SHOWS,
    SLEEPING,
    click_to_socket_ms,
    connect_cell,
    entry,
    press,
    until_state,
)
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(240)]

CLICK_TO_SOCKET_MS = 200
QUEUED_WITHIN_MS = 1_000


@contextmanager
def lab_with(
    version: str, own: Path, browser: Browser, agents: Agents, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenNotebook]:
    """A notebook whose kernel is of this version, with a monitor in it."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(own / "packages")]
    subprocess.run([*pip, f"ipykernel=={version}"], check=True)
    path = os.pathsep.join(filter(None, (str(own / "packages"), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    notebook = notebook_of(connect_cell(agents), *CELLS)
    with lab_server(own) as server, opened(browser, server, notebook, "older") as lab:
        lab.run_cell(0)
        lab.execute("m.wait('connected', timeout=30)")
        assert lab.value("__import__('ipykernel').__version__") == version
        yield lab


@pytest.mark.parametrize("version", ["7.0.1", "7.2.0"])
def test_a_click_is_at_the_socket_at_once(
    version: str, tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Agents() as agents, lab_with(version, tmp_path, browser, agents, monkeypatch) as lab:
        for name, cell in {"sleeping": SLEEPING, "computing": COMPUTING}.items():
            took_ms = click_to_socket_ms(lab, agents, cell)
            print(f"ipykernel {version}, {name}, ms: {', '.join(f'{ms:.0f}' for ms in took_ms)}")
            assert statistics.median(took_ms) <= CLICK_TO_SOCKET_MS


def test_where_no_message_arrives_a_click_is_queued_said_so_and_sent_once_after_the_cell(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Agents() as agents, lab_with("6.29.5", tmp_path, browser, agents, monkeypatch) as lab:
        asked = agents.ask()
        lab.until(SHOWS, [asked.request_id])
        lab.start_cell(SLEEPING)
        lab.until(RUNS, SLEEPING)
        press(lab, asked, "Approve")
        clicked_ms = lab.page.evaluate("() => performance.now()")
        until_state(lab, asked, "queued")
        queued_ms = lab.page.evaluate("() => performance.now()") - clicked_ms
        print(f"queued after {queued_ms:.0f} ms")
        assert queued_ms <= QUEUED_WITHIN_MS
        assert "m.hitl.next(prompt=True)" in entry(lab, asked).inner_text()
        assert agents.received == []
        lab.page.evaluate(INTERRUPT)
        lab.finish()
        assert asked.said() == ("approve", None)
        assert len(agents.received) == 1
