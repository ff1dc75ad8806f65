"""The extension of our servers, spoken by our client: the same state with less, losses mended, results on demand."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import msgspec
import pytest
from client.servers import IDLE, ROMA_V1, SAFE, WireServer, eventually, node, packet, projects_list

import roma_widget as roma
from roma_widget.client import feed, left_out
from roma_widget.client.extension import ExtensionWish
from roma_widget.client.loop import io_thread
from roma_widget.core import reconnect

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
PROJECT = {"id": "p1", "title": "t", "goal": "the goal", "status": "running"}
OFFER = packet("extension", {"version": 1, "server": "roma-widget"})


def binary(event: str, message: Any) -> list[str | bytes]:
    return [f'451-["{event}",{{"_placeholder":true,"num":0}}]', msgspec.msgpack.encode(message)]


def lean(**fields: Any) -> dict[str, Any]:
    return {
        "goal": "g",
        "status": "RUNNING",
        "needs": [],
        "result_size": 0,
        "started": None,
        "cut": [],
        **fields,
    }


def snapshot(seq: int, **nodes: Any) -> list[str | bytes]:
    return binary("snapshot", {"epoch": 1, "seq": seq, "project": PROJECT, "nodes": nodes, "time": None})


def delta(base: int, seq: int, **nodes: Any) -> list[str | bytes]:
    return binary("delta", {"epoch": 1, "seq": seq, "base": base, "nodes": nodes, "time": None})


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire(
        {"/api/health": SAFE, "/api/projects": projects_list("p1")},
        greeting=[OFFER, packet("projects_list", projects_list("p1"))],
    )


@pytest.fixture
def m(connect: Connect, server: WireServer) -> roma.Monitor:
    monitor = connect(server.url)
    monitor.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send(*snapshot(1, root=lean()))
    monitor.wait(lambda s: s.tasks, timeout=5)
    return monitor


def asked(server: WireServer, event: str) -> list[Any]:
    return [arguments for name, arguments in server.emitted if name == event]


def test_a_run_followed_by_changes_is_the_run_that_the_server_has(connect: Connect) -> None:
    with roma.Server(interval_s=0.02) as server, server.project("a goal") as project:
        m = connect(server.url)
        with project.task("a goal", task_type="WRITE") as root:
            for number in range(30):
                with root.task(f"part {number}", task_type="THINK") as part:
                    with part.stage("execution", agent="writer"):
                        pass
                    part.finish({"output_text": f"result {number} " + "x" * 2000})
            root.finish("all of it")
        assert m.wait("done", timeout=10) == "succeeded"
        assert m.link()["extension"] is True
        assert m.link()["bytes_received"] < 60_000
        assert m.fetch_traces(progress=False) == 30
        assert m.result("root") == "all of it"
        assert m.task("root.7").result["output_text"].startswith("result 6 ")
        assert m.task("root.7").raw["execution_details"] is not None


def test_a_run_has_ended_when_its_tasks_have_and_not_when_the_list_says_so(
    m: roma.Monitor, server: WireServer
) -> None:
    server.send(*delta(1, 2, leaf=lean(status="FAILED", parent_node_id="root")))
    m.wait(lambda s: len(s.tasks) == 2, timeout=5)
    ended = {"id": "p1", "goal": "p1", "status": "completed"}
    server.emit("projects_list", {"projects": [ended], "current_project_id": "p1"})
    eventually(lambda: m.projects[0]["status"] == "completed")
    assert m.progress["outcome"] == "running"
    server.send(*delta(2, 3, root={"status": "DONE"}))
    assert m.wait("done", timeout=5) == "with_failures"
    assert m.task("root").status == "DONE"


def test_a_server_that_does_not_say_it_is_ours_is_not_asked_for_the_extension(
    connect: Connect, wire: Wire
) -> None:
    roma_v1 = wire({"/api/health": ROMA_V1, "/api/executions": IDLE, "/api/projects": projects_list(None)})
    connect(roma_v1.url).wait("connected", timeout=5)
    assert eventually(lambda: roma_v1.auths) == [{}]


def test_a_server_that_speaks_only_roma_is_heard_as_ever(connect: Connect, wire: Wire) -> None:
    plain = wire({"/api/health": SAFE, "/api/projects": projects_list(None)})
    m = connect(plain.url)
    eventually(lambda: asked(plain, "request_initial_state"))
    plain.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    assert m.link()["extension"] is False


def test_another_version_is_done_without(connect: Connect, wire: Wire) -> None:
    server = wire({"/api/health": SAFE, "/api/projects": projects_list(None)})
    server.greeting = [packet("extension", {"version": 7})]
    m = connect(server.url)
    eventually(lambda: len(server.auths) > 1)
    assert [auth.get("roma_widget") for auth in server.auths[:2]] == [1, None]
    server.greeting = []
    m.wait("connected", timeout=5)


class OneEach(list[str]):
    """A greeting that is another one for each connection, and in the end the last."""

    def __iter__(self) -> Iterator[str]:
        yield self.pop(0) if len(self) > 1 else self[0]


def test_a_damaged_word_now_and_then_is_no_farewell_to_the_extension(
    connect: Connect, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "PLAIN_FIRST_S", 1.0)  # else it is over before a busy machine reconnects
    monkeypatch.setattr(reconnect, "PLAIN_GROWTH", 1e6)
    damaged = packet("extension", {"version": 9})
    server.greeting = OneEach([damaged, OFFER, OFFER, damaged, OFFER, OFFER])
    m = connect(server.url)
    eventually(lambda: len(server.auths) == 3 and m.link()["extension"] and server.clients_now)
    server.cut()
    eventually(lambda: len(server.auths) == 6 and m.link()["extension"])
    eventually(lambda: (m.connection["state"], m.connection["reason"]) == ("live", None))
    assert [auth.get("roma_widget") for auth in server.auths] == [1, None, 1] * 2


def test_what_is_in_vain_is_tried_less_and_less_often_until_it_works() -> None:
    wish = ExtensionWish()
    assert wish.due_in_s(100.0) == 0.0
    waits_s = []
    for _ in range(2000):
        wish.was_in_vain(100.0)
        waits_s.append(wish.due_in_s(100.0))
    assert waits_s[:3] == [10.0, 30.0, 90.0]
    assert waits_s[-1] == reconnect.PLAIN_LONGEST_S == 1800.0
    assert wish.due_in_s(100.0 + 1800.0) == 0.0
    wish.worked()
    wish.was_in_vain(5000.0)
    assert wish.due_in_s(5000.0) == 10.0


def test_a_lost_change_is_noticed_and_everything_asked_for_once(m: roma.Monitor, server: WireServer) -> None:
    server.send(*delta(1, 2, root={"status": "PLAN_DONE"}))
    m.wait(lambda s: s.tasks["root"].status == "PLAN_DONE", timeout=5)
    server.send(*delta(3, 4, root={"status": "FAILED"}), *delta(4, 5, root={"goal": "wrong"}))
    eventually(lambda: asked(server, "request_snapshot"))
    assert m.task("root").status == "PLAN_DONE"
    server.send(*snapshot(9, root=lean(status="DONE"), more=lean()))
    m.wait(lambda s: s.tasks["root"].status == "DONE" and "more" in s.tasks, timeout=5)
    server.send(*delta(9, 10, more={"status": "DONE"}))
    m.wait(lambda s: s.tasks["more"].status == "DONE", timeout=5)
    assert len(asked(server, "request_snapshot")) == 1
    assert m.link()["lost_deltas"] == 2


def test_a_binary_part_that_never_comes_costs_its_own_message(m: roma.Monitor, server: WireServer) -> None:
    server.send(delta(1, 2)[0])
    server.send(*delta(1, 2, root={"status": "DONE"}))
    m.wait(lambda s: s.tasks["root"].status == "DONE", timeout=5)
    server.send(delta(2, 3)[0], packet("projects_list", projects_list("p1", "p2")))
    eventually(lambda: len(m.projects) == 2)
    assert m.connection["state"] == "live"


@pytest.mark.parametrize(
    "packets",
    [
        [b"\xc1 nobody announced this"],
        ['452-["delta",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]', b"1", b"2"],
        ['451-["unheard_of",{"_placeholder":true,"num":0}]', b"\x80"],
        ['451-["connect",{"_placeholder":true,"num":0}]', b"\x80"],
        ['461-7[{"_placeholder":true,"num":0}]', b"\x80"],
        binary("delta", "no map"),
        binary("stages", {"stages": 3}),
        binary("task_result_data", {}),
    ],
    ids=["bytes", "two parts", "unknown", "reserved", "ack", "no map", "no list", "nothing asked"],
)
def test_binary_data_that_makes_no_sense_is_said_and_survived(
    m: roma.Monitor, server: WireServer, packets: list[str | bytes]
) -> None:
    server.send(*packets)
    eventually(lambda: m.connection["error"] or asked(server, "request_snapshot"))
    server.send(*snapshot(20, root=lean(status="DONE")))
    m.wait(lambda s: s.tasks["root"].status == "DONE", timeout=5)
    assert m.connection["reconnects"] == 0


def test_a_switch_is_known_without_its_graph(m: roma.Monitor, server: WireServer) -> None:
    server.emit("projects_list", projects_list("p1", "p2"))
    server.emit("project_switched", {"project_id": "p2"})
    eventually(lambda: [p["id"] for p in m.projects if p["is_current"]] == ["p2"])


def test_a_refresh_is_a_new_snapshot(m: roma.Monitor, server: WireServer) -> None:
    server.replies["request_snapshot"] = lambda _: snapshot(5, root=lean(status="DONE"))
    m.refresh(timeout=5)
    assert m.task("root").status == "DONE"
    assert not asked(server, "request_initial_state")


def rest_of(fields: dict[str, Any], result: str) -> list[Any]:
    known = {"project_id": "p1", "node_id": fields["node_id"], "rid": fields["rid"]}
    parts = {"result": result, "execution_details": "null", "aux_data": "{}", "texts": {}}
    return binary("task_result_data", {**known, **parts})


def test_results_of_ended_tasks_can_be_read_when_the_server_is_gone(
    m: roma.Monitor, server: WireServer
) -> None:
    server.replies["request_task_result"] = lambda fields: rest_of(fields, '"found"')
    server.send(*delta(1, 2, root={"status": "DONE", "result_size": 7}))
    eventually(lambda: asked(server, "request_task_result"))
    eventually(lambda: m._session._feed.left_out._kept)
    m.wait(lambda s: s.tasks["root"].status == "DONE", timeout=5)
    server.close()
    assert m.result("root") == "found"
    assert m.snapshot.tasks["root"].result == "found"
    m.disconnect()
    assert m.result("root") == "found"
    assert len(asked(server, "request_task_result")) == 1


def test_a_large_result_stays_on_the_server_until_somebody_reads_it(
    m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_out, "LARGEST_UNASKED", 5)
    server.replies["request_task_result"] = lambda fields: rest_of(fields, '{"output_text": "found"}')
    server.send(*delta(1, 2, root={"status": "DONE", "result_size": 99}))
    m.wait(lambda s: s.tasks["root"].status == "DONE", timeout=5)
    assert not asked(server, "request_task_result")
    assert m.result("root") == m.result("root") == {"output_text": "found"}
    assert len(asked(server, "request_task_result")) == 1, "and is kept then"
    server.send(*delta(2, 3, root={"result_size": 100}))
    m.wait(lambda s: s.tasks["root"].n_left_out == 100, timeout=5)
    assert m.result("root") == {"output_text": "found"}
    assert len(asked(server, "request_task_result")) == 2, "it has changed"


def test_a_result_that_cannot_be_had_says_why(m: roma.Monitor, server: WireServer) -> None:
    server.replies["request_task_result"] = lambda fields: [
        packet("task_result_error", {"error": "No task root in project p1", "rid": fields["rid"]})
    ]
    server.send(*delta(1, 2, root={"result_size": 99}))
    m.wait(lambda s: s.tasks["root"].n_left_out, timeout=5)
    with pytest.raises(roma.ServerError, match="No task root in project p1"):
        m.result("root")
    heard: list[BaseException] = []

    def read_where_nobody_can_wait(_: Any) -> None:
        try:
            m.task("root").result  # noqa: B018
        except BaseException as error:
            heard.append(error)

    m.observe(read_where_nobody_can_wait, "revision")
    server.send(*delta(2, 3, root={"status": "DONE"}))
    assert "still on the server" in str(eventually(lambda: heard)[0])
    m.disconnect()
    with pytest.raises(roma.NotLive):
        m.result("root")


def test_replies_in_any_order_find_their_askers_and_four_are_under_way(
    connect: Connect, server: WireServer
) -> None:
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    ids = [f"t{number}" for number in range(8)]
    server.send(*snapshot(1, **{task_id: lean(status="DONE") for task_id in ids}))
    m.wait(lambda s: len(s.tasks) == 8, timeout=5)
    held: list[dict[str, Any]] = []
    most_held = 0

    def reply(fields: dict[str, Any]) -> list[str]:
        nonlocal most_held
        held.append(fields)
        most_held = max(most_held, len(held))
        if len(held) < 4:
            return []
        replies = [trace_or_error(fields) for fields in reversed(held)]
        held.clear()
        return replies

    def trace_or_error(fields: dict[str, Any]) -> str:
        if fields["node_id"] == "t3":
            return packet("node_trace_error", {"error": "No trace found for node t3", "rid": fields["rid"]})
        trace = {"node_id": fields["node_id"], "trace_id": f"of {fields['node_id']}", "stages": []}
        return packet("node_trace_data", {"node_id": fields["node_id"], "trace": trace, "rid": fields["rid"]})

    server.acknowledge = False  # as a server that acknowledges when it has answered
    server.replies["request_node_trace"] = reply
    assert m.fetch_traces(progress=False, timeout=5) == 7
    assert most_held == 4
    assert m.link()["unasked_replies"] == 0


def test_a_task_that_was_kept_never_gets_the_result_of_a_later_one(
    m: roma.Monitor, server: WireServer
) -> None:
    server.replies["request_task_result"] = lambda fields: rest_of(fields, '"of run 2"')
    server.send(*delta(1, 2, root={"result_size": 99, "timestamp_created": "2026-01-01T00:00:00Z"}))
    m.wait(lambda s: s.tasks["root"].n_left_out == 99, timeout=5)
    of_run_1 = m.task("root")
    server.send(*delta(2, 3, root={"status": "DONE", "timestamp_created": "2026-01-02T00:00:00Z"}))
    eventually(lambda: m._session._feed.left_out._kept)
    m.wait(lambda s: s.tasks["root"].status == "DONE", timeout=5)
    with pytest.raises(roma.RomaError, match="has changed since this was read"):
        of_run_1.result  # noqa: B018
    server.close()
    assert m.result("root") == "of run 2"


def test_a_lean_task_can_be_copied_and_sent_to_another_process(m: roma.Monitor, server: WireServer) -> None:
    server.send(*delta(1, 2, root={"result_size": 99}))
    m.wait(lambda s: s.tasks["root"].n_left_out, timeout=5)
    task = m.snapshot.tasks["root"]
    assert asdict(task)["task_id"] == "root"
    assert copy.deepcopy(task) == task
    elsewhere = pickle.loads(pickle.dumps(task))
    assert elsewhere == task
    with pytest.raises(roma.NotLive, match="another process"):
        elsewhere.result  # noqa: B018


def test_what_cannot_be_put_together_goes_on_as_plain_roma(
    connect: Connect, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "LOST_AGAIN_S", 0.01)
    server.replies["request_snapshot"] = lambda _: binary("snapshot", "no map")
    m = connect(server.url)
    eventually(lambda: server.clients_now)
    server.send(*binary("snapshot", "no map"))
    eventually(lambda: len(server.auths) == 2)
    assert [auth.get("roma_widget") for auth in server.auths] == [1, None]
    server.greeting = []
    eventually(lambda: asked(server, "request_initial_state"))
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    assert m.link()["extension"] is False


def test_an_offer_that_nobody_asked_for_is_none(connect: Connect, wire: Wire) -> None:
    roma_v1 = wire({"/api/health": ROMA_V1, "/api/executions": IDLE, "/api/projects": projects_list(None)})
    roma_v1.greeting = [packet("extension", {"version": 7})]
    m = connect(roma_v1.url)
    m.wait("connected", timeout=5)
    eventually(lambda: roma_v1.clients_now)
    roma_v1.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    assert (m.link()["extension"], m.connection["reconnects"], len(roma_v1.auths)) == (False, 0, 1)


def test_details_of_which_nothing_was_left_out_need_no_server(m: roma.Monitor, server: WireServer) -> None:
    server.send(*delta(1, 2, root={"input_payload_summary": "the input"}))
    m.wait(lambda s: "the input" in s.tasks["root"].raw_json, timeout=5)
    server.close()
    eventually(lambda: m.connection["state"] != "live")
    told = io_thread().result(m.task_details("root"), timeout_s=5)
    assert (told["goal"], told["input"], told["result"]) == ("g", "the input", None)
