"""What a server's extension leaves out of its tasks: asked for when somebody reads it, kept while there is room.

The results of tasks that have ended are fetched by themselves, so that they can still be read when the server is
gone. Runs on the loop of `roma-io`, but for `read`, which is for every other thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

from ..core.events import GraphUpdate, Node, TaskRest
from ..core.lean import same_result, whole_of
from ..core.model import FINAL, Rest, Task
from ..core.reading import shorten
from ..core.split import member
from ..errors import NotLive, RomaError
from .shared import Shared

MOST_CHARACTERS = 64 * 2**20
LARGEST_UNASKED = 2**20
"""Bytes of a result that is fetched before anybody asks for it."""
MOST_QUEUED = 20_000
LONGEST_QUEUED_ID = 1_000
MOST_PROJECTS = 16
"""Of which it is known what their tasks are now."""
READ_WITHIN_S = 20.0
_log = logging.getLogger("roma_widget.left_out")

Ask = Callable[[str, str, float], Awaitable[TaskRest]]
_Key = tuple[str, str]


class LeftOut:
    """See the module. `ask(project_id, task_id, timeout_s)` asks the server. Made on the loop."""

    def __init__(self, ask: Ask, most_characters: int = MOST_CHARACTERS) -> None:
        self._ask: Ask | None = ask
        self._most_characters = most_characters
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._pid = os.getpid()
        self._kept: OrderedDict[_Key, tuple[str, TaskRest]] = OrderedDict()
        """With the JSON that described the task when it was fetched."""
        self._keeping = threading.Lock()
        self._characters = 0
        self._now: OrderedDict[str, Mapping[str, Node]] = OrderedDict()
        self._wanted: OrderedDict[_Key, None] = OrderedDict()
        self._has_wanted = asyncio.Event()
        self._asking: Shared[tuple[str, str, str], TaskRest] = Shared()
        self.listeners: list[Callable[[str, str, str, TaskRest], None]] = []
        """Told of each that came, with the JSON that described its task."""

    def rest_of(self, project_id: str) -> Rest:
        """What reads the whole of this project's tasks; for `LeanMirror`."""
        return _RestOf(self, project_id)

    def kept_of(self, project_id: str) -> list[tuple[str, TaskRest]]:
        """What was fetched of a project's tasks, each with the JSON that described the task then. From any thread."""
        with self._keeping:
            return [kept for (of_project, _), kept in self._kept.items() if of_project == project_id]

    def close(self) -> None:
        """What is kept can be read on; nothing more is asked for."""
        self._ask = None
        self._now.clear()
        self._wanted.clear()

    def read(self, project_id: str, task: Task) -> Mapping[str, Any]:
        """The whole dict of `task`, from any thread but `roma-io`. Raises RomaError."""
        kept = self.known(project_id, task.task_id, task.raw_json)
        if kept is None:
            if self._pid != os.getpid():
                raise NotLive("This task belongs to another process; connect again with roma.connect(…).")
            if threading.get_ident() == self._thread:
                raise RuntimeError(
                    f"The result of {shorten(task.task_id, 60)!r} is still on the server, and here (on roma-io, in a "
                    "trait observer?) nobody can wait for it: read it from a cell."
                )
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
        """What the task that is described by `lean_json` left out. Raises RomaError.

        The server knows only what a task is now: of one that has another result since, or was made anew, it is not
        asked.
        """
        kept = self.known(project_id, task_id, lean_json)
        if kept is not None:
            return kept
        now = self._now.get(project_id, {}).get(task_id)
        newest = now.raw_json if now is not None and not now.is_whole else lean_json
        if not same_result(lean_json, newest):
            raise RomaError(
                f"Task {shorten(task_id, 60)!r} has changed since this was read, and what it left out then is on no "
                "server any more: m.task(…) and m.result(…) give what it is now."
            )
        kept = self.known(project_id, task_id, newest)
        if kept is None:
            if self._ask is None:
                raise NotLive(
                    f"The result of {shorten(task_id, 60)!r} was not fetched before the connection was closed."
                )
            kept = await self._asking.ask(
                (project_id, task_id, newest), lambda: self._fetch(project_id, task_id, newest, timeout_s)
            )
        return kept

    async def _fetch(self, project_id: str, task_id: str, lean_json: str, timeout_s: float) -> TaskRest:
        if self._ask is None:
            raise NotLive("The connection was closed.")
        kept = await self._ask(project_id, task_id, timeout_s)
        self._keep((project_id, task_id), lean_json, kept)
        for listener in tuple(self.listeners):
            listener(project_id, task_id, lean_json, kept)
        return kept

    def note(self, frame: GraphUpdate) -> None:
        """Look through a frame for results that are worth having."""
        project_id = frame.project_id
        if project_id is None:
            return
        last = self._now.pop(project_id, {})
        self._now[project_id] = frame.nodes
        if len(self._now) > MOST_PROJECTS:
            self._now.popitem(last=False)
        for task_id, node in frame.nodes.items():
            if last.get(task_id) is not node and not node.is_whole and node.status in FINAL:
                self._want((project_id, task_id))

    async def fetch_noted(self) -> None:
        """Fetch what `note` found, one at a time, for as long as the connection lasts."""
        while True:
            await self._has_wanted.wait()
            while self._wanted:
                (project_id, task_id), _ = self._wanted.popitem(last=False)
                node = self._now.get(project_id, {}).get(task_id)
                size = member(node.raw_json, "result_size") if node is not None else None
                if node is None or not isinstance(size, int) or not 0 < size <= LARGEST_UNASKED:
                    continue
                try:
                    await self.fetch(project_id, task_id, node.raw_json, READ_WITHIN_S)
                except RomaError as error:  # whoever reads it asks again, and is told
                    _log.debug("the result of %s: %s", shorten(task_id, 60), error)
            self._has_wanted.clear()

    def _want(self, key: _Key) -> None:
        if len(key[1]) <= LONGEST_QUEUED_ID and len(self._wanted) < MOST_QUEUED:
            self._wanted[key] = None
            self._has_wanted.set()

    def known(self, project_id: str, task_id: str, lean_json: str) -> TaskRest | None:
        """What was fetched of a task that is still described by `lean_json`."""
        kept = self._kept.get((project_id, task_id))
        return kept[1] if kept is not None and kept[0] == lean_json else None

    def _keep(self, key: _Key, lean_json: str, rest: TaskRest) -> None:
        """What was fetched longest ago makes room."""
        self._drop(key)
        with self._keeping:
            self._kept[key] = (lean_json, rest)
        self._characters += rest.size
        while self._characters > self._most_characters and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: _Key) -> None:
        with self._keeping:
            kept = self._kept.pop(key, None)
        if kept is not None:
            self._characters -= kept[1].size


class _RestOf:
    """Of the tasks of one project. A copy is itself; what is sent to another process can ask nobody there."""

    __slots__ = ("_left_out", "_project_id")

    def __init__(self, left_out: LeftOut, project_id: str) -> None:
        self._left_out = left_out
        self._project_id = project_id

    def __call__(self, task: Task) -> Mapping[str, Any]:
        return self._left_out.read(self._project_id, task)

    async def whole(self, task: Task, timeout_s: float) -> Mapping[str, Any]:
        return await self._left_out.whole(self._project_id, task, timeout_s)

    def __deepcopy__(self, _memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[type[_Elsewhere], tuple[()]]:
        return _Elsewhere, ()


class _Elsewhere:
    """In the place of `_RestOf` in another process."""

    def __call__(self, task: Task) -> Mapping[str, Any]:
        raise NotLive(
            f"The result of {shorten(task.task_id, 60)!r} was left on its server when this task was copied to "
            "another process."
        )

    async def whole(self, task: Task, timeout_s: float) -> Mapping[str, Any]:
        return self(task)
