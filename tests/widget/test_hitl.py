"""`m.hitl` without a server: who answers what, what is held, what a policy may, what a person reads and types."""

from __future__ import annotations

import asyncio
import builtins
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest
from client.servers import eventually
from widget.asked import Monitor

import roma_widget as roma
from roma_widget.core.hitl import Answer, HitlState
from roma_widget.core.model import Snapshot
from roma_widget.errors import AnswerError, NotLive, WaitTimeout
from roma_widget.widget import answering
from roma_widget.widget.answering import read_answer
from roma_widget.widget.asking import question_text

PLAN = {
    "proposed_plan": {
        "sub_tasks": [
            {"goal": "Find prices", "task_type": "SEARCH", "node_type": "EXECUTE"},
            {"goal": "Weigh them", "task_type": "THINK", "depends_on_indices": [0]},
        ]
    },
    "task_goal": "Compare",
}


@pytest.fixture
def m() -> Iterator[Monitor]:
    monitor = Monitor()
    yield monitor
    monitor._callbacks.end()


# -- a question that was given out


def test_a_question_is_answered_and_shows_how_it_stands(m: Monitor) -> None:
    m.ask("r1", "r2", data=PLAN)
    first, second = m.hitl.pending
    assert isinstance(first, roma.HitlRequest)
    assert (first.checkpoint, first.task_id, first.state, first.data) == ("PlanReview", "root", "open", PLAN)
    answered = first.approve("go on")
    assert answered == first
    assert (first.state, first.answer and first.answer.via) == (HitlState.SENT, "python")
    copied = pickle.loads(pickle.dumps(first))
    assert (type(copied), copied.state, first == copied) == (roma.HitlRequest, "sent", True)
    second.modify("shorter")
    m.ask("r3")
    m.hitl.next(0).abort()
    assert m.sent == [
        ("r1", "approve", "go on", "python"),
        ("r2", "modify", "shorter", "python"),
        ("r3", "abort", None, "python"),
    ]


def test_what_is_no_answer_is_refused_and_the_question_stays(m: Monitor) -> None:
    m.ask("r1")
    question = m.hitl.next(0)
    for instructions in ("", "  \n", None, 7):
        with pytest.raises(AnswerError, match=r"[Ii]nstructions"):
            question.modify(instructions)  # type: ignore[arg-type]
    with pytest.raises(AnswerError, match="not 'frobnicate'"):
        m.press("r1", "frobnicate")
    with pytest.raises(AnswerError, match="no question 'r7'"):
        m.press("r7", "approve")
    assert (question.state, m.sent) == ("open", [])
    question.approve()
    for again in (question.approve, lambda: m.press("r1", "abort")):
        with pytest.raises(AnswerError, match="was answered already: approve"):
            again()
    assert len(m.sent) == 1


def test_after_the_end_nothing_is_answered_and_all_can_be_read(m: Monitor) -> None:
    m.ask("r1")
    question = m.hitl.next(0)
    m.is_gone = True
    for act in (question.approve, m.hitl.next, lambda: m.hitl.policy(print), lambda: m.hitl.on_answer(print)):
        with pytest.raises(NotLive):
            act()
    assert (question.state, len(m.hitl.ledger()), m.sent) == ("open", 1, [])


# -- on_answer


def test_on_answer_sees_every_answer_and_may_change_it(m: Monitor) -> None:
    seen: list[Any] = []

    @m.hitl.on_answer
    def see(request: Any, answer: Answer) -> Any:
        seen.append((request.request_id, answer.action, answer.via, threading.current_thread().name))
        return ("modify", "with a table") if answer.action == "modify" else None

    m.ask("r1", "r2")
    m.press("r1", "modify", "shorter")
    eventually(lambda: m.state("r1") == "sent")
    m.hitl.next(0).approve()
    assert seen == [
        ("r1", "modify", "button", "roma-on-answer"),
        ("r2", "approve", "python", "roma-on-answer"),
    ]
    assert m.sent == [("r1", "modify", "with a table", "button"), ("r2", "approve", None, "python")]
    assert see(m.hitl.pending[0], Answer("approve", None, "python", 0.0)) is None


