"""python-socketio, behind types: clients join, ask and are told. With `sessions` the only place of its insides.

Why insides: `emit` encodes a frame again for every call and queues it without bound, and handlers run side by
side without bound. Here packets are made once from JSON text and given to Engine.IO as they are, a client's
outbox can be waited for, requests are handed over in order, and whatever is no message ends its connection.
python-socketio has no types: what comes from it is `Any` and stays here.

`sid` names a client, as Socket.IO does; `session` the connection of Engine.IO over which it joined.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import socketio
from aiohttp import web
from engineio.exceptions import EngineIOError

from roma_widget.server.network.connections import Connections
from roma_widget.server.network.limits import Limits, decoded_size
from roma_widget.server.network.packets import AttachedPacket, Outgoing, TextPacket
from roma_widget.server.network.sessions import Sessions

_NAMESPACE = "/"
_PER_ATTACHMENT = 64  # what an attachment counts besides its bytes: a million empty ones are not free
_LONGEST_COMPLAINT = 200
_LONGEST_NAMESPACE = 100
_GARBLED = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)

_library_log = logging.getLogger("roma_widget.server.library")
_library_log.setLevel(logging.ERROR)  # at INFO the library formats whole frames into the log


@dataclass(frozen=True, slots=True)
class Request:
    """An event that a client sent. `size` is what it takes, decoded; `acknowledge` may be called once."""

    sid: str
    event: str
    args: tuple[Any, ...]
    size: int
    acknowledge: Callable[[], None]


class Listener(Protocol):
    """Who hears what comes in."""

    async def connecting(self, sid: str, auth: object) -> str | None:
        """None lets the client in; a text refuses it."""

    def welcomed(self, sid: str) -> None:
        """The acknowledgement of the CONNECT is queued."""

    def requested(self, request: Request) -> None: ...

    def disconnected(self, sid: str) -> None: ...


class Transport:
    """A Socket.IO server on the aiohttp application `app`; made and used on one running loop."""

    def __init__(
        self,
        app: web.Application,
        listener: Listener,
        connections: Connections,
        limits: Limits,
    ) -> None:
        self._listener = listener
        self._limits = limits
        self._sizes: dict[str, int] = {}  # session -> bytes of the message that is coming in, decoded
        self._server = socketio.AsyncServer(
            async_mode="aiohttp",
            cors_allowed_origins=[],  # no checks and no headers: `guard` does both
            http_compression=False,  # `guard`, too
            max_http_buffer_size=limits.largest_message,
            ping_interval=limits.ping_interval_s,
            ping_timeout=limits.ping_timeout_s,
            logger=_library_log,
            engineio_logger=_library_log,
        )
        self._last: tuple[str, bytes, bool, Outgoing] | None = None
        """The same event goes to many clients: made once, kept once."""
        self._server.eio.on("message", self._on_message)
        self._server.on("connect", self._on_connecting)
        self._server.on("disconnect", self._on_disconnect)
        self._server._handle_connect = self._on_connect_packet
        self._server._handle_event = self._on_event
        self.sessions = Sessions(app, self._server, connections, limits)

    # -- what goes out

    def packets(self, event: str, payload: bytes, *, binary: bool = False) -> list[Any]:
        """An event with one argument: the JSON text `payload`, or with `binary` those bytes as an attachment.

        They may be sent to any number of clients.
        """
        if self._last is None or self._last[:3] != (event, payload, binary):
            self._last = (event, payload, binary, _event(event, payload, binary))
        return [self._last[3]]

    def send(self, sid: str, packets: Sequence[Any]) -> bool:
        """Queues them back to back. False when the client let too much lie: what is queued now is dropped, and its
        connection closed.
        """
        socket = self._socket(sid)
        if socket is None:
            return True  # it is gone
        for packet in packets:
            socket.queue.put_nowait(packet)
        return not socket.queue.is_overfull

    def waiting(self, sid: str) -> tuple[int, int]:
        """Packets queued for a client, and their bytes."""
        socket = self._socket(sid)
        return (socket.queue.qsize(), socket.queue.bytes_waiting) if socket is not None else (0, 0)

    async def drained(self, sid: str) -> None:
        """Returns when the client has taken all that was queued (or is gone)."""
        socket = self._socket(sid)
        if socket is not None:
            await socket.queue.drained()

    def leave_packed(self, sid: str) -> None:
        """From now on this client's binary messages go out as they are; only its JSON is compressed."""
        self.sessions.leave_packed(self._session(sid))

    def disconnect(self, sid: str) -> None:
        """Ends the connection of a client and drops what waits for it."""
        self.sessions.end(self._session(sid))

    # -- clients

    async def _on_message(self, session: str, data: str | bytes) -> None:
        if self.sessions.is_ending(session):
            return
        strangers = self.sessions.strangers
        if session in strangers and not strangers.may_say(session, len(data)):
            return
        taken = decoded_size(data) if isinstance(data, str) else len(data) + _PER_ATTACHMENT
        size = self._sizes.get(session, 0) + taken
        self._sizes[session] = size
        try:
            if session in self._server._binary_packet and size > self._limits.largest_message:
                raise ValueError("its attachments are too large")
            if size > self._limits.largest_decoded:
                raise ValueError(f"decoded it would take {size:,} bytes")
            await self._server._handle_eio_message(session, data)
        except _GARBLED as error:
            why = f"{type(error).__name__}: {error}"[:_LONGEST_COMPLAINT]
            self.sessions.complain(session, f"it sent what is no Socket.IO packet ({why})")
        finally:
            if session not in self._server._binary_packet:
                self._sizes.pop(session, None)

    async def _on_connect_packet(self, session: str, namespace: str | None, auth: object) -> None:
        manager = self._server.manager
        if (namespace or _NAMESPACE) != _NAMESPACE:
            self._refuse_namespace(session, str(namespace))
            return
        if not self.sessions.strangers.begins_to_join(session):
            return  # it has joined, or is about to: asking again changes nothing
        with contextlib.suppress(EngineIOError):  # it went while it was being let in
            await type(self._server)._handle_connect(self._server, session, namespace, auth)
        sid, socket = manager.sid_from_eio_sid(session, _NAMESPACE), self.sessions.socket(session)
        if sid is None:
            self.sessions.end_when_told(session)
            return
        if socket is None or not manager.is_connected(sid, _NAMESPACE):  # it went meanwhile
            self._listener.disconnected(sid)
            await manager.disconnect(sid, _NAMESPACE)
            return
        self.sessions.has_joined(session)
        self._listener.welcomed(sid)

    def _refuse_namespace(self, session: str, namespace: str) -> None:
        """The library would do so, and repeat the name whatever its length."""
        if len(namespace) > _LONGEST_NAMESPACE:
            raise ValueError("the name of its namespace is too long")
        socket = self.sessions.socket(session)
        if socket is not None:
            socket.queue.put_nowait(_text(f'4{namespace},"Unable to connect"'))

    async def _on_connecting(self, sid: str, environ: object, auth: object = None) -> None:
        refusal = await self._listener.connecting(sid, auth)
        if refusal is not None:
            raise socketio.exceptions.ConnectionRefusedError(refusal)

    async def _on_disconnect(self, sid: str, reason: object = None) -> None:
        self._listener.disconnected(sid)
        self.sessions.end_later(self._session(sid))

    async def _on_event(self, session: str, namespace: str | None, ack_id: int | None, data: Any) -> None:
        manager = self._server.manager
        sid = manager.sid_from_eio_sid(session, _NAMESPACE)
        if (
            (namespace or _NAMESPACE) != _NAMESPACE
            or sid is None
            or not manager.is_connected(sid, _NAMESPACE)
        ):
            return
        if not isinstance(data, list) or not data or not isinstance(data[0], str):
            raise ValueError("an event must be a list that begins with its name")
        size = self._sizes.get(session, 0)
        self._listener.requested(
            Request(sid, data[0], tuple(data[1:]), size, lambda: self._acknowledge(sid, ack_id))
        )

    def _acknowledge(self, sid: str, ack_id: int | None) -> None:
        """An empty list, as from the real server; nothing when none was asked for."""
        if ack_id is not None:
            self.send(sid, [_text(f"3{ack_id}[]")])

    def _session(self, sid: str) -> Any:
        return self._server.manager.eio_sid_from_sid(sid, _NAMESPACE)

    def _socket(self, sid: str) -> Any:
        return self.sessions.socket(self._session(sid))


def _text(text: str) -> TextPacket:
    return TextPacket(text.encode())


def _event(event: str, payload: bytes, binary: bool) -> Outgoing:
    name = json.dumps(event)
    if binary:
        return AttachedPacket(f'51-[{name},{{"_placeholder":true,"num":0}}]'.encode(), payload)
    return TextPacket(b"".join((b"2[", name.encode(), b",", payload, b"]")))
