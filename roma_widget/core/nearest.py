"""What somebody may have meant who named something that is not there."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import takewhile

LONGEST_COMPARED = 200
MOST_COMPARED = 300
"""Comparing two names well takes up to 80 µs, and a run has 10,000 tasks."""


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that is most like `name`; None where none is much like it.

    Compared are those with the longest beginning and end in common. Example: `nearest("root.1.", ["root.1"])`
    """
    wanted = name[:LONGEST_COMPARED]

    def in_common(other: str) -> int:
        return _same(wanted, other) + _same(wanted[::-1], other[::-1])

    short = (other for other in names if len(other) <= LONGEST_COMPARED)
    candidates = heapq.nlargest(MOST_COMPARED, short, key=in_common)
    return next(iter(get_close_matches(wanted, candidates, n=1)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """ " Did you mean '…'?", or nothing."""
    found = nearest(name, names)
    return "" if found is None else f" Did you mean {found!r}?"


def _same(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
