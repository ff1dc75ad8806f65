"""How a monitor that came late looks back: a relay tells what it has heard since it began, once, when somebody asks."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .archive.saved import open_run
from .archive.source import SourceStep
from .client import requests
from .client.feed import Feed
from .client.remembered import Remembers
from .client.shared import Shared
from .core import wire
from .core.model import Connection, Task
from .errors import RomaError, ServerError

WITHIN_S = 30.0
_log = logging.getLogger("roma_widget.reaching")


class ReachesBack(Remembers):
    """Mixed into `Session`, on the loop, but for `reach_back_now`."""

    connection: Connection
    _feed: Feed
    _own_loop: asyncio.AbstractEventLoop

    def _begin_reaching(self) -> None:
        self._reached: set[str] = set()
        """Projects of which the relay has told, or said that it cannot."""
        self._reaching: Shared[str, None] = Shared()
        self._loop_thread = threading.get_ident()

    def reaches_back(self) -> bool:
        """Is there a relay that may know what was before? From any thread."""
        project = self.snapshot.project
        return (
            self._history is not None
            and project is not None
            and bool(self.snapshot.tasks)
            and project.project_id not in self._reached
            and self.connection.state == "live"
            and self.connection.relay is not None
            and self._feed.numbers.extension
        )

    async def reach_back(self) -> None:
        """Returns when the history goes back as far as the relay's, or it turned out that it cannot."""
        project = self.snapshot.project
        if project is not None and self.reaches_back():
            await self._reaching.ask(project.project_id, lambda: self._reach(project.project_id))

    def reach_back_now(self) -> None:
        """The same for other threads. On the loop, where nobody can wait, it is only begun."""
        if not self.reaches_back():
            return
        reaching = asyncio.run_coroutine_threadsafe(self.reach_back(), self._own_loop)
        if threading.get_ident() == self._loop_thread:
            return
        try:
            with suppress(TimeoutError, CancelledError):
                reaching.result(WITHIN_S + 1)
        except BaseException:
            reaching.cancel()
            raise

    async def _reach(self, project_id: str) -> None:
        try:
            told = await self._feed.hearing.requests.ask(requests.history(project_id), WITHIN_S)
            assert isinstance(told, wire.HistoryTold)
            steps = await asyncio.to_thread(self._steps_in, told.archive, project_id)
        except RomaError as error:
            _log.info("what was before: %s", error)
            if isinstance(error, ServerError):  # else it is asked again
                self._reached.add(project_id)
            return
        self._reached.add(project_id)
        with self._history_lock:
            if self._history is not None:
                self._history.begin_with(project_id, steps)

    def _steps_in(self, archive: bytes, project_id: str) -> list[SourceStep]:
        """In a thread. What was left out of tasks is read where that of the present ones is."""
        rest = self._feed.left_out.rest_of(project_id)

        def here(task: Task | None) -> Task | None:
            return task if task is None or task.rest is None else replace(task, _rest=rest)

        with tempfile.TemporaryDirectory(prefix="roma-widget-") as folder:
            path = Path(folder) / "history.roma"
            path.write_bytes(archive)
            with open_run(path, project_id) as run:
                return [
                    replace(step, versions={key: here(task) for key, task in step.versions.items()})
                    for step in run.source().steps
                ]
