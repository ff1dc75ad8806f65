"""The kernel's side of docs/messages.md: who is told what, and that a lost message is made good."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from roma_widget.core import view
from roma_widget.core.hitl import Answer, HitlRequest, HitlState
from roma_widget.core.model import Project, Snapshot, Status, Task
from roma_widget.core.review import for_the_browser
from roma_widget.errors import AnswerError, NotLive
from roma_widget.widget.history import spread
from roma_widget.widget.messages import SILENCE_S, Channel, publication


class Kernel:
    """A channel with everything around it written down."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, Any], list[bytes]]] = []
        self.selected: list[list[str]] = []
        self.watched: list[str | None] = []
        self.answers: list[tuple[str, str, str | None]] = []
        self.opened: list[tuple[str, int]] = []
        self.forced = 0
        self.now = 0.0
        self.busy = False
        self.replied = asyncio.Event()
        self.channel = Channel(
            self.send,
            self,
            lambda: self.now,
            lambda: self.busy,
        )
        self.snapshot = Snapshot()

    def send(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        self.sent.append((content, buffers))
        self.replied.set()

    def select(self, tasks: list[str]) -> None:
        if "gone" in tasks:
            raise KeyError("There is no task 'gone' any more.")
        self.selected.append(tasks)

    async def connect_anyway(self) -> None:
        self.forced += 1

    async def retry(self) -> None: ...

    async def show_project(self, project_id: str | None) -> None:
        self.watched.append(project_id)

    async def switch_for_everyone(self, project_id: str) -> None:
        raise NotLive("There is no socket.")

    async def task_details(self, task_id: str) -> Any:
        if task_id not in self.snapshot.tasks:
            raise KeyError(f"There is no task {task_id!r} any more.")
        task = self.snapshot.tasks[task_id]
        return view.task_details(task, task.raw)

    async def answer_question(self, request_id: str, action: str, instructions: str | None) -> None:
        if self.answers and self.answers[-1][0] == request_id:
            raise AnswerError("Question 'r1' was answered already.")
        self.answers.append((request_id, action, instructions))

    async def question(self, request_id: str) -> Any:
        return for_the_browser(replace(QUESTION, request_id=request_id), None)

    async def task_trace(self, task_id: str) -> Any:
        return {"task": task_id, "stages": []}

    async def stage_texts(self, task_id: str, seq: int) -> Any:
        return {"task": task_id, "seq": seq}

    async def open_stage(self, task_id: str, seq: int) -> None:
        self.opened.append((task_id, seq))

    def link_quality(self) -> Any:
        return {"round_trip_s": 0.01}

    def known_times(self) -> Any:
        return {"times": [1000.0], "n": 1}

    async def run_at(self, epoch_ms: float) -> Any:
        return {"time": epoch_ms}

    def publish(self, *tasks: Task, project: str | None = None) -> None:
        after = Snapshot(
            project=Project(project) if project is not None else None,
            tasks={task.task_id: task for task in tasks},
            revision=self.snapshot.revision + 1,
        )
        news = publication(self.snapshot, after, 1000.0)
        self.snapshot = after
        self.channel.publish(news)

    def ask(self, content: dict[str, Any]) -> dict[str, Any]:
        """The reply to what takes its time."""

        async def receive_and_wait() -> None:
            self.replied = asyncio.Event()
            self.channel.receive(content)
            async with asyncio.timeout(5):
                await self.replied.wait()

        asyncio.run(receive_and_wait())
        return self.sent[-1][0]

    def said(self) -> list[tuple[str, int | None]]:
        return [(content["type"], content.get("rev")) for content, _ in self.sent]

    def body(self, place: int = -1) -> Any:
        return json.loads(self.sent[place][1][0])


ROOT = Task("root", "Write a report", Status.RUNNING, child_ids=("root.1",))
CHILD = Task("root.1", "Find facts", Status.PENDING, parent_id="root", depth=1)

QUESTION = HitlRequest("r1", None, "PlanReview", "root", 1, None, "Good?", 1.0, 1.0, '"a text"')


def hello(view: str = "v") -> dict[str, Any]:
    return {"type": "hello", "view": view, "rev": None}


def test_a_reply_can_be_put_into_json_whatever_was_asked() -> None:
    kernel = Kernel()
    kernel.channel.receive({"type": "do", "rid": "\ud800", "action": "select", "tasks": 3})
    kernel.channel.receive({"type": "x" * 5_000, "rid": "2"})
    assert [len(content["error"]) < 1_001 for content, _ in kernel.sent] == [True, True]
    json.dumps([content for content, _ in kernel.sent], ensure_ascii=False).encode()


def test_nothing_is_sent_while_no_view_is_open() -> None:
    kernel = Kernel()
    kernel.publish(ROOT)
    kernel.channel.beat(1.0, 1.0, 1.0)
    assert kernel.sent == []


def test_hello_gets_everything_and_then_only_what_changes() -> None:
    kernel = Kernel()
    kernel.publish(ROOT, CHILD)
    assert kernel.channel.receive(hello()) is True
    assert kernel.said() == [("snapshot", 1)]
    assert [task["id"] for task in kernel.body()["tasks"]] == ["root", "root.1"]
    kernel.publish(ROOT, replace(CHILD, status=Status.RUNNING))
    assert kernel.said()[1:] == [("delta", 2)]
    assert kernel.sent[1][0]["base"] == 1
    assert kernel.body() == {"changed": {"root.1": {"status": "RUNNING"}}, "removed": []}


def test_a_new_task_comes_whole_and_a_removed_one_by_its_id() -> None:
    kernel = Kernel()
    kernel.publish(ROOT, CHILD)
    kernel.channel.receive(hello())
    kernel.publish(ROOT, Task("root.2", "Write", Status.READY, parent_id="root", plan_index=1))
    assert kernel.body()["removed"] == ["root.1"]
    assert kernel.body()["changed"]["root.2"]["goal"] == "Write"


def test_a_browser_that_missed_a_delta_says_hello_and_is_whole_again() -> None:
    kernel = Kernel()
    kernel.channel.receive(hello())
    kernel.publish(ROOT)
    kernel.publish(ROOT, CHILD)
    kernel.channel.receive({"type": "hello", "view": "v", "rev": 1})
    assert kernel.said()[-1] == ("snapshot", 2)
    kernel.publish(ROOT)
    assert kernel.said()[-1] == ("delta", 3)


def test_the_beat_tells_the_revision_and_the_age() -> None:
    kernel = Kernel()
    kernel.publish(ROOT)
    kernel.channel.receive(hello())
    kernel.channel.beat(120.0, 5000.0, 12.5)
    content, buffers = kernel.sent[-1]
    assert (content["type"], content["rev"], content["age_ms"], content["server_now"]) == (
        "beat",
        1,
        120.0,
        5000.0,
    )
    assert buffers == []


def test_a_view_closes_with_bye_or_after_a_silence() -> None:
    kernel = Kernel()
    kernel.channel.receive(hello("one"))
    kernel.channel.receive(hello("two"))
    kernel.channel.receive({"type": "bye", "view": "one"})
    assert kernel.channel.is_open
    kernel.now += SILENCE_S - 1
    kernel.channel.receive({"type": "here", "view": "two"})
    kernel.now += SILENCE_S - 1
    kernel.channel.beat(None, None, None)
    assert kernel.channel.is_open
    kernel.now += 2
    kernel.channel.beat(None, None, None)
    assert not kernel.channel.is_open


def test_silence_while_a_cell_runs_means_nothing_because_messages_may_wait_for_its_end() -> None:
    kernel = Kernel()
    kernel.channel.receive(hello())
    kernel.busy = True
    kernel.now += 10 * SILENCE_S
    kernel.channel.beat(None, None, None)
    kernel.busy = False
    kernel.now += SILENCE_S - 1
    kernel.channel.beat(None, None, None)
    assert kernel.channel.is_open


def test_a_view_that_was_forgotten_opens_again_with_its_next_sign_of_life() -> None:
    kernel = Kernel()
    assert kernel.channel.receive({"type": "here", "view": "v"}) is True
    assert kernel.said() == [("snapshot", 0)]


def test_a_person_selects_and_is_told_when_that_cannot_be() -> None:
    kernel = Kernel()
    kernel.channel.receive({"type": "do", "rid": "1", "action": "select", "tasks": ["root"]})
    kernel.channel.receive({"type": "do", "rid": "2", "action": "select", "tasks": ["gone"]})
    assert kernel.selected == [["root"]]
    assert [(content["rid"], content["ok"]) for content, _ in kernel.sent] == [("1", True), ("2", False)]
    assert "gone" in kernel.sent[1][0]["error"]


def test_a_mistake_of_ours_is_in_the_log_and_a_refusal_is_not(caplog: pytest.LogCaptureFixture) -> None:
    kernel = Kernel()
    kernel.ask({"type": "do", "rid": "1", "action": "switch", "project": "p"})
    assert caplog.records == []
    kernel.ask({"type": "ask", "rid": "2", "what": "task", "task": "gone"})  # a bare KeyError
    [record] = caplog.records
    assert record.exc_info is not None


def test_a_click_in_a_run_that_is_not_shown_any_more_selects_and_opens_nothing() -> None:
    kernel = Kernel()
    kernel.publish(ROOT, project="p")
    opening = {"type": "do", "rid": "1", "action": "open_stage", "task": "root", "seq": 3}
    selecting = {"type": "do", "rid": "2", "action": "select", "tasks": ["root"]}
    for message in (opening, selecting):
        kernel.channel.receive({**message, "project": "old"})
        assert kernel.sent[-1][0]["error"] == "Another run is shown by now."
    kernel.channel.receive({**selecting, "project": "p"})
    assert (kernel.selected, kernel.opened) == ([["root"]], [])


def test_whole_texts_come_on_demand() -> None:
    kernel = Kernel()
    text = "x" * 5000
    kernel.publish(replace(ROOT, error=text, raw_json=json.dumps({"full_result": {"output_text": text}})))
    assert kernel.ask({"type": "ask", "rid": "1", "what": "task", "task": "root"})["ok"] is True
    assert kernel.body()["result"] == text
    assert kernel.body()["result_kind"] == "text"
    assert kernel.ask({"type": "ask", "rid": "2", "what": "task", "task": "gone"})["ok"] is False


@pytest.mark.parametrize(
    ("result", "kind"),
    [(None, None), ("text", "text"), ({"sub_tasks": []}, "json"), ({"output_text": 3}, "json")],
)
def test_a_result_has_four_shapes(result: object, kind: str | None) -> None:
    kernel = Kernel()
    kernel.publish(replace(ROOT, raw_json=json.dumps({"full_result": result})))
    kernel.ask({"type": "ask", "rid": "1", "what": "task", "task": "root"})
    assert kernel.body()["result_kind"] == kind


def test_what_a_server_has_to_confirm_is_answered_when_it_has() -> None:
    kernel = Kernel()
    reply = kernel.ask({"type": "do", "rid": "1", "action": "watch", "project": "p"})
    assert (reply["rid"], reply["ok"], kernel.watched) == ("1", True, ["p"])
    reply = kernel.ask({"type": "do", "rid": "2", "action": "switch", "project": "p"})
    assert (reply["rid"], reply["ok"], reply["error"]) == ("2", False, "There is no socket.")


def test_the_link_can_be_asked_for() -> None:
    kernel = Kernel()
    kernel.channel.receive({"type": "ask", "rid": "1", "what": "link"})
    assert kernel.body() == {"round_trip_s": 0.01}


def test_the_past_can_be_asked_for() -> None:
    kernel = Kernel()
    kernel.channel.receive({"type": "ask", "rid": "1", "what": "times"})
    assert kernel.body() == {"times": [1000.0], "n": 1}
    kernel.ask({"type": "ask", "rid": "2", "what": "moment", "at": 1000})
    assert kernel.body() == {"time": 1000.0}


@pytest.mark.parametrize(("n", "told"), [(0, 0), (1, 1), (5, 5), (6, 5), (7, 5), (1000, 5)])
def test_of_many_moments_the_browser_is_told_some_with_the_first_and_the_last(n: int, told: int) -> None:
    times = list(range(n))
    some = spread(times, most=5)
    assert (some[:1], some[-1:]) == (times[:1], times[-1:])
    assert len(set(some)) == told
    assert some == sorted(some)


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        [],
        {},
        {"type": "hello"},
        {"type": "hello", "view": 3},
        {"type": "nope", "rid": "9"},
        {"type": "do", "rid": "9", "action": "explode"},
        {"type": "do", "rid": "9"},
        {"type": "do", "rid": 9, "action": "select"},
        {"type": "do", "rid": "9", "action": "switch"},
        {"type": "ask", "rid": "9", "what": "all", "task": "root"},
        {"type": "ask", "rid": "9", "what": "moment"},
        {"type": "ask", "rid": "9", "what": "moment", "at": "noon"},
    ],
)
def test_messages_that_make_no_sense_harm_nothing_and_are_answered_where_they_can_be(content: Any) -> None:
    kernel = Kernel()
    assert kernel.channel.receive(content) is False
    assert not kernel.channel.is_open
    expects_reply = isinstance(content, dict) and content.get("rid") == "9"
    assert [(sent["type"], sent["ok"]) for sent, _ in kernel.sent] == (
        [("reply", False)] if expects_reply else []
    )


