"""`watch_for` and `annotate` on real feeds."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, frame, node, packet, projects_list

import roma_widget as roma
from roma_widget.widget import monitor

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire(
        {
            "/api/health": SAFE,
            "/api/projects": projects_list("p1", "p2"),
            "/api/projects/p2": {
                "project": {"id": "p2"},
                "state": frame([node("root", "FAILED")], project="p2"),
            },
        },
        greeting=[packet("projects_list", projects_list("p1", "p2"))],
    )


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    made = connect(server.url)
    eventually(lambda: server.clients_now and made.connection["state"] == "live")
    return made


def tell(server: WireServer, m: roma.Monitor, status: str) -> None:
    server.send_frame([node("root", status)])
    m.wait(lambda s: "root" in s.tasks and s.tasks["root"].status == status, timeout=5)


def rows(m: roma.Monitor, event: str) -> list[tuple[Any, ...]]:
    return list(m.events().query("event == @event")[["field", "after"]].itertuples(index=False, name=None))


def failed(snapshot: roma.Snapshot) -> bool:
    return any(task.status == "FAILED" for task in snapshot.tasks.values())


def asked(m: roma.Monitor) -> Callable[[roma.Snapshot], bool]:
    """`failed`, and it is known of which snapshot it was asked last: `.last`."""

    def predicate(snapshot: roma.Snapshot) -> bool:
        predicate.last = snapshot  # type: ignore[attr-defined]
        return failed(snapshot)

    return predicate


def seen(predicate: Any, m: roma.Monitor) -> None:
    eventually(lambda: getattr(predicate, "last", None) is m.snapshot)


def test_it_fires_once_each_time_that_it_becomes_so(m: roma.Monitor, server: WireServer) -> None:
    predicate, fired = asked(m), []
    m.watch_for("a failure", predicate, fired.append)
    for status in ("RUNNING", "FAILED", "RUNNING"):
        tell(server, m, status)
        seen(predicate, m)
    server.send_frame([node("root", "FAILED")])
    eventually(lambda: len(fired) == 2)
    server.send_frame([node("root", "FAILED"), node("x")])  # is so still
    eventually(lambda: len(predicate.last.tasks) == 2)  # type: ignore[attr-defined]
    assert len(fired) == 2
    assert [snapshot.tasks["root"].status for snapshot in fired] == ["FAILED", "FAILED"]
    assert [name for name, _ in rows(m, "watch")] == ["a failure", "a failure"]


def test_what_is_so_already_fires_at_once_and_again_for_another_run(
    m: roma.Monitor, server: WireServer
) -> None:
    tell(server, m, "FAILED")
    fired: list[roma.Snapshot] = []
    m.watch_for("a failure", failed, fired.append)
    eventually(lambda: len(fired) == 1)
    m.watch("p2")
    eventually(lambda: len(fired) == 2)
    assert [snapshot.project.project_id for snapshot in fired if snapshot.project] == ["p1", "p2"]


def test_the_mirror_goes_on_while_a_predicate_takes_its_time_and_when_it_raises(
    m: roma.Monitor, server: WireServer, caplog: pytest.LogCaptureFixture
) -> None:
    began, may_end = threading.Event(), threading.Event()

    def predicate(snapshot: roma.Snapshot) -> bool:
        began.set()
        assert may_end.wait(10)
        return bool(snapshot.tasks["root"].status == "DONE")

    m.watch_for("slow", predicate)
    m.watch_for("wrong", lambda s: 1 / 0)
    assert began.wait(5)
    tell(server, m, "RUNNING")
    tell(server, m, "DONE")
    may_end.set()
    eventually(lambda: [name for name, _ in rows(m, "watch")] == ["slow"])
    assert ("wrong", "ZeroDivisionError: division by zero") in rows(m, "error")
    assert [name for name, _ in rows(m, "error")].count("wrong") == 1  # said once
    assert "watching for 'wrong'" in caplog.text


def test_what_is_begun_anew_or_ended_is_asked_no_more(m: roma.Monitor, server: WireServer) -> None:
    first, second, third = asked(m), asked(m), asked(m)
    m.watch_for("name", first)
    m.watch_for("name", second)
    end = m.watch_for("other", third)
    tell(server, m, "RUNNING")
    seen(second, m)
    seen(third, m)
    end()
    end()
    tell(server, m, "FAILED")
    seen(second, m)
    assert [name for name, _ in rows(m, "watch")] == ["name"]
    assert getattr(first, "last", None) is not m.snapshot
    assert third.last is not m.snapshot  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "arguments", [("", failed), (7, failed), ("n" * 101, failed), ("a", 7), ("a", ""), ("a", failed, 1)]
)
def test_what_cannot_be_watched_for_is_refused(m: roma.Monitor, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="takes"):
        m.watch_for(*arguments)


def test_a_condition_as_text_is_watched_for(m: roma.Monitor, server: WireServer) -> None:
    with pytest.raises(ValueError, match="Did you mean 'failed'"):
        m.watch_for("a failure", "failled >= 1")
    m.watch_for("a failure", "any(t.status == 'FAILED' for t in tasks) and outcome != 'succeeded'")
    tell(server, m, "FAILED")
    eventually(lambda: [name for name, _ in rows(m, "watch")] == ["a failure"])


def test_after_the_end_nothing_is_watched(m: roma.Monitor) -> None:
    m.disconnect()
    with pytest.raises(roma.NotLive):
        m.watch_for("a failure", failed)


def test_annotations_are_of_a_run_and_shared(connect: Connect, m: roma.Monitor, server: WireServer) -> None:
    assert m.annotations().empty
    types = m.annotations().dtypes
    tell(server, m, "RUNNING")
    other = connect(server.url)
    m.annotate("root", "wrong year " * 50, tags=["prompt", "prompt", "ä"])
    other.annotate("root", "and late")
    m.watch("p2")
    assert m.annotations().empty
    m.annotate("root", "of p2")
    m.watch(None)
    written = m.annotations()
    assert list(written[["task_id", "text"]].itertuples(index=False, name=None)) == [
        ("root", "wrong year " * 50),
        ("root", "and late"),
    ]
    assert [json.loads(tags) for tags in written.tags] == [["prompt", "ä"], []]
    assert written.dtypes.equals(types)
    assert [after for _, after in rows(other, "annotation")][1] == "and late"
    shown = m.notes  # as the browser is told
    assert (shown["n"], [(each["task"], each["tags"]) for each in shown["newest"]]) == (
        2,
        [("root", ["prompt", "ä"]), ("root", [])],
    )


def test_what_is_no_annotation_is_refused(m: roma.Monitor, server: WireServer) -> None:
    tell(server, m, "RUNNING")
    with pytest.raises(roma.UnknownTask):
        m.annotate("nowhere", "text")
    for text in (None, " ", "x" * 10_001):
        with pytest.raises(ValueError, match="text takes"):
            m.annotate("root", text)  # type: ignore[arg-type]
    for tags in ("odd", 7, [""], [[]], ["x" * 101], [str(i) for i in range(51)]):
        with pytest.raises(ValueError, match="tags takes"):
            m.annotate("root", "text", tags)  # type: ignore[arg-type]
    assert m.annotations().empty


def test_actions_that_take_their_time_hold_up_no_other_watch_and_no_close(
    m: roma.Monitor, server: WireServer
) -> None:
    began, may_end = threading.Semaphore(0), threading.Event()

    def act(_: roma.Snapshot) -> None:
        assert threading.current_thread().daemon  # Python waits for no other thread when it ends
        began.release()
        may_end.wait(30)

    n_slow = (os.cpu_count() or 1) + 5  # asyncio's executor would have one less
    try:
        for n in range(n_slow):
            m.watch_for(f"slow {n}", "total >= 0", act)
        assert all(began.acquire(timeout=5) for _ in range(n_slow))
        m.watch_for("late", "total >= 0")
        eventually(lambda: "late" in [name for name, _ in rows(m, "watch")])
        assert m.wait(lambda s: True, timeout=5)
        m.close()
    finally:
        may_end.set()


@pytest.mark.parametrize("what", [StopIteration, StopAsyncIteration, SystemExit, asyncio.CancelledError])
def test_whatever_a_function_raises_the_watch_goes_on(
    m: roma.Monitor, server: WireServer, what: type[BaseException]
) -> None:
    def act(_: roma.Snapshot) -> None:
        raise what("no")

    sentence = f"RuntimeError: the function raised {what.__name__}('no')"
    m.watch_for("acts", failed, act)
    m.watch_for("asks", act)
    for status in ("FAILED", "RUNNING", "FAILED"):
        tell(server, m, status)
        eventually(lambda: dict(rows(m, "error")) == {"acts": sentence, "asks": sentence})
    eventually(lambda: [name for name, _ in rows(m, "watch")] == ["acts", "acts"])
    with pytest.raises(RuntimeError, match=what.__name__):
        m.wait(act, timeout=5)


def test_a_server_that_is_slow_to_let_go_is_no_error(
    m: roma.Monitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left, may_leave = threading.Event(), threading.Event()
    leave = m._leave

    async def slowly() -> None:
        await asyncio.to_thread(may_leave.wait, 10)
        await leave()
        left.set()

    monkeypatch.setattr(m, "_leave", slowly)
    monkeypatch.setattr(monitor, "LEAVE_WITHIN_S", 0.05)
    m.close()
    assert "has not let go of its server" in caplog.text
    may_leave.set()
    assert left.wait(5)
