"""How a session is saved and recorded: what it hands to `archive`, and the traces that a recording wants."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from .archive.recorder import Recorder
from .archive.source import Source, SourceStep
from .client.actions import Actions
from .client.feed import Feed
from .client.left_out import LARGEST_UNASKED
from .client.remembered import Remembers
from .client.trace_cache import print_of
from .core.annotations import Annotation
from .core.events import TaskRest
from .core.hitl import HitlRequest
from .core.log import Row
from .core.model import FINAL, Connection, Task, Trace
from .core.state import Change, ProjectState
from .core.steps import as_us
from .core.text import count_text
from .core.traces import Fetching
from .errors import ConnectError, NotLive, RomaError, WaitTimeout

FETCH_EVERY_S = 3.0
AT_A_TIME = 100
SOON_S = 0.2
LAST_WITHIN_S = 2.0
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

        def hitl_ledger(self) -> tuple[HitlRequest, ...]: ...

        def publish_now(self) -> None: ...

    def __init__(self, feed: Feed, *, keeps_history: bool) -> None:
        super().__init__(feed, keeps_history=keeps_history)
        self._recorders: dict[Recorder, asyncio.Task[None]] = {}
        self._asked_for: dict[tuple[str, str], int] = {}
        """Prints of the tasks whose traces were fetched for a recording: what is kept of them here may go again."""
        self._asked_for_results: dict[tuple[str, str], int] = {}
        self.log_id = secrets.token_hex(8)
        self._own_loop = asyncio.get_running_loop()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no file."""
        return self._feed.options.secrets()

    async def source(self, *, fetches: bool = True) -> Source:
        """The shown run, to be saved: its history, or without one what it is now. What servers left out of tasks is
        fetched first, where they still answer and unless told otherwise."""
        missing = await self._fetch_left_out() if fetches else ()
        self.publish_now()
        shown = self._shown()
        if shown is None:
            raise RomaError("There is no run to save yet: nothing is shown.")
        project_id = shown.project.project_id
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
            kept = [SourceStep(now_us, time.time(), shown.project, shown.tasks)]
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
            questions=[each for each in self.hitl_ledger() if each.project_id in (None, project_id)],
            has_forgotten=has_forgotten,
            missing=missing,
        )

    async def _fetch_left_out(self) -> tuple[str, ...]:
        """Sentences on what cannot be had."""
        shown = self._shown()
        lean = [task for task in shown.tasks.values() if task.n_left_out] if shown is not None else []
        refused: list[RomaError] = []
        for place, task in enumerate(lean):
            try:
                await self.actions.details(task, FETCH_WITHIN_S)
            except (NotLive, ConnectError, WaitTimeout) as error:  # of the next it would be the same
                refused += [error] * (len(lean) - place)
                break
            except RomaError as error:
                refused.append(error)
        if not refused:
            return ()
        return (f"The results of {count_text(len(refused), 'task')} are not all here: {refused[0]}",)

    # -- recording

    def record_with(self, recorder: Recorder) -> None:
        """From now on it hears what is heard here; traces of tasks that have ended are fetched for it."""
        if not self._recorders:
            self._feed.traces.listeners.append(self._note_trace)
        recorder.attach(self, self._shown(), time.time())
        fetching = asyncio.get_running_loop().create_task(
            self._keep_fetching(recorder), name="roma-recording"
        )
        self._recorders[recorder] = fetching

    def stop_recording(self, recorder: Recorder) -> None:
        """It hears no more. It is still to be closed."""
        fetching = self._recorders.pop(recorder, None)
        if fetching is not None:
            recorder.detach(self)
            fetching.cancel()
            if not self._recorders:
                self._feed.traces.listeners.remove(self._note_trace)

    async def finish_recording(self, recorder: Recorder) -> None:
        """Before it hears no more: the traces and results of what ended a moment ago, if they come quickly."""
        if recorder in self._recorders and not recorder.is_over:
            with suppress(TimeoutError, RomaError):
                async with asyncio.timeout(LAST_WITHIN_S):
                    await self._fetch_some()
        self.stop_recording(recorder)

    async def fetch_what_ended(self) -> None:
        """Returns when the traces and results of all tasks that have ended were asked for; waits for the connection.
        Raises RomaError."""
        is_more = True
        while is_more:
            while self.connection.state != "live":
                if self.connection.state == "closed":
                    return
                await asyncio.sleep(SOON_S)
            is_more = await self._fetch_some()

    def _end_recordings(self) -> None:
        for recorder in tuple(self._recorders):
            self.stop_recording(recorder)

    def _record(self, shown: ProjectState | None, changes: Iterable[Change], now_s: float) -> None:
        for recorder in self._recorders:
            recorder.hear(shown, changes, now_s)

    def _note_trace(self, project_id: str, task: Task, trace: Trace | None) -> None:
        self._asked_for[project_id, task.task_id] = print_of(task)
        for recorder in self._recorders:
            recorder.hear_trace(project_id, task.task_id, trace)

    async def _keep_fetching(self, recorder: Recorder) -> None:
        while not recorder.is_over:
            try:
                is_more = await self._fetch_some()
            except RomaError as error:  # it is asked for again
                _log.debug("fetching for a recording: %s", error)
                is_more = False
            await asyncio.sleep(SOON_S if is_more else FETCH_EVERY_S)

    async def _fetch_some(self) -> bool:
        """Traces and results of tasks that have ended; True when there may be more. Raises RomaError."""
        shown = self._shown() if self.connection.state == "live" else None
        if shown is None:
            return False
        project_id = shown.project.project_id
        wanted = self._traces_wanted(shown)
        if wanted:
            await self.actions.fetch_traces([task.task_id for task in wanted], FETCH_WITHIN_S, Fetching())
        for task in self._results_wanted(shown):
            self._asked_for_results[project_id, task.task_id] = print_of(task)
            await self.actions.details(task, FETCH_WITHIN_S)
        return len(wanted) == AT_A_TIME

    def _results_wanted(self, shown: ProjectState) -> list[Task]:
        """Those that are too large to come by themselves."""
        key = shown.project.project_id
        return [
            task
            for task in shown.tasks.values()
            if task.status in FINAL
            and task.n_left_out > LARGEST_UNASKED
            and self._asked_for_results.get((key, task.task_id)) != print_of(task)
        ]

    def _traces_wanted(self, shown: ProjectState) -> list[Task]:
        """Some of the tasks that have ended and whose trace nobody has asked for since."""
        project_id = shown.project.project_id
        wanted = (
            task
            for task in shown.tasks.values()
            if task.status in FINAL and self._asked_for.get((project_id, task.task_id)) != print_of(task)
        )
        return list(islice(wanted, AT_A_TIME))

    # -- for a recorder, on its thread

    def tell_failure(self, name: str, sentence: str) -> None:
        """What is wrong with a recording stands in the log."""
        with suppress(RuntimeError):  # the loop is closed: nobody reads it any more
            self._own_loop.call_soon_threadsafe(self.note_failure, name, sentence)

    def results(self, project_id: str) -> list[tuple[str, TaskRest]]:
        """What the server had left out of tasks and was fetched."""
        return self._feed.left_out.kept_of(project_id)

    def rows_since(self, seq: int) -> list[Row]:
        """Of the log."""
        return self._event_log.since(seq)

    def annotated(self, project_id: str) -> tuple[Annotation, ...]:
        """What people wrote beside the tasks of that project."""
        return self._annotations.of(project_id)
