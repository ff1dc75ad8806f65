"""ROMA v1 loses its run when anyone joins during it. Through a relay kernels come and go as they like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from client.freezing import CHILDREN, FreezingServer
from client.servers import IDLE, RUNNING, ServerThread, WireServer, eventually, packet
from relay.conftest import MakeRelay

import roma_widget as roma
from roma_widget.client.loop import io_thread
from roma_widget.server.network.limits import Limits

KERNELS = 30
TIMEOUT_S = 30.0


@pytest.mark.usefixtures("quick")
def test_thirty_kernels_join_and_leave_during_a_run_that_ends_as_alone(
    relay_of: MakeRelay, servers: ServerThread, closing: Callable[[Any], Any]
) -> None:
    above = closing(FreezingServer(servers, step_s=0.3))
    relay = relay_of(above.url)
    eventually(lambda: relay.session.connection.state == "live", TIMEOUT_S)
    run_id = above.start_run()

    def look_in(number: int) -> int:
        """As a kernel of its own would: a feed and a socket of its own."""
        monitor = roma.connect(relay.url, headers={"kernel": str(number)})
        try:
            monitor.wait("connected", timeout=TIMEOUT_S)
            eventually(lambda: len(monitor.snapshot.tasks) > CHILDREN, TIMEOUT_S)
            return len(monitor.snapshot.tasks)
        finally:
            monitor.disconnect()

    with ThreadPoolExecutor(10) as kernels:
        seen = list(kernels.map(look_in, range(KERNELS)))
        assert not above.ended, "all of them came during the run"
    assert seen == [CHILDREN + 1] * KERNELS
    last = roma.connect(relay.url)
    try:
        last.wait("done", timeout=TIMEOUT_S)
        assert last.progress["done"] == CHILDREN + 1
    finally:
        last.disconnect()
    assert (above.ended, above.frozen) == ([run_id], [])
    assert len(above.handshakes) == 1
    assert relay.session.connection.reconnects == 0
    assert relay.shell.connections_total == KERNELS + 1


@pytest.mark.usefixtures("quick")
def test_a_relay_that_is_started_during_a_run_follows_it_over_http_and_joins_behind_it(
    relay_of: MakeRelay, servers: ServerThread, closing: Callable[[Any], Any]
) -> None:
    above = closing(FreezingServer(servers, step_s=0.1))
    run_id = above.start_run()
    relay = relay_of(above.url)
    monitor = roma.connect(relay.url)
    try:
        monitor.wait("connected", timeout=TIMEOUT_S)
        eventually(lambda: relay.session.connection.state == "polling", TIMEOUT_S)
        assert not above.handshakes
        monitor.wait("done", timeout=TIMEOUT_S)
    finally:
        monitor.disconnect()
    eventually(lambda: relay.session.connection.state == "live", TIMEOUT_S)
    assert (above.ended, above.frozen) == ([run_id], [])


KERNEL = """
import sys
import roma_widget as roma
monitor = roma.connect(sys.argv[1])
monitor.wait("connected", timeout=30)
print("here", flush=True)
monitor.wait("done", timeout=60)
print(monitor.progress["done"], flush=True)
"""


@pytest.mark.usefixtures("quick")
def test_a_kernel_that_stands_still_is_let_go_and_the_link_above_stays(
    relay_of: MakeRelay, servers: ServerThread, closing: Callable[[Any], Any]
) -> None:
    """As one whose cell holds the interpreter for minutes: here for as long as the relay waits for a ping's answer."""
    above = closing(FreezingServer(servers, step_s=0.3))
    relay = relay_of(above.url, limits=Limits(ping_interval_s=0.3, ping_timeout_s=0.3))
    eventually(lambda: relay.session.connection.state == "live", TIMEOUT_S)
    run_id = above.start_run()
    with subprocess.Popen(
        [sys.executable, "-c", KERNEL, relay.url], stdout=subprocess.PIPE, text=True
    ) as kernel:
        try:
            assert kernel.stdout is not None
            assert kernel.stdout.readline() == "here\n"
            psutil.Process(kernel.pid).suspend()
            eventually(lambda: not relay.shell.clients, TIMEOUT_S)
            psutil.Process(kernel.pid).resume()
            assert kernel.stdout.readline() == f"{CHILDREN + 1}\n"
        finally:
            kernel.kill()
    assert (above.ended, above.frozen, len(above.handshakes)) == ([run_id], [], 1)


def test_what_it_is_made_of_ends_with_it(
    relay_of: MakeRelay, servers: ServerThread, closing: Callable[[Any], Any]
) -> None:
    above = closing(FreezingServer(servers))
    relay = relay_of(above.url, idle_s=0.2)
    io_thread().result(relay.ended(), TIMEOUT_S)
    io_thread().result(relay.stop(), TIMEOUT_S)
    eventually(lambda: above.clients_now == 0, TIMEOUT_S)


def test_a_project_of_a_server_that_was_killed_in_its_run_keeps_no_relay(
    roma_above: WireServer, relay_of: MakeRelay
) -> None:
    """ROMA v1 says for ever that such a project runs; what is executed it knows."""
    listed = {"projects": [{"id": "p1", "goal": "g", "status": "running"}], "current_project_id": "p1"}
    roma_above.answers["/api/projects"] = listed
    roma_above.greeting = [packet("projects_list", listed)]
    relay = relay_of(roma_above.url, idle_s=0.4)
    eventually(relay.is_run_alive)
    roma_above.answers["/api/executions"] = RUNNING
    with pytest.raises(TimeoutError):
        io_thread().result(relay.ended(), 1.5)
    roma_above.answers["/api/executions"] = IDLE
    io_thread().result(relay.ended(), TIMEOUT_S)
