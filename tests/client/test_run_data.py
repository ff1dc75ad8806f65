"""A monitor's frames hold what it fetched: of the shown project, in UTC, from any thread."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from client.servers import Replay

import roma_widget as roma
from roma_widget.archive.capture import read_capture
from roma_widget.client.trace_cache import TraceCache
from roma_widget.core.model import Task, Trace

pytestmark = pytest.mark.usefixtures("quick")
Connect = Callable[..., roma.Monitor]


@pytest.mark.parametrize("name", ["a_complete", "d_failed"])
def test_frames_say_what_the_traces_of_a_recorded_run_say(
    connect: Connect, replay: Callable[..., Replay], captures: Any, name: str
) -> None:
    server = replay(read_capture(captures / f"{name}.jsonl.xz"))
    server.go_to_end()
    m = connect(server.url)
    m.wait("done", timeout=10)
    assert m.stages().attrs["missing_traces"] == len(m.snapshot.tasks)
    m.fetch_traces(progress=False)
    with ThreadPoolExecutor(1) as another:
        made = another.submit(m.stages).result()
    assert made.attrs == {"missing_traces": 0, "server_offset": None}
    stages = [stage for task_id in m.snapshot.tasks for stage in m.trace(task_id).stages]
    assert made["started"].to_list() == [stage.started for stage in stages]
    assert made["duration_s"].fillna(-1).to_list() == [stage.duration_s or -1 for stage in stages]
    assert made["llm_response"].isna().to_list() == [stage.llm_response is None for stage in stages]
    assert len(m.tool_calls()) == sum(len(stage.tool_calls) for stage in stages)
    assert len(m.messages()) == sum(len(stage.messages) for stage in stages)
    assert m.tasks()["n_stages"].sum() == len(stages)
    assert len(m.context_edges()) == m.graph("context").number_of_edges()
    assert m.context_edges()["content_type"].notna().all()


def test_what_was_counted_is_in_the_frames_also_when_disconnected(connect: Connect) -> None:
    with roma.Server() as server, server.project("a goal") as project:
        with project.task("a goal") as root, root.stage("planning") as stage:
            stage.record(usage={"prompt_tokens": 3, "completion_tokens": 4, "cost_usd": 0.5})
            stage.tool_call("search", {"query": "x"}, ["y"], duration_s=0.25)
        m = connect(server.url)
        m.wait("done", timeout=10)
        m.fetch_traces(progress=False)
    m.disconnect()
    said = m.tasks().iloc[0][["n_stages", "prompt_tokens", "completion_tokens", "cost_usd"]]
    assert said.to_list() == [1, 3, 4, 0.5]
    call = m.tool_calls().iloc[0]
    assert (call["tool"], call["arguments"], call["result"]) == ("search", '{"query":"x"}', '["y"]')
    assert call["duration_s"] == 0.25


def test_traces_of_a_project_are_its_own_and_not_those_that_are_not_there() -> None:
    cache = TraceCache()
    cache.put("p", Task("root", "", "DONE"), Trace("root"))
    cache.put("p", Task("root.1", "", "DONE"), None)
    cache.put("q", Task("root", "", "DONE"), Trace("root", goal="other"))
    kept = cache.traces_of("p")
    cache.forget("p")
    assert dict(kept) == {"root": Trace("root")}
    assert dict(cache.traces_of("p")) == {}
