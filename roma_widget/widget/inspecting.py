"""What a browser that inspects a task is told of its trace.

A stage that is opened or read on is one of the trace that the browser was given last: so its place means the same on
both sides, and no server is asked again for what a person only looks at.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from ..analysis.trace_records import stage_texts, trace_outline
from ..core.model import Snapshot, Stage, Task, Trace
from ..core.reading import shorten
from ..core.traces import says_there_is_none
from ..errors import RomaError, ServerError, UnknownTask

KEPT = 4
"""Traces that browsers are looking at, of one monitor."""


class Tracing(Protocol):
    """What can be asked for a trace."""

    async def trace(self, task_id: str, timeout_s: float) -> Trace: ...


class Inspecting:
    """See the module. On `roma-io`."""

    def __init__(self, snapshot: Callable[[], Snapshot], actions: Callable[[], Tracing]) -> None:
        self._snapshot = snapshot
        self._actions = actions
        self._given: OrderedDict[tuple[str | None, str], Trace] = OrderedDict()

    async def trace(self, task_id: str, timeout_s: float) -> msgspec.Raw:
        """The answer to `ask trace`. Put into words beside the loop: a trace may be megabytes."""
        trace = await self._fetched(task_id, timeout_s)
        return await asyncio.to_thread(_encoded, trace_outline, task_id, trace)

    async def texts(self, task_id: str, seq: int, timeout_s: float) -> msgspec.Raw:
        """The answer to `ask stage`."""
        stage = await self._stage(task_id, seq, timeout_s)
        return await asyncio.to_thread(_encoded, stage_texts, stage)

    async def opened(self, task_id: str, seq: int, timeout_s: float) -> tuple[Task, Stage]:
        """What a person opened."""
        stage = await self._stage(task_id, seq, timeout_s)
        return self._snapshot().task(task_id), stage

    async def _stage(self, task_id: str, seq: int, timeout_s: float) -> Stage:
        trace = self._given.get(self._key(task_id)) or await self._fetched(task_id, timeout_s)
        for stage in trace.stages:
            if stage.seq == seq:
                return stage
        raise RomaError(f"The trace of {shorten(task_id, 60)!r} has no stage {seq} any more.")

    async def _fetched(self, task_id: str, timeout_s: float) -> Trace:
        key = self._key(task_id)
        try:
            trace = await self._actions().trace(task_id, timeout_s)
        except ServerError as error:
            if not says_there_is_none(error.message):
                raise
            trace = Trace(task_id)
        self._given[key] = trace
        self._given.move_to_end(key)
        while len(self._given) > KEPT:
            self._given.popitem(last=False)
        return trace

    def _key(self, task_id: str) -> tuple[str | None, str]:
        snapshot = self._snapshot()
        tasks: Mapping[str, Task] = snapshot.tasks
        if task_id not in tasks:
            raise UnknownTask(f"There is no task {shorten(task_id, 80)!r} any more.")
        return (snapshot.project.project_id if snapshot.project is not None else None, task_id)


def _encoded(make: Callable[..., Any], *arguments: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(make(*arguments)))
