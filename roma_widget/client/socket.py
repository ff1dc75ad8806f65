"""One socket.io connection from its handshake to its end; a new one for each attempt.

Events come out undecoded (`wire.Payload` points into the frame's text). What the library does in its own way and
we cannot use: it decodes every frame (hence `_LazyPacket`), its websocket handshake has no deadline, a list of
transports that starts with websocket never falls back (so the caller tries them one by one), and a failed
connect leaks its HTTP session (so it is ours).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any

import aiohttp
import engineio
import socketio
from socketio import packet as socketio_packet

from ..core import wire
from ..core.address import is_loopback
from ..core.split import Malformed

LARGEST_FRAME = 256 * 1024 * 1024
PACKETS_PER_POLL = 10_000
WINDOW_BITS = 15

_HEAD = re.compile(r"2(?:/[^,\[]*,)?(\d*)(?=\[)")
_log = logging.getLogger("roma_widget.socket")
_library_log = logging.getLogger("roma_widget.socketio")
_library_log.setLevel(logging.CRITICAL)  # it logs whole frames, and what it calls errors we report ourselves

OnEvent = Callable[[str, wire.Payload | None], None]


class LinkError(Exception):
    """The handshake failed. `mismatch` says that an HTTP server answered that does not speak socket.io."""

    def __init__(self, message: str, *, mismatch: bool = False) -> None:
        super().__init__(message)
        self.mismatch = mismatch


class _LazyPacket(socketio_packet.Packet):  # type: ignore[misc]
    """Leaves an event's arguments as text. Given as `serializer=`: `json=` would change every client there is."""

    def decode(self, encoded_packet: Any) -> int:
        match = _HEAD.match(encoded_packet) if isinstance(encoded_packet, str) else None
        if match is None:
            return int(super().decode(encoded_packet))
        self.packet_type = socketio_packet.EVENT
        self.namespace = None
        self.id = int(match[1]) if match[1] else None
        try:
            self.data = list(wire.read_packet(encoded_packet, match.end()))
        except Malformed as error:
            self.data = [UNREADABLE, wire.Payload(str(error))]
        return 0


UNREADABLE = "\0unreadable"


class Link:
    """A socket to `root`. `ended` resolves with a sentence once an open link is gone."""

    def __init__(
        self,
        root: str,
        transport: str,
        *,
        token: str | None,
        headers: dict[str, str],
        timeout_s: float,
        on_event: OnEvent,
    ) -> None:
        self.root = root
        self.transport = transport
        self.bytes_received = 0
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._token = token
        self._headers = headers
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._http: aiohttp.ClientSession | None = None
        self._client: socketio.AsyncClient | None = None

    async def open(self) -> None:
        """Shake hands. Raises `LinkError`, and then nothing is left open."""
        # a class attribute of the library, 16 by default: a burst of frames over polling would end the connection
        payload = engineio.payload.Payload
        payload.max_decode_packets = max(payload.max_decode_packets, PACKETS_PER_POLL)
        self._http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        client = self._client = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            logger=_library_log,
            engineio_logger=_library_log,
            serializer=_LazyPacket,
            request_timeout=self._timeout_s,
            http_session=self._http,
            websocket_extra_options={
                "max_msg_size": LARGEST_FRAME,
                # inflating costs more than receiving, so only where bytes have a way to go
                "compress": 0 if is_loopback(self.root) else WINDOW_BITS,
            },
        )
        # before connecting: projects_list arrives before the connect acknowledgement
        client.on("*", self._hear)
        client.on("disconnect", self._lost)
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.connect(
                    self.root,
                    headers=dict(self._headers),
                    auth={"token": self._token} if self._token else None,
                    transports=[self.transport],
                    wait_timeout=self._timeout_s,
                )
        except TimeoutError:
            await self.close()
            raise LinkError(
                f"The {self.transport} handshake with {self.root} got no answer within {self._timeout_s:g} s."
            ) from None
        except Exception as error:  # whatever the library lets out of a failed handshake
            await self.close()
            raise _refusal(self.root, self.transport, error) from error

    async def request(self, event: str, *arguments: object) -> None:
        """Emit `event` and wait for the acknowledgement: the server got it. Raises `LinkError`."""
        if self._client is None or not self._client.connected:
            raise LinkError(f"{event} was not sent: the connection is gone.")
        try:
            await self._client.call(event, arguments if arguments else None, timeout=self._timeout_s)
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            raise LinkError(
                f"{self.root} did not acknowledge {event} within {self._timeout_s:g} s."
            ) from error

    async def close(self) -> None:
        """Close the socket and everything under it; safe to call twice."""
        client, self._client = self._client, None
        if client is not None:
            try:
                async with asyncio.timeout(2.0):
                    await client.disconnect()
            except Exception as error:  # a link that is already broken may fail to say goodbye
                _log.debug("closing the link to %s: %s", self.root, error)
            for task in (client.eio.read_loop_task, client.eio.write_loop_task):
                if task is not None and not task.done():
                    task.cancel()
        http, self._http = self._http, None
        if http is not None:
            await http.close()
        self._end("closed by us")

    def _hear(self, name: str, *arguments: object) -> None:
        payload = arguments[0] if arguments and isinstance(arguments[0], wire.Payload) else None
        if payload is not None:
            self.bytes_received += len(payload.text)
        self._on_event(name, payload)

    def _lost(self, reason: str = "") -> None:
        self._end(f"The connection to {self.root} was lost ({reason or 'no reason given'}).")

    def _end(self, sentence: str) -> None:
        if not self.ended.done():
            self.ended.set_result(sentence)


def _refusal(root: str, transport: str, error: BaseException) -> LinkError:
    """One sentence, found in the chain of exceptions: the library's own words hide the reason."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, aiohttp.WSServerHandshakeError):
            return LinkError(_no_socketio(root, transport, f"HTTP {at.status}"), mismatch=True)
        at = at.__cause__ or at.__context__
    text = str(error)
    status = re.search(r"Unexpected status code (\d+)", text)
    if status is not None:
        return LinkError(_no_socketio(root, transport, f"HTTP {status[1]}"), mismatch=True)
    if (
        "Unexpected response" in text
        or "OPEN packet" in text
        or isinstance(error, ValueError | IndexError | KeyError)
    ):
        return LinkError(_no_socketio(root, transport, "something else"), mismatch=True)
    return LinkError(f"The {transport} handshake with {root} failed ({text or type(error).__name__}).")


def _no_socketio(root: str, transport: str, came_back: str) -> str:
    return f"{root} is no socket.io server: its answer to the {transport} handshake was {came_back}."
