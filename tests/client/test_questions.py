"""Questions of agents over a real socket: none is lost, and each answer goes out once, whatever the link does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from client.proxy import Fault, Proxy
from client.servers import (
    IDLE,
    ROMA_V1,
    RUNNING,
    SAFE,
    Replay,
    WireServer,
    eventually,
    frame,
    free_port,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget.archive.capture import read_capture
from roma_widget.client import questions
from roma_widget.client.loop import io_thread
from roma_widget.client.socket import Link
from roma_widget.core import prompts as ledger
from roma_widget.core.hitl import HitlRequest
from roma_widget.server.agents.instrument import Project

pytestmark = pytest.mark.usefixtures("quick", "soon")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
GOAL = "Survey of rooftop farms"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is silent for half a second asks no more."""
    monkeypatch.setattr(questions, "LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(ledger, "INTERVAL_S", 0.3)
    monkeypatch.setattr(ledger, "SLACK_S", 0.2)


LISTED = {
    "projects": [{"id": "p1", "status": "running"}, {"id": "p2", "status": "completed"}],
    "current_project_id": "p1",
}


class Asks:
    """A run of some tasks, each of which asks once; what they were answered is in `answers`."""

    def __init__(self, n_tasks: int = 1) -> None:
        self.answers: list[tuple[str, str | None]] = []
        self._n_tasks = n_tasks

    def __call__(self, project: Project, goal: str, options: Mapping[str, Any]) -> None:
        with project.task(goal) as root:
            if self._n_tasks == 1:
                self._ask(root)
                return
            threads = [threading.Thread(target=self._part, args=(root, n)) for n in range(self._n_tasks)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    def _part(self, root: Any, number: int) -> None:
        with root.task(f"part {number}") as part:
            self._ask(part)

    def _ask(self, task: Any) -> None:
        answer = task.ask("PlanReview", "Is this good?", data={"plan": [1]}, timeout=30)
        self.answers.append((answer.action, answer.instructions))


@pytest.fixture
def ours(closing: Callable[[Any], Any]) -> Iterator[Callable[..., roma.Server]]:
    """A server of ours that has begun this run."""
    servers: list[roma.Server] = []

    def begun(run: Asks, **options: Any) -> roma.Server:
        server = roma.Server(run=run, interval_s=0.02, **options).start()
        servers.append(server)
        starter = roma.connect(server.url)
        try:
            starter.start(GOAL)
        finally:
            starter.close()
        return server

    yield begun
    for server in servers:
        server.stop()


def asked(m: roma.Monitor, count: int = 1) -> tuple[HitlRequest, ...]:
    """The pending questions, once there are so many and the trait says the same."""

    def told() -> bool:
        ids = [each.request_id for each in m._session.prompts()]
        return len(ids) == count and ids == [each["request_id"] for each in m.pending]

    eventually(told)
    pending: tuple[HitlRequest, ...] = m._session.prompts()
    return pending


def answer(
    m: roma.Monitor,
    request_id: str,
    action: str = "approve",
    instructions: str | None = None,
    within_s: float = 5,
) -> HitlRequest:
    return io_thread().result(
        m._session.answer(request_id, action, instructions, "python", within_s), timeout_s=10
    )


def entry(m: roma.Monitor, request_id: str) -> HitlRequest:
    return next(each for each in m._session.hitl_ledger() if each.request_id == request_id)


def becomes(m: roma.Monitor, request_id: str, state: str) -> HitlRequest:
    eventually(lambda: entry(m, request_id).state == state)
    return entry(m, request_id)


def responses(server: WireServer) -> list[Any]:
    return [arguments[0] for name, arguments in server.emitted if name == "hitl_response"]


def prompt(request_id: str = "r1", task_id: str | None = "root", **fields: Any) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "checkpoint_name": "PostInitialPlanGeneration",
        "node_id": task_id,
        "current_attempt": 1,
        "context_message": "Good?",
        "data_for_review": {"plan": []},
        "timestamp": "2026-11-22T21:15:31.376339",
        **fields,
    }


class TestOurServer:
    def test_an_answer_is_confirmed_by_its_word(self, connect: Connect, ours: Any) -> None:
        run = Asks()
        m = connect(ours(run).url)
        (request,) = asked(m)  # it was asked before the monitor came
        assert (request.checkpoint, request.task_id, request.data) == ("PlanReview", "root", {"plan": [1]})
        assert request.project_id == m.wait(lambda s: s.project, timeout=5).project_id
        assert request.asked is not None
        assert answer(m, request.request_id).state == "confirmed"
        assert m.wait("done", timeout=5) == "succeeded"
        assert run.answers == [("approve", None)]
        eventually(lambda: m.pending == [])

    def test_without_the_extension_the_run_itself_confirms_it(
        self, connect: Connect, ours: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Link, "_auth", lambda _: None)
        run = Asks()
        m = connect(ours(run, resend_s=0.1).url)
        (request,) = asked(m)  # heard when it was repeated
        assert answer(m, request.request_id, "modify", "Shorter.").state == "sent"
        assert m.wait("done", timeout=5) == "succeeded"
        assert run.answers == [("modify", "Shorter.")]
        assert becomes(m, request.request_id, "confirmed").why is None

    def test_fifty_at_once_are_answered_once_each(self, connect: Connect, ours: Any) -> None:
        run = Asks(50)
        m = connect(ours(run).url)
        requests = asked(m, 50)

        async def all_twice() -> list[Any]:
            both = [
                m._session.answer(each.request_id, "approve", None, "button", 5.0)
                for each in requests
                for _ in range(2)
            ]
            return await asyncio.gather(*both, return_exceptions=True)

        results = io_thread().result(all_twice(), timeout_s=20)
        assert sum(isinstance(each, roma.AnswerError) for each in results) == 50
        assert m.wait("done", timeout=10) == "succeeded"
        assert run.answers == [("approve", None)] * 50

    def test_two_monitors_of_one_feed_have_one_answer(self, connect: Connect, ours: Any) -> None:
        run = Asks()
        url = ours(run).url
        m, other = connect(url), connect(url)
        (request,) = asked(m)
        asked(other)
        answer(m, request.request_id)
        with pytest.raises(roma.AnswerError, match="answered already: approve"):
            answer(other, request.request_id, "abort")
        assert m.wait("done", timeout=5) == "succeeded"
        assert run.answers == [("approve", None)]

    def test_of_two_kernels_one_answers_and_the_other_says_superseded(
        self, connect: Connect, ours: Any
    ) -> None:
        run = Asks(2)
        url = ours(run).url
        m, other = connect(url), connect(url, headers={"X-Other": "a feed of its own"})
        first, second = asked(m, 2)
        asked(other, 2)
        answer(m, first.request_id)
        assert "answered: approve" in str(becomes(other, first.request_id, "superseded").why)

        async def at_once() -> list[str]:
            both = (
                each._session.answer(second.request_id, "approve", None, "button", 5.0) for each in (m, other)
            )
            return [str(each.state) for each in await asyncio.gather(*both)]

        assert sorted(io_thread().result(at_once(), timeout_s=10)) == ["confirmed", "superseded"]
        assert m.wait("done", timeout=5) == "succeeded"
        assert run.answers == [("approve", None)] * 2

    def test_a_run_that_is_stopped_asks_no_more(self, connect: Connect, ours: Any) -> None:
        m = connect(ours(Asks()).url)
        (request,) = asked(m)
        m.stop()
        lost = becomes(m, request.request_id, "lost")
        assert "stopped" in str(lost.why)
        with pytest.raises(roma.AnswerError, match="not open any more"):
            answer(m, request.request_id)

    def test_a_restart_keeps_the_question_and_an_answer_given_meanwhile(
        self, connect: Connect, tmp_path: Path
    ) -> None:
        server = roma.Server(port=free_port(), data_dir=tmp_path, interval_s=0.02).start()
        given: list[str] = []

        def ask(task: Any) -> None:
            try:
                given.append(task.ask("PlanReview", "Good?", timeout=10).action)
            except roma.NotLive:
                given.append("the server was stopped")

        project = server.project(GOAL).__enter__()
        asking = threading.Thread(target=ask, args=(project.task(GOAL).__enter__(),))
        asking.start()
        m = connect(server.url)
        (request,) = asked(m)
        server.stop()
        asking.join()
        eventually(lambda: m.connection["state"] == "reconnecting")
        waiting = answer(m, request.request_id)
        assert (waiting.state, waiting.why) == (
            "waiting_link",
            "There is no connection: it is sent as soon as there is one.",
        )
        server.start()
        try:
            eventually(lambda: "come back" in str(entry(m, request.request_id).why))
            with (
                server.project(GOAL, project_id=project.id) as again,
                again.task(GOAL, task_id="root") as root,
            ):
                ask(root)
            assert given == ["the server was stopped", "approve"]
            assert becomes(m, request.request_id, "confirmed").request_id == request.request_id
            assert len(m._session.hitl_ledger()) == 1
        finally:
            server.stop()


class TestTheLink:
    @pytest.mark.parametrize("within_s", [5.0, 0.0], ids=["lost right behind it", "lost later"])
    def test_an_answer_that_the_network_swallowed_is_sent_again(
        self,
        connect: Connect,
        ours: Any,
        proxy: Callable[[int], Proxy],
        monkeypatch: pytest.MonkeyPatch,
        within_s: float,
    ) -> None:
        monkeypatch.setattr(ledger, "RESEND_WITHIN_S", within_s)
        monkeypatch.setattr(ledger, "SETTLING_S", 0.0)
        run = Asks()
        between = proxy(ours(run).port)
        m = connect(between.url)
        (request,) = asked(m)
        between.now(Fault("black-hole"), "up")
        assert answer(m, request.request_id, within_s=0).state == "waiting_link"
        between.clear()
        between.cut()
        assert becomes(m, request.request_id, "confirmed").answer is not None
        assert m.wait("done", timeout=5) == "succeeded"
        assert run.answers == [("approve", None)]

    def test_an_answer_whose_acknowledgement_was_swallowed_counts_once_and_is_ours(
        self, connect: Connect, ours: Any, proxy: Callable[[int], Proxy]
    ) -> None:
        run = Asks()
        between = proxy(ours(run).port)
        m = connect(between.url)
        (request,) = asked(m)
        between.now(Fault("black-hole"), "down")
        answer(m, request.request_id, within_s=0)
        eventually(lambda: run.answers)
        assert entry(m, request.request_id).state == "waiting_link"
        between.clear()
        between.cut()
        becomes(m, request.request_id, "confirmed")
        assert run.answers == [("approve", None)]

    def test_questions_outlive_an_outage_and_wait_for_the_link(
        self, connect: Connect, ours: Any, proxy: Callable[[int], Proxy]
    ) -> None:
        run = Asks(3)
        between = proxy(ours(run).port)
        m = connect(between.url)
        requests = asked(m, 3)
        between.now(Fault("cut"))
        eventually(lambda: m.connection["state"] == "reconnecting")
        assert asked(m, 3) == requests
        for each in requests:
            assert answer(m, each.request_id).state == "waiting_link"
        between.clear()
        assert m.wait("done", timeout=5) == "succeeded"
        assert run.answers == [("approve", None)] * 3


class TestRomaItself:
    """It says nothing of an answer, and nothing of whose question it is."""

    @pytest.fixture
    def server(self, wire: Wire) -> WireServer:
        return wire(
            {
                "/api/health": ROMA_V1,
                "/api/executions": IDLE,
                "/api/projects": LISTED,
                "/api/projects/p1": {"project": {"id": "p1", "goal": "g"}, "state": frame([node("root")])},
                "/api/projects/p2": {
                    "project": {"id": "p2", "goal": "g"},
                    "state": frame([node("root")], "p2"),
                },
            },
            greeting=[packet("projects_list", LISTED)],
        )

    @pytest.fixture
    def m(self, connect: Connect, server: WireServer) -> roma.Monitor:
        monitor = connect(server.url)
        monitor.wait("connected", timeout=5)
        eventually(lambda: server.clients_now)
        server.send_frame([node("root")])
        monitor.wait(lambda s: s.tasks, timeout=5)
        return monitor

    def test_a_question_of_another_project_is_told_in_the_list(
        self, m: roma.Monitor, server: WireServer
    ) -> None:
        def waiting() -> dict[str, int]:
            return {project["id"]: project["questions"] for project in m.projects}

        server.send_frame([node("root"), node("root.1")], project="p2")
        server.send_frame([node("root")], project="p1")
        m.watch("p1", timeout=5)
        server.emit("hitl_request", prompt("of_p2", "root.1"))
        eventually(lambda: waiting() == {"p1": 0, "p2": 1})
        assert m.pending == []
        m.watch("p2", timeout=5)
        answer(m, "of_p2")
        eventually(lambda: waiting() == {"p1": 0, "p2": 0})

    def test_a_recorded_review_comes_out_as_it_went(
        self, connect: Connect, replay: Callable[..., Replay], captures: Path
    ) -> None:
        server = replay(read_capture(captures / "b_hitl.jsonl.xz"))
        m = connect(server.url)
        m.wait("connected", timeout=5)
        server.go_to(3)
        (first,) = asked(m)
        assert first.data["proposed_plan"]["sub_tasks"]
        server.go_to(34)  # it was repeated
        assert len(asked(m)) == 1
        assert answer(m, first.request_id, "modify", "Add a step about step-free access.").state == "sent"
        server.go_to(37)
        becomes(m, first.request_id, "confirmed")
        (second,) = asked(m)
        assert (second.attempt, second.previous_id) == (0, first.request_id)
        assert answer(m, second.request_id).state == "sent"
        server.go_to(40)
        becomes(m, second.request_id, "confirmed")
        server.go_to(50)  # others answered the next one, and the one after it
        eventually(lambda: len(m._session.hitl_ledger()) == 4)
        third, fourth = m._session.hitl_ledger()[2:]
        assert (third.state, fourth.previous_id) == ("superseded", third.request_id)
        server.go_to_end()
        becomes(m, fourth.request_id, "superseded")
        asked(m, 0)

    def test_a_question_belongs_to_the_only_run_that_has_its_task(
        self, m: roma.Monitor, server: WireServer
    ) -> None:
        server.emit("hitl_request", prompt())
        assert asked(m)[0].project_id == "p1"
        server.send_frame([node("root"), node("root.1")], project="p2")
        server.emit("hitl_request", prompt("r2"))
        server.emit("hitl_request", prompt("r3", "root.1"))
        server.emit("hitl_request", prompt("r4", None))
        m.watch("p1", timeout=5)
        assert [each.project_id for each in asked(m, 3)] == ["p1", None, None]
        m.watch("p2", timeout=5)
        assert [each.request_id for each in asked(m, 3)] == ["r2", "r3", "r4"]
        assert entry(m, "r3").project_id == "p2"

    def test_an_answer_goes_out_as_romas_page_says_it_and_nothing_unasked(
        self, m: roma.Monitor, server: WireServer
    ) -> None:
        server.emit("hitl_request", prompt())
        asked(m)
        with pytest.raises(roma.AnswerError, match="takes instructions"):
            answer(m, "r1", "modify", " ")
        with pytest.raises(roma.AnswerError, match="not 'frobnicate'"):
            answer(m, "r1", "frobnicate")
        with pytest.raises(roma.AnswerError, match="no question"):
            answer(m, "r9")
        assert responses(server) == []
        assert answer(m, "r1", "abort", "Enough.").state == "sent"
        assert responses(server) == [
            {
                "request_id": "r1",
                "action": "abort",
                "modification_instructions": "Enough.",
                "checkpoint_name": "PostInitialPlanGeneration",
                "node_id": "root",
            }
        ]
        server.send_frame([node("root", "FAILED")])
        becomes(m, "r1", "confirmed")

    def test_somebody_else_has_answered_when_it_asks_no_more_and_goes_on(
        self, m: roma.Monitor, server: WireServer
    ) -> None:
        server.emit("hitl_request", prompt())
        asked(m)
        server.send_frame([node("root", "PLAN_DONE")])
        assert "somebody else" in str(becomes(m, "r1", "superseded").why)

    def test_a_server_that_acknowledges_nothing_is_told_again_when_it_asks_again(
        self, m: roma.Monitor, server: WireServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(questions, "ACKNOWLEDGED_WITHIN_S", 0.1)
        m._session._feed.questions._prompts._settling_s = 0.0
        server.emit("hitl_request", prompt())
        asked(m)
        m._session._feed.hearing.requests._given_up_s = 0.0
        server.acknowledge = False
        answer(m, "r1", within_s=0)
        eventually(lambda: "did not acknowledge" in str(entry(m, "r1").why))
        assert len(responses(server)) == 1
        server.acknowledge = True
        server.emit("hitl_request", prompt())
        becomes(m, "r1", "sent")
        assert len(responses(server)) == 2

    def test_answers_do_not_wait_for_each_other_and_a_refusal_belongs_to_the_one_it_quotes(
        self, m: roma.Monitor, server: WireServer
    ) -> None:
        names = ["r0", "r1", "r10"]
        for name in names:
            server.emit("hitl_request", prompt(name))
        asked(m, 3)
        server.acknowledge = False
        for name in names:
            answer(m, name, within_s=0)
        eventually(lambda: len(responses(server)) == 3)
        server.emit("hitl_error", {"message": "request r10: it was answered (abort by Bob)"})
        assert becomes(m, "r10", "superseded").why == "The server said: it was answered (abort by Bob)."
        server.emit("hitl_error", {"message": "request r1: it was answered (abort by Ann)"})
        assert becomes(m, "r1", "superseded").why == "The server said: it was answered (abort by Ann)."
        assert [each.state for each in asked(m, 1)] == ["waiting_link"]
        assert m.connection["error"] is None

    def test_while_it_is_followed_over_http_answers_wait(self, m: roma.Monitor, server: WireServer) -> None:
        server.emit("hitl_request", prompt())
        asked(m)
        server.answers["/api/executions"] = RUNNING
        server.cut()
        eventually(lambda: m.connection["state"] == "polling")
        assert answer(m, "r1").state == "waiting_link"
        eventually(lambda: m.pending[0]["action"] == "approve")
        server.answers["/api/executions"] = IDLE
        becomes(m, "r1", "sent")
        assert len(responses(server)) == 1

    @pytest.mark.parametrize(
        "fields",
        [
            {"checkpoint_name": ["x"], "current_attempt": "one", "context_message": 7, "timestamp": "soon"},
            {"data_for_review": "x" * 5_000_000, "context_message": "<img src=x onerror=alert(1)>" * 10_000},
            {"data_for_review": [[[{"sub_tasks": None}]]], "node_id": {"a": 1}},
            {"data_for_review": None, "node_id": "no such task"},
        ],
        ids=["wrong types", "huge", "odd shapes", "nothing"],
    )
    def test_a_question_that_makes_little_sense_can_be_answered(
        self, m: roma.Monitor, server: WireServer, fields: dict[str, Any]
    ) -> None:
        server.emit("hitl_request", prompt(**fields))
        (request,) = asked(m)
        assert len(str(m.pending)) < 4_000
        assert request.data == fields.get("data_for_review", {"plan": []})
        assert answer(m, "r1").state == "sent"
        server.emit("hitl_request", {"checkpoint_name": "without an id"})
        eventually(lambda: "without an id" in str(m.connection["error"]))
        server.emit("hitl_answered", {"request_id": "unheard of", "action": ["?"]})
        assert len(m._session.hitl_ledger()) == 1

    def test_a_closed_monitor_answers_nothing(self, m: roma.Monitor, server: WireServer) -> None:
        server.emit("hitl_request", prompt())
        asked(m)
        m.close()
        with pytest.raises(roma.NotLive, match="disconnected"):
            answer(m, "r1")
        assert [each.state for each in m._session.hitl_ledger()] == ["open"]


def test_time_without_a_zone_is_told_once_the_zone_is_known(connect: Connect, wire: Wire) -> None:
    server = wire({"/api/health": SAFE}, greeting=[packet("projects_list", projects_list("p1"))])
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.emit("hitl_request", prompt(timestamp="2026-11-22T21:15:31+01:00"))
    server.emit("hitl_request", prompt("r2"))
    asked(m, 2)
    assert [each["asked"] for each in m.pending] == ["2026-11-22T20:15:31+00:00", None]


def test_what_was_answered_while_we_were_away_is_pending_no_more(connect: Connect, wire: Wire) -> None:
    question = packet("hitl_request", {"request_id": "q1", "node_id": "root", "project_id": "p1"})
    server = wire(
        {"/api/health": SAFE, "/api/projects": LISTED},
        greeting=[packet("extension", {"version": 1}), packet("projects_list", LISTED), question],
    )
    m = connect(server.url)
    asked(m)
    server.greeting.remove(question)
    server.cut()
    asked(m, 0)
    (request,) = m._session.hitl_ledger()
    assert (request.state, request.why) == (
        "lost",
        "The server asks no more, and what came of it was not heard.",
    )
