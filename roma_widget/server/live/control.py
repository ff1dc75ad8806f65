"""What clients may do to projects, whichever way they ask: start, switch, stop, save, delete.

Whoever asks gets a `Refused` when it cannot be; everyone who has to know is told here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from roma_widget.errors import RomaError
from roma_widget.server.agents.runs import NO_RUNS, OnEnd, Runs
from roma_widget.server.live.audience import Audience
from roma_widget.server.live.news import News
from roma_widget.server.live.records import Records
from roma_widget.server.state.hitl import Prompt
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.wire.records import compact_json
from roma_widget.server.wire.requests import MAX_STEPS, Refused, one_sentence, shown

PromptClosed = Callable[[Prompt, str, str], None]


class Control(Records):
    """Acts on the state on behalf of clients. Its methods run on the server's loop and wait for the disk elsewhere."""

    def __init__(
        self, state: State, runs: Runs, audience: Audience, news: News, prompt_closed: PromptClosed
    ) -> None:
        super().__init__(state, audience, news)
        self._runs = runs
        self._prompt_closed = prompt_closed

    @property
    def can_start(self) -> bool:
        return self._runs.can_start

    async def start(
        self,
        goal: str,
        *,
        max_steps: int = MAX_STEPS,
        record: ProjectRecord | None = None,
        config: msgspec.Raw | None = None,
        options: Mapping[str, Any] | None = None,
        make_current: bool = True,
        on_end: OnEnd | None = None,
    ) -> dict[str, Any]:
        """Starts a run of a new project, or of `record` anew; the project as it is at its start.

        It is on disk before it starts: a run of which nothing can be kept is refused instead.
        """
        if not self._runs.can_start:
            raise Refused(NO_RUNS, status=501)
        is_new = record is None
        with self.state.lock:
            if record is None:
                record = self.state.create_project(goal, max_steps=max_steps, config=config)
            elif record.alive:
                raise Refused(f"Project {shown(record.project_id)} is running already", status=409)
            begun = {"goal": goal, "max_steps": max_steps, "status": "active", "error": None, "node_count": 0}
            entry = {**record.plain_entry(), **begun}
        try:
            await self.save()
        except Refused:
            if is_new:
                with self.state.lock:
                    self.state.projects.delete(record.project_id)
            raise
        self.record(record.project_id)  # nobody deleted it meanwhile
        try:
            self._runs.start(
                goal,
                max_steps=max_steps,
                record=record,
                options=options,
                make_current=make_current,
                on_end=on_end,
            )
        except RomaError as error:
            if is_new:
                await self.delete(record)
            raise Refused(one_sentence(error), status=409) from error
        if not is_new:
            self._audience.extended("traces_cleared", cleared_news(record.project_id))
        self.projects_moved()
        return entry

    async def switch(self, record: ProjectRecord) -> bytes:
        """Makes the project everybody's current one; its Graph, as JSON text."""
        graph = await self.graph(record)
        with self.state.lock:
            self.record(record.project_id)
            self.state.projects.make_current(record)
        self.tell_switched(record, graph)
        return graph

    async def stop(self, record: ProjectRecord) -> None:
        """Ends a living run, also one of a user's own agent. Raises `Refused` when it is not running."""
        if not await asyncio.to_thread(self._runs.stop, record):
            raise Refused(f"Project {shown(record.project_id)} is not running", status=409)
        self.projects_moved()

    async def delete(self, record: ProjectRecord) -> None:
        """Removes the project with its tasks and traces, here and on disk. A living run is stopped first."""
        await asyncio.to_thread(self._runs.stop, record)
        project_id = record.project_id
        with self.state.lock:
            self.record(project_id)
            record.stop_requested = True  # whoever still holds it reports no more
            closed = [
                prompt
                for prompt in self.state.prompts.of_project(project_id)
                if self.state.prompts.withdraw(prompt, "its project was deleted")
            ]
            self.state.prompts.forget_attempts(project_id)
            self.state.traces.clear(project_id)
            self.state.projects.delete(project_id)
        for prompt in closed:
            self._prompt_closed(prompt, "stopped", "its project was deleted")
        self.projects_moved()
        await self.save()

    async def save(self, record: ProjectRecord | None = None) -> None:
        """Returns when all is on disk. Raises `Refused` when that failed; it is tried again later."""
        try:
            await asyncio.to_thread(self.state.save)
        except StoreError as error:
            raise Refused(one_sentence(error), status=507) from error

    async def clear_traces(self, record: ProjectRecord) -> None:
        """Removes the traces of a project, here and on disk (on ROMA they come back)."""
        with self.state.lock:
            self.state.traces.clear(record.project_id)
        await self.save()


def cleared_news(project_id: str) -> bytes:
    """The payload of `traces_cleared`."""
    return compact_json({"message": f"Traces cleared for project {project_id}", "project_id": project_id})
