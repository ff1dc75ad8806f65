"""Two runs beside each other: `compare` opens and names them, `Comparison` shows what `analysis.comparing` found.

What is compared is of one moment, so the view holds it whole, in one trait, and says nothing to the kernel.
"""

from __future__ import annotations

import gzip
import uuid
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import anywidget
import msgspec
import traitlets

from ..analysis.comparing.compared import Compared
from ..analysis.run_data import RunData
from ..archive.naming import run_names
from ..archive.saved import open_run
from ..core.text import one_line
from .assets import asset
from .cells import MadeInCells
from .monitor import Monitor

MOST_ROWS = 20_000
MOST_BODY_BYTES = 1_000_000
"""Of the gzipped body: 50 to 200 bytes a row. Jupyter drops what a kernel sends beyond 3 MB in 3 s."""
LONGEST_NAME = 40
_NOT_LIVE = "roma-widget: run this cell again for the live view."


def compare(
    a: str | Path | RunData, b: str | Path | RunData, *, names: Sequence[str] | None = None
) -> Comparison:
    """Two runs beside each other, as they stand now: `a` is the one before, `b` the one after.

    Each is the path of a saved run, or whatever shows one: a monitor, a moment of one, a loaded run. `names` are two
    short names; by default those of the files, else the projects' titles. Files are closed with the comparison, and
    when the cell that made it runs again. Raises ArchiveError (a file that cannot be read), TypeError (no run) or
    ValueError (not two names). Example:
    `roma.compare("monday.roma", m).tasks.query("status_changed")`
    """
    with ExitStack() as opened:
        runs = [_run(each, opened) for each in (a, b)]
        found = Comparison(runs[0], runs[1], _names(runs, names))
        found._opened = opened.pop_all()
    for earlier in _compared.replaced_by(found):
        earlier._opened.close()
    return found


class Comparison(Compared):
    """Two runs, task by task. Made by `roma_widget.compare`, not directly.

    Show it by making it the last expression of a cell. It is a context manager; `close()` ends it.
    """

    def __init__(self, a: RunData, b: RunData, names: tuple[str, str]) -> None:
        super().__init__(a, b, names)
        self._opened = ExitStack()
        self._shown: ComparisonView | None = None

    def close(self) -> None:
        """Remove the view, and close the files that `compare` opened. Example: `c.close()`"""
        if self._shown is not None:
            self._shown.close()
            self._shown = None
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {**self._live(), "text/html": self._static_html(), "text/plain": repr(self)}

    def _ipython_display_(self, **_: Any) -> None:
        """Two outputs, as a monitor's: the live view, and a table that survives where the view cannot."""
        from IPython.display import HTML, display

        if live := self._live():
            display({**live, "text/plain": _NOT_LIVE}, raw=True)
            display(HTML(self._static_html()))
        else:
            print(repr(self))

    def _live(self) -> dict[str, Any]:
        """The live view's mime bundle; {} where widgets cannot be shown."""
        if self._shown is None or self._shown.comm is None:
            self._shown = ComparisonView(self.view())
            for earlier in _shown.replaced_by(self._shown):
                earlier.close()
        bundle: Any = self._shown._repr_mimebundle_()
        return dict((bundle[0] if isinstance(bundle, tuple) else bundle) or {})

    def _static_html(self) -> str:
        key = self._shown.static_key if self._shown is not None else ""
        return f'<div data-static="{key}" class="roma-static">{self._repr_html_()}</div>'


class ComparisonView(anywidget.AnyWidget):
    """The live view of a comparison. The body of docs/messages.md is in one trait."""

    shows: Any = traitlets.Unicode("comparison", read_only=True, help="Which view this is.").tag(sync=True)
    body: Any = traitlets.Bytes(read_only=True, help="What was found, as gzipped JSON.").tag(sync=True)
    static_key: Any = traitlets.Unicode(read_only=True, help="Names the static table beside it.").tag(
        sync=True
    )
    # anywidget makes a trait of `_css` only where the class has one.
    _esm: Any = traitlets.Unicode().tag(sync=True)
    _css: Any = traitlets.Unicode().tag(sync=True)

    def __init__(self, found: Mapping[str, Any]) -> None:
        with self.hold_trait_notifications():
            self.set_trait("body", packed(found))
            self.set_trait("static_key", f"roma-{uuid.uuid4().hex[:12]}")
        # Its own has only what the widget's lacks: two copies of a rule in one page would fight over their order.
        styles = asset("widget.css") + asset("comparison.css")
        super().__init__(_esm=asset("comparison.js"), _css=styles)


_compared: MadeInCells[Comparison] = MadeInCells()
_shown: MadeInCells[ComparisonView] = MadeInCells()


def packed(found: Mapping[str, Any], most_bytes: int = MOST_BODY_BYTES) -> bytes:
    """What `Compared.view` found as gzipped JSON of at most `most_bytes`; `left_out` later rows do not fit."""
    rows = found["rows"]
    kept = min(len(rows), MOST_ROWS)
    while True:
        body = {**found, "rows": rows[:kept], "left_out": len(rows) - kept}
        done = gzip.compress(msgspec.json.encode(body), compresslevel=6, mtime=0)
        if len(done) <= most_bytes or kept == 0:
            return done
        kept = min(kept - 1, int(kept * most_bytes / len(done) * 0.95))


def _run(run: str | Path | RunData, opened: ExitStack) -> RunData:
    if isinstance(run, str | Path):
        return opened.enter_context(open_run(run))
    if isinstance(run, RunData):
        return run
    raise TypeError(
        "roma.compare(a, b) takes monitors, their moments, loaded runs or the paths of saved ones, "
        f"not something of type {type(run).__name__}."
    )


def _names(runs: Sequence[RunData], names: Sequence[str] | None) -> tuple[str, str]:
    """Two names, not the same."""
    if names is None:
        a, b = (_name(run) or letter for run, letter in zip(runs, "ab", strict=True))
    else:
        if isinstance(names, str) or len(names) != 2 or not all(isinstance(name, str) for name in names):
            raise ValueError(
                f"roma.compare(…, names=…) takes two texts, as in ('before', 'after'), not {one_line(repr(names), 60)}."
            )
        a, b = (one_line(name, LONGEST_NAME) or letter for name, letter in zip(names, "ab", strict=True))
    return (f"{a} (1)", f"{b} (2)") if a == b else (a, b)


def _name(run: RunData) -> str:
    """What a run is called: a file by its name, others by their project; "" where nothing says it."""
    own = getattr(run, "name", None)
    if isinstance(run, Monitor) and run.connection.get("state") == "archive":
        own = run_names([Path(run.address)])[0]
    if isinstance(own, str) and own.strip():
        return one_line(own, LONGEST_NAME)
    project = run.snapshot.project
    return one_line(project.title or project.goal or "", LONGEST_NAME) if project is not None else ""
