"""One client's share of the news: the newest state, when the client has taken what came before.

Engine.IO queues without bound. So a state is asked for, and given to the library, only when that client's
writer has nothing left to send: a client that falls behind skips to the newest, holds up nobody, and costs
no more memory than one state.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable

Message = tuple[str, bytes, bool]
"""Event, payload, binary. Not binary: the payload is JSON text. Binary: it is sent as one attachment."""

MAX_WAITING_SNAPSHOTS = 8
"""A burst of the real server (frames 3 to 50 ms apart) passes whole; whoever is later than that skips."""

_log = logging.getLogger("roma_widget.server")


class Subscriber:
    """`drained` returns when the client has taken all; `newest` then says what it is told; `send` queues that."""

    def __init__(
        self,
        newest: Callable[[], Message | None],
        send: Callable[[Message], None],
        drained: Callable[[], Awaitable[None]],
    ) -> None:
        self._newest = newest
        self._send = send
        self._drained = drained
        self._moved = asyncio.Event()

    def refresh(self) -> None:
        """The state moved. While the client is busy any number of these cost one message."""
        self._moved.set()

    async def run(self) -> None:
        """Sends until cancelled. A state that cannot be made is logged, and the next one is tried."""
        while True:
            await self._moved.wait()
            await self._drained()
            self._moved.clear()  # before asking: `newest` may call for another round itself
            try:
                message = self._newest()
            except Exception:
                _log.exception("The newest state of the server could not be told to a client.")
                continue
            if message is not None:
                self._send(message)


class Backlog:
    """Recorded messages that wait for one client, in order: snapshots may be skipped, prompts never."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Message, bool]] = deque()
        self.skipped = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, message: Message, *, is_snapshot: bool) -> None:
        """A snapshot that finds `MAX_WAITING_SNAPSHOTS` before it makes them superfluous."""
        snapshots = sum(1 for _, waiting_snapshot in self._waiting if waiting_snapshot)
        if is_snapshot and snapshots >= MAX_WAITING_SNAPSHOTS:
            self._waiting = deque(entry for entry in self._waiting if not entry[1])
            self.skipped += snapshots
        self._waiting.append((message, is_snapshot))

    def take(self) -> Message | None:
        """The next one; None when there is none."""
        return self._waiting.popleft()[0] if self._waiting else None
