"""The matrix of replies, held against what the real server answered (recording e_bad_input)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from roma_widget.archive.capture import FRAME, Capture
from roma_widget.server.recorded.answers import HANDLED_EVENTS, NO_RUNS, Asked, Reply, answer
from roma_widget.server.recorded.replay import ReplayServer
from roma_widget.server.recorded.standing import Standing

Read = Callable[[str], Capture]
Lines = Callable[[str], Iterator[dict[str, Any]]]

NOW = "2026-11-22T21:00:00.000001"
PROJECT = "2215c626-32c2-4b15-87f1-39345c2064b3"
PROJECT_OF_THE_MATRIX = "567a0142-ff91-4efc-aebc-450bdbe334d8"  # of d_failed, loaded when e was recorded
UNKNOWN = "00000000-0000-4000-8000-000000000000"

OURS = {
    # the real server saves whatever id it is told, and makes it known by that
    ("force_save_project", "unknown-id"): {"error": NO_RUNS},
    ("force_save_project", "int-id"): {"error": NO_RUNS},
    ("force_save_project", "dict-id"): {"error": NO_RUNS},
    ("force_save_project", "list-id"): {"error": NO_RUNS},
    ("force_save_project", "dotdot-id"): {"error": NO_RUNS},
    ("clear_traces", "unknown-id"): {"error": f"Project {UNKNOWN} not found"},
    ("clear_traces", "dotdot-id"): {"error": "Project ../nope not found"},
    # it invents traces, and shows its paths
    ("request_node_trace", "unknown-pid"): {"error": f"Project {UNKNOWN} not found"},
    ("request_node_trace", "unknown-node"): {"error": "No trace found for node zzz"},
    ("request_node_trace", "int-node"): {"error": "No trace found for node 7"},
}
"""Where we differ on purpose: (event, case) -> the payload of our reply."""


def _asked(capture: Capture) -> Asked:
    standing = Standing(capture)
    for moment in capture.moments:
        standing.apply(moment)
    return Asked(capture, standing, NOW)


@pytest.fixture(scope="module")
def asked(capture: Read) -> Asked:
    return _asked(capture("a_complete"))


def _cases(lines: Iterator[dict[str, Any]]) -> Iterator[tuple[str, str, list[Any], list[tuple[str, Any]]]]:
    """(event, case, arguments, replies) as recorded; those whose huge arguments were shortened are left out."""
    args: list[Any] = []
    replies: list[tuple[str, Any]] = []
    event = case = ""
    for line in lines:
        if line["dir"] == "out":
            args, replies = line["args"], []
        elif line["event"] == "case":
            event, case = line["args"]
        elif line["event"] == "ack" and "_huge_len" not in json.dumps(args):
            yield event, case, args, replies
        elif line["dir"] == "in":
            replies.append((line["event"], line["args"][0]))


def test_every_recorded_case_is_answered_alike(capture: Read, recorded_lines: Lines) -> None:
    asked = _asked(capture("d_failed"))
    assert asked.standing.knows(PROJECT_OF_THE_MATRIX)
    seen: set[str] = set()
    for event, case, args, recorded in _cases(recorded_lines("e_bad_input")):
        replies = [(reply.event, json.loads(reply.payload)) for reply in answer(event, args, asked)]
        seen.add(event)
        if (event, case) in OURS:
            assert [payload for _, payload in replies] == [OURS[event, case]], (event, case)
        elif (event, case) == ("request_initial_state", "noargs"):
            assert [name for name, _ in replies] == ["projects_list", FRAME]
        else:
            assert replies == recorded, (event, case)
    assert seen == set(HANDLED_EVENTS)


PAYLOADS: list[Any] = [None, [], {}, "text", "", 0, 42, 1.5, True, False, b"bytes", [{}], {"a": {}}]
BAD_PAYLOADS: list[list[Any]] = [
    *([value] for value in PAYLOADS),
    *([{key: value}] for key in ("project_id", "node_id", "request_id", "goal") for value in PAYLOADS),
    [{"project_id": ["a"], "node_id": {"a": 1}, "stage_id": [1], "goal": {"b": 2}, "project_goal": [3]}],
    [{"project_id": PROJECT, "node_id": ["root"], "stage_id": {"a": 1}}],
    [{"project_id": "\ud800", "node_id": "\ud800", "stage_id": "\ud800", "request_id": "\ud800"}],
    [{"project_goal": "a good goal", "max_steps": float("inf")}],
    [{"project_goal": "a good goal", "max_steps": float("nan")}],
    [],
    [{}, {}],
    [None, None, None],
]


@pytest.mark.parametrize("event", HANDLED_EVENTS)
def test_no_payload_raises(asked: Asked, event: str) -> None:
    for args in BAD_PAYLOADS:
        for reply in answer(event, args, asked):
            json.loads(reply.payload)


@pytest.mark.parametrize("event", HANDLED_EVENTS)
def test_every_event_and_bad_payload_over_the_wire(asked: Asked, client: Any, event: str) -> None:
    """Acknowledged with an empty list after the same replies; the connection lives on."""

    async def scenario() -> None:
        async with ReplayServer(asked.capture, speed=0) as server:
            await server.wait_ended()  # from here on nothing is broadcast
            async with client(server.url) as asker:
                for args in filter(_is_plain_json, BAD_PAYLOADS):
                    replies, ack = await asker.ask(event, *args)
                    expected = [reply.event for reply in answer(event, args, asked)]
                    assert [name for name, _ in replies] == expected, args
                    assert ack == []
                assert server.clients_now == 1

    asyncio.run(scenario())


def _is_plain_json(args: list[Any]) -> bool:
    try:
        json.dumps(args, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


@pytest.mark.parametrize(
    ("event", "payload", "error_event", "key"),
    [
        ("start_project", {"project_goal": "Outline a guide"}, "error", "message"),
        ("simple_execute_stream", {"goal": "Outline a guide"}, "simple_execution_error", "message"),
        ("start_project_execution", {"project_id": PROJECT, "goal": "Again"}, "execution_error", "error"),
        ("switch_project", {"project_id": PROJECT}, "project_switch_error", "error"),
        ("force_save_project", {"project_id": PROJECT}, "save_error", "error"),
        ("clear_traces", {"project_id": PROJECT}, "clear_traces_error", "error"),
    ],
)
def test_what_a_recording_cannot_do(
    asked: Asked, event: str, payload: Any, error_event: str, key: str
) -> None:
    (reply,) = answer(event, [payload], asked)
    assert (reply.event, json.loads(reply.payload)) == (error_event, {key: NO_RUNS})


def test_restored_state_has_neither_project_id_nor_timestamp(asked: Asked, recorded_lines: Lines) -> None:
    (reply,) = answer("restore_project_state", [{"project_id": PROJECT}], asked)
    plain, full = [
        line["args"][0] for line in recorded_lines("a_complete") if line["event"] == "project_restored"
    ]
    assert reply.event == "project_restored"
    assert json.loads(reply.payload).keys() == plain.keys()
    (reply,) = answer("request_project_restore", [{"project_id": PROJECT}], asked)
    assert json.loads(reply.payload).keys() == full.keys()


def test_restore_before_the_first_frame(capture: Read) -> None:
    read = capture("a_complete")
    standing = Standing(read)
    standing.apply(read.moments[0])
    (reply,) = answer("restore_project_state", [{"project_id": PROJECT}], Asked(read, standing, NOW))
    state = json.loads(reply.payload)
    assert state["all_nodes"] == {}
    assert state["current_project"]["status"] == "running"


def test_traces_are_the_recorded_ones(asked: Asked, recorded_lines: Lines) -> None:
    recorded = [
        line["args"][0] for line in recorded_lines("a_complete") if line["event"] == "node_trace_data"
    ]
    for payload in recorded:
        (reply,) = answer(
            "request_node_trace", [{"project_id": PROJECT, "node_id": payload["node_id"]}], asked
        )
        if payload["trace"]["trace_id"].startswith("sample-"):
            assert reply == Reply("node_trace_error", b'{"error":"No trace found for node no-such-node"}')
        else:
            assert (reply.event, json.loads(reply.payload)) == ("node_trace_data", payload)


def test_stage_details_recorded_or_from_the_trace(asked: Asked) -> None:
    trace = json.loads(asked.capture.traces[PROJECT, "root.2"])["trace"]
    asked_while_recording = 0
    for stage in trace["stages"]:
        request = {"project_id": PROJECT, "node_id": "root.2", "stage_id": stage["stage_id"]}
        (reply,) = answer("request_stage_details", [request], asked)
        details = json.loads(reply.payload)["stage"]
        asked_while_recording += (PROJECT, "root.2", stage["stage_id"]) in asked.capture.stage_details
        assert details == {key: stage[key] for key in details}
        assert "llm_input_messages" not in details
        assert "tool_calls" not in details
    assert 0 < asked_while_recording < len(trace["stages"])
