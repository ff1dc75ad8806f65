"""The timeline: a bar per task over the time of day, and, where traces were fetched, its stages and waits below it.

A figure has a trace per status and per stage name, never one per task.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..core.hitl import HitlRequest
from ..core.model import FINAL, StageStatus, Status, Task, Trace
from ..core.text import UNKNOWN, count_text, duration_text, status_glyph
from .drawing import (
    EDGE,
    FILLS,
    GREYS,
    HOLLOW,
    HOVER,
    PATTERNS,
    UNKNOWN_STATUS,
    column_of,
    end_of,
    frame,
    hover,
    last_moment,
    moment,
    nothing,
    safe,
    say,
    status_key,
    status_marker,
    status_name,
)
from .run import Run

if TYPE_CHECKING:
    import plotly.graph_objects as go

TIME_TITLE = "Time of day (UTC); light: created, not yet started"
LABELLED_TASKS = 60  # above that a goal per row is an illegible smear: every k-th row gets its id
BAR_SHARE = 0.7  # of a row
LIGHT = 0.35
UPPER, LOWER = (-0.35, 0.42), (0.12, 0.23)  # offset and width in a row that has stages, too
MOST_STAGES = 6_000
MOST_STAGE_NAMES = 6
LEAST_WAIT_S = 0.05
WRAPS_ALL = "node_dispatch"  # ROMA's stage around all others
WAITS = "waits"
ASKS = "waits for a person"
ASKED_FILL = "#b26a00"


def timeline(run: Run, height: int | None, title: str | None, asked: Sequence[HitlRequest] = ()) -> go.Figure:
    """See `Figures.timeline`."""
    import plotly.graph_objects as go

    snapshot = run.snapshot
    tasks = list(snapshot.tasks.values())
    until = last_moment(snapshot)
    bars = [bar for row, task in enumerate(tasks) for bar in _bars(row, task, until)]
    if not bars:
        return nothing("No task has a time yet" if tasks else "No tasks yet", height, title)
    strips, too_many = _strips(run, until)
    if questions := list(_questions(run, asked, until)):
        strips[ASKS] = questions
    figure = go.Figure(layout=frame(height, title, len(tasks)) | _axes(len(tasks)))
    with_glyphs = len(tasks) <= LABELLED_TASKS
    place = {"width": BAR_SHARE} if not strips else {"offset": UPPER[0], "width": UPPER[1]}
    if light := [bar for bar in bars if bar.light]:
        figure.add_trace(go.Bar(_light_trace(light, with_glyphs) | place))
    for status in (*FILLS, UNKNOWN_STATUS):
        if of_status := [bar for bar in bars if not bar.light and status_key(bar.task) == status]:
            figure.add_trace(go.Bar(_status_trace(status, of_status, with_glyphs) | place))
    for rank, (name, of_name) in enumerate(strips.items()):
        figure.add_trace(go.Bar(_stage_trace(name, rank, of_name)))
    figure.update_yaxes(**_row_labels(tasks))
    return say(figure, [f"{count_text(too_many, 'stage')}: too many to be drawn."] if too_many else [])


@dataclass(frozen=True, slots=True)
class _Bar:
    row: int
    task: Task
    start: datetime
    end: datetime
    light: bool
    last: bool  # the end of this bar is the end of the task's row: here stands its glyph


def _bars(row: int, task: Task, last_moment: datetime | None) -> list[_Bar]:
    end = end_of(task) or (None if task.status in FINAL else last_moment)
    begin = task.created or task.started
    if begin is None:
        return []
    end = max(begin, end or begin)
    if task.started is None:
        return [_Bar(row, task, begin, end, light=True, last=True)]
    start = min(task.started, end)
    solid = _Bar(row, task, start, end, light=False, last=True)
    return [_Bar(row, task, begin, start, light=True, last=False), solid] if begin < start else [solid]


def _light_trace(bars: Sequence[_Bar], with_glyphs: bool) -> dict[str, Any]:
    fills = [FILLS.get(status_key(bar.task), HOLLOW) for bar in bars]
    colors = [EDGE if fill == HOLLOW else fill for fill in fills]
    return _trace(bars, with_glyphs) | {
        "name": "created, not started",
        "showlegend": False,  # one colour cannot stand for this trace: the axis title says what light means
        "marker": {"color": colors, "opacity": LIGHT, "line": {"width": 0}},
    }


def _status_trace(status: str, bars: Sequence[_Bar], with_glyphs: bool) -> dict[str, Any]:
    return _trace(bars, with_glyphs) | {"name": status_name(status), "marker": status_marker(status)}


def _trace(bars: Sequence[_Bar], with_glyphs: bool) -> dict[str, Any]:
    return {
        "orientation": "h",
        "y": [bar.row for bar in bars],
        "base": [moment(bar.start) for bar in bars],
        "x": [(bar.end - bar.start).total_seconds() * 1000 for bar in bars],
        "text": [_glyph(bar, with_glyphs) for bar in bars],
        "textposition": "outside",
        "textangle": 0,
        "cliponaxis": False,
        "constraintext": "none",
        "customdata": column_of(hover(bar.task) for bar in bars),
        "hovertemplate": f"{HOVER}<extra></extra>",
    }


def _glyph(bar: _Bar, with_glyphs: bool) -> str:
    shown = bar.last and (with_glyphs or bar.task.status is Status.FAILED)
    return status_glyph(bar.task.status) if shown else ""


@dataclass(frozen=True, slots=True)
class _Strip:
    """A stage of a task, or a wait between two: the time in which none of its stages ran."""

    row: int
    task: Task
    start: datetime
    end: datetime
    says: str
    status: str


def _strips(run: Run, until: datetime | None) -> tuple[dict[str, list[_Strip]], int]:
    """By stage name, the most frequent first, rare ones together, waits last; and how many were too many."""
    traces = run.traces_shown()
    n_stages = sum(len(trace.stages) for trace in traces.values())
    if n_stages > MOST_STAGES:
        return {}, n_stages
    by_name: dict[str, list[_Strip]] = {}
    waits: list[_Strip] = []
    for row, (task_id, task) in enumerate(run.snapshot.tasks.items()):
        if task_id in traces:
            found = list(_stages(row, task, traces[task_id], run, until))
            waits += _waits(row, task, [strip for _, strip in found])
            for name, strip in found:
                by_name.setdefault(f"stage: {safe(name, 40) or UNKNOWN}", []).append(strip)
    names = sorted(by_name, key=lambda name: len(by_name[name]), reverse=True)
    strips = {name: by_name[name] for name in names[:MOST_STAGE_NAMES]}
    if rare := [strip for name in names[MOST_STAGE_NAMES:] for strip in by_name[name]]:
        strips["other stages"] = rare
    if waits:
        strips[WAITS] = waits
    return strips, 0


def _stages(
    row: int, task: Task, trace: Trace, run: Run, until: datetime | None
) -> Iterator[tuple[str, _Strip]]:
    tried_again: dict[str, datetime] = {}
    for stage in reversed(trace.stages):
        start = run.utc(stage.started)
        if start is None or stage.stage == WRAPS_ALL:
            continue
        # One that was tried again stays "running" for ever on ROMA: it ended when the next one of its name began.
        end = run.utc(stage.completed) or tried_again.get(stage.stage) or end_of(task) or until or start
        tried_again[stage.stage] = start
        attempt = f", attempt {stage.attempt}" if stage.attempt > 1 else ""
        yield (
            stage.stage,
            _Strip(row, task, start, max(start, end), safe(stage.stage, 40) + attempt, str(stage.status)),
        )


def _waits(row: int, task: Task, strips: Sequence[_Strip]) -> Iterator[_Strip]:
    busy_until: datetime | None = None
    for strip in sorted(strips, key=lambda strip: strip.start):
        if busy_until is not None and (strip.start - busy_until).total_seconds() >= LEAST_WAIT_S:
            yield _Strip(row, task, busy_until, strip.start, "waits: none of its stages runs", "")
        busy_until = strip.end if busy_until is None else max(busy_until, strip.end)


def _questions(run: Run, asked: Sequence[HitlRequest], until: datetime | None) -> Iterator[_Strip]:
    """From when a person was asked until the answer, or until nobody waited for it any more."""
    rows = {task_id: row for row, task_id in enumerate(run.snapshot.tasks)}
    for request in asked[:MOST_STAGES]:
        if request.task_id not in rows:
            continue
        start = request.asked or datetime.fromtimestamp(request.heard_s, UTC)
        ended_s = request.answer.at_s if request.answer is not None else request.settled_s
        end = datetime.fromtimestamp(ended_s, UTC) if ended_s is not None else until or start
        checkpoint = safe(request.checkpoint or "a question", 40)
        answered = f": {request.answer.action}" if request.answer is not None else ""
        task = run.snapshot.tasks[request.task_id]
        yield _Strip(
            rows[request.task_id], task, start, max(start, end), f"{checkpoint}{answered}", str(request.state)
        )


def _stage_trace(name: str, rank: int, strips: Sequence[_Strip]) -> dict[str, Any]:
    if name == WAITS:
        marker = {"color": HOLLOW, "line": {"width": 1, "color": EDGE}}
    elif name == ASKS:
        pattern = {"shape": "x", "size": 6, "solidity": 0.3, "fgcolor": "#ffffff", "fillmode": "overlay"}
        marker = {"color": ASKED_FILL, "line": {"width": 1, "color": EDGE}, "pattern": pattern}
    else:
        rank = rank % len(PATTERNS)
        pattern = {
            "shape": PATTERNS[rank],
            "size": 5,
            "solidity": 0.4,
            "fgcolor": "#333333",
            "fillmode": "overlay",
        }
        marker = {"color": GREYS[rank], "line": {"width": 0}, "pattern": pattern}
    return {
        "name": name,
        "marker": marker,
        "orientation": "h",
        "offset": LOWER[0],
        "width": LOWER[1],
        "y": [strip.row for strip in strips],
        "base": [moment(strip.start) for strip in strips],
        "x": [(strip.end - strip.start).total_seconds() * 1000 for strip in strips],
        "text": ["✕" if strip.status == StageStatus.FAILED else "" for strip in strips],
        "textposition": "inside",
        "textangle": 0,
        "constraintext": "none",
        "customdata": column_of(
            (
                strip.says,
                safe(strip.task.task_id, 80),
                safe(strip.status, 40) or UNKNOWN,
                duration_text((strip.end - strip.start).total_seconds()),
            )
            for strip in strips
        ),
        "hovertemplate": (
            "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>status: %{customdata[2]}"
            "<br>took: %{customdata[3]}<extra></extra>"
        ),
    }


def _axes(n: int) -> dict[str, Any]:
    return {
        "barmode": "overlay",
        "showlegend": True,  # also when all tasks are of one status: the legend is where its name stands
        "xaxis": {"type": "date", "hoverformat": "%H:%M:%S", "title": {"text": TIME_TITLE}},
        "yaxis": {
            "title": {"text": "Task, in plan order", "standoff": 16},
            "range": [n - 0.5, -0.5],
            "automargin": True,
            "showgrid": False,
            "zeroline": False,
        },
    }


def _row_labels(tasks: Sequence[Task]) -> dict[str, Any]:
    step = -(-len(tasks) // LABELLED_TASKS)
    rows = range(0, len(tasks), step)
    if step == 1:
        texts = [f"{safe(tasks[row].goal, 40)}  {safe(tasks[row].task_id, 24)}" for row in rows]
    else:
        texts = [safe(tasks[row].task_id, 32) for row in rows]
    return {"tickmode": "array", "tickvals": list(rows), "ticktext": texts}
