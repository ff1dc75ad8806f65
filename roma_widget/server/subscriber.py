"""One client's share of the broadcasts: in order, and never more of them than it takes.

Engine.IO queues without bound. So a broadcast is handed to it only when the writer of that client has taken
the one before, and waits here otherwise; here a client that falls behind skips to the newest snapshot.
Prompts are never skipped. Snapshots are shared between clients, so what waits costs no copy.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

MAX_WAITING_SNAPSHOTS = 8
"""A burst of the real server (frames 3 to 50 ms apart) passes whole; whoever is later than that skips."""


class Subscriber:
    """`send` queues a packet with the client's transport, `drained` returns when the queue there is empty."""

    def __init__(
        self, send: Callable[[Any], Awaitable[bool]], drained: Callable[[], Awaitable[None]]
    ) -> None:
        self._send = send
        self._drained = drained
        self._waiting: deque[tuple[Any, bool]] = deque()
        self._wake = asyncio.Event()
        self.skipped = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def put(self, packet: Any, *, is_snapshot: bool) -> None:
        """Takes a packet for this client; a snapshot makes those before it superfluous."""
        snapshots = sum(1 for _, waiting_snapshot in self._waiting if waiting_snapshot)
        if is_snapshot and snapshots >= MAX_WAITING_SNAPSHOTS:
            self._waiting = deque(entry for entry in self._waiting if not entry[1])
            self.skipped += snapshots
        self._waiting.append((packet, is_snapshot))
        self._wake.set()

    async def run(self) -> None:
        """Sends until cancelled or the client is gone."""
        while True:
            await self._wake.wait()
            await self._drained()
            packet, _ = self._waiting.popleft()
            if not self._waiting:
                self._wake.clear()
            if not await self._send(packet):
                return
