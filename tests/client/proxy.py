"""A TCP proxy that spoils what goes through it: at a byte, at a word, at once, or by a seeded schedule.

    with Proxy(servers, server.port) as proxy:
        proxy.on(b"transport=websocket", Fault("black-hole"), "up")   # in the handshake
        proxy.at(500, Fault("cut"), "down")                           # after 500 bytes
        proxy.now(Fault("cut"))                                       # at this moment
        proxy.clear()                                                 # the network is whole again

A fault holds for every connection, also for new ones, until `clear`. A connection that lost bytes stays lost: what was
swallowed does not come back, and what came after a hole is no stream.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self, get_args

from client.servers import ServerThread

Kind = Literal["delay", "throttle", "cut", "half-close", "black-hole", "corrupt"]
Direction = Literal["up", "down"]
KINDS: tuple[Kind, ...] = get_args(Kind)
BOTH: tuple[Direction, ...] = ("up", "down")
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Fault:
    """`amount` is seconds for delay, bytes a second for throttle, one byte in so many for corrupt."""

    kind: Kind
    amount: float = 0.0
    seed: int = 0


@dataclass
class _Trigger:
    direction: Direction
    spoils: tuple[Direction, ...]
    fault: Fault
    word: bytes | None
    bytes_left: int


class Proxy:
    """Listens on a port of its own and forwards to `target_port`. Its methods may be called from any thread."""

    def __init__(self, servers: ServerThread, target_port: int) -> None:
        self.target_port = target_port
        self.connections_total = 0
        self.bytes_through: dict[Direction, int] = {"up": 0, "down": 0}
        self._servers = servers
        self._faults: dict[Direction, Fault | None] = {"up": None, "down": None}
        self._changed = asyncio.Event()
        self._triggers: list[_Trigger] = []
        self._pairs: set[_Pair] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        servers.run(self._start())

    @property
    def is_spoiled(self) -> bool:
        """A fault is in force: a trigger has been met, or `now` was called."""
        return any(self._faults.values())

    def now(self, fault: Fault, *directions: Direction) -> None:
        """Spoil what goes that way (both ways by default) from this moment on."""
        self._servers.run(self._spoil(fault, directions or BOTH))

    def on(
        self,
        word: bytes,
        fault: Fault,
        direction: Direction,
        *,
        after: int = 0,
        spoils: tuple[Direction, ...] = (),
    ) -> None:
        """Once `word` has gone through in `direction`, and `after` bytes more, spoil it (or what `spoils` names)."""
        self._servers.run(self._arm(_Trigger(direction, spoils or (direction,), fault, word, after)))

    def at(self, byte_count: int, fault: Fault, direction: Direction) -> None:
        """Spoil it after `byte_count` more bytes in `direction`."""
        self._servers.run(self._arm(_Trigger(direction, (direction,), fault, None, byte_count)))

    def clear(self) -> None:
        """The network is whole again, for new connections and for those that lost nothing."""
        self._servers.run(self._clear())

    def cut(self) -> None:
        """Reset every connection; new ones are let through."""
        self._servers.run(self._cut())

    async def play(self, seed: int, seconds: float, steps: int) -> None:
        """A random schedule, the same for the same seed; on the servers' loop. Afterwards the network is whole.

        A broken box is replaced in the end (`cut`): no client can know which of the bytes it took were false.
        """
        rng = random.Random(seed)
        for _ in range(steps):
            await asyncio.sleep(rng.uniform(0.1, 1.0) * seconds / steps / 2)
            kind = rng.choice(KINDS)
            directions = rng.choice([("up",), ("down",), BOTH])
            await self._spoil(Fault(kind, _amount(kind, rng), rng.randrange(2**32)), directions)
            await asyncio.sleep(rng.uniform(0.1, 1.0) * seconds / steps / 2)
            await self._clear()
            if kind == "corrupt":
                await self._cut()

    def close(self) -> None:
        self._servers.run(self._stop())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- on the servers' loop

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    async def _stop(self) -> None:
        self._server.close()
        await self._cut()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _spoil(self, fault: Fault, directions: tuple[Direction, ...]) -> None:
        self._apply(fault, directions)

    def _apply(self, fault: Fault, directions: tuple[Direction, ...]) -> None:
        self._faults = {**self._faults, **dict.fromkeys(directions, fault)}
        self._changed.set()
        self._changed = asyncio.Event()
        for pair in tuple(self._pairs):
            if fault.kind == "cut":
                pair.abort()
            if fault.kind == "half-close":
                for direction in directions:
                    pair.half_close(direction)

    async def _arm(self, trigger: _Trigger) -> None:
        self._triggers.append(trigger)

    async def _clear(self) -> None:
        self._triggers.clear()
        self._faults = {"up": None, "down": None}
        self._changed.set()
        self._changed = asyncio.Event()

    async def _cut(self) -> None:
        for pair in tuple(self._pairs):
            pair.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections_total += 1
        pair = _Pair(self, reader, writer)
        self._pairs.add(pair)
        task = asyncio.create_task(pair.run(), name="proxy")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._pairs.discard(pair))

    def fault(self, direction: Direction) -> Fault | None:
        return self._faults[direction]

    async def hold(self, seconds: float) -> None:
        """Wait, but no longer than the fault that asks for it."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    def pieces(self, direction: Direction, chunk: bytes, tail: bytes) -> Iterator[bytes]:
        """`chunk` in parts, so that a fault begins at its byte. `tail` is what went before, for words in two parts."""
        start = 0
        for trigger in [one for one in self._triggers if one.direction == direction]:
            at = _where(trigger, chunk, tail)
            if at is None:
                continue
            yield chunk[start : max(start, at)]
            start = max(start, at)
            self._triggers.remove(trigger)
            self._apply(trigger.fault, trigger.spoils)
        yield chunk[start:]


