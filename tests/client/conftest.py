"""Servers in a thread, monitors that are closed, clocks that run fast; and after each test nothing may be left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client.proxy import Proxy
from client.servers import RawPort, Replay, ServerThread, WireServer, eventually
from engineio.base_client import connected_clients

import roma_widget as roma
from roma_widget import session as session_module
from roma_widget.client import feed
from roma_widget.client.loop import io_thread
from roma_widget.core import reconnect


@pytest.fixture(scope="session")
def servers() -> Iterator[ServerThread]:
    thread = ServerThread()
    yield thread
    thread.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The delays of minutes as tenths of seconds; what they are in truth is tested beside `core`."""
    for name, value in {
        "FIRST_DELAY_S": 0.02,
        "LONGEST_DELAY_S": 0.08,
        "PROBE_S": 0.2,
        "POLL_FIRST_S": 0.03,
        "POLL_LONGEST_S": 0.1,
    }.items():
        monkeypatch.setattr(reconnect, name, value)
    monkeypatch.setattr(feed, "FIRST_FRAME_S", 0.15)
    monkeypatch.setattr(session_module, "PUBLISH_EVERY_S", 0.01)
    monkeypatch.setattr(session_module, "TICK_S", 0.1)


@pytest.fixture
def closing() -> Iterator[Callable[[Any], Any]]:
    """`closing(thing)` closes it after the test and returns it."""
    things: list[Any] = []
    yield lambda thing: things.append(thing) or thing
    for thing in reversed(things):
        thing.close()


@pytest.fixture
def wire(servers: ServerThread, closing: Callable[[Any], Any]) -> Callable[..., WireServer]:
    return lambda *args, **options: closing(WireServer(servers, *args, **options))


@pytest.fixture
def replay(servers: ServerThread, closing: Callable[[Any], Any]) -> Callable[..., Replay]:
    return lambda capture, **options: closing(Replay(servers, capture, **options))


@pytest.fixture
def raw_port(servers: ServerThread, closing: Callable[[Any], Any]) -> Callable[..., RawPort]:
    return lambda says=None: closing(RawPort(servers, says))


@pytest.fixture
def proxy(servers: ServerThread, closing: Callable[[Any], Any]) -> Callable[[int], Proxy]:
    """`proxy(port)` stands in front of the server on that port."""
    return lambda port: closing(Proxy(servers, port))


@pytest.fixture
def connect(
    wire: object, replay: object, raw_port: object, proxy: object
) -> Iterator[Callable[..., roma.Monitor]]:
    """`roma.connect`, closed after the test and before its servers; then nothing may be left on roma-io."""
    monitors: list[roma.Monitor] = []

    def opened(*args: Any, **options: Any) -> roma.Monitor:
        monitors.append(roma.connect(*args, **options))
        return monitors[-1]

    yield opened
    for monitor in monitors:
        monitor.close()
    nothing_is_left()


def tasks_of_roma_io() -> list[str]:
    io = io_thread()

    async def names() -> list[str]:
        mine = asyncio.current_task()
        return [repr(task) for task in asyncio.all_tasks() if task is not mine]

    return io.result(names(), timeout_s=5)


def nothing_is_left() -> None:
    try:
        eventually(lambda: not tasks_of_roma_io(), timeout=5)
    except AssertionError:
        pytest.fail(f"left on roma-io: {tasks_of_roma_io()}")
    assert connected_clients == []
