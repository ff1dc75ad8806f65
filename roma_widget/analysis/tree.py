"""The tree of tasks as an icicle, by time or by tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from ..core.model import Status, Task
from ..core.text import UNKNOWN, count_text, duration_text, status_glyph
from .by_group import no_tokens
from .drawing import EDGE, FILLS, HOVER, column_of, frame, hover, nothing, safe, say, status_key, without
from .run import NOT_FETCHED, Run

if TYPE_CHECKING:
    import plotly.graph_objects as go

SIZES = ("duration", "tokens")


def tree(run: Run, size: str, height: int | None, title: str | None) -> go.Figure:
    """See `Figures.tree`."""
    import plotly.graph_objects as go

    if size not in SIZES:
        raise ValueError(f'size is one of "duration", "tokens", not {size!r}')
    tasks = run.snapshot.tasks
    own = _own_tokens(run) if size == "tokens" else _own_seconds(tasks)
    n_known = sum(value is not None for value in own.values())
    if not any(own.values()):
        says = no_tokens(run) if size == "tokens" else "No task has a duration yet"
        return nothing(says if tasks else "No tasks yet", height, title)
    # Ids are whatever a server says, and plotly gives the empty one a meaning.
    numbers = {task_id: f"t{number}" for number, task_id in enumerate(tasks)}
    figure = go.Figure(
        go.Icicle(
            ids=list(numbers.values()),
            parents=[numbers.get(task.parent_id or "", "") for task in tasks.values()],
            labels=[f"{status_glyph(task.status)} {safe(task.goal, 60)}" for task in tasks.values()],
            values=[own[task_id] or 0 for task_id in tasks],
            branchvalues="remainder",
            text=[_size_text(own[task_id], size) for task_id in tasks],
            textinfo="label+text",
            textfont={"color": "#ffffff"},
            leaf={"opacity": 1},  # leaves would fade otherwise
            marker={
                "colors": [_color(task) for task in tasks.values()],
                "pattern": {
                    "shape": ["/" if task.status == Status.FAILED else "" for task in tasks.values()],
                    "fgcolor": "#ffffff",
                    "fillmode": "overlay",
                    "size": 8,
                    "solidity": 0.15,
                },
                "line": {"width": 1, "color": "#ffffff"},
            },
            customdata=column_of([*hover(task), _size_text(own[task_id], size)] for task_id, task in tasks.items()),
            hovertemplate=HOVER + "<br>by itself: %{customdata[6]}<br>%{percentRoot} of the run<extra></extra>",
            tiling={"orientation": "v"},
            sort=False,
        ),
        layout=frame(height, title, 20),
    )  # fmt: skip
    noun = "known tokens" if size == "tokens" else "a known duration"
    return say(figure, without(len(tasks) - n_known, len(tasks), noun))


def _color(task: Task) -> str:
    return EDGE if task.status == Status.CANCELLED else FILLS.get(status_key(task), EDGE)


def _own_tokens(run: Run) -> dict[str, int | None]:
    totals = run.totals_of()
    return {task_id: totals.get(task_id, NOT_FETCHED).tokens for task_id in run.snapshot.tasks}


def _own_seconds(tasks: Mapping[str, Task]) -> dict[str, float | None]:
    """A task's duration without the time in which a sub-task of it ran."""
    return {task_id: _own_s(task, tasks) for task_id, task in tasks.items()}


def _own_s(task: Task, tasks: Mapping[str, Task]) -> float | None:
    if task.started is None or task.completed is None:
        return None
    free_from, own_s = task.started, 0.0
    for start, end in sorted(_spans(task, tasks)):
        own_s += max(0.0, (min(start, task.completed) - free_from).total_seconds())
        free_from = max(free_from, min(end, task.completed))
    return own_s + max(0.0, (task.completed - free_from).total_seconds())


def _spans(task: Task, tasks: Mapping[str, Task]) -> list[tuple[datetime, datetime]]:
    children = (tasks[child_id] for child_id in task.child_ids if child_id in tasks)
    return [(each.started, each.completed) for each in children if each.started and each.completed]


def _size_text(value: float | None, size: str) -> str:
    if value is None:
        return UNKNOWN
    return count_text(int(value), "token") if size == "tokens" else duration_text(value)
