"""What a person passes to a function, before it is checked there."""

from __future__ import annotations

import math
from numbers import Real


def as_number(value: object) -> float | None:
    """A number, of numpy too; NaN is one, True is none. Infinite where no float is so large. None for what is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator] # Real says nothing of its order with 0
