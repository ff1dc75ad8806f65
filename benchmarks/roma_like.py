"""Child process: a server as ROMA is, with one run whose whole state it sends to everyone twice a second.

`python -m benchmarks.roma_like TASKS TASK_BYTES [REDIS]`. With the address of a Redis server, what one of several such
processes emits comes to the clients of all, through the library's `AsyncRedisManager`. Each frame says in `timestamp`
when it was written, and so does the `output_summary` of each task that changed with it. See `children.py` for how it is
spoken to.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from datetime import datetime
from typing import Any

import socketio
from aiohttp import web

from roma_widget.archive.capture import FRAME
from roma_widget.server.network.files import allow_many_files

from .generate import head_of, made_up, tail_of

EVERY_S = 0.5
CHANGED = 100
"""Tasks in each frame that are not as before; taken in turns, so that frames next to each other share none."""


class RomaLike:
    """The library sends as ROMA has it send: one dict, encoded once for each `emit`."""

    def __init__(self, tasks: int, task_bytes: int, changed: int = CHANGED, redis: str | None = None) -> None:
        self._changed = changed
        self.nodes = made_up(tasks, task_bytes, random.Random(0))
        self.handshakes = 0
        self._order = list(self.nodes)
        self._turn = 0
        self._clients: set[str] = set()
        app = web.Application()
        app.router.add_get("/api/health", self._health)
        self._library = socketio.AsyncServer(
            async_mode="aiohttp",
            http_compression=False,
            max_http_buffer_size=10**6,
            client_manager=None if redis is None else socketio.AsyncRedisManager(redis),
        )
        self._library.attach(app)
        self._library.on("connect", self._connected)
        self._library.on("disconnect", self._gone)
        self._library.on("request_initial_state", self._nothing)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=1024).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._library.shutdown()
        await self._runner.cleanup()

    async def play(self, seconds: float, every_s: float = EVERY_S) -> dict[str, Any]:
        """Tells when each frame was written, and the tasks at the end as (status, summary)."""
        stamps: list[str] = []
        began_s = time.monotonic()
        while (due_s := began_s + every_s * len(stamps)) < began_s + seconds:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            stamps.append(self._step())
            frame = {**head_of(self.nodes), "all_nodes": self.nodes, **tail_of(self.nodes, stamps[-1])}
            await self._library.emit(FRAME, frame)
        return {
            "stamps": stamps,
            "clients": len(self._clients),
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

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy", "safe_to_join": True})

    async def _connected(self, sid: str, environ: object, auth: object = None) -> None:
        self.handshakes += 1
        self._clients.add(sid)
        frame = {**head_of(self.nodes), "all_nodes": self.nodes, **tail_of(self.nodes, "")}
        await self._library.emit(FRAME, frame, to=sid)

    async def _gone(self, sid: str, reason: object = None) -> None:
        self._clients.discard(sid)

    async def _nothing(self, sid: str, *arguments: object) -> None:
        pass


async def main() -> None:
    allow_many_files()
    server = RomaLike(int(sys.argv[1]), int(sys.argv[2]), redis=sys.argv[3] if len(sys.argv) > 3 else None)
    print(json.dumps({"url": await server.start()}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await server.play(**json.loads(line))), flush=True)
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main())
