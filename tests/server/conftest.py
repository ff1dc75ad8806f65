"""A Socket.IO client that writes down what it gets, and the recordings."""

from __future__ import annotations

import asyncio
import functools
import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import pytest
import socketio
from server.live_server import Gate

from roma_widget.archive.capture import Capture, read_capture
from roma_widget.server.embedded import Server
from roma_widget.server.network.app import Limits

CAPTURES = Path(__file__).parents[1] / "captures"
DEADLINE_S = 10.0
FRAME_TEXT = '42["task_graph_update",'


class Client:
    """Connected while in its `async with`; `events` holds ("connect", ()) where its connect handler ran."""

    def __init__(
        self, url: str, transports: tuple[str, ...] = ("websocket",), auth: dict[str, Any] | None = None
    ) -> None:
        self._url = url
        self._auth = auth
        self._transports = transports
        self._came = asyncio.Condition()
        self.events: list[tuple[str, tuple[Any, ...]]] = []

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self._socket = socketio.AsyncClient(
            reconnection=False,
            handle_sigint=False,
            http_session=self._http,
            websocket_extra_options={"max_msg_size": 0},
        )
        self._socket.on("*", self._on_any)
        self._socket.on("connect", functools.partial(self._note, "connect"))
        await self._socket.connect(self._url, auth=self._auth, transports=list(self._transports))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._socket.disconnect()
        await self._http.close()

    async def _note(self, event: str, *args: Any) -> None:
        self.events.append((event, args))  # before any wait, so that the order is the wire's
        async with self._came:
            self._came.notify_all()

    async def _on_any(self, event: str, *args: Any) -> None:
        await self._note(event, *args)

    def payloads(self, event: str) -> list[Any]:
        return [args[0] for name, args in self.events if name == event]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S), self._came:
            await self._came.wait_for(condition)

    async def ask(self, event: str, *args: Any) -> tuple[list[tuple[str, Any]], list[Any]]:
        """The replies that came before the acknowledgement, and the acknowledgement's arguments."""
        before = len(self.events)
        acknowledged: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        await self._socket.emit(event, args, callback=lambda *data: acknowledged.set_result(list(data)))
        ack = await asyncio.wait_for(acknowledged, DEADLINE_S)
        return [(name, arguments[0]) for name, arguments in self.events[before:]], ack


class RawClient:
    """Keeps the text of frames undecoded and reads only when told to: cheap, or as slow as a test wants."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.frames: list[str] = []
        self.arrived_s: list[float] = []

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        url = f"{self._url}/socket.io/?EIO=4&transport=websocket"
        self._socket = await self._http.ws_connect(url, max_msg_size=0)
        await self._socket.send_str("40")
        while not (await self._socket.receive_str()).startswith("40"):
            pass  # the projects, an empty frame
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._http.close()

    async def read_until(self, last_frame: bytes) -> None:
        """Reads frames until one has this text."""
        async with asyncio.timeout(DEADLINE_S * 2):
            while not self.frames or self.frames[-1] != last_frame.decode():
                text = await self._socket.receive_str()
                if text == "2":
                    await self._socket.send_str("3")  # ping, pong
                elif text.startswith(FRAME_TEXT):
                    self.frames.append(text.removeprefix(FRAME_TEXT).removesuffix("]"))
                    self.arrived_s.append(asyncio.get_running_loop().time())


@functools.cache
def _capture(name: str) -> Capture:
    return read_capture(CAPTURES / f"{name}.jsonl.xz")


@pytest.fixture(scope="session")
def capture() -> Callable[[str], Capture]:
    """`capture("a_complete")`, read once for all tests."""
    return _capture


@pytest.fixture(scope="session")
def recorded_lines() -> Callable[[str], Iterator[dict[str, Any]]]:
    """The lines of a recording as they stand in the file."""

    def lines(name: str) -> Iterator[dict[str, Any]]:
        with lzma.open(CAPTURES / f"{name}.jsonl.xz", "rt") as stream:
            yield from map(json.loads, stream)

    return lines


@pytest.fixture(scope="session")
def captures_folder() -> Path:
    return CAPTURES


@pytest.fixture(scope="session")
def client() -> type[Client]:
    return Client


@pytest.fixture(scope="session")
def raw_client() -> type[RawClient]:
    return RawClient


@pytest.fixture
def gate() -> Iterator[Gate]:
    """Ends the runs that it was given to."""
    gate = Gate()
    yield gate
    gate.go.set()


@pytest.fixture
def server(gate: Gate) -> Iterator[Server]:
    """An embedded server that runs `gate`, and tells what changed at once."""
    limits = Limits(
        requests_per_s=1e6, burst=1_000_000
    )  # what comes too fast is refused before it is looked at
    with Server(run=gate, interval_s=0.02, limits=limits) as server:
        yield server
