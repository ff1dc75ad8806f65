"""From the moment a server sends a frame to the moment the browser has painted it: JupyterLab, idle kernel."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .children import server
from .driver import CLONE, executable
from .generate import Source
from .table import Row

INPUTS = {
    "1,000 tasks": Source(frames=12, repeated=0.0, marked=True),
    "m_midrun_connect": Source(capture="m_midrun_connect", frames=12, marked=True),
}
EVERY_S = 0.5
MOST_MS = 300.0
PATIENCE_MS = 1500

CELLS = {
    "roma": """import roma_widget as roma
m = roma.connect({url!r})
seen = []
m.observe(lambda change: seen.append((change.new.revision, mark(change.new))), "snapshot")
mark = lambda snapshot: snapshot.tasks["root"].goal if "root" in snapshot.tasks else ""
m""",
    "naive": """import sys
sys.path.insert(0, {clone!r})
from benchmarks.client import naive
m = naive({url!r}).widget
m""",
}
# both front ends write what they show to `data-revision` in the frame after the one that painted it
_RECORD = """() => {
    window.painted = []
    window.recorder ??= new MutationObserver((records) => {
        for (const { target } of records) window.painted.push([target.dataset.revision, Date.now()])
    })
    window.recorder.observe(document.body, { attributes: true, subtree: true, attributeFilter: ["data-revision"] })
}"""


def measure() -> Iterator[Row]:
    chromium = executable()
    from browser.lab import chromium_browser, lab_server, notebook_of, opened

    with (
        tempfile.TemporaryDirectory() as own,
        lab_server(Path(own)) as lab,
        chromium_browser(chromium) as browser,
        opened(browser, lab, notebook_of("")) as notebook,
    ):
        for name, source in INPUTS.items():
            for variant in CELLS:
                delays_ms, count = _delays_ms(notebook, source, variant)
                bound = MOST_MS if variant == "roma" else None
                yield Row(f"pixels {name}: {variant}, median", statistics.median(delays_ms), "ms", bound)
                yield Row(f"pixels {name}: {variant}, slowest", max(delays_ms), "ms")
                yield Row(f"pixels {name}: {variant}, frames painted of {count}", len(delays_ms), "")


def _delays_ms(notebook: Any, source: Source, variant: str) -> tuple[list[float], int]:
    """Of every frame that was painted, and how many were sent."""
    with server(source) as frames:
        notebook.page.evaluate(
            "(code) => window.jupyterapp.shell.currentWidget.content.model.sharedModel.getCell(0).setSource(code)",
            CELLS[variant].format(url=frames.first["url"], clone=str(CLONE)),
        )
        notebook.run_all()
        if variant == "roma":
            notebook.execute("m.wait('connected', timeout=20)")
            notebook.root.wait_for()
        notebook.page.evaluate(_RECORD)
        sent_at: list[float] = frames.ask(new_s=EVERY_S)["sent_at"]
        notebook.page.wait_for_timeout(PATIENCE_MS)
        painted: list[tuple[str, int]] = notebook.page.evaluate("() => window.painted")
        if variant == "roma":
            revisions = dict(notebook.value("seen"))
            painted = [(revisions.get(int(revision), ""), at_ms) for revision, at_ms in painted]
        notebook.execute("m.close()")
    first_seen: dict[str, int] = {}
    for mark, at_ms in painted:
        first_seen.setdefault(mark, at_ms)
    sent = {f"frame {number}": at_s * 1000 for number, at_s in enumerate(sent_at)}
    return [first_seen[mark] - at_ms for mark, at_ms in sent.items() if mark in first_seen], len(sent)
