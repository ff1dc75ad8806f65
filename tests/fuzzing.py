"""How much is fuzzed: the same examples every time, and with ROMA_WIDGET_FUZZ=50 fifty times as many, drawn anew.

What the generators draw from stands here, too: JSON of any shape, and what happens to a text on its way.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

TIMES = int(os.environ.get("ROMA_WIDGET_FUZZ", "1"))
LONGEST_WORD = 10_000


def fuzzed(examples: int) -> Callable[[Any], Any]:
    """So many examples in `make test`."""
    return settings(
        max_examples=examples * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


odd_texts = st.sampled_from(
    "| |\0|\ud800|\u202e|__proto__|root|p|DONE|NaN|../../etc/passwd|<b>|2026-13-45T99:99:99|2026-01-01T00:00:00".split(
        "|"
    )
) | st.sampled_from(["9" * 400, "x" * LONGEST_WORD])
odd_numbers = st.sampled_from(
    [-1, 2**31, 2**53, 2**63, 2**64, -(2**63), 10**400, 1e308, -0.0, 5e-324]
) | st.sampled_from([float("nan"), float("inf"), float("-inf")])
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | odd_texts | odd_numbers
)


def json_values(keys: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[Any]:
    """What JSON can say and Python's `json` writes, with `keys` as names where it is an object."""
    names = st.text(max_size=10) | odd_texts if keys is None else keys | st.text(max_size=10)
    return st.recursive(
        scalars,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6),
        max_leaves=15,
    )


seeds = st.integers(0, 2**32)


def spoiled(seed: int, original: bytes) -> bytes:
    """Cut, flipped, doubled, left out or replaced, at up to three places: by seed, so that a failure says little."""
    rng = random.Random(seed)
    body = bytearray(original)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(body) + 1)
        size = rng.choice((1, 2, 10, 1_000))
        match rng.choice(("cut", "flip", "double", "leave out", "put in", "put in")):
            case "cut":
                del body[at:]
            case "flip" if at < len(body):
                body[at] ^= 1 << rng.randrange(8)
            case "double":
                body[at:at] = body[at : at + size]
            case "leave out":
                del body[at : at + size]
            case "put in":
                body[at:at] = rng.choice(
                    (b'"', b"\\", b"{", b"}", b"]", b",", b"NaN", b"\x00", b"\xff", b"[" * 2_000)
                )
    return bytes(body)
