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

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from roma_widget.core.reading import shorten
from roma_widget.errors import NotLive, RomaError, RunStopped, TaskAborted
from roma_widget.server.agents.checks import instances_of, text_of, text_or_none
from roma_widget.server.agents.stages import Stage
from roma_widget.server.agents.tasks import Task, current_task
from roma_widget.server.agents.terms import (
    CANCELLED,
    FAILED,
    FINAL,
    INTERRUPTIONS,
    BothWays,
    Host,
    message_of,
    model_info,
)
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.wire.records import clean_text, frozen, now_iso

NODE_TYPES = ("PLAN", "EXECUTE")
LEFT = "The run ended before this task did."
__all__ = ["CONTEXT", "Host", "Project", "Stage", "Task"]


class _Context:
    """The parent of a new task where none is given: the task whose `with` is around it."""


CONTEXT = _Context()


class Project(BothWays):
    """A run that is reported. Leaving its `with` ends it: completed, or failed with its root or by an exception."""

    def __init__(self, server: Host, record: ProjectRecord) -> None:
        self.server = server
        self.record = record
        self.state = server.state
        self._run = record.run
        self._pid = os.getpid()
        self._has_begun = record.alive
        record.holders.add(self)

    def __repr__(self) -> str:
        return f"<Project {self.goal[:60]!r}, {self.status}>"

    @property
    def id(self) -> str:
        """As clients know it, for `m.watch(project.id)`."""
        return self.record.project_id

    @property
    def goal(self) -> str:
        """What the run is for."""
        return self.record.goal

    @property
    def status(self) -> str:
        """The word for it: "running" from its first report on, then "completed", "failed" or "stopped"."""
        return str(self.record.fields["status"])

    @property
    def is_stopped(self) -> bool:
        """Whether somebody asked this run to stop: its next report raises `RunStopped`."""
        return self.record.stop_requested or self.record.run != self._run

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
        receives. `task_id` takes up a task again that the project has (after a restart). `agent` and `model` say who
        works on it; without them the task shows those of its last stage. Raises TypeError, ValueError for what none of
        them takes, RunStopped, NotLive.

        >>> search = project.task("Find sources", task_type="SEARCH", parent=root)
        """
        goal, task_type = text_of(goal, "goal"), text_of(task_type, "task_type")
        agent, model = text_or_none(agent, "agent"), text_or_none(model, "model")
        task_id, node_type = text_or_none(task_id, "task_id"), text_or_none(node_type, "node_type")
        if node_type is not None and node_type not in NODE_TYPES:
            raise ValueError(f"node_type takes PLAN or EXECUTE, not {shorten(repr(node_type), 60)}.")
        needed = instances_of(depends_on, Task, "depends_on", "tasks, not ids: a list of them")
        sources = instances_of(context, Task, "context", "tasks, not ids: a list of them")
        if isinstance(parent, _Context):
            around = current_task.get()
            parent = around if around is not None and around.project.record is self.record else None
        elif parent is not None and not isinstance(parent, Task):
            raise TypeError(f"parent takes a task, not an id, and not {type(parent).__name__}.")
        elif parent is not None and parent.project.record is not self.record:
            raise ValueError(f"parent takes a task of the project {self.goal[:60]!r}, not of another one.")
        with self.reporting():
            projects = self.state.projects
            known = projects.nodes(self.record).get(task_id) if task_id is not None else None
            if known is not None:
                return Task(self, known, parent, _place(parent, known.node_id), agent, model)
            node = projects.add_node(
                self.record,
                {
                    "task_id": task_id or self._new_id(parent),
                    "goal": goal,
                    "task_type": task_type,
                    "node_type": node_type or "EXECUTE",
                    "agent_name": agent,
                    "status": "PENDING",
                    "layer": parent.layer + 1 if parent is not None else 0,
                    "parent_node_id": parent.id if parent is not None else None,
                    "overall_objective": self.goal,
                    "planned_sub_task_ids": [],
                    "input_payload_summary": "",
                    "input_context_sources": tuple(_context_source(task) for task in sources),
                    "model_display": model,
                    "model_info": model_info(model, agent),
                    "aux_data": frozen({"depends_on_indices": _indices(parent, needed)}),
                },
                tuple(task.id for task in needed),
            )
            place = len(parent.node.fields["planned_sub_task_ids"]) if parent is not None else 0
            task = Task(self, node, parent, place, agent, model)
            if parent is not None:
                parent.adopt(task)
            return task

    def _new_id(self, parent: Task | None) -> str:
        nodes = self.state.projects.nodes(self.record)
        if parent is not None:
            number = len(parent.node.fields["planned_sub_task_ids"]) + 1
            while f"{parent.id}.{number}" in nodes:
                number += 1
            return f"{parent.id}.{number}"
        number = 1
        while (new_id := "root" if number == 1 else f"root-{number}") in nodes:
            number += 1
        return new_id

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """The lock to report under. Raises where nobody listens any more."""
        if os.getpid() != self._pid:  # before the lock: a fork may have copied it locked, for ever
            raise NotLive("This process is a fork of the one with the server: report from that one.")
        with self.state.lock:
            if not self.server.is_running or self.server.state is not self.state:
                raise NotLive("The server was stopped: nothing can be reported to this project any more.")
            if self.is_stopped:
                raise RunStopped(f"The run {self.goal[:60]!r} was stopped by request.")
            if not self.record.alive:
                if self._has_begun:
                    raise RomaError(
                        f"The run {self.goal[:60]!r} has ended: report before that, or enter it again."
                    )
                self._begin()
            yield

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """The lock to leave a `with` under, whoever listens: an exception on its way up must not be replaced by
        ours.
        """
        if os.getpid() != self._pid:
            yield
            return
        with self.state.lock:
            yield

    def end(self, error: object = None) -> None:
        """Ends the run without a `with`: completed, or failed with what `error` says. It begins with its first
        report. Raises RomaError when it has ended, RunStopped, NotLive. Example: `project.end()`
        """
        with self.reporting():
            self._finish("completed" if error is None else "failed", error)

    def _begin(self) -> None:
        self._has_begun = self.record.alive = True
        self._change(status="running", error=None)

    def _change(self, **changes: Any) -> None:
        self.state.projects.change(self.record, **changes)

    def __enter__(self) -> Self:
        self._has_begun = False  # entered again, it begins again
        with self.reporting():
            return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._pid:
            return
        with self.state.lock:
            if self.is_stopped or not self.record.alive:
                return  # that has ended it
            if error is None:
                self._finish("completed", None)
            elif isinstance(error, TaskAborted) or not isinstance(error, INTERRUPTIONS):
                self._finish("failed", message_of(error))
            else:
                self._finish("stopped", message_of(error))

    def _finish(self, status: str, why: object) -> None:
        self.record.alive = False
        self._cancel_the_rest()
        if status == "completed":
            status, why = self._outcome()
        self._change(status=status, error=None if why is None else clean_text(str(why)))

    def _cancel_the_rest(self) -> None:
        """What the run left behind, tasks that were never entered above all, will not be done any more."""
        projects = self.state.projects
        for node in projects.nodes(self.record).values():
            if node.fields["status"] not in FINAL:
                projects.change_node(
                    self.record, node, status=CANCELLED, error=LEFT, timestamp_completed=now_iso()
                )

    def _outcome(self) -> tuple[str, str | None]:
        nodes = self.state.projects.nodes(self.record).values()
        roots = [node for node in nodes if node.fields["parent_node_id"] is None]
        failed = next((node for node in roots if node.fields["status"] in (FAILED, CANCELLED)), None)
        return ("completed", None) if failed is None else ("failed", failed.fields["error"])


def _indices(parent: Task | None, depends_on: tuple[Task, ...]) -> list[int]:
    """The places of the needed tasks among the siblings, from 0, as ROMA writes them."""
    return [task.place for task in depends_on if parent is not None and task.parent is parent]


def _place(parent: Task | None, node_id: str) -> int:
    """The place among its siblings of a task that is taken up again."""
    siblings = parent.child_ids if parent is not None else ()
    return siblings.index(node_id) if node_id in siblings else 0


def _context_source(task: Task) -> dict[str, str]:
    return {"source_task_id": task.id, "source_task_goal_summary": task.goal[:50], "content_type": "text"}
