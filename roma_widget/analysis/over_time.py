"""How many tasks were in which state, over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..core.model import FINAL, Snapshot, Status
from ..core.text import status_glyph
from .drawing import EDGE, FILLS, end_of, frame, last_moment, moment, nothing, say, status_name, without
from .run import Run

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_MOMENTS = 1_000
WAITING, AT_WORK = "waiting", "under way"
# What is counted, from the bottom of the stack: its name, colour, and pattern.
KINDS = (
    (Status.DONE, status_name(Status.DONE), FILLS[Status.DONE], ""),
    (Status.FAILED, status_name(Status.FAILED), FILLS[Status.FAILED], "/"),
    (Status.CANCELLED, status_name(Status.CANCELLED), EDGE, "x"),
    (AT_WORK, f"{status_glyph(Status.RUNNING)} {AT_WORK}", FILLS[Status.RUNNING], ""),
    (WAITING, f"{status_glyph(Status.PENDING)} {WAITING}", FILLS[Status.PENDING], "."),
)


def status(run: Run, height: int | None, title: str | None) -> go.Figure:
    """See `Figures.status`."""
    import plotly.graph_objects as go

    tasks = run.snapshot.tasks
    steps, n_timed = _steps(run.snapshot)
    if not steps:
        return nothing("No task has a time yet" if tasks else "No tasks yet", height, title)
    moments = _some_of(sorted({at for at, _, _ in steps}))
    counted = _counts(steps, moments)
    figure = go.Figure(layout=frame(height, title))
    times = [moment(at) for at in moments]
    for kind, name, color, pattern in KINDS:
        if not any(counted[kind]):
            continue
        figure.add_trace(
            go.Scatter(
                x=times,
                y=counted[kind],
                name=name,
                mode="lines",
                stackgroup="tasks",
                line={"shape": "hv", "width": 0, "color": color},
                fillcolor=color,
                fillpattern={"shape": pattern, "fgcolor": "#ffffff", "bgcolor": color, "size": 6}
                if pattern
                else {},
                hovertemplate="%{y} of them " + name + "<extra></extra>",
            )
        )
    figure.update_layout(hovermode="x unified", showlegend=True)
    figure.update_xaxes(type="date", hoverformat="%H:%M:%S", title_text="Time of day (UTC)")
    figure.update_yaxes(title_text="Tasks", rangemode="tozero")
    return say(figure, without(len(tasks) - n_timed, len(tasks), "a time"))


_Step = tuple[datetime, str, int]


def _steps(snapshot: Snapshot) -> tuple[list[_Step], int]:
    """(when, kind, +1 or -1) of each change of a count; and how many tasks can be counted."""
    steps: list[_Step] = []
    n_timed = 0
    now = last_moment(snapshot)
    for task in snapshot.tasks.values():
        ended = end_of(task)
        begun = task.started
        created = task.created or begun or ended
        if created is None or (ended is None and task.status in FINAL):
            continue
        n_timed += 1
        times = [(created, WAITING)]
        if begun is not None:
            times.append((begun, AT_WORK))
        if ended is not None and task.status in FINAL:
            times.append((ended, str(task.status)))
        at, kind = times[0]
        steps.append((at, kind, 1))
        for later, next_kind in times[1:]:
            at = max(at, later)
            steps += [(at, kind, -1), (at, next_kind, 1)]
            kind = next_kind
    if steps and now is not None:
        steps.append((max(now, *(at for at, _, _ in steps)), WAITING, 0))  # until when this is known
    return steps, n_timed


def _some_of(moments: Sequence[datetime]) -> Sequence[datetime]:
    """All of them, or evenly many, first and last included."""
    if len(moments) <= MOST_MOMENTS:
        return moments
    return [moments[place * (len(moments) - 1) // (MOST_MOMENTS - 1)] for place in range(MOST_MOMENTS)]


def _counts(steps: Iterable[_Step], moments: Sequence[datetime]) -> dict[str, list[int]]:
    """How many tasks there are of each kind at each moment."""
    now: Counter[str] = Counter()
    counted: dict[str, list[int]] = {kind: [] for kind, *_ in KINDS}
    coming = iter(sorted(steps, key=lambda step: step[0]))
    step = next(coming, None)
    for at in moments:
        while step is not None and step[0] <= at:
            now[step[1]] += step[2]
            step = next(coming, None)
        for kind, counts in counted.items():
            counts.append(now[kind])
    return counted
