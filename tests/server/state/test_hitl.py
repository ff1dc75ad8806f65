"""The life of a question: asked, answered once, asked again every 30 s, lost with its asker."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from roma_widget.server.state.hitl import AnswerRefused, AskerGone, Prompts
from roma_widget.server.state.store import Batch, Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path)
    yield store
    store.close()


def ask(prompts: Prompts, node_id: str = "root", checkpoint: str = "PlanReview", now_s: float = 0.0) -> str:
    return prompts.ask("p", node_id, checkpoint, "Good?", {"plan": []}, now_s).request_id


def test_a_question_has_the_keys_of_romas(store: Store) -> None:
    prompts = Prompts(store, 0.0)
    ask(prompts)
    (prompt,) = prompts.open()
    plain = json.loads(prompt.payload)
    assert list(plain) == [
        "checkpoint_name",
        "context_message",
        "data_for_review",
        "node_id",
        "current_attempt",
        "request_id",
        "timestamp",
    ]
    assert json.loads(prompt.extended_payload) == {**plain, "project_id": "p"}


def test_the_first_answer_wins_and_later_ones_hear_so(store: Store) -> None:
    prompts = Prompts(store, 0.0)
    request_id = ask(prompts)
    prompt, answer = prompts.answer(request_id, "approve", None, "kernel A")
    assert prompt.future.result(0) is answer
    with pytest.raises(AnswerRefused, match=r"it was answered \(approve by kernel A\)"):
        prompts.answer(request_id, "abort", None, "kernel B")
    assert answer.action == "approve"


@pytest.mark.parametrize(
    ("request_id", "action", "instructions", "why"),
    [
        ("nobody's", "approve", None, "no such request"),
        (None, "frobnicate", None, "approve, modify or abort"),
        (None, "", None, "approve, modify or abort"),
        (None, "modify", None, "needs modification_instructions"),
        (None, "modify", "  ", "needs modification_instructions"),
    ],
)
def test_what_is_no_answer_leaves_the_question_open(
    store: Store, request_id: str | None, action: str, instructions: str | None, why: str
) -> None:
    prompts = Prompts(store, 0.0)
    asked = ask(prompts)
    with pytest.raises(AnswerRefused, match=why):
        prompts.answer(request_id or asked, action, instructions, "")
    assert [prompt.request_id for prompt in prompts.open()] == [asked]


def test_after_modify_the_next_question_is_the_next_attempt(store: Store) -> None:
    prompts = Prompts(store, 0.0)
    attempts = []
    for action, instructions in [("modify", "a"), ("modify", "b"), ("approve", None), ("approve", None)]:
        request_id = ask(prompts)
        attempts.append(json.loads(prompts.open()[0].payload)["current_attempt"])
        prompts.answer(request_id, action, instructions, "")
    assert attempts == [1, 2, 3, 1]


def test_an_open_question_is_sent_again_every_30_s_and_an_answered_one_never(store: Store) -> None:
    prompts = Prompts(store, 0.0)
    request_id = ask(prompts, now_s=0.0)
    assert prompts.next_due_s() == 30.0
    assert prompts.due(29.9) == ([], [])
    again, lost = prompts.due(30.0)
    assert ([prompt.request_id for prompt in again], lost) == ([request_id], [])
    assert prompts.next_due_s() == 60.0
    assert len(prompts.due(200.0)[0]) == 1  # after a pause once, not five times
    assert prompts.next_due_s() == 200.0
    prompts.answer(request_id, "approve", None, "")
    assert prompts.due(1000.0) == ([], [])
    assert prompts.next_due_s() is None


def test_after_a_restart_a_question_waits_for_its_asker(store: Store) -> None:
    prompts = Prompts(store, 0.0)
    request_id = ask(prompts)
    lost_id = ask(prompts, "root.1")
    store.save(Batch(prompts=prompts.take()))
    restarted = Prompts(store, 100.0)
    assert restarted.open() == []
    with pytest.raises(AnswerRefused, match="has not come back"):
        restarted.answer(request_id, "approve", None, "")
    assert ask(restarted, now_s=110.0) == request_id  # the same task, at the same checkpoint
    assert [prompt.request_id for prompt in restarted.open()] == [request_id]
    assert restarted.answer(request_id, "approve", None, "")[1].action == "approve"
    _, lost = restarted.due(160.0)
    assert [prompt.request_id for prompt in lost] == [lost_id]
    with pytest.raises(AskerGone):
        lost[0].future.result(0)
    with pytest.raises(AnswerRefused, match="lost"):
        restarted.answer(lost_id, "approve", None, "")
    store.save(Batch(prompts=restarted.take()))
    assert store.prompts() == {}


def test_another_question_is_not_taken_for_the_one_before_the_restart(store: Store) -> None:
    """A person would read the old one and approve the new one."""
    prompts = Prompts(store, 0.0)
    old = prompts.ask("p", "root", "Check", "Delete 3 files?", ["a"], 0.0).request_id
    store.save(Batch(prompts=prompts.take()))
    restarted = Prompts(store, 0.0)
    new = restarted.ask("p", "root", "Check", "Delete 90000 files?", ["/"], 0.0)
    assert new.request_id != old
    assert [json.loads(prompt.payload)["context_message"] for prompt in restarted.open()] == [
        "Delete 90000 files?"
    ]
    with pytest.raises(AnswerRefused, match="asked something else"):
        restarted.answer(old, "approve", None, "")


def test_what_is_closed_is_remembered_for_a_while(store: Store) -> None:
    prompts = Prompts(store, 0.0)
    first = ask(prompts)
    prompts.answer(first, "approve", None, "")
    for _ in range(1_000):
        prompts.answer(ask(prompts), "approve", None, "")
    with pytest.raises(AnswerRefused, match="no such request"):
        prompts.answer(first, "approve", None, "")
