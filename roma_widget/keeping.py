"""How a session is saved and recorded: what it hands to `archive`, and the traces that a recording wants."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from .archive.recorder import Recorder
from .archive.source import Source, SourceStep
from .client.actions import Actions
from .client.feed import Feed
from .client.remembered import Remembers
from .client.trace_cache import print_of
from .core.annotations import Annotation
from .core.events import TaskRest
from .core.log import Row
from .core.model import FINAL, Connection, Task, Trace
from .core.state import Change, ProjectState
from .core.steps import as_us
from .core.text import count_text
from .core.traces import Fetching
from .errors import RomaError

TRACES_EVERY_S = 3.0
TRACES_AT_A_TIME = 100
SOON_S = 0.2
FETCH_WITHIN_S = 20.0
_log = logging.getLogger("roma_widget.keeping")


class Keeping(Remembers):
    """Mixed into `Session`. On the loop, but for what a recorder asks on its own thread."""

    connection: Connection
    actions: Actions
    _feed: Feed

    if TYPE_CHECKING:

        def _shown(self) -> ProjectState | None: ...

        def traces(self, project_id: str) -> Mapping[str, Trace]: ...

        def server_offset_s(self) -> float | None: ...

    def __init__(self, feed: Feed, *, keeps_history: bool) -> None:
        super().__init__(feed, keeps_history=keeps_history)
        self._recorders: dict[Recorder, asyncio.Task[None]] = {}
        self._asked_for: dict[tuple[str, str], int] = {}
        """Prints of the tasks whose traces were fetched for a recording: what is kept of them here may go again."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no file."""
        return self._feed.options.secrets()

    async def source(self) -> Source:
        """The shown run, to be saved: its history, or without one what it is now. What servers left out of tasks is
        fetched first, where they still answer."""
        missing = await self._fetch_left_out()
        shown, snapshot = self._shown(), self.snapshot
        if shown is None or snapshot.project is None:
            raise RomaError("There is no run to save yet: nothing is shown.")
        project_id = snapshot.project.project_id
        with self._history_lock:
            history = self._history
            steps = history.each() if history is not None else []
            until_us = history.until_us if history is not None else None
            has_forgotten = history is None or history.has_forgotten
        kept = [
            SourceStep(step.time_us, step.heard_s, step.project, versions, is_exact)
            for step, versions, is_exact in steps
        ]
        if not kept:
            now_us = as_us(shown.time) if shown.time is not None else round(time.time() * 1e6)
            kept = [SourceStep(now_us, time.time(), snapshot.project, shown.tasks)]
        excerpt = self._event_log.excerpt()
        return Source(
            steps=kept,
            offset_s=self.server_offset_s(),
            known_until_us=until_us,
            traces=self.traces(project_id),
            results=self.results(project_id),
            rows=excerpt.rows,
            rows_dropped=excerpt.dropped,
            annotations=self.annotated(project_id),
            has_forgotten=has_forgotten,
            missing=missing,
        )

    async def _fetch_left_out(self) -> tuple[str, ...]:
        """Sentences on what cannot be had."""
        shown = self._shown()
        lean = [task for task in shown.tasks.values() if task.n_left_out] if shown is not None else []
        for place, task in enumerate(lean):
            try:
                await self.actions.details(task, FETCH_WITHIN_S)
            except RomaError as error:
                return (f"The results of {count_text(len(lean) - place, 'task')} are not all here: {error}",)
        return ()

    # -- recording

    def record_with(self, recorder: Recorder) -> None:
        """From now on it hears what is heard here; traces of tasks that have ended are fetched for it."""
        recorder.attach(self, self._shown(), time.time())
        fetching = asyncio.get_running_loop().create_task(self._fetch_traces(recorder), name="roma-recording")
        self._recorders[recorder] = fetching

    def stop_recording(self, recorder: Recorder) -> None:
        """It hears no more. It is still to be closed."""
        fetching = self._recorders.pop(recorder, None)
        if fetching is not None:
            fetching.cancel()

    def _end_recordings(self) -> None:
        for recorder in tuple(self._recorders):
            self.stop_recording(recorder)

    def _record(self, shown: ProjectState | None, changes: Iterable[Change], now_s: float) -> None:
        for recorder in self._recorders:
            recorder.hear(shown, changes, now_s)

    async def _fetch_traces(self, recorder: Recorder) -> None:
        while not recorder.is_over:
            shown = self._shown() if self.connection.state == "live" else None
            wanted = self._traces_wanted(shown) if shown is not None else []
            if shown is not None and wanted:
                try:
                    ids = [task.task_id for task in wanted]
                    await self.actions.fetch_traces(ids, FETCH_WITHIN_S, Fetching())
                except RomaError as error:  # it is asked for again
                    _log.debug("fetching traces for a recording: %s", error)
                project_id = shown.project.project_id
                for task in wanted:
                    if self._feed.traces.get(project_id, task) is not None:
                        self._asked_for[project_id, task.task_id] = print_of(task)
            is_more = len(wanted) == TRACES_AT_A_TIME
            await asyncio.sleep(SOON_S if is_more else TRACES_EVERY_S)

    def _traces_wanted(self, shown: ProjectState) -> list[Task]:
        """Some of the tasks that have ended and whose trace nobody has asked for since."""
        project_id = shown.project.project_id
        wanted = (
            task
            for task in shown.tasks.values()
            if task.status in FINAL and self._asked_for.get((project_id, task.task_id)) != print_of(task)
        )
        return list(islice(wanted, TRACES_AT_A_TIME))

    # -- for a recorder, on its thread

    def results(self, project_id: str) -> list[tuple[str, TaskRest]]:
        """What the server had left out of tasks and was fetched."""
        return self._feed.left_out.kept_of(project_id)

    def rows_since(self, seq: int) -> list[Row]:
        """Of the log."""
        return self._event_log.since(seq)

    def annotated(self, project_id: str) -> tuple[Annotation, ...]:
        """What people wrote beside the tasks of that project."""
        return self._annotations.of(project_id)
