"""One JupyterLab server for all browser tests, one Chromium per file, a fresh notebook per test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from browser.lab import LabServer, OpenInLab, OpenNotebook, chromium_browser, lab_server, opened
from playwright.sync_api import Browser

from roma_widget.archive.capture import read_capture

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: Any = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabServer]:
    with lab_server(tmp_path_factory.mktemp("lab")) as running:
        yield running


# Not for the session: Playwright's loop runs in this thread while it lives, and tests with a loop of their own follow.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with chromium_browser(chromium) as running:
        yield running


@pytest.fixture(scope="session")
def live_run(root: Path) -> dict[str, Any]:
    """notebooks/01_live_run.ipynb."""
    notebook: dict[str, Any] = json.loads((root / "notebooks" / "01_live_run.ipynb").read_text("utf-8"))
    return notebook


@pytest.fixture(scope="session")
def last_tasks(captures: Path) -> dict[str, Any]:
    """Of the recording `a_complete`: what its last frame tells of each task."""
    last = read_capture(captures / "a_complete.jsonl.xz").frames[-1]
    told: dict[str, Any] = json.loads(last.payload)["all_nodes"]
    return told


@pytest.fixture(scope="session")
def final_statuses(last_tasks: dict[str, Any]) -> dict[str, str]:
    return {task: told["status"] for task, told in last_tasks.items()}


@pytest.fixture
def open_in_lab(
    server: LabServer, browser: Browser, request: pytest.FixtureRequest, root: Path
) -> Iterator[OpenInLab]:
    """Opens a notebook in JupyterLab. When the test fails its page is kept as build/browser-failures/<test>.png."""
    with ExitStack() as pages:
        shown: list[OpenNotebook] = []

        def open_(notebook: dict[str, Any]) -> OpenNotebook:
            shown.append(pages.enter_context(opened(browser, server, notebook, request.node.name)))
            return shown[-1]

        yield open_
        if request.node.stash.get(FAILED, False):
            folder = root / "build" / "browser-failures"
            folder.mkdir(parents=True, exist_ok=True)
            for number, notebook in enumerate(shown):
                base = folder / f"{request.node.name}-{number}"
                notebook.page.screenshot(path=base.with_suffix(".png"))
                said = [*notebook.page_errors, *notebook.console_errors]
                base.with_suffix(".txt").write_text("\n\n".join(said) or "no errors on the page\n")
