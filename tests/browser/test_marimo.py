"""A saved run in marimo, where a widget stands in a shadow root: it shows everything, answers, and is dark with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lab import VIEWPORT
from demo import HOST, free_port
from playwright.sync_api import Browser, Error, expect

pytestmark = pytest.mark.browser
pytest.importorskip("marimo", reason="marimo is not installed: `make setup` does it")

APP = """import marimo

app = marimo.App()


@app.cell
def _():
    import roma_widget as roma

    m = roma.load({path!r})
    m
    return
"""
DARK = '[tool.marimo.display]\ntheme = "dark"\n'
STARTED_WITHIN_MS = 30_000


@pytest.fixture
def address(tmp_path: Path, captures: Path) -> Iterator[str]:
    """Of an application that runs."""
    (tmp_path / "app.py").write_text(APP.format(path=str(captures / "a_complete.jsonl.xz")))
    (tmp_path / "pyproject.toml").write_text(DARK)
    port = free_port()
    command = [sys.executable, "-m", "marimo", "run", "app.py", "--headless", "--no-token"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--host={HOST}", f"--port={port}"],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            stdout=log,
            stderr=log,
        )
        try:
            yield f"http://{HOST}:{port}/"
        finally:
            process.terminate()
            process.wait(10)


def test_a_saved_run_is_read_in_marimo(browser: Browser, address: str) -> None:
    with browser.new_context(viewport=VIEWPORT) as context:
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        for _ in range(STARTED_WITHIN_MS // 200):
            try:
                page.goto(address)
                break
            except Error:
                page.wait_for_timeout(200)  # it is not listening yet
        root = page.locator(".roma-widget")
        expect(root.locator("[role=row][data-task-id]")).to_have_count(15, timeout=STARTED_WITHIN_MS)
        root.locator("[data-card='root.1.3']").click()
        task = root.get_by_role("region", name="Task")
        expect(task).to_contain_text("show all")  # its result came from the kernel
        assert root.evaluate("(root) => getComputedStyle(root).colorScheme") == "dark"
        assert errors == []
