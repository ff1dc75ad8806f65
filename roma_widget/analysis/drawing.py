"""What all figures share: the colours of statuses, the frame around a plot, and how strangers' text gets into it.

Fills hold 3 : 1 on white, and all but the darkest two on black: those get an outline. No meaning is in colours alone.
A figure has a template of ours without a ground, whose greys stand on a light page and on a dark one: the kernel
cannot know the notebook's theme. Where somebody has chosen `plotly.io.templates.default` it has that one, and
`figure.update_layout(template="plotly_dark")` changes it, too.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..core.arguments import as_number
from ..core.model import FINAL, Snapshot, Status, Task
from ..core.reading import shorten
from ..core.text import UNKNOWN, clock_text, count_text, duration_text, one_line, status_glyph, status_word

if TYPE_CHECKING:
    import plotly.graph_objects as go

HOLLOW = "rgba(0,0,0,0)"
FILLS: Mapping[str, str] = MappingProxyType(
    {
        Status.DONE: "#3a9468",
        Status.FAILED: "#b3261e",
        Status.AGGREGATING: "#5f2499",
        Status.RUNNING: "#1c8ee0",
        Status.PLAN_DONE: "#828bbd",
        Status.NEEDS_REPLAN: "#c4458f",
        Status.READY: "#37586b",
        Status.PENDING: "#8f8f8f",
        Status.CANCELLED: HOLLOW,
    }
)
EDGE = "#8f8f8f"
QUIET = "#7d7d7d"
"""Text that holds 4 : 1 on white and on JupyterLab's dark ground."""
_LINE = "rgba(128,128,128,0.28)"
_AXIS = {"gridcolor": _LINE, "zerolinecolor": _LINE, "linecolor": _LINE, "automargin": True}
ANY_THEME: Mapping[str, Any] = MappingProxyType(
    {
        "layout": {
            "paper_bgcolor": HOLLOW,
            "plot_bgcolor": HOLLOW,
            "font": {"color": QUIET, "size": 12},
            "xaxis": _AXIS,
            "yaxis": _AXIS,
        }
    }
)
UNKNOWN_STATUS = ""
OUTLINED = frozenset({Status.AGGREGATING, Status.READY, Status.CANCELLED, UNKNOWN_STATUS})
PATTERNS = ("", "/", "x", "-", "|", "+", ".", "\\")
GREYS = ("#4c78a8", "#9ecae9", "#f58518", "#ffbf79", "#54a24b", "#b3b3b3", "#b279a2", "#e6c9a8")
LEAST_PX = 10
"""Plotly draws nothing lower."""
ROW_PX, FRAME_PX, SHORTEST_PX, TALLEST_PX = 22, 130, 240, 1600


def frame(height: int | None, title: str | None, rows: int = 10) -> dict[str, Any]:
    """The layout: `height` in pixels, None for as much as `rows` of them need. Raises ValueError."""
    _check(height, title)
    import plotly.io

    chosen = plotly.io.templates.default
    needed = min(max(FRAME_PX + ROW_PX * rows, SHORTEST_PX), TALLEST_PX)
    return {
        "template": dict(ANY_THEME) if chosen in (None, "plotly") else chosen,
        "height": needed if height is None else height,
        "title": {"text": title} if title is not None else {},
        "margin": {"l": 60, "r": 30, "t": 50 if title is None else 90, "b": 60},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
    }


def _check(height: object, title: object) -> None:
    pixels = as_number(height)
    if height is not None and (pixels is None or not LEAST_PX <= pixels < math.inf):
        raise ValueError(f"height takes pixels, {LEAST_PX} or more, not {shorten(repr(height), 60)}.")
    if title is not None and not isinstance(title, str):
        raise ValueError(f"title takes a text, not {type(title).__name__}.")


def nothing(says: str, height: int | None, title: str | None) -> go.Figure:
    """A figure that says in a sentence why there is nothing to see."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=frame(SHORTEST_PX if height is None else height, title))
    figure.add_annotation(text=says, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font_size=14)
    return figure.update_layout(xaxis_visible=False, yaxis_visible=False)


def say(figure: go.Figure, sentences: Iterable[str]) -> go.Figure:
    """Write below the plot what is not in it."""
    if text := " ".join(sentences):
        figure.add_annotation(
            text=text, x=1, y=0, xref="paper", yref="paper", xanchor="right", yanchor="top", yshift=-34,
            showarrow=False, font_size=11,
        )  # fmt: skip
    return figure


def without(n: int, of: int, what: str) -> list[str]:
    """That `n` of the tasks are not in the figure, because they have no `what`; nothing where `n` is 0."""
    return [f"{n:,} of {count_text(of, 'task')} without {what}."] if n else []


def hover(task: Task) -> list[str]:
    """Goal, id, status, agent, start and duration; for `HOVER`."""
    started = UNKNOWN if task.started is None else f"{clock_text(task.started.astimezone(UTC))} UTC"
    return [
        safe(task.goal, 100),
        safe(task.task_id, 80),
        safe(status_word(task.status), 40),
        safe(task.agent or UNKNOWN, 60),
        started,
        duration_text(task.duration_s),
    ]


HOVER = (
    "<b>%{customdata[0]}</b><br>%{customdata[1]}"
    "<br>status: %{customdata[2]}<br>agent: %{customdata[3]}"
    "<br>started: %{customdata[4]}<br>took: %{customdata[5]}"
)


def status_name(status: str) -> str:
    """For a legend: glyph and word."""
    return f"{status_glyph(status)} {status_word(status)}" if status else "? unknown"


def status_key(task: Task) -> str:
    """The status if it is a known one: a server's inventions share one trace, however many there are."""
    return task.status if task.status in FILLS else UNKNOWN_STATUS


def status_marker(status: str) -> dict[str, Any]:
    """Fill, outline and pattern."""
    marker: dict[str, Any] = {"color": FILLS.get(status, HOLLOW), "line": {"width": 0}}
    if status in OUTLINED:
        marker["line"] = {"width": 1, "color": EDGE}
    if status == Status.FAILED:
        marker["pattern"] = {
            "shape": "/",
            "fgcolor": "#ffffff",
            "fillmode": "overlay",
            "size": 6,
            "solidity": 0.25,
        }
    elif status == UNKNOWN_STATUS:
        marker["pattern"] = {"shape": ".", "fgcolor": EDGE, "fillmode": "overlay", "size": 6}
    return marker


def end_of(task: Task) -> datetime | None:
    """When the task ended, as far as that was said; None while it has not."""
    return task.completed or (task.updated if task.status in FINAL else None)


def last_moment(snapshot: Snapshot) -> datetime | None:
    """The snapshot's time, or the newest one that a task speaks of."""
    said = [t for task in snapshot.tasks.values() for t in (task.created, task.updated, task.completed) if t]
    return snapshot.time or max(said, default=None)


def moment(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def safe(text: str, limit: int) -> str:
    """A stranger's text as plotly must get it: it reads tags (links too) and, with MathJax about, `$...$`."""
    return html.escape(one_line(text, limit)).replace("$", "&#36;")


def column_of(rows: Iterable[Any]) -> Any:
    """Rows of texts as plotly takes them fastest: it walks lists of lists."""
    import numpy as np

    return np.array(list(rows), dtype=object)
