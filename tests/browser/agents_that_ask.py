"""Agents of the test's own process, which ask; their server notes when each answer comes out of its socket."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import roma_widget as roma
from roma_widget.server.state.hitl import Prompt

MOST_AT_ONCE = 64
WITHIN_S = 20.0


@dataclass(frozen=True)
class Asked:
    request_id: str
    answer: Future[Any]

    def said(self) -> tuple[str, str | None]:
        """The answer as its agent got it."""
        got = self.answer.result(WITHIN_S)
        return got.action, got.instructions


class Agents:
    """A run of four tasks. `received` has each answer that came to the server: the question, and when (epoch ms)."""

    def __init__(self) -> None:
        self.server = roma.Server(interval_s=0.05)
        self.received: list[tuple[str, float]] = []
        self._told: list[str] = []
        self._news = threading.Condition()
        self._pool = ThreadPoolExecutor(MOST_AT_ONCE)
        self._run = ExitStack()

    def __enter__(self) -> Self:
        self._run.enter_context(self._pool)
        self._run.enter_context(self.server)
        project = self._run.enter_context(self.server.project("Compare three small museums"))
        root = self._run.enter_context(project.task("Compare three small museums"))
        goals = ("Look up opening hours", "Look up step-free access", "Weigh the museums for children")
        self.tasks = [root, *(self._run.enter_context(root.task(goal)) for goal in goals)]
        prompts = self.server.state.prompts
        answer = prompts.answer

        def noted(request_id: str, *rest: Any) -> Any:
            with self._news:
                self.received.append((request_id, time.time() * 1000))
                self._news.notify_all()
            return answer(request_id, *rest)

        prompts.answer = noted  # type: ignore[method-assign, assignment]
        tell = self.server.prompt_opened

        def told(prompt: Prompt) -> None:
            tell(prompt)
            with self._news:
                self._told.append(prompt.request_id)
                self._news.notify_all()

        self.server.prompt_opened = told  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self.withdraw()
        self._run.close()

    def withdraw(self) -> None:
        """Take back what is still open."""
        why = "the test is over"
        state = self.server.state
        for prompt in state.prompts.open():
            with state.lock:
                state.prompts.withdraw(prompt, why)
            self.server.prompt_closed(prompt, "expired", why)

    def ask(self, message: str = "Is it good?", data: Any = None, task: int = 1) -> Asked:
        """Have a task ask; returns when clients are being told, so that they hear of one after the other."""
        before = len(self._told)
        answer = self._pool.submit(
            self.tasks[task].ask, "PlanReview", message, data=data, timeout=3 * WITHIN_S
        )
        with self._news:
            assert self._news.wait_for(lambda: len(self._told) > before, WITHIN_S), "nobody was told"
            return Asked(self._told[before], answer)

    def received_at_ms(self, request_id: str) -> float:
        """When the first answer to a question came; waits for it."""
        with self._news:
            assert self._news.wait_for(lambda: self._first(request_id) is not None, WITHIN_S)
            at_ms = self._first(request_id)
            assert at_ms is not None
            return at_ms

    def _first(self, request_id: str) -> float | None:
        return next((at_ms for one, at_ms in self.received if one == request_id), None)
