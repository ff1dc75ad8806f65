"""What a server above says to everybody reaches everybody below: as it came, once, in order, within bounds."""

from __future__ import annotations

import asyncio
from typing import Any

from client.servers import WireServer, frame, node, packet
from relay.conftest import Relay

from roma_widget.relay import passing

EXTENDED = {"roma_widget": 1, "label": "Ann"}


def test_events_that_are_no_state_come_verbatim_and_in_order(
    roma_above: WireServer, beside_roma: Relay, client: Any
) -> None:
    said = [
        ("simple_execution_started", {"message": "on", "goal": "g"}),
        ("simple_execution_update", {"anything": [1, 2.50, None]}),
        ("simple_execution_update", "not even an object"),
        ("project_status_update", {"project_id": "p1", "status": "paused"}),
        ("weather", {"rain": True}),
        ("project_started", {"project": {"id": "p3", "goal": "somebody else's"}}),
        ("simple_execution_error", {"message": "failed", "goal": "g"}),
    ]

    async def scenario() -> None:
        async with client(beside_roma.url) as plain, client(beside_roma.url, auth=EXTENDED) as extended:
            for name, payload in said:
                await asyncio.to_thread(roma_above.emit, name, payload)
            await asyncio.to_thread(roma_above.send, '42["two",1,[2]]', packet("end", {}))
            for one in (plain, extended):
                await one.until(lambda one=one: bool(one.payloads("end")))
                names = {name for name, _ in said} | {"two"}
                heard = [(name, args) for name, args in one.events if name in names]
                assert heard == [*((name, (payload,)) for name, payload in said), ("two", (1, [2]))]

    asyncio.run(scenario())


def test_what_is_a_reply_or_no_server_s_to_say_is_not_passed_on(
    roma_above: WireServer, beside_roma: Relay, client: Any
) -> None:
    async def scenario() -> None:
        async with client(beside_roma.url, auth=EXTENDED) as below:
            for name in ("save_success", "execution_started", "node_trace_data", "node_trace_error"):
                await asyncio.to_thread(
                    roma_above.emit, name, {"project_id": "p1", "error": "x", "node_id": "a"}
                )
            for name in ("snapshot", "extension", "relay", "hitl_answered", "disconnect", "project_restored"):
                await asyncio.to_thread(
                    roma_above.emit, name, {"request_id": "r", "version": 9, "of": "evil"}
                )
            broken = ['42["torn",{"a":]', '42["nan",NaN]', f'42["large","{"x" * passing.LARGEST}"]']
            await asyncio.to_thread(roma_above.send, *broken, packet("end", {}))
            await below.until(lambda: bool(below.payloads("end")))
            known = {"connect", "extension", "relay", "projects_list", "snapshot", "delta", "end"}
            assert {name for name, _ in below.events} <= known
            assert below.payloads("extension")[0]["version"] == 1

    asyncio.run(scenario())


def test_a_flood_costs_its_own_events_only(roma_above: WireServer, beside_roma: Relay, client: Any) -> None:
    most = passing.MOST_A_SECOND

    async def scenario() -> None:
        async with client(beside_roma.url) as below:
            await asyncio.to_thread(roma_above.send, *[packet("flood", n) for n in range(10 * most)])
            await asyncio.to_thread(roma_above.send_frame, [node("root", "DONE")])
            await below.until(lambda: any(each["all_nodes"] for each in below.payloads("task_graph_update")))
            heard = below.payloads("flood")
            assert most <= len(heard) < 10 * most
            assert heard == sorted(heard)

    asyncio.run(scenario())


def test_a_trace_that_fifty_ask_for_is_asked_for_above_once(
    roma_above: WireServer, beside_roma: Relay, client: Any
) -> None:
    trace = {
        "node_id": "root",
        "trace": {"node_id": "root", "trace_id": "t1", "stages": [{"stage_id": "s1", "status": "completed"}]},
    }
    roma_above.replies["request_node_trace"] = lambda asked: [packet("node_trace_error", {"error": "torn"})]

    async def scenario() -> None:
        async with client(beside_roma.url) as below:
            await asyncio.to_thread(
                roma_above.send, packet("task_graph_update", frame([node("root", "DONE")]))
            )
            await below.until(lambda: any(each["all_nodes"] for each in below.payloads("task_graph_update")))
            ids = {"project_id": "p1", "node_id": "root"}
            asked = [each for each in roma_above.emitted if each[0] == "request_node_trace"]
            assert asked == []
            replies, _ = await below.ask("request_node_trace", ids)
            assert ("node_trace_error", {"error": "torn"}) in replies
            roma_above.replies["request_node_trace"] = lambda asked: [packet("node_trace_data", trace)]
            clients = [client(beside_roma.url) for _ in range(50)]
            for one in clients:
                await one.__aenter__()
            all_replies = await asyncio.gather(*(one.ask("request_node_trace", ids) for one in clients))
            for one in clients:
                await one.__aexit__()
            for replies, _ in all_replies:
                ((came,),) = [[payload for name, payload in replies if name == "node_trace_data"]]
                assert came["trace"]["stages"][0]["stage_id"] == "s1"
            asked = [each for each in roma_above.emitted if each[0] == "request_node_trace"]
            assert len(asked) == 2, "the one that failed, and one for all the others"

    asyncio.run(scenario())
