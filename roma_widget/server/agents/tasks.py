"""A task, as an agent reports it. Its project makes it: see `instrument`."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from concurrent.futures import TimeoutError as FutureTimeout
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import msgspec

from roma_widget.errors import RomaError
from roma_widget.server.agents.questions import Question
from roma_widget.server.agents.stages import Stage
from roma_widget.server.agents.terms import (
    CANCELLED,
    DONE,
    FAILED,
    FINAL,
    INTERRUPTIONS,
    BothWays,
    message_of,
)
from roma_widget.server.state.hitl import Answer, AskerGone
from roma_widget.server.state.project_records import NodeRecord
from roma_widget.server.wire.records import clean_text, encode, frozen, now_iso

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project

SUMMARY = 200
"""Characters of a result that stand in its task's `output_summary`."""
_DURING = {"aggregation": "AGGREGATING", "replanning": "NEEDS_REPLAN"}

current_task: contextvars.ContextVar[Task | None] = contextvars.ContextVar("roma_task", default=None)
"""The task whose `with` is around, in this thread or coroutine."""


class Task(BothWays):
    """One task. RUNNING while in its `with`; how it ends is said by `finish` or `fail`, or by how the `with` is
    left.
    """

    def __init__(
        self,
        project: Project,
        node: NodeRecord,
        parent: Task | None,
        place: int,
        agent: str | None,
        model: str | None,
    ) -> None:
        """`agent` and `model` are those that a person gave, which no stage replaces."""
        self.project = project
        self.parent = parent
        self.place = place
        self.node = node
        self.keeps_agent = agent is not None and node.fields["agent_name"] == agent
        self.keeps_model = model is not None and node.fields["model_display"] == model
        self.open_stages: list[Stage] = []
        self._tokens: list[contextvars.Token[Task | None]] = []
        self._started: str | None = None

    def __repr__(self) -> str:
        return f"<Task {self.id} {self.status}>"

    @property
    def id(self) -> str:
        """As clients know it: "root", "root.1", …, or what was given as `task_id`."""
        return self.node.node_id

    @property
    def goal(self) -> str:
        """What it is for."""
        return str(self.node.fields["goal"])

    @property
    def status(self) -> str:
        """One of the words of `roma.Status`."""
        return str(self.node.fields["status"])

    @property
    def layer(self) -> int:
        """0 for a root."""
        return int(self.node.fields["layer"])

    @property
    def child_ids(self) -> tuple[str, ...]:
        """The ids of its sub-tasks, as they were planned."""
        return tuple(self.node.fields["planned_sub_task_ids"])

    def task(self, goal: str, **options: Any) -> Task:
        """A new sub-task; the options are those of `Project.task`, which says what is raised.

        Example: `root.task("Find sources", task_type="SEARCH", agent="searcher")`
        """
        return self.project.task(goal, **{**options, "parent": self})

    def stage(
        self, name: str, *, agent: str | None = None, model: str | None = None, adapter: str | None = None
    ) -> Stage:
        """A phase of this task: atomization, planning, execution, aggregation, replanning, or a word of yours.

        Use it as a context manager. The same name again is a new occurrence (a retry).
        `agent`, `model` ("provider/name" or a name alone) and `adapter` say who works in it; a task that was given
        none shows those of its last stage. Raises TypeError for what is no text.

        >>> with root.stage("planning", agent="planner", model="small-1") as stage:
        ...     stage.record(prompt="Plan it", response="Two parts")
        """
        return Stage(self, name, agent, model, adapter)

    def finish(self, result: Any = None, *, summary: str | None = None) -> None:
        """The task is DONE. `result` is text or what JSON knows (anything else is shown by its `repr`); `summary` one
        line (from a text's beginning if not given). Raises RomaError when the task has ended, RunStopped, NotLive.
        Example: `root.finish("Forty farms.")`
        """
        if summary is None and isinstance(result, str):
            summary = result[:SUMMARY]
        self._end(
            DONE,
            full_result=frozen(result),
            output_summary=None if summary is None else clean_text(str(summary)),
            error=None,
        )

    def fail(self, error: object) -> None:
        """The task is FAILED; `error`, a text or an exception, says why. Raises as `finish`.

        Example: `root.fail("No source answered.")`
        """
        self._end(FAILED, error=clean_text(str(error)))

    def ask(self, checkpoint: str, message: str, *, data: Any = None, timeout: float | None = None) -> Answer:
        """Ask a human and wait for the answer: `.action` is "approve" or "modify" (with `.instructions`).

        `checkpoint` names the kind of question, `data` is what it is about. After "modify" ask again: it counts as
        the next attempt. Raises TypeError, ValueError for what it does not take, TaskAborted when the human
        says abort, WaitTimeout when nobody answers within `timeout` seconds (None: for ever), RunStopped when the
        run is stopped meanwhile, NotLive when the server is.

        >>> answer = root.ask("PlanReview", "Is this plan good?", data={"proposed_plan": plan}, timeout=3600)
        """
        question = Question(self, checkpoint, message, data, timeout)
        with question:
            try:
                return question.answered(question.prompt.future.result(question.timeout_s))
            except FutureTimeout:
                return question.answered(question.at_the_last_moment())
            except AskerGone as gone:
                raise question.gone(gone) from None

    async def ask_async(
        self, checkpoint: str, message: str, *, data: Any = None, timeout: float | None = None
    ) -> Answer:
        """As `ask`, without blocking the event loop.

        >>> answer = await root.ask_async("PlanReview", "Is this plan good?", timeout=3600)
        """
        question = Question(self, checkpoint, message, data, timeout)
        with question:
            try:
                # shielded: cancelling this wait must not cancel what `answer` will resolve
                answer = asyncio.wrap_future(question.prompt.future)
                answer.add_done_callback(_retrieve)
                return question.answered(await asyncio.wait_for(asyncio.shield(answer), question.timeout_s))
            except TimeoutError:
                return question.answered(question.at_the_last_moment())
            except AskerGone as gone:
                raise question.gone(gone) from None

    def __enter__(self) -> Self:
        with self.project.reporting():
            self.change(
                status="RUNNING",
                error=None,
                timestamp_completed=None,
                execution_details=self._details(None),
            )
        self._tokens.append(current_task.set(self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tokens:
            with contextlib.suppress(ValueError):  # left in another context than it was entered in
                current_task.reset(self._tokens.pop())
        with self.project.leaving():
            if isinstance(error, INTERRUPTIONS):
                if self.status not in FINAL:
                    self._close(CANCELLED, error=message_of(error))
            elif error is not None:
                if self.status != FAILED:  # else it has said why itself
                    self._close(FAILED, error=message_of(error))
            elif self.status not in FINAL:
                self._close(DONE)

    def _end(self, status: str, **changes: Any) -> None:
        with self.project.reporting():
            if self.status in FINAL:
                raise RomaError(f"The task {self.id} has ended ({self.status}): it cannot end again.")
            self._close(status, **changes)

    def _close(self, status: str, **changes: Any) -> None:
        now = now_iso()
        self.change(
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
        details = {"model_info": self.node.fields["model_info"], "processing_started": self._started}
        if status is not None:
            details |= {"processing_completed": completed, "success": status == DONE, "error": error}
        return msgspec.Raw(encode(details))

    def change(self, **changes: Any) -> None:
        self.project.state.projects.change_node(self.project.record, self.node, **changes)

    def adopt(self, child: Task) -> None:
        self.project.state.projects.adopt(self.project.record, self.node, child.id)
        self.change(sub_graph_id=f"subgraph_{self.id}", node_type="PLAN")
        self.settle()

    def settle(self) -> None:
        """The status that follows from the open stages and the sub-tasks."""
        name = self.open_stages[-1].name if self.open_stages else None
        if self.status in FINAL or (self.status == "PENDING" and name is None):
            return
        if name is not None:
            self.change(status=_DURING.get(name, "RUNNING"))
        else:
            self.change(status="PLAN_DONE" if self.node.fields["planned_sub_task_ids"] else "RUNNING")


def _retrieve(answer: asyncio.Future[Answer]) -> None:
    """Looks at how a question ended that nobody waits for any more: asyncio would complain in the user's log."""
    if not answer.cancelled():
        answer.exception()
