"""What the embedded server sends, and what ten clients cost it.

Bytes are counted on the way, by a proxy: what the network carries, not what a library says. One run is watched by
three clients at once: plain ROMA, plain ROMA with permessage-deflate, and the extension. Needs no shared folder; 60
+ 4 x 30 seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import psutil

from roma_widget.server.child import ChildServer, start_child

from .machine import cpu_s
from .table import Row

TASKS = 1_000
CLIENTS = 10
QUIET_S = 1.5


@dataclass
class Counter:
    """A TCP proxy in front of the server at `port`, for one client."""

    port: int
    bytes_down: int = 0
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.port)

        async def down() -> None:
            while data := await up_reader.read(2**18):
                self.bytes_down += len(data)
                writer.write(data)
                await writer.drain()

        async def up() -> None:
            while data := await reader.read(2**18):
                up_writer.write(data)
                await up_writer.drain()

        with contextlib.suppress(ConnectionError, asyncio.CancelledError):  # cancelled at the end
            async with asyncio.TaskGroup() as group:
                group.create_task(down())
                group.create_task(up())


@dataclass
class Watcher:
    """A socket that reads and drops, as fast as it comes."""

    deflate: bool = False
    extension: bool = False
    messages: int = 0
    last_s: float = 0.0

    @asynccontextmanager
    async def watching(self, url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        async with aiohttp.ClientSession() as http:
            address = f"{url}/socket.io/?EIO=4&transport=websocket"
            async with http.ws_connect(address, max_msg_size=0, compress=15 if self.deflate else 0) as socket:
                auth = json.dumps({"roma_widget": 1}) if self.extension else ""
                await socket.send_str(f"40{auth}")
                reading = asyncio.create_task(self._read(socket))
                yield socket
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            if message.data == "2":
                await socket.send_str("3")
            elif message.data[:1] != "0":
                self.messages += 1
                self.last_s = asyncio.get_running_loop().time()


def measure() -> Iterator[Row]:
    for name, options in (
        ("report", ["--scenario", "report"]),
        (f"wide, {TASKS:,} tasks", ["--scenario", "wide", f"--tasks={TASKS}"]),
    ):
        plain, deflate, extension = asyncio.run(_three_ways(options))
        yield Row(f"wire: {name}: plain", plain / 1e6, "MB")
        yield Row(f"wire: {name}: plain with deflate", deflate / 1e6, "MB")
        yield Row(f"wire: {name}: extension", extension / 1e6, "MB")
        yield Row(f"wire: {name}: extension, share of plain", 100 * extension / plain, "%")
    for kind, clients in (
        ("no client", []),
        ("10 plain", [Watcher() for _ in range(CLIENTS)]),
        ("10 of the extension", [Watcher(extension=True) for _ in range(CLIENTS)]),
    ):
        cpu_s, memory_mb = asyncio.run(_many(clients))
        yield Row(f"wire: wide, {TASKS:,} tasks: server CPU, {kind}", cpu_s, "s")
        yield Row(f"wire: wide, {TASKS:,} tasks: server memory at its most, {kind}", memory_mb, "MB")


@contextlib.contextmanager
def _server(options: list[str]) -> Iterator[ChildServer]:
    child = start_child(["serve", "--no-hitl", *options])
    try:
        yield child
    finally:
        child.close()


async def _three_ways(options: list[str]) -> list[int]:
    with _server(options) as child:
        port = int(child.url.rpartition(":")[2])
        watchers = [Watcher(), Watcher(deflate=True), Watcher(extension=True)]
        counters = [Counter(port) for _ in watchers]
        async with AsyncExitStack() as stack:
            for watcher, counter in zip(watchers, counters, strict=True):
                await stack.enter_async_context(watcher.watching(await stack.enter_async_context(counter)))
            await _run_to_its_end(child.url, watchers)
        return [counter.bytes_down for counter in counters]


async def _many(watchers: list[Watcher]) -> tuple[float, float]:
    with _server(["--scenario", "wide", f"--tasks={TASKS}"]) as child:
        process = psutil.Process(child.pid)
        most = [0]

        async def look() -> None:
            while True:
                most[0] = max(most[0], process.memory_info().rss)
                await asyncio.sleep(0.1)

        async with AsyncExitStack() as stack:
            for watcher in watchers:
                await stack.enter_async_context(watcher.watching(child.url))
            before_s = cpu_s(child.pid)
            looking = asyncio.create_task(look())
            await _run_to_its_end(child.url, watchers)
            looking.cancel()
            took_s = cpu_s(child.pid) - before_s
        return took_s, most[0] / 1e6


async def _run_to_its_end(url: str, watchers: list[Watcher]) -> None:
    """Starts the scenario over HTTP; returns when it has ended and nobody hears anything more."""
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{url}/api/projects", json={"goal": "what the scenario does"}) as answer:
            project: dict[str, Any] = (await answer.json())["project"]
        while True:
            async with http.get(f"{url}/api/executions") as answer:
                if project["id"] not in (await answer.json())["running_executions"]:
                    break
            await asyncio.sleep(0.5)
    while waits := [w.last_s + QUIET_S - loop.time() for w in watchers if w.last_s + QUIET_S > loop.time()]:  # noqa: ASYNC110
        await asyncio.sleep(max(waits))