def test_long_texts_are_cut_in_the_records() -> None:
    kernel = Kernel()
    kernel.publish(replace(ROOT, goal="g" * 10_000))
    kernel.channel.receive(hello())
    goal = kernel.body()["tasks"][0]["goal"]
    assert len(goal) == 500
    assert goal.endswith("…")


def test_a_question_is_answered_and_a_second_answer_is_told_that_it_is_one() -> None:
    kernel = Kernel()
    answer = {
        "type": "do",
        "rid": "1",
        "action": "answer",
        "request": "r1",
        "answer": "modify",
        "instructions": "x",
    }
    assert kernel.ask(answer) == {"type": "reply", "rid": "1", "ok": True, "error": None}
    again = kernel.ask({**answer, "rid": "2", "answer": "approve", "instructions": None})
    assert (again["ok"], again["error"]) == (False, "Question 'r1' was answered already.")
    assert kernel.answers == [("r1", "modify", "x")]


def test_what_a_question_is_about_comes_when_it_is_asked_for() -> None:
    kernel = Kernel()
    assert kernel.ask({"type": "ask", "rid": "1", "what": "question", "request": "r1"})["ok"] is True
    assert kernel.body() == {
        "request_id": "r1",
        "message": "Good?",
        "kind": "text",
        "plan": None,
        "text": "a text",
        "json": None,
        "about": {},
        "more": 0,
        "previous_plan": None,
        "previous_instructions": None,
        "cut": False,
    }


