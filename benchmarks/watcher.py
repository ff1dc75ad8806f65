"""One watcher of a run: a websocket by hand, as light as can be, that checks whether it is told everything.

One of the extension holds each message against the one before (docs/protocol.md) and keeps when each task was written;
one of plain ROMA reads of each frame only the time stamp at its end. Many of them share what they read: a message that
came to all of them is decoded once.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
import zlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

JOIN_S = 60.0
_TEXT, _BINARY, _CLOSE, _PING = 1, 2, 8, 9
_PONG = 10


@dataclass
class Seen:
    """What became of the watchers of one process. Delays are counted by their milliseconds."""

    bytes_down: int = 0
    messages: int = 0
    lost: int = 0
    """Messages that did not lead on, and connections that ended."""
    delays_ms: Counter[int] = field(default_factory=Counter)
    is_counted: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """A snapshot (`base` None) or a delta: when the tasks in it were written, and those times, once each."""

    epoch: int
    seq: int
    base: int | None
    written: dict[str, str]
    stamps: frozenset[str]


class Watcher(asyncio.Protocol):
    """`joined` is done with the first state."""

    def __init__(self, seen: Seen, *, plain: bool, host: str) -> None:
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stamps: set[str] = set()
        """Of all that it was told."""
        self.written: dict[str, str] = {}
        """Task -> the newest that it was told."""
        self._seen = seen
        self._plain = plain
        self._host = host
        self._place: tuple[int, int] | None = None
        self._buffer = bytearray()
        self._pieces: list[bytes] = []
        self._opcode = 0
        self._is_open = self._is_closing = False
        self._event = b""

    def close(self) -> None:
        self._is_closing = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._seen.lost += 1
            if not self.joined.done():
                self.joined.set_exception(ConnectionError("A watcher was turned away."))

    def data_received(self, data: bytes) -> None:
        if self._seen.is_counted:
            self._seen.bytes_down += len(data)
        self._buffer += data
        if not self._is_open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            self._is_open = True
            del self._buffer[: end + 4]
        while self._take():
            pass

    def _take(self) -> bool:
        """One frame out of the buffer; False when there is none that is whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return False
        size, begin = buffer[1] & 127, 2
        if size >= 126:
            begin = 4 if size == 126 else 10
            if len(buffer) < begin:
                return False
            size = int.from_bytes(buffer[2:begin], "big")
        if len(buffer) < begin + size:
            return False
        first, payload = buffer[0], bytes(memoryview(buffer)[begin : begin + size])
        del buffer[: begin + size]
        opcode = first & 15
        if opcode == _PING:
            self._say(payload, _PONG)
        elif opcode != _CLOSE:
            self._opcode = opcode or self._opcode
            self._pieces.append(payload)
            if first & 128:
                whole = b"".join(self._pieces) if len(self._pieces) > 1 else payload
                self._pieces.clear()
                self._hear(whole)
        return True

    def _hear(self, packet: bytes) -> None:
        if self._opcode == _BINARY:
            if self._event in (b"snapshot", b"delta"):
                self._take_change(told(packet))
        elif packet == b"2":
            self._say(b"3")
        elif packet[:1] == b"0":
            self._say(b"40" if self._plain else b'40{"roma_widget":1}')
        elif packet[:3] == b"451":
            self._event = packet[6 : packet.index(b'"', 6)]
        elif self._plain and packet.startswith(b'42["task_graph_update"'):
            self._take_frame(packet[-60:])

    def _take_frame(self, end: bytes) -> None:
        stamp = end.rpartition(b'"timestamp":"')[2].partition(b'"')[0].decode()
        if stamp:
            self._note(frozenset((stamp,)))
        self._join()

    def _take_change(self, change: Told) -> None:
        if change.base is None:
            self.written = dict(change.written)
        elif self._place != (change.epoch, change.base):
            self._seen.lost += 1
        else:
            self.written.update(change.written)
        self._place = change.epoch, change.seq
        self._note(change.stamps - self.stamps)
        self._join()

    def _note(self, stamps: frozenset[str]) -> None:
        if self._seen.is_counted:
            now_s = time.time()
            self._seen.messages += 1
            self._seen.delays_ms.update(round(1000 * (now_s - _seconds(stamp))) for stamp in stamps)
        self.stamps |= stamps

    def _join(self) -> None:
        if not self.joined.done():
            self.joined.set_result(None)

    def _say(self, text: bytes, opcode: int = _TEXT) -> None:
        """Masked with zeros, which is no mask."""
        self._transport.write(bytes((0x80 | opcode, 0x80 | len(text))) + bytes(4) + text)


async def watch(url: str, count: int, seen: Seen, *, plain: bool, at_once: int = 25) -> list[Watcher]:
    """`count` watchers that have the state there is; `at_once` join at the same time."""
    place = urlsplit(url)
    loop = asyncio.get_running_loop()
    watchers: list[Watcher] = []
    async with asyncio.timeout(JOIN_S):
        while len(watchers) < count:
            joining = [
                loop.create_connection(
                    lambda: Watcher(seen, plain=plain, host=place.netloc),
                    str(place.hostname),
                    place.port or 80,
                )
                for _ in range(min(at_once, count - len(watchers)))
            ]
            come = [watcher for _, watcher in await asyncio.gather(*joining)]
            await asyncio.gather(*(watcher.joined for watcher in come))
            watchers += come
    return watchers


@lru_cache(maxsize=64)
def told(packed: bytes) -> Told:
    message: dict[str, Any] = msgspec.msgpack.decode(
        zlib.decompress(packed, 31) if packed[:2] == b"\x1f\x8b" else packed
    )
    written = {
        key: node["output_summary"] for key, node in message["nodes"].items() if node.get("output_summary")
    }
    return Told(message["epoch"], message["seq"], message.get("base"), written, frozenset(written.values()))


@lru_cache(maxsize=256)
def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
