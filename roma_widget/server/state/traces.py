"""What happened inside each task: a trace has stages (atomization, planning, execution, aggregation, replanning,
hitl).

`TraceManager` keeps the traces that change or were asked for lately in memory and all of them on disk. Its methods
are called with the state's lock held, except `read`, which may look on disk.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from roma_widget.server.state.store import Batch, Store
from roma_widget.server.wire.records import encode, now_iso

MOST_IN_MEMORY = 256
"""Traces in memory beyond those that are being written to; 256 traces of a research run are some 30 MB."""

StageStatus = Literal["running", "completed", "failed"]


class ProcessingStage(msgspec.Struct, eq=False):
    """One occurrence of a phase of a task; a retry is another one. Times are ISO, `duration_ms` is measured."""

    stage_name: str
    stage_id: str
    started_at: str
    completed_at: str | None = None
    status: StageStatus = "running"
    agent_name: str | None = None
    adapter_name: str | None = None
    model_info: dict[str, Any] | None = None
    system_prompt: Any = None
    user_input: Any = None
    llm_response: Any = None
    tool_calls: list[msgspec.Raw] | None = None
    tool_execution_count: int | None = None
    tool_call_duration_ms: float | None = None
    input_context: Any = None
    processing_parameters: Any = None
    output_data: Any = None
    error_message: str | None = None
    error_details: str | None = None
    duration_ms: int | None = None
    llm_input_messages: Any = None
    llm_input_length: int | None = None
    additional_data: Any = None


ONLY_IN_TRACES = frozenset(
    {
        "tool_calls",
        "tool_execution_count",
        "tool_call_duration_ms",
        "llm_input_messages",
        "llm_input_length",
        "additional_data",
    }
)
"""Keys that stand in `node_trace_data` and not in `stage_details_data`, as on ROMA."""


class NodeProcessingTrace(msgspec.Struct, eq=False):
    """All stages of one task, in the order in which they began."""

    node_id: str
    node_goal: str
    trace_id: str
    created_at: str
    stages: list[ProcessingStage]
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


_decoder = msgspec.json.Decoder(NodeProcessingTrace)


@dataclass(slots=True, eq=False)
class OpenStage:
    """A stage that an agent is in, with what is needed to close it."""

    project_id: str
    trace: NodeProcessingTrace
    stage: ProcessingStage
    began_s: float = field(default_factory=time.monotonic)


class TraceManager:
    """Traces by (project, node). `stage_changed(project_id, node_id, stage)` is called under the lock after each
    change.
    """

    def __init__(
        self,
        lock: threading.RLock,
        store: Store,
        stage_changed: Callable[[str, str, ProcessingStage], None],
        most_in_memory: int = MOST_IN_MEMORY,
    ) -> None:
        self._lock = lock
        self._store = store
        self._stage_changed = stage_changed
        self._most = most_in_memory
        self._traces: OrderedDict[tuple[str, str], NodeProcessingTrace] = OrderedDict()
        self._open: dict[tuple[str, str], list[OpenStage]] = {}
        self._saved: dict[str, set[str]] = {}
        self._clearing: dict[str, object] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._in_flight: set[tuple[str, str]] = set()
        """Taken to be saved, and not on disk yet."""
        self.cleared: dict[str, object] = {}
        """Projects whose traces on disk do not count; they are removed with the next save."""

    @property
    def in_memory(self) -> int:
        return len(self._traces)

    # --- writing -------------------------------------------------------------------------------------------------

    def open_stage(self, project_id: str, node_id: str, goal: str, name: str, **fields: Any) -> OpenStage:
        """A new stage of a task, running from now. The trace comes into being with its first stage."""
        key = (project_id, node_id)
        trace = self._find(key)
        if trace is None:
            trace = NodeProcessingTrace(node_id, goal, str(uuid.uuid4()), now_iso(), [])
            self._traces[key] = trace
        stage = ProcessingStage(name, str(uuid.uuid4()), now_iso(), **fields)
        trace.stages.append(stage)
        opened = OpenStage(project_id, trace, stage)
        self._open.setdefault(key, []).append(opened)
        self.touch(opened)
        return opened

    def touch(self, opened: OpenStage) -> None:
        """The stage was changed: it will be saved, and those who watch the task are told."""
        key = (opened.project_id, opened.trace.node_id)
        if self._traces.get(key) is not opened.trace:
            return  # cleared meanwhile
        self._dirty.add(key)
        self._stage_changed(*key, opened.stage)

    def close_stage(self, opened: OpenStage, status: StageStatus, error: str | None = None) -> None:
        """Ends a stage; closing it again changes nothing."""
        stage = opened.stage
        if stage.status != "running":
            return
        stage.status = status
        stage.error_message = error
        stage.completed_at = now_iso()
        stage.duration_ms = round((time.monotonic() - opened.began_s) * 1000)
        key = (opened.project_id, opened.trace.node_id)
        self._open[key].remove(opened)
        if not self._open[key]:
            del self._open[key]
        self.touch(opened)

    def close_all(self, project_id: str, why: str) -> None:
        """The run was stopped: the stages that its agents are in have failed, whether they hear of it or not."""
        for key in [key for key in self._open if key[0] == project_id]:
            for opened in list(self._open[key]):
                self.close_stage(opened, "failed", why)

    def is_new(self, project_id: str) -> None:
        """A project that was made just now has no traces on disk: nobody has to look."""
        self._saved[project_id] = set()

    def fail_question(self, project_id: str, node_id: str, request_id: str, why: str) -> None:
        """Says in the trace why the stage that asked a human, before a restart, never got its answer."""
        trace = self._find((project_id, node_id))
        for stage in trace.stages if trace is not None else ():
            asked = stage.processing_parameters
            if isinstance(asked, dict) and asked.get("request_id") == request_id:
                stage.status = "failed"
                stage.error_message = why
                stage.completed_at = stage.completed_at or now_iso()
                self._dirty.add((project_id, node_id))
                self._stage_changed(project_id, node_id, stage)

    def clear(self, project_id: str) -> None:
        """Removes a project's traces, in memory and with the next save on disk (ROMA leaves those, and they come
        back).
        """
        for key in [key for key in self._traces if key[0] == project_id]:
            del self._traces[key]
        self._dirty = {key for key in self._dirty if key[0] != project_id}
        self._saved[project_id] = set()
        self.cleared[project_id] = object()

    # --- saving --------------------------------------------------------------------------------------------------

    def take(self) -> dict[tuple[str, str], NodeProcessingTrace]:
        """Copies of what changed since the last time, to be saved; `settle` says how that went."""
        self._in_flight, self._dirty = self._dirty, set()
        self._clearing = dict(self.cleared)
        return {
            key: msgspec.structs.replace(trace, stages=[copied(stage) for stage in trace.stages])
            for key in self._in_flight
            if (trace := self._traces.get(key)) is not None
        }

    def settle(self, batch: Batch, *, saved: bool) -> None:
        if saved:
            for project_id, clearing in self._clearing.items():
                if self.cleared.get(project_id) is clearing:
                    del self.cleared[project_id]
            for project_id, node_id in batch.traces:
                if project_id not in self.cleared:
                    self._on_disk(project_id).add(node_id)
        else:
            self._dirty |= {key for key in batch.traces if key in self._traces}
        self._in_flight = set()
        self._forget_some()

    # --- reading -------------------------------------------------------------------------------------------------

    def read(self, project_id: str, node_id: str) -> NodeProcessingTrace | None:
        """A trace to look at, from disk if need be (then it blocks). Copied, so that it may be encoded without the
        lock.
        """
        key = (project_id, node_id)
        with self._lock:
            trace = self._traces.get(key)
            if trace is not None:
                return self._copy(key, trace)
            cleared = self.cleared.get(project_id)
            known = self._saved.get(project_id)
        if known is None:
            known = set(self._store.traces_of(project_id))
            with self._lock:
                known = self._saved.setdefault(project_id, known)
        text = self._store.trace(*key) if node_id in known else None
        with self._lock:
            if key not in self._traces and text is not None and self.cleared.get(project_id) is cleared:
                self._traces[key] = _decoded(text)
                self._forget_some(but=key)
            trace = self._traces.get(key)
            return self._copy(key, trace) if trace is not None else None

    def _copy(self, key: tuple[str, str], trace: NodeProcessingTrace) -> NodeProcessingTrace:
        self._traces.move_to_end(key)
        return msgspec.structs.replace(trace, stages=[copied(stage) for stage in trace.stages])

    def place(self, project_id: str, node_id: str, stage: ProcessingStage) -> int | None:
        """The index of a stage in its trace; None when the trace is not in memory or has no such stage."""
        trace = self._traces.get((project_id, node_id))
        stages = trace.stages if trace is not None else []
        return next((index for index, known in enumerate(stages) if known is stage), None)

    def _find(self, key: tuple[str, str]) -> NodeProcessingTrace | None:
        trace = self._traces.get(key)
        if trace is not None:
            self._traces.move_to_end(key)
            return trace
        if key[1] not in self._on_disk(key[0]):
            return None
        text = self._store.trace(*key)
        if text is None:
            return None
        trace = self._traces[key] = _decoded(text)
        self._forget_some(but=key)
        return trace

    def _on_disk(self, project_id: str) -> set[str]:
        """The tasks whose traces are on disk: asked once a project, for a look on disk costs more than a report
        may.
        """
        found = self._saved.get(project_id)
        if found is None:
            found = self._saved[project_id] = set(self._store.traces_of(project_id))
        return found

    def _forget_some(self, but: tuple[str, str] | None = None) -> None:
        """After a save, and after a look on disk: not while agents report, for most of what is new cannot go yet."""
        if len(self._traces) <= self._most:
            return
        for key in list(self._traces):
            if len(self._traces) <= self._most:
                return
            if key not in self._dirty and key not in self._in_flight and key not in self._open and key != but:
                del self._traces[key]


def _decoded(text: bytes) -> NodeProcessingTrace:
    trace = _decoder.decode(text)
    for stage in trace.stages:
        if stage.status == "running":  # whoever was in it is gone with the server that saved it
            stage.status = "failed"
            stage.error_message = "The server stopped during this stage."
    return trace


def copied(stage: ProcessingStage) -> ProcessingStage:
    """A stage that does not change any more (its values are immutable, but for the list of calls)."""
    calls = stage.tool_calls
    return msgspec.structs.replace(stage, tool_calls=None if calls is None else list(calls))


def trace_data(trace: NodeProcessingTrace) -> bytes:
    """The payload of `node_trace_data`."""
    return encode({"node_id": trace.node_id, "trace": trace})


def stage_details(node_id: str, stage: ProcessingStage) -> bytes:
    """The payload of `stage_details_data`."""
    fields = {key: value for key, value in msgspec.structs.asdict(stage).items() if key not in ONLY_IN_TRACES}
    return encode({"node_id": node_id, "stage_id": stage.stage_id, "stage": fields})
