"""One websocket under Engine.IO: its driver for aiohttp, in place of the library's own.

The library's has no way to switch compression, nor to tell why a connection ended.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

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

    `complain` hears in one clause why the connection is ended from here.
    """

    def __init__(
        self,
        run: Callable[[WebSocket], Awaitable[None]],
        *,
        largest_message: int,
        compress: bool,
        complain: Callable[[str], None],
    ) -> None:
        self._run = run
        self._largest_message = largest_message
        self._complain = complain
        # one byte more than aiohttp's limit, which is exclusive
        self._socket = web.WebSocketResponse(
            max_msg_size=largest_message + 1, compress=compress, timeout=_CLOSE_S
        )

    async def __call__(self, environ: Any) -> web.StreamResponse:
        await self._socket.prepare(environ["aiohttp.request"])
        await self._run(self)
        return self._socket

    def stop_compressing(self) -> None:
        """From now on frames go out as they are; what comes in may still be compressed."""
        writer = self._socket._writer
        if writer is not None:
            writer.compress = 0  # a setting per connection, with no public way to change it

    async def close(self) -> None:
        await self._socket.close()

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_str(message)

    async def wait(self) -> str | bytes:
        """The next packet. Raises OSError, which the library takes for the connection's end."""
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        if message.type is WSMsgType.TEXT:
            if is_packet(message.data):
                return str(message.data)
            self._complain("it sent what is no Engine.IO packet")
        elif getattr(message.data, "code", None) == WSCloseCode.MESSAGE_TOO_BIG:
            self._complain(f"it sent a message above {self._largest_message:,} bytes")
        elif message.type is WSMsgType.ERROR:
            self._complain(f"its websocket broke ({message.data})")
        raise OSError("the websocket has ended")
