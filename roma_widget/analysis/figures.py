"""Snapshot -> plotly figures, for a notebook with a light or a dark page.

Fills hold 3 : 1 on white, and all but the darkest two on black: those get an outline. A figure has a trace
per status, never one per task.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..core.model import FINAL, Snapshot, Status, Task
from ..core.text import UNKNOWN, clock_text, duration_text, one_line, status_glyph, status_word

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
QUIET = "#808080"  # text, 3.9 : 1 on white and 4.8 on #111
UNKNOWN_STATUS = ""
TIME_TITLE = "Time of day (UTC); light: created, not yet started"
OUTLINED = frozenset({Status.AGGREGATING, Status.READY, Status.CANCELLED, UNKNOWN_STATUS})

LABELLED_TASKS = 60  # above that a goal per row is an illegible smear: every k-th row gets its id
BAR_SHARE = 0.7  # of a row
ROW_PX, FRAME_PX, SHORTEST_PX, TALLEST_PX = 22, 130, 240, 1600
LIGHT = 0.35


class Figures:
    """The figures of a run as it stands when they are asked for.

    `take` gives the snapshot to draw. Example: `Figures(lambda: m.snapshot).timeline().show()`
    """

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take

    def timeline(self) -> go.Figure:
        """A bar per task over the time of day (UTC): what ran when, what it waited for, what failed.

        Rows are in plan order with the root on top. The light part of a bar is from the task's creation to
        its start (all of it, where the start was not seen), the full part from its start to its end, or to
        the time of the snapshot while it has none. Up to 60 tasks carry their goal, and a glyph of their
        status at the bar's end; failed ones are hatched and crossed in any number. A run without tasks gives
        an empty figure that says so.
        """
        import plotly.graph_objects as go

        snapshot = self._take()
        tasks = list(snapshot.tasks.values())
        figure = go.Figure(layout=_layout(len(tasks)))
        until = _last_moment(snapshot)
        bars = [bar for row, task in enumerate(tasks) for bar in _bars(row, task, until)]
        if not bars:
            says = "No task has a time yet" if tasks else "No tasks yet"
            figure.add_annotation(
                text=says, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font_size=14
            )
            return figure.update_layout(xaxis_visible=False, yaxis_visible=False, height=SHORTEST_PX)
        with_glyphs = len(tasks) <= LABELLED_TASKS
        if light := [bar for bar in bars if bar.light]:
            figure.add_trace(go.Bar(_light_trace(light, with_glyphs)))
        for status in (*FILLS, UNKNOWN_STATUS):
            if of_status := [bar for bar in bars if not bar.light and _key(bar.task) == status]:
                figure.add_trace(go.Bar(_status_trace(status, of_status, with_glyphs)))
        figure.update_yaxes(**_row_labels(tasks))
        return figure


@dataclass(frozen=True, slots=True)
class _Bar:
    row: int
    task: Task
    start: datetime
    end: datetime
    light: bool
    last: bool  # the end of this bar is the end of the task's row: here stands its glyph


def _bars(row: int, task: Task, last_moment: datetime | None) -> list[_Bar]:
    end = task.completed or (task.updated if task.status in FINAL else last_moment)
    begin = task.created or task.started
    if begin is None:
        return []
    end = max(begin, end or begin)
    if task.started is None:
        return [_Bar(row, task, begin, end, light=True, last=True)]
    start = min(task.started, end)
    solid = _Bar(row, task, start, end, light=False, last=True)
    return [_Bar(row, task, begin, start, light=True, last=False), solid] if begin < start else [solid]


def _last_moment(snapshot: Snapshot) -> datetime | None:
    """The snapshot's time, or the newest one that a task speaks of."""
    said = [t for task in snapshot.tasks.values() for t in (task.created, task.updated, task.completed) if t]
    return snapshot.time or max(said, default=None)


