"""What waits to be sent to one client: Engine.IO's own queue, which also counts, ends, and tells when it is empty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

MOST_AT_ONCE = 16
"""Packets for one answer to a long poll: python-engineio's clients take no more, and break off."""


class Outbox(asyncio.Queue[Any]):
    """Packets of Engine.IO (their `data` counts), and None, which ends the writer.

    `idle` is set while the client's writer asks for more and there is none: then all that was queued is on
    the wire of a websocket, or fetched by the long poll before this one. It stays set after `close`.

    While it is idle, `at_once` is asked first: it says whether it has sent a packet itself.

    What comes when there are `most_packets` already, or more than `most_bytes`, is dropped, and so is all after it:
    `on_overflow` hears of it once, with packets and bytes, and ends the connection.
    """

    def __init__(self, most_packets: int, most_bytes: int) -> None:
        super().__init__()
        self.bytes_waiting = 0
        self.idle = asyncio.Event()
        self.is_overfull = False
        self.on_overflow: Callable[[int, int], None] | None = None
        self.at_once: Callable[[Any], bool] | None = None
        self._most_packets = most_packets
        self._most_bytes = most_bytes
        self._is_closed = False
        self._given = 0

    async def get(self) -> Any:
        if self.empty():
            self.idle.set()
        self._given = 0
        return await super().get()

    def get_nowait(self) -> Any:
        """What there is for the same answer; `get` ends in this, too."""
        if self._given and self._given + self._next_packets() > MOST_AT_ONCE:
            raise asyncio.QueueEmpty
        self._given += self._next_packets()
        return super().get_nowait()

    def put_nowait(self, item: Any) -> None:
        if self.at_once is not None and self.idle.is_set() and not self._is_closed and self.at_once(item):
            return
        super().put_nowait(item)

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
        if item is not None and not self._has_room(item):
            return
        super()._put(item)
        self.bytes_waiting += _size(item)
        if not self._is_closed:
            self.idle.clear()

    def _get(self) -> Any:
        item = super()._get()
        self.bytes_waiting -= _size(item)
        return item

    def _next_packets(self) -> int:
        return 0 if self.empty() else getattr(self._queue[0], "packets", 1)  # type: ignore[attr-defined]

    def _has_room(self, item: Any) -> bool:
        if self.is_overfull:
            return False
        self.is_overfull = self.qsize() >= self._most_packets or self.bytes_waiting > self._most_bytes
        if self.is_overfull and self.on_overflow is not None:
            self.on_overflow(self.qsize() + 1, self.bytes_waiting + _size(item))
        return not self.is_overfull


def _size(packet: Any) -> int:
    data = getattr(packet, "data", None)
    return len(data) if isinstance(data, (str, bytes)) else 0
