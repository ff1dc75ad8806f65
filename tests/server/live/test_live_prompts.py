"""Questions to humans over the socket: asked, asked again, answered once, closed, lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from server.live_server import (
    DEADLINE_S,
    EXTENDED,
    FRAME,
    GOAL,
    ask,
    is_ended,
    play,
    server_deletes,
)

from roma_widget.server.agents.instrument import Project
from roma_widget.server.embedded import Server
from roma_widget.server.live.asking import Asking
from roma_widget.server.state.hitl import Prompt


class Question:
    """A run that asks once and keeps the answer or what was raised instead."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.error: BaseException | None = None

    def __call__(self, project: Project, goal: str, options: Mapping[str, Any]) -> None:
        with project.task(goal) as root:
            try:
                self.answer = root.ask("PlanReview", "Is this good?", data={"plan": [1]}, timeout=30)
            except BaseException as error:
                self.error = error
                raise


def test_the_first_answer_counts_and_is_told(client: Any) -> None:
    run = Question()

    async def scenario() -> None:
        with Server(run=run, interval_s=0.02) as server:
            async with client(server.url) as plain, client(server.url, auth=EXTENDED) as ann:
                ((_, started),) = await ask(plain, "start_project", {"project_goal": GOAL})
                for each in (plain, ann):
                    await each.until(lambda each=each: bool(each.payloads("hitl_request")))
                (prompt,) = plain.payloads("hitl_request")
                assert prompt.keys() == {
                    "checkpoint_name",
                    "context_message",
                    "data_for_review",
                    "node_id",
                    "current_attempt",
                    "request_id",
                    "timestamp",
                }
                project_id = started["project"]["id"]
                assert ann.payloads("hitl_request") == [{**prompt, "project_id": project_id}]
                async with client(server.url, auth=EXTENDED) as late:
                    assert late.payloads("hitl_request") == ann.payloads("hitl_request")
                async with client(server.url) as late:
                    assert not late.payloads("hitl_request")
                response = {"request_id": prompt["request_id"], "action": "modify"}
                ((name, reply),) = await ask(plain, "hitl_response", response)
                assert name == "hitl_error"
                assert "modify needs modification_instructions" in reply["message"]
                response |= {"modification_instructions": "shorter", "rid": 7}
                ((name, told),) = await ask(ann, "hitl_response", response)
                assert (name, told.pop("rid")) == ("hitl_answered", 7)
                assert told.pop("answered_at")
                assert told == {
                    "request_id": prompt["request_id"],
                    "project_id": project_id,
                    "node_id": "root",
                    "action": "modify",
                    "modification_instructions": "shorter",
                    "answered_by": "Ann",
                }
                ((name, reply),) = await ask(plain, "hitl_response", response)
                assert name == "hitl_error"
                assert "answered (modify by Ann)" in reply["message"]
                await plain.until(lambda: is_ended(plain.payloads(FRAME)[-1]))
                assert run.answer.instructions == "shorter"
                assert not plain.payloads("hitl_answered")

    play(scenario)


def test_others_hear_who_answered(client: Any) -> None:
    run = Question()

    async def scenario() -> None:
        with Server(run=run, interval_s=0.02) as server:
            async with client(server.url) as plain, client(server.url, auth=EXTENDED) as ann:
                await ask(plain, "start_project", {"project_goal": GOAL})
                await plain.until(lambda: bool(plain.payloads("hitl_request")))
                request_id = plain.payloads("hitl_request")[0]["request_id"]
                assert (
                    await ask(plain, "hitl_response", {"request_id": request_id, "action": "approve"}) == []
                )
                await ann.until(lambda: bool(ann.payloads("hitl_answered")))
                (told,) = ann.payloads("hitl_answered")
                assert (told["action"], told["answered_by"]) == ("approve", "")

    play(scenario)


