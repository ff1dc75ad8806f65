"""When a server is asked for its extension: not for a while where that has just been in vain, longer each time.

A damaged word or a burst of losses looks like a server that cannot speak it, so nothing is given up for ever; and a
server that truly cannot must not make us come and go.
"""

from __future__ import annotations

from ..core import reconnect


class ExtensionWish:
    """See the module. Times are seconds of any clock that never goes back."""

    def __init__(self) -> None:
        self.why_plain: str | None = None
        """What to tell a person of going without, where there is something to say."""
        self._in_vain = 0
        self._plain_until_s: float | None = None

    def due_in_s(self, now_s: float) -> float:
        """So long it is gone without; 0 when it may be asked for."""
        return 0.0 if self._plain_until_s is None else max(0.0, self._plain_until_s - now_s)

    def was_in_vain(self, now_s: float, why_plain: str | None = None) -> None:
        """It was asked for, and what came could not be used."""
        self._in_vain += 1
        self._plain_until_s = now_s + reconnect.plain_for_s(self._in_vain)
        self.why_plain = why_plain

    def worked(self) -> None:
        """It was spoken, and nothing was missing in the end."""
        self._in_vain, self._plain_until_s, self.why_plain = 0, None, None