def _light_trace(bars: Sequence[_Bar], with_glyphs: bool) -> dict[str, Any]:
    fills = [FILLS.get(_key(bar.task), HOLLOW) for bar in bars]
    colors = [EDGE if fill == HOLLOW else fill for fill in fills]
    return _trace(bars, with_glyphs) | {
        "name": "created, not started",
        "showlegend": False,  # one colour cannot stand for this trace: the axis title says what light means
        "marker": {"color": colors, "opacity": LIGHT, "line": {"width": 0}},
    }


def _status_trace(status: str, bars: Sequence[_Bar], with_glyphs: bool) -> dict[str, Any]:
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
    name = f"{status_glyph(status)} {status_word(status)}" if status else "? unknown"
    return _trace(bars, with_glyphs) | {"name": name, "marker": marker}


def _trace(bars: Sequence[_Bar], with_glyphs: bool) -> dict[str, Any]:
    import numpy as np

    return {
        "orientation": "h",
        "width": BAR_SHARE,  # without it plotly takes the distance of the trace's own rows for a row
        "y": [bar.row for bar in bars],
        "base": [_moment(bar.start) for bar in bars],
        "x": [(bar.end - bar.start).total_seconds() * 1000 for bar in bars],
        "text": [_glyph(bar, with_glyphs) for bar in bars],
        "textposition": "outside",
        "textangle": 0,
        "cliponaxis": False,
        "constraintext": "none",
        "customdata": np.array(
            [_hover(bar.task) for bar in bars], dtype=object
        ),  # plotly walks lists of lists
        "hovertemplate": (
            "<b>%{customdata[0]}</b><br>%{customdata[1]}"
            "<br>status: %{customdata[2]}<br>agent: %{customdata[3]}"
            "<br>started: %{customdata[4]}<br>took: %{customdata[5]}<extra></extra>"
        ),
    }


def _glyph(bar: _Bar, with_glyphs: bool) -> str:
    shown = bar.last and (with_glyphs or bar.task.status is Status.FAILED)
    return status_glyph(bar.task.status) if shown else ""


def _hover(task: Task) -> list[str]:
    started = UNKNOWN if task.started is None else f"{clock_text(task.started.astimezone(UTC))} UTC"
    return [
        _safe(task.goal, 100),
        _safe(task.task_id, 80),
        _safe(status_word(task.status), 40),
        _safe(task.agent or UNKNOWN, 60),
        started,
        duration_text(task.duration_s),
    ]


def _layout(n: int) -> dict[str, Any]:
    lines = {"gridcolor": "rgba(128,128,128,0.25)", "linecolor": "rgba(128,128,128,0.5)", "zeroline": False}
    return {
        "template": "none",
        "paper_bgcolor": HOLLOW,
        "plot_bgcolor": HOLLOW,
        "font": {"color": QUIET, "size": 12},
        "height": min(max(FRAME_PX + ROW_PX * n, SHORTEST_PX), TALLEST_PX),
        "margin": {"l": 60, "r": 30, "t": 50, "b": 50},
        "barmode": "overlay",
        "showlegend": True,  # also when all tasks are of one status: the legend is where its name stands
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": lines | {"type": "date", "hoverformat": "%H:%M:%S", "title": {"text": TIME_TITLE}},
        "yaxis": lines
        | {
            "title": {"text": "Task, in plan order", "standoff": 16},
            "range": [n - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
        },
    }


def _row_labels(tasks: Sequence[Task]) -> dict[str, Any]:
    step = -(-len(tasks) // LABELLED_TASKS)
    rows = range(0, len(tasks), step)
    if step == 1:
        texts = [f"{_safe(tasks[row].goal, 40)}  {_safe(tasks[row].task_id, 24)}" for row in rows]
    else:
        texts = [_safe(tasks[row].task_id, 32) for row in rows]
    return {"tickmode": "array", "tickvals": list(rows), "ticktext": texts}


def _key(task: Task) -> str:
    """The status if it is a known one: a server's inventions share one trace, however many there are."""
    return task.status if task.status in FILLS else UNKNOWN_STATUS


def _moment(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")


def _safe(text: str, limit: int) -> str:
    """A stranger's text as plotly must get it: it reads tags (links too) and, with MathJax about, `$...$`."""
    return html.escape(one_line(text, limit)).replace("$", "&#36;")
