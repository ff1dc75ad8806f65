"""What fetched traces become: stages, calls of tools, messages, and the sums in `m.tasks()`."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from analysis.snapshots import of, report, stage, task, trace, traces, tree, usage

from roma_widget.analysis.frames import context_edges, tasks
from roma_widget.analysis.trace_frames import messages, stages, tool_calls
from roma_widget.core.model import Snapshot, Trace

STRING, TIME = "string", "datetime64[us, UTC]"
STAGES = {
    "task_id": STRING, "seq": "int64", "stage": STRING, "attempt": "int64", "status": STRING, "started": TIME,
    "completed": TIME, "duration_s": "float64", "agent": STRING, "adapter": STRING, "model": STRING,
    "system_prompt": STRING, "user_input": STRING, "llm_response": STRING, "output": STRING, "error": STRING,
    "n_tool_calls": "Int64", "is_sample": "bool",
}  # fmt: skip
TOOL_CALLS = {
    "task_id": STRING, "seq": "int64", "call": "int64", "tool": STRING, "arguments": STRING, "result": STRING,
    "duration_s": "float64", "error": STRING,
}  # fmt: skip
MESSAGES = {"task_id": STRING, "seq": "int64", "role": STRING, "content": STRING}
CALL = {
    "tool_name": "think",
    "tool_args": {"title": "Weigh"},
    "result": "Step 1",
    "tool_call_error": False,
    "execution_duration_ms": 1500,
}
Frame = Callable[..., pd.DataFrame]


def failed_twice() -> dict[str, Trace]:
    """Tried twice, then done; with a call of a tool and messages."""
    messages_sent = [
        {"role": "system", "content": "You think."},
        {"role": "user", "content": [{"text": "Go"}]},
    ]
    return traces(
        trace(
            "root.2.2.2",
            stage("execution", status="running", completed_at=None, duration_ms=None, **usage(10, 5)),
            stage("execution", status="failed", error_message="no answer", **usage(20, None, 0.5)),
            stage("execution", tool_calls=[CALL], llm_input_messages=messages_sent),
        )
    )


@pytest.mark.parametrize(
    ("frame", "columns"),
    [(stages, STAGES), (tool_calls, TOOL_CALLS), (messages, MESSAGES)],
    ids=["stages", "tool_calls", "messages"],
)
@pytest.mark.parametrize("fetched", [{}, failed_twice()], ids=["empty", "one trace"])
def test_columns_and_types_do_not_depend_on_what_was_fetched(
    frame: Frame, columns: dict[str, str], fetched: dict[str, Trace]
) -> None:
    made = frame(report(), fetched)
    assert list(made.columns) == list(columns)
    assert {name: str(kind) for name, kind in made.dtypes.items()} == columns
    assert made.attrs == {"missing_traces": 15 - len(fetched), "server_offset": None}
    assert bool(len(made)) == bool(fetched)


def test_a_retry_is_a_row() -> None:
    made = stages(report(), failed_twice())
    assert made["attempt"].to_list() == [1, 2, 3]
    assert made["seq"].to_list() == [0, 1, 2]
    assert made["status"].to_list() == ["running", "failed", "completed"]
    assert made["duration_s"].isna().to_list() == [True, False, False]
    assert made["duration_s"][1] == 2.4
    assert made["error"].to_list() == [pd.NA, "no answer", pd.NA]
    assert set(made["model"]) == {"small-1"}


def test_tasks_sum_up_what_their_traces_say() -> None:
    row = tasks(report(), failed_twice()).loc["root.2.2.2"]
    assert (row["n_stages"], row["retries"]) == (3, 2)
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost_usd"]) == (30, 5, 0.5)


def test_what_no_stage_says_is_missing_and_not_0() -> None:
    frame = tasks(report(), traces(trace("root", stage()), trace("root.1")))
    assert frame.loc[["root", "root.1"], ["n_stages", "retries"]].to_numpy().tolist() == [[1, 0], [0, 0]]
    assert frame[["prompt_tokens", "completion_tokens", "cost_usd"]].isna().all(axis=None)
    assert frame["n_stages"].isna().sum() == frame.attrs["missing_traces"] == 13


def test_sums_that_no_column_holds_are_missing() -> None:
    fetched = traces(trace("root", *[stage(**usage(2**53 - 1, 1))] * 1100))
    row = tasks(report(), fetched).loc["root"]
    assert row["prompt_tokens"] is pd.NA
    assert row["completion_tokens"] == 1100


def test_invented_traces_are_left_out_unless_asked_for() -> None:
    invented = traces(trace("root", stage(), trace_id="sample-root"))
    assert len(stages(report(), invented)) == 0
    assert stages(report(), invented, include_samples=True)["is_sample"].to_list() == [True]
    assert tasks(report(), invented).attrs["missing_traces"] == 15


def test_traces_of_tasks_that_are_not_shown_are_left_out() -> None:
    assert len(stages(report(), traces(trace("gone", stage())))) == 0


@pytest.mark.parametrize(("offset_s", "hour"), [(3600.0, 19), (None, 20), (-7200.0, 22)])
def test_naive_times_are_the_servers(offset_s: float | None, hour: int) -> None:
    made = stages(report(), traces(trace("root", stage(duration_ms=None))), offset_s)
    assert made["started"][0] == datetime(2026, 11, 22, hour, 51, tzinfo=UTC)
    assert made["duration_s"][0] == 2.5
    assert made.attrs["server_offset"] == offset_s


def test_times_with_a_zone_are_taken_at_their_word() -> None:
    fetched = traces(trace("root", stage(started_at="2026-11-22T20:51:00+02:00")))
    assert stages(report(), fetched, 3600.0)["started"][0] == datetime(2026, 11, 22, 18, 51, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("null", None),
        ('"plain"', '"plain"'),
        ("true", "true"),
        ('{"a":  [1]}', '{"a":  [1]}'),
        ('"\\u00fc"', '"ü"'),
        ('["half a pair \\ud83d"]', '["half a pair \ufffd"]'),
        ("[NaN, 1]", "[null,1]"),
        ('"tab\there"', '"tab\\there"'),
        ("[" * 5000 + "]" * 5000, None),
    ],
    ids=["null", "text", "bool", "object", "escaped", "half a pair", "nan", "control", "deep"],
)
def test_output_is_json_text(said: str, text: str | None) -> None:
    raw = json.dumps(stage(output_data=0)).replace('"output_data": 0', f'"output_data": {said}')
    (output,) = stages(report(), traces(trace("root", raw)))["output"].to_list()
    assert output is pd.NA if text is None else output == text
    if text is not None:
        json.loads(output)


def test_prompts_are_text_or_json_text() -> None:
    fetched = traces(
        trace("root", stage(user_input={"goal": "ü"}, llm_response=["a"], system_prompt="Ein „Satz“ \ud83d"))
    )
    row = stages(report(), fetched).iloc[0]
    assert row[["user_input", "llm_response"]].to_list() == ['{"goal":"ü"}', '["a"]']
    assert row["system_prompt"] == "Ein „Satz“ \ufffd"


def test_calls_of_tools() -> None:
    bad = {"tool_name": 7, "tool_args": None, "execution_duration_ms": "long", "tool_call_error": True}
    fetched = traces(trace("root", stage("planning"), stage(tool_calls=[CALL, bad, "no call"])))
    made = tool_calls(report(), fetched)
    assert made["call"].to_list() == [0, 1, 2]
    assert set(made["seq"]) == {1}
    first = made.iloc[0].drop("error").to_dict()
    assert first == {
        "task_id": "root", "seq": 1, "call": 0, "tool": "think", "arguments": '{"title":"Weigh"}',
        "result": '"Step 1"', "duration_s": 1.5,
    }  # fmt: skip
    assert made["error"].to_list() == [pd.NA, "true", pd.NA]
    assert made.iloc[1:][["tool", "arguments", "result", "duration_s"]].isna().all(axis=None)


def test_messages_of_a_stage_and_of_a_search() -> None:
    search = stage("search", additional_data={"llm_input_messages": [{"role": "user", "content": None}, "x"]})
    made = messages(report(), failed_twice() | traces(trace("root.1.1", search)))
    assert made.fillna("-").to_numpy().tolist() == [
        ["root.1.1", 0, "user", "-"],
        ["root.1.1", 0, "-", "x"],
        ["root.2.2.2", 2, "system", "You think."],
        ["root.2.2.2", 2, "user", '[{"text":"Go"}]'],
    ]


def context_task(task_id: str, context_ids: tuple[str, ...], sources: Any) -> Any:
    raw = json.dumps({"task_id": task_id, "input_context_sources": sources})
    return task(task_id, context_ids=context_ids, raw_json=raw)


def test_context_edges_say_what_was_given() -> None:
    said = [
        {"source_task_id": "a", "source_task_goal_summary": "Find", "content_type": "sibling"},
        {"source_task_id": "a", "content_type": 3},
        "no source",
    ]
    made = context_edges(of(task("a"), context_task("b", ("a", "unsaid"), said)))
    assert {name: str(kind) for name, kind in made.dtypes.items()} == dict.fromkeys(
        ["source", "target", "content_type", "summary"], STRING
    )
    assert made.fillna("-").to_numpy().tolist() == [
        ["a", "b", "sibling", "Find"],
        ["a", "b", "-", "-"],
        ["unsaid", "b", "-", "-"],
    ]
    assert list(context_edges(Snapshot()).columns) == list(made.columns)


def all_frames() -> dict[str, pd.DataFrame]:
    shown, fetched = report(), failed_twice()
    return {
        "tasks": tasks(shown, fetched),
        "stages": stages(shown, fetched),
        "tool_calls": tool_calls(shown, fetched, 3600.0),
        "messages": messages(shown, fetched),
        "context_edges": context_edges(shown),
        "nothing": stages(Snapshot(), {}),
    }


@pytest.mark.parametrize("name", all_frames())
def test_a_frame_comes_out_of_parquet_as_it_went_in(name: str, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = all_frames()[name]
    frame.to_parquet(tmp_path / "frame.parquet")
    back = pd.read_parquet(tmp_path / "frame.parquet")
    pd.testing.assert_frame_equal(back, frame)
    assert back.attrs == frame.attrs


def test_duckdb_and_polars_read_the_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    path = tmp_path / "stages.parquet"
    stages(report(), failed_twice()).to_parquet(path)
    (counted,) = duckdb.sql(
        f"select count(*), max(attempt), sum(duration_s), min(json_extract_string(output, '$.litres')) from '{path}'"
    ).fetchall()
    assert counted == (3, 3, 4.8, "12")
    read = polars.read_parquet(path)
    assert read["error"].to_list() == [None, "no answer", None]
    assert str(read.schema["started"]) == "Datetime(time_unit='us', time_zone='UTC')"


def many_stages() -> tuple[Snapshot, dict[str, Trace]]:
    """10,000 tasks with five stages each of 1.2 kB."""
    shown = tree(10_000)
    said = [stage(f"stage {n}", system_prompt="Think. " * 60, llm_response="It is. " * 40) for n in range(5)]
    made = {}
    for task_id in shown.tasks:
        made[task_id] = trace(task_id, *said)
    return shown, made


def test_50_000_stages_are_quick() -> None:
    shown, fetched = many_stages()
    stages(Snapshot(), {})
    took_ms: dict[str, list[float]] = {"stages": [], "tasks": []}
    frames: dict[str, Frame] = {"stages": stages, "tasks": tasks}
    for name in ("stages", "tasks") * 3:
        gc.collect()
        start = time.perf_counter()
        made = frames[name](shown, fetched)
        took_ms[name].append((time.perf_counter() - start) * 1000)
        assert len(made) == (50_000 if name == "stages" else 10_000)
    print(
        f"stages() of 50,000: {min(took_ms['stages']):.0f} ms; tasks() with them: {min(took_ms['tasks']):.0f} ms"
    )
    assert min(took_ms["stages"]) <= 2000  # the budgets are 500 and 50: shared machines are slow at times
    assert min(took_ms["tasks"]) <= 200
