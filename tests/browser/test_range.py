"""A range of the run's time, marked with the mouse in a real JupyterLab, against what Python says ran in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from browser.lab import OpenInLab, notebook_of
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

# Of the range that the copied code names: who was at work in it, by the tasks' own times.
AT_WORK = """
import pandas as pd
def at_work(begin, end):
    tasks = m.tasks()
    begin, end = pd.Timestamp(begin), pd.Timestamp(end)
    started = tasks["completed"] - pd.to_timedelta(tasks["duration_s"].astype(float), unit="s")
    return sorted(tasks.index[(started <= end) & (tasks["completed"] >= begin)])
"""
MEANT = """() => [...document.querySelectorAll('.rw-row:not(.rw-dimmed)')].map((row) => row.dataset.taskId).sort()"""


def test_a_marked_range_dims_what_did_not_run_in_it(open_in_lab: OpenInLab, captures: Path) -> None:
    capture = str(captures / "a_complete.jsonl.xz")
    lab = open_in_lab(notebook_of(f"import roma_widget as roma\nm = roma.load({capture!r})\nm"))
    lab.run_cell(0)
    lab.until_like_the_kernel()
    strip = lab.root.get_by_role("slider", name="Moment of the run")
    strip.scroll_into_view_if_needed()
    box = strip.bounding_box()
    assert box is not None
    mouse, keyboard = lab.page.mouse, lab.page.keyboard
    keyboard.down("Shift")
    mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 40)
    mouse.down()
    mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 40, steps=5)
    mouse.up()
    keyboard.up("Shift")

    said = lab.root.get_by_role("region", name="Time").get_by_role("status")
    expect(said).to_contain_text("tasks ran")
    code = lab.root.locator(".rw-range-code").inner_text()
    begin, end = re.findall(r'"(.+?)"', code)
    lab.execute(AT_WORK)
    ran = lab.value(f"at_work({begin!r}, {end!r})")
    assert 0 < len(ran) < 15
    assert lab.page.evaluate(MEANT) == ran
    assert f"{len(ran)} tasks ran" in said.inner_text()
    assert lab.value(f"len({code})") > 0

    keyboard.press("Escape")
    expect(said).to_have_count(0)
    assert len(lab.page.evaluate(MEANT)) == 15
    assert lab.page_errors == []
