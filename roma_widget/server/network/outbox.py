"""What waits to be sent to one client: Engine.IO's own queue, which also counts and tells when it is empty."""

from __future__ import annotations

import asyncio
from typing import Any

MOST_AT_ONCE = 16
"""Packets for one answer to a long poll: python-engineio's clients take no more, and break off."""


class Outbox(asyncio.Queue[Any]):
    """Packets of Engine.IO (their `data` counts), and None, which ends the writer.

    `idle` is set while the client's writer asks for more and there is none: then all that was queued is on
    the wire of a websocket, or fetched by the long poll before this one. It stays set after `close`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes_waiting = 0
        self.idle = asyncio.Event()
        self._is_closed = False
        self._given = 0

    async def get(self) -> Any:
        if self.empty():
            self.idle.set()
        self._given = 0
        return await super().get()

    def get_nowait(self) -> Any:
        """What there is for the same answer; `get` ends in this, too."""
        if self._given >= MOST_AT_ONCE:
            raise asyncio.QueueEmpty
        item = super().get_nowait()
        self._given += 1
        return item

    async def drained(self) -> None:
        """Returns when idle; whoever puts right then comes before others that wait here."""
        while not self.idle.is_set():
            await self.idle.wait()

    def drop(self) -> None:
        """Throws away what waits."""
        while not self.empty():
            super().get_nowait()
            self.task_done()

    def close(self) -> None:
        """The client is gone: nobody waits for it any more."""
        self._is_closed = True
        self.idle.set()

    def _put(self, item: Any) -> None:
        super()._put(item)
        self.bytes_waiting += _size(item)
        if not self._is_closed:
            self.idle.clear()

    def _get(self) -> Any:
        item = super()._get()
        self.bytes_waiting -= _size(item)
        return item


def _size(packet: Any) -> int:
    data = getattr(packet, "data", None)
    return len(data) if isinstance(data, (str, bytes)) else 0
