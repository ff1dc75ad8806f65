"""From the moment a server sends a frame to the moment the browser has painted it: JupyterLab, idle kernel."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from .children import Child, server
from .generate import Source
from .naive_cells import NAIVE, naive_cell
from .promises import kept
from .size import Size
from .table import Row, Spread

FRAMES = 12
EVERY_S = 0.5
PATIENCE_MS = 1500
NAIVE_PATIENCE_MS = 15_000

CELL = """import roma_widget as roma
m = roma.connect({url!r})
seen = []
m.observe(lambda change: seen.append((change.new.revision, mark(change.new))), "snapshot")
mark = lambda snapshot: snapshot.tasks["root"].goal if "root" in snapshot.tasks else ""
m"""
# The front end writes what it shows to `data-revision` in the frame after the one that painted it.
_RECORD = """() => {
    window.painted = []
    new MutationObserver((records) => {
        for (const { target } of records) window.painted.push([target.dataset.revision, Date.now()])
    }).observe(document.body, { attributes: true, subtree: true, attributeFilter: ["data-revision"] })
}"""
# The figure has the frame's mark as its title; it is taken for painted in the frame after the next, too.
_RECORD_FIGURE = """() => {
    window.painted = []
    let last = ""
    new MutationObserver(() => {
        const mark = document.querySelector(".gtitle")?.textContent ?? ""
        if (mark === last) return
        last = mark
        requestAnimationFrame(() => requestAnimationFrame(() => window.painted.push([mark, Date.now()])))
    }).observe(document.body, { childList: true, characterData: true, subtree: true })
}"""
_UNTIL_PAINTED = """async ([last, most_ms]) => {
    const end = Date.now() + most_ms
    const isThere = () => window.painted.some(([mark]) => mark === last)
    while (!isThere() && Date.now() < end) await new Promise((go) => setTimeout(go, 50))
}"""


def measure_in(lab: Any, browser: Any, size: Size) -> Iterator[Row]:
    from browser.lab import notebook_of, opened

    source = Source(tasks=size.tasks, frames=min(FRAMES, size.frames), repeated=0.0, marked=True)
    naive: dict[str, float] = {}
    with opened(browser, lab, notebook_of("")) as notebook:
        ours, count = _delays_ms(notebook, source)
        yield Row("pixels: ours, frames painted", len(ours), f"of {count}")
        for name, tuned in NAIVE.items():
            delays, count = _naive_delays_ms(notebook, source, tuned=tuned)
            yield Row(f"pixels: {name}, frames painted", len(delays), f"of {count}")
            if delays:
                naive[name] = statistics.median(delays)
                yield Row(
                    f"pixels: {name}, median of the painted", naive[name], "ms", None, Spread.of(delays)
                )
    yield kept("pixels", statistics.median(ours), ours, naive, size.words)


def _delays_ms(notebook: Any, source: Source) -> tuple[list[float], int]:
    """Of every frame that was painted, and how many were sent."""
    with server(source) as frames:
        _run(notebook, CELL.format(url=frames.first["url"]))
        notebook.execute("m.wait('connected', timeout=20)")
        notebook.root.wait_for()
        notebook.page.evaluate(_RECORD)
        sent_ms = _sent_ms(frames)
        notebook.page.wait_for_timeout(PATIENCE_MS)
        revisions = dict(notebook.value("seen"))
        painted = [(revisions.get(int(said), ""), at_ms) for said, at_ms in _painted(notebook)]
        notebook.execute("m.close()")
    return _delays(painted, sent_ms), len(sent_ms)


def _naive_delays_ms(notebook: Any, source: Source, *, tuned: bool) -> tuple[list[float], int]:
    with server(source) as frames:
        _run(notebook, naive_cell(frames.first["url"], tuned=tuned))
        notebook.page.wait_for_selector(".js-plotly-plot")
        notebook.page.evaluate(_RECORD_FIGURE)
        sent_ms = _sent_ms(frames)
        notebook.page.evaluate(_UNTIL_PAINTED, [f"frame {len(sent_ms) - 1}", NAIVE_PATIENCE_MS])
        painted = _painted(notebook)
        notebook.execute("m.close()")
    return _delays(painted, sent_ms), len(sent_ms)


def _run(notebook: Any, code: str) -> None:
    notebook.page.evaluate(
        "(code) => window.jupyterapp.shell.currentWidget.content.model.sharedModel.getCell(0).setSource(code)",
        code,
    )
    notebook.run_all()


def _sent_ms(frames: Child) -> list[float]:
    return [at_s * 1000 for at_s in frames.ask(new_s=EVERY_S)["sent_at"]]


def _painted(notebook: Any) -> list[tuple[str, float]]:
    painted: list[tuple[str, float]] = notebook.page.evaluate("() => window.painted")
    return painted


def _delays(painted: list[tuple[str, float]], sent_ms: list[float]) -> list[float]:
    first_seen: dict[str, float] = {}
    for mark, at_ms in painted:
        first_seen.setdefault(mark, at_ms)
    sent = {f"frame {number}": at_ms for number, at_ms in enumerate(sent_ms)}
    return [first_seen[mark] - at_ms for mark, at_ms in sent.items() if mark in first_seen]
