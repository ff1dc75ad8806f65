"""A real Socket.IO and HTTP server that plays a recording: for demos, for tests and looking again.

The parts: `standing` says how the server stands, `answers` what a request gets, `pacer` when a moment is due,
`subscriber` keeps slow clients from holding up others, `transport` is the socket, `http_api` the rest. This
file only puts them together and owns their lifetime; all of it runs on the loop that called `start`.
"""

from __future__ import annotations

import asyncio
import errno
import math
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web

from roma_widget.errors import RomaError
from roma_widget.server.answers import HANDLED_EVENTS, Asked, answer
from roma_widget.server.capture import FRAME, Broadcast, Capture, compact_json
from roma_widget.server.http_api import routes
from roma_widget.server.pacer import Pacer
from roma_widget.server.standing import Standing, empty_frame
from roma_widget.server.subscriber import Subscriber
from roma_widget.server.transport import SOCKET_PATH, Transport, is_loopback

_SNAPSHOTS = frozenset({FRAME, "project_switched"})
_GOODBYE_S = 0.5
"""How long open connections get to end by themselves when the server stops."""


class ReplayError(RomaError):
    """A replay cannot be served: the address is refused or taken."""


class ReplayServer:
    """Plays `capture` to any number of clients; after its end it goes on serving the final state.

    `speed` is recorded seconds per second; 0 or infinity plays as fast as possible. `host` must be this
    machine (there is no token yet), `port` 0 takes a free one. `safe_to_join=False` leaves that word out of
    the health reply, as the real server does, so that careful clients follow over HTTP.

    >>> async with ReplayServer(read_capture(recording_path("report")), speed=10) as server:
    ...     print(server.url)
    """

    def __init__(
        self,
        capture: Capture,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        safe_to_join: bool = True,
    ) -> None:
        Pacer(speed, lambda: 0.0)  # raises ValueError for a speed that is none
        self.capture = capture
        self.connections_total = 0
        """Engine.IO handshakes asked for so far, successful or not: 0 proves that nobody opened a socket."""
        self._host = host
        self._wanted_port = port
        self._speed = speed
        self._safe_to_join = safe_to_join
        self._standing = Standing(capture)
        self._next = 0
        self._subscribers: dict[str, tuple[Subscriber, asyncio.Task[None]]] = {}
        self._runner: web.AppRunner | None = None
        self._transport: Transport | None = None
        self._pacer: Pacer | None = None
        self._player: asyncio.Task[None] | None = None
        self._socket_requests: dict[asyncio.Task[Any], asyncio.WriteTransport | None] = {}
        self._jumped = asyncio.Event()
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        return int(self._address()[1])

    @property
    def url(self) -> str:
        host, port = self._address()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def clients_now(self) -> int:
        """Socket.IO clients connected at this moment."""
        return len(self._subscribers)

    async def start(self, *, play: bool = True) -> None:
        """Listens and starts the time line; with `play=False` it stands at its beginning until `play()`."""
        if self._runner is not None:
            raise ReplayError("This replay server has been started before; make a new one.")
        address = await _loopback_address(self._host)
        app = web.Application(middlewares=[self._watch_socket_requests])
        app.add_routes(routes(self._standing, safe_to_join=self._safe_to_join))
        self._transport = Transport(app)
        self._transport.on("connect", self._on_connect)
        self._transport.on("disconnect", self._on_disconnect)
        for event in HANDLED_EVENTS:
            self._transport.on(event, self._handler(event))
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_GOODBYE_S)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, address, self._wanted_port).start()
        except (OSError, OverflowError) as error:
            await self.stop()
            raise ReplayError(_why_not_listening(address, self._wanted_port, error)) from error
        if play:
            self.play()

    def play(self) -> None:
        """Starts the time line; does nothing when it runs already."""
        if self._player is None and self._runner is not None:
            self._pacer = Pacer(self._speed, asyncio.get_running_loop().time)
            self._player = asyncio.create_task(self._play())

    async def stop(self) -> None:
        """Ends the time line, the connections and the listening; safe to call again.

        Raises what went wrong in the time line, if anything did.
        """
        transport, self._transport = self._transport, None
        if transport is None or self._runner is None:
            return
        tasks = [task for _, task in self._subscribers.values()]
        if self._player is not None:
            tasks.append(self._player)
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        self._subscribers.clear()
        await transport.close()
        await self._runner.cleanup()
        await self._abort_the_stuck()
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome

    async def _abort_the_stuck(self) -> None:
        """Cuts clients that do not read: closing a connection politely waits until they have taken all."""
        requests = dict(self._socket_requests)
        for connection in requests.values():
            if connection is not None:
                connection.abort()
        if requests:
            await asyncio.wait(requests, timeout=_GOODBYE_S)

    async def advance_to(self, at_s: float) -> None:
        """Jumps to the recorded second `at_s`: what lies before is broadcast now, the rest as it is due."""
        self.play()
        if self._pacer is None:
            raise ReplayError("The replay server is not running: start it first.")
        self._pacer.jump(at_s)
        self._jumped.set()
        while self._next < len(self.capture.moments) and self.capture.moments[self._next].at_s <= at_s:
            self._step()
            await asyncio.sleep(0)

    async def advance_to_end(self) -> None:
        """Jumps to the final state."""
        await self.advance_to(math.inf)

    async def wait_ended(self) -> None:
        """Returns when the whole time line has been played."""
        await self._ended.wait()

    async def _play(self) -> None:
        assert self._pacer is not None
        while self._next < len(self.capture.moments):
            delay_s = self._pacer.delay_s(self.capture.moments[self._next].at_s)
            if delay_s > 0:
                await self._sleep_unless_jumped(delay_s)
            else:
                self._step()
                await asyncio.sleep(0)

    async def _sleep_unless_jumped(self, delay_s: float) -> None:
        self._jumped.clear()
        try:
            async with asyncio.timeout(delay_s):
                await self._jumped.wait()
        except TimeoutError:
            return

    def _step(self) -> None:
        """Applies the next moment and tells everyone. Does not wait, so `advance_to` and the player may
        mix."""
        moment = self.capture.moments[self._next]
        self._next += 1
        self._standing.apply(moment)
        if isinstance(moment, Broadcast):
            self._broadcast(moment.event, moment.payload)
        if self._next == len(self.capture.moments):
            self._ended.set()

    def _broadcast(self, event: str, payload: bytes) -> None:
        if self._transport is None or not self._subscribers:
            return
        packet = self._transport.packet(event, payload)
        for subscriber, _ in self._subscribers.values():
            subscriber.put(packet, is_snapshot=event in _SNAPSHOTS)

    async def _on_connect(self, sid: str, environ: object, auth: object = None) -> None:
        """What is sent here arrives before the CONNECT acknowledgement, as from the real server."""
        transport = self._transport
        if transport is None:
            return
        await transport.send(
            sid, transport.packet("projects_list", compact_json(self._standing.projects_list()))
        )
        if self._standing.current_id is None:  # then everyone is sent the empty frame
            self._broadcast(FRAME, empty_frame(_now()))
            await transport.send(sid, transport.packet(FRAME, empty_frame(_now())))
        subscriber = Subscriber(lambda packet: transport.send(sid, packet), lambda: transport.drained(sid))
        self._subscribers[sid] = subscriber, asyncio.create_task(subscriber.run())

    async def _on_disconnect(self, sid: str, reason: object = None) -> None:
        subscription = self._subscribers.pop(sid, None)
        if subscription is not None:
            subscription[1].cancel()
        if self._transport is not None:
            self._transport.release(sid)

    def _handler(self, event: str) -> Callable[..., Awaitable[None]]:
        async def handle(sid: str, *args: Any) -> None:
            """Returns nothing: that makes the acknowledgement an empty list, after the replies."""
            transport = self._transport
            if transport is None:
                return
            for reply in answer(event, args, Asked(self.capture, self._standing, _now())):
                await transport.send(sid, transport.packet(reply.event, reply.payload))

        return handle

    @web.middleware
    async def _watch_socket_requests(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        if request.path != SOCKET_PATH:
            return await handler(request)
        if "sid" not in request.query and request.method == "GET":
            self.connections_total += 1
        task = asyncio.current_task()
        if task is not None and task not in self._socket_requests:
            task.add_done_callback(self._socket_requests.pop)
            self._socket_requests[task] = request.transport
        return await handler(request)

    def _address(self) -> tuple[Any, ...]:
        if self._runner is None or not self._runner.addresses:
            raise ReplayError("The replay server is not running, so it has no address.")
        return tuple(self._runner.addresses[0])


async def _loopback_address(host: str) -> str:
    """The one address to listen on. "localhost" may have two; with port 0 they would get different ports."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host or " ", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ReplayError(f"The host {host!r} is not known here: {error}.") from error
    addresses = sorted((str(entry[4][0]) for entry in found), key=lambda address: ":" in address)
    if not all(is_loopback(address) for address in addresses):
        raise ReplayError(
            f"The host {host!r} is reachable from other machines, and a replay has no token: use 127.0.0.1."
        )
    return addresses[0]


def _why_not_listening(address: str, port: int, error: OSError | OverflowError) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Port {port} of {address} is taken: choose another, or 0 for any free one."
    return f"Cannot listen on port {port} of {address}: {error}."


def _now() -> str:
    """Naive local time, as the real server writes it everywhere but in its health reply."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None).isoformat()
