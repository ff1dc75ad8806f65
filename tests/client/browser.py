"""A stand-in for a browser: what it was told, put together as docs/messages.md says."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import roma_widget as roma
from roma_widget.core import view

_views = count()


class Browser:
    """One view of a monitor. `lost` counts the deltas that did not fit."""

    def __init__(self, m: roma.Monitor) -> None:
        self.tasks: dict[str, Any] = {}
        self.revs: list[int] = []
        self.lost = self.snapshots = 0
        monitor: Any = m
        self._monitor = monitor
        monitor._channel._send = self._hear
        self._open()

    def reload(self) -> None:
        """The page goes, and comes again as another view that knows nothing."""
        self._say({"type": "bye", "view": self._view})
        self._monitor._io.post(self._open)

    def say_here(self) -> None:
        self._say({"type": "here", "view": self._view})

    def _open(self) -> None:
        self.tasks = {}
        self.revs.clear()
        self._view = f"v{next(_views)}"
        self._say_hello()

    def _say_hello(self) -> None:
        self._say({"type": "hello", "view": self._view, "rev": None})

    def _say(self, content: dict[str, Any]) -> None:
        self._monitor._io.post(self._monitor._receive, content)

    def _hear(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if content["type"] == "snapshot":
            self.tasks = {task["id"]: task for task in json.loads(buffers[0])["tasks"]}
            self.snapshots += 1
        elif content["type"] == "delta":
            if content["base"] != self.revs[-1]:
                self.lost += 1
                self._say_hello()
                return
            news = json.loads(buffers[0])
            for task_id, fields in news["changed"].items():
                self.tasks[task_id] = {**self.tasks.get(task_id, {}), **fields}
            for task_id in news["removed"]:
                del self.tasks[task_id]
        else:
            return
        self.revs.append(content["rev"])

    def shows(self, m: roma.Monitor) -> bool:
        told = json.loads(json.dumps(view.whole(m.snapshot.tasks)["tasks"]))
        return self.tasks == {task["id"]: task for task in told} and self.revs[-1:] == [m.revision]
