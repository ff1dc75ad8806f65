"""Traces and stages: every recorded one reads without a complaint, and what is wrong costs only itself."""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.core import wire
from roma_widget.core.clock import ServerClock
from roma_widget.core.model import Stage, StageStatus, Trace
from roma_widget.core.traces import MOST_STAGES, in_utc, stage_in_utc
from roma_widget.core.wire import NodeTrace, Payload, StageDetails, Unreadable

WITH_TRACES = ("a_complete", "b_hitl", "d_failed", "g_kill_restart")
TWO_HOURS_AHEAD = ServerClock(candidate_s=7200, sightings=3)


def recorded(captures: Path, name: str, event: str) -> Iterator[dict[str, Any]]:
    with lzma.open(captures / f"{name}.jsonl.xz", "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["event"] == event and entry["dir"] == "in":
                yield entry["args"][0]


def read(payload: Any) -> NodeTrace:
    event = wire.read_event("node_trace_data", Payload(json.dumps(payload)))
    assert isinstance(event, NodeTrace), event
    return event


def stage(name: str = "planning", **fields: Any) -> dict[str, Any]:
    return {"stage_name": name, "stage_id": f"id of {name}", "status": "completed", **fields}


def trace(*stages: Any, **fields: Any) -> dict[str, Any]:
    about = {"node_id": "root", "trace_id": "t1", "stages": list(stages), **fields}
    return {"node_id": "root", "trace": about}


def only_stage(**fields: Any) -> tuple[Stage, tuple[str, ...]]:
    event = read(trace(stage(**fields)))
    return event.trace.stages[0], event.problems


@pytest.mark.parametrize("name", WITH_TRACES)
def test_every_recorded_trace_reads_without_a_complaint_and_as_the_server_said(
    captures: Path, name: str
) -> None:
    seen = 0
    for said in recorded(captures, name, "node_trace_data"):
        event = read(said)
        assert event.problems == ()
        assert event.task_id == said["node_id"]
        assert event.trace.raw == said["trace"]
        assert event.trace.is_sample == said["trace"]["trace_id"].startswith("sample-")
        for got, raw in zip(event.trace.stages, said["trace"]["stages"], strict=True):
            assert (got.stage, got.status, got.stage_id) == (
                raw["stage_name"], raw["status"], raw["stage_id"],
            )  # fmt: skip
            assert (got.system_prompt, got.user_input, got.llm_response, got.output) == (
                raw.get("system_prompt"), raw.get("user_input"), raw.get("llm_response"), raw.get("output_data"),
            )  # fmt: skip
            assert got.started == datetime.fromisoformat(raw["started_at"])
            assert got.error == raw.get("error_message")
            assert got.raw == raw
            assert (got.prompt_tokens, got.completion_tokens, got.cost_usd) == (None, None, None)
            seen += 1
    assert seen


@pytest.mark.parametrize("name", ["a_complete", "d_failed"])
def test_every_recorded_stage_reads_without_a_complaint(captures: Path, name: str) -> None:
    for said in recorded(captures, name, "stage_details_data"):
        event = wire.read_event("stage_details_data", Payload(json.dumps(said)))
        assert isinstance(event, StageDetails)
        assert (event.task_id, event.stage_id, event.problems) == (said["node_id"], said["stage_id"], ())
        assert event.stage.raw == said["stage"]


def test_the_invented_trace_is_flagged_with_all_its_stages(captures: Path) -> None:
    *_, said = recorded(captures, "a_complete", "node_trace_data")
    got = read(said).trace
    assert got.is_sample
    assert [each.is_sample for each in got.stages] == [True, True, True]
    assert read(trace(metadata={"sample": True})).trace.is_sample


def test_attempts_are_numbered_by_stage_name_and_a_stale_one_keeps_the_servers_word(captures: Path) -> None:
    got = next(
        read(said).trace
        for said in recorded(captures, "d_failed", "node_trace_data")
        if said["node_id"] == "root.2"
    )
    assert [(each.seq, each.stage, each.attempt, each.status) for each in got.stages[3:]] == [
        (3, "aggregation", 1, StageStatus.RUNNING),
        (4, "aggregation", 2, StageStatus.FAILED),
    ]


def test_messages_and_tool_calls_are_there_also_for_a_search(captures: Path) -> None:
    traces = {
        said["node_id"]: read(said).trace for said in recorded(captures, "a_complete", "node_trace_data")
    }
    search, think = traces["root.1.1"].stages[-1], traces["root.1.3"].stages[-1]
    assert search.model == "openai/gpt-4o-search-preview"
    assert [message["role"] for message in search.messages]
    assert think.n_tool_calls == len(think.tool_calls) == 1
    assert traces["root"].stages[0].n_tool_calls is None
    assert traces["root"].stages[0].messages == []


def test_times_become_aware_by_the_servers_clock() -> None:
    got = read(
        trace(
            stage(started_at="2026-01-01T12:00:00", completed_at="2026-01-01T12:00:01.5"),
            stage(started_at="2026-01-01T12:00:00", duration_ms=250),
            created_at="2026-01-01T12:00:00",
        )
    ).trace
    aware = in_utc(got, TWO_HOURS_AHEAD)
    assert aware.created == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert aware.stages[0].started == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert [each.duration_s for each in aware.stages] == [1.5, 0.25]
    assert in_utc(got, ServerClock()).created == datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert stage_in_utc(got.stages[1], ServerClock()).completed is None


def test_tokens_and_cost_are_what_the_server_counted() -> None:
    got, problems = only_stage(
        additional_data={"usage": {"prompt_tokens": 12, "completion_tokens": 40, "cost_usd": 0.5}}
    )
    assert (got.prompt_tokens, got.completion_tokens, got.cost_usd) == (12, 40, 0.5)
    assert problems == ()


BAD_FIELDS = [
    ("started_at", "yesterday", "started", "started_at"),
    ("duration_ms", float("nan"), "duration_s", "duration_ms"),
    ("duration_ms", -1, "duration_s", "duration_ms"),
    ("agent_name", 7, "agent", "agent_name"),
    ("model_info", "gpt", "model", "model_info"),
    ("system_prompt", ["a"], "system_prompt", "system_prompt"),
    ("tool_execution_count", "many", "n_tool_calls", "tool_execution_count"),
    ("stage_id", "x" * 30_000, "stage_id", "stage_id"),
    ("additional_data", {"usage": {"prompt_tokens": "12"}}, "prompt_tokens", "usage.prompt_tokens"),
    ("additional_data", {"usage": {"cost_usd": float("inf")}}, "cost_usd", "usage.cost_usd"),
    ("additional_data", {"usage": 7}, "cost_usd", "additional_data.usage"),
    ("error_message", {"a": 1}, "error", "error_message"),
]


@pytest.mark.parametrize(("name", "value", "attribute", "path"), BAD_FIELDS)
def test_a_field_of_the_wrong_type_is_missing_and_reported_with_its_path(
    name: str, value: object, attribute: str, path: str
) -> None:
    got, problems = only_stage(**{name: value})
    assert getattr(got, attribute) is None
    assert len(problems) == 1
    assert f"stages[0].{path}:" in problems[0]
    assert got.stage == "planning"


@pytest.mark.parametrize("bad", [None, [], 7, "text", True])
def test_a_stage_that_is_no_object_hides_no_other(bad: object) -> None:
    event = read(trace(stage("planning"), bad, stage("planning")))
    assert [(each.seq, each.attempt) for each in event.trace.stages] == [(0, 1), (1, 2)]
    assert "stages[1]: expected a stage" in event.problems[0]


@pytest.mark.parametrize(
    "payload",
    ["null", "[]", "{}", '{"node_id":"root"}', '{"node_id":"root","trace":[]}', '{"trace":{}}', "{", ""],
)
def test_what_is_no_trace_is_unreadable(payload: str) -> None:
    for name in ("node_trace_data", "stage_details_data"):
        assert isinstance(wire.read_event(name, Payload(payload)), Unreadable)


def test_depth_costs_the_value_that_has_it() -> None:
    deep = "[" * 100_000 + "]" * 100_000
    text = '{"node_id":"root","trace":{"stages":[{"stage_name":"a","output_data":%s,"model_info":%s}]}}'
    event = wire.read_event("node_trace_data", Payload(text % (deep, deep)))
    assert isinstance(event, NodeTrace)
    got = event.trace.stages[0]
    assert (got.stage, got.output, got.model) == ("a", None, None)
    assert "stages[0].model_info" in event.problems[0]


def test_a_value_nobody_looked_at_yet_may_hold_nan_and_lone_surrogates() -> None:
    text = '{"node_id":"root","trace":{"stages":[{"output_data":{"a":NaN},"llm_response":"\\ud800x"}]}}'
    event = wire.read_event("node_trace_data", Payload(text))
    assert isinstance(event, NodeTrace)
    assert event.trace.stages[0].output["a"] != event.trace.stages[0].output["a"]
    event.trace.stages[0].llm_response.encode()


def test_the_number_of_stages_is_bounded() -> None:
    event = read(trace(*[{"stage_name": "a"}] * (MOST_STAGES + 1)))
    assert len(event.trace.stages) == MOST_STAGES
    assert f"{MOST_STAGES + 1:,} stages" in event.problems[0]


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
STAGE_KEYS = ["stage_name", "stage_id", "status", "started_at", "duration_ms", "model_info", "tool_calls",
              "additional_data", "system_prompt", "llm_input_messages", "tool_execution_count"]  # fmt: skip
stages = st.dictionaries(st.sampled_from(STAGE_KEYS), json_values) | json_values


@given(payload=json_values | st.fixed_dictionaries({"node_id": json_values, "trace": json_values}))
def test_anything_reads_as_some_event(payload: Any) -> None:
    text = json.dumps(payload)
    for name in (
        "node_trace_data", "stage_details_data", "hitl_request", "save_success", "execution_started",
        "traces_cleared", "project_stopped", "project_status_update", "simple_execution_update",
        "simple_execution_started", "project_switched", "project_switch_success", "project_started",
    ):  # fmt: skip
        wire.read_event(name, Payload(text))


@given(said=st.lists(stages, max_size=5), cut=st.integers(min_value=0))
def test_any_trace_is_read_and_every_field_can_be_looked_at(said: list[Any], cut: int) -> None:
    event = read(trace(*said))
    assert isinstance(event.trace, Trace)
    assert len(event.trace.stages) == sum(isinstance(each, dict) for each in said)
    for each in event.trace.stages:
        for name in (
            "system_prompt",
            "user_input",
            "llm_response",
            "output",
            "tool_calls",
            "messages",
            "raw",
        ):
            getattr(each, name)
        assert each.attempt >= 1
    text = json.dumps(trace(*said))
    wire.read_event("node_trace_data", Payload(text[: cut % len(text)]))
