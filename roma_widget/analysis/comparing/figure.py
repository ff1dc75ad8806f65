"""How long tasks, or the tasks of each agent, took in the one run and in the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.model import Status, Task
from ...core.text import UNKNOWN, count_text, duration_text, status_word
from ..drawing import EDGE, column_of, frame, nothing, safe, say
from .alignment import Pair
from .differences import Sides

if TYPE_CHECKING:
    import plotly.graph_objects as go

KINDS = ("task", "agent")
LABELLED_ROWS = 60
MOST_AGENTS = 30
_COLORS = (EDGE, "#1c8ee0")
_HOVER = "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{customdata[2]}<extra>%{customdata[3]}</extra>"


@dataclass(frozen=True, slots=True)
class _Point:
    """What one run says of a row. `is_single`: the other run has no such task."""

    row: int
    seconds: float
    says: tuple[str, str, str]
    has_failed: bool = False
    is_single: bool = False

    @property
    def symbol(self) -> str:
        if self.is_single:
            return "diamond-x" if self.has_failed else "diamond"
        return "x" if self.has_failed else "circle"


@dataclass(frozen=True, slots=True)
class _Rows:
    labels: Sequence[str]
    points: tuple[list[_Point], list[_Point]]
    title: str
    notes: Sequence[str] = ()


def figure(sides: Sides, names: tuple[str, str], by: str, height: int | None, title: str | None) -> go.Figure:
    """See `Compared.figure`."""
    import plotly.graph_objects as go

    if by not in KINDS:
        raise ValueError(f'by is one of "task", "agent", not {by!r}')
    rows = _tasks(sides.pairs, names) if by == "task" else _agents(sides.pairs)
    if not any(rows.points):
        says = "No task has a duration yet" if sides.pairs else "No tasks yet"
        return nothing(says, height, title)
    labels = [f"{letter}: {safe(name, 60)}" for letter, name in zip("ab", names, strict=True)]
    made = go.Figure(layout=frame(height, title, len(rows.labels)))
    made.add_trace(_lines(rows.points))
    for place, points in enumerate(rows.points):
        made.add_trace(_markers(points, labels[place], place))
    made.update_layout(showlegend=True, hovermode="closest")
    made.update_xaxes(title_text="Seconds from start to end", rangemode="tozero")
    made.update_yaxes(
        title_text=rows.title, title_standoff=16, range=[len(rows.labels) - 0.5, -0.5], automargin=True
    )
    made.update_yaxes(showgrid=False, zeroline=False, **_row_labels(rows.labels))
    return say(made, rows.notes)


def _tasks(pairs: Sequence[Pair], names: tuple[str, str]) -> _Rows:
    points: tuple[list[_Point], list[_Point]] = ([], [])
    for row, pair in enumerate(pairs):
        for place, task in enumerate((pair.a, pair.b)):
            if task is None or task.duration_s is None:
                continue
            is_single = pair.match != "both"
            what = safe(f"{task.task_id} · {status_word(task.status)} · {task.agent or UNKNOWN}", 120)
            took = duration_text(task.duration_s) + ("" if is_single else _change_text(pair))
            says = (safe(task.goal, 100), f"{what}<br>{safe(pair.why, 120)}", f"took: {took}")
            failed = task.status == Status.FAILED
            points[place].append(_Point(row, task.duration_s, says, failed, is_single))
    labels = [f"{safe(pair.shown.goal, 40)}  {safe(pair.shown.task_id, 24)}" for pair in pairs]
    untimed = sum(_duration(pair.a) is None and _duration(pair.b) is None for pair in pairs)
    notes = [f"{untimed:,} of {count_text(len(pairs), 'row')} without a duration."] if untimed else []
    drawn = [point for each in points for point in each]
    if any(point.has_failed for point in drawn):
        notes.append("✕ failed.")
    if any(point.is_single for point in drawn):
        notes.append("◆ in one run alone.")
    return _Rows(labels, points, "Task, in plan order", notes)


def _agents(pairs: Sequence[Pair]) -> _Rows:
    """Of tasks that both runs have and both know the duration of: each with the agent that it had there."""
    totals: dict[str | None, list[list[float]]] = defaultdict(lambda: [[], []])
    timed = [pair for pair in pairs if _duration(pair.a) is not None and _duration(pair.b) is not None]
    for pair in timed:
        for place, task in enumerate((pair.a, pair.b)):
            if task is not None and task.duration_s is not None:
                totals[task.agent][place].append(task.duration_s)
    most = sorted(totals, key=lambda agent: (-max(map(sum, totals[agent])), agent or ""))
    points: tuple[list[_Point], list[_Point]] = ([], [])
    for row, agent in enumerate(most[:MOST_AGENTS]):
        for place, seconds in enumerate(totals[agent]):
            if seconds:
                took = f"took: {duration_text(sum(seconds))} in all"
                tasks = f"{count_text(len(seconds), 'task')} that both runs have"
                says = (_agent_name(agent), tasks, took)
                points[place].append(_Point(row, sum(seconds), says))
    notes = [f"Of {count_text(len(timed), 'task')} that both runs have with a duration."]
    if len(most) > MOST_AGENTS:
        notes.append(f"{len(most) - MOST_AGENTS:,} more agents with less are left out.")
    return _Rows([_agent_name(agent) for agent in most[:MOST_AGENTS]], points, "Agent", notes)


def _lines(points: tuple[list[_Point], list[_Point]]) -> dict[str, Any]:
    """From a to b, in each row that has both."""
    of_b = {point.row: point.seconds for point in points[1]}
    ends = [(point.row, point.seconds, of_b[point.row]) for point in points[0] if point.row in of_b]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for _, a_s, b_s in ends for x in (a_s, b_s, None)],
        "y": [y for row, _, _ in ends for y in (row, row, None)],
        "line": {"color": EDGE, "width": 1.5},
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _markers(points: Sequence[_Point], name: str, place: int) -> dict[str, Any]:
    """Those of a are hollow, those of b are full."""
    suffix = "" if place else "-open"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [point.seconds for point in points],
        "y": [point.row for point in points],
        "marker": {
            "symbol": [point.symbol + suffix for point in points],
            "size": 9,
            "color": _COLORS[place],
            "line": {"width": 1.5 if not place else 0},
        },
        "customdata": column_of([*point.says, name] for point in points),
        "hovertemplate": _HOVER,
    }


def _row_labels(labels: Sequence[str]) -> dict[str, Any]:
    step = -(-len(labels) // LABELLED_ROWS)
    rows = range(0, len(labels), step)
    return {"tickmode": "array", "tickvals": list(rows), "ticktext": [labels[row] for row in rows]}


def _change_text(pair: Pair) -> str:
    a_s, b_s = _duration(pair.a), _duration(pair.b)
    if a_s is None or b_s is None:
        return ""
    return f" (b {duration_text(abs(b_s - a_s))} {'longer' if b_s > a_s else 'shorter'})"


def _duration(task: Task | None) -> float | None:
    return None if task is None else task.duration_s


def _agent_name(agent: str | None) -> str:
    return safe(agent, 60) if agent else "unknown"
