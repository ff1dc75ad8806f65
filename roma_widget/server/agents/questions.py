"""The life of one `task.ask`: its stage in the trace, its prompt, and how both end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from roma_widget.errors import NotLive, RomaError, RunStopped, TaskAborted, WaitTimeout
from roma_widget.server.agents.checks import seconds_of, text_of
from roma_widget.server.state.hitl import Answer, AskerGone, Prompt
from roma_widget.server.wire.records import frozen

if TYPE_CHECKING:
    from roma_widget.server.agents.tasks import Task


class Question:
    """The life of one `ask`: its stage, its prompt, and how both end."""

    def __init__(self, task: Task, checkpoint: str, message: str, data: Any, timeout: float | None) -> None:
        self._task = task
        self.timeout_s = None if timeout is None else seconds_of(timeout, "timeout")
        self._asked = (text_of(checkpoint, "checkpoint"), text_of(message, "message"), frozen(data))
        self._stage = task.stage("hitl", agent=task.node.fields["agent_name"])
        self._server = task.project.server
        self._prompt: Prompt | None = None

    @property
    def prompt(self) -> Prompt:
        assert self._prompt is not None, "the question has not been asked yet"
        return self._prompt

    def __enter__(self) -> None:
        self._stage.__enter__()
        try:
            checkpoint, message, data = self._asked
            with self._task.project.reporting():
                state = self._task.project.state
                self._prompt = state.prompts.ask(
                    self._task.project.id, self._task.id, checkpoint, message, data, time.monotonic()
                )
                state.wants_saving()
            self._stage.record(
                prompt=message,
                context=data,
                parameters={"checkpoint": checkpoint, "request_id": self.prompt.request_id},
            )
            self._server.prompt_opened(self.prompt)
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever ended the waiting: nobody is asked any more for what nobody waits for."""
        if self._prompt is not None and not self._prompt.future.done():
            self._withdraw("expired", "its asker stopped waiting")
        self._stage.__exit__(kind, error, trace)

    def answered(self, answer: Answer) -> Answer:
        self._stage.record(
            response=answer.instructions or answer.action,
            output={
                "action": answer.action,
                "instructions": answer.instructions,
                "answered_by": answer.answered_by,
            },
        )
        if answer.action == "abort":
            said = f": {answer.instructions}" if answer.instructions else ""
            raise TaskAborted(f"A human aborted the task {self._task.id} at {self._asked[0]}{said}.")
        return answer

    def at_the_last_moment(self) -> Answer:
        """The time is over: nobody may answer any more. An answer that came just before that counts; else
        WaitTimeout.
        """
        self._withdraw("expired", f"nobody answered within {self.timeout_s:g} s")
        try:
            return self.prompt.future.result(0)
        except AskerGone as gone:
            if self._task.project.is_stopped:
                raise self.gone(gone) from None
        raise WaitTimeout(f"Nobody answered {self._asked[0]} of {self._task.id} within {self.timeout_s:g} s.")

    def gone(self, gone: AskerGone) -> RomaError:
        if self._task.project.is_stopped:
            return RunStopped(f"The run was stopped while {self._task.id} waited for an answer.")
        return NotLive(f"The question of {self._task.id} was closed: {gone}.")

    def _withdraw(self, state: str, why: str) -> None:
        state_of_server = self._task.project.state
        with state_of_server.lock:
            closed = state_of_server.prompts.withdraw(self.prompt, why)
        if closed:
            self._server.prompt_closed(self.prompt, state, why)
