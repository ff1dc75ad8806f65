"""Traces that were fetched, by (project, task), bounded; with what the task was like when its trace was asked for.

Invented traces are never kept: that there is none is, so that one need not ask again until the task has changed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ..core.model import Task, Trace

MOST_CHARACTERS = 64 * 2**20
MOST_TRACES = 20_000


@dataclass(frozen=True, slots=True)
class Fetched:
    """What is known of a task's trace. `trace` is None when the server has none. Its times are as stamped."""

    trace: Trace | None
    task_print: int


def print_of(task: Task) -> int:
    """Another number for a task that is said to be different."""
    return hash(task.raw_json)


class TraceCache:
    """See the module. The trace that was used longest ago goes first. Only `traces_of` may be called off the loop."""

    def __init__(self, most_characters: int = MOST_CHARACTERS, most_traces: int = MOST_TRACES) -> None:
        self._most_characters = most_characters
        self._most_traces = most_traces
        self._fetched: OrderedDict[tuple[str, str], Fetched] = OrderedDict()
        self._changing = threading.Lock()
        self._keys: dict[str, tuple[str, str]] = {}
        self.characters = 0
        self.listeners: list[Callable[[str, Task, Trace | None], None]] = []
        """Told of each that is put: what is kept may go again before somebody looks."""
        self.refreshing: set[tuple[str, str]] = set()
        """Of which somebody asks for a newer one just now, so that no other session of the server does."""

    def __len__(self) -> int:
        return len(self._fetched)

    def get(self, project_id: str, task: Task) -> Fetched | None:
        """What is known of the trace of `task` as it is now; None when it has changed since, or nothing is."""
        fetched = self._fetched.get((project_id, task.task_id))
        if fetched is None or fetched.task_print != print_of(task):
            return None
        with self._changing:
            self._fetched.move_to_end((project_id, task.task_id))
        return fetched

    def put(self, project_id: str, task: Task, trace: Trace | None) -> None:
        """Keep what the server said when it was asked while `task` was as given."""
        key = (project_id, task.task_id)
        self._drop(key)
        kept = None if trace is None or trace.is_sample else trace
        with self._changing:
            self._fetched[key] = Fetched(kept, print_of(task))
        if kept is not None:
            self.characters += kept.size
            if kept.trace_id:
                self._keys[kept.trace_id] = key
        for listener in tuple(self.listeners):
            listener(project_id, task, kept)
        while self._fetched and (
            self.characters > self._most_characters or len(self._fetched) > self._most_traces
        ):
            self._drop(next(iter(self._fetched)))

    def fetched_before(self, project_id: str, tasks: Mapping[str, Task]) -> Iterator[str]:
        """The ids of those of `tasks` that have changed since their trace was fetched."""
        for (of_project, task_id), fetched in tuple(self._fetched.items()):
            if of_project != project_id or fetched.trace is None or task_id not in tasks:
                continue
            if fetched.task_print != print_of(tasks[task_id]):
                yield task_id

    def traces_of(self, project_id: str) -> Mapping[str, Trace]:
        """The traces that are kept of a project, by task id, as they were last fetched. From any thread."""
        with self._changing:
            kept = tuple(self._fetched.items())
        return MappingProxyType(
            {
                task_id: fetched.trace
                for (of_project, task_id), fetched in kept
                if of_project == project_id and fetched.trace is not None
            }
        )

    def is_anothers(self, trace_id: str, project_id: str, task_id: str) -> bool:
        """Is the trace of this id known to be another task's?"""
        return self._keys.get(trace_id, (project_id, task_id)) != (project_id, task_id)

    def forget(self, project_id: str) -> None:
        """The traces of this project were cleared."""
        for key in [key for key in self._fetched if key[0] == project_id]:
            self._drop(key)

    def keep_only(self, project_ids: Collection[str]) -> None:
        """Nobody will ask for those of other projects any more."""
        for key in [key for key in self._fetched if key[0] not in project_ids]:
            self._drop(key)

    def _drop(self, key: tuple[str, str]) -> None:
        with self._changing:
            fetched = self._fetched.pop(key, None)
        if fetched is not None and fetched.trace is not None:
            self.characters -= fetched.trace.size
            if fetched.trace.trace_id:
                self._keys.pop(fetched.trace.trace_id, None)
