"""What `Live` is made of: who acts on projects, who asks people, who knows what happened inside tasks.

A server of agents of this process has one set of parts (`AgentParts`), a relay another: its projects are somebody
else's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from roma_widget.server.agents.runs import OnEnd, Runs
from roma_widget.server.live.asking import Asking
from roma_widget.server.live.audience import Audience
from roma_widget.server.live.control import Control
from roma_widget.server.live.news import News
from roma_widget.server.network.app import Client
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.state.traces import NodeProcessingTrace, stage_details, trace_data
from roma_widget.server.wire.requests import HitlResponse, Refused, one_sentence, shown


class Controls(Protocol):
    """What clients may do to projects. Raises `Refused` for what cannot be."""

    @property
    def can_start(self) -> bool: ...

    def record(self, project_id: str, unknown: str = ...) -> ProjectRecord: ...

    async def start(
        self,
        goal: str,
        *,
        max_steps: int = ...,
        record: ProjectRecord | None = None,
        config: msgspec.Raw | None = None,
        options: Mapping[str, Any] | None = None,
        make_current: bool = True,
        on_end: OnEnd | None = None,
    ) -> dict[str, Any]: ...

    async def switch(self, record: ProjectRecord) -> bytes: ...

    async def stop(self, record: ProjectRecord) -> None: ...

    async def delete(self, record: ProjectRecord) -> None: ...

    async def save(self, record: ProjectRecord) -> None: ...

    async def clear_traces(self, record: ProjectRecord) -> None: ...

    async def frame(self, record: ProjectRecord, restored: Mapping[str, Any] | None = None) -> bytes: ...

    async def graph(self, record: ProjectRecord) -> bytes: ...

    async def load(self, record: ProjectRecord) -> None: ...

    async def look(self, project_id: str) -> None:
        """Returns when what is known of it is as new as it can be had: of a relay's projects others know more."""

    async def running(self) -> Mapping[str, Any] | None:
        """The `running_executions` of another server; None: what the state says counts."""

    def entry(self, record: ProjectRecord) -> bytes: ...

    def projects_moved(self) -> None: ...


class Asks(Protocol):
    """Questions to people, as clients see them."""

    @property
    def n_open(self) -> int: ...

    def ask_again(self, client: Client) -> None:
        """A client of the extension has joined: it is asked what is open."""

    async def answer(self, client: Client, given: HitlResponse, rid: str | int | None) -> None:
        """Raises `Refused` for an answer that does not count."""


class Traces(Protocol):
    """What happened inside tasks, as JSON text. Raises `Refused` where that is not known."""

    async def trace(self, project_id: str, node_id: str) -> bytes:
        """The payload of `node_trace_data`."""

    async def stage_details(self, project_id: str, node_id: str, stage_id: str) -> bytes:
        """The payload of `stage_details_data`."""


class Parts(NamedTuple):
    control: Controls
    asking: Asks
    traces: Traces


MakeParts = Callable[[Audience, News], Parts]


class OwnTraces:
    """Those that agents of this process reported."""

    def __init__(self, state: State, control: Controls) -> None:
        self._state = state
        self._control = control

    async def trace(self, project_id: str, node_id: str) -> bytes:
        return trace_data(await self._read(project_id, node_id))

    async def stage_details(self, project_id: str, node_id: str, stage_id: str) -> bytes:
        for stage in (await self._read(project_id, node_id)).stages:
            if stage.stage_id == stage_id:
                return stage_details(node_id, stage)
        raise Refused(f"Stage {shown(stage_id)} not found")

    async def _read(self, project_id: str, node_id: str) -> NodeProcessingTrace:
        """Raises `Refused` for a task without a trace (ROMA invents one)."""
        self._control.record(project_id)
        try:
            trace = await asyncio.to_thread(self._state.traces.read, project_id, node_id)
        except StoreError as error:
            raise Refused(one_sentence(error)) from error
        if trace is None:
            raise Refused(f"No trace found for node {shown(node_id)}")
        return trace


class AgentParts:
    """Of a server whose projects are run by agents of this process. `asking` is there once `Live` has been made."""

    asking: Asking

    def __init__(self, state: State, runs: Runs) -> None:
        self._state = state
        self._runs = runs

    def __call__(self, audience: Audience, news: News) -> Parts:
        self.asking = Asking(self._state, audience)
        control = Control(self._state, self._runs, audience, news, self.asking.closed)
        return Parts(control, self.asking, OwnTraces(self._state, control))
