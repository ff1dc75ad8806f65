"""Questions through a relay: asked of everyone, answered once, and an answer waits for a server that is away."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from client.conftest import proxy, wire
from client.proxy import Fault, Proxy
from client.servers import (
    IDLE,
    ROMA_V1,
    ServerThread,
    WireServer,
    eventually,
    frame,
    node,
    packet,
    projects_list,
)
from relay.below import TIMEOUT_S, Below
from relay.conftest import MakeRelay

import roma_widget as roma
from roma_widget.client import questions
from roma_widget.core import prompts as ledger
from roma_widget.relay import asking

__all__ = ["proxy", "wire"]
pytestmark = pytest.mark.usefixtures("quick")

Join = Callable[..., Below]


class Question:
    """One that an agent asks of a server of ours; `answers` has what it got."""

    def __init__(self, server: roma.Server, n_tasks: int = 1) -> None:
        self.answers: list[tuple[str, str | None]] = []
        self._project = server.project("Survey")
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(n_tasks)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        with self._project.task(f"part {number}") as task:
            answer = task.ask("PlanReview", f"Good? {number}", data={"plan": [number]}, timeout=60)
            self.answers.append((answer.action, answer.instructions))

    def end(self) -> list[tuple[str, str | None]]:
        for thread in self._threads:
            thread.join(TIMEOUT_S)
            assert not thread.is_alive()
        return self.answers


@pytest.fixture
def above() -> Iterator[roma.Server]:
    with roma.Server(interval_s=0.02) as server:
        yield server


@pytest.fixture
def join(servers: ServerThread, closing: Callable[[Any], Any]) -> Join:
    return lambda url, label=None: closing(Below(servers, url, label))


def live(relay: Any) -> Any:
    eventually(lambda: relay.session.feed.questions.is_linked, TIMEOUT_S)
    return relay


def without_time(news: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in news.items() if key not in ("answered_at", "rid")}


class TestTheFirstAnswer:
    def test_counts_and_everyone_hears_whose_it_was(
        self, above: roma.Server, relay_of: MakeRelay, join: Join
    ) -> None:
        relay = live(relay_of(above.url))
        ann, bob, plain = join(relay.url, "Ann"), join(relay.url, "Bob"), join(relay.url)
        question = Question(above)
        asked = [each.hears("hitl_request")[0] for each in (ann, bob, plain)]
        request_id = asked[0]["request_id"]
        assert asked[0] == asked[1] == {**asked[2], "project_id": asked[0]["project_id"]}
        event, reply = ann.answer(request_id, "modify", "Shorter.")
        assert question.end() == [("modify", "Shorter.")]
        assert event == "hitl_answered"
        assert without_time(reply) == {
            "request_id": request_id,
            "project_id": asked[0]["project_id"],
            "node_id": asked[0]["node_id"],
            "action": "modify",
            "modification_instructions": "Shorter.",
            "answered_by": "Ann",
        }
        assert [without_time(each) for each in bob.hears("hitl_answered")] == [without_time(reply)]
        event, reply = bob.answer(request_id)
        assert event == "hitl_error"
        assert "it was answered (modify by Ann)" in reply["message"]
        assert plain.answer(request_id) is None
        assert "by Ann" in plain.hears("hitl_error")[0]["message"]
        assert plain.all("hitl_answered") == []
        assert len(ann.all("hitl_answered")) == 1

    def test_given_above_is_told_with_its_own_label(
        self, above: roma.Server, relay_of: MakeRelay, join: Join
    ) -> None:
        relay = live(relay_of(above.url))
        below, beside = join(relay.url, "Ann"), join(above.url, "Zoe")
        question = Question(above)
        request_id = below.hears("hitl_request")[0]["request_id"]
        beside.answer(request_id, "modify", "Longer.")
        question.end()
        (news,) = below.hears("hitl_answered")
        assert (news["action"], news["answered_by"]) == ("modify", "Zoe")
        assert news["modification_instructions"] == "Longer."
        assert "it was answered (modify by Zoe)" in below.answer(request_id)[1]["message"]

    def test_given_below_two_relays_is_told_above_with_all_who_passed_it_on(
        self, above: roma.Server, relay_of: MakeRelay, join: Join
    ) -> None:
        upper = live(relay_of(above.url))
        lower = live(relay_of(upper.url))
        by_upper, by_lower = (f" (via {relay.session.feed.label})" for relay in (upper, lower))
        zoe, bob, ann = join(above.url, "Zoe"), join(upper.url, "Bob"), join(lower.url, "Ann")
        question = Question(above)
        request_id = ann.hears("hitl_request")[0]["request_id"]
        assert ann.answer(request_id)[1]["answered_by"] == "Ann"
        question.end()
        assert bob.hears("hitl_answered")[0]["answered_by"] == f"Ann{by_lower}"
        assert zoe.hears("hitl_answered")[0]["answered_by"] == f"Ann{by_lower}{by_upper}"
        eventually(lambda: [each.state for each in lower.session.feed.questions.all] == ["confirmed"])

    def test_says_on_whose_behalf_in_few_words(self, above: roma.Server, join: Join) -> None:
        zoe, bob = join(above.url, "Zoe"), join(above.url, "Bob")
        claims = ["x" * 1_000, ["Ann"], "\ud800", ""]
        question = Question(above, n_tasks=len(claims))
        asked = [each["request_id"] for each in bob.hears("hitl_request", len(claims))]
        for request_id, claim in zip(asked, claims, strict=True):
            bob.asks("hitl_response", {"request_id": request_id, "action": "approve", "answered_by": claim})
        told = {each["request_id"]: each["answered_by"] for each in zoe.hears("hitl_answered", len(claims))}
        assert [told[each] for each in asked] == ["x" * 80 + " (via Bob)", "Bob", "? (via Bob)", "Bob"]
        question.end()

    def test_that_is_none_leaves_the_question_open(
        self, above: roma.Server, relay_of: MakeRelay, join: Join
    ) -> None:
        relay = live(relay_of(above.url))
        ann = join(relay.url, "Ann")
        question = Question(above)
        request_id = ann.hears("hitl_request")[0]["request_id"]
        for action, instructions in (("yes", None), ("modify", " "), ("approve", "x" * 100_000)):
            event, _ = ann.answer(request_id, action, instructions)
            assert event == "hitl_error"
        assert "no such request" in ann.answer("nobody asked")[1]["message"]
        ann.answer(request_id)
        assert question.end() == [("approve", None)]

    def test_what_closes_above_is_closed_below(
        self, above: roma.Server, relay_of: MakeRelay, join: Join
    ) -> None:
        relay = live(relay_of(above.url))
        ann = join(relay.url, "Ann")
        with above.project("Survey") as project, project.task("Survey") as root, pytest.raises(TimeoutError):
            root.ask("PlanReview", "Good?", timeout=0.3)
        (closed,) = ann.hears("hitl_closed")
        assert closed["state"] == "lost"
        assert closed["reason"]
        assert ann.hears("hitl_request")[0]["request_id"] == closed["request_id"]


class TestWhileTheServerIsAway:
    def test_an_answer_is_taken_at_once_and_sent_once(
        self, above: roma.Server, relay_of: MakeRelay, join: Join, proxy: Callable[[int], Proxy]
    ) -> None:
        between = proxy(above.port)
        relay = live(relay_of(between.url))
        ann, bob = join(relay.url, "Ann"), join(relay.url, "Bob")
        question = Question(above)
        request_id = ann.hears("hitl_request")[0]["request_id"]
        between.now(Fault("cut"))
        eventually(lambda: not relay.session.feed.questions.is_linked, TIMEOUT_S)
        began_s = time.monotonic()
        event, reply = ann.answer(request_id, "modify", "Shorter.")
        took_s = time.monotonic() - began_s
        assert (event, reply["action"], reply["answered_by"]) == ("hitl_queued", "modify", "Ann")
        assert reply["note"] == asking.NOT_REACHED
        assert bob.hears("hitl_queued") == [{key: reply[key] for key in reply if key != "rid"}]
        assert "it was answered (modify by Ann)" in bob.answer(request_id)[1]["message"]
        assert ann.answer(request_id, "modify", "Shorter.")[0] == "hitl_queued"  # as after a lost link
        late = join(relay.url, "Eve")
        assert [name for name, _ in late.heard if name.startswith("hitl")] == ["hitl_request", "hitl_queued"]
        between.clear()
        assert question.end() == [("modify", "Shorter.")]
        for each in (ann, bob, late):
            assert [news["answered_by"] for news in each.hears("hitl_answered")] == ["Ann"]
        assert took_s < 0.1

    def test_notebooks_show_it_as_it_stands(
        self, above: roma.Server, relay_of: MakeRelay, join: Join, proxy: Callable[[int], Proxy]
    ) -> None:
        between = proxy(above.port)
        relay = live(relay_of(between.url))
        ann, m = join(relay.url, "Ann"), roma.connect(relay.url)
        question = Question(above, n_tasks=2)
        first, second = (each["request_id"] for each in ann.hears("hitl_request", 2))
        ledger_of = m._session.question
        try:
            eventually(lambda: len(m.hitl.pending) == 2, TIMEOUT_S)
            between.now(Fault("cut"))
            eventually(lambda: not relay.session.feed.questions.is_linked, TIMEOUT_S)
            ann.answer(first, "modify", "Shorter.")
            eventually(lambda: "Ann answered: modify." in str(ledger_of(first).why), TIMEOUT_S)
            next(each for each in m.hitl.pending if each.request_id == second).approve()
            eventually(lambda: "The relay keeps it" in str(ledger_of(second).why), TIMEOUT_S)
            between.clear()
            assert sorted(question.end()) == [("approve", None), ("modify", "Shorter.")]
            eventually(lambda: ledger_of(second).state == "confirmed", TIMEOUT_S)
            eventually(lambda: ledger_of(first).state == "superseded", TIMEOUT_S)
            assert ledger_of(first).why == "Ann answered: modify."
        finally:
            m.disconnect()

    def test_a_relay_below_a_relay_shows_what_the_upper_one_keeps(
        self, above: roma.Server, relay_of: MakeRelay, join: Join, proxy: Callable[[int], Proxy]
    ) -> None:
        between = proxy(above.port)
        upper = live(relay_of(between.url))
        lower = live(relay_of(upper.url))
        zoe, ann, bob = join(upper.url, "Zoe"), join(lower.url, "Ann"), join(lower.url, "Bob")
        question = Question(above, n_tasks=2)
        first, second = (each["request_id"] for each in ann.hears("hitl_request", 2))
        between.now(Fault("cut"))
        eventually(lambda: ann.all("relay")[-1]["state"] == "reconnecting", TIMEOUT_S)
        assert ann.answer(first, "modify", "Shorter.")[0] == "hitl_queued"
        assert zoe.answer(second, "approve")[0] == "hitl_queued"
        told = [(each["action"], each["answered_by"]) for each in bob.hears("hitl_queued", 2)]
        assert told == [("modify", "Ann"), ("approve", "Zoe")]
        assert "it was answered (approve by Zoe)" in bob.answer(second)[1]["message"]
        between.clear()
        assert sorted(question.end()) == [("approve", None), ("modify", "Shorter.")]
        told = sorted((each["action"], each["answered_by"]) for each in bob.hears("hitl_answered", 2))
        assert told == [("approve", "Zoe"), ("modify", "Ann")]


def test_clients_are_told_how_the_relay_stands(
    above: roma.Server, relay_of: MakeRelay, join: Join, proxy: Callable[[int], Proxy]
) -> None:
    between = proxy(above.port)
    relay = live(relay_of(between.url))
    ann, plain = join(relay.url, "Ann"), join(relay.url)
    assert [name for name, _ in ann.heard[:2]] == ["extension", "relay"]
    told = ann.heard[1][1]
    assert (told["of"], told["state"], told["reason"], told["error"]) == (between.url, "live", None, None)
    joined_at = datetime.fromisoformat(told["heard_at"])
    between.now(Fault("cut"))
    eventually(lambda: ann.all("relay")[-1]["state"] == "reconnecting", TIMEOUT_S)
    assert ann.all("relay")[-1]["error"]
    heard_at = ann.all("relay")[-1]["heard_at"]
    assert joined_at < datetime.fromisoformat(heard_at) <= datetime.now(UTC)
    late = join(relay.url, "Late").hears("relay")[0]
    heard_again = datetime.fromisoformat(late["heard_at"]) - datetime.fromisoformat(heard_at)
    assert abs(heard_again.total_seconds()) < 0.1
    with urllib.request.urlopen(f"{relay.url}/api/health", timeout=TIMEOUT_S) as answer:
        health = json.load(answer)
    assert health["safe_to_join"] is True
    assert (health["relay"]["of"], health["relay"]["state"]) == (between.url, "reconnecting")
    between.clear()
    eventually(lambda: ann.all("relay")[-1]["state"] == "live", TIMEOUT_S)
    assert plain.all("relay") == []


def prompt(request_id: str = "r1", **fields: Any) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "checkpoint_name": "PlanReview",
        "node_id": "root",
        "current_attempt": 1,
        "context_message": "Good?",
        "data_for_review": {"plan": []},
        "timestamp": "2026-11-22T21:15:31.376339+00:00",
        **fields,
    }


@pytest.fixture
def roma_above(wire: Callable[..., WireServer]) -> WireServer:
    """Plain ROMA, whose run goes on while a socket is open."""
    answers = {"/api/health": ROMA_V1, "/api/executions": IDLE, "/api/projects": projects_list("p1")}
    return wire(
        answers,
        greeting=[
            packet("projects_list", projects_list("p1")),
            packet("task_graph_update", frame([node("root")])),
        ],
    )


def responses(server: WireServer) -> list[Any]:
    return [arguments[0] for name, arguments in server.emitted if name == "hitl_response"]


class TestPlainRoma:
    def test_that_asks_again_behind_its_acknowledgement_asks_everyone_again(
        self,
        roma_above: WireServer,
        relay_of: MakeRelay,
        join: Join,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(ledger, "SETTLING_S", 0.0)
        relay = live(relay_of(roma_above.url))
        ann, bob = join(relay.url, "Ann"), join(relay.url, "Bob")
        roma_above.emit("hitl_request", prompt())
        first = bob.hears("hitl_request")
        assert first[0]["timestamp"] == prompt()["timestamp"]
        assert ann.answer("r1")[0] == "hitl_answered"
        roma_above.emit("hitl_request", prompt())
        again = bob.hears("hitl_request", 2)
        assert again[0] == again[1]
        assert bob.answer("r1", "abort")[0] == "hitl_answered"
        assert [each["action"] for each in responses(roma_above)] == ["approve", "abort"]

    def test_whose_run_goes_on_has_somebody_elses_answer(
        self, roma_above: WireServer, relay_of: MakeRelay, join: Join, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"INTERVAL_S": 0.2, "SLACK_S": 0.1}.items():
            monkeypatch.setattr(ledger, name, value)
        monkeypatch.setattr(questions, "LOOK_EVERY_S", 0.02)
        relay = live(relay_of(roma_above.url))
        ann = join(relay.url, "Ann")
        roma_above.emit("hitl_request", prompt())
        ann.hears("hitl_request")
        roma_above.send_frame([node("root", "DONE")])
        (closed,) = ann.hears("hitl_closed")
        assert closed["state"] == "superseded"
        assert "somebody else" in closed["reason"]
        assert "somebody else" in ann.answer("r1")[1]["message"]

    def test_an_answer_without_acknowledgement_is_queued_and_waits_for_the_question(
        self, roma_above: WireServer, relay_of: MakeRelay, join: Join, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "PATIENCE_S", 0.1)
        monkeypatch.setattr(questions, "ACKNOWLEDGED_WITHIN_S", 0.2)
        monkeypatch.setattr(ledger, "SETTLING_S", 0.0)
        roma_above.acknowledge = False
        relay = live(relay_of(roma_above.url))
        relay.session.feed.hearing.requests._given_up_s = 0.1
        ann = join(relay.url, "Ann")
        roma_above.emit("hitl_request", prompt())
        ann.hears("hitl_request")
        assert ann.answer("r1")[0] == "hitl_queued"
        eventually(
            lambda: "did not acknowledge" in str(relay.session.feed.questions.get("r1").why), TIMEOUT_S
        )
        roma_above.acknowledge = True
        assert len(responses(roma_above)) == 1
        roma_above.emit("hitl_request", prompt())
        ann.hears("hitl_answered")
        assert len(responses(roma_above)) == 2

    def test_what_is_open_is_asked_again_in_the_same_words(
        self, roma_above: WireServer, relay_of: MakeRelay, join: Join, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(asking, "REPEAT_S", 0.0)
        monkeypatch.setattr(asking, "LOOK_S", 0.02)
        relay = live(relay_of(roma_above.url))
        ann, plain = join(relay.url, "Ann"), join(relay.url)
        roma_above.emit("hitl_request", prompt(data_for_review={"b": 1.50, "a": None}))
        for each in (ann, plain):
            first, *others = each.hears("hitl_request", 3)
            assert all(list(other) == list(first) and other == first for other in others)

    def test_a_thousand_questions_reach_who_joins(
        self, roma_above: WireServer, relay_of: MakeRelay, join: Join
    ) -> None:
        relay = live(relay_of(roma_above.url))
        roma_above.send(*(packet("hitl_request", prompt(f"r{n}", node_id=f"root.{n}")) for n in range(1_000)))
        ann = join(relay.url, "Ann")
        ids = [each["request_id"] for each in ann.hears("hitl_request", 1_000)]
        assert sorted(set(ids)) == sorted(f"r{n}" for n in range(1_000))
