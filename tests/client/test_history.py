"""`m.times`, `m.at` and `m.between` on real feeds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from client.servers import SAFE, Replay, WireServer, eventually, frame, node, packet, projects_list

import roma_widget as roma
from roma_widget import opening
from roma_widget.archive.capture import read_capture
from roma_widget.errors import RomaError, UnknownTime
from roma_widget.widget.cells import Cell

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire(
        {
            "/api/health": SAFE,
            "/api/projects": projects_list("p1", "p2"),
            "/api/projects/p2": {"project": {"id": "p2"}, "state": frame([node("of-p2")], project="p2")},
        },
        greeting=[packet("projects_list", projects_list("p1", "p2"))],
    )


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    return live(connect, server)


def live(connect: Connect, server: WireServer, **options: Any) -> roma.Monitor:
    monitor = connect(server.url, **options)
    eventually(lambda: server.clients_now and monitor.connection["state"] == "live")
    return monitor


def tell(server: WireServer, m: roma.Monitor, second: float, *nodes: Any, **fields: Any) -> None:
    """A frame of the server's, made that long after noon, is shown by m."""
    stamp = (NOON + timedelta(seconds=second)).isoformat()
    server.send_frame(list(nodes), timestamp=stamp, **fields)
    m.wait(lambda s: s.time == datetime.fromisoformat(stamp), timeout=5)


def root(status: str = "RUNNING", **fields: Any) -> dict[str, Any]:
    return node("root", status, timestamp_created=NOON.isoformat(), **fields)


def test_a_run_can_be_read_as_it_stood(m: roma.Monitor, server: WireServer) -> None:
    then = []
    for second, nodes in enumerate(
        [
            [root()],
            [root(), node("root.1", "RUNNING", parent_node_id="root")],
            [root("DONE"), node("root.1", "FAILED", parent_node_id="root")],
        ]
    ):
        tell(server, m, second, *nodes, status="completed" if second == 2 else "running")
        then.append((m.tasks(), m.progress, m.snapshot))
    moments = m.times[-3:]
    assert str(m.times.dtype) == "datetime64[us, UTC]"
    assert list(moments) == [NOON + timedelta(seconds=second) for second in range(3)]
    for moment, (tasks, progress, snapshot) in zip(moments, then, strict=True):
        past = m.at(moment)
        pd.testing.assert_frame_equal(past.tasks(), tasks)
        assert past.progress == progress
        assert past.snapshot.tasks == snapshot.tasks
        assert past.time == snapshot.time == moment
        assert past.is_exact
    assert (
        repr(m.at(1.5))
        == "<Moment 2026-01-01T12:00:01.500000+00:00; running: 0 of 2 done, 0 failed, 2 running>"
    )
    assert list(m.at("12:00:00.5").graph()) == ["root"]
    assert m.at("2026-01-01T12:00:01Z").task("root").children[0].status == "RUNNING"
    assert [bar.name for bar in m.at(1).figures.timeline().data] == [
        bar.name for bar in m.at(1.9).figures.timeline().data
    ]
    with pytest.raises(roma.UnknownTask):
        m.at(0).task("root.1")
    m.disconnect()
    pd.testing.assert_frame_equal(m.at(1).tasks(), then[1][0])


def test_what_is_no_moment_of_the_run_is_said(m: roma.Monitor, server: WireServer) -> None:
    tell(server, m, 10, root())
    first = m.times[0].to_pydatetime()
    with pytest.raises(roma.UnknownTime, match=f"begins at {first.isoformat()}".replace("+", r"\+")):
        m.at("1999-01-01")
    with pytest.raises(ValueError, match="seconds since the run's start, not 'soon'"):
        m.at("soon")
    assert m.at("2999-01-01").time == NOON + timedelta(seconds=10)


def test_what_happened_between_two_moments(m: roma.Monitor, server: WireServer) -> None:
    for second, goal in enumerate("abc"):
        tell(server, m, second, root(goal=goal))

    def goals(begin: Any, end: Any) -> list[str]:
        return [
            str(goal) for goal in m.between(begin, end).query("field == 'goal' and task_id.notna()").after
        ]

    assert goals(1, 2) == ["b", "c"]
    assert goals(1, 1) == ["b"]
    assert goals(0.5, 1.5) == ["b"]
    assert goals("2000-01-01", "2100-01-01") == ["b", "c"]
    assert len(m.between("2000-01-01", "2100-01-01")) == len(m.events())
    with pytest.raises(ValueError, match="is before the beginning"):
        m.between(2, 1)


