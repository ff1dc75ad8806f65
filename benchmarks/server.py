"""Child process: a server that plays frames to whoever is connected when it is told to: the same, or those that follow.

`python -m benchmarks.server SOURCE` (JSON of `generate.Source`). See `children.py` for how it is spoken to.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from itertools import islice
from typing import Any

from roma_widget.archive.capture import FRAME

from .generate import Source
from .library_server import LibraryServer, serve

NEW_S = 0.12
"""What lies between a frame with something new and the next one: ten publications a second are the most."""
TURN_S = 0.012
TURN_S_PER_MB = 0.005
"""How long a client has before the next one gets the same frame, so that they do not fight for the processors."""


class FrameServer(LibraryServer):
    def __init__(self, source: Source) -> None:
        self.source = source
        self._run = source.endless()
        super().__init__()

    async def play(self, *, new_s: float = NEW_S, goes_on: int = 0) -> dict[str, Any]:
        """Send every frame to each client in turn; tells when each was sent first, and how much that was.

        `goes_on`: not the same frames as before, but so many of those that follow.
        """
        sent_at = []
        frames = islice(self._run, goes_on) if goes_on else self.source.play()
        size = 0
        for number, frame in enumerate(frames):
            packet = f'2["{FRAME}",{frame.payload.decode()}]'
            size += len(frame.payload)
            sent_at.append(time.time())
            for sid in _rotated(sorted(self.clients), number):
                await self._send(sid, packet)
                await asyncio.sleep(TURN_S + TURN_S_PER_MB * len(frame.payload) / 1e6)
            if frame.is_new:
                await asyncio.sleep(max(0.0, sent_at[-1] + new_s - time.time()))
        return {"sent_at": sent_at, "bytes": size, "frames": len(sent_at), "last_bytes": len(frame.payload)}

    async def _send(self, sid: str, packet: str) -> None:
        """Returns when the client's connection has taken it."""
        engine = self.library.eio
        engine_sid = self.library.manager.eio_sid_from_sid(sid, "/")
        await engine.send(engine_sid, packet)
        if engine_sid in engine.sockets:
            await engine.sockets[engine_sid].queue.join()


def _rotated(sids: list[str], by: int) -> list[str]:
    start = by % len(sids) if sids else 0
    return sids[start:] + sids[:start]


if __name__ == "__main__":
    asyncio.run(serve(FrameServer(Source(**json.loads(sys.argv[1])))))
