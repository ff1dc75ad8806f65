"""The socket.io library, bent where it does in its own way what we cannot use.

It decodes every frame (hence `LazyPacket`); what it cannot read dies unheard in a task (hence `Client`); and it stops
writing when it had nothing to write for a ping interval and five seconds, also where the next ping is only late (hence
`Engine`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import engineio
import socketio
from socketio import packet as socketio_packet

from ..core import wire
from ..core.reading import shorten
from ..core.split import Malformed

EXTENSION_VERSION = 1
LEAST_SILENCE_S = 0.2
LONGEST_SILENCE_S = 120.0
"""What a server says of its pings is believed within these."""
UNREADABLE = "\0unreadable"
"""The name under which a packet that could not be read is passed on; its payload is a sentence."""

library_log = logging.getLogger("roma_widget.socketio")
library_log.setLevel(logging.CRITICAL)  # it logs whole frames, and what it calls errors we report ourselves

_RESERVED = frozenset({*socketio.AsyncClient.reserved_events, UNREADABLE})
_BINARY = ("5", "6")  # the packet types of events and acknowledgements with attachments
_PACKED = re.compile(
    r'51-(?:/,)?\["(snapshot|delta|stages|task_result_data|history_data|task_watched|task_unwatched)",'
    r'\{"_placeholder":true,"num":0\}\]'
)
"""An event of the extension, whose one argument comes in the next message."""
_HEAD = re.compile(r"2(?:/[^,\[]*,)?(\d*)(?=\[)")
# the library keeps its counter where the callback of number 0 would be, and a server could pop it
_ACK_OF_NOTHING = re.compile(r"3(?:/[^,\[]*,)?0*\[")
_FAR_S = 1e6

MayJoin = Callable[[], Awaitable[bool]]


class LinkError(Exception):
    """The handshake failed. `mismatch` says that an HTTP server answered that does not speak socket.io."""

    def __init__(self, message: str, *, mismatch: bool = False) -> None:
        super().__init__(message)
        self.mismatch = mismatch


class NotJoined(LinkError):
    """The transport's handshake went well, and `may_join` said no."""


class LazyPacket(socketio_packet.Packet):  # type: ignore[misc]
    """Leaves an event's arguments as text. Given as `serializer=`: `json=` would change every client there is."""

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str) or encoded_packet.startswith(_BINARY):
            # an attachment that never comes would make the library take the next frame for it
            raise Malformed("binary data, which no ROMA server sends")
        match = _HEAD.match(encoded_packet)
        if match is None:
            if _ACK_OF_NOTHING.match(encoded_packet):
                raise Malformed("an acknowledgement of nothing")
            return int(super().decode(encoded_packet))
        self.packet_type = socketio_packet.EVENT
        self.namespace = None
        self.id = int(match[1]) if match[1] else None
        self.data: list[Any] = list(wire.read_packet(encoded_packet, match.end()))
        if self.data[0] in _RESERVED:
            raise Malformed(f"an event named {self.data[0]!r}, which socket.io keeps for itself")
        return 0


class ExtendedPacket(LazyPacket):
    """Takes the binary messages that a server was asked for, and no others."""

    def decode(self, encoded_packet: Any) -> int:
        match = _PACKED.fullmatch(encoded_packet) if isinstance(encoded_packet, str) else None
        if match is None:
            return super().decode(encoded_packet)
        self.packet_type = socketio_packet.BINARY_EVENT
        self.namespace = self.id = None
        self.data = [match[1], {"_placeholder": True, "num": 0}]
        return 1


class Engine(engineio.AsyncClient):  # type: ignore[misc]
    """Counts what is heard, and notes how long the server may be silent; the library's own deadlines are put off."""

    ping_interval: float
    packets_heard = 0
    pings_heard = 0
    ping_every_s = silent_s = LONGEST_SILENCE_S

    async def _trigger_event(self, event: str, *arguments: Any, **options: Any) -> Any:
        if event == "connect":  # the open packet has been read, and the library's loops have not begun
            said_s = self.ping_interval + self.ping_timeout
            self.silent_s = min(max(said_s, LEAST_SILENCE_S), LONGEST_SILENCE_S)
            self.ping_every_s = min(max(self.ping_interval, LEAST_SILENCE_S), LONGEST_SILENCE_S)
            self.ping_interval = _FAR_S
        return await super()._trigger_event(event, *arguments, **options)

    async def _send_request(self, *arguments: Any, **options: Any) -> Any:
        if (
            self.http is None or self.http.closed
        ):  # for a link that was closed it would make a session nobody closes
            return "the link is closed"
        return await super()._send_request(*arguments, **options)

    async def _connect_websocket(self, *arguments: Any, **options: Any) -> Any:
        if self.http is None or self.http.closed:  # the same, for a handshake that was given up
            raise engineio.exceptions.ConnectionError("the link is closed")
        return await super()._connect_websocket(*arguments, **options)

    async def _receive_packet(self, packet: Any) -> None:
        self.packets_heard += 1
        self.pings_heard += packet.packet_type == engineio.packet.PING
        await super()._receive_packet(packet)


class Client(socketio.AsyncClient):  # type: ignore[misc]
    """Passes on what the library would let die in a task of its own. Asks `may_join` before it joins."""

    _binary_packet: LazyPacket | None
    may_join: MayJoin | None = None
    has_refrained = False

    def _engineio_client_class(self) -> type[Engine]:
        return Engine

    async def _handle_eio_connect(self) -> None:
        if self.may_join is not None and not await self.may_join():
            self.has_refrained = True
            raise NotJoined("a run may have begun")
        await super()._handle_eio_connect()

    async def _handle_eio_message(self, data: Any) -> None:
        if self._binary_packet is not None and not isinstance(data, bytes):
            # the library would take this message for the attachment that did not come
            self._binary_packet = None
            sentence = "a packet was skipped: its binary part did not come"
            await self._trigger_event(UNREADABLE, "/", wire.Payload(sentence))
        try:
            await super()._handle_eio_message(data)
        except Malformed as error:
            await self._trigger_event(UNREADABLE, "/", wire.Payload(f"a packet was skipped: {error}"))
        except Exception:  # whatever the library trips over
            text = f" ({shorten(data[:50], 40)!r})" if isinstance(data, str) else ""
            sentence = f"a packet was skipped: it is not in socket.io's form{text}"
            await self._trigger_event(UNREADABLE, "/", wire.Payload(sentence))

    async def _handle_disconnect(self, namespace: str | None) -> None:
        if self.connected:
            await super()._handle_disconnect(namespace)
        else:  # the library overlooks a goodbye that comes right behind the welcome
            await self._handle_error(namespace, "it said goodbye at once")
