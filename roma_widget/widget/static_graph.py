"""The graph of the static picture: each task below the one that planned it, as wide as what it planned.

A table, because that is what every front end leaves of HTML without scripts (see `fallback`).
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType

from ..core.model import Snapshot, Status, Task
from ..core.text import one_line, status_glyph

MOST_COLUMNS, MOST_LEVELS = 48, 8
LONGEST_NAME, LONGEST_NEEDS = 12, 16
_CHARACTERS = 150
"""That stand side by side in all columns together, about."""
_TINT = "33"
Below = Mapping[str | None, list[str]]
"""The tasks that each one planned, in plan order; of None, those at the top."""
FILLS: Mapping[str, str] = MappingProxyType(
    {  # of the progress bar, in its order; readable on both pages
        Status.DONE: "#3a9468",
        Status.FAILED: "#d63b30",
        Status.AGGREGATING: "#8a4fc4",
        Status.RUNNING: "#1c8ee0",
        Status.PLAN_DONE: "#828bbd",
        Status.NEEDS_REPLAN: "#c4458f",
        Status.READY: "#5c849b",
    }
)
CAPTION = "Each task stands below the one that planned it; ← names what it needs first."


def graph_html(snapshot: Snapshot, room: int) -> str:
    """The graph in at most `room` bytes, of the upper levels where all are too many; "" where that is no graph."""
    below: dict[str | None, list[str]] = {}
    for task_id, task in snapshot.tasks.items():
        below.setdefault(task.parent_id if task.parent_id in snapshot.tasks else None, []).append(task_id)
    levels = _levels(below)
    while len(levels) > 1:
        html = _table(snapshot.tasks, below, levels)
        if len(html.encode()) <= room:
            return html
        levels.pop()
    return ""


def isolated(text: str, limit: int) -> str:
    """A stranger's text, cut and escaped; isolated where it could turn the direction of its surroundings."""
    line = escape(one_line(text, limit))
    return line if line.isascii() else f"<bdi>{line}</bdi>"


def _levels(below: Below) -> list[list[str]]:
    """The ids of each level, as many as fit side by side. Columns are what has nothing below it."""
    levels: list[list[str]] = []
    level = below.get(None, [])
    n_columns = len(level)
    while level and n_columns <= MOST_COLUMNS and len(levels) < MOST_LEVELS:
        levels.append(level)
        planned = [below[task_id] for task_id in level if task_id in below]
        n_columns += sum(len(ids) - 1 for ids in planned)
        level = [task_id for ids in planned for task_id in ids]
    return levels


def _table(tasks: Mapping[str, Task], below: Below, levels: list[list[str]]) -> str:
    widths: dict[str, int] = {}
    for task_id in (task_id for level in reversed(levels) for task_id in level):
        widths[task_id] = sum(widths.get(child, 0) for child in below.get(task_id, ())) or 1
    n_columns = sum(widths[task_id] for task_id in levels[0])
    rows = []
    for depth, level in enumerate(levels):
        cells = []
        for task_id in level:
            height = 1 if task_id in below else len(levels) - depth
            cells.append(_cell(tasks, tasks[task_id], widths[task_id], height, n_columns))
        rows.append(f"<tr>{''.join(cells)}</tr>")
    is_cut = any(task_id in below for task_id in levels[-1])
    caption = f"{CAPTION} The upper {len(levels)} levels." if is_cut else CAPTION
    style = "border-collapse:collapse;table-layout:fixed;width:100%;margin:6px 0px 2px;font-size:10px;line-height:13px"
    return (
        f'<table class="roma-graph" style="{style};color:inherit"><tbody>{"".join(rows)}</tbody></table>'
        f'<div style="font-size:10px;margin-bottom:6px;color:var(--quiet)">{caption}</div>'
    )


def _cell(tasks: Mapping[str, Task], task: Task, width: int, height: int, n_columns: int) -> str:
    span = (f' colspan="{width}"' if width > 1 else "") + (f' rowspan="{height}"' if height > 1 else "")
    fill = f"{FILLS[task.status]}{_TINT}" if task.status in FILLS else "transparent"
    words = f"{status_glyph(task.status)} {isolated(_short(task.task_id, task), LONGEST_NAME)}"
    needs = " ".join(_short(needed, task) for needed in task.depends_on if needed in tasks)
    if needs:
        words += f" ←{isolated(needs, LONGEST_NEEDS)}"
    left = _CHARACTERS * width // n_columns - len(task.task_id) - 12
    if left > 20:
        words += f" {isolated(task.goal, left)}"
    style = f"background:{fill};border:1px solid #8885;padding:1px 3px;text-align:left;vertical-align:top"
    return f'<td{span} style="{style};overflow:hidden">{words}</td>'


def _short(task_id: str, task: Task) -> str:
    """What of an id is not its parent's, of a task or of what that needs."""
    return task_id.removeprefix(f"{task.parent_id}.")
