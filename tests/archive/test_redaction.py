"""What was asked to be removed is nowhere in what is kept, and nothing else is touched."""

from __future__ import annotations

import json
import lzma
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from analysis.snapshots import stage, task, trace
from archive.test_secrets_in_text import SECRETS

from roma_widget.archive.redaction import redaction
from roma_widget.core.annotations import Annotation
from roma_widget.core.events import GraphUpdate, NodeTrace, Payload, TaskRest
from roma_widget.core.log import Row
from roma_widget.core.model import Project, Stage, Task, Trace
from roma_widget.core.state import State, apply
from roma_widget.core.traces import read_node_trace
from roma_widget.core.wire import read_event
from roma_widget.errors import RomaError

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
WINDOW, STEP = 40, 5
"""So that 44 characters in a row are found wherever they are left."""
KEY = "sk-ant-api03-aB3dE5fG7hJ9kL1mN3pQ5rS7"
WITHIN_S = 3.0
"""For a run of 1,000 tasks with 15 MB of traces, on a machine that others use, too; measured: docs/redaction.md."""

# where a recording has what is to be removed, by the names on the wire and not by the table that is tested
HELD = {
    "prompts": "system_prompt user_input llm_input_messages final_llm_input formatted_full_context relevant_context",
    "responses": "llm_response full_llm_output output_data full_result output_text output_summary tool_args thought",
    "results": "full_result output_text output_summary",
}


@dataclass
class Recorded:
    """A recorded run as the wire had it (`said`) and as we read it."""

    said: list[Any] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    goals: str = ""


@cache
def recorded(name: str) -> Recorded:
    run, state, last = Recorded(), State(), {}
    with lzma.open(CAPTURES / f"{name}.jsonl.xz", "rt") as lines:
        for line in lines:
            entry = json.loads(line)
            if entry["dir"] != "in" or entry["event"] not in ("task_graph_update", "node_trace_data"):
                continue
            said = entry["args"][0]
            if entry["event"] == "node_trace_data":
                run.said.append(said)
                read = read_node_trace("node_trace_data", Payload(json.dumps(said)))
                assert isinstance(read, NodeTrace)
                run.traces.append(read.trace)
            elif said.get("all_nodes"):
                last[said["project_id"]] = said
    for said in last.values():
        run.said.append(said["all_nodes"])
        frame = read_event("task_graph_update", Payload(json.dumps(said)))
        assert isinstance(frame, GraphUpdate)
        state, _ = apply(state, frame, 1_800_000_000.0)
    run.tasks = [each for project in state.projects.values() for each in project.tasks.values()]
    run.goals = "\n".join(each.goal for each in run.tasks)
    return run


def texts_under(names: set[str], value: Any, inside: bool = False) -> Iterator[str]:
    """Every string that stands, at any depth, under one of these names."""
    if isinstance(value, str):
        if inside:
            yield value
    elif isinstance(value, list):
        for each in value:
            yield from texts_under(names, each, inside)
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from texts_under(names, each, inside or name in names)


def pieces(texts: Iterable[str], step: int = 1) -> set[str]:
    return {text[at : at + WINDOW] for text in set(texts) for at in range(0, len(text) - WINDOW + 1, step)}


