"""One websocket under Engine.IO: its driver for aiohttp, in place of the library's own.

The library's compresses all or nothing, encodes a frame for every client anew, waits for ever for the end of an upgrade
and cannot tell why a connection ended.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from roma_widget.server.network.limits import Limits
from roma_widget.server.network.packets import Outgoing, TextAndBytes, Utf8, frame

DEFLATE_ABOVE = 1000
"""JSON of more bytes than this is compressed for clients that pack their large messages themselves."""
_PIECE = 256 * 1024  # what goes out uncompressed is cut into frames of this size
_CLOSE_S = 1.0  # how long the other side may take to answer our close, or to send what we do not want
_PACKET = re.compile(r"4[0-6]|[1235](?:probe)?$")
_BASE64 = re.compile(r"b[A-Za-z0-9+/=]*$")


def is_packet(text: str, *, base64: bool = False) -> bool:
    """Whether the library can decode this Engine.IO packet; others raise where nobody catches them.

    `base64`: binary packets may come as text (long polling).
    """
    return _PACKET.match(text) is not None or (base64 and _BASE64.match(text) is not None)


class WebSocket:
    """What Engine.IO expects of a driver: a call runs the connection; `send`, `wait`, `close` serve it.

    `socket` is the library's object for the session. `complain` hears in one clause why the connection is ended from
    here.
    """

    def __init__(
        self,
        run: Callable[[WebSocket], Awaitable[None]],
        socket: Any,
        *,
        limits: Limits,
        has_packed: bool,
        complain: Callable[[str], None],
    ) -> None:
        self._run = run
        self._of_session = socket
        self._limits = limits
        self._has_packed = has_packed
        self._complain = complain
        self._window_bits = 0  # of the deflate that the client offered; 0: it did not
        self._out: Any = None
        # one byte more than aiohttp's limit, which is exclusive
        self._socket = web.WebSocketResponse(
            max_msg_size=limits.largest_message + 1, compress=True, timeout=_CLOSE_S
        )

    async def __call__(self, environ: Any) -> web.StreamResponse:
        request = environ["aiohttp.request"]
        try:
            self._out = await self._socket.prepare(request), request.transport
        except ValueError:  # a key that is no base64: the library does not catch it
            raise web.HTTPBadRequest(reason="This is no handshake of a websocket") from None
        self._window_bits = int(self._socket.compress)
        if self._has_packed:
            self.leave_packed()
        try:
            await self._run(self)
        finally:
            self._of_session.upgrading = False  # the library forgets, and then never answers another poll
        return self._socket

    def leave_packed(self) -> None:
        """From now on binary frames go out as they are, for they are packed already; large texts are still deflated.

        aiohttp has one switch for all frames of a connection; off, it takes a compression per frame, which begins
        with an empty window. Readers keep theirs, which does no harm.
        """
        self._has_packed = True
        writer = self._socket._writer
        if writer is not None:
            writer.compress = 0

    async def close(self) -> None:
        await self._socket.close()

    def send_at_once(self, packet: Any) -> bool:
        """Writes it here and now, in the bytes that are the same for everyone. False when that cannot be: the client
        still polls, it is to be compressed, it is large, or the system has not taken yet what came before.
        """
        if self._out is None or not self._of_session.upgraded:
            return False
        if not isinstance(packet, Outgoing) or len(packet.data) > _PIECE:
            return False
        if self._window_bits and not (self._has_packed and len(packet.text) <= DEFLATE_ABOVE):
            return False
        _, transport = self._out
        if transport.get_write_buffer_size() or transport.is_closing() or self._socket.closed:
            return False
        transport.write(packet.wire)
        return True

    async def send(self, message: str | bytes | TextAndBytes) -> None:
        if isinstance(message, TextAndBytes):
            await self._send(message.text, WSMsgType.TEXT)
            await self._send(message.attachment, WSMsgType.BINARY)
        elif isinstance(message, str):
            await self._send(message.encode(), WSMsgType.TEXT)
        else:
            await self._send(message, WSMsgType.TEXT if isinstance(message, Utf8) else WSMsgType.BINARY)

    async def _send(self, message: bytes, opcode: WSMsgType) -> None:
        is_deflated = bool(self._window_bits)
        if self._has_packed:
            is_deflated = is_deflated and opcode is WSMsgType.TEXT and len(message) > DEFLATE_ABOVE
        if is_deflated:
            await self._socket.send_frame(
                message, opcode, compress=self._window_bits if self._has_packed else None
            )
        elif len(message) > _PIECE:
            await self._send_pieces(message, opcode)
        else:
            await self._socket.send_frame(message, opcode)

    async def _send_pieces(self, message: bytes, opcode: WSMsgType) -> None:
        """In frames that continue each other, each when the one before is out.

        aiohttp would copy all of the message to the buffer of every connection that does not read.
        """
        writer, transport = self._out
        whole, code = memoryview(message), int(opcode)
        for begin in range(0, len(whole), _PIECE):
            if transport.is_closing() or self._socket.closed:
                raise ConnectionResetError("the websocket has ended")
            is_last = begin + _PIECE >= len(whole)
            transport.write(frame(whole[begin : begin + _PIECE], code, is_last=is_last))
            await writer.drain()
            code = 0  # a continuation

    async def wait(self) -> str | bytes:
        """The next packet. Raises OSError, which the library takes for the connection's end."""
        try:
            async with asyncio.timeout(self._limits.probe_s if self._of_session.upgrading else None):
                message = await self._socket.receive()
        except TimeoutError:
            raise OSError("the upgrade took too long") from None
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.TEXT:
            if is_packet(message.data):
                return str(message.data)
            self._complain("it sent what is no Engine.IO packet")
        elif getattr(message.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
            self._complain(f"it sent a message above {self._limits.largest_message:,} bytes")
        elif message.type is WSMsgType.ERROR:
            self._complain(f"its websocket broke ({message.data})")
        raise OSError("the websocket has ended")
