"""`wait`: what it returns, what it raises, and that nothing it does leaves the monitor unusable."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, frame, free_port, node

import roma_widget as roma
from roma_widget.core import outcome

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
SAFE_SERVER = {"/api/health": SAFE}


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire(SAFE_SERVER)


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    """A monitor that is connected to `server` and shows one running task."""
    monitor = connect(server.url)
    monitor.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    monitor.wait(lambda s: s.tasks, timeout=5)
    return monitor


def end_the_run(server: WireServer, status: str = "DONE") -> None:
    server.send_frame([node("root", status)], status="completed")


def after(seconds: float, call: Callable[[], object]) -> None:
    threading.Timer(seconds, call).start()


@pytest.mark.parametrize(("status", "came_of_it"), [("DONE", "succeeded"), ("FAILED", "failed")])
def test_waiting_for_the_end_returns_the_outcome(
    m: roma.Monitor, server: WireServer, status: str, came_of_it: str
) -> None:
    after(0.1, lambda: end_the_run(server, status))
    assert m.wait(timeout=5) == came_of_it
    assert m.wait() == came_of_it  # also afterwards, at once


def test_waiting_for_a_condition_returns_what_it_returned(m: roma.Monitor, server: WireServer) -> None:
    after(0.1, lambda: server.send_frame([node("root"), node("root.1")]))
    assert m.wait(lambda s: sorted(s.tasks) if len(s.tasks) > 1 else None, timeout=5) == ["root", "root.1"]


def test_an_error_of_the_condition_comes_to_the_one_who_waits(m: roma.Monitor) -> None:
    with pytest.raises(ZeroDivisionError):
        m.wait(lambda s: 1 / 0, timeout=5)
    assert m.wait("connected", timeout=5)


def test_a_slow_condition_does_not_hold_up_the_thread_that_listens(
    m: roma.Monitor, server: WireServer
) -> None:
    may_end = threading.Event()
    waiting = threading.Thread(target=lambda: m.wait(lambda s: may_end.wait(10), timeout=20))
    waiting.start()
    server.send_frame([node("root"), node("root.1")])
    eventually(lambda: len(m.snapshot.tasks) == 2)
    may_end.set()
    waiting.join(5)
    assert not waiting.is_alive()


def test_what_is_not_a_thing_to_wait_for_is_refused(m: roma.Monitor) -> None:
    for nonsense in ("over", None, 5):
        with pytest.raises((ValueError, TypeError)):
            m.wait(nonsense)


@pytest.mark.parametrize(
    ("until", "words"),
    [("done", "for the run to end"), (lambda s: False, "for the condition to hold")],
    ids=["done", "a condition"],
)
def test_a_wait_that_is_too_long_says_what_for_and_how_things_stand(
    m: roma.Monitor, until: Any, words: str
) -> None:
    began = time.monotonic()
    with pytest.raises(roma.WaitTimeout) as late:
        m.wait(until, timeout=0.3)
    assert 0.3 <= time.monotonic() - began < 1.5
    assert str(late.value) == (
        f"Waited 0.3 s {words}; the run is running (0 of 1 done, 0 failed, 1 running), the connection is live."
    )
    assert isinstance(late.value, TimeoutError)


def test_without_time_it_only_looks(m: roma.Monitor) -> None:
    assert m.wait(lambda s: s.tasks, timeout=0)
    with pytest.raises(roma.WaitTimeout, match=r"^Waited 0 s for the run to end"):
        m.wait("done", timeout=0)
    with pytest.raises(ValueError, match="from 0 on"):
        m.wait("done", timeout=-1)


def test_a_wait_for_a_server_that_is_not_there_says_so(connect: Connect) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    m = connect(url)
    eventually(lambda: m.connection["attempt"] >= 1)
    with pytest.raises(roma.WaitTimeout) as late:
        m.wait("connected", timeout=0.02)
    assert str(late.value).startswith(
        "Waited 0.02 s for a connection; there is no task yet, the connection is "
    )
    with pytest.raises(roma.ConnectError, match=f"Nothing listens at {url}"):
        m.wait("done")
    assert m.connection["state"] == "failed"


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
def test_who_waits_learns_that_the_monitor_was_disconnected(
    m: roma.Monitor, server: WireServer, connect: Connect, beside: bool
) -> None:
    if beside:
        connect(server.url).wait("connected", timeout=5)
    after(0.1, m.disconnect)
    with pytest.raises(roma.NotLive, match="disconnected"):
        m.wait("done", timeout=5)
    with pytest.raises(roma.NotLive, match="disconnected"):
        m.wait("done", timeout=5)
    with pytest.raises(roma.NotLive, match="disconnected"):
        m.reconnect()
    assert list(m.snapshot.tasks) == ["root"]  # what came stays readable
    assert m.connection["state"] == "closed"


def test_a_run_that_has_stalled_ends_the_wait(
    m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outcome, "BLOCKED_AFTER_S", 0.0)
    stuck = frame(
        [
            node("root", "PLAN_DONE", planned_sub_task_ids=["root.1", "root.2"]),
            node("root.1", "FAILED", parent_node_id="root"),
            node("root.2", "PENDING", parent_node_id="root"),
        ],
        graphs={"g": {"edges": [{"source": "root.1", "target": "root.2"}]}},
    )
    server.emit("task_graph_update", stuck)
    with pytest.raises(roma.RunStalled, match=r"root\.2 waits for root\.1, which failed"):
        m.wait("done", timeout=10, stall_timeout=0.1)
    with pytest.raises(roma.WaitTimeout, match="the run is stalled"):
        m.wait("done", timeout=0.2, stall_timeout=None)


def test_an_interrupted_wait_leaves_everything_usable(m: roma.Monitor, server: WireServer) -> None:
    for until in ("done", lambda s: False):
        after(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            m.wait(until, timeout=10)
    end_the_run(server)
    assert m.wait(timeout=5) == "succeeded"


def test_waiting_on_the_thread_that_listens_is_refused_at_once(m: roma.Monitor, server: WireServer) -> None:
    raised: list[BaseException] = []

    def observer(_: object) -> None:
        try:
            m.wait("done", timeout=5)
        except BaseException as error:
            raised.append(error)

    m.observe(observer, "revision")
    end_the_run(server)
    assert m.wait(timeout=5) == "succeeded"
    eventually(lambda: raised)
    assert isinstance(raised[0], RuntimeError)
    assert "roma-io" in str(raised[0])


def test_an_observer_that_raises_does_not_stop_the_mirror(m: roma.Monitor, server: WireServer) -> None:
    m.observe(lambda _: 1 / 0, "progress")
    end_the_run(server)
    assert m.wait(timeout=5) == "succeeded"


async def test_waiting_with_await_leaves_the_loop_free(m: roma.Monitor, server: WireServer) -> None:
    waiting = m.wait_async(timeout=5)
    after(0.1, lambda: end_the_run(server))
    assert await waiting == "succeeded"
    with pytest.raises(roma.WaitTimeout, match="the condition to hold"):
        await m.wait_async(lambda s: False, timeout=0.05)


def test_many_threads_may_wait_at_once(m: roma.Monitor, server: WireServer) -> None:
    outcomes: list[str] = []
    threads = [threading.Thread(target=lambda: outcomes.append(m.wait(timeout=10))) for _ in range(20)]
    for thread in threads:
        thread.start()
    end_the_run(server)
    for thread in threads:
        thread.join(10)
    assert outcomes == ["succeeded"] * 20
