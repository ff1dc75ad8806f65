"""`m.hitl` on a real server whose agent asks: each way to answer reaches it, and only what was meant."""

from __future__ import annotations

import asyncio
import builtins
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from client.servers import SAFE, WireServer, eventually, packet, projects_list

import roma_widget as roma
from roma_widget.widget import answering

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
PLAN = {"sub_tasks": [{"goal": "Find prices", "task_type": "SEARCH", "depends_on_indices": []}]}


class Agent:
    """A run of one task, which asks what it is told to in a thread, and the answers that it got."""

    def __init__(self) -> None:
        self.server = roma.Server(interval_s=0.02).start()
        self._pool = ThreadPoolExecutor(8)
        self._project = self.server.project("Compare museums")
        self._project.__enter__()
        self._task = self._project.task("Compare museums")
        self._task.__enter__()

    def ask(self, checkpoint: str = "PlanReview", data: Any = None) -> Future[Any]:
        """What `task.ask` gives or raises."""
        asked = threading.Event()

        def run() -> Any:
            asked.set()
            return self._task.ask(checkpoint, "Is it good?", data=data, timeout=20)

        answer = self._pool.submit(run)
        assert asked.wait(10)
        return answer

    def close(self) -> None:
        self.server.stop()
        self._pool.shutdown()


@pytest.fixture
def agent() -> Iterator[Agent]:
    agent = Agent()
    yield agent
    agent.close()


@pytest.fixture
def m(agent: Agent, connect: Connect) -> roma.Monitor:
    """Closed before the agent's server: Python 3.12 leaves a socket open that it accepts while a server closes."""
    monitor = connect(agent.server.url)
    monitor.wait(lambda s: len(s.tasks) == 1, timeout=10)
    return monitor


def said(answer: Future[Any]) -> tuple[str, str | None]:
    got = answer.result(10)
    return got.action, got.instructions


def errors(m: roma.Monitor) -> list[str]:
    return [f"{row.field}: {row.after}" for row in m.events().query("event == 'error'").itertuples()]


def test_each_answer_from_python_reaches_the_agent(m: roma.Monitor, agent: Agent) -> None:
    first = agent.ask(data={"proposed_plan": PLAN})
    question = m.wait("hitl", timeout=10)
    assert (question.checkpoint, question.attempt, question.message) == ("PlanReview", 1, "Is it good?")
    assert question.data == {"proposed_plan": PLAN}
    question.modify("Add opening hours")
    assert said(first) == ("modify", "Add opening hours")
    second = agent.ask()
    again = m.hitl.next(timeout=10)
    assert (again.attempt, again.previous_id) == (2, question.request_id)
    again.approve()
    assert said(second) == ("approve", None)
    third = agent.ask("Other")
    asyncio.run(m.hitl.next_async(timeout=10)).abort("too dear")
    with pytest.raises(roma.TaskAborted):
        third.result(10)
    eventually(lambda: list(m.hitl.ledger().state) == ["confirmed"] * 3)
    eventually(lambda: m.pending == [])
    ledger = m.hitl.ledger()
    assert list(ledger.action) == ["modify", "approve", "abort"]
    assert set(ledger.via) == {"python"}
    assert set(ledger.project_id) == {m.project["id"]}
    assert (ledger.waited_s >= 0).all()
    assert ledger.asked.notna().all()


def test_what_is_wrong_is_said_and_the_question_stays(m: roma.Monitor, agent: Agent) -> None:
    answer = agent.ask()
    question = m.hitl.next(timeout=10)
    with pytest.raises(roma.AnswerError, match="takes instructions"):
        question.modify(" ")
    assert question.state == "open"
    question.approve()
    with pytest.raises(roma.AnswerError, match="was answered already: approve"):
        question.abort()
    assert said(answer) == ("approve", None)
    with pytest.raises(roma.WaitTimeout, match=r"Waited 0.05 s for a question; the run is running"):
        m.hitl.next(timeout=0.05)
    still_asked = agent.ask()
    left = m.hitl.next(timeout=10)
    m.disconnect()
    for act in (left.approve, m.hitl.next, lambda: m.hitl.policy(print)):
        with pytest.raises(roma.NotLive):
            act()
    assert not still_asked.done()
    assert len(m.hitl.ledger()) == 2


def test_callbacks_hear_of_questions_and_answers(m: roma.Monitor, agent: Agent) -> None:
    heard: list[Any] = []
    before = agent.ask("Before")
    m.hitl.next(timeout=10)

    @m.hitl.on_request
    def answer(request: roma.HitlRequest) -> None:
        heard.append(request.checkpoint)
        request.approve(f"seen {request.checkpoint}")  # type: ignore[attr-defined]

    m.on("hitl_answered", lambda request: heard.append((request.checkpoint, request.answer.action)))
    after = agent.ask("After")
    assert [said(before), said(after)] == [("approve", "seen Before"), ("approve", "seen After")]
    eventually(lambda: len(heard) == 4)
    assert set(heard) == {"Before", ("Before", "approve"), "After", ("After", "approve")}


def test_a_policy_answers_up_to_its_limit_and_then_the_person_is_asked(m: roma.Monitor, agent: Agent) -> None:
    m.hitl.policy(lambda r: ("modify", "shorter") if r.checkpoint == "PlanReview" else None, limit=2)
    other = agent.ask("Other")
    assert [said(agent.ask()), said(agent.ask())] == [("modify", "shorter")] * 2
    third, fourth = agent.ask(), agent.ask()
    eventually(lambda: len(m.hitl.pending) == 3)
    eventually(lambda: errors(m))
    assert [one for one in errors(m) if "has given its 2 answers" in one] == errors(m)
    assert len(errors(m)) == 1
    assert not any(answer.done() for answer in (other, third, fourth))
    assert {question.state for question in m.hitl.pending} == {"open"}
    assert list(m.hitl.ledger().via.dropna()) == ["policy", "policy"]
    for question in m.hitl.pending:
        question.approve()
    assert [said(answer) for answer in (other, third, fourth)] == [("approve", None)] * 3


