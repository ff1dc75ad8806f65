"""What a server's extension leaves out of its tasks: asked for when somebody reads it, kept while there is room.

The results of tasks that have ended are fetched by themselves, so that they can still be read when the server is gone.
Runs on the loop of `roma-io`, but for `read`, which is for every other thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from ..core.events import NO_NODES, GraphUpdate, Node, TaskRest
from ..core.lean import whole_of
from ..core.model import FINAL, Rest, Task
from ..core.reading import shorten
from ..core.split import member
from ..errors import NotLive, RomaError

MOST_CHARACTERS = 64 * 2**20
LARGEST_UNASKED = 2**20
"""Bytes of a result that is fetched before anybody asks for it."""
MOST_QUEUED = 20_000
READ_WITHIN_S = 20.0
_log = logging.getLogger("roma_widget.left_out")

Ask = Callable[[str, str, float], Awaitable[TaskRest]]


class LeftOut:
    """See the module. `ask(project_id, task_id, timeout_s)` asks the server. Made on the loop."""

    def __init__(self, ask: Ask, most_characters: int = MOST_CHARACTERS) -> None:
        self._ask = ask
        self._most_characters = most_characters
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._pid = os.getpid()
        self._kept: OrderedDict[tuple[str, str], tuple[int, TaskRest]] = OrderedDict()
        self._characters = 0
        self._readers: dict[str, Rest] = {}
        self._last: Mapping[str, Node] = NO_NODES
        self._wanted: deque[tuple[str, Node]] = deque(maxlen=MOST_QUEUED)
        self._has_wanted = asyncio.Event()

    def reader(self, project_id: str) -> Rest:
        """What reads the whole of this project's tasks; for `LeanMirror`."""
        return self._readers.setdefault(project_id, partial(self.read, project_id))

    def read(self, project_id: str, task: Task) -> Mapping[str, Any]:
        """The whole dict of `task`, from any thread but `roma-io`. Raises RomaError."""
        kept = self._known(project_id, task.task_id, task.raw_json)
        if kept is None:
            if threading.get_ident() == self._thread:
                raise RuntimeError(
                    f"The result of {shorten(task.task_id, 60)!r} is still on the server, and here (on roma-io, in a "
                    "trait observer?) nobody can wait for it: read it from a cell."
                )
            if self._pid != os.getpid():
                raise NotLive("This task belongs to another process; connect again with roma.connect(…).")
            asking = self.fetch(project_id, task.task_id, task.raw_json, READ_WITHIN_S)
            future = asyncio.run_coroutine_threadsafe(asking, self._loop)
            try:
                kept = future.result(READ_WITHIN_S + 1)
            except BaseException:
                future.cancel()  # interrupted or late: nobody waits for it any more
                raise
        return whole_of(task.task_id, task.raw_json, kept)

    async def whole(self, project_id: str, task: Task, timeout_s: float) -> Mapping[str, Any]:
        """The same on the loop, for a task that is not whole."""
        rest = await self.fetch(project_id, task.task_id, task.raw_json, timeout_s)
        return whole_of(task.task_id, task.raw_json, rest)

    async def fetch(self, project_id: str, task_id: str, lean_json: str, timeout_s: float) -> TaskRest:
        """What the task that is described by `lean_json` left out. Raises RomaError."""
        kept = self._known(project_id, task_id, lean_json)
        if kept is None:
            kept = await self._ask(project_id, task_id, timeout_s)
            self._keep((project_id, task_id), hash(lean_json), kept)
        return kept

    def note(self, frame: GraphUpdate) -> None:
        """Look through a frame for results that are worth having."""
        last, self._last = self._last, frame.nodes
        if frame.project_id is None:
            return
        for task_id, node in frame.nodes.items():
            if (
                last.get(task_id) is not node
                and node.rest is not None
                and node.status in FINAL
                and self._known(frame.project_id, task_id, node.raw_json) is None
            ):
                self._wanted.append((frame.project_id, node))
        if self._wanted:
            self._has_wanted.set()

    async def fetch_noted(self) -> None:
        """Fetch what `note` found, one at a time, for as long as the connection lasts."""
        while True:
            await self._has_wanted.wait()
            while self._wanted:
                project_id, node = self._wanted.popleft()
                size = member(node.raw_json, "result_size")
                if not isinstance(size, int) or not 0 < size <= LARGEST_UNASKED or self._is_nearly_full:
                    continue
                try:
                    await self.fetch(project_id, node.task_id, node.raw_json, READ_WITHIN_S)
                except RomaError as error:  # whoever reads it asks again, and is told
                    _log.debug("the result of %s: %s", shorten(node.task_id, 60), error)
            self._has_wanted.clear()

    @property
    def _is_nearly_full(self) -> bool:
        return self._characters > 0.75 * self._most_characters

    def _known(self, project_id: str, task_id: str, lean_json: str) -> TaskRest | None:
        kept = self._kept.get((project_id, task_id))
        return kept[1] if kept is not None and kept[0] == hash(lean_json) else None

    def _keep(self, key: tuple[str, str], lean_print: int, rest: TaskRest) -> None:
        self._drop(key)
        self._kept[key] = (lean_print, rest)
        self._characters += rest.size
        while self._characters > self._most_characters and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._characters -= kept[1].size
