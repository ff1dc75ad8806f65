"""The first notebook in Notebook 7: it runs, and shows everything."""

from __future__ import annotations

from typing import Any

import pytest
from browser.lab import VIEWPORT, LabServer, OpenNotebook
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]


def test_the_first_notebook_runs_in_notebook_7(
    server: LabServer, browser: Browser, live_run: dict[str, Any], demo_statuses: dict[str, str]
) -> None:
    path = server.save("notebook7", live_run)
    with browser.new_context(viewport=VIEWPORT, locale="en-US") as context:
        try:
            notebook = OpenNotebook(context.new_page(), server, path)
            notebook.open(server.notebook_address(path))
            notebook.run_all()
            notebook.until_like_the_kernel()
            assert notebook.statuses() == demo_statuses
            assert notebook.root.get_attribute("data-state") == "live"
            assert notebook.root.bounding_box() is not None
            assert notebook.picture.is_hidden()
            assert notebook.page_errors == []
        finally:
            server.end_kernels()
