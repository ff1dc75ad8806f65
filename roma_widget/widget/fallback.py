"""The static picture of a run: what a saved notebook shows where the live view cannot.

One string of HTML without scripts, links, images, svg or style sheets. Front ends clean such HTML in their
own ways (JupyterLab, while a notebook is not trusted, keeps tables, `bdi` and plain colours and drops CSS
variables and data attributes), so it is built to be read as plain tables, too: statuses are words, glyphs
are characters, levels are em spaces. Colours are mixed from the status's hue and the page's own text
colour: dark on a light page, light on a dark one. Every task's text is hostile: one line, cut, escaped,
isolated with `bdi`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, tzinfo
from html import escape
from types import MappingProxyType

from ..core.model import FINAL, OUTCOMES_OF_AN_ENDED_RUN, WORKING, Snapshot, Status, Task
from ..core.text import (
    MONTHS,
    UNKNOWN,
    clock_text,
    count_text,
    date_text,
    duration_text,
    status_glyph,
    status_word,
)
from .static_graph import FILLS, graph_html, isolated

SMALLEST_LIMIT = 12_000
MOST_ROWS = 200
GRAPHS_SHARE = 6
"""A sixth of the room."""
LONGEST_TITLE, LONGEST_REASON = 160, 300
LONGEST_GOAL, LONGEST_ID, LONGEST_WORD = 120, 80, 40
DEEPEST_INDENT = 12
INDENT = "\u2003\u2002"  # em and en space: 18 px, also where padding is dropped

# LOOK's light inks divided by MIX: mixed with black they give those, mixed with white nearly its dark inks.
MIX = 72
_HUES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {  # CSS name, hue
        Status.DONE: ("done", "#2ea068"),
        Status.FAILED: ("fail", "#f9352a"),
        Status.AGGREGATING: ("aggr", "#9541e2"),
        Status.RUNNING: ("run", "#0f92f0"),
        Status.PLAN_DONE: ("plan", "#7280c7"),
        Status.NEEDS_REPLAN: ("repl", "#de3d95"),
        Status.READY: ("ready", "#4c7a95"),
    }
)
_STALLED = ("stall", "#c07a00")
_QUIET = "color:var(--quiet)"  # not `opacity`: it would dim the tint and the rule of the row as well
_BREAKING = ";min-width:11em;overflow-wrap:anywhere"  # else one long word would widen the whole table
_COLUMNS = ("Task", "Id", "Status", "Type", "Agent", "Started", "Duration")
_RULE = "1px solid #8885"
_LEFT = "text-align:left;padding:4px 10px"
_RIGHT = "text-align:right;padding:4px 10px"


def static_html(
    snapshot: Snapshot,
    *,
    key: str,
    now: datetime,
    local_tz: tzinfo | None = None,
    limit_bytes: int = 100_000,
    note: str = "Saved picture of a roma-widget view. Run the cell again for the live view.",
) -> str:
    """The run as it stands: `<div data-static="KEY" class="roma-static">`, at most `limit_bytes` of UTF-8.

    `key` tells a live view which picture to hide. "State as of" is the snapshot's own time, and `now` (aware)
    where the server said none. `local_tz` is the zone of the times shown, by default this machine's. At most
    200 tasks are listed, in plan order: when there are more, the root, failed and running ones and the upper
    levels are chosen. `note` stands under it. Raises ValueError for a limit under 12,000 bytes: the frame alone may
    need that much.

    Example: `display(HTML(static_html(m.snapshot, key="3f2a", now=datetime.now(UTC))), display_id=True)`
    """
    if limit_bytes < SMALLEST_LIMIT:
        raise ValueError(f"limit_bytes is at least {SMALLEST_LIMIT:,}, not {limit_bytes:,}")
    as_of = snapshot.time or now
    # The frame is measured with its longest footer, the rows get what is left.
    frame = _page(snapshot, key, as_of, local_tz, graph="", rows=[], shown=0, note=note)
    room = limit_bytes - len(frame.encode()) - len(_table([]))
    graph = graph_html(snapshot, room // GRAPHS_SHARE)
    room -= len(graph.encode())
    chosen: dict[str, str] = {}
    for task in _most_telling(snapshot):
        row = _row(task, as_of, local_tz)
        room -= len(row.encode())
        if room < 0:
            break
        chosen[task.task_id] = row
    rows = [chosen[task_id] for task_id in snapshot.tasks if task_id in chosen]
    return _page(snapshot, key, as_of, local_tz, graph=graph, rows=rows, shown=len(rows), note=note)


def _most_telling(snapshot: Snapshot) -> list[Task]:
    """The tasks to show, those first that must not be missing when not all fit."""
    tasks = list(snapshot.tasks.values())
    if len(tasks) > 1:
        tasks.sort(key=_rank)  # stable: plan order within a rank
    return tasks[:MOST_ROWS]


def _rank(task: Task) -> tuple[int, int]:
    if task.depth == 0:
        return 0, 0
    if task.status is Status.FAILED:
        return 1, task.depth
    return (2 if task.status in WORKING else 3), task.depth


def _page(
    snapshot: Snapshot,
    key: str,
    as_of: datetime,
    tz: tzinfo | None,
    *,
    graph: str,
    rows: list[str],
    shown: int,
    note: str,
) -> str:
    inks = (
        f"--{name}:color-mix(in srgb,{hue} {MIX}%,currentColor);" for name, hue in (*_HUES.values(), _STALLED)
    )
    style = (
        f"{''.join(inks)}--quiet:color-mix(in srgb,currentColor {MIX}%,transparent);"
        "color:var(--jp-ui-font-color1,inherit);font-family:var(--jp-ui-font-family,system-ui,sans-serif);"
        f"font-size:12px;line-height:16px;font-variant-numeric:tabular-nums;"
        f"border:{_RULE};padding:14px 16px 12px;max-width:1100px;box-sizing:border-box"
    )
    parts = [
        f'<div data-static="{escape(key)}" class="roma-static" style="{style}">',
        f'<div style="font-size:14px;line-height:20px"><strong>{isolated(_title(snapshot), LONGEST_TITLE)}'
        "</strong></div>",
        _outcome_line(snapshot, as_of, tz),
        _progress_bar(snapshot),
        graph,
        _table(rows) if rows else "",
        _footer(len(snapshot.tasks), shown, note),
        "</div>",
    ]
    return "".join(parts)


def _title(snapshot: Snapshot) -> str:
    project = snapshot.project
    root = next(iter(snapshot.tasks.values()), None)
    goal = (project.goal or project.title) if project is not None else None
    return goal or (root.goal if root is not None else "") or "roma-widget"


def _outcome_line(snapshot: Snapshot, as_of: datetime, tz: tzinfo | None) -> str:
    local = _local(as_of, tz)
    glyph, words, ink = _headline(snapshot)
    reason = ""
    if snapshot.reason and snapshot.outcome != "with_failures":  # there the headline and the table say it
        reason = f'<div style="{_ink(ink)}">{isolated(snapshot.reason, LONGEST_REASON)}</div>'
    return (
        '<div style="display:flex;flex-wrap:wrap;column-gap:8px;margin-top:4px">'
        f'<div><span style="{_ink(ink)}"><strong>{glyph} {words}</strong></span>'
        f' &nbsp;<span style="{_QUIET}">{_counts(snapshot, as_of)}</span></div>'
        f'<div style="margin-left:auto;{_QUIET}">state as of {clock_text(local)}, {date_text(local)}</div>'
        f"</div>{reason}"
    )


def _headline(snapshot: Snapshot) -> tuple[str, str, str]:
    """Glyph, words and the name of the ink for how the run stands."""
    failed = sum(task.status is Status.FAILED for task in snapshot.tasks.values())
    match snapshot.outcome:
        case "succeeded":
            return status_glyph(Status.DONE), "Finished", "done"
        case "with_failures":
            words = (
                f"Finished with {count_text(failed, 'failed task')}" if failed else "Finished with failures"
            )
            return status_glyph(Status.FAILED), words, "fail"
        case "failed":
            return status_glyph(Status.FAILED), "Failed", "fail"
        case "stalled":
            return "⧗", "Stalled", "stall"
        case "running":
            return status_glyph(Status.RUNNING), "Running", "run"
        case "unknown":
            return "?", "Outcome unknown" if snapshot.tasks else "Nothing has run yet", ""


def _counts(snapshot: Snapshot, as_of: datetime) -> str:
    if not snapshot.tasks:
        return "no tasks yet"
    statuses = Counter(task.status for task in snapshot.tasks.values())
    said = [f"{count_text(statuses[Status.DONE])} of {count_text(len(snapshot.tasks))} done"]
    if statuses[Status.FAILED] and snapshot.outcome != "with_failures":
        said.append(f"{count_text(statuses[Status.FAILED])} failed")
    if working := sum(statuses[status] for status in WORKING):
        said.append(f"{count_text(working)} running")
    roots = [task for task in snapshot.tasks.values() if task.parent_id is None]
    began = min((task.created for task in roots if task.created), default=None)
    ended = max((task.completed for task in roots if task.completed), default=None)
    if snapshot.outcome in OUTCOMES_OF_AN_ENDED_RUN:
        if began is not None and ended is not None:
            said.append(f"took {duration_text((ended - began).total_seconds())}")
    elif began is not None:
        said.append(f"{duration_text((as_of - began).total_seconds())} since the start")
    return " · ".join(said)


def _progress_bar(snapshot: Snapshot) -> str:
    """A strip 3 px high, a part per status; its numbers stand in the line above."""
    statuses = Counter(task.status for task in snapshot.tasks.values())
    parts = [(color, statuses[status]) for status, color in FILLS.items() if statuses[status]]
    total = len(snapshot.tasks)
    cells = "".join(
        f'<div style="width:{100 * count / total:.2f}%;height:3px;margin-left:{int(place > 0)}px;'
        f'background:{color}"></div>'
        for place, (color, count) in enumerate(parts)
    )
    return f'<div style="display:flex;height:3px;margin:8px 0px 6px;background:#8884">{cells}</div>'


def _table(rows: Iterable[str]) -> str:
    heads = "".join(
        f'<th style="{_RIGHT if name in ("Started", "Duration") else _LEFT};{_QUIET}">{name}</th>'
        for name in _COLUMNS
    )
    style = "border-collapse:collapse;table-layout:auto;width:100%;margin:0px;border:none;color:inherit"
    return (
        f'<div style="overflow-x:auto"><table cellpadding="4" style="{style};font-size:12px">'
        f'<thead><tr style="border-bottom:{_RULE}">{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(task: Task, as_of: datetime, tz: tzinfo | None) -> str:
    ink = _ink(_HUES[task.status][0]) if task.status in _HUES else _QUIET
    level = min(max(task.depth, 0), DEEPEST_INDENT)
    hang_em = 1.5 * level + 1.5
    kind = isolated((task.task_type or "").lower(), LONGEST_WORD) or UNKNOWN
    agent = isolated(task.agent or "", LONGEST_WORD) or UNKNOWN
    background = "#f9352a1a" if task.status is Status.FAILED else "transparent"
    return (
        f'<tr style="background:{background};border-bottom:{_RULE}">'
        f'<td style="{_LEFT};padding-left:{hang_em + 0.8:.1f}em;text-indent:-{hang_em:.1f}em{_BREAKING}">'
        f'{INDENT * level}<b style="{ink}">{status_glyph(task.status)}</b>\u00a0\u00a0'
        f"{isolated(task.goal, LONGEST_GOAL)}</td>"
        f'<td style="{_LEFT};font:11px monospace;{_QUIET}{_BREAKING if len(task.task_id) > 20 else ""}">'
        f"{isolated(task.task_id, LONGEST_ID)}</td>"
        f'<td style="{_LEFT};{ink}">{isolated(status_word(task.status), LONGEST_WORD)}</td>'
        f'<td style="{_LEFT};{_QUIET}">{kind}</td>'
        f'<td style="{_LEFT};{_QUIET}">{agent}</td>'
        f'<td style="{_RIGHT}">{_start_text(task, as_of, tz)}</td>'
        f'<td style="{_RIGHT}">{duration_text(_elapsed_s(task, as_of))}</td></tr>'
    )


def _start_text(task: Task, as_of: datetime, tz: tzinfo | None) -> str:
    if task.started is None:
        return UNKNOWN
    local = _local(task.started, tz)
    if local.date() == _local(as_of, tz).date():
        return clock_text(local)
    return f"{local.day} {MONTHS[local.month - 1][:3]} {clock_text(local)}"


def _elapsed_s(task: Task, as_of: datetime) -> float | None:
    """Seconds the task took, or has taken so far; None where its start or its end is not known."""
    if task.duration_s is not None or task.started is None or task.status in FINAL:
        return task.duration_s
    return max(0.0, (as_of - task.started).total_seconds())


def _footer(total: int, shown: int, note: str) -> str:
    if shown == total:
        count = (
            f"All {count_text(total, 'task')} shown" if total > 1 else f"{count_text(total, 'task')} shown"
        )
    else:
        tasks = count_text(total, "task")
        count = f"{count_text(shown)} of {tasks} shown: failed and running ones, then the upper levels"
    return (
        f'<div style="display:flex;flex-wrap:wrap;column-gap:8px;margin-top:8px;font-size:11px;{_QUIET}">'
        f"<div>{escape(note)}</div>"
        f'<div style="margin-left:auto">{count}</div></div>'
    )


def _ink(name: str) -> str:
    return f"color:var(--{name})" if name else _QUIET


def _local(time: datetime, tz: tzinfo | None) -> datetime:
    """The time on the reader's clock; a year 1 or 9999 beside a zone stays where it is."""
    try:
        return time.astimezone(tz)
    except OverflowError:
        return time