def test_a_prompt_is_sent_again_until_it_is_answered(client: Any) -> None:
    async def scenario() -> None:
        with Server(run=Question(), interval_s=0.02, resend_s=0.05) as server:
            async with client(server.url) as plain:
                await ask(plain, "start_project", {"project_goal": GOAL})
                await plain.until(lambda: len(plain.payloads("hitl_request")) >= 3)
                first, *again = plain.payloads("hitl_request")
                assert again == [first] * len(again)
                answer = {"request_id": first["request_id"], "action": "approve"}
                assert await ask(plain, "hitl_response", answer) == []
                await plain.until(lambda: is_ended(plain.payloads(FRAME)[-1]))
                sent = len(plain.payloads("hitl_request"))
                await ask(plain, "request_initial_state")
                assert len(plain.payloads("hitl_request")) == sent

    play(scenario)


@pytest.mark.parametrize("way", ["stop", "delete"])
def test_ending_a_run_closes_its_prompts(client: Any, way: str) -> None:
    run = Question()

    async def scenario() -> None:
        with Server(run=run, interval_s=0.02) as server:
            async with client(server.url) as plain, client(server.url, auth=EXTENDED) as ann:
                ((_, started),) = await ask(plain, "start_project", {"project_goal": GOAL})
                await ann.until(lambda: bool(ann.payloads("hitl_request")))
                (prompt,) = ann.payloads("hitl_request")
                project_id = started["project"]["id"]
                if way == "stop":
                    await ask(plain, "stop_project", {"project_id": project_id})
                else:
                    await server_deletes(server, project_id)
                await ann.until(lambda: bool(ann.payloads("hitl_closed")))
                (closed,) = ann.payloads("hitl_closed")
                assert (closed["request_id"], closed["state"]) == (prompt["request_id"], "stopped")
                assert not plain.payloads("hitl_closed")
                response = {"request_id": prompt["request_id"], "action": "approve"}
                ((name, _),) = await ask(plain, "hitl_response", response)
                assert name == "hitl_error"

    play(scenario)


def test_a_question_that_nobody_comes_back_for_is_lost_and_says_so(
    tmp_path: Path, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_joined, lose = threading.Event(), Asking._lose

    async def lose_before_her_eyes(asking: Asking, prompt: Prompt) -> None:
        assert await asyncio.to_thread(has_joined.wait, DEADLINE_S)
        await lose(asking, prompt)

    monkeypatch.setattr(Asking, "_lose", lose_before_her_eyes)

    async def scenario() -> None:
        with Server(run=Question(), data_dir=tmp_path, interval_s=0.02) as server:
            async with client(server.url) as plain:
                ((_, started),) = await ask(plain, "start_project", {"project_goal": GOAL})
                await plain.until(lambda: bool(plain.payloads("hitl_request")))
                await ask(plain, "force_save_project", {"project_id": started["project"]["id"]})
                server.state.store.save = lambda batch: None  # type: ignore[method-assign] # as if it were killed now
        project_id, request_id = started["project"]["id"], plain.payloads("hitl_request")[0]["request_id"]
        with Server(data_dir=tmp_path, interval_s=0.02, reattach_s=0.01) as server:
            async with client(server.url, auth=EXTENDED) as ann:
                has_joined.set()
                assert not ann.payloads("hitl_request")
                await ann.until(lambda: bool(ann.payloads("hitl_closed")))
                (closed,) = ann.payloads("hitl_closed")
                assert (closed["request_id"], closed["state"]) == (request_id, "lost")
                await until_the_trace_says(ann, project_id, "did not come back")
                assert server.state.prompts.of_project(project_id) == []

    play(scenario)


async def until_the_trace_says(asker: Any, project_id: str, text: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            ((_, data),) = await ask(
                asker, "request_node_trace", {"project_id": project_id, "node_id": "root"}
            )
            stage = data["trace"]["stages"][-1]
            if text in (stage["error_message"] or ""):
                assert (stage["stage_name"], stage["status"]) == ("hitl", "failed")
                return
