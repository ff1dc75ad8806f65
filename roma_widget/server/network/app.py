"""The network shell of a server: it listens, lets clients in and carries what a `Backend` says to them.

    backend  ->  Shell  ->  Client (one a socket: its requests, its newest state)  ->  Transport (Socket.IO)
                   `->  guard (who may ask over HTTP, gzip, CORS)  ->  the backend's routes

It knows nothing of projects and tasks. All of it runs on the loop that called `start`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Self

from aiohttp import web

from roma_widget.server.network.client import Backend, Client
from roma_widget.server.network.connections import Connections
from roma_widget.server.network.guard import is_token, middlewares, named_origins
from roma_widget.server.network.http_log import HttpLog
from roma_widget.server.network.limits import Limits
from roma_widget.server.network.listening import ServeError, address_of, listen, url_of
from roma_widget.server.network.subscriber import Message
from roma_widget.server.network.transport import Request, Transport

__all__ = ["Backend", "Client", "Limits", "Message", "ServeError", "Shell"]

_LONGEST_LABEL = 80
_log = logging.getLogger("roma_widget.server")


class Shell:
    """Serves `backend` at `host`:`port` (0: any free port).

    A host that other machines reach needs a `token`. `origins` names the pages that browsers may let in, as
    `scheme://host:port`; none by default. Every refusal of these is a `ServeError` of `start`.

    >>> async with Shell(backend) as shell:
    ...     print(shell.url)
    """

    def __init__(
        self,
        backend: Backend,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        origins: Iterable[str] = (),
        limits: Limits | None = None,
    ) -> None:
        self._backend = backend
        self._events = frozenset(backend.events)
        self._host = host
        self._wanted_port = port
        self._token = token
        self._origins = origins
        self._limits = limits or Limits()
        self._clients: dict[str, Client] = {}
        self._publishing: dict[str, asyncio.Task[None]] = {}
        self._working: set[asyncio.Task[None]] = set()
        self._runner: web.AppRunner | None = None
        self._transport: Transport | None = None
        self._is_stopped = False
        self.clients: Mapping[str, Client] = MappingProxyType(self._clients)
        """Session id -> client: who is joined at this moment."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        return url_of(self._running())

    @property
    def port(self) -> int:
        return int(self._running().addresses[0][1])

    @property
    def connections_total(self) -> int:
        """Engine.IO handshakes asked for so far, successful or not: 0 proves that nobody opened a socket."""
        return self._transport.sessions.total if self._transport is not None else 0

    async def start(self) -> None:
        """Listens. Raises `ServeError` when the host, port, token or origins will not do."""
        if self._runner is not None:
            raise ServeError("This server has been started before; make a new one.")
        if self._token is not None and not self._token.strip():
            raise ServeError("The token is empty: give a secret, or None for no token.")
        origins = named_origins(self._origins)
        address = await address_of(self._host, has_token=self._token is not None)
        app = web.Application(
            middlewares=middlewares(self._token, origins), client_max_size=self._limits.largest_message
        )
        app.add_routes(self._backend.routes())
        self._connections = Connections(self._limits)
        self._transport = Transport(app, self, self._connections, self._limits)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=HttpLog(),
            shutdown_timeout=self._limits.goodbye_s,
            auto_decompress=False,
        )
        await self._runner.setup()
        self._connections.watch(asyncio.get_running_loop())
        try:
            await listen(self._runner, self._connections, address, self._wanted_port)
        except ServeError:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the connections and the listening, also of clients that do not read; safe to call again."""
        if self._transport is None or self._runner is None or self._is_stopped:
            return
        self._is_stopped = True
        tasks = [*self._publishing.values(), *self._working]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._transport.sessions.close()
        await self._runner.cleanup()
        await self._transport.sessions.abort_all()
        self._connections.unwatch(asyncio.get_running_loop())

    def broadcast(self, event: str, payload: bytes) -> None:
        """`post` to every client; encoded once."""
        if self._transport is None or not self._clients:
            return
        packets = self._transport.packets(event, payload)
        for client in tuple(self._clients.values()):
            client.put(packets)

    def refresh(self) -> None:
        """`refresh` of every client."""
        for client in self._clients.values():
            client.refresh()

    # -- what the transport tells

    async def connecting(self, sid: str, auth: object) -> str | None:
        """Lets a client in, or says why not. It is in `clients` before `joined`, so that it misses nothing."""
        asked: Mapping[Any, Any] = auth if isinstance(auth, dict) else {}
        if self._token is not None and not is_token(asked.get("token"), self._token):
            return "This server wants its token: auth={'token': ...}"
        if self._transport is None or self._is_stopped:
            return "The server is stopping"
        client = Client(
            sid,
            _version(asked.get("roma_widget")),
            _label(asked.get("label")),
            transport=self._transport,
            backend=self._backend,
            limits=self._limits,
        )
        if client.extension:
            self._transport.leave_packed(sid)
        self._clients[sid] = client
        try:
            await self._backend.joined(client)
        except Exception:
            _log.exception("A client could not be let in.")
            del self._clients[sid]
            self._backend.left(client)
            return "Internal server error"
        return None

    def welcomed(self, sid: str) -> None:
        client = self._clients[sid]
        self._publishing[sid] = asyncio.create_task(client.publish())
        working = asyncio.create_task(client.handle_requests())
        self._working.add(working)
        working.add_done_callback(self._working.discard)

    def requested(self, request: Request) -> None:
        client = self._clients.get(request.sid)
        if client is None:
            return
        if request.event in self._events:
            client.ask(request)
        else:
            client.ignore()

    def disconnected(self, sid: str) -> None:
        client = self._clients.pop(sid, None)
        if client is None:
            return
        publishing = self._publishing.pop(sid, None)
        if publishing is None:  # it went before it was welcome
            self._backend.left(client)
            return
        publishing.cancel()
        client.leave()

    def _running(self) -> web.AppRunner:
        if self._runner is None or not self._runner.addresses:
            raise ServeError("The server is not running, so it has no address.")
        return self._runner


def _version(asked: object) -> int:
    """The version of the extension that a client asks for; whatever makes no sense is plain ROMA."""
    return asked if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0 else 0


def _label(given: object) -> str:
    return given[:_LONGEST_LABEL] if isinstance(given, str) else ""
