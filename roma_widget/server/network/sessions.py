"""Engine.IO's sessions: each is a websocket, or the HTTP requests of a long poll, and is watched from here.

Beside `transport` the only file that touches the insides of python-socketio. Why at all: the library's tasks
outlive the server, its long polling takes no more than 16 packets and answers garbage with "OK" and a
traceback in the log, a connection that never joins stays, and one that does not read is never cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from engineio import packet as engineio_packet
from engineio.exceptions import EngineIOError

from roma_widget.server.network.outbox import Outbox
from roma_widget.server.network.websocket import WebSocket, is_packet

SOCKET_PATH = "/socket.io/"
_log = logging.getLogger("roma_widget.server")
_library_log = logging.getLogger("roma_widget.server.library")


@dataclass(slots=True)
class _Open:
    """An HTTP request until its answer is sent, and the session it belongs to, once that is known."""

    request: web.Request
    session: str | None

    def abort(self) -> None:
        if self.request.transport is not None:
            self.request.transport.abort()


class Sessions:
    """The sessions of `server` (a python-socketio `AsyncServer`), reached over the application `app`."""

    def __init__(
        self,
        app: web.Application,
        server: Any,
        *,
        largest_message: int,
        connect_s: float,
        goodbye_s: float,
    ) -> None:
        self.total = 0
        """Handshakes asked for so far, successful or not."""
        self._largest_message = largest_message
        self._connect_s = connect_s
        self._goodbye_s = goodbye_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}  # one a session: to join, later to be gone
        self._requests: dict[asyncio.Task[Any] | None, _Open] = {}
        self._websockets: dict[str, WebSocket] = {}
        self._strangers: set[str] = set()
        self._uncompressed: set[str] = set()
        self._server = server
        self._engine = server.eio
        # its own tasks (each client's pings sleep 25 s) would outlive the server
        self._engine.start_background_task = self.start_task
        self._engine.create_queue = Outbox
        self._engine._log_error_once = lambda message, key: _library_log.info(message)
        self._engine._async = {**self._engine._async, "websocket": self._websocket}
        self._engine.on("connect", self._on_begin)
        self._engine.on("disconnect", self._on_end)
        app.middlewares.insert(0, self._watch)
        app.router.add_get(SOCKET_PATH, self._get, allow_head=False)
        app.router.add_post(SOCKET_PATH, self._post)

    def socket(self, session: str | None) -> Any:
        """The library's object for an open session, whose `queue` is an `Outbox`; None when it has ended."""
        socket = self._engine.sockets.get(session)
        return None if socket is None or socket.closing or socket.closed else socket

    def is_stranger(self, session: str) -> bool:
        """Whether it has not joined yet."""
        return session in self._strangers

    def has_joined(self, session: str) -> None:
        self._strangers.discard(session)
        self._timers.pop(session).cancel()

    def do_not_compress(self, session: str) -> None:
        """From now on neither its websocket frames nor its polling answers are compressed."""
        self._uncompressed.add(session)
        if session in self._websockets:
            self._websockets[session].stop_compressing()

    def end(self, session: str | None) -> None:
        """Closes it and drops what waits to be sent."""
        socket = self.socket(session)
        if socket is not None:
            self.start_task(self._close, socket)

    def end_when_told(self, session: str) -> None:
        """Closes it when it has got what waits, which is why it was refused."""
        socket = self.socket(session)
        if socket is not None:
            self.start_task(self._close_drained, session, socket.queue)

    def end_later(self, session: str) -> None:
        """Its client said goodbye: it gets a moment to close by itself."""
        socket = self._engine.sockets.get(session)
        if socket is not None:
            # a long poll would be held for a ping interval (25 s), a stuck connection for ever
            socket.queue.put_nowait(None)
            if not socket.closing:
                self._after(self._goodbye_s, self.end, session)

    def complain(self, session: str, why: str) -> None:
        """Closes it and says so in the log."""
        _log.warning("A connection is closed: %s.", why)
        self.end(session)

    def start_task(self, target: Callable[..., Any], *args: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """A task that ends with the server."""
        task: asyncio.Task[Any] = asyncio.ensure_future(target(*args, **kwargs))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Says goodbye to all and ends the library's tasks; the HTTP server is closed by its owner."""
        for socket in list(self._engine.sockets.values()):
            if not socket.closed:
                await socket.close(wait=False, reason=self._engine.reason.SERVER_DISCONNECT)
            socket.queue.put_nowait(None)  # ends the writer, so that the websocket is closed at once
        await self._server.shutdown()
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def abort_all(self) -> None:
        """Cuts what is still open: closing politely waits until a client has taken all that was sent."""
        for request in self._requests.values():
            request.abort()
        tasks = [task for task in self._requests if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=self._goodbye_s)

    # -- HTTP

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if "sid" not in request.query:
            self.total += 1
        if "j" in request.query:  # JSONP: pages of any origin could read it
            return _bad_request("JSONP is not supported")
        response: web.StreamResponse = await self._server.handle_request(request)
        if request.query.get("sid") in self._uncompressed:  # asked now: its CONNECT may have come meanwhile
            response.headers[hdrs.CACHE_CONTROL] = "no-transform"  # which `guard` keeps to, and proxies do
        return response

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """What a polling client sends. The library's own way takes 16 packets and answers garbage with "OK"."""
        session = request.query.get("sid", "")
        socket = self._engine.sockets.get(session)
        if socket is None or socket.closed or socket.upgraded or not socket.connected:
            return _bad_request(f"Invalid session {session[:80]}")
        try:
            packets = (await request.read()).decode().split("\x1e")
        except web.HTTPRequestEntityTooLarge:
            self.complain(session, f"it sent a message above {self._largest_message:,} bytes")
            raise
        except UnicodeDecodeError:
            packets = [""]
        if not all(is_packet(text, base64=True) for text in packets):
            self.complain(session, "it sent what is no Engine.IO packet")
            return _bad_request("Not an Engine.IO payload")
        try:
            for text in packets:
                await socket.receive(engineio_packet.Packet(encoded_packet=text))
        except (EngineIOError, ValueError):  # closed meanwhile, or bad base64
            self.end(session)
            return _bad_request("Not an Engine.IO payload")
        return web.Response(text="OK")

    @web.middleware
    async def _watch(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Keeps the request where it can be cut, until its answer is sent: so that is done here, not later."""
        task = asyncio.current_task()
        assert task is not None
        self._requests[task] = _Open(request, request.query.get("sid"))
        try:
            response = await handler(request)
            if isinstance(response, web.Response):
                with contextlib.suppress(ConnectionError):  # aiohttp meets it again, and knows what to do
                    await response.prepare(request)
                    await response.write_eof()
            return response
        finally:
            del self._requests[task]

    def _websocket(self, run: Any, engine: object) -> WebSocket:
        session = run.__self__.sid
        websocket = WebSocket(
            run,
            largest_message=self._largest_message,
            compress=session not in self._uncompressed,
            complain=functools.partial(self.complain, session),
        )
        self._websockets[session] = websocket
        return websocket

    # -- begin and end

    async def _on_begin(self, session: str, environ: Any) -> None:
        self._requests[asyncio.current_task()].session = session
        await self._server._handle_eio_connect(session, environ)
        self._strangers.add(session)
        self._after(self._connect_s, self._turn_out, session)

    async def _on_end(self, session: str, reason: str) -> None:
        self._after(self._goodbye_s, self._forget, session)
        self._strangers.discard(session)
        socket = self._engine.sockets.get(session)
        if socket is not None:
            socket.queue.close()
        await self._server._handle_eio_disconnect(session, reason)

    def _turn_out(self, session: str) -> None:
        if session in self._strangers:
            self.complain(session, f"it did not join within {self._connect_s:g} s")

    def _forget(self, session: str) -> None:
        """Had its time to say goodbye: cuts what is still open, which is what a stuck client leaves."""
        self._timers.pop(session, None)
        self._websockets.pop(session, None)
        self._uncompressed.discard(session)
        self._engine.sockets.pop(session, None)
        for request in self._requests.values():
            if request.session == session:
                request.abort()

    async def _close(self, socket: Any) -> None:
        socket.queue.drop()
        await socket.close(wait=False, reason=self._engine.reason.SERVER_DISCONNECT)
        socket.queue.put_nowait(None)  # ends the writer

    async def _close_drained(self, session: str, outbox: Outbox) -> None:
        await outbox.drained()
        self.end(session)

    def _after(self, delay_s: float, call: Callable[[str], None], session: str) -> None:
        timer = self._timers.pop(session, None)
        if timer is not None:
            timer.cancel()
        self._timers[session] = asyncio.get_running_loop().call_later(delay_s, call, session)


def _bad_request(text: str) -> web.Response:
    return web.Response(status=400, text=json.dumps(text))
