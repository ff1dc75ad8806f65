"""Child process: a server as ROMA is, with one run whose whole state it sends to everyone twice a second.

`python -m benchmarks.roma_like TASKS TASK_BYTES [REDIS]`. With the address of a Redis server, what one of several such
processes emits comes to the clients of all, through the library's `AsyncRedisManager`. Each frame says in `timestamp`
when it was written, and so does the `output_summary` of each task that changed with it. See `children.py` for how it is
spoken to.
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from datetime import datetime
from typing import Any

import socketio

from roma_widget.archive.capture import FRAME
from roma_widget.server.network.files import allow_many_files

from .generate import head_of, made_up, tail_of
from .library_server import LibraryServer, serve

EVERY_S = 0.5
CHANGED = 100
"""Tasks in each frame that are not as before; taken in turns, so that frames next to each other share none."""


class RomaLike(LibraryServer):
    """The library sends as ROMA has it send: one dict, encoded once for each `emit`."""

    def __init__(self, tasks: int, task_bytes: int, changed: int = CHANGED, redis: str | None = None) -> None:
        self._changed = changed
        self.nodes = made_up(tasks, task_bytes, random.Random(0))
        self.handshakes = 0
        self._order = list(self.nodes)
        self._turn = 0
        super().__init__(
            max_http_buffer_size=10**6,
            client_manager=None if redis is None else socketio.AsyncRedisManager(redis),
        )

    async def play(self, *, seconds: float, every_s: float = EVERY_S) -> dict[str, Any]:
        """Tells when each frame was written, and the tasks at the end as (status, summary)."""
        stamps: list[str] = []
        began_s = time.monotonic()
        while (due_s := began_s + every_s * len(stamps)) < began_s + seconds:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            stamps.append(self._step())
            frame = {**head_of(self.nodes), "all_nodes": self.nodes, **tail_of(self.nodes, stamps[-1])}
            await self.library.emit(FRAME, frame)
        return {
            "stamps": stamps,
            "clients": len(self.clients),
            "handshakes": self.handshakes,
            "tasks": {key: (node["status"], node["output_summary"]) for key, node in self.nodes.items()},
        }

    def _step(self) -> str:
        stamp = datetime.now().isoformat()  # naive, as ROMA writes it
        for place in range(self._turn, self._turn + self._changed):
            node = self.nodes[self._order[place % len(self._order)]]
            status = "READY" if node["status"] == "RUNNING" else "RUNNING"
            node |= {"status": status, "output_summary": stamp, "timestamp_updated": stamp}
        self._turn += self._changed
        return stamp

    async def connected(self, sid: str, environ: object, auth: object = None) -> None:
        await super().connected(sid, environ, auth)
        self.handshakes += 1
        frame = {**head_of(self.nodes), "all_nodes": self.nodes, **tail_of(self.nodes, "")}
        await self.library.emit(FRAME, frame, to=sid)


def main() -> None:
    allow_many_files()
    redis = sys.argv[3] if len(sys.argv) > 3 else None
    asyncio.run(serve(RomaLike(int(sys.argv[1]), int(sys.argv[2]), redis=redis)))


if __name__ == "__main__":
    main()
