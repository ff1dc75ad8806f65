"""Bad input over a real socket: answered to its sender alone, and nothing is harmed by it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from server.live_server import (
    EXTENDED,
    GOAL,
    ask,
    play,
    recorded_cases,
    report,
)

from roma_widget.server.embedded import Server
from roma_widget.server.wire.requests import ERRORS

RETOLD = {"force_save_project", "clear_traces", "request_node_trace"}
"""Where the recorded server said yes to an id that there is not (and even made it be), and ours says no."""


def test_every_recorded_case_of_bad_input_is_answered_by_the_same_event(
    server: Server, client: Any, recorded_lines: Any
) -> None:
    async def scenario() -> None:
        async with client(server.url) as asker:
            for event, case, args, recorded in recorded_cases(recorded_lines("e_bad_input")):
                replies = await ask(asker, event, *args)
                if event == "request_initial_state" and case in ("noargs", "null", "empty-dict"):
                    assert replies == []  # nothing but news
                    continue
                ((name, payload),) = replies
                error = ERRORS[event]
                assert (name, payload.keys()) == (error.event, {error.key}), (event, case)
                for recorded_name, recorded_payload in recorded:
                    if recorded_name.endswith("error"):
                        assert (recorded_name, recorded_payload.keys()) == (name, payload.keys()), (
                            event,
                            case,
                        )
                    else:
                        assert event in RETOLD, (event, case)
                assert len(payload[error.key]) < 300, (event, case)

    play(scenario)


def test_bad_input_is_answered_to_its_sender_and_harms_nothing(server: Server, client: Any) -> None:
    project = report(server)
    server.state.save()
    before = (server.state.store.projects(), server.state.store.nodes(project.id))
    odd = ["../../etc/passwd", "a\x00b", "\ud800", "x" * 100_000, "", " ", "root/../root", "%2e%2e"]
    bad: list[tuple[Any, ...]] = [(), (None,), ([],), ({},), ("x",), (5,), (True,), ({}, {}), (1, 2, 3)]
    bad += [({key: value},) for key in ("project_id", "request_id") for value in (None, 5, [], {}, *odd)]
    bad += [({"goal": value, "project_goal": value},) for value in (None, 5, [], {}, "", "  ", "y" * 100_000)]
    bad += [({"project_id": project.id, "node_id": value, "stage_id": value},) for value in odd]
    harmless = {"restore_project_state", "request_project_restore", "auto_save_project", "force_save_project"}
    harmless |= {"switch_project", "clear_traces"}  # these take a project and nothing else

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            heard = len(other.events)
            for event, error in ERRORS.items():
                for args in bad:
                    if args in ((), (None,), ({},)) and event == "request_initial_state":
                        continue
                    if event in harmless and args and isinstance(args[0], dict) and "node_id" in args[0]:
                        continue
                    if event == "request_initial_state" and isinstance(args[0], dict) and len(args) == 1:
                        continue
                    replies = await ask(asker, event, *args)
                    assert [name for name, _ in replies] == [error.event], (event, args)
                    text = json.dumps(replies[0][1])
                    assert len(text) < 800, (event, args)
                    assert set(replies[0][1]) == {error.key}
            assert len(other.events) == heard
            ((name, reply),) = await ask(asker, "force_save_project", {"project_id": project.id})
            assert name == "save_success", reply

    play(scenario)
    after = (server.state.store.projects(), server.state.store.nodes(project.id))
    assert json.loads(after[0][project.id])["fields"] == json.loads(before[0][project.id])["fields"]
    assert after[1] == before[1]


@pytest.mark.parametrize(
    ("event", "good", "key"),
    [
        ("start_project", {}, "project_goal"),
        ("start_project", {"project_goal": GOAL}, "project_id"),
        ("request_node_trace", {"node_id": "root"}, "project_id"),
        ("request_node_trace", {"project_id": "ours"}, "node_id"),
        ("request_stage_details", {"project_id": "ours", "node_id": "root"}, "stage_id"),
        ("hitl_response", {"action": "approve"}, "request_id"),
        ("hitl_response", {"request_id": "r"}, "action"),
        ("switch_project", {}, "project_id"),
    ],
)
def test_ten_megabytes(server: Server, client: Any, event: str, good: dict[str, Any], key: str) -> None:
    project = report(server)
    good = {name: project.id if value == "ours" else value for name, value in good.items()}

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            heard = len(other.events)
            ((name, reply),) = await ask(asker, event, {**good, key: "x" * 10_000_000})
            assert name == ERRORS[event].event
            assert len(json.dumps(reply)) < 500
            unknown_field = {"project_id": project.id, "node_id": "root", "more": "x" * 10_000_000}
            replies = await ask(asker, "request_node_trace", unknown_field)
            assert [name for name, _ in replies] == ["node_trace_data"]
            assert len(other.events) == heard

    play(scenario)


def test_an_error_of_ours_is_answered_and_logged(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = report(server)

    def broken(*args: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server.state.traces, "read", broken)

    async def scenario() -> None:
        async with client(server.url, auth=EXTENDED) as ann:
            request = {"project_id": project.id, "node_id": "root", "rid": 1}
            assert await ask(ann, "request_node_trace", request) == [
                ("node_trace_error", {"error": "internal error", "rid": 1})
            ]

    play(scenario)
    assert "ZeroDivisionError" in caplog.text
