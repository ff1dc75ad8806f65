"""Untrusted arguments in, typed requests or one sentence out; held against every recorded case of e_bad_input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from server.live_server import recorded_cases

from roma_widget.server.wire.requests import (
    ERRORS,
    EVENTS,
    AutoSaveProject,
    ClearTraces,
    ForceSaveProject,
    HitlResponse,
    Refused,
    Request,
    RequestInitialState,
    RequestNodeTrace,
    RequestProjectRestore,
    RequestStageDetails,
    RestoreProjectState,
    SimpleExecuteStream,
    StartProject,
    StartProjectExecution,
    StopProject,
    SwitchProject,
    check_goal,
    parse,
    rid_of,
    shown,
)

Lines = Callable[[str], Iterator[dict[str, Any]]]

GOOD: list[tuple[str, tuple[Any, ...], Request]] = [
    ("request_initial_state", (), RequestInitialState()),
    ("request_initial_state", (None,), RequestInitialState()),
    ("request_initial_state", ({"rid": 1},), RequestInitialState()),
    ("start_project", ({"project_goal": " a goal "},), StartProject("a goal")),
    ("start_project", ({"project_goal": "a goal", "max_steps": "7"},), StartProject("a goal", 7)),
    ("start_project", ({"project_goal": "a goal", "project_id": "p"},), StartProject("a goal", 250, "p")),
    ("start_project", ({"project_goal": "a goal", "project_id": ""},), StartProject("a goal")),
    ("simple_execute_stream", ({"goal": "a goal"},), SimpleExecuteStream("a goal")),
    (
        "simple_execute_stream",
        ({"goal": "a goal", "options": {"max_steps": 5, "x": 1}},),
        SimpleExecuteStream("a goal", 5, {"max_steps": 5, "x": 1}),
    ),
    ("switch_project", ({"project_id": "p"},), SwitchProject("p")),
    ("restore_project_state", ({"project_id": "p"},), RestoreProjectState("p")),
    ("request_project_restore", ({"project_id": "p"},), RequestProjectRestore("p")),
    ("auto_save_project", ({"project_id": "p"},), AutoSaveProject("p")),
    ("force_save_project", ({"project_id": "p"},), ForceSaveProject("p")),
    (
        "start_project_execution",
        ({"project_id": "p", "goal": "a goal", "max_steps": 9},),
        StartProjectExecution("p", "a goal", 9),
    ),
    ("request_node_trace", ({"project_id": "p", "node_id": "root"},), RequestNodeTrace("p", "root")),
    (
        "request_stage_details",
        ({"project_id": "p", "node_id": "root", "stage_id": "s"},),
        RequestStageDetails("p", "root", "s"),
    ),
    ("clear_traces", ({"project_id": "p"},), ClearTraces("p")),
    ("hitl_response", ({"request_id": "r", "action": "approve"},), HitlResponse("r", "approve")),
    (
        "hitl_response",
        ({"request_id": "r", "action": "modify", "modification_instructions": "shorter", "node_id": "root"},),
        HitlResponse("r", "modify", "shorter"),
    ),
    ("stop_project", ({"project_id": "p", "unknown": [1, {"a": 2}]},), StopProject("p")),
]


@pytest.mark.parametrize(("event", "args", "request_"), GOOD)
def test_a_good_request_is_typed(event: str, args: tuple[Any, ...], request_: Request) -> None:
    assert parse(event, args) == request_


def test_every_event_has_a_good_request_here_and_an_error_event() -> None:
    assert {event for event, _, _ in GOOD} == set(EVENTS)
    assert set(EVENTS) <= ERRORS.keys()


def refusal_of(event: str, args: tuple[Any, ...]) -> str | None:
    """What `parse` says against the request; None when it takes it."""
    try:
        parse(event, args)
    except Refused as refused:
        return str(refused)
    return None


def test_what_was_refused_on_roma_as_bad_input_is_refused_here(recorded_lines: Lines) -> None:
    """Those that name a project, a task or a prompt that is not there pass here: `test_live` asks them of a server."""
    refused_here = passed_here = 0
    for event, case, args, recorded in recorded_cases(recorded_lines("e_bad_input")):
        why = refusal_of(event, args)
        if why is None:
            passed_here += 1
            unknown = ("unknown", "dotdot", "huge", "pid-unknown", "noargs", "null", "empty-dict")
            assert case.startswith(unknown), (event, case)
            continue
        refused_here += 1
        reply = json.loads(ERRORS[event].payload(why))
        errors = [(name, payload) for name, payload in recorded if name.endswith("error")]
        if errors:
            assert errors[0][0] == ERRORS[event].event, (event, case)
            assert errors[0][1].keys() == reply.keys(), (event, case)
        assert len(why) < 300, (event, case)
    assert refused_here > 150
    assert passed_here > 10


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)
KEYS = (
    "project_id node_id stage_id request_id goal project_goal max_steps options action modification_instructions rid"
).split()
payloads = values | st.dictionaries(st.sampled_from(KEYS), values)


@given(event=st.sampled_from(EVENTS), args=st.lists(payloads, max_size=2).map(tuple))
def test_nothing_else_than_refused_is_raised(event: str, args: tuple[Any, ...]) -> None:
    why = refusal_of(event, args)
    if why is not None:
        assert why
        assert json.loads(ERRORS[event].payload(why))
    rid_of(args)


@pytest.mark.parametrize(
    "max_steps",
    [float("inf"), float("nan"), pytest.param(10**5000, id="10**5000"), "9" * 5000, b"7x", [1], None],
)
def test_odd_numbers_of_steps(max_steps: Any) -> None:
    with pytest.raises(Refused, match="max_steps must be"):
        parse("start_project", ({"project_goal": "a goal", "max_steps": max_steps},))


def test_refusals_do_not_echo_what_was_sent() -> None:
    huge = "x" * 10_000_000
    bad: dict[str, Any] = {"request_id": "r", "action": huge}
    with pytest.raises(Refused) as refused:
        parse("hitl_response", (bad,))
    assert len(str(refused.value)) < 300
    assert len(shown(huge)) == 101


@pytest.mark.parametrize("action", [None, "", "frobnicate", 5, ["approve"], {"approve": 1}, True])
def test_an_unknown_action_is_no_approval(action: Any) -> None:
    with pytest.raises(Refused, match="approve, modify or abort"):
        parse("hitl_response", ({"request_id": "r", "action": action},))


@pytest.mark.parametrize(
    ("args", "rid"),
    [
        ((), None),
        ((None,), None),
        (({"rid": "a"},), "a"),
        (({"rid": 7},), 7),
        (({"rid": True},), None),
        (({"rid": 1.5},), None),
        (({"rid": ["a"]},), None),
        (({"rid": "x" * 101},), None),
        pytest.param(({"rid": 10**5000},), None, id="10**5000"),
    ],
)
def test_the_id_of_a_request(args: tuple[Any, ...], rid: Any) -> None:
    assert rid_of(args) == rid


def test_a_goal_that_no_utf8_can_carry_is_cleaned() -> None:
    assert check_goal("a \ud800 goal").encode() == b"a ? goal"
