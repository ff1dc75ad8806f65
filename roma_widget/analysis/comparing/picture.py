"""The static table of a comparison: what a notebook shows of it, and keeps. HTML without scripts.

A stranger's text is one line, cut, escaped, isolated. Nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from ...core.model import Status, Task
from ...core.text import count_text, duration_text, one_line, status_glyph, status_word
from .alignment import Pair
from .differences import Sides

MOST_ROWS = 200
LONGEST_GOAL, LONGEST_WORD = 120, 60
DEEPEST_INDENT = 12
_INDENT = "\u2003"
_QUIET = "color:color-mix(in srgb,currentColor 72%,transparent)"
_RULE = "1px solid #8885"
_LEFT, _RIGHT = "text-align:left;padding:4px 10px", "text-align:right;padding:4px 10px"
_COLUMNS = ("", "Task", "Id", "Status", "Duration", "Changed", "Why")
_SIGNS = {"both": "=", "a": "−", "b": "+"}
_SAYS = {"both": "in both runs", "a": "only in a", "b": "only in b"}
_GROUNDS = {"both": "transparent", "a": "#f9352a1a", "b": "#2ea0681a"}


def picture(sides: Sides, names: tuple[str, str], sentence: str) -> str:
    """The names, the sentence and a row per pair: at most 200, first those that differ, in plan order."""
    changed = [sides.changed(place) for place in range(len(sides.pairs))]
    shown = _most_telling(sides.pairs, changed)
    rows = "".join(_row(sides.pairs[place], changed[place]) for place in shown)
    heads = "".join(
        f'<th style="{_RIGHT if name == "Duration" else _LEFT};{_QUIET}">{name}</th>' for name in _COLUMNS
    )
    style = "border-collapse:collapse;table-layout:auto;width:100%;margin:0px;border:none;color:inherit;font-size:12px"
    table = (
        f'<div style="overflow-x:auto"><table cellpadding="4" style="{style}"><thead><tr style="border-bottom:{_RULE}">'
        f"{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return (
        f'<div style="font-size:12px;line-height:16px;border:{_RULE};padding:14px 16px 12px;max-width:1100px;'
        f'box-sizing:border-box"><div style="font-size:14px;line-height:20px"><strong>a: {_isolated(names[0], 80)}'
        f"</strong> and <strong>b: {_isolated(names[1], 80)}</strong></div>"
        f'<div style="margin:4px 0px 8px">{escape(sentence)}</div>{table if rows else ""}'
        f'<div style="margin-top:8px;font-size:11px;{_QUIET}">{_footer(len(sides.pairs), len(shown))}</div></div>'
    )


def _most_telling(pairs: Sequence[Pair], changed: Sequence[list[str]]) -> list[int]:
    def rank(place: int) -> tuple[int, int]:
        pair = pairs[place]
        if pair.depth == 0:
            return 0, 0
        if "status" in changed[place]:
            return 1, pair.depth
        if pair.match != "both":
            return 2, pair.depth
        return (3 if changed[place] else 4), pair.depth

    return sorted(sorted(range(len(pairs)), key=rank)[:MOST_ROWS])


def _footer(total: int, shown: int) -> str:
    if shown == total:
        return f"All {count_text(total, 'row')} shown." if total > 1 else f"{count_text(total, 'row')} shown."
    return (
        f"{count_text(shown)} of {count_text(total, 'row')} shown: other statuses, tasks of one run, other changes, "
        "then the upper levels. c.tasks has all."
    )


def _row(pair: Pair, changed: list[str]) -> str:
    level = min(pair.depth, DEEPEST_INDENT)
    cells = [
        (_LEFT, f'<b title="{_SAYS[pair.match]}">{_SIGNS[pair.match]}</b>'),
        (
            f"{_LEFT};padding-left:{level + 0.8:.1f}em;text-indent:-{level}em;overflow-wrap:anywhere",
            _INDENT * level + _isolated(pair.shown.goal, LONGEST_GOAL),
        ),
        (f"{_LEFT};font:11px monospace;{_QUIET}", _both(pair, _id)),
        (f"{_LEFT};white-space:nowrap", _both(pair, _status)),
        (f"{_RIGHT};white-space:nowrap", _both(pair, _took)),
        (_LEFT, ", ".join(changed)),
        (f"{_LEFT};{_QUIET}", escape(pair.why)),
    ]
    return (
        f'<tr style="background:{_GROUNDS[pair.match]};border-bottom:{_RULE}">'
        + "".join(f'<td style="{style}">{html}</td>' for style, html in cells)
        + "</tr>"
    )


def _both(pair: Pair, read: Callable[[Task], str]) -> str:
    """What the task has in a and in b; once where that is the same."""
    said = dict.fromkeys(read(task) for task in (pair.a, pair.b) if task is not None)
    return " → ".join(said)


def _id(task: Task) -> str:
    return _isolated(task.task_id, LONGEST_WORD)


def _status(task: Task) -> str:
    glyph, word = status_glyph(task.status), _isolated(status_word(task.status), LONGEST_WORD)
    text = f"{glyph}\u00a0{word}"
    return f"<b>{text}</b>" if task.status == Status.FAILED else text


def _took(task: Task) -> str:
    return duration_text(task.duration_s)


def _isolated(text: str, limit: int) -> str:
    line = escape(one_line(text, limit))
    return line if line.isascii() else f"<bdi>{line}</bdi>"
