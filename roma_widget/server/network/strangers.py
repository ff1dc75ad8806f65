"""Sessions that have not joined yet: what they may say, and that each joins once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from roma_widget.server.network.connections import Connection
from roma_widget.server.network.limits import Limits


@dataclass(slots=True)
class _Stranger:
    messages: int
    """That it may still send."""
    is_joining: bool = False
    connection: Connection | None = None
    """Its websocket's, where it has one."""


class Strangers:
    """`complain` ends a session and says why."""

    def __init__(self, limits: Limits, complain: Callable[[str, str], None]) -> None:
        self._limits = limits
        self._complain = complain
        self._strangers: dict[str, _Stranger] = {}

    def __contains__(self, session: str) -> bool:
        return session in self._strangers

    def add(self, session: str) -> None:
        self._strangers[session] = _Stranger(self._limits.messages_before_joining)

    def hold(self, session: str, connection: Connection | None) -> None:
        """Its websocket: aiohttp would take a message of any size from it, and wait for its end."""
        if session in self and connection is not None:
            connection.allow(2 * self._limits.largest_before_joining)
            self._strangers[session].connection = connection

    def may_say(self, session: str, size: int) -> bool:
        """Whether this one may send a message of `size`; otherwise its session is closed."""
        stranger = self._strangers[session]
        stranger.messages -= 1
        if size <= self._limits.largest_before_joining and stranger.messages >= 0:
            return True
        self._complain(session, "it sent too much before it joined")
        return False

    def begins_to_join(self, session: str) -> bool:
        """False when it has begun before, or is no stranger."""
        stranger = self._strangers.get(session)
        if stranger is None or stranger.is_joining:
            return False
        stranger.is_joining = True
        return True

    def remove(self, session: str) -> None:
        """It has joined, or ended."""
        stranger = self._strangers.pop(session, None)
        if stranger is not None and stranger.connection is not None:
            stranger.connection.allow(None)
