"""For the tests of the network shell: a backend that does what it is told, and clients that speak the wire by hand."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
import socketio
from aiohttp import web

from roma_widget.server.network.app import Client, Message

DEADLINE_S = 10.0
BIG = 5_000_000
"""More than the sockets' buffers between a server and a client that does not read."""


async def within(work: Any, timeout_s: float = DEADLINE_S) -> Any:
    return await asyncio.wait_for(work, timeout_s)


async def until(condition: Callable[[], object], timeout_s: float = DEADLINE_S) -> None:
    """Returns when the condition holds; it is looked at again and again, for what tells nobody."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


class FakeBackend:
    """`echo` replies, `slow` waits for `may_go_on`, `broken` raises, `big` replies with `BIG` bytes.

    After a refresh a client gets `states[-1]`, as JSON text or with `binary` as an attachment.
    """

    events = ("echo", "slow", "broken", "big")

    def __init__(self) -> None:
        self.heard: list[tuple[str, tuple[Any, ...]]] = []
        self.refusals: list[tuple[str, tuple[Any, ...]]] = []
        self.present: list[Client] = []
        self.gone: list[Client] = []
        self.states: list[bytes] = []
        self.binary = False
        self.asked_for_states = 0
        self.may_go_on = asyncio.Event()

    async def joined(self, client: Client) -> None:
        self.present.append(client)
        await client.reply("welcome", b'"hello"')

    def left(self, client: Client) -> None:
        self.gone.append(client)

    async def request(self, client: Client, event: str, args: tuple[Any, ...]) -> None:
        self.heard.append((event, args))
        if event == "slow":
            await self.may_go_on.wait()
        elif event == "broken":
            raise RuntimeError("a bug in the backend")
        payload = json.dumps("x" * BIG if event == "big" else list(args), default=repr)
        await client.reply(f"{event}_reply", payload.encode())

    def refused(self, client: Client, event: str, why: str, args: tuple[Any, ...] = ()) -> tuple[str, bytes]:
        self.refusals.append((event, args))
        return f"{event}_error", json.dumps({"error": why}).encode()

    def newest(self, client: Client) -> Message | None:
        self.asked_for_states += 1
        return ("state", self.states[-1], self.binary) if self.states else None

    def routes(self) -> list[web.RouteDef]:
        async def small(request: web.Request) -> web.Response:
            return web.json_response({"small": True})

        async def large(request: web.Request) -> web.Response:
            return web.json_response({"large": "x" * 50_000})

        async def huge(request: web.Request) -> web.Response:
            return web.Response(body=b"x" * BIG)

        async def take(request: web.Request) -> web.Response:
            return web.json_response({"size": len(await request.read())})

        async def wait(request: web.Request) -> web.Response:
            await self.may_go_on.wait()
            return web.json_response({"waited": True})

        async def broken(request: web.Request) -> web.Response:
            raise RuntimeError("a bug in a route")

        return [
            web.get("/api/small", small),
            web.get("/api/large", large),
            web.get("/api/huge", huge),
            web.post("/api/take", take),
            web.get("/api/wait", wait),
            web.get("/api/broken", broken),
        ]


class Joined:
    """A python-socketio client while in its `async with`; `events` holds what came, in order."""

    def __init__(
        self,
        url: str,
        *,
        auth: Any = None,
        transport: str = "websocket",
        headers: dict[str, str] | None = None,
    ) -> None:
        self._url, self._auth, self._transport, self._headers = url, auth, transport, headers
        self.events: list[tuple[str, Any]] = []
        self.refusal: Any = None
        self.ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self.socket = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=self._http,
            websocket_extra_options={"max_msg_size": 0},
        )
        self.socket.on("*", self._note)
        self.socket.on("disconnect", self._on_end)
        self.socket.on("connect_error", self._on_refusal)
        try:
            await within(
                self.socket.connect(
                    self._url, auth=self._auth, transports=[self._transport], headers=self._headers or {}
                )
            )
        except BaseException:
            await self._http.close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.socket.disconnect()
        await self._http.close()

    async def _note(self, event: str, *args: Any) -> None:
        self.events.append((event, args[0] if args else None))

    async def _on_refusal(self, why: Any) -> None:
        self.refusal = why

    async def _on_end(self, *reason: Any) -> None:
        self.ended.set()

    def names(self) -> list[str]:
        return [name for name, _ in self.events]

    async def ask(self, event: str, *args: Any) -> None:
        """Returns with the acknowledgement."""
        came = asyncio.Event()
        await self.socket.emit(event, args, callback=lambda *_: came.set())
        await within(came.wait())

    async def until(self, event: str, count: int = 1) -> Any:
        """The payload of the `count`th such event."""
        await until(lambda: self.names().count(event) >= count)
        return [payload for name, payload in self.events if name == event][count - 1]


@dataclass
class Frame:
    opcode: int
    is_compressed: bool
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()


class RawWebSocket:
    """RFC 6455 by hand: shows which frames are compressed, and reads only when told to."""

    TEXT, BINARY, CLOSE = 1, 2, 8

    def __init__(
        self,
        url: str,
        *,
        offers_deflate: bool = False,
        headers: dict[str, str] | None = None,
        query: str = "",
    ) -> None:
        self._url = urlsplit(url)
        self._query = query
        self._offers_deflate = offers_deflate
        self._headers = headers or {}
        self._inflate = zlib.decompressobj(wbits=-15)
        self.bytes_read = 0
        self.has_deflate = False

    async def __aenter__(self) -> Self:
        assert self._url.hostname is not None
        # a small buffer: what is not read stays with the server
        self._reader, self.writer = await asyncio.open_connection(
            self._url.hostname, self._url.port, limit=2**16
        )
        headers = {
            "Host": self._url.netloc,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            **({"Sec-WebSocket-Extensions": "permessage-deflate"} if self._offers_deflate else {}),
            **self._headers,
        }
        lines = [
            f"GET /socket.io/?EIO=4&transport=websocket{self._query} HTTP/1.1",
            *(f"{k}: {v}" for k, v in headers.items()),
        ]
        self.writer.write("\r\n".join([*lines, "", ""]).encode())
        answer = await within(self._reader.readuntil(b"\r\n\r\n"))
        self.status = int(answer.split()[1])
        self.has_deflate = b"permessage-deflate" in answer
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()

    async def join(self, auth: Any = None) -> None:
        """CONNECTs, and reads up to the acknowledgement."""
        await self.send("40" + (json.dumps(auth) if auth is not None else ""))
        while not (await self.read()).text.startswith("40"):
            pass

    async def send(self, text: str) -> None:
        content, mask = text.encode(), os.urandom(4)
        size = len(content)
        length = bytes([0x80 | size]) if size < 126 else struct.pack("!BQ", 0xFF, size)
        padded = content + bytes(-size % 4)
        masked = (int.from_bytes(padded) ^ int.from_bytes(mask * (len(padded) // 4))).to_bytes(len(padded))
        self.writer.write(b"\x81" + length + mask + masked[:size])
        await self.writer.drain()

    async def read(self, timeout_s: float = DEADLINE_S) -> Frame:
        """The next message, put together from its frames; its content is inflated where it is compressed."""
        async with asyncio.timeout(timeout_s):
            first, content = await self._frame()
            is_last = bool(first & 0x80)
            while not is_last:
                more, piece = await self._frame()
                assert more & 0x7F == 0
                content += piece
                is_last = bool(more & 0x80)
        if first & 0x40:
            content = self._inflate.decompress(content + b"\x00\x00\xff\xff")
        return Frame(first & 0x0F, bool(first & 0x40), content)

    async def read_until(self, beginning: str) -> Frame:
        while not (frame := await self.read()).content.startswith(beginning.encode()):
            pass
        return frame

    async def read_to_end(self) -> list[Frame]:
        """All frames until the server closes the connection."""
        frames: list[Frame] = []
        while True:
            try:
                frames.append(await self.read())
            except (asyncio.IncompleteReadError, ConnectionError):
                return frames

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self._take(2)
        if size == 126:
            size = struct.unpack("!H", await self._take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", await self._take(8))[0]
        return first, await self._take(size)

    async def _take(self, size: int) -> bytes:
        content = await self._reader.readexactly(size)
        self.bytes_read += size
        return content


class Polling:
    """Long polling by hand; answers are not decompressed."""

    def __init__(self, url: str, *, accepts: str = "gzip") -> None:
        self._url = f"{url}/socket.io/?EIO=4&transport=polling"
        self._accepts = accepts
        self.encodings: list[str | None] = []

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=False)
        opened = await self.get()
        self.sid = json.loads(opened[1:])["sid"]
        self._url += f"&sid={self.sid}"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.close()

    async def join(self, auth: Any = None) -> None:
        assert (await self.post("40" + (json.dumps(auth) if auth is not None else "")))[0] == 200
        while "40{" not in await self.get():
            pass

    async def get(self) -> str:
        """One poll."""
        headers = {"Accept-Encoding": self._accepts}
        async with asyncio.timeout(DEADLINE_S), self._http.get(self._url, headers=headers) as response:
            body = await response.read()
            self.status = response.status
            self.encodings.append(response.headers.get("Content-Encoding"))
            return (zlib.decompress(body, wbits=31) if self.encodings[-1] == "gzip" else body).decode()

    async def post(self, body: str) -> tuple[int, str]:
        return await self.post_bytes(body.encode())

    async def post_bytes(self, body: bytes, **headers: str) -> tuple[int, str]:
        async with (
            asyncio.timeout(DEADLINE_S),
            self._http.post(self._url, data=io.BytesIO(body), headers=headers) as response,
        ):
            return response.status, await response.text()
