"""A page is loaded again: from the moment its view is created to the moment the whole graph is painted."""

from __future__ import annotations

import math
import statistics
import traceback
from collections.abc import Iterator
from typing import Any

from .children import server
from .generate import Source
from .naive_cells import TUNED, naive_cell
from .promises import kept
from .size import Size
from .table import Row

CELL = "import roma_widget as roma\nm = roma.connect({url!r})\nm"
# Each page notes when there first was an element of the view, and when a painted one with the whole run.
_WATCH = """(([view, whole]) => {
    window.created = window.full = undefined
    new MutationObserver((_, observer) => {
        if (window.created === undefined && document.querySelector(view)) window.created = performance.now()
        if (!document.querySelector(whole)) return
        observer.disconnect()
        requestAnimationFrame(() => requestAnimationFrame(() => { window.full = performance.now() }))
    }).observe(document, { childList: true, subtree: true, attributes: true, attributeFilter: ['data-revision'] })
})"""
OURS = (".jp-OutputArea-output .roma-widget", ".jp-OutputArea-output .roma-widget[data-revision]")
FIGURE = (".jp-OutputArea-output .widget-vbox", ".jp-OutputArea-output .scatterlayer .point")


NAIVE_PATIENCE_S = 10
"""plotly's figure does not keep what it was told after it was made: a page that comes later shows the empty one."""


def measure_in(lab: Any, browser: Any, size: Size) -> Iterator[Row]:
    ours = _reloaded_ms(lab, browser, size, OURS, times=size.rounds)
    naive_ms, note = math.inf, ""
    try:
        naive_ms = _reloaded_ms(lab, browser, size, FIGURE, times=1, tuned=True)[0]
    except Exception:  # whatever ends it is no reason to lose our own number
        traceback.print_exc()
        note = "the naive notebook broke off"
    yield kept("reload", statistics.median(ours), ours, {TUNED: naive_ms}, size.words, note)


def _reloaded_ms(
    lab: Any, browser: Any, size: Size, watched: tuple[str, str], *, times: int, tuned: bool | None = None
) -> list[float]:
    """`tuned` None: the project's own widget. Infinite for a graph that does not come."""
    from browser.lab import notebook_of, opened

    with server(Source(tasks=size.tasks, frames=1)) as frames:
        url = frames.first["url"]
        cell = CELL.format(url=url) if tuned is None else naive_cell(url, tuned=tuned)
        with opened(browser, lab, notebook_of(cell)) as notebook:
            notebook.run_all()
            if tuned is None:
                notebook.execute("m.wait('connected', timeout=20)")
            frames.ask()
            notebook.page.wait_for_selector(watched[1])
            notebook.save()
            notebook.page.add_init_script(f"{_WATCH}({list(watched)!r})")
            taken_ms = [_once_ms(notebook, comes=tuned is None) for _ in range(times)]
            if tuned is None:
                notebook.until_revision(notebook.kernel_state()["revision"] - 1)
    return taken_ms


def _once_ms(notebook: Any, *, comes: bool) -> float:
    from playwright.sync_api import TimeoutError as TooLate

    notebook.reload()
    try:
        notebook.until("() => window.full !== undefined", timeout_s=30 if comes else NAIVE_PATIENCE_S)
    except TooLate:
        if comes:
            raise
        return math.inf
    return float(notebook.page.evaluate("() => window.full - window.created"))
