"""Engine.IO's sessions: each is a websocket, or the HTTP requests of a long poll, and is watched from here.

Beside `transport` the only file that touches the insides of python-socketio. Why at all: the library's tasks
outlive the server, its long polling takes no more than 16 packets and answers garbage with "OK" and a
traceback in the log, a connection that never joins stays, and one that does not read is never cut.
"""

from __future__ import annotations

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import hdrs, web
from engineio import packet as engineio_packet
from engineio.exceptions import EngineIOError

from roma_widget.server.network.answers import Answers
from roma_widget.server.network.connections import Connections
from roma_widget.server.network.limits import Limits
from roma_widget.server.network.outbox import Outbox
from roma_widget.server.network.strangers import Strangers
from roma_widget.server.network.websocket import WebSocket, is_packet

SOCKET_PATH = "/socket.io/"
_log = logging.getLogger("roma_widget.server")
_library_log = logging.getLogger("roma_widget.server.library")
_PACKETS_BEFORE_OTHERS = 32  # of one body, before the loop sees to other clients


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
        connections: Connections,
        limits: Limits,
    ) -> None:
        self.total = 0
        """Handshakes asked for so far, successful or not."""
        self._connections = connections
        self._limits = limits
        self._answers = Answers(limits)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}  # one a session: to join, later to be gone
        self._requests: dict[asyncio.Task[Any] | None, _Open] = {}
        self._websockets: dict[str, WebSocket] = {}
        self.strangers = Strangers(limits, self.complain)
        self._ending: set[str] = set()
        self._packed: set[str] = set()
        self._server = server
        self._engine = server.eio
        # its own tasks (each client's pings sleep 25 s) would outlive the server
        self._engine.start_background_task = self.start_task
        self._engine.create_queue = functools.partial(Outbox, limits.queued_packets, limits.queued_bytes)
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

    def is_ending(self, session: str) -> bool:
        """Whether it is of no interest any more what it says."""
        return session in self._ending

    def has_joined(self, session: str) -> None:
        self.strangers.remove(session)
        self._timers.pop(session).cancel()

    def leave_packed(self, session: str) -> None:
        """From now on its binary messages go out as they are, over websocket and long poll."""
        self._packed.add(session)
        if session in self._websockets:
            self._websockets[session].leave_packed()

    def end(self, session: str | None) -> None:
        """Closes it and drops what waits to be sent."""
        socket = self.socket(session)
        if socket is not None and socket.sid not in self._ending:
            self._ending.add(socket.sid)
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
                self._after(self._limits.goodbye_s, self.end, session)

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
            await asyncio.wait(tasks, timeout=self._limits.goodbye_s)

    # -- HTTP

    async def _get(self, request: web.Request) -> web.StreamResponse:
        if "sid" not in request.query:
            self.total += 1
            if len(self._engine.sockets) >= self._limits.connections:
                return web.Response(status=503, text=json.dumps("Too many sessions"))
        if "j" in request.query:  # JSONP: pages of any origin could read it
            return _bad_request("JSONP is not supported")
        session = request.query.get("sid", "")
        if hdrs.UPGRADE in request.headers and getattr(self.socket(session), "upgrading", False):
            return _bad_request("It is being upgraded")
        response: web.StreamResponse = await self._server.handle_request(request)
        if session in self._packed and _has_binary(
            response
        ):  # asked now: its CONNECT may have come meanwhile
            response.headers[hdrs.CACHE_CONTROL] = "no-transform"  # which `guard` keeps to, and proxies do
        return response

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """What a polling client sends. The library's own way takes 16 packets and answers garbage with "OK"."""
        session = request.query.get("sid", "")
        socket = self._engine.sockets.get(session)
        if socket is None or socket.closed or socket.upgraded or not socket.connected:
            return _bad_request(f"Invalid session {session[:80]}")
        limits = self._limits
        most = limits.largest_before_joining if session in self.strangers else limits.largest_message
        try:
            body = (await request.clone(client_max_size=most).read()).decode()
        except web.HTTPRequestEntityTooLarge:
            self.complain(session, f"it sent a message above {most:,} bytes")
            raise
        except UnicodeDecodeError:
            body = ""
        if body.count("\x1e") >= limits.packets_per_body:
            self.complain(session, f"it sent more than {limits.packets_per_body:,} packets at once")
            return _bad_request("Too many packets in payload")
        packets = body.split("\x1e")
        if not all(is_packet(text, base64=True) for text in packets):
            self.complain(session, "it sent what is no Engine.IO packet")
            return _bad_request("Not an Engine.IO payload")
        try:
            for number, text in enumerate(packets, 1):
                await socket.receive(engineio_packet.Packet(encoded_packet=text))
                if socket.closing:
                    break
                if number % _PACKETS_BEFORE_OTHERS == 0:
                    await asyncio.sleep(0)
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
        connection = self._connections.of(request)
        if connection is not None:
            connection.request_begins(request)
        try:
            response = await handler(request)
            if isinstance(response, web.Response):
                response = await self._answers.send(request, response)
            return response
        finally:
            if connection is not None:
                connection.request_ends()
            del self._requests[task]

    def _websocket(self, run: Any, engine: object) -> WebSocket:
        session = run.__self__.sid
        request = self._requests[asyncio.current_task()].request
        self.strangers.hold(session, self._connections.of(request))
        websocket = WebSocket(
            run,
            run.__self__,
            limits=self._limits,
            has_packed=session in self._packed,
            complain=functools.partial(self.complain, session),
        )
        self._websockets[session] = websocket
        run.__self__.queue.at_once = websocket.send_at_once
        return websocket

    # -- begin and end

    async def _on_begin(self, session: str, environ: Any) -> None:
        self._requests[asyncio.current_task()].session = session
        await self._server._handle_eio_connect(session, environ)
        self.strangers.add(session)
        self._engine.sockets[session].queue.on_overflow = functools.partial(self._overflows, session)
        self._after(self._limits.connect_s, self._turn_out, session)

    async def _on_end(self, session: str, reason: str) -> None:
        self._after(self._limits.goodbye_s, self._forget, session)
        self.strangers.remove(session)
        socket = self._engine.sockets.get(session)
        if socket is not None:
            socket.queue.close()
        await self._server._handle_eio_disconnect(session, reason)

    def _turn_out(self, session: str) -> None:
        if session in self.strangers:
            self.complain(session, f"it did not join within {self._limits.connect_s:g} s")

    def _overflows(self, session: str, packets: int, size: int) -> None:
        self.complain(session, f"it does not read: {packets} packets ({size:,} bytes) wait for it")

    def _forget(self, session: str) -> None:
        """Had its time to say goodbye: cuts what is still open, which is what a stuck client leaves."""
        self._timers.pop(session, None)
        self._websockets.pop(session, None)
        self._packed.discard(session)
        self._ending.discard(session)
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


def _has_binary(response: web.StreamResponse) -> bool:
    """Whether an answer to a long poll holds a binary packet, which begins with a "b"."""
    body = getattr(response, "body", None)
    return isinstance(body, bytes) and (body.startswith(b"b") or b"\x1eb" in body)


def _bad_request(text: str) -> web.Response:
    return web.Response(status=400, text=json.dumps(text))
