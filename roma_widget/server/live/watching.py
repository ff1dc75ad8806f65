"""Who watches which task, and the stages of watched tasks that have begun or changed since they were pushed.

A stage waits here, once and in its newest form, until its watcher has taken what came before: a watcher that
reads slowly is pushed less often. `stage_changed` is called by whoever changes a stage, on any thread with
the state's lock held; the rest happens on the loop.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from roma_widget.server.live.packing import pack
from roma_widget.server.state.state import State
from roma_widget.server.state.traces import ProcessingStage, copied
from roma_widget.server.wire.records import encode

MOST_WATCHED = 64
"""Tasks that one client may watch."""
MOST_PUSHED = 16
"""Stages in one message; the next message has the next ones."""

_Task = tuple[str, str]
_Due = dict[tuple[str, str, int], ProcessingStage]


class Watching:
    """Watchers are named by their session ids; a task by (project, node)."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._watchers: dict[_Task, set[str]] = {}
        self._watched: dict[str, set[_Task]] = {}
        self._changed: dict[str, _Due] = {}
        """By watcher, since the last `tick`."""
        self._due: dict[str, _Due] = {}

    def watch(self, sid: str, task: _Task) -> bool:
        """False when the client watches as many as it may."""
        with self._state.lock:
            watched = self._watched.setdefault(sid, set())
            if task not in watched and len(watched) >= MOST_WATCHED:
                return False
            watched.add(task)
            self._watchers.setdefault(task, set()).add(sid)
        return True

    def unwatch(self, sid: str, task: _Task) -> bool:
        """False when the client does not watch it."""
        with self._state.lock:
            if task not in self._watched.get(sid, ()):
                return False
            self._watched[sid].discard(task)
            self._watchers[task].discard(sid)
            if not self._watchers[task]:
                del self._watchers[task]
            for waiting in (self._changed.get(sid, {}), self._due.get(sid, {})):
                for key in [key for key in waiting if key[:2] == task]:
                    del waiting[key]
        return True

    def left(self, sid: str) -> None:
        with self._state.lock:
            for task in tuple(self._watched.get(sid, ())):
                self.unwatch(sid, task)
            for by_watcher in (self._watched, self._changed, self._due):
                by_watcher.pop(sid, None)

    def stage_changed(self, project_id: str, node_id: str, stage: ProcessingStage) -> bool:
        """Whether anybody watches that task."""
        watchers = self._watchers.get((project_id, node_id))
        if not watchers:
            return False
        place = self._state.traces.place(project_id, node_id, stage)
        if place is None:
            return False
        for sid in watchers:
            self._changed.setdefault(sid, {})[project_id, node_id, place] = stage
        return True

    def tick(self) -> None:
        """What changed until now may be pushed."""
        with self._state.lock:
            for sid, changed in self._changed.items():
                self._due.setdefault(sid, {}).update(changed)
            self._changed.clear()

    def has_due(self, sid: str) -> bool:
        return bool(self._due.get(sid))

    def take(self, sid: str) -> bytes | None:
        """Stages to be pushed to a client, packed; None when there are none."""
        with self._state.lock:
            due = self._due.get(sid)
            if not due:
                return None
            taken = [(key, copied(due.pop(key))) for key in list(islice(due, MOST_PUSHED))]
        stages: list[dict[str, Any]] = [
            {"project_id": project_id, "node_id": node_id, "seq": place, "stage": encode(stage).decode()}
            for (project_id, node_id, place), stage in taken
        ]
        return pack({"stages": stages})
