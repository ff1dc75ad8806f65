"""In marimo, where a widget stands in a shadow root: a saved run answers and is dark with it; a live one moves and is
answered.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from browser.agents_that_ask import Agents
from browser.lab import VIEWPORT
from demo import HOST, free_port
from playwright.sync_api import Browser, Error, Page, expect

pytestmark = pytest.mark.browser
pytest.importorskip("marimo", reason="marimo is not installed: `make setup` does it")

APP = """import marimo

app = marimo.App()


@app.cell
def _():
    import roma_widget as roma

    m = {made}
    m
    return
"""
DARK = '[tool.marimo.display]\ntheme = "dark"\n'
STARTED_WITHIN_MS = 30_000
Open = Callable[[str], Page]


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """`opened(made)` is the page of an application that shows the monitor which that expression makes."""
    errors: list[str] = []
    with ExitStack() as stack:

        def show(made: str) -> Page:
            address = stack.enter_context(_running(tmp_path, APP.format(made=made)))
            page = stack.enter_context(browser.new_context(viewport=VIEWPORT)).new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            for _ in range(STARTED_WITHIN_MS // 200):
                try:
                    page.goto(address)
                    break
                except Error:
                    page.wait_for_timeout(200)  # it is not listening yet
            return page

        yield show
        assert errors == []


@contextmanager
def _running(folder: Path, app: str) -> Iterator[str]:
    (folder / "app.py").write_text(app)
    (folder / "pyproject.toml").write_text(DARK)
    port = free_port()
    command = [sys.executable, "-m", "marimo", "run", "app.py", "--headless", "--no-token"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--host={HOST}", f"--port={port}"],
            cwd=folder,
            env={**os.environ, "HOME": str(folder)},
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://{HOST}:{port}/"
        finally:
            process.terminate()
            process.wait(10)


def test_a_saved_run_is_read_in_marimo(opened: Open, captures: Path) -> None:
    root = opened(f"roma.load({str(captures / 'a_complete.jsonl.xz')!r})").locator(".roma-widget")
    expect(root.locator("[role=row][data-task-id]")).to_have_count(15, timeout=STARTED_WITHIN_MS)
    root.locator("[data-card='root.1.3']").click()
    task = root.get_by_role("region", name="Task")
    expect(task).to_contain_text("show all")  # its result came from the kernel
    assert root.evaluate("(root) => getComputedStyle(root).colorScheme") == "dark"


def test_a_live_run_moves_and_is_answered_in_marimo(opened: Open) -> None:
    with Agents() as agents:
        root = opened(f"roma.connect({agents.server.url!r})").locator(".roma-widget")
        expect(root.locator("[role=row][data-task-id]")).to_have_count(4, timeout=STARTED_WITHIN_MS)
        asked = agents.ask("Is this plan good?")
        question = root.locator(f"[data-request-id='{asked.request_id}']")
        expect(question).to_contain_text("Is this plan good?")
        question.get_by_role("button", name="Approve").click()
        assert asked.said() == ("approve", None)
        agents.tasks[1].finish("Ten to five.")
        expect(root.locator("[role=row][data-task-id='root.1']")).to_have_attribute("data-status", "DONE")
