"""Cells that show the naive widgets, and the widgets' names in the table."""

from __future__ import annotations

from .driver import CLONE

TUNED = "naive, tuned async"
NAIVE = {TUNED: True, "naive, sync": False}
"""Name -> whether it is the tuned one."""


def naive_cell(url: str, *, tuned: bool) -> str:
    return (
        f"import sys; sys.path.insert(0, {str(CLONE)!r})\n"
        f"from benchmarks.naive import NaiveWidget\n"
        f"m = NaiveWidget({url!r}, tuned={tuned})\n"
        "m.show()"
    )
