"""Requests and their answers on a socket that can say anything: in order, mixed up, twice, late, or not at all."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, frame, node, packet, projects_list

import roma_widget as roma
from roma_widget.client import requests
from roma_widget.session import Session

pytestmark = pytest.mark.usefixtures("quick")

Wire = Callable[..., WireServer]
ACKNOWLEDGEMENTS = [f"43{number}[]" for number in range(5)]
"""Of all that was sent until now, and of nothing: number 0 is none."""
TASKS = [node("root", "DONE"), node("root.1", "DONE"), node("root.2", "DONE")]


@pytest.fixture
def server(wire: Wire) -> WireServer:
    """A server with one finished run of three tasks, which answers nothing by itself."""
    return wire(
        {
            "/api/health": SAFE,
            "/api/projects": projects_list("p1", "p2"),
            "/api/projects/p1": {"project": {"id": "p1"}, "state": None},
            "/api/projects/p2": {"project": {"id": "p2"}, "state": None},
        },
        greeting=[packet("projects_list", projects_list("p1", "p2"))],
    )


@pytest.fixture
def m(connect: Callable[..., roma.Monitor], server: WireServer) -> roma.Monitor:
    monitor = connect(server.url)
    monitor.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame(TASKS, status="completed")
    monitor.wait(lambda s: len(s.tasks) == 3, timeout=5)
    eventually(lambda: asked(server, "request_initial_state"))
    return monitor


@pytest.fixture
def elsewhere() -> Any:
    """`elsewhere(call)` makes a call in another thread; its future."""
    with ThreadPoolExecutor(8) as threads:
        yield threads.submit


def requests_of(m: roma.Monitor) -> requests.Requests:
    session: Any = m._session
    assert isinstance(session, Session)
    return session._feed.hearing.requests


def asked(server: WireServer, event: str) -> list[Any]:
    return [arguments[0] if arguments else None for name, arguments in server.emitted if name == event]


def asked_for(server: WireServer) -> list[str]:
    return [fields["node_id"] for fields in asked(server, "request_node_trace")]


def trace(task_id: str, trace_id: str | None = None, *stages: Any) -> dict[str, Any]:
    about = {"node_id": task_id, "trace_id": trace_id or f"trace of {task_id}", "stages": list(stages)}
    return {"node_id": task_id, "trace": about}


def refuse_traces(server: WireServer, words: str) -> None:
    server.emit("node_trace_error", {"error": words})


def test_a_reply_is_found(m: roma.Monitor, server: WireServer, elsewhere: Any) -> None:
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked(server, "request_node_trace") == [{"project_id": "p1", "node_id": "root"}])
    server.emit("node_trace_data", trace("root", None, {"stage_name": "planning"}))
    assert [stage.stage for stage in waiting.result(5).stages] == ["planning"]


def test_an_error_raises_the_servers_words_and_is_not_shown_as_the_connections(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    refuse_traces(server, "Server error: not now")
    with pytest.raises(roma.ServerError, match=r"^Server error: not now$") as caught:
        waiting.result(5)
    assert caught.value.event == "node_trace_error"
    assert m.connection["error"] is None


def test_one_request_of_a_kind_is_under_way_at_a_time_so_errors_find_theirs(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    first: Future[Any] = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server) == ["root"])
    second: Future[Any] = elsewhere(m.trace, "root.1")
    other_kind: Future[Any] = elsewhere(m.stage_details, "root", "s")
    eventually(lambda: asked(server, "request_stage_details"))
    assert asked_for(server) == ["root"]
    refuse_traces(server, "for the first")
    with pytest.raises(roma.ServerError, match="for the first"):
        first.result(5)
    eventually(lambda: asked_for(server) == ["root", "root.1"])
    server.emit("stage_details_error", {"error": "for the stage"})
    refuse_traces(server, "for the second")
    with pytest.raises(roma.ServerError, match="for the second"):
        second.result(5)
    with pytest.raises(roma.ServerError, match="for the stage"):
        other_kind.result(5)


def test_replies_in_the_wrong_order_and_for_others_are_left_alone(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    server.emit("node_trace_data", trace("root.1"))
    server.emit("save_success", {"project_id": "p1"})
    server.emit("project_switch_error", {"error": "not yours"})
    server.emit("node_trace_data", trace("root", "mine"))
    assert waiting.result(5).trace_id == "mine"
    eventually(lambda: m.link()["unasked_replies"] == 3)


def test_the_same_reply_twice_is_an_answer_once(m: roma.Monitor, server: WireServer, elsewhere: Any) -> None:
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    server.send(*[packet("node_trace_data", trace("root", "t1"))] * 2)
    assert waiting.result(5).trace_id == "t1"
    eventually(lambda: m.link()["unasked_replies"] == 1)


def test_what_nobody_asked_for_is_counted_and_changes_nothing(m: roma.Monitor, server: WireServer) -> None:
    before = m.snapshot
    server.emit("node_trace_data", trace("root"))
    server.emit("project_stopped", {"project_id": "p1"})
    server.emit("execution_started", {"project_id": "p1"})
    server.emit("hitl_request", {"request_id": "r", "node_id": "root"})
    server.emit("stage_details_data", {"node_id": "root", "stage_id": "s", "stage": {}})
    eventually(lambda: m.link()["unasked_replies"] == 4)
    assert m.snapshot is before


def test_a_late_second_reply_of_another_project_is_not_taken_for_this_one(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    first = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    server.emit("node_trace_data", trace("root", "of p1"))
    first.result(5)
    server.send_frame([node("root")], project="p2")
    m.wait(lambda s: s.project.project_id == "p2", timeout=5)
    second = elsewhere(m.trace, "root")
    eventually(lambda: len(asked_for(server)) == 2)
    server.emit("node_trace_data", trace("root", "of p1"))
    server.emit("node_trace_data", trace("root", "of p2"))
    assert second.result(5).trace_id == "of p2"


def test_a_server_that_takes_a_request_and_says_nothing_is_told_from_one_that_does_not_hear(
    m: roma.Monitor, server: WireServer
) -> None:
    requests_of(m)._silence_s = 0.1
    began = time.monotonic()
    with pytest.raises(roma.ServerError, match="got request_node_trace and said nothing") as caught:
        m.trace("root", timeout=5)
    assert caught.value.event == "node_trace_data"
    assert time.monotonic() - began < 3
    server.acknowledge = False
    requests_of(m)._given_up_s = 0.1
    with pytest.raises(
        roma.ConnectError, match=r"did not take request_node_trace \(no acknowledgement within 0.2 s"
    ):
        m.trace("root", timeout=0.2)


def test_the_time_may_be_over_before_the_silence_is(m: roma.Monitor) -> None:
    with pytest.raises(roma.ServerError, match="said nothing"):
        m.trace("root", timeout=0.3)


def test_who_does_not_get_a_turn_is_told_so(m: roma.Monitor, server: WireServer, elsewhere: Any) -> None:
    server.acknowledge = False
    first = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    with pytest.raises(roma.WaitTimeout, match=r"did not get its turn within 0.1 s"):
        m.trace("root.1", timeout=0.1)
    server.emit("node_trace_data", trace("root"))
    first.result(5)
    assert asked_for(server) == ["root"]


def test_a_lost_link_ends_the_waiting_at_once(m: roma.Monitor, server: WireServer, elsewhere: Any) -> None:
    for acknowledge in (False, True):
        eventually(lambda: m.connection["state"] == "live" and server.clients_now)
        server.acknowledge = acknowledge
        before = len(asked_for(server))
        waiting, next_one = elsewhere(m.trace, "root"), elsewhere(m.trace, "root.1")
        eventually(lambda n=before: len(asked_for(server)) > n)
        began = time.monotonic()
        server.cut()
        with pytest.raises(roma.NotLive):
            waiting.result(5)
        with pytest.raises(roma.NotLive):
            next_one.result(5)
        assert time.monotonic() - began < 3
        server.acknowledge = True


def test_an_answer_that_comes_late_is_not_the_next_ones(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    server.acknowledge = False
    with pytest.raises(roma.ConnectError):
        m.trace("root", timeout=0.2)
    waiting = elsewhere(m.trace, "root.1")
    refuse_traces(server, "too late, for the first")
    time.sleep(0.1)
    assert asked_for(server) == ["root"], "its turn comes when the first is acknowledged"
    server.acknowledge = True
    server.send(*ACKNOWLEDGEMENTS)
    eventually(lambda: asked_for(server) == ["root", "root.1"])
    server.emit("node_trace_data", trace("root.1"))
    assert waiting.result(5).task_id == "root.1"


def test_a_request_that_was_never_acknowledged_does_not_block_its_kind_for_ever(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    requests_of(m)._given_up_s = 0.2
    server.acknowledge = False
    with pytest.raises(roma.ConnectError):
        m.trace("root", timeout=0.1)
    waiting = elsewhere(m.trace, "root.1")
    eventually(lambda: asked_for(server) == ["root", "root.1"])
    server.emit("node_trace_data", trace("root.1"))
    assert waiting.result(5).task_id == "root.1"
    requests_of(m)._behind_reply_s = 0.05
    waiting = elsewhere(m.trace, "root.2")  # a reply without an acknowledgement will do, too
    eventually(lambda: len(asked_for(server)) == 3)
    server.emit("node_trace_data", trace("root.2"))
    assert waiting.result(5).task_id == "root.2"


def test_the_acknowledgement_does_not_overtake_a_reply_that_waits_to_be_read(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    requests_of(m)._silence_s = 0.0
    server.acknowledge = False
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    busy = [packet("task_graph_update", frame([*TASKS, node(f"root.3.{n}")])) for n in range(50)]
    others = [packet("project_status_update", {"project_id": "p9", "status": "x"})] * 50
    mixed = [one for pair in zip(busy, others, strict=True) for one in pair]
    server.send(*mixed, packet("node_trace_data", trace("root")), *ACKNOWLEDGEMENTS)
    assert waiting.result(5).task_id == "root"


@pytest.mark.parametrize("payload", [None, [], {}, {"node_id": "root"}, {"node_id": "root", "trace": 7}])
def test_a_reply_that_cannot_be_read_is_an_error_of_the_server(
    m: roma.Monitor, server: WireServer, elsewhere: Any, payload: Any
) -> None:
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    server.emit("node_trace_data", payload)
    with pytest.raises(roma.ServerError, match="could not be read") as caught:
        waiting.result(5)
    assert caught.value.event == "node_trace_data"


def test_the_servers_words_do_not_carry_the_token_out(
    connect: Callable[..., roma.Monitor], server: WireServer, elsewhere: Any
) -> None:
    m = connect(server.url, token="secret-token")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame(TASKS)
    m.wait(lambda s: s.tasks, timeout=5)
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    refuse_traces(server, "you said secret-token")
    with pytest.raises(roma.ServerError) as caught:
        waiting.result(5)
    assert "secret-token" not in str(caught.value)


def test_asking_from_a_trait_observer_raises_instead_of_waiting_for_itself(
    m: roma.Monitor, server: WireServer
) -> None:
    raised: list[BaseException] = []

    def ask(_change: Any) -> None:
        try:
            m.trace("root")
        except RuntimeError as error:
            raised.append(error)

    m.observe(ask, "revision")
    server.send_frame([*TASKS, node("root.3")])
    eventually(lambda: raised)
    assert threading.current_thread() is threading.main_thread()


def test_closing_while_somebody_waits_ends_the_waiting(
    m: roma.Monitor, server: WireServer, elsewhere: Any
) -> None:
    waiting = elsewhere(m.trace, "root")
    eventually(lambda: asked_for(server))
    m.close()
    with pytest.raises(roma.NotLive):
        waiting.result(5)
    with pytest.raises(roma.NotLive, match="disconnected"):
        m.trace("root")


def test_a_start_waits_for_the_question_of_the_initial_state_and_takes_no_error_of_it(
    connect: Callable[..., roma.Monitor], server: WireServer, elsewhere: Any
) -> None:
    server.acknowledge = False
    server.replies["start_project"] = lambda _: [packet("error", {"message": "for the start"})]
    m = connect(server.url)
    waiting = elsewhere(m.start, "Survey of X")
    eventually(lambda: asked(server, "request_initial_state") and server.clients_now)
    server.emit("error", {"message": "for the initial state"})
    eventually(lambda: "for the initial state" in (m.connection["error"] or ""))
    assert asked(server, "start_project") == []
    server.send("431[]")
    with pytest.raises(roma.ServerError, match="for the start"):
        waiting.result(5)


def test_an_interrupted_fetch_leaves_the_mirror_running(m: roma.Monitor, server: WireServer) -> None:
    server.acknowledge = False

    def interrupt() -> None:
        eventually(lambda: asked_for(server))
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        m.fetch_traces(timeout=30)
    assert time.monotonic() - began < 3
    interrupting.join()
    server.send_frame([*TASKS, node("root.3")])
    m.wait(lambda s: len(s.tasks) == 4, timeout=5)
    assert m.connection["state"] == "live"
