"""One server, one connection: what monitors share, and that closing frees it all."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psutil
import pytest
from client.conftest import nothing_is_left
from client.servers import SAFE, Replay, WireServer, eventually, frame, node, packet, projects_list, recording

import roma_widget as roma
from roma_widget import opening
from roma_widget.client import socket
from roma_widget.client.loop import THREAD_NAME, io_thread
from roma_widget.core.events import Node
from roma_widget.core.model import Task

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
SAFE_SERVER = {"/api/health": SAFE}
OTHER = {"project": {"id": "p2", "goal": "another"}, "state": frame([node("x")], project="p2")}


def sockets_to(port: int) -> int:
    """Open TCP connections of this process to a server on `port` (its own ends do not count)."""
    return sum(
        1
        for one in psutil.Process().net_connections("tcp")
        if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED
    )


def threads_of_ours() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("roma"))


def test_monitors_of_one_server_share_one_socket(connect: Connect, replay: Callable[..., Replay]) -> None:
    server = replay(recording(frame([node("root")])))
    monitors = [connect(server.url) for _ in range(5)]
    for m in monitors:
        m.wait("connected", timeout=5)
    server.go_to_end()
    for m in monitors:
        m.wait(lambda s: "root" in s.tasks, timeout=5)
    assert server.connections_total == 1
    assert server.clients_now == 1
    monitors[0].close()
    assert monitors[1].connection["state"] == "live"
    for m in monitors[1:]:
        m.close()
    eventually(lambda: server.clients_now == 0)


def test_two_projects_share_one_socket(connect: Connect, wire: Wire) -> None:
    server = wire(
        {**SAFE_SERVER, "/api/projects/p2": OTHER},
        greeting=[packet("projects_list", projects_list("p1", "p2"))],
    )
    current, second = connect(server.url), connect(server.url, project="p2")
    current.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    current.wait(lambda s: list(s.tasks) == ["root"], timeout=5)
    second.wait(lambda s: list(s.tasks) == ["x"], timeout=5)
    assert server.handshakes == ["websocket"]


@pytest.mark.parametrize(
    "options",
    [{"token": "t"}, {"headers": {"a": "b"}}, {"join": "always"}, {"transports": ("polling",)}],
    ids=lambda options: next(iter(options)),
)
def test_what_is_connected_to_in_another_way_is_not_shared(
    connect: Connect, wire: Wire, options: dict[str, Any]
) -> None:
    server = wire(SAFE_SERVER)
    connect(server.url).wait("connected", timeout=5)
    connect(server.url, **options).wait("connected", timeout=5)
    assert len(server.handshakes) == 2


def test_a_late_monitor_is_told_what_is_known_and_which_project_is_current(
    connect: Connect, wire: Wire
) -> None:
    server = wire(SAFE_SERVER)
    first = connect(server.url, project="p1")
    first.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    for count, project in enumerate(("p1", "p2", "p1"), start=1):  # the server turned to p2, and back
        server.send_frame([node(f"of-{project}"), node(f"n{count}")], project=project)
        eventually(lambda n=count: first.link()["frames"] == n)
    late = connect(server.url)
    late.wait(lambda s: s.tasks, timeout=5)
    assert list(late.snapshot.tasks) == ["n3", "of-p1"]
    watching = connect(server.url, project="p2")
    watching.wait(lambda s: list(s.tasks) == ["n2", "of-p2"], timeout=5)
    assert len(server.handshakes) == 1


def test_the_last_monitor_closes_the_connection(connect: Connect, wire: Wire) -> None:
    server = wire({**SAFE_SERVER, "/api/projects/p2": OTHER})
    m, other = connect(server.url), connect(server.url, project="p2")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    m.close()
    assert server.clients_now == 1
    other.close()
    eventually(lambda: server.clients_now == 0)
    eventually(lambda: sockets_to(server.port) == 0)
    nothing_is_left()
    assert opening._registry is not None
    assert opening._registry._feeds == {}
    assert opening._registry._sessions == {}
    assert [name for name in threads_of_ours() if name != THREAD_NAME] == []


def test_fifty_monitors_of_one_server_cost_what_one_does(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    payload = "z" * 20_000
    tasks = [node(f"n{i}", full_result=payload) for i in range(200)]  # 4 MB

    def connected() -> roma.Monitor:
        m = connect(server.url)
        m.wait(lambda s: len(s.tasks) == 200, timeout=10)
        return m

    first = connect(server.url)
    first.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame(tasks)
    first.wait(lambda s: len(s.tasks) == 200, timeout=10)
    threads, sockets = threading.active_count(), sockets_to(server.port)
    memory = psutil.Process().memory_info().rss
    monitors = [connected() for _ in range(49)]
    assert len(server.handshakes) == 1
    assert threading.active_count() <= threads + 8  # the pool that runs conditions has a few
    assert sockets_to(server.port) <= sockets
    assert psutil.Process().memory_info().rss - memory < 100e6  # a copy for each would be 200 MB
    assert all(m.snapshot is first.snapshot for m in monitors)


def test_five_monitors_of_each_of_three_servers_share_one_thread_and_a_socket_each(
    connect: Connect, wire: Wire
) -> None:
    servers = [wire(SAFE_SERVER) for _ in range(3)]
    monitors = [(server, connect(server.url)) for _ in range(5) for server in servers]
    for _, m in monitors:
        m.wait("connected", timeout=5)
    for number, server in enumerate(servers):
        eventually(lambda s=server: s.clients_now == 1)
        server.send_frame([node(f"of-{number}")])
    for server, m in monitors:
        shown = [f"of-{servers.index(server)}"]
        m.wait(lambda s, ids=shown: list(s.tasks) == ids, timeout=5)
    assert [server.handshakes for server in servers] == [["websocket"]] * 3
    # those that HTTP keeps open for the next question are the aiohttp session's
    assert all(sockets_to(server.port) <= 2 for server in servers)
    assert threads_of_ours().count(THREAD_NAME) == 1


@pytest.mark.parametrize(("transport", "rounds"), [("websocket", 100), ("polling", 30)])
def test_opening_and_closing_again_and_again_leaves_nothing(
    connect: Connect, wire: Wire, transport: str, rounds: int
) -> None:
    server = wire(SAFE_SERVER)
    kept = "z" * 1_000_000
    tasks = [node("root", full_result=kept)]

    def once() -> None:
        with roma.connect(server.url, transports=(transport,)) as m:
            m.wait("connected", timeout=5)
            eventually(lambda: server.clients_now == 1)
            server.send_frame(tasks)
            m.wait(lambda s: s.tasks, timeout=5)
        eventually(lambda: server.clients_now == 0)

    def used() -> tuple[int, int, int]:
        nothing_is_left()
        gc.collect()
        process = psutil.Process()
        return process.num_fds(), threading.active_count(), process.memory_info().rss

    for _ in range(rounds // 2):  # until the allocator has what it takes
        once()
    files, threads, memory = used()
    for _ in range(rounds):
        once()
    assert len(server.handshakes) == rounds + rounds // 2
    eventually(lambda: used()[0] <= files + 3)
    assert used()[1] <= threads + 2
    assert used()[2] - memory < rounds * 0.5e6, "each has seen a megabyte"


def test_closing_while_nothing_answers_is_quick_and_leaves_nothing(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER, mute=True)
    for _ in range(5):
        m = roma.connect(server.url, timeout=60)
        eventually(lambda: sockets_to(server.port))
        m.close()
        assert m.connection["state"] == "closed"
        eventually(lambda: sockets_to(server.port) == 0, timeout=3)
    nothing_is_left()


def test_a_monitor_that_is_closed_holds_what_it_shows_and_no_other_project(
    connect: Connect, wire: Wire
) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    for project in ("p1", "p2"):
        server.send_frame([node(f"held-{project}")], project=project)
        m.wait(lambda s, task_id=f"held-{project}": task_id in s.tasks, timeout=5)
    m.close()
    nothing_is_left()
    gc.collect()
    held = {one.task_id for one in gc.get_objects() if type(one) in (Task, Node)}
    assert held & {"held-p1", "held-p2"} == {"held-p2"}
    assert m.task("held-p2").raw["goal"] == "the goal of held-p2"
    assert "held-p2" in m.events()["task_id"].dropna().to_list()
    assert m.link()["frames"] == 2


def test_closing_twice_is_allowed(connect: Connect, wire: Wire) -> None:
    m = connect(wire(SAFE_SERVER).url)
    m.disconnect()
    m.disconnect()
    m.close()
    m.close()


def _in_a_fork(url: str, answers: Any) -> None:
    with roma.connect(url) as m:
        answers.put((m.wait("connected", timeout=5), m.connection["state"], io_thread().pid == os.getpid()))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_of_the_process_can_connect_for_itself(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_in_a_fork, args=(server.url, answers))
    child.start()
    child.join(15)
    assert child.exitcode == 0
    assert answers.get() == (True, "live", True)
    assert m.connection["state"] == "live"
    assert m.connection["reconnects"] == 0


def test_closing_during_a_handshake_that_swallows_the_cancellation_is_quick(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening_link = socket.Link.open
    began = threading.Event()

    async def swallowing(link: socket.Link) -> None:
        await opening_link(link)
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)

    monkeypatch.setattr(socket.Link, "open", swallowing)
    m = connect(wire(SAFE_SERVER).url)
    assert began.wait(5)
    before = time.monotonic()
    m.close()
    assert time.monotonic() - before < 2
    nothing_is_left()
