"""Servers for the client's tests. They run on a loop of their own thread: what is tested waits in the test's thread.

`WireServer` speaks Engine.IO by hand, so that it can say anything, also what no library would. `SilentPort` and
`GarbagePort` do not even speak HTTP. ROMA itself is played by `roma_widget.server.recorded.replay.ReplayServer`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Self

from aiohttp import WSMessage, WSMsgType, web

from roma_widget.archive.capture import FRAME, Broadcast, Capture, ProjectStarted
from roma_widget.client.loop import io_thread
from roma_widget.server.recorded.replay import ReplayServer

OPEN = '0{"sid":"e1","upgrades":[],"pingTimeout":20000,"pingInterval":25000,"maxPayload":1000000}'
WELCOME = '40{"sid":"s1"}'
HTML = (200, "<!doctype html><title>It works</title>", "text/html")
SAFE = {"status": "healthy", "safe_to_join": True}
ROMA_V1 = {"status": "healthy"}
IDLE: dict[str, Any] = {"running_executions": {}}
RUNNING = {"running_executions": {"p1": {"is_alive": True}}}
_SEPARATOR = "\x1e"
_EMITTED = re.compile(r"42(\d*)(\[.*)", re.DOTALL)


def eventually(holds: Callable[[], object], timeout: float = 10.0) -> Any:
    """The first true value of `holds()`; fails when there is none before the deadline."""
    deadline = time.monotonic() + timeout
    while True:
        value = holds()
        if value:
            return value
        assert time.monotonic() < deadline, f"not so within {timeout:g} s"
        time.sleep(0.005)


def io_cpu_s() -> float:
    """What the thread that listens has used of a processor, in seconds."""
    ident = io_thread().thread.ident
    assert ident is not None
    return time.clock_gettime(time.pthread_getcpuclockid(ident))


class ServerThread:
    """One loop in a thread, for any number of servers."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="test-servers", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any], timeout: float = 30.0) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def begin(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """`run` without waiting."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        self.run(self._end_tasks())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_tasks(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# -- what a server says


def node(task_id: str, status: str = "RUNNING", **fields: Any) -> dict[str, Any]:
    return {"task_id": task_id, "goal": f"the goal of {task_id}", "status": status, "layer": 0, **fields}


def frame(nodes: Any, project: str = "p1", status: str = "running", **fields: Any) -> dict[str, Any]:
    """A frame's object; `nodes` as a list of tasks, or as whatever a hostile server puts there."""
    all_nodes = {one["task_id"]: one for one in nodes} if isinstance(nodes, Sequence) else nodes
    return {
        "all_nodes": all_nodes,
        "graphs": {},
        "project_id": project,
        "current_project": {"id": project, "goal": "a goal", "status": status},
        "timestamp": "2025-09-19T10:00:00.000001",
        **fields,
    }


def projects_list(current: str | None, *others: str) -> dict[str, Any]:
    ids = [*([current] if current else []), *others]
    return {"projects": [{"id": each, "goal": each} for each in ids], "current_project_id": current}


def recording(*frames: Mapping[str, Any], name: str = "made") -> Capture:
    """A capture that starts the frames' projects and sends frame n at second n + 1."""
    moments: list[Any] = []
    for at_s, one in enumerate(frames, start=1):
        project = one["current_project"]
        if not any(isinstance(m, ProjectStarted) and m.project["id"] == project["id"] for m in moments):
            moments.append(ProjectStarted(at_s - 0.5, project))
        moments.append(Broadcast(float(at_s), FRAME, json.dumps(one).encode(), project))
    return Capture(name=name, moments=tuple(moments), traces={}, stage_details={}, completion={})


class Replay:
    """A `ReplayServer` driven from another thread; it stands still until told to go on."""

    def __init__(self, servers: ServerThread, capture: Capture, **options: Any) -> None:
        self._servers = servers
        self.server = ReplayServer(capture, **options)
        servers.run(self.server.start(play=False))
        self.url, self.port = self.server.url, self.server.port

    @property
    def connections_total(self) -> int:
        return self.server.connections_total

    @property
    def clients_now(self) -> int:
        return self.server.clients_now

    def go_to(self, at_s: float) -> None:
        self._servers.run(self.server.advance_to(at_s))

    def go_to_end(self) -> None:
        self._servers.run(self.server.advance_to_end())

    def close(self) -> None:
        self._servers.run(self.server.stop())


