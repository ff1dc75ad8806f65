"""python-socketio, behind types. The only file of `server/` that touches its untyped API and its insides.

Why insides: `emit` encodes a frame again for every call and queues it without bound. Here a packet is made
once from JSON text and given to Engine.IO as it is (which caches the encoded text), and a client's queue can
be waited for. python-socketio has no types: what comes from it is `Any` and stays here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import socketio
from aiohttp import web
from engineio import packet as engineio_packet
from engineio.exceptions import SocketIsClosedError

SOCKET_PATH = "/socket.io/"
_EVENT = "2"  # the Socket.IO packet type

_log = logging.getLogger(__name__)
_log.setLevel(logging.ERROR)  # at INFO the library formats whole frames into the log


class Transport:
    """A Socket.IO server on the aiohttp application `app`; clients are named by their session ids."""

    def __init__(self, app: web.Application) -> None:
        self._server = socketio.AsyncServer(
            async_mode="aiohttp",
            cors_allowed_origins=_is_loopback_origin,
            logger=_log,
            engineio_logger=_log,
        )
        self._engine = self._server.eio
        self._tasks: set[asyncio.Task[Any]] = set()
        # its own tasks (each client's pings sleep 25 s) would outlive the server
        self._engine.start_background_task = self._start_task
        self._server.attach(app)

    def on(self, event: str, handler: Callable[..., Awaitable[None]]) -> None:
        """`handler(sid, *args)`; for "connect" and "disconnect" args are the library's own."""
        self._server.on(event, handler)

    def packet(self, event: str, payload: bytes) -> Any:
        """An event with the JSON text `payload` as its only argument, to be sent to any number of clients."""
        text = f'{_EVENT}["{event}",{payload.decode()}]'
        return engineio_packet.Packet(engineio_packet.MESSAGE, text)

    async def send(self, sid: str, packet: Any) -> bool:
        """Queues `packet`; False when the client is gone."""
        socket = self._socket(sid)
        if socket is None or socket.closed:
            return False
        try:
            await socket.send(packet)
        except SocketIsClosedError:
            return False
        return True

    async def drained(self, sid: str) -> None:
        """Returns when the client's writer has taken all that was queued (or the client is gone)."""
        socket = self._socket(sid)
        if socket is not None:
            await socket.queue.join()

    def release(self, sid: str) -> None:
        """Ends the writer of a client that said goodbye: its long poll would be held for a ping interval (25 s)."""
        socket = self._socket(sid)
        if socket is not None:
            socket.queue.put_nowait(None)

    async def close(self) -> None:
        """Says goodbye to the clients and ends the library's tasks; the HTTP server is closed by its
        owner."""
        for socket in list(self._engine.sockets.values()):
            if not socket.closed:
                await socket.close(wait=False, reason=self._engine.reason.SERVER_DISCONNECT)
            socket.queue.put_nowait(None)  # ends the writer, so that the websocket is closed at once
        await self._server.shutdown()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _socket(self, sid: str) -> Any:
        eio_sid = self._server.manager.eio_sid_from_sid(sid, "/")
        return self._engine.sockets.get(eio_sid)

    def _start_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.ensure_future(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _is_loopback_origin(origin: str, environ: object = None) -> bool:
    """Pages of this machine may connect (ROMA's own front end does); a page from elsewhere may not look
    in."""
    host = urlsplit(origin).hostname or ""
    return host == "localhost" or is_loopback(host)


def is_loopback(address: str) -> bool:
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