def test_what_became_of_a_question_is_told_to_open_views() -> None:
    kernel = Kernel()
    settled = replace(
        QUESTION,
        state=HitlState.SUPERSEDED,
        why="anna answered.",
        answer=Answer("abort", None, "button", 1.0),
    )
    kernel.channel.settled(settled)
    assert kernel.sent == []
    kernel.channel.receive(hello())
    kernel.channel.settled(settled)
    assert kernel.sent[-1] == (
        {
            "type": "settled",
            "request_id": "r1",
            "state": "superseded",
            "action": "abort",
            "why": "anna answered.",
        },
        [],
    )


def test_a_trace_and_a_stage_can_be_asked_for_and_a_stage_opened() -> None:
    kernel = Kernel()
    kernel.ask({"type": "ask", "rid": "1", "what": "trace", "task": "root"})
    assert kernel.body() == {"task": "root", "stages": []}
    kernel.ask({"type": "ask", "rid": "2", "what": "stage", "task": "root", "seq": 3})
    assert kernel.body() == {"task": "root", "seq": 3}
    opening = {"type": "do", "rid": "3", "action": "open_stage", "task": "root", "seq": 3}
    assert kernel.ask(opening)["ok"]
    assert kernel.opened == [("root", 3)]
    assert not kernel.ask({**opening, "seq": "x"})["ok"]
