"""Durations and tokens of the tasks of each agent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ..core.model import Task
from ..core.text import count_text
from .drawing import EDGE, HOVER, column_of, frame, hover, nothing, safe, say, without
from .run import Run, Totals

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_GROUPS = 30
GROUPS: Mapping[str, Callable[[Task], str | None]] = MappingProxyType(
    {"agent": lambda task: task.agent, "task_type": lambda task: task.task_type}
)


def durations(run: Run, by: str, height: int | None, title: str | None) -> go.Figure:
    """See `Figures.durations`."""
    import plotly.graph_objects as go

    if by not in GROUPS:
        raise ValueError(f'by is one of "agent", "task_type", not {by!r}')
    tasks = list(run.snapshot.tasks.values())
    timed = [(task, s) for task in tasks if (s := task.duration_s) is not None]
    if not timed:
        return nothing("No task has a duration yet" if tasks else "No tasks yet", height, title)
    total_s: dict[str | None, float] = defaultdict(float)
    for task, seconds in timed:
        total_s[GROUPS[by](task)] += seconds
    shown = sorted(total_s, key=total_s.__getitem__, reverse=True)[:MOST_GROUPS]
    names = {group: _group_name(group) for group in shown}
    points = [(task, s) for task, s in timed if GROUPS[by](task) in names]
    figure = go.Figure(
        go.Box(
            orientation="h",
            x=[s for _, s in points],
            y=[names[GROUPS[by](task)] for task, _ in points],
            boxpoints="all",
            jitter=0.5,
            pointpos=0,
            marker={"size": 5, "color": EDGE, "opacity": 0.7},
            line={"width": 1},
            hoveron="points",
            customdata=column_of(hover(task) for task, _ in points),
            hovertemplate=f"{HOVER}<extra></extra>",
            showlegend=False,
        ),
        layout=frame(height, title, 2 * len(shown)),
    )
    figure.update_xaxes(title_text="Seconds from start to end", rangemode="tozero")
    order = list(dict.fromkeys(names[group] for group in reversed(shown)))
    figure.update_yaxes(categoryorder="array", categoryarray=order, automargin=True)
    return say(figure, [*without(len(tasks) - len(timed), len(tasks), "a duration"), *_left_out(total_s)])


def tokens(run: Run, height: int | None, title: str | None) -> go.Figure:
    """See `Figures.tokens`."""
    import plotly.graph_objects as go

    tasks = run.snapshot.tasks
    totals = run.totals_of()
    counted: dict[str | None, list[Totals]] = {}
    for task_id, each in totals.items():
        if each.tokens is not None or each.cost_usd is not None:
            counted.setdefault(tasks[task_id].agent, []).append(each)
    if not counted:
        return nothing(no_tokens(run) if tasks else "No tasks yet", height, title)
    weights = {agent: sum(each.tokens or 0 for each in said) for agent, said in counted.items()}
    agents = sorted(counted, key=weights.__getitem__, reverse=True)[:MOST_GROUPS][::-1]
    figure = go.Figure(layout=frame(height, title, 2 * len(agents)))
    kinds: tuple[tuple[str, str, str, Callable[[Totals], int | None]], ...] = (
        ("prompt", "#4c78a8", "", lambda each: each.prompt_tokens),
        ("completion", "#f58518", "/", lambda each: each.completion_tokens),
    )
    for name, color, pattern, value in kinds:
        figure.add_trace(
            go.Bar(
                name=name,
                orientation="h",
                y=list(range(len(agents))),
                x=[sum(value(each) or 0 for each in counted[agent]) for agent in agents],
                marker={"color": color, "pattern": {"shape": pattern, "fgcolor": "#ffffff", "size": 6}},
                customdata=column_of(
                    (_group_name(agent), count_text(len(counted[agent]), "task"), _cost_text(counted[agent]))
                    for agent in agents
                ),
                hovertemplate=(
                    "<b>%{customdata[0]}</b><br>%{customdata[1]}<br>%{x:,} " + name + " tokens"
                    "<br>cost of both: %{customdata[2]}<extra></extra>"
                ),
            )
        )
    labels = [f"{_group_name(agent)}  {_cost_text(counted[agent])}" for agent in agents]
    figure.update_layout(barmode="stack", showlegend=True)
    figure.update_xaxes(title_text="Tokens", rangemode="tozero")
    figure.update_yaxes(tickmode="array", tickvals=list(range(len(agents))), ticktext=labels, automargin=True)
    n_known = sum(map(len, counted.values()))
    return say(figure, [*without(len(tasks) - n_known, len(tasks), "known tokens"), *_left_out(counted)])


def no_tokens(run: Run) -> str:
    """Why no tokens are known."""
    missing, n = run.missing_traces, len(run.snapshot.tasks)
    if missing == n:
        return "No trace has been fetched yet: m.fetch_traces()"
    return f"The server says nothing of tokens in the {count_text(n - missing, 'trace')} that were fetched"


def _cost_text(said: Iterable[Totals]) -> str:
    costs = [each.cost_usd for each in said if each.cost_usd is not None]
    return f"US&#36; {sum(costs):,.4g}" if costs else "cost unknown"


def _group_name(group: str | None) -> str:
    return safe(group, 60) if group else "unknown"


def _left_out(groups: Mapping[Any, object]) -> list[str]:
    more = len(groups) - MOST_GROUPS
    return [f"{more:,} more with less are left out."] if more > 0 else []