def test_on_answer_changes_holds_and_may_not_take_too_long(
    m: roma.Monitor, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = agent.ask()
    m.hitl.on_answer(lambda request, answer: ("modify", f"{request.task_id}: {answer.instructions}"))
    m.hitl.next(timeout=10).modify("shorter")
    assert said(first) == ("modify", "root: shorter")
    second = agent.ask()
    question = m.hitl.next(timeout=10)
    monkeypatch.setattr(answering, "ON_ANSWER_S", 0.05)
    may_end = threading.Event()
    for hold in (lambda request, answer: 1 / 0, lambda request, answer: may_end.wait(10)):
        m.hitl.on_answer(hold)
        with pytest.raises(roma.AnswerError, match="is held"):
            question.approve()
        assert (question.state, second.done()) == ("held", False)
        eventually(lambda: m.pending[0]["state"] == "held" and m.pending[0]["why"] == question.why)
    may_end.set()
    m.hitl.on_answer(None)
    question.approve()
    assert said(second) == ("approve", None)


def test_an_answer_is_typed_where_a_cell_can_ask(
    m: roma.Monitor, agent: Agent, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = agent.ask(data={"proposed_plan": PLAN})
    lines = ["m", "Add opening hours"]
    monkeypatch.setattr(builtins, "input", lambda _="": lines.pop(0))
    m.hitl.next(timeout=10, prompt=True)
    assert said(answer) == ("modify", "Add opening hours")
    assert "  1. [SEARCH] Find prices" in capsys.readouterr().out

    def nobody(_: str = "") -> str:
        raise EOFError

    monkeypatch.setattr(builtins, "input", nobody)
    again = agent.ask()
    assert m.hitl.next(timeout=10, prompt=True).state == "open"
    assert not again.done()


def test_a_button_is_heard_at_once_and_its_answer_reaches_the_agent(m: roma.Monitor, agent: Agent) -> None:
    answer = agent.ask()
    question = m.hitl.next(timeout=10)
    replies: list[Any] = []
    m._channel._send = lambda content, buffers: replies.append(content)
    m._hear_from_browser(None, {"type": "hello", "view": "v", "rev": None}, [])
    press = {"type": "do", "action": "answer", "request": question.request_id, "answer": "approve"}
    m._hear_from_browser(None, {**press, "rid": "1"}, [])
    m._hear_from_browser(None, {**press, "rid": "2"}, [])  # a double click
    assert said(answer) == ("approve", None)
    eventually(lambda: question.state == "confirmed")
    told = {content["rid"]: content for content in replies if content["type"] == "reply"}
    assert told["1"]["ok"]
    assert "was answered already: approve" in told["2"]["error"]
    assert [content["state"] for content in replies if content["type"] == "settled"] == ["confirmed"]
    assert m.hitl.ledger().via[0] == "button"


def test_as_code_of_one_run_answers_another(m: roma.Monitor, agent: Agent, connect: Connect) -> None:
    for checkpoint, instructions in (("PlanReview", "Add 'opening hours'"), ("Budget", None)):
        answer = agent.ask(checkpoint)
        question = m.hitl.next(timeout=10)
        question.modify(instructions) if instructions else question.approve()
        answer.result(10)
    code = m.hitl.as_code()
    second = Agent()
    try:
        another = connect(second.server.url)
        exec(compile(code, "<cell>", "exec"), {"m": another})
        assert said(second.ask("PlanReview")) == ("modify", "Add 'opening hours'")
        assert said(second.ask("Budget")) == ("approve", None)
        unknown = second.ask("Something new")
        assert another.hitl.next(timeout=10).checkpoint == "Something new"
        assert not unknown.done()
    finally:
        second.close()


def test_what_roma_repeats_is_asked_once_and_answered_in_its_words(
    connect: Connect, wire: Callable[..., WireServer]
) -> None:
    server = wire(
        {"/api/health": SAFE, "/api/projects": projects_list("p1")},
        greeting=[packet("projects_list", projects_list("p1"))],
    )
    m = connect(server.url)
    eventually(lambda: server.clients_now and m.connection["state"] == "live")
    asked: list[str] = []
    m.hitl.policy(lambda request: asked.append(request.request_id))
    request = {"request_id": "r1", "checkpoint_name": "c", "node_id": "root", "current_attempt": 0}
    for _ in range(3):
        server.emit("hitl_request", request)
    server.emit("hitl_request", {"request_id": "r2"})
    eventually(lambda: asked == ["r1", "r2"])
    refused: list[str] = []

    def answer(_change: Any) -> None:
        try:
            m.hitl.pending[0].approve()
        except RuntimeError as error:
            refused.append(str(error))

    m.observe(answer, "pending")  # on roma-io, where nobody may wait
    m.hitl.next(timeout=5).modify("shorter")
    eventually(lambda: refused)
    assert "on it (from a trait observer?)" in refused[0]
    assert [name for name, _ in server.emitted].count("hitl_response") == 1
    assert server.emitted[-1][1] == [
        {
            "request_id": "r1",
            "action": "modify",
            "modification_instructions": "shorter",
            "checkpoint_name": "c",
            "node_id": "root",
        }
    ]
    eventually(
        lambda: (
            [(each["request_id"], each["state"]) for each in m.pending] == [("r1", "sent"), ("r2", "open")]
        )
    )
    assert m.hitl.next(timeout=0).request_id == "r2"
