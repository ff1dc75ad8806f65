"""What a page holds of a run: everything, nothing that was redacted, nothing that ends a script, and not too much."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from analysis.snapshots import of, report, stage, task, trace, traces

from roma_widget.analysis.run_data import RunData
from roma_widget.archive.page import page_data
from roma_widget.archive.redaction import redaction
from roma_widget.core.annotations import Annotation
from roma_widget.core.model import Project, Snapshot, Task, Trace
from roma_widget.errors import NotLive, RomaError

LARGE = 20_000_000
NOTHING = redaction(None)


class Given(RunData):
    def __init__(self, snapshot: Snapshot, fetched: Mapping[str, Trace] | None = None) -> None:
        self.snapshot = snapshot
        self._traces = fetched or {}

    def _fetched(self, snapshot: Snapshot) -> tuple[Mapping[str, Trace], float | None]:
        return self._traces, 3600.0


class Gone:
    """Of a task whose result is on a server that is gone."""

    def __init__(self, name: str = "root") -> None:
        self.name = name

    def __call__(self, task: Task) -> Mapping[str, Any]:
        raise NotLive(f"The result of {self.name!r} was not fetched before the connection was closed.")

    async def whole(self, task: Task, timeout_s: float) -> Mapping[str, Any]:
        return self(task)


def test_a_page_holds_all_that_is_known() -> None:
    run = report()
    root = replace(run.tasks["root"], raw_json=json.dumps({"full_result": {"output_text": "A briefing."}}))
    run = replace(run, tasks={**run.tasks, "root": root})
    note = Annotation(10.0, "p", "root", "odd", ("look",))
    page = page_data(Given(run, traces(trace("root", stage()))), NOTHING, LARGE, [note])
    body = json.loads(page.body)
    assert [each["id"] for each in body["tasks"]] == list(run.tasks)
    assert body["project"] == {"id": "p", "title": "Write A Short", "goal": root.goal, "status": None}
    assert (body["progress"]["total"], body["progress"]["outcome"]) == (15, "with_failures")
    assert body["details"]["root"]["result"] == "A briefing."
    shown = body["traces"]["root"]["stages"][0]
    assert (shown["stage"], shown["llm_response"], shown["output"]) == (
        "execution",
        "Enough.",
        '{"litres":12}',
    )
    assert shown["completed"] - shown["started"] == 2500
    assert body["annotations"] == [{"time": 10_000, "task": "root", "text": "odd", "tags": ["look"]}]
    assert body["made_by"].startswith("roma-widget ")
    assert list(page.left_out) == body["left_out"]
    assert page.left_out == (
        "The traces of 14 tasks were not fetched: root.1, root.1.1, root.1.2, root.1.3, root.2 and 9 more.",
    )


def test_nothing_in_it_ends_a_script() -> None:
    hostile = "</script><!-- <script> \u2028\u2029 \ud800 \x00"
    raw = json.dumps({"full_result": {hostile: hostile}, "goal": hostile})
    run = of(task(goal=hostile.replace("\ud800", ""), raw_json=raw), project=Project("p", goal="</SCRIPT>"))
    note = Annotation(0.0, "p", "root", "<!--")
    body = page_data(
        Given(run, traces(trace("root", stage(llm_response=hostile)))), NOTHING, LARGE, [note]
    ).body
    assert not any(each in body for each in (b"<", "\u2028".encode(), "\u2029".encode()))
    read = json.loads(body)
    assert read["project"]["goal"] == "</SCRIPT>"
    assert read["traces"]["root"]["stages"][0]["llm_response"] == hostile.replace("\ud800", "\ufffd")


def test_what_is_redacted_is_nowhere_and_said() -> None:
    key = "sk-ant-api03-aB3dE5fG7hJ9kL1mN3pQ5rS7"
    run = of(
        task(goal=key, error=key, raw_json=json.dumps({"goal": key, "full_result": key})),
        project=Project("p", title=key, goal=key),
        reason=key,
    )
    note = Annotation(0.0, "p", "root", key, (key,))
    fetched = traces(trace("root", stage(system_prompt=key, error_message=key, tool_calls=[{"a": key}])))
    page = page_data(Given(run, fetched), redaction("secrets"), LARGE, [note])
    assert key.encode() not in page.body
    assert json.loads(page.body)["redaction"]["rules"][0]["changed"]["task.goal"] == 1


def test_what_is_hidden_is_in_no_id_and_in_no_sentence_of_a_page() -> None:
    lean = json.dumps({"goal": "Goal", "result_size": 5})
    run = of(task("root.tok3n", raw_json=lean, _rest=Gone("tok3n")), task("tok3n"))
    fetched = traces(trace("root.tok3n", stage()))
    page = page_data(Given(run, fetched), redaction(None, hidden=["tok3n"]), LARGE)
    assert b"tok3n" not in page.body
    body = json.loads(page.body)
    assert [each["id"] for each in body["tasks"]] == list(body["details"])
    assert list(body["traces"]) == ["root.[redacted]"]
    assert page.left_out[1:] == ("The traces of 1 task were not fetched: [redacted].",)


def test_the_largest_go_first_when_it_is_too_large() -> None:
    sizes = {"a": 100_000, "b": 400_000, "c": 1_000}
    run = of(*(task(each, raw_json=json.dumps({"full_result": "x" * size})) for each, size in sizes.items()))
    fetched = traces(trace("a", stage(llm_response="y" * 300_000)), trace("c", stage()))
    page = page_data(Given(run, fetched), NOTHING, 150_000)
    body = json.loads(page.body)
    assert len(page.body) <= 150_000
    assert body["details"]["b"]["result"] is None
    assert body["details"]["b"]["left_out"] == "0.4 MB, left out to keep the page small"
    assert (body["traces"]["a"]["stages"], len(body["traces"]["c"]["stages"])) == ([], 1)
    assert len(body["details"]["a"]["result"]) == 100_000
    assert page.left_out[1:] == (
        "The traces of 1 task (0.3 MB) were left out to keep the page below 0.15 MB: a.",
        "The results of 1 task (0.4 MB) were left out to keep the page below 0.15 MB: b.",
    )
    with pytest.raises(RomaError, match="The 3 tasks of this run alone do not fit into 2,500 bytes"):
        page_data(Given(run, fetched), NOTHING, 2_500)


def test_a_result_that_cannot_be_had_is_said_of_its_task() -> None:
    lean = json.dumps({"goal": "Goal", "result_size": 5})
    deep = '{"full_result": ' + "[" * 10_000 + "]" * 10_000 + "}"
    huge = '{"full_result": ' + "9" * 5_000 + "}"
    run = of(
        task("root", raw_json=lean, _rest=Gone()), task("deep", raw_json=deep), task("huge", raw_json=huge)
    )
    page = page_data(Given(run), NOTHING, LARGE)
    assert "was not fetched" in json.loads(page.body)["details"]["root"]["left_out"]
    assert page.left_out[0] == (
        "The results of 3 tasks could not be read, and are not in this page: root, deep, huge."
    )


def test_a_run_of_which_nothing_is_known_has_a_page() -> None:
    body = json.loads(page_data(Given(Snapshot()), NOTHING, LARGE).body)
    assert (body["project"], body["tasks"], body["progress"]["fraction"]) == (None, [], None)
