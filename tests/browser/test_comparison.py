"""Two runs side by side in a real JupyterLab: read with the keyboard, filtered, and there without a kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.axe import serious
from browser.lab import CONTRAST, DARK, LIGHT, OpenInLab, OpenNotebook, notebook_of
from playwright.sync_api import Locator

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

FOCUSED = "() => Number(document.activeElement.dataset.at ?? -1)"
IS_FOCUSED = "(at) => document.activeElement.dataset.at === String(at)"
# What a screen reader needs: names for what can be used, cells in rows in the grid, places that are right.
UNREADABLE = """(root) => {
    const grid = root.querySelector('[role=treegrid]')
    const rows = [...grid.querySelectorAll('[role=row]')]
    const bad = [...root.querySelectorAll('button')].filter((each) => !(each.ariaLabel ?? each.innerText).trim())
    bad.push(...rows.filter((row) => row.querySelectorAll('[role=gridcell], [role=columnheader]').length !== 3))
    bad.push(...rows.filter((row) => !row.ariaRowIndex || Number(row.ariaRowIndex) > Number(grid.ariaRowCount)))
    bad.push(...rows.slice(1).filter((row) => !row.ariaLevel || !row.innerText.trim()))
    if (rows.filter((row) => row.tabIndex === 0).length !== 1) bad.push(grid)
    if (!grid.ariaLabel || grid.scrollWidth > grid.clientWidth) bad.push(grid)
    return bad.map((each) => each.outerHTML.slice(0, 300))
}"""
TEXTS = (
    ".rw-cmp-title",
    ".rw-cmp-count",
    "[aria-pressed=true]",
    ".rw-cmp-run-goal",
    ".rw-cmp-outcome",
    ".rw-row-text",
    ".rw-cmp-added .rw-row-text",
    ".rw-cmp-gone .rw-cmp-time",
    ".rw-tone-worse",
    ".rw-cmp-marks .rw-tone-DONE",
    ".rw-cmp-mark.rw-tone-quiet",
    "ins",
    "del",
    ".rw-cmp-id",
)


def shows(open_in_lab: OpenInLab, root: Path, runs: str) -> OpenNotebook:
    """A notebook whose cell has compared these runs of analysis/two_runs.py."""
    cell = (
        f"import sys\nsys.path.insert(0, {str(root / 'tests')!r})\n"
        f"from analysis import two_runs\nimport roma_widget as roma\nc = roma.compare(*two_runs.{runs})\nc"
    )
    lab = open_in_lab(notebook_of(cell))
    lab.run_cell(0)
    lab.root.locator("[data-at]").first.wait_for()
    return lab


def rows_of(lab: OpenNotebook) -> list[int]:
    return [int(row.get_attribute("data-at") or -1) for row in lab.root.locator("[data-at]").all()]


def row(lab: OpenNotebook, at: int) -> Locator:
    return lab.root.locator(f'[data-at="{at}"]')


def place_of(lab: OpenNotebook, goal: str) -> int:
    return int(lab.root.locator("[data-at]", has_text=goal).first.get_attribute("data-at") or -1)


def test_a_comparison_is_read_with_the_keyboard_and_filtered(open_in_lab: OpenInLab, root: Path) -> None:
    lab = shows(open_in_lab, root, "reports()")
    assert serious(lab.page) == []
    found = lab.value("c.view()['rows']")
    assert rows_of(lab) == list(range(len(found)))
    assert lab.picture.is_hidden()
    assert lab.root.evaluate(UNREADABLE) == []
    assert (
        row(lab, place_of(lab, "Look up each number again <img"))
        .get_by_text("+ only in tuesday")
        .is_visible()
    )

    press = lab.page.keyboard.press
    row(lab, 0).focus()
    press("End")
    lab.until(IS_FOCUSED, len(found) - 1)
    press("Home")
    press("ArrowDown")
    lab.until(IS_FOCUSED, 1)
    press("ArrowLeft")
    lab.until("() => document.activeElement.ariaExpanded === 'false'")
    assert rows_of(lab) == [at for at in range(len(found)) if at not in (2, 3, 4)]
    press("ArrowRight")
    press("ArrowRight")
    lab.until(IS_FOCUSED, 2)

    reworded = place_of(lab, "Compare yield figures")
    for _ in range(reworded - 2):
        press("ArrowDown")
    lab.until(IS_FOCUSED, reworded)
    press("Enter")
    detail = lab.root.locator(".rw-cmp-detail")
    detail.wait_for()
    assert found[reworded]["why"] in detail.inner_text()
    assert detail.locator("ins").all_inner_texts() == ["the", "of installation"]
    press("Escape")
    detail.wait_for(state="detached")
    assert lab.page.evaluate(FOCUSED) == reworded

    lab.root.get_by_role("button", name="Only in one").click()
    one = [at for at, each in enumerate(found) if None in (each["a"], each["b"])]
    lab.until("(n) => document.querySelectorAll('.rw-comparison [data-at]').length === n", len(one) + 2)
    assert set(one) < set(rows_of(lab))
    assert lab.page.locator(".jp-Notebook .jp-Cell").count() == 1  # no key was a command of the notebook
    assert lab.page_errors == []


def test_every_text_of_a_comparison_is_readable_wide_and_narrow_in_both_themes(
    open_in_lab: OpenInLab, root: Path
) -> None:
    lab = shows(open_in_lab, root, "reports()")
    row(lab, place_of(lab, "Compare yield figures")).click()
    lab.root.locator(".rw-cmp-detail ins").first.wait_for()

    def contrasts() -> dict[str, float]:
        assert lab.root.evaluate(UNREADABLE) == []
        return {text: lab.root.locator(text).first.evaluate(CONTRAST)["contrast"] for text in TEXTS}

    light = contrasts()
    lab.command("apputils:change-theme", theme=DARK)
    try:
        lab.until("() => document.body.dataset.jpThemeLight === 'false'")
        dark = contrasts()
    finally:  # the server keeps it, and other tests begin light
        lab.command("apputils:change-theme", theme=LIGHT)
    print(*(f"{text} {light[text]:.1f} {dark[text]:.1f}" for text in TEXTS), sep="\n")
    assert [text for text in TEXTS if min(light[text], dark[text]) < 4.5] == []

    lab.command("application:toggle-left-area")
    lab.page.set_viewport_size({"width": 520, "height": 900})
    lab.until("() => document.querySelector('.rw-comparison').dataset.shape === 'narrow'")
    narrow = contrasts()
    assert [text for text in TEXTS if narrow[text] < 4.5] == []


def test_of_a_thousand_pairs_a_window_is_in_the_document_and_the_last_can_be_reached(
    open_in_lab: OpenInLab, root: Path
) -> None:
    lab = shows(open_in_lab, root, "trees(1_000)")
    assert lab.root.get_attribute("data-rows") == "1000"
    assert len(rows_of(lab)) < 150
    assert lab.root.evaluate(UNREADABLE) == []
    row(lab, 0).focus()
    lab.page.keyboard.press("End")
    lab.until(IS_FOCUSED, 999)
    assert row(lab, 999).is_visible()
    assert lab.root.evaluate("(root) => root.getBoundingClientRect().height") <= 680
    assert lab.page_errors == []


def test_after_a_restart_of_the_kernel_and_a_reload_the_static_table_shows_both_runs(
    open_in_lab: OpenInLab, root: Path
) -> None:
    lab = shows(open_in_lab, root, "reports()")
    lab.save()
    (session,) = lab.server.ask("GET", "/api/sessions")
    lab.server.ask("POST", f"/api/kernels/{session['kernel']['id']}/restart")
    lab.reload()
    lab.picture.wait_for()
    text = lab.picture.inner_text()
    assert [word for word in ("monday", "tuesday", "Look up each number again") if word not in text] == []
    assert lab.root.count() == 0
