"""The clock of a replay: where on the recorded time line it stands.

No drift: every answer is computed from one anchor, so a moment that came late does not push the later ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable


class Pacer:
    """Starts at 0 when made and runs `speed` recorded seconds a second.

    Speed 0 or infinity: everything is due now. `clock` gives seconds that only grow.
    """

    def __init__(self, speed: float, clock: Callable[[], float]) -> None:
        if math.isnan(speed) or speed < 0:
            raise ValueError(f"The speed of a replay must be 0 (as fast as possible) or more, not {speed:g}.")
        self._speed = speed or math.inf
        self._clock = clock
        self._anchor_s = clock()
        self._from_s = 0.0 if math.isfinite(self._speed) else math.inf

    @property
    def position_s(self) -> float:
        """The recorded second that is now."""
        if math.isinf(self._from_s):
            return self._from_s
        return self._from_s + (self._clock() - self._anchor_s) * self._speed

    def delay_s(self, at_s: float) -> float:
        """How many real seconds until the recorded second `at_s`; 0 when it is due or over."""
        return max(0.0, (at_s - self.position_s) / self._speed)

    def jump(self, to_s: float) -> None:
        """Go on from `to_s` (infinity: the end); never back."""
        self._from_s = max(to_s, self.position_s)
        self._anchor_s = self._clock()
