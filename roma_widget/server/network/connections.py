"""Connections as the system gives them: how many there may be, and how long one may take over what it says.

aiohttp waits for a request's head and body without end, so that a few hundred connections that say nothing, or say it
slowly, use up all the files a process may open.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web

from roma_widget.core.text import one_line
from roma_widget.server.network.files import room_for_connections
from roma_widget.server.network.limits import Limits

_NO_FILES = "socket.accept() out of system resource"
_SAY_AGAIN_S = 60.0
_log = logging.getLogger("roma_widget.server")


class Connections:
    """All open connections of a server. `made` is what `create_server` takes, around aiohttp's own protocol."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._most = min(limits.connections, room_for_connections())
        self._open: dict[Any, Connection] = {}  # by transport
        self._said_s = float("-inf")

    def made(self, server: Any) -> Connection:
        return Connection(server, self, self._limits)

    def begin(self, connection: Connection, transport: Any) -> bool:
        """False: there are too many."""
        if len(self._open) >= self._most:
            self._complain(f"More than {self._most:,} connections are open: new ones are closed.")
            return False
        self._open[transport] = connection
        return True

    def end(self, transport: Any) -> None:
        self._open.pop(transport, None)

    def of(self, request: web.Request) -> Connection | None:
        return self._open.get(request.transport) if request.transport is not None else None

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """asyncio reports a lack of files a hundred times a second, with a traceback: once a minute is enough."""
        before = loop.get_exception_handler()

        def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            if context.get("message") == _NO_FILES:
                self._complain("No connection can be accepted: the process has no files left to open.")
            elif before is not None:
                before(loop, context)
            else:
                loop.default_exception_handler(context)

        self._handle, self._before = handle, before
        loop.set_exception_handler(handle)

    def unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.get_exception_handler() is self._handle:
            loop.set_exception_handler(self._before)

    def _complain(self, text: str) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._said_s >= _SAY_AGAIN_S:
            self._said_s = now_s
            _log.warning("%s", text)


class Connection(asyncio.Protocol):
    """Passes all on to aiohttp's protocol, and cuts the connection when what must come does not."""

    def __init__(self, server: Any, connections: Connections, limits: Limits) -> None:
        self._server = server
        self._connections = connections
        self._limits = limits
        self._protocol: Any = None
        self._transport: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._awaits_head = False
        self._is_asking = False
        self._may_send: int | None = None

    def allow(self, size: int | None) -> None:
        """From now on it may send so many bytes, and is cut at the next; None: as many as it likes."""
        self._may_send = size

    # -- requests, as the outermost middleware sees them

    def request_begins(self, request: web.Request) -> None:
        """Its head is here."""
        self._is_asking = True
        self._awaits_head = False
        self._stop()
        content = request.content
        if not content.is_eof():
            self._cut_after(self._limits.body_s, lambda: not content.is_eof())

    def request_ends(self) -> None:
        self._is_asking = False
        self._cut_after(self._limits.idle_s)

    # -- asyncio's protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._connections.begin(self, transport):
            assert isinstance(transport, asyncio.Transport)
            transport.abort()
            return
        self._transport = transport
        self._protocol = self._server()
        self._protocol.connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._protocol is None:
            return
        if self._may_send is not None:
            self._may_send -= len(data)
            if self._may_send < 0:
                self._transport.abort()
                return
        if not self._is_asking and not self._awaits_head:
            self._await_head()
        try:
            self._protocol.data_received(data)
        except ValueError as error:  # a URL that is none: older aiohttp lets that out, to asyncio's log
            _log.debug("A connection is closed: what it sent is no HTTP (%s).", one_line(str(error), 200))
            self._transport.abort()

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received() if self._protocol is not None else None

    def connection_lost(self, error: Exception | None) -> None:
        if self._protocol is None:
            return
        self._connections.end(self._transport)
        self._stop()
        self._protocol.connection_lost(error)

    def pause_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._protocol is not None:
            self._protocol.resume_writing()

    def _await_head(self) -> None:
        self._awaits_head = True
        self._cut_after(self._limits.head_s)

    def _cut_after(self, delay_s: float, is_due: Any = lambda: True) -> None:
        self._stop()
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._cut, is_due)

    def _cut(self, is_due: Any) -> None:
        self._timer = None
        if is_due():
            self._transport.abort()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
