"""How an agent, any agent, reports what it does: projects, tasks and stages as context managers, sync and async
alike.

    with server.project("Survey of X") as project:
        with project.task("Survey of X", task_type="WRITE") as root:
            with root.stage("planning", agent="planner", model="small-1") as stage:
                stage.record(prompt=question, response=text, usage={"prompt_tokens": 12, "completion_tokens": 40})
            root.finish(text)

Every call may come from any thread. It changes the records under the state's lock and returns; who is told, and
when, is not the agent's business. An exception that leaves a `with` marks what it left as failed, with its message,
and goes on up.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from roma_widget.errors import NotLive, RomaError, RunStopped, TaskAborted, WaitTimeout
from roma_widget.server.hitl import Answer, AskerGone, Prompt
from roma_widget.server.projects import NodeRecord, ProjectRecord
from roma_widget.server.records import clean_text, encode, frozen, now_iso
from roma_widget.server.state import State
from roma_widget.server.tool_calls import tool_call
from roma_widget.server.traces import OpenStage, StageStatus

DONE, FAILED, CANCELLED = "DONE", "FAILED", "CANCELLED"
FINAL = frozenset({DONE, FAILED, CANCELLED})
SUMMARY = 200
"""Characters of a result that stand in its task's `output_summary`."""
_DURING = {"aggregation": "AGGREGATING", "replanning": "NEEDS_REPLAN"}
_INTERRUPTIONS = (
    RunStopped,
    TaskAborted,
    asyncio.CancelledError,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
)
"""These say that somebody ended the task, not that it failed."""

_current: contextvars.ContextVar[Task | None] = contextvars.ContextVar("roma_task", default=None)


class _Context:
    """The parent of a new task where none is given: the task whose `with` is around it."""


CONTEXT = _Context()


class Host(Protocol):
    """What instrumentation needs of a server."""

    @property
    def state(self) -> State: ...

    @property
    def is_running(self) -> bool: ...

    def prompt_opened(self, prompt: Prompt) -> None: ...

    def prompt_closed(self, prompt: Prompt, state: str, why: str) -> None: ...


