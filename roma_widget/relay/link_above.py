"""A client, or a person behind it, wants the relay to try its own link now."""

from __future__ import annotations

import asyncio
import time

from ..client.feed import Feed
from ..server.wire.records import encode
from .above import passed_up
from .standing import Standing

BETWEEN_S = 1.0
"""Who asks without end costs the server above no more than a look a second."""


class LinkAbove:
    """See the module. Below another relay it is that one which tries: the feed passes it up."""

    def __init__(self, feed: Feed, standing: Standing) -> None:
        self._feed = feed
        self._standing = standing
        self._next_s = 0.0

    async def try_now(self, force: bool) -> bytes:
        """How the relay stands then; what comes of it is told as news. Raises `Refused`.

        `force` opens the socket whatever runs, which can freeze a run on ROMA v1: only for a person who said so.
        """
        await asyncio.sleep(max(0.0, self._next_s - time.monotonic()))
        self._next_s = time.monotonic() + BETWEEN_S
        with passed_up():
            await self._feed.reconnect(force=force)
        return encode(self._standing.words())