def strings(value: Any) -> Iterator[str]:
    """Every string and name in a JSON value."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def everything_of(one: Task | Trace | Stage) -> Iterator[str]:
    """All text of it, from the fields and from the JSON."""
    yield from strings(one.raw)
    for name in one.__slots__:
        value = getattr(one, name)
        if isinstance(value, str) and name != "raw_json":
            yield value
        if isinstance(value, tuple) and value and isinstance(value[0], Stage):
            for each in value:
                yield from everything_of(each)


@pytest.mark.parametrize("name", ["a_complete", "b_hitl", "d_failed"])
@pytest.mark.parametrize("rule", HELD)
def test_nothing_of_what_was_asked_for_is_left_of_a_recorded_run(rule: str, name: str) -> None:
    run = recorded(name)
    redact = redaction(rule)
    kept = [redact.task(each) for each in run.tasks] + [redact.trace(each) for each in run.traces]
    left = pieces(part for each in kept for part in everything_of(each))
    wanted = pieces(texts_under(set(HELD[rule].split()), run.said), STEP)
    if rule == "prompts":  # they hold the results of other tasks, which were not asked for
        wanted -= pieces(texts_under(set(HELD["responses"].split()), run.said))
    assert len(wanted) > 200
    assert [piece for piece in wanted & left if piece not in run.goals] == []


@pytest.mark.parametrize("rule", HELD)
def test_what_was_not_asked_for_stays(rule: str) -> None:
    run = recorded("a_complete")
    redact = redaction([rule])
    for before in run.tasks:
        after = redact.task(before)
        assert (after.task_id, after.goal, after.status, after.context_ids, after.started) == (
            before.task_id, before.goal, before.status, before.context_ids, before.started,
        )  # fmt: skip
        if rule == "prompts":
            assert after.result == before.result
    for before_trace in run.traces:
        trace_after = redact.trace(before_trace)
        for stage_before, stage_after in zip(before_trace.stages, trace_after.stages, strict=True):
            assert replace(stage_after, raw_json="") == replace(stage_before, raw_json="")
            kept = "llm_response" if rule == "prompts" else "system_prompt"
            assert getattr(stage_after, kept) == getattr(stage_before, kept)
        assert redact.trace(trace_after) is trace_after, "a second time there is nothing left"


def test_an_error_keeps_what_failed_and_loses_what_it_quotes() -> None:
    said = "Agent 'Writer' failed to execute task 'root.1' (attempt 1): json.JSONDecodeError: no JSON: The answer is 42"
    redact = redaction("responses")
    after = redact.task(task(error=said, raw_json=json.dumps({"error": said})))
    kept = "Agent 'Writer' failed to execute task 'root.1' (attempt 1): json.JSONDecodeError: [redacted]"
    assert (after.error, after.raw["error"]) == (kept, kept)
    row = Row(1, 0.0, "p", "task_changed", "root.1", "error", None, said)
    assert redact.row(row).after == kept
    assert redaction("prompts").trace(trace("root", stage(error_message="Refused: You think."))).stages[
        0
    ].error == ("[redacted]")


def test_results_leave_the_plan_and_responses_do_not() -> None:
    plan = {
        "sub_tasks": [{"goal": "Find it", "task_type": "SEARCH", "note": "because of 42"}],
        "reasoning_steps": "x",
    }
    before = trace("root", stage("planning", output_data=plan))
    kept = {"sub_tasks": [{"goal": "Find it", "task_type": "SEARCH"}], "reasoning_steps": "[redacted]"}
    assert redaction("results").trace(before).stages[0].output == kept
    assert redaction("responses").trace(before).stages[0].output == "[redacted]"
    assert redaction("results").task(task(raw_json='{"full_result": 42}')).result == "[redacted]"


def test_calls_of_tools_keep_their_names_and_times() -> None:
    call = {
        "tool_name": "search",
        "tool_args": {"q": "who"},
        "result": "she",
        "execution_duration_ms": 5,
        "more": "x",
    }
    after = redaction("results").trace(trace("root", stage(tool_calls=[call]))).stages[0]
    gone = {"tool_args": "[redacted]", "result": "[redacted]", "more": "[redacted]"}
    assert (after.n_tool_calls, after.tool_calls) == (1, [{**call, **gone}])


def test_secrets_go_from_every_place() -> None:
    raw = {
        "goal": f"Use {KEY}",
        "error": f"401 for {KEY}",
        "aux_data": {
            "headers": {"Authorization": "Bearer abcd1234efgh"},
            KEY: [1, [KEY]],
            "b@example.org": 1,
        },
        "status": "DONE",
    }
    redact = redaction("secrets", hidden=["own/token"])
    before = task(goal=raw["goal"], error=raw["error"], raw_json=json.dumps(raw), model="own/token")
    after = redact.task(before)
    assert after.goal == after.raw["goal"] == "Use [redacted: API key]"
    assert after.error == after.raw["error"] == "401 for [redacted: API key]"
    assert after.raw["aux_data"] == {
        "headers": {"Authorization": "[redacted: token]"},
        "[redacted: API key]": [1, ["[redacted: API key]"]],
        "[redacted: e-mail]": 1,
    }
    assert after.model == "[redacted]"
    stage_after = redact.trace(trace("root", stage(llm_response=f"see own%2Ftoken and {KEY}"))).stages[0]
    assert stage_after.llm_response == "see [redacted] and [redacted: API key]"
    rest = TaskRest("p", "root", json.dumps({"output_text": KEY}), "null", "null", {"goal": f"All of {KEY}"})
    rest_after = redact.rest(rest)
    assert KEY not in rest_after.result_json + "".join(rest_after.texts.values())
    assert redact.project(Project("p", goal=KEY)).goal == "[redacted: API key]"
    assert redact.annotation(Annotation(0.0, "p", "root", "ask a@b.org", (KEY,))).tags == (
        "[redacted: API key]",
    )
    rows = [
        Row(1, 0.0, "p", "task_changed", "root", "goal", None, KEY),
        Row(2, 0.0, None, "error", field="node_trace_error", after=KEY),
        Row(3, 0.0, "p", "annotation", "root", after=KEY),
        Row(4, 0.0, "p", "watch", field=KEY),
        Row(5, 0.0, None, KEY, field="size", after="3"),
    ]
    assert not any(KEY in str(redact.row(row)) for row in rows)
    report = redact.report()
    assert report["rules"][0]["changed"]["task.goal"] == 3  # the task's, of its rest, and the row's
    assert report["rules"][1]["rule"] == "hidden"
    assert KEY not in json.dumps(report)


def test_what_is_not_concerned_is_the_same_object() -> None:
    redact = redaction(["secrets", re.compile("nowhere")], hidden=["nowhere"])
    given = task(raw_json='{ "goal":"Goal of root", "n": 1.50, "s": "\\u00e9\\/" }', error="no")
    row = Row(1, 0.0, "p", "task_changed", "root", "goal", None, "x")
    note, project, a_trace = Annotation(0.0, "p", "root", "x"), Project("p", "t"), trace("root", stage())
    assert redact.task(given) is given
    assert redact.row(row) is row
    assert redact.annotation(note) is note
    assert redact.project(project) is project
    assert redact.trace(a_trace) is a_trace
    assert not redact.is_empty
    assert redaction(None).is_empty


def test_a_pattern_replaces_texts_but_no_ids_times_or_numbers() -> None:
    raw = {
        "task_id": "root.2026",
        "goal": "In 2026",
        "timestamp_created": "2026-01-01",
        "aux_data": {"n": 2026},
    }
    after = redaction(re.compile(r"\d+")).task(task("root.2026", goal="In 2026", raw_json=json.dumps(raw)))
    assert (after.task_id, after.goal) == ("root.2026", "In [redacted]")
    assert after.raw == {**raw, "goal": "In [redacted]"}


def test_a_function_says_what_becomes_of_each_text() -> None:
    asked: list[str] = []

    def hook(where: str, text: str) -> str | None:
        asked.append(where)
        return None if "secret" in text else text.upper() if where == "task.goal" else text

    raw = {"goal": "a goal", "error": "secret", "full_result": {"output_text": "x"}}
    redact = redaction(hook)
    after = redact.task(task(goal="a goal", error="secret", raw_json=json.dumps(raw)))
    assert (after.goal, after.error) == ("A GOAL", None)
    assert after.raw == {"goal": "A GOAL", "error": None, "full_result": {"output_text": "x"}}
    assert "task.raw.full_result.output_text" in asked
    redact.trace(trace("root", stage()))
    assert {"stage.llm_response", "stage.system_prompt", "stage.model_info.model_id"} <= set(asked)
    assert redact.report()["rules"][0] == {
        "rule": "function hook",
        "changed": {"task.goal": 1, "task.error": 1},
    }


@pytest.mark.parametrize("answer", [lambda: 1 / 0, lambda: 5])
def test_a_function_that_fails_fails_the_save(answer: Callable[[], Any]) -> None:
    def broken(where: str, text: str) -> Any:
        return answer()

    with pytest.raises(RomaError, match=r"function broken .*task\.raw\.note.*nothing was saved"):
        redaction(broken).task(task(raw_json='{"note": "x"}'))


@pytest.mark.parametrize(
    "redact", ["everything", 5, False, re.compile(b"x"), ["prompts", None], {"prompts": 1}]
)
def test_anything_else_is_refused_in_a_sentence(redact: Any) -> None:
    with pytest.raises(ValueError, match='redact takes "prompts"'):
        redaction(redact)


@pytest.mark.parametrize(
    "raw_json",
    [
        '{"goal": ' + "[" * 10_000 + f'"{KEY}"' + "]" * 10_000 + "}",
        '{"goal": ' + '{"a":' * 10_000 + f'"{KEY}"' + "}" * 10_000 + "}",
        '{"n": ' + "9" * 5_000 + f', "goal": "{KEY}"' + "}",
        f'{{"x": NaN, "y": 1e999, "goal": "\\ud800 {KEY}"}}',
        f'{{"goal": "{KEY}", "goal": "nothing"}}',
        f'{{"aux_data": {{"a": "{KEY}", "a": "nothing"}}}}',
        f'{{"goal": "\\u0073k-{KEY[3:]}"}}',
        f'["{KEY}"]',
        f'{{"goal": "{KEY}',
        f"{KEY}",
        "",
    ],
    ids="deep-list deep-object huge-number nan twice nested-twice escaped list torn no-json empty".split(),
)
def test_json_of_any_kind_is_looked_through_or_replaced(raw_json: str) -> None:
    after = redaction("secrets").task(task(raw_json=raw_json))
    assert KEY not in after.raw_json
    assert KEY[3:] not in after.raw_json
    after.raw_json.encode()
    given = trace(
        "root", raw_json if raw_json.startswith("{") and raw_json.endswith("}") else stage(), stage()
    )
    after_trace = redaction(["secrets", "prompts"]).trace(given)
    assert KEY not in json.dumps(after_trace.raw)
    assert len(after_trace.stages) == 2


@pytest.mark.parametrize("text", [text for text in SECRETS if not text.endswith("…")])
def test_no_secret_is_overlooked_in_json(text: str) -> None:
    for json_text in (json.dumps({"note": f"({text}"}), json.dumps({"note": json.dumps([f"\n{text}"])})):
        after = redaction("secrets").task(task(raw_json=json_text))
        assert SECRETS[text] not in after.raw_json


def test_a_large_run_is_looked_through_in_time() -> None:
    words = (
        "what the roofs of the city may carry in a wet winter, the key figures and the token costs; see: x=1 "
    )
    traces = [
        trace(f"root.{n}", *(stage(user_input=f"{n}.{place} {words * 24}", llm_response=f"{place} {n} {words * 24}")
              for place in range(3)))
        for n in range(1000)
    ]  # fmt: skip
    assert sum(each.size for each in traces) > 14_000_000
    redact = redaction("secrets")
    began = time.process_time()
    assert all(redact.trace(each) is each for each in traces)
    took_s = time.process_time() - began
    assert took_s < WITHIN_S, f"{took_s:.2f} s"