class Project:
    """A run that is reported. Leaving its `with` ends it: completed, or failed with its root or by an exception."""

    def __init__(self, server: Host, record: ProjectRecord) -> None:
        self.server = server
        self._record = record

    def __repr__(self) -> str:
        return f"<Project {self.goal[:60]!r}, {self.status}>"

    @property
    def id(self) -> str:
        return self._record.project_id

    @property
    def goal(self) -> str:
        return self._record.goal

    @property
    def status(self) -> str:
        return str(self._record.fields["status"])

    @property
    def is_stopped(self) -> bool:
        """Whether somebody asked this run to stop: its next report raises `RunStopped`."""
        return self._record.stop_requested

    def task(
        self,
        goal: str,
        *,
        task_type: str = "THINK",
        node_type: str | None = None,
        agent: str | None = None,
        model: str | None = None,
        parent: Task | _Context | None = CONTEXT,
        depends_on: Iterable[Task] = (),
        context: Iterable[Task] = (),
        task_id: str | None = None,
    ) -> Task:
        """A new task, PENDING until its `with` is entered.

        `task_type` is SEARCH, WRITE, THINK or any word of yours; `node_type` PLAN or EXECUTE (derived where not
        given: a task with sub-tasks is a PLAN). `parent` is the task whose `with` is around this call unless given;
        None makes a root. `depends_on` are the tasks that have to end first, `context` those whose results it
        receives. `task_id` takes up a task again that the project has (after a restart). Raises RunStopped,
        NotLive.

        >>> search = project.task("Find sources", task_type="SEARCH", parent=root)
        """
        needed = tuple(depends_on)
        if isinstance(parent, _Context):
            around = _current.get()
            parent = around if around is not None and around.project.id == self.id else None
        with self._reporting():
            projects = self.server.state.projects
            known = projects.nodes(self._record).get(task_id) if task_id is not None else None
            if known is not None:
                return Task(self, known, parent)
            node = projects.add_node(
                self._record,
                {
                    "task_id": task_id or self._new_id(parent),
                    "goal": clean_text(goal),
                    "task_type": task_type,
                    "node_type": node_type or "EXECUTE",
                    "agent_name": agent,
                    "status": "PENDING",
                    "layer": parent.layer + 1 if parent is not None else 0,
                    "parent_node_id": parent.id if parent is not None else None,
                    "overall_objective": self.goal,
                    "planned_sub_task_ids": [],
                    "input_payload_summary": "",
                    "input_context_sources": tuple(_context_source(task) for task in context),
                    "model_display": model,
                    "model_info": _model_info(model, agent),
                    "aux_data": frozen({"depends_on_indices": _indices(parent, needed)}),
                },
                tuple(task.id for task in needed),
            )
            task = Task(self, node, parent)
            if parent is not None:
                parent._adopt(task)
            return task

    def _new_id(self, parent: Task | None) -> str:
        nodes = self.server.state.projects.nodes(self._record)
        if parent is not None:
            number = len(parent._node.fields["planned_sub_task_ids"]) + 1
            while f"{parent.id}.{number}" in nodes:
                number += 1
            return f"{parent.id}.{number}"
        number = 1
        while (new_id := "root" if number == 1 else f"root-{number}") in nodes:
            number += 1
        return new_id

    def _reporting(self) -> threading.RLock:
        """The lock to report under. Raises where nobody listens any more."""
        if self._record.stop_requested:
            raise RunStopped(f"The run {self.goal[:60]!r} was stopped by request.")
        if not self.server.is_running:
            raise NotLive("The server of this project was stopped: nothing can be reported to it.")
        return self.server.state.lock

    def _change(self, **changes: Any) -> None:
        with self.server.state.lock:
            self.server.state.projects.change(self._record, **changes)

    def __enter__(self) -> Self:
        with self._reporting():
            self._record.alive = True
            self._change(status="running", error=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.server.state.lock:
            if not self._record.alive:
                return  # stopped meanwhile: that has ended it
            self._record.alive = False
            if error is None:
                status, why = self._outcome()
            elif isinstance(error, TaskAborted) or not isinstance(error, _INTERRUPTIONS):
                status, why = "failed", message_of(error)
            else:
                status, why = "stopped", message_of(error)
            self._change(status=status, error=why)

    def _outcome(self) -> tuple[str, str | None]:
        roots = [
            node
            for node in self.server.state.projects.nodes(self._record).values()
            if node.fields["parent_node_id"] is None
        ]
        failed = next((node for node in roots if node.fields["status"] in (FAILED, CANCELLED)), None)
        return ("completed", None) if failed is None else ("failed", failed.fields["error"])

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class Task:
    """One task. RUNNING while in its `with`; how it ends is said by `finish` or `fail`, or by how the `with` is
    left.
    """

    def __init__(self, project: Project, node: NodeRecord, parent: Task | None) -> None:
        self.project = project
        self.parent = parent
        self._node = node
        self._stages: list[Stage] = []
        self._tokens: list[contextvars.Token[Task | None]] = []
        self._started: str | None = None

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.status}>"

    @property
    def id(self) -> str:
        return self._node.node_id

    @property
    def goal(self) -> str:
        return str(self._node.fields["goal"])

    @property
    def status(self) -> str:
        return str(self._node.fields["status"])

    @property
    def layer(self) -> int:
        """0 for a root."""
        return int(self._node.fields["layer"])

    @property
    def child_ids(self) -> tuple[str, ...]:
        return tuple(self._node.fields["planned_sub_task_ids"])

    def task(self, goal: str, **options: Any) -> Task:
        """A new sub-task; the options are those of `Project.task`."""
        return self.project.task(goal, **{**options, "parent": self})

    def stage(
        self, name: str, *, agent: str | None = None, model: str | None = None, adapter: str | None = None
    ) -> Stage:
        """A phase of this task: atomization, planning, execution, aggregation, replanning, or a word of yours.

        Use it as a context manager. The same name again is a new occurrence (a retry).
        """
        return Stage(self, name, agent, model, adapter)

    def finish(self, result: Any = None, *, summary: str | None = None) -> None:
        """The task is DONE. `result` is text or what JSON knows; `summary` one line (from a text's beginning if not
        given).
        """
        if summary is None and isinstance(result, str):
            summary = result[:SUMMARY]
        self._end(DONE, full_result=frozen(result), output_summary=_text(summary), error=None)

    def fail(self, error: object) -> None:
        """The task is FAILED; `error` says why."""
        self._end(FAILED, error=clean_text(str(error)))

    def ask(self, checkpoint: str, message: str, *, data: Any = None, timeout: float | None = None) -> Answer:
        """Ask a human and wait for the answer: `.action` is "approve" or "modify" (with `.instructions`).

        `checkpoint` names the kind of question, `data` is what it is about. After "modify" ask again: it counts as
        the next attempt. Raises TaskAborted when the human says abort, WaitTimeout when nobody answers within
        `timeout` seconds (None: for ever), RunStopped when the run is stopped meanwhile, NotLive when the server
        is.

        >>> answer = root.ask("PlanReview", "Is this plan good?", data={"proposed_plan": plan}, timeout=3600)
        """
        question = _Question(self, checkpoint, message, data, timeout)
        with question:
            try:
                return question.answered(question.prompt.future.result(timeout))
            except FutureTimeout:
                raise question.too_late() from None
            except AskerGone as gone:
                raise question.gone(gone) from None

    async def ask_async(
        self, checkpoint: str, message: str, *, data: Any = None, timeout: float | None = None
    ) -> Answer:
        """As `ask`, without blocking the event loop."""
        question = _Question(self, checkpoint, message, data, timeout)
        with question:
            try:
                # shielded: cancelling this wait must not cancel what `answer` will resolve
                waiting = asyncio.shield(asyncio.wrap_future(question.prompt.future))
                return question.answered(await asyncio.wait_for(waiting, timeout))
            except TimeoutError:
                raise question.too_late() from None
            except AskerGone as gone:
                raise question.gone(gone) from None

    def __enter__(self) -> Self:
        with self.project._reporting():
            self._change(
                status="RUNNING",
                error=None,
                timestamp_completed=None,
                execution_details=self._details(None),
            )
        self._tokens.append(_current.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tokens:
            with contextlib.suppress(ValueError):  # left in another context than it was entered in
                _current.reset(self._tokens.pop())
        with self.project.server.state.lock:
            if isinstance(error, _INTERRUPTIONS):
                self._close(CANCELLED, error=message_of(error))
            elif error is not None:
                self._close(FAILED, error=message_of(error))
            elif self.status not in FINAL:
                self._close(DONE)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _end(self, status: str, **changes: Any) -> None:
        with self.project._reporting():
            if self.status in FINAL:
                raise RomaError(f"The task {self.id} has ended ({self.status}): it cannot end again.")
            self._close(status, **changes)

    def _close(self, status: str, **changes: Any) -> None:
        now = now_iso()
        self._change(
            status=status,
            timestamp_completed=now,
            execution_details=self._details(status, now, changes.get("error")),
            **changes,
        )

    def _details(
        self, status: str | None, completed: str | None = None, error: str | None = None
    ) -> msgspec.Raw:
        """What ROMA says of the work itself; prompts and answers stand in the trace only."""
        if status is None:
            self._started = now_iso()
        details = {"model_info": self._node.fields["model_info"], "processing_started": self._started}
        if status is not None:
            details |= {"processing_completed": completed, "success": status == DONE, "error": error}
        return msgspec.Raw(encode(details))

    def _change(self, **changes: Any) -> None:
        self.project.server.state.projects.change_node(self.project._record, self._node, **changes)

    def _adopt(self, child: Task) -> None:
        self._change(
            planned_sub_task_ids=(*self.child_ids, child.id),
            sub_graph_id=f"subgraph_{self.id}",
            node_type="PLAN",
        )
        self._settle()

    def _settle(self) -> None:
        """The status that follows from the open stages and the sub-tasks."""
        if self.status in FINAL or self.status == "PENDING":
            return
        name = self._stages[-1].name if self._stages else None
        if name is not None:
            self._change(status=_DURING.get(name, "RUNNING"))
        else:
            self._change(status="PLAN_DONE" if self._node.fields["planned_sub_task_ids"] else "RUNNING")


class Stage:
    """One occurrence of a phase of a task; in the trace from its `with` on."""

    def __init__(
        self, task: Task, name: str, agent: str | None, model: str | None, adapter: str | None
    ) -> None:
        self.task = task
        self.name = name
        self._agent = agent
        self._model = model
        self._adapter = adapter
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
        messages: Iterable[Mapping[str, Any]] | None = None,
        usage: Mapping[str, Any] | None = None,
        parameters: Any = None,
        context: Any = None,
        output: Any = None,
        **more: Any,
    ) -> None:
        """Write down what went in and came out; any part, any number of times, the last value of each counts.

        `usage` is what the model's provider counted: `prompt_tokens`, `completion_tokens`, `cost_usd`. It and
        whatever else you name (`more`) are kept under the stage's `additional_data`. Values are frozen when they
        are given.
        """
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
            messages = list(messages)
            given["llm_input_messages"] = frozen(messages)
            given["llm_input_length"] = sum(len(str(message.get("content", ""))) for message in messages)
        extra = {key: frozen(value) for key, value in {"usage": usage, **more}.items() if value is not None}
        with self.task.project._reporting():
            opened = self._opened()
            for key, value in given.items():
                setattr(opened.stage, key, value)
            if extra:
                opened.stage.additional_data = {**(opened.stage.additional_data or {}), **extra}
            self.task.project.server.state.traces.touch(opened)

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
        is missing).
        """
        call = tool_call(tool, arguments, result, error, duration_s)
        with self.task.project._reporting():
            opened = self._opened()
            stage = opened.stage
            stage.tool_calls = [*(stage.tool_calls or ()), call]
            stage.tool_execution_count = len(stage.tool_calls)
            if duration_s is not None:
                stage.tool_call_duration_ms = (stage.tool_call_duration_ms or 0.0) + duration_s * 1000
            self.task.project.server.state.traces.touch(opened)

    def _opened(self) -> OpenStage:
        if self._open is None:
            raise RomaError(
                f"The stage {self.name} has not begun: enter it first (`with task.stage(...) as stage:`)."
            )
        return self._open

    def __enter__(self) -> Self:
        task = self.task
        with task.project._reporting():
            self._open = task.project.server.state.traces.open_stage(
                task.project.id,
                task.id,
                task.goal,
                self.name,
                agent_name=self._agent,
                adapter_name=self._adapter or self._agent,
                model_info=_stage_model(self._model),
            )
            task._stages.append(self)
            task._settle()
            self._name_agent()
        return self

    def _name_agent(self) -> None:
        """The task shows who works on it."""
        changes: dict[str, Any] = {}
        if self._agent is not None:
            changes["agent_name"] = self._agent
        if self._model is not None:
            changes |= {
                "model_display": self._model,
                "model_info": _model_info(self._model, self._adapter or self._agent),
            }
        if changes:
            self.task._change(**changes)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task = self.task
        with task.project.server.state.lock:
            if self._open is not None:
                status: StageStatus = "completed" if error is None else "failed"
                task.project.server.state.traces.close_stage(
                    self._open, status, message_of(error) if error is not None else None
                )
            if self in task._stages:
                task._stages.remove(self)
            if error is None:
                task._settle()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


class _Question:
    """The life of one `ask`: its stage, its prompt, and how both end."""

    def __init__(self, task: Task, checkpoint: str, message: str, data: Any, timeout: float | None) -> None:
        self._task = task
        self._timeout = timeout
        self._asked = (clean_text(checkpoint), clean_text(message), frozen(data))
        self._stage = task.stage("hitl", agent=task._node.fields["agent_name"])
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
            with self._task.project._reporting():
                state = self._server.state
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

    def too_late(self) -> WaitTimeout:
        self._withdraw("expired", f"nobody answered within {self._timeout:g} s")
        return WaitTimeout(f"Nobody answered {self._asked[0]} of {self._task.id} within {self._timeout:g} s.")

    def gone(self, gone: AskerGone) -> RomaError:
        if self._task.project.is_stopped:
            return RunStopped(f"The run was stopped while {self._task.id} waited for an answer.")
        return NotLive(f"The question of {self._task.id} was closed: {gone}.")

    def _withdraw(self, state: str, why: str) -> None:
        with self._server.state.lock:
            closed = self._server.state.prompts.withdraw(self.prompt, why)
        if closed:
            self._server.prompt_closed(self.prompt, state, why)


def message_of(error: BaseException) -> str:
    """What a person reads of an exception."""
    return clean_text(str(error).strip() or type(error).__name__)


def _text(value: object) -> str | None:
    return None if value is None else clean_text(str(value))


def _indices(parent: Task | None, depends_on: tuple[Task, ...]) -> list[int]:
    """The places of the needed tasks among the siblings, from 0, as ROMA writes them."""
    if not depends_on:
        return []
    places = (
        {child_id: place for place, child_id in enumerate(parent.child_ids)} if parent is not None else {}
    )
    return [places[task.id] for task in depends_on if task.id in places]


def _context_source(task: Task) -> dict[str, str]:
    return {"source_task_id": task.id, "source_task_goal_summary": task.goal[:50], "content_type": "text"}


def _model_info(model: str | None, adapter: str | None) -> dict[str, Any] | None:
    if model is None:
        return None
    provider, _, name = model.partition("/")
    return {
        "adapter_name": adapter,
        "model_provider": provider if name else None,
        "model_name": name or provider,
        "model_id": model,
    }


def _stage_model(model: str | None) -> dict[str, Any] | None:
    if model is None:
        return None
    provider, slash, _ = model.partition("/")
    return {"model": model, "provider": provider if slash else None}