# -- a server that can say anything


class Hangs(web.Response):
    """An answer that does not come."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        await asyncio.sleep(600)


TURNS_OF_ACCEPTING = 5
"""Of the loop: asyncio makes a transport in a task, and tells its protocol of it after that."""


class WireServer:
    """Engine.IO over websocket and polling, by hand; its HTTP answers are in `answers`, 404 where there is none (a key
    "POST /path" is for that method alone). `replies` maps a request to a function of its arguments that gives packets.

    It sends no pings by itself: `opening` says when the client has to expect one.
    `greeting` is sent before the welcome, `behind_welcome` right behind it. `refuse` maps a transport to an HTTP
    status (for one of 300 to 399 set `redirect_to`). With `mute` handshakes get no answer. `acknowledge` may be
    switched off.
    """

    def __init__(
        self,
        servers: ServerThread,
        answers: Mapping[str, Any] | None = None,
        *,
        port: int = 0,
        greeting: Sequence[str] = (),
        opening: str = OPEN,
        welcome: str = WELCOME,
        behind_welcome: Sequence[str | bytes] = (),
        refuse: Mapping[str, int] | None = None,
        mute: bool = False,
        acknowledge: bool = True,
    ) -> None:
        self.answers: dict[str, Any] = dict(answers or {})
        self.refuse = dict(refuse or {})
        self.redirect_to = ""
        self.socket_says: dict[str, str] = {}
        """Headers of its answers to a socket."""
        self.greeting, self.behind_welcome = list(greeting), list(behind_welcome)
        self.opening, self.welcome = opening, welcome
        self.mute, self.acknowledge = mute, acknowledge
        self.replies: dict[str, Callable[..., Sequence[str | bytes]]] = {}
        self.posted: list[tuple[str, Any]] = []
        self.handshakes: list[str] = []
        self.emitted: list[tuple[str, list[Any]]] = []
        self.auths: list[Any] = []
        self.socket_headers: list[Mapping[str, str]] = []
        self.http_headers: list[Mapping[str, str]] = []
        self.asked: list[str] = []
        self.opened_s: list[float] = []
        self.pongs = 0
        self._servers = servers
        self._port = port
        self._lines: set[_Line] = set()
        self._polling: _Line | None = None
        servers.run(self._start())

    @property
    def clients_now(self) -> int:
        return len(self._lines)

    def send(self, *packets: str | bytes) -> None:
        """Every packet to every client: text as it stands, bytes as a binary frame."""
        self._servers.run(self._send(packets))

    def emit(self, event: str, payload: Any) -> None:
        self.send(packet(event, payload))

    def send_frame(self, nodes: Any, **fields: Any) -> None:
        self.emit(FRAME, frame(nodes, **fields))

    def send_bad_text(self) -> None:
        """A text frame whose bytes are no UTF-8."""
        self._servers.run(self._send_bad_text())

    def cut(self) -> None:
        """Closes every socket; HTTP goes on."""
        self._servers.run(self._cut())

    def close(self) -> None:
        if self._runner is not None:
            self._servers.run(self._stop())

    async def _start(self) -> None:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/socket.io/", self._socket)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner: web.AppRunner | None = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        self.port = int(self._runner.addresses[0][1])
        self.url = f"http://127.0.0.1:{self.port}"

    async def _stop(self) -> None:
        assert self._runner is not None
        for site in tuple(self._runner.sites):
            await site.stop()
        for _ in range(TURNS_OF_ACCEPTING):  # aiohttp does not end a connection that is just being accepted
            await asyncio.sleep(0)
        await self._cut()
        await self._runner.cleanup()
        self._runner = None

    async def _send(self, packets: Sequence[str | bytes]) -> None:
        for line in tuple(self._lines):
            with contextlib.suppress(ConnectionError):  # it has gone, and nobody has noticed yet
                for one in packets:
                    await line.send(one)

    async def _send_bad_text(self) -> None:
        for line in tuple(self._lines):
            assert line.websocket is not None
            await line.websocket._writer.send_frame(b"42[\xff\xfe]", WSMsgType.TEXT)  # type: ignore[union-attr]

    async def _cut(self) -> None:
        for line in tuple(self._lines):
            self._lines.discard(line)
            await line.cut()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        self.http_headers.append(dict(request.headers))
        answer = self.answers.get(request.path, self.answers.get("*", 404))
        if request.method != "GET":
            self.posted.append((request.path, await request.json() if request.can_read_body else None))
            answer = self.answers.get(f"{request.method} {request.path}", 404)
        if callable(answer):
            answer = answer()
        if isinstance(answer, web.Response):
            return answer
        if isinstance(answer, int):
            return web.Response(status=answer, text="<html>no", content_type="text/html")
        if isinstance(answer, tuple):
            status, body, kind = answer
            return web.Response(status=status, text=body, content_type=kind)
        return web.Response(text=json.dumps(answer), content_type="application/json")

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        transport = request.query.get("transport", "")
        self.socket_headers.append(dict(request.headers))
        if "sid" not in request.query:
            self.handshakes.append(transport)
            self.opened_s.append(time.monotonic())
        if self.mute:
            await asyncio.sleep(600)
        if transport in self.refuse:
            elsewhere = {"Location": self.redirect_to + request.path_qs} if self.redirect_to else None
            return web.Response(status=self.refuse[transport], text="no", headers=elsewhere)
        return await (self._websocket(request) if transport == "websocket" else self._poll(request))

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(max_msg_size=0, compress=False)
        websocket.headers.update(self.socket_says)
        await websocket.prepare(request)
        line = _Line(websocket)
        await line.send(self.opening)
        try:
            async for message in websocket:
                await self._hear(line, message)
        finally:
            self._lines.discard(line)
        return websocket

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        if "sid" not in request.query:
            self._polling = _Line(None)
            return web.Response(text=self.opening, headers=self.socket_says)
        line = self._polling
        if line is None or line.is_cut:
            return web.Response(status=400, text="Invalid session")
        if request.method == "GET":
            return web.Response(text=await line.payload())
        for text in (await request.text()).split(_SEPARATOR):
            await self._hear(line, WSMessage(WSMsgType.TEXT, text, None))
        return web.Response(text="ok")

    async def _hear(self, line: _Line, message: WSMessage) -> None:
        text = message.data if isinstance(message.data, str) else ""
        if text.startswith("40"):
            self.auths.append(json.loads(text[2:]) if text[2:] else None)
            for one in (*self.greeting, self.welcome, *self.behind_welcome):
                await line.send(one)
            self._lines.add(line)
        elif text == "2":
            await line.send("3")
        elif text == "3":
            self.pongs += 1
        elif text in ("1", "41"):
            self._lines.discard(line)
            if line.websocket is None:
                await line.cut()
        elif (emitted := _EMITTED.fullmatch(text)) is not None:
            name, *arguments = json.loads(emitted[2])
            self.emitted.append((name, arguments))
            for one in self.replies.get(name, lambda *_: ())(*arguments):
                await line.send(one)
            if self.acknowledge:
                await line.send(f"43{emitted[1]}[]")


class _Line:
    """One client: a websocket, or what waits for its next poll."""

    def __init__(self, websocket: web.WebSocketResponse | None) -> None:
        self.websocket = websocket
        self.is_cut = False
        self._waiting: asyncio.Queue[str | None] = asyncio.Queue()

    async def send(self, one: str | bytes) -> None:
        if self.websocket is None:
            self._waiting.put_nowait(one if isinstance(one, str) else one.decode("latin-1"))
        elif isinstance(one, str):
            await self.websocket.send_str(one)
        else:
            await self.websocket.send_bytes(one)

    async def payload(self) -> str:
        packets = [await self._waiting.get()]
        while not self._waiting.empty():
            packets.append(self._waiting.get_nowait())
        return _SEPARATOR.join(one for one in packets if one is not None) or "6"

    async def cut(self) -> None:
        self.is_cut = True
        if self.websocket is not None:
            await self.websocket.close()
        else:
            self._waiting.put_nowait(None)


def packet(event: str, payload: Any) -> str:
    return f"42{json.dumps([event, payload])}"


# -- ports that are no HTTP server


class RawPort:
    """Accepts connections; answers each request with `says`, or with nothing at all."""

    def __init__(self, servers: ServerThread, says: bytes | None) -> None:
        self._servers = servers
        self._says = says
        self._writers: list[asyncio.StreamWriter] = []
        self._server = servers.run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        await reader.read(65536)
        if self._says is not None:
            writer.write(self._says)
            await writer.drain()

    def close(self) -> None:
        self._servers.run(self._stop())

    async def _stop(self) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
