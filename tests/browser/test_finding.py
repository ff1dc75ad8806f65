"""Search, the way back and the sizes in a real JupyterLab, which has keys and boxes of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.lab import OpenInLab, OpenNotebook, notebook_of

from roma_widget.server.child import ChildServer, start_child

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

FILLS_THE_WINDOW = """() => {
    const box = document.querySelector('.roma-widget').getBoundingClientRect()
    return box.x === 0 && box.y === 0 && box.width === innerWidth && box.height === innerHeight
}"""
LIES_ACROSS_THE_WINDOW = """() => {
    const box = document.querySelector('.roma-widget').getBoundingClientRect()
    return box.x === 0 && box.width === innerWidth && box.bottom === innerHeight && box.y > 0
}"""
HEIGHT = "() => document.querySelector('.roma-widget').getBoundingClientRect().height"
TASK, OTHER_TASK = "root.1.3", "root.2.2.1"


@pytest.fixture
def ended_run(captures: Path) -> Iterator[ChildServer]:
    """A server that has played its recording to the end."""
    server = start_child(["replay", "--speed=0", str(captures / "a_complete.jsonl.xz")])
    yield server
    server.close()


def is_selected(lab: OpenNotebook, task_id: str) -> None:
    lab.page.wait_for_selector(f'[data-task-id="{task_id}"][aria-selected="true"]', state="attached")


def test_a_person_finds_a_task_and_the_way_back_and_gives_the_view_its_size(
    open_in_lab: OpenInLab, ended_run: ChildServer
) -> None:
    lab = open_in_lab(notebook_of(f"import roma_widget as roma\nm = roma.connect({ended_run.url!r})\nm"))
    lab.run_cell(0)
    lab.execute("m.wait(timeout=30)")
    lab.until_like_the_kernel()
    page, root, keyboard = lab.page, lab.root, lab.page.keyboard
    cells = page.locator(".jp-Notebook .jp-Cell").count()
    address = page.url

    lab.card(TASK).click()
    is_selected(lab, TASK)
    keyboard.press("/")
    keyboard.type(OTHER_TASK)
    root.locator(".rw-card.rw-dimmed").first.wait_for()
    keyboard.press("Enter")
    is_selected(lab, OTHER_TASK)
    assert root.locator(".rw-find-count").inner_text() == "1 of 1"
    keyboard.press("Escape")
    keyboard.press("Escape")
    root.locator(".rw-row:focus").wait_for(state="attached")
    keyboard.press("Alt+ArrowLeft")
    is_selected(lab, TASK)
    assert page.url == address
    assert page.locator(".jp-Notebook .jp-Cell").count() == cells

    root.get_by_role("button", name="View").click()
    root.get_by_role("button", name="full width and height").click()
    lab.until(FILLS_THE_WINDOW)
    keyboard.press("Escape")
    root.get_by_role("dialog", name="View").wait_for(state="detached")
    keyboard.press("Escape")
    root.get_by_role("region", name="Run").wait_for()
    root.locator(".rw-row:focus").wait_for(state="attached")
    keyboard.press("Escape")
    lab.until(f"() => !({FILLS_THE_WINDOW})()")

    root.get_by_role("button", name="View").click()
    root.get_by_role("button", name="full width", exact=True).click()
    lab.until(LIES_ACROSS_THE_WINDOW)
    root.get_by_role("button", name="full width", exact=True).click()
    lab.until(f"() => !({LIES_ACROSS_THE_WINDOW})()")
    keyboard.press("Escape")

    before = page.evaluate(HEIGHT)
    edge = root.get_by_role("separator", name="Height of the view")
    edge.focus()
    keyboard.press("ArrowUp")
    lab.until(f"(px) => ({HEIGHT})() < px", before)
    low = page.evaluate(HEIGHT)
    lab.run_cell(0)
    lab.until(f"(px) => ({HEIGHT})() === px", low)
    assert lab.page_errors == []