def test_without_history_none_is_kept_and_the_connection_is_shared(
    connect: Connect, m: roma.Monitor, server: WireServer
) -> None:
    without = connect(server.url, history=False)
    tell(server, m, 1, root())
    without.wait(lambda s: s.tasks, timeout=5)
    assert without.times.empty
    assert without.times.dtype == m.times.dtype
    for reads in (lambda: without.at(0), lambda: without.between(0, 1)):
        with pytest.raises(roma.RomaError, match="opened with history=False"):
            reads()
    assert list(m.at(1).snapshot.tasks) == ["root"]
    assert server.handshakes == ["websocket"]
    with pytest.raises(ValueError, match="history takes True or False"):
        connect(server.url, history="yes")


def test_a_monitor_that_watches_another_project_has_that_ones_history(
    m: roma.Monitor, server: WireServer
) -> None:
    with pytest.raises(roma.UnknownTask):
        m.task("root")
    tell(server, m, 1, root())
    m.watch("p2")
    assert list(m.at(m.times[-1]).snapshot.tasks) == ["of-p2"]
    m.watch(None)
    assert list(m.at(m.times[-1]).snapshot.tasks) == ["root"]  # what is known: the other session knew it


def test_two_monitors_share_a_history_also_one_that_comes_late(
    connect: Connect, m: roma.Monitor, server: WireServer
) -> None:
    tell(server, m, 1, root())
    tell(server, m, 2, root("DONE"))
    late = connect(server.url)
    assert late.at(1).task("root").status == "RUNNING"
    assert list(late.times) == list(m.times)


def test_a_cell_that_runs_again_frees_the_history_of_the_run_before(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 1"))
    first_server, second_server = wire({"/api/health": SAFE}), wire({"/api/health": SAFE})
    first = opening._open(opening.FeedOptions(root=first_server.url), None, "demo")
    eventually(lambda: first_server.clients_now)
    tell(first_server, first, 1, root())
    monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 2"))
    second = opening._open(opening.FeedOptions(root=second_server.url), None, "demo")
    assert list(first.snapshot.tasks) == ["root"]
    with pytest.raises(roma.RomaError, match="another took its place"):
        first.at(1)
    first.close()
    second.close()


def test_a_replayed_run_is_told_as_it_was_recorded(
    connect: Connect, replay: Callable[..., Replay], captures: Path
) -> None:
    capture = read_capture(captures / "d_failed.jsonl.xz")
    recorded = replay(capture)
    m = connect(recorded.url)
    eventually(lambda: recorded.clients_now)
    for second in range(0, int(capture.duration_s), 20):
        recorded.go_to(second)
    recorded.go_to_end()
    m.wait(lambda s: s.outcome == "with_failures", timeout=10)
    said = {}
    for each in capture.frames:
        told = json.loads(each.payload)
        said[datetime.fromisoformat(told["timestamp"]).replace(tzinfo=UTC)] = told["all_nodes"]
    in_frames = [moment for moment in m.times if moment in said]
    assert len(in_frames) >= 5
    for moment in in_frames:
        shown = {task_id: str(task.status) for task_id, task in m.at(moment).snapshot.tasks.items()}
        assert shown == {task_id: task["status"] for task_id, task in said[moment].items()}


def test_the_browser_sees_the_run_as_it_stood(m: roma.Monitor, server: WireServer) -> None:
    tell(server, m, 0, root())
    tell(server, m, 1, root("FAILED"), node("root.1", "DONE", parent_node_id="root"))
    begin, end = (time.timestamp() * 1000 for time in m.times[-2:])
    assert m.known_times()["times"][-2:] == [begin, end]

    then, now = asked(m, begin + 999), asked(m, end + 3_600_000)
    assert [(task["id"], task["status"]) for task in then["tasks"]] == [("root", "RUNNING")]
    assert (then["time"], then["exact"], then["progress"]["total"]) == (begin + 999, True, 1)
    assert (now["time"], now["progress"]["failed"], len(now["tasks"])) == (end, 1, 2)
    for at in (0.0, -1e300, float("nan")):
        with pytest.raises((UnknownTime, ValueError)):
            asked(m, at)


def asked(m: roma.Monitor, epoch_ms: float) -> Any:
    return json.loads(bytes(asyncio.run(m.run_at(epoch_ms))))


def test_without_a_history_the_browser_is_told_of_no_moments(connect: Connect, server: WireServer) -> None:
    m = live(connect, server, history=False)
    assert m.known_times() == {"times": [], "n": 0}
    with pytest.raises(RomaError, match="keeps no history"):
        asked(m, 0)
