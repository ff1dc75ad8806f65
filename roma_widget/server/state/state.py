"""All that a server knows: projects, traces, open questions, under one lock; and its way to disk.

Agents change it from any thread, the server reads it on its loop. Changes are saved by a thread of its own,
together with all others since the last save, in one transaction: what is on disk is always a state that there was.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roma_widget.server.state.hitl import REATTACH_S, RESEND_S, Prompts
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.projects import Projects, encode_node
from roma_widget.server.state.store import Batch, Store, StoreError
from roma_widget.server.state.traces import MOST_IN_MEMORY, NodeProcessingTrace, ProcessingStage, TraceManager
from roma_widget.server.wire.records import encode

SAVE_EVERY_S = 0.5
LONGEST_REST_S = 5.0
_SHARE = 0.2
"""Saving takes at most this share of the time (a save that took 1 s is followed by 4 s of rest), unless it takes
very long.
"""

_log = logging.getLogger("roma_widget.server")


@dataclass(frozen=True, slots=True)
class _Taken:
    """A batch whose tasks and traces are still to be encoded, without the lock."""

    batch: Batch
    nodes: Mapping[tuple[str, str], tuple[tuple[str, ...], dict[str, Any]]]
    traces: Mapping[tuple[str, str], NodeProcessingTrace]

    def encode(self) -> None:
        self.batch.nodes.update({key: encode_node(*node) for key, node in self.nodes.items()})
        self.batch.traces.update({key: encode(trace) for key, trace in self.traces.items()})


class State:
    """See the module. `changed(project_id)` and `stage_changed` are called under the lock and must be quick."""

    def __init__(
        self,
        data_dir: str | Path | None,
        *,
        resend_s: float = RESEND_S,
        reattach_s: float = REATTACH_S,
        most_traces: int = MOST_IN_MEMORY,
    ) -> None:
        self.lock = threading.RLock()
        self.store = Store(data_dir)
        self.changed: Callable[[str], None] = lambda project_id: None
        self.stage_changed: Callable[[str, str, ProcessingStage], None] = lambda *stage: None
        self.storage_error: str | None = None
        """Why the last save failed; None while all is well."""
        self._saving = threading.Lock()
        self._work = threading.Event()
        self._closed = threading.Event()
        try:
            self.projects = Projects(self.lock, self.store, self._on_change)
            self.traces = TraceManager(self.lock, self.store, self._on_stage, most_traces)
            self.prompts = Prompts(self.store, time.monotonic(), resend_s=resend_s, reattach_s=reattach_s)
            self.save()
        except BaseException:
            self.store.close()
            raise
        self._saver = threading.Thread(target=self._keep_saving, name="roma-server-store", daemon=True)
        self._saver.start()

    def _on_change(self, project_id: str) -> None:
        self.changed(project_id)
        self.wants_saving()

    def _on_stage(self, project_id: str, node_id: str, stage: ProcessingStage) -> None:
        self.stage_changed(project_id, node_id, stage)
        self.wants_saving()

    def create_project(self, goal: str, **options: Any) -> ProjectRecord:
        """A new project; the options are those of `Projects.create`. With the lock held."""
        record = self.projects.create(goal, **options)
        self.traces.is_new(record.project_id)
        return record

    def wants_saving(self) -> None:
        """Something is to be saved: it is, within half a second while saving is quick."""
        if not self._work.is_set():
            self._work.set()

    def save(self) -> None:
        """Puts all changes on disk before it returns. Not to be called with the lock held.

        Raises `StoreError`, and then they are tried again later.
        """
        with self._saving:
            taken = self._take()
            try:
                taken.encode()
                self.store.save(taken.batch)
            except BaseException as error:
                self._settle(taken.batch, saved=False)
                self.storage_error = str(error) or type(error).__name__
                raise
            self._settle(taken.batch, saved=True)
            self.storage_error = None

    def close(self) -> None:
        """Saves what is left and closes the store. Raises `StoreError` when that could not be saved."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._work.set()
        self._saver.join()
        try:
            self.save()
        finally:
            self.store.close()

    def _keep_saving(self) -> None:
        is_failing = False
        while not self._closed.is_set():
            self._work.wait()
            self._work.clear()
            if self._closed.is_set():
                return
            began_s = time.monotonic()
            try:
                self.save()
                is_failing = False
            except Exception as error:  # whatever it is, what happens later is to be saved, too
                self._work.set()
                self.storage_error = str(error)
                if not is_failing:
                    _log.error(
                        "%s What happens from now on is kept in memory and saved as soon as that works again.",
                        error,
                        exc_info=not isinstance(error, StoreError),
                    )
                is_failing = True
            took_s = time.monotonic() - began_s
            self._closed.wait(min(max(SAVE_EVERY_S, took_s / _SHARE - took_s), LONGEST_REST_S))

    def _take(self) -> _Taken:
        """What changed since the last save. The lock is held for copies only, not for encoding."""
        with self.lock:
            nodes = self.projects.take_nodes()
            traces = self.traces.take()
            batch = Batch(
                projects=self.projects.take_projects(),
                nodes=dict.fromkeys(nodes),
                traces=dict.fromkeys(traces, b""),
                prompts=self.prompts.take(),
                current_id=self.projects.current_id,
                deleted_projects=self.projects.take_deleted(),
                cleared_traces=set(self.traces.cleared),
                cleared_nodes=self.projects.take_cleared(),
            )
        return _Taken(batch, nodes, traces)

    def _settle(self, batch: Batch, *, saved: bool) -> None:
        with self.lock:
            self.projects.settle(batch, saved=saved)
            self.traces.settle(batch, saved=saved)
            if not saved:
                self.prompts.dirty |= batch.prompts.keys()
