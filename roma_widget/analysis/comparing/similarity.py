"""How much two goals are alike: the share of words that they have in common.

It is difflib's `quick_ratio`, of words and not of characters: the same whichever goal comes first, and quick enough to
compare every task of a wide plan with every other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING
from unicodedata import normalize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST_COMPARED = 1_000
"""Characters of a goal that are looked at."""
COMPARED_FOR_EACH = 500
"""When every task of a group cannot be compared with every other: with how many of those near it, about."""

# Chinese and Japanese put no blanks between words: each character counts as one.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W_{_UNSPACED}]+")

Words = tuple[tuple[str, int], ...]


def words_of(goal: str) -> Words:
    """The words of a goal in small letters, each with how often it came before; the text itself where there is none.

    Example: `words_of("To be, to do") == (("to", 0), ("be", 0), ("to", 1), ("do", 0))`
    """
    text = normalize("NFC", goal[:LONGEST_COMPARED]).casefold()  # an accent of its own is no part of a word
    came: Counter[str] = Counter()
    found = []
    for word in _WORD.findall(text) or [text.strip()]:
        found.append((word, came[word]))
        came[word] += 1
    return tuple(found)


def similarity(a: Words, b: Words) -> float:
    """From 0.0 (no word in common) to 1.0 (the same words)."""
    return 2 * len(set(a) & set(b)) / (len(a) + len(b))


def alike(a: Sequence[Words], b: Sequence[Words], threshold: float) -> list[tuple[int, int, float]]:
    """The places of those in `a` and `b` that are alike by the threshold or more, with how much, the best first.

    Equally good ones: nearer places first, then earlier ones. Groups of more than about a million pairs are compared
    only near to where they stand: the work grows with the number of tasks, not with its square.
    """
    import numpy as np

    if not a or not b:
        return []
    holders: dict[tuple[str, int], list[int]] = defaultdict(list)
    for place, words in enumerate(b):
        for word in words:
            holders[word].append(place)
    places_of = {word: np.array(places, np.int64) for word, places in holders.items()}
    lengths = np.array([len(words) for words in b], np.int64)
    found: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]] = []
    for i, words in enumerate(a):
        held = [places_of[word] for word in words if word in places_of]
        if not held:
            continue
        in_common = np.bincount(np.concatenate(held), minlength=len(b))
        first, last = _near(i, len(a), len(b))
        degrees = 2 * in_common[first:last] / (lengths[first:last] + len(words))
        js = np.flatnonzero(degrees >= threshold)
        found.append((np.full(len(js), i), js + first, degrees[js]))
    if not found:
        return []
    i_s, js, degrees = (np.concatenate(column) for column in zip(*found, strict=True))
    apart = np.abs(i_s * len(b) - js * len(a))
    order = np.lexsort((i_s + js, apart, -degrees))
    return list(zip(i_s[order].tolist(), js[order].tolist(), degrees[order].tolist(), strict=True))


def _near(i: int, n_a: int, n_b: int) -> tuple[int, int]:
    """The places in `b` that the `i`th of `a` is compared with: from, up to. Whoever is near sees the other near."""
    allowed = COMPARED_FOR_EACH * (n_a + n_b)
    if n_a * n_b <= allowed:
        return 0, n_b
    # |i * n_b - j * n_a| <= reach, which holds for about `allowed` pairs
    reach = allowed // 2
    return max(0, -((reach - i * n_b) // n_a)), min(n_b, (i * n_b + reach) // n_a + 1)
