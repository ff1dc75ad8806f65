"""Where a view may stand in JupyterLab: under each theme, switched while it is open, and twice at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.axe import serious
from browser.lab import DARK, LIGHT, OpenInLab, OpenNotebook, notebook_of
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

GROUND = "(root) => getComputedStyle(root).backgroundColor"


def saved_run(open_in_lab: OpenInLab, captures: Path) -> OpenNotebook:
    path = str(captures / "d_failed.jsonl.xz")
    lab = open_in_lab(notebook_of(f"import roma_widget as roma\nm = roma.load({path!r})\nm"))
    lab.run_cell(0)
    lab.until_revision(above=0)
    return lab


def test_each_theme_of_jupyterlab_is_followed_while_the_view_is_open(
    open_in_lab: OpenInLab, captures: Path
) -> None:
    lab = saved_run(open_in_lab, captures)
    lab.card("root.1").click()
    grounds = set()
    # The last one stays in the settings of the server, which other tests use.
    for theme in ("JupyterLab Dark High Contrast", DARK, LIGHT):
        lab.command("apputils:change-theme", theme=theme)
        lab.until("(theme) => document.body.dataset.jpThemeName === theme", theme)
        lab.page.wait_for_load_state("networkidle")  # a theme is a style sheet
        assert serious(lab.page, rules=["color-contrast"]) == [], theme
        grounds.add(lab.root.evaluate(GROUND))
    assert len(grounds) > 1


def test_a_second_view_beside_the_notebook_is_the_same_monitor(
    open_in_lab: OpenInLab, captures: Path
) -> None:
    lab = saved_run(open_in_lab, captures)
    tasks = lab.kernel_state()["statuses"]
    cell = lab.page.locator(".jp-Notebook .jp-Cell .jp-InputArea-editor").first
    cell.click()
    lab.command("notebook:create-output-view")
    beside = lab.page.locator(".jp-LinkedOutputView .roma-widget")
    expect(beside).to_be_visible()
    rows = beside.locator("[role=row][data-task-id]")
    expect(rows).to_have_count(len(tasks))
    beside.locator("[data-task-id='root.1']").evaluate("(row) => row.click()")
    expect(beside.get_by_role("region", name="Task")).to_be_visible()
    expect(lab.page.locator(".jp-Notebook .roma-widget").get_by_role("region", name="Task")).to_be_visible()
    cell.click()  # the notebook is the current one again
    assert lab.value("m.selection") == ["root.1"]
    assert lab.page_errors == []