@pytest.mark.parametrize(
    ("fn", "why"),
    [
        (lambda request, answer: 1 / 0, "on_answer raised ZeroDivisionError: division by zero."),
        (lambda request, answer: sys.exit(3), "on_answer raised SystemExit: 3."),
        (lambda request, answer: "modify", "To modify takes instructions"),
        (lambda request, answer: 7, "An answer is None"),
        (lambda request: None, "positional argument"),
    ],
)
def test_what_on_answer_does_not_let_go_is_held_and_can_be_answered_again(
    m: Monitor, fn: Any, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    m.hitl.on_answer(fn)
    m.ask("r1")
    m.press("r1", "approve")
    eventually(lambda: m.state("r1") == "held")
    question = m.hitl.next(0)
    assert why in (question.why or "")
    with pytest.raises(AnswerError, match="is held and was not sent"):
        question.approve()
    assert m.sent == []
    m.hitl.on_answer(None)
    question.approve()
    assert (m.sent, question.why) == ([("r1", "approve", None, "python")], None)


def test_on_answer_that_takes_too_long_holds_and_says_nothing_later(
    m: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "ON_ANSWER_S", 0.05)
    may_end, ended = threading.Event(), threading.Event()

    def slow(request: Any, answer: Answer) -> Any:
        assert may_end.wait(10)
        ended.set()
        return "abort"

    m.hitl.on_answer(slow)
    m.ask("r1")
    with pytest.raises(AnswerError, match="took longer than 0"):
        m.hitl.next(0).approve()
    m.hitl.on_answer(None)
    m.press("r1", "approve")
    may_end.set()
    assert ended.wait(10)
    m.caught_up()
    assert m.sent == [("r1", "approve", None, "button")]


def test_of_an_on_answer_that_never_ends_only_so_many_are_called(
    m: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "ON_ANSWER_S", 0.01)
    monkeypatch.setattr(answering, "MOST_OVERDUE", 2)
    may_end, calls = threading.Event(), list[str]()

    def stuck(request: Any, answer: Answer) -> None:
        calls.append(request.request_id)
        may_end.wait(10)

    m.hitl.on_answer(stuck)
    m.ask("r1")
    for why in ("took longer", "took longer", "2 earlier calls of it have not ended"):
        with pytest.raises(AnswerError, match=why):
            m.hitl.next(0).approve()
    may_end.set()
    assert calls == ["r1", "r1"]
    assert m.sent == []


def test_while_on_answer_runs_the_question_cannot_be_answered_again(m: Monitor) -> None:
    may_end = threading.Event()
    m.hitl.on_answer(lambda request, answer: may_end.wait(10) and None)
    m.ask("r1", "r2")
    m.press("r1", "approve")
    with pytest.raises(AnswerError, match="is being answered"):
        m.press("r1", "abort")
    assert m.hitl.next(0).request_id == "r2"
    may_end.set()
    eventually(lambda: m.state("r1") == "sent")
    assert m.sent == [("r1", "approve", None, "button")]


# -- callbacks


def test_each_question_is_told_once_also_those_that_were_there(m: Monitor) -> None:
    told: list[str] = []
    answered: list[Any] = []
    m.ask("r1")

    @m.hitl.on_request
    def tell(request: Any) -> None:
        told.append(request.request_id)

    end = m.on("hitl_request", lambda request: request.approve() if request.request_id == "r2" else None)
    m.on("hitl_answered", lambda request: answered.append((request.request_id, request.answer.action)))
    m.ask("r1", "r2")
    m.ask("r2", "r3")
    m.caught_up()
    end()
    m.hitl.next(0).abort()
    m.caught_up()
    assert told == ["r1", "r2", "r3"]
    assert answered == [("r2", "approve"), ("r1", "abort")]


def test_a_question_that_the_server_asks_again_after_its_answer_is_told_again(m: Monitor) -> None:
    told: list[str] = []
    m.on("hitl_request", lambda request: told.append(request.request_id))
    m.ask("r1")
    m.hitl.next(0).approve()
    m.ask("r1", at_s=200.0)
    m.caught_up()
    assert (told, m.state("r1")) == (["r1", "r1"], "open")


# -- a policy


def test_a_policy_answers_what_it_wants_to_and_leaves_the_rest(m: Monitor) -> None:
    said: dict[str, object] = {"r1": "approve", "r2": None, "r3": ("modify", "shorter")}
    asked: list[str] = []
    m.ask("r1", "r2")

    @m.hitl.policy
    def decide(request: Any) -> object:
        asked.append(request.request_id)
        return said[request.request_id]

    m.ask("r2", "r3")
    m.caught_up()
    assert asked == ["r1", "r2", "r3"]
    assert m.sent == [("r1", "approve", None, "policy"), ("r3", "modify", "shorter", "policy")]
    assert (m.state("r2"), m.failures) == ("open", [])
    m.hitl.policy(None)
    m.ask("r4")
    m.caught_up()
    assert (asked, m.state("r4")) == (["r1", "r2", "r3"], "open")


def test_a_policy_that_has_given_its_answers_asks_the_person_and_says_so_once(m: Monitor) -> None:
    m.hitl.policy(lambda request: "approve", limit=2)
    m.ask("r1", "r2", "r3", "r4")
    m.caught_up()
    assert [m.state(each) for each in ("r1", "r2", "r3", "r4")] == ["sent", "sent", "open", "open"]
    [(name, sentence)] = m.failures
    assert name == "policy"
    assert "has given its 2 answers (limit=2)" in sentence
    m.hitl.policy(lambda request: None if request.request_id == "r3" else "abort")
    m.caught_up()
    assert m.state("r4") == "sent"  # a later policy is asked of what is open


@pytest.mark.parametrize(
    "said", [True, 7, ("modify", ""), "modify", "frobnicate", ("approve", 7), ["approve"]]
)
def test_what_a_policy_says_that_is_no_answer_asks_the_person(m: Monitor, said: Any) -> None:
    m.hitl.policy(lambda request: said)
    m.ask("r1")
    m.caught_up()
    assert (m.sent, m.state("r1")) == ([], "open")
    assert [name for name, _ in m.failures] == ["policy"]


def test_a_policy_that_raises_asks_the_person_and_is_not_asked_twice(m: Monitor) -> None:
    asked: list[str] = []

    def fail(request: Any) -> object:
        asked.append(request.request_id)
        raise KeyError("no idea")

    m.hitl.policy(fail)
    m.ask("r1")
    m.ask("r1", at_s=200.0)
    m.caught_up()
    assert (asked, m.sent) == (["r1"], [])
    assert "KeyError: 'no idea' (question r1 waits)" in m.failures[0][1]


def test_a_question_that_comes_again_after_the_policys_answer_waits_and_says_so(m: Monitor) -> None:
    m.hitl.policy(lambda request: "approve")
    m.ask("r1")
    m.caught_up()
    m.ask("r1", at_s=200.0)
    m.caught_up()
    assert (len(m.sent), m.state("r1")) == (1, "open")
    [(name, sentence)] = m.failures
    assert name == "policy"
    assert "Question r1 came again and waits: Your answer (approve) was acknowledged" in sentence


@pytest.mark.parametrize("then", ["says nothing", "says it again", "raises"])
def test_answers_that_a_policy_gives_by_itself_count(m: Monitor, then: str) -> None:
    def answer(request: Any) -> object:
        request.approve()
        if then == "raises":
            raise KeyError("no idea")
        return "approve" if then == "says it again" else None

    m.hitl.policy(answer, limit=1)
    m.ask("r1", "r2")
    m.caught_up()
    assert [m.state(each) for each in ("r1", "r2")] == ["sent", "open"]
    assert "has given its 1 answer" in m.failures[-1][1]
    assert not any("waits)" in sentence for _, sentence in m.failures)


@pytest.mark.parametrize(
    ("fn", "limit"), [("approve", 5), (print, 0), (print, -1), (print, True), (print, 2.0)]
)
def test_what_is_no_policy_is_refused(m: Monitor, fn: Any, limit: Any) -> None:
    with pytest.raises(ValueError, match="takes a"):
        m.hitl.policy(fn, limit=limit)
    with pytest.raises(ValueError, match="takes a function"):
        m.hitl.on_answer("approve")  # type: ignore[arg-type]


def test_what_counts_as_an_answer() -> None:
    assert read_answer(None) is None
    assert read_answer(("abort", None)) == ("abort", None)
    assert read_answer(Answer("modify", "x", "python", 1.0)) == ("modify", "x")


# -- waiting


def test_next_gives_the_oldest_waits_for_one_and_ends(m: Monitor) -> None:
    with pytest.raises(WaitTimeout, match="Waited 0 s for a question; the run is running"):
        m.hitl.next(timeout=0)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(m.hitl.next)
        m.ask("r1", "r2")
        assert waiting.result(10).request_id == "r1"
    assert m.hitl.next().request_id == "r1"
    assert asyncio.run(m.hitl.next_async(timeout=1)).request_id == "r1"
    m.press("r1", "approve")
    assert m.hitl.next().request_id == "r2"
    with pytest.raises(ValueError, match="timeout takes"):
        m.hitl.next(timeout=-1)


def test_next_ends_when_the_run_does_or_the_session(m: Monitor) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(m.hitl.next)
        eventually(lambda: len(m._session._news._waiters))  # type: ignore[attr-defined]
        m.change(snapshot=Snapshot(outcome="with_failures"))
        with pytest.raises(NotLive, match=r"The run has ended \(with failures\)"):
            waiting.result(10)
        with pytest.raises(NotLive, match="has ended"):  # also when it had before
            m.hitl.next()
        m.change(snapshot=Snapshot(outcome="running"))
        waiting = pool.submit(m.hitl.next)
        eventually(lambda: len(m._session._news._waiters))  # type: ignore[attr-defined]
        m.change(is_closed=True)
        with pytest.raises(NotLive, match="closed"):
            waiting.result(10)


# -- input()


def typed(monkeypatch: pytest.MonkeyPatch, *lines: str | BaseException) -> None:
    left = list(lines)

    def read(_prompt: str = "") -> str:
        line = left.pop(0)
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr(builtins, "input", read)


@pytest.mark.parametrize(
    ("lines", "sent"),
    [
        (["a"], ("r1", "approve", None, "input")),
        (["?", " Approve "], ("r1", "approve", None, "input")),
        (["m", "shorter"], ("r1", "modify", "shorter", "input")),
        (["m", " ", "m", "shorter"], ("r1", "modify", "shorter", "input")),
        (["x", "n", "x", "y"], ("r1", "abort", None, "input")),
        ([""], None),
        ([EOFError()], None),
        (["m", EOFError()], None),
        ([RuntimeError("no front end")], None),
    ],
)
def test_an_answer_is_typed(
    m: Monitor,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    lines: list[Any],
    sent: Any,
) -> None:
    m.ask("r1", data=PLAN)
    typed(monkeypatch, *lines)
    question = m.hitl.next(prompt=True)
    assert m.sent == ([sent] if sent else [])
    assert question.state == ("sent" if sent else "open")
    printed = capsys.readouterr().out
    assert "  1. [SEARCH/EXECUTE] Find prices\n  2. [THINK] Weigh them (after 1)" in printed
    assert ("It stays open" in printed) == (sent is None)


def test_an_interrupt_leaves_it_open_and_somebody_quicker_is_said(
    m: Monitor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    m.ask("r1")
    typed(monkeypatch, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        m.hitl.next(prompt=True)
    assert m.state("r1") == "open"

    def read(_prompt: str = "") -> str:
        m.press("r1", "abort")
        return "a"

    monkeypatch.setattr(builtins, "input", read)
    m.hitl.next(prompt=True)
    assert "was answered already: abort" in capsys.readouterr().out
    assert len(m.sent) == 1


def test_a_question_is_printed_bounded_and_without_control_characters(m: Monitor) -> None:
    m.ask("r1", message="\x1b[2J<b>\u0007", data={"x": "y" * 5_000_000}, checkpoint=None, task_id=None)
    text = question_text(m.hitl.next(0))
    assert text.startswith("A question, attempt 1\n�[2J<b>�\n")
    assert len(text) <= 4_100
    assert text.endswith("all of them are in request.data)")


# -- the ledger and the code

TYPES = {
    "request_id": "string",
    "project_id": "string",
    "checkpoint": "string",
    "task_id": "string",
    "attempt": "Int64",
    "asked": "datetime64[us, UTC]",
    "answered": "datetime64[us, UTC]",
    "waited_s": "float64",
    "action": "string",
    "instructions": "string",
    "via": "string",
    "state": "string",
}


def test_the_ledger_has_its_columns_also_when_it_is_empty(m: Monitor) -> None:
    empty = m.hitl.ledger()
    assert {name: str(kind) for name, kind in empty.dtypes.items()} == TYPES
    m.ask("r1", "r2", "r3", checkpoint=None, task_id=None, attempt=None)
    m.hitl.pending[0].modify("shorter")
    m.hitl.on_answer(lambda request, answer: 1 / 0)
    with pytest.raises(AnswerError):
        m.hitl.pending[1].approve()
    ledger = m.hitl.ledger()
    assert {name: str(kind) for name, kind in ledger.dtypes.items()} == TYPES
    assert list(ledger.index) == [0, 1, 2]
    assert list(ledger.loc[0, ["action", "instructions", "via", "state"]]) == [
        "modify", "shorter", "python", "sent",
    ]  # fmt: skip
    assert ledger.loc[0, "answered"] == pd.Timestamp(datetime.fromtimestamp(100, UTC))
    assert ledger.loc[0, "waited_s"] == 50.0
    missing = ["project_id", "checkpoint", "task_id", "attempt", "asked"]
    assert ledger[missing].isna().all(axis=None)
    assert ledger.loc[1:, ["answered", "waited_s", "action", "via"]].isna().all(axis=None)
    assert list(ledger.state) == ["sent", "held", "open"]


def run_code(m: Monitor, code: str) -> None:
    exec(compile(code, "<cell>", "exec"), {"m": m})


@pytest.fixture
def another() -> Iterator[Callable[[], Monitor]]:
    made: list[Monitor] = []

    def make() -> Monitor:
        made.append(Monitor())
        return made[-1]

    yield make
    for each in made:
        each._callbacks.end()


def test_as_code_answers_the_same_questions_the_same_way_and_no_others(
    m: Monitor, another: Callable[[], Monitor]
) -> None:
    hostile = "a \"quoted\"\n''' \\ # text\u2028"
    m.ask("r1")
    m.hitl.next(0).modify(hostile)
    m.ask("r2", attempt=2)
    m.hitl.next(0).approve("fine")
    m.ask("r3", task_id=None, checkpoint=None)
    m.hitl.next(0).abort()
    m.ask("r4", task_id="root.9")  # never answered
    second = another()
    run_code(second, m.hitl.as_code())
    second.ask("s1")
    second.ask("s2", attempt=2)
    second.ask("s3", task_id=None, checkpoint=None)
    second.ask("s4", task_id="root.9")
    second.ask("s5")  # asked once more than it was
    second.caught_up()
    assert second.sent == [
        ("s1", "modify", hostile.strip(), "policy"),
        ("s2", "approve", "fine", "policy"),
        ("s3", "abort", None, "policy"),
    ]
    assert (second.state("s4"), second.state("s5")) == ("open", "open")


def test_as_code_gives_no_agent_what_was_redacted(m: Monitor, another: Callable[[], Monitor]) -> None:
    for request_id, words in (("r1", "Ask [redacted] first"), ("r2", "shorter")):
        m.ask(request_id)
        m.hitl.next(0).modify(words)
    code = m.hitl.as_code()
    assert code.startswith("# Redacted, and so left to a person: 1 answer.\n# 1 answer")
    second = another()
    run_code(second, code)
    second.ask("s1")
    second.ask("s2")
    second.caught_up()
    assert second.sent == [("s2", "modify", "shorter", "policy")]


def test_as_code_of_nothing_is_a_comment(m: Monitor) -> None:
    m.change(snapshot=Snapshot())
    assert m.hitl.as_code() == "# No question was answered here: there is nothing to answer the same way.\n"