class _Pair:
    """One connection of a client, and ours to the server in its stead."""

    def __init__(self, proxy: Proxy, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._proxy = proxy
        self._client = (reader, writer)
        self._writers = [writer]
        self._is_lost: dict[Direction, bool] = {"up": False, "down": False}
        self._ends: dict[Direction, asyncio.StreamWriter] = {"down": writer}

    async def run(self) -> None:
        """Until both sides are through, or one is broken."""
        try:
            if any((self._proxy.fault(way) or Fault("delay")).kind == "cut" for way in BOTH):
                return
            reader, writer = await asyncio.open_connection("127.0.0.1", self._proxy.target_port)
            self._writers.append(writer)
            self._ends["up"] = writer
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump("up", self._client[0], writer))
                both.create_task(self._pump("down", reader, self._client[1]))
        except (OSError, ExceptionGroup):
            pass  # one side is gone, and so goes the other
        finally:
            self.abort()

    def abort(self) -> None:
        """RST, and not FIN: that is how it looks when a box in between has gone."""
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            if sock is not None and not writer.transport.is_closing():
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def half_close(self, direction: Direction) -> None:
        self._is_lost[direction] = True
        end = self._ends.get(direction)
        if end is not None and not end.transport.is_closing() and end.can_write_eof():
            with suppress(OSError):  # the other side has gone, and the loop has not noticed yet
                end.write_eof()

    async def _pump(
        self, direction: Direction, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        tail = b""
        while chunk := await reader.read(_CHUNK):
            for piece in self._proxy.pieces(direction, chunk, tail):
                await self._forward(direction, piece, writer)
            tail = (tail + chunk)[-64:]
        if not self._is_lost[direction]:
            writer.write_eof()

    async def _forward(self, direction: Direction, piece: bytes, writer: asyncio.StreamWriter) -> None:
        if not piece:
            return
        fault = self._proxy.fault(direction)
        match fault:
            case Fault("delay", seconds):
                await self._proxy.hold(seconds)
            case Fault("throttle", bytes_per_s):
                piece = await self._trickle(direction, piece, writer, fault, bytes_per_s)
            case Fault("black-hole"):
                self._is_lost[direction] = True
            case Fault("half-close"):
                self.half_close(direction)
            case Fault("corrupt", one_in, seed):
                piece = _corrupted(piece, one_in, seed + self._proxy.bytes_through[direction])
            case _:
                pass
        if self._is_lost[direction] or not piece:
            return
        self._proxy.bytes_through[direction] += len(piece)
        writer.write(piece)
        await writer.drain()

    async def _trickle(
        self, direction: Direction, piece: bytes, writer: asyncio.StreamWriter, fault: Fault, rate: float
    ) -> bytes:
        """Twenty drops a second while the fault lasts; the rest comes back."""
        drop = max(1, int(rate / 20))
        while piece and self._proxy.fault(direction) is fault:
            writer.write(piece[:drop])
            await writer.drain()
            self._proxy.bytes_through[direction] += len(piece[:drop])
            piece = piece[drop:]
            await self._proxy.hold(drop / rate)
        return piece


def _where(trigger: _Trigger, chunk: bytes, tail: bytes) -> int | None:
    """The byte of `chunk` where the trigger is met; None: not in this one."""
    if trigger.word is not None:
        found = (tail + chunk).find(trigger.word)
        if found < 0:
            return None
        trigger.bytes_left += max(0, found + len(trigger.word) - len(tail))
        trigger.word = None
    if trigger.bytes_left > len(chunk):
        trigger.bytes_left -= len(chunk)
        return None
    return trigger.bytes_left


def _corrupted(piece: bytes, one_in: float, seed: int) -> bytes:
    rng = random.Random(seed)
    spoiled = bytearray(piece)
    for _ in range(max(1, round(len(piece) / one_in))):
        spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def _amount(kind: Kind, rng: random.Random) -> float:
    match kind:
        case "delay":
            return rng.choice([0.01, 0.1, 0.5, 5.0])
        case "throttle":
            return rng.choice([200.0, 20_000.0, 500_000.0])
        case "corrupt":
            return rng.choice([20.0, 1000.0, 100_000.0])
        case _:
            return 0.0
