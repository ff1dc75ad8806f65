"""A phase of a task, as an agent reports it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from roma_widget.errors import RomaError
from roma_widget.server.agents.checks import fields_of, members_of, number_of, text_of, text_or_none
from roma_widget.server.agents.terms import BothWays, message_of, model_info
from roma_widget.server.agents.tool_calls import tool_call
from roma_widget.server.state.traces import OpenStage, StageStatus
from roma_widget.server.wire.records import clean_text, frozen

if TYPE_CHECKING:
    from roma_widget.server.agents.tasks import Task


class Stage(BothWays):
    """One occurrence of a phase of a task; in the trace from its `with` on."""

    def __init__(
        self, task: Task, name: str, agent: str | None, model: str | None, adapter: str | None
    ) -> None:
        self.task = task
        self.name = text_of(name, "The name of a stage")
        self._agent = text_or_none(agent, "agent")
        self._model = text_or_none(model, "model")
        self._adapter = text_or_none(adapter, "adapter")
        self._open: OpenStage | None = None

    def __repr__(self) -> str:
        return f"<Stage {self.name} of {self.task.id}>"

    @property
    def id(self) -> str | None:
        """The stage's id in the trace; None before its `with`."""
        return self._open.stage.stage_id if self._open is not None else None

    def record(
        self,
        *,
        prompt: Any = None,
        response: Any = None,
        system_prompt: str | None = None,
        messages: Iterable[Any] | None = None,
        usage: Mapping[str, Any] | None = None,
        parameters: Any = None,
        context: Any = None,
        output: Any = None,
        **more: Any,
    ) -> None:
        """Write down what went in and came out; any part, any number of times, the last value of each counts.

        `usage` is what the model's provider counted: `prompt_tokens`, `completion_tokens`, `cost_usd`. It and
        whatever else you name (`more`) are kept under the stage's `additional_data`. Values are frozen when they
        are given. Raises TypeError, RomaError outside of its `with`, RunStopped, NotLive.

        >>> usage = {"prompt_tokens": 12, "completion_tokens": 40}
        >>> stage.record(prompt="Which farms?", response="Forty.", usage=usage)
        """
        if usage is not None:
            usage = fields_of(usage, "usage", '{"prompt_tokens": 12}')
        parts = {
            "user_input": prompt,
            "llm_response": response,
            "system_prompt": system_prompt,
            "processing_parameters": parameters,
            "input_context": context,
            "output_data": output,
        }
        given = {key: frozen(value) for key, value in parts.items() if value is not None}
        if messages is not None:
            messages = list(members_of(messages, "messages", "a list of messages"))
            given["llm_input_messages"] = frozen(messages)
            contents = [message.get("content") for message in messages if isinstance(message, Mapping)]
            given["llm_input_length"] = sum(len(content) for content in contents if isinstance(content, str))
        extra = {
            clean_text(key): frozen(value)
            for key, value in {"usage": usage, **more}.items()
            if value is not None
        }
        with self.task.project.reporting():
            opened = self._opened()
            for key, value in given.items():
                setattr(opened.stage, key, value)
            if extra:
                opened.stage.additional_data = {**(opened.stage.additional_data or {}), **extra}
            self.task.project.state.traces.touch(opened)

    def tool_call(
        self,
        tool: str,
        arguments: Any = None,
        result: Any = None,
        *,
        error: object = None,
        duration_s: float | None = None,
    ) -> None:
        """Write down a call of a tool: its arguments, what it returned or how it failed, how long it took (missing
        is missing). Raises as `record`.

        >>> stage.tool_call("web_search", {"query": "roof farms"}, result=["a", "b"], duration_s=0.4)
        """
        if duration_s is not None:
            duration_s = number_of(duration_s, "duration_s", "seconds")
        call = tool_call(tool, arguments, result, error, duration_s)
        with self.task.project.reporting():
            opened = self._opened()
            stage = opened.stage
            stage.tool_calls = stage.tool_calls if stage.tool_calls is not None else []
            stage.tool_calls.append(call)
            stage.tool_execution_count = len(stage.tool_calls)
            if duration_s is not None:
                stage.tool_call_duration_ms = (stage.tool_call_duration_ms or 0.0) + duration_s * 1000
            self.task.project.state.traces.touch(opened)

    def _opened(self) -> OpenStage:
        if self._open is None:
            raise RomaError(
                f"The stage {self.name} has not begun: enter it first (`with task.stage(...) as stage:`)."
            )
        if self._open.stage.status != "running":
            raise RomaError(f"The stage {self.name} of {self.task.id} has ended: record inside its `with`.")
        return self._open

    def __enter__(self) -> Self:
        task = self.task
        with task.project.reporting():
            self._open = task.project.state.traces.open_stage(
                task.project.id,
                task.id,
                task.goal,
                self.name,
                agent_name=self._agent,
                adapter_name=self._adapter or self._agent,
                model_info=model_info(self._model, self._adapter or self._agent),
            )
            task.open_stages.append(self)
            task.settle()
            self._name_agent()
        return self

    def _name_agent(self) -> None:
        """The task shows who works on it, where nobody has said it of the task itself."""
        changes: dict[str, Any] = {}
        if self._agent is not None and not self.task.keeps_agent:
            changes["agent_name"] = self._agent
        if self._model is not None and not self.task.keeps_model:
            changes |= {
                "model_display": self._model,
                "model_info": model_info(self._model, self._adapter or self._agent),
            }
        if changes:
            self.task.change(**changes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = self.task
        with task.project.leaving():
            if self._open is not None:
                status: StageStatus = "completed" if error is None else "failed"
                task.project.state.traces.close_stage(
                    self._open, status, message_of(error) if error is not None else None
                )
            if self in task.open_stages:
                task.open_stages.remove(self)
            if error is None:
                task.settle()
