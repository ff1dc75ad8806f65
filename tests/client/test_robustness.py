"""What a fresh reader found by experiment: consent that outlived its moment, outages taken for stalls, cells that run
again, and notebooks that do odd things to a monitor."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from client.servers import (
    IDLE,
    ROMA_V1,
    RUNNING,
    SAFE,
    WireServer,
    eventually,
    frame,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget import opening
from roma_widget.client.loop import io_thread
from roma_widget.client.socket import Link
from roma_widget.core import outcome
from roma_widget.widget.cells import Cell

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]

SAFE_SERVER = {"/api/health": SAFE}
GREETING = [packet("projects_list", projects_list("p1"))]


def saved(*nodes: Any, **fields: Any) -> dict[str, Any]:
    return {"project": {"id": "p1", "goal": "g", "status": "running"}, "state": frame(nodes, **fields)}


def roma_v1(executions: Any, state: Any) -> dict[str, Any]:
    return {
        "/api/health": ROMA_V1,
        "/api/executions": executions,
        "/api/projects": projects_list("p1"),
        "/api/projects/p1": state,
    }


class TestDoNoHarm:
    def test_before_another_transport_is_tried_the_server_is_asked_again(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = wire(roma_v1(IDLE, saved(node("root"))), refuse={"websocket": 503})
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: "polling" in server.handshakes)
        asked = [path for path in server.asked if path == "/api/executions"]
        assert len(asked) >= 2

    def test_a_run_that_began_during_a_handshake_gets_no_second_one(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = wire(roma_v1(IDLE, saved(node("root"))), mute=True)
        m = connect(server.url, timeout=0.5)
        eventually(lambda: server.handshakes == ["websocket"])
        server.answers["/api/executions"] = RUNNING
        m.wait(lambda s: "root" in s.tasks, timeout=5)
        assert m.connection["state"] == "polling"
        assert server.handshakes == ["websocket"]

    def test_connect_anyway_does_not_outlive_an_outage(self, connect: Connect, wire: Wire) -> None:
        server = wire(roma_v1(RUNNING, saved(node("root"))))
        m = connect(server.url)
        eventually(lambda: m.connection["state"] == "polling")
        port = int(server.url.rsplit(":", 1)[1])
        server.close()
        eventually(lambda: m.connection["state"] in ("reconnecting", "failed"))
        attempt = m.connection["attempt"]
        m.reconnect(force=True)
        eventually(lambda: m.connection["attempt"] > attempt + 1 or m.connection["state"] == "failed")
        again = wire(roma_v1(RUNNING, saved(node("root"))), port=port)
        eventually(lambda: m.connection["state"] == "polling")
        assert again.handshakes == []


class TestBadValues:
    @pytest.mark.parametrize("bad", ["9" * 5000, '"a\x0bb"', "[" * 5000 + "]" * 5000])
    def test_a_bad_value_at_the_top_that_stays_hides_no_later_frame(
        self, connect: Connect, wire: Wire, bad: str
    ) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        for name in ("a", "b", "c"):
            text = json.dumps(frame([node(name)], overall_project_goal="HERE")).replace('"HERE"', bad)
            server.send(f'42["task_graph_update",{text}]')
            m.wait(lambda s, name=name: name in s.tasks, timeout=5)

    def test_following_over_http_survives_it_too(self, connect: Connect, wire: Wire) -> None:
        text = json.dumps(saved(node("root"), overall_project_goal="HERE")).replace("HERE", "a\x0bb")
        server = wire(roma_v1(RUNNING, (200, text, "application/json")))
        m = connect(server.url)
        m.wait(lambda s: "root" in s.tasks, timeout=5)
        polls = server.asked.count("/api/projects/p1")
        eventually(lambda: server.asked.count("/api/projects/p1") > polls + 2)
        assert m.connection["state"] == "polling"

    def test_parents_that_hang_in_the_air_are_said(self, connect: Connect, wire: Wire) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.send_frame([node("root"), node("a", parent_node_id="nobody")])
        eventually(lambda: "does not exist" in (m.connection["error"] or ""))
        server.send_frame([node("root"), node("a", parent_node_id="root")])
        eventually(lambda: m.connection["error"] is None)

    def test_a_flood_of_errors_is_not_a_flood_of_traits(self, connect: Connect, wire: Wire) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        changes: list[Any] = []
        m.observe(changes.append, "connection")
        server.send(*[packet("x_error", {"message": f"no {number}"}) for number in range(3000)])
        eventually(lambda: "no 2999" in (m.connection["error"] or ""))
        assert len(changes) < 1000

    def test_projects_without_end_are_not_remembered_without_end(self, connect: Connect, wire: Wire) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        for number in range(100):
            server.send_frame([node("root")], project=f"p{number}")
        eventually(lambda: m.project.get("id") == "p99")
        (feed,) = opening._registry._feeds.values() if opening._registry else ()
        assert len(feed.hearing._latest) < 30

    def test_words_of_a_server_are_bounded_on_their_way_to_the_browser(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.send_frame([node(f"t{number}", "S" * 100_000 + str(number)) for number in range(60)])
        m.wait(lambda s: len(s.tasks) == 60, timeout=5)
        eventually(lambda: m.progress["total"] == 60)
        assert len(json.dumps(m.progress)) < 10_000
        assert sum(m.progress["by_status"].values()) == 60

    def test_a_token_is_hidden_also_where_a_cut_left_its_beginning(
        self, connect: Connect, wire: Wire
    ) -> None:
        token, key = "tok-" + "x" * 60, "header-secret-value"
        server = wire(SAFE_SERVER)
        m = connect(server.url, token=token, headers={"X-Key": key})
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.emit("error", {"message": "y" * 470 + token + key})
        eventually(lambda: "yyy" in (m.connection["error"] or ""))
        assert "tok-" not in m.connection["error"]
        server.emit("error", {"message": f"bad key {key}"})
        eventually(lambda: "bad key" in (m.connection["error"] or ""))
        assert key not in m.connection["error"]


class TestWaiting:
    def test_an_outage_of_the_link_is_not_a_stalled_run(
        self, connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outcome, "FROZEN_AFTER_S", 1.0)
        server = wire(SAFE_SERVER, greeting=GREETING)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.send_frame([node("root")])
        m.wait(lambda s: "root" in s.tasks, timeout=5)
        server.close()
        eventually(lambda: m.connection["state"] == "failed")
        until = time.monotonic() + 1.3
        eventually(lambda: time.monotonic() > until)
        assert m.progress["outcome"] == "running"

    def test_a_project_that_is_not_there_ends_the_wait_and_stays_said(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = wire(SAFE_SERVER, greeting=GREETING)
        m = connect(server.url, project="typo")
        with pytest.raises(roma.UnknownProject, match="typo"):
            m.wait("done", timeout=5)
        for number in range(5):
            server.send_frame([node("root")], timestamp=f"2025-09-19T10:00:0{number}")
        eventually(lambda: m.link()["frames"] >= 5)
        eventually(lambda: "typo" in (m.connection["error"] or ""))

    def test_a_disconnected_monitor_does_not_wait_on_its_neighbours_connection(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = wire(SAFE_SERVER)
        one, other = connect(server.url), connect(server.url)
        other.wait("connected", timeout=5)
        one.disconnect()
        with pytest.raises(roma.NotLive, match="disconnected"):
            one.wait("connected", timeout=1)
        assert other.wait("connected", timeout=1) is True

    def test_the_predicates_own_timeout_is_its_own(self, connect: Connect, wire: Wire) -> None:
        m = connect(wire(SAFE_SERVER).url)

        def late(_snapshot: roma.Snapshot) -> bool:
            raise TimeoutError("mine")

        with pytest.raises(TimeoutError, match="mine"):
            m.wait(late)

    def test_links_of_tasks_can_be_followed_in_a_predicate_or_refuse(
        self, connect: Connect, wire: Wire
    ) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.send_frame([node("root"), node("root.1", parent_node_id="root")])
        m.wait(lambda s: "root" in s.tasks and len(s.task("root").children) == 1, timeout=5)
        with pytest.raises(RuntimeError, match=r"snapshot\.task"):
            _ = m.snapshot.tasks["root"].children


class TestNotebooks:
    def test_sys_exit_in_an_observer_does_not_end_the_mirror(self, connect: Connect, wire: Wire) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        m.observe(lambda _change: sys.exit(3), "revision")
        for count in (1, 2):
            server.send_frame([node(f"t{number}") for number in range(count)])
            m.wait(lambda s, count=count: len(s.tasks) == count, timeout=5)

    def test_what_is_done_to_a_traits_value_stays_there(self, connect: Connect, wire: Wire) -> None:
        server = wire(SAFE_SERVER)
        one, other = connect(server.url), connect(server.url)
        one.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.send_frame([node("root")])
        eventually(lambda: other.progress["total"] == 1 and one.progress["total"] == 1)
        one.progress.clear()
        assert other.progress["total"] == 1
        with pytest.raises(roma.WaitTimeout, match="1 running"):
            other.wait(timeout=0.2)

    def test_closing_from_an_observer_closes(self, connect: Connect, wire: Wire) -> None:
        server = wire(SAFE_SERVER)
        m = connect(server.url)
        m.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        m.observe(lambda _change: m.disconnect(), "revision")
        server.send_frame([node("root")])
        eventually(lambda: m.connection["state"] == "closed")
        eventually(lambda: not server.clients_now)

    def test_two_monitors_of_one_execution_live_side_by_side_and_the_next_run_of_the_cell_replaces_both(
        self, connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = wire(SAFE_SERVER)
        monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 1"))
        one, other = connect(server.url), connect(server.url, project=None, timeout=5)
        other.wait("connected", timeout=5)
        one.wait("connected", timeout=5)
        monkeypatch.setattr(opening, "current_cell", lambda: Cell("cell", "run 2"))
        edited = connect(server.url, timeout=6)
        edited.wait("connected", timeout=5)
        eventually(lambda: one.connection["state"] == other.connection["state"] == "closed")
        assert edited.connection["state"] == "live"

    def test_a_monitor_in_a_forked_child_says_so_instead_of_hanging(
        self, connect: Connect, wire: Wire
    ) -> None:
        m = connect(wire(SAFE_SERVER).url)
        m.wait("connected", timeout=5)
        io = io_thread()
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patch:
            patch.setattr(
                io, "pid", io.pid + 1
            )  # what a child sees; a real fork of a threaded test run may hang
            with pytest.raises(roma.NotLive, match="another process"):
                m.wait("connected", timeout=1)


async def test_a_loop_of_the_library_that_swallowed_its_end_ends_all_the_same() -> None:
    """As `wait_for` of Python 3.11 does when the end comes together with a packet."""

    async def writes() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    writing = asyncio.create_task(writes())
    await asyncio.sleep(0)
    client: Any = SimpleNamespace(eio=SimpleNamespace(read_loop_task=None, write_loop_task=writing))
    await Link._let_go(cast(Link, SimpleNamespace(_responses=[])), client)
    assert writing.cancelled()
