"""One joined client: what a backend may tell it, and how its requests are taken: one at a time, within limits.

Everything here runs on the server's loop. `Backend` is what stands behind a `Shell` (see `app`): it answers
requests and knows the state; the shell knows nothing of projects.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from aiohttp import web

from roma_widget.server.network.limits import Limits
from roma_widget.server.network.subscriber import Message, Subscriber
from roma_widget.server.network.transport import Request, Transport

_log = logging.getLogger("roma_widget.server")


class Backend(Protocol):
    """Answers the requests of clients. All calls come on the server's loop."""

    events: tuple[str, ...]
    """Requests with a handler. Others get silence and no acknowledgement, as on ROMA."""

    async def joined(self, client: Client) -> None:
        """During the CONNECT: what it replies arrives before the acknowledgement. Posts and refreshes are welcome."""

    def left(self, client: Client) -> None:
        """After this there is no call for the client. Requests that came before it left have been handled."""

    async def request(self, client: Client, event: str, args: tuple[Any, ...]) -> None:
        """Replies to one of `events`; the acknowledgement follows the return."""

    def refused(self, client: Client, event: str, why: str, args: tuple[Any, ...] = ()) -> tuple[str, bytes]:
        """The error event (name, JSON text) for a request that the shell does not pass on, or that raised."""

    def newest(self, client: Client) -> Message | None:
        """What the client is told after a `refresh`, when it has taken all before; None: nothing."""

    def routes(self) -> list[web.RouteDef]:
        """The HTTP API."""


class Client:
    """One joined socket. `extension` is 0 for plain ROMA, or the version asked for; `label` says who it is."""

    def __init__(
        self, sid: str, extension: int, label: str, *, transport: Transport, backend: Backend, limits: Limits
    ) -> None:
        self.sid = sid
        self.extension = extension
        self.label = label
        self._transport = transport
        self._backend = backend
        self._limits = limits
        self._subscriber = Subscriber(
            lambda: backend.newest(self), self._send, lambda: transport.drained(sid)
        )
        self._line: asyncio.Queue[Request | None] = asyncio.Queue()
        self._waiting_bytes = 0
        self._bucket = TokenBucket(limits.requests_per_s, limits.burst, asyncio.get_running_loop().time)
        self._is_cut = False

    def __repr__(self) -> str:
        return f"<Client {self.label or self.sid}>"

    async def reply(self, event: str, payload: bytes, *, binary: bool = False) -> None:
        """Queues `payload` at once: before the acknowledgement of the request that is handled.

        It is JSON text, or with `binary` sent as one attachment.
        """
        self.put(self._transport.packets(event, payload, binary=binary))

    def post(self, event: str, payload: bytes, *, binary: bool = False) -> None:
        """Queues news that must not be skipped, in order. A client that lets too many lie is disconnected."""
        self.put(self._transport.packets(event, payload, binary=binary))

    def refresh(self) -> None:
        """The state moved: the client is told the newest when it has taken all before."""
        self._subscriber.refresh()

    # -- the shell's side

    def put(self, packets: Sequence[Any]) -> None:
        if not self._transport.send(self.sid, packets):
            self._is_cut = True  # its connection is being closed already

    def ask(self, request: Request) -> None:
        """Takes a request into the line, or refuses it."""
        if not self._bucket.take():
            self._refuse(request, f"too many requests: at most {self._limits.requests_per_s:g} a second")
            return
        self._line.put_nowait(request)
        self._waiting_bytes += request.size
        waiting = self._line.qsize()
        if waiting > self._limits.waiting_requests or self._waiting_bytes > self._limits.waiting_bytes:
            self._cut(f"{waiting} of its requests ({self._waiting_bytes:,} bytes) wait to be handled")

    def ignore(self) -> None:
        """It asked for what nobody answers; that counts, too."""
        self._bucket.take()

    def leave(self) -> None:
        """No more requests will come; `handle_requests` ends after those that have."""
        self._line.put_nowait(None)

    async def publish(self) -> None:
        """Tells the client the newest state, again and again, until cancelled."""
        await self._subscriber.run()

    async def handle_requests(self) -> None:
        """One after the other, each when the client has taken the answers before; ends after `leave`."""
        try:
            while (request := await self._line.get()) is not None:
                self._waiting_bytes -= request.size
                await self._transport.drained(self.sid)
                if not self._is_cut:
                    await self._handle(request)
        finally:
            self._backend.left(self)

    async def _handle(self, request: Request) -> None:
        try:
            await self._backend.request(self, request.event, request.args)
        except Exception:
            _log.exception("Answering %s failed.", request.event)
            self._refuse(request, "internal error")
        else:
            request.acknowledge()

    def _refuse(self, request: Request, why: str) -> None:
        event, payload = self._backend.refused(self, request.event, why, request.args)
        self.put(self._transport.packets(event, payload))
        request.acknowledge()

    def _send(self, message: Message) -> None:
        event, payload, is_binary = message
        self.put(self._transport.packets(event, payload, binary=is_binary))

    def _cut(self, why: str) -> None:
        if not self._is_cut:
            self._is_cut = True
            _log.warning("The client %s is disconnected: %s.", self.label or self.sid, why)
            self._transport.disconnect(self.sid)


class TokenBucket:
    """`rate_per_s` takings a second on average, up to `burst` at once. `clock` gives seconds that only grow."""

    def __init__(self, rate_per_s: float, burst: int, clock: Callable[[], float]) -> None:
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._clock = clock
        self._tokens = self._burst
        self._filled_s = clock()

    def take(self) -> bool:
        now_s = self._clock()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate_per_s)
        self._filled_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
