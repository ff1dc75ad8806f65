"""What the servers of child processes have in common that send by python-socketio itself: what is measured on the other
side does not move with our own server then. See `children.py` for how they are spoken to.
"""

from __future__ import annotations

import asyncio
import json
import sys
from abc import ABC, abstractmethod
from typing import Any

import socketio
from aiohttp import web

MANY = 1024
"""Clients that may come in one moment."""


class LibraryServer(ABC):
    """On a port of its own, and for everybody who comes: it says that joining is safe. `clients` are those here now."""

    def __init__(self, **options: Any) -> None:
        self.clients: set[str] = set()
        app = web.Application()
        app.router.add_get("/api/health", self._health)
        self.library = socketio.AsyncServer(async_mode="aiohttp", http_compression=False, **options)
        self.library.attach(app)
        self.library.on("connect", self.connected)
        self.library.on("disconnect", self._gone)
        self.library.on("request_initial_state", _nothing)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, backlog=MANY).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self.library.shutdown()
        await self._runner.cleanup()

    @abstractmethod
    async def play(self, *_: Any, **how: Any) -> dict[str, Any]: ...

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "healthy", "safe_to_join": True})

    async def connected(self, sid: str, environ: object, auth: object = None) -> None:
        self.clients.add(sid)

    async def _gone(self, sid: str, reason: object = None) -> None:
        self.clients.discard(sid)


async def _nothing(sid: str, *arguments: object) -> None: ...


async def serve(server: LibraryServer) -> None:
    """Plays what each line of standard input asks for, until there is none."""
    print(json.dumps({"url": await server.start()}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await server.play(**json.loads(line))), flush=True)
    await server.stop()
