"""`load`: a saved run as a monitor, which shows and gives out all that a live one does, and can ask nobody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from .archive.saved import SavedRun, open_run
from .archive.source import Source
from .client.aside import aside
from .client.loop import io_thread
from .core.annotations import MOST_ANNOTATIONS, Annotation
from .core.hitl import HitlRequest, Via
from .core.lean import lean_details
from .core.log import LONGEST_VALUE, Excerpt, Row
from .core.model import OUTCOMES_OF_AN_ENDED_RUN, Connection, Snapshot, Stage, Task, Trace
from .core.project_list import entry_of, facts_of
from .core.reading import shorten
from .core.recall import Recalled, StatusSince
from .core.server_status import Execution
from .core.traces import Fetching
from .core.when import When
from .errors import NotLive, RomaError
from .widget.cells import MadeInCells
from .widget.messages import publication
from .widget.monitor import Monitor

_loaded: MadeInCells[Monitor] = MadeInCells()


def load(path: str | Path, project: str | None = None) -> Monitor:
    """Show a saved run: all that reads works as on a live monitor, and what asks the server raises NotLive.

    `path` is a file that `m.save`, `connect(record=…)` or `roma-widget record` wrote, also while it grows: it is
    shown as it is now. A raw recording of a server's events (`.jsonl`, `.jsonl.xz`) will do, too. A file of several
    runs shows the one that was looked at last, or `project`; `m.watch` shows another. Nothing in the file acts,
    whoever made it. Raises ArchiveError for what is no archive, is damaged, or of a newer version, UnknownProject,
    ValueError for a project that is no text. Example: `m = roma.load("run.roma"); m.at(30).tasks()`
    """
    if project is not None and not isinstance(project, str):
        raise ValueError(f"project takes a project's id, a string, not {type(project).__name__}.")
    run = open_run(path, project)
    io = io_thread()
    session = SavedSession(run)
    monitor = Monitor(
        session=session,
        io=io,
        address=run.path.name,
        watching=run.project_id,
        on_watch=_watch,
        on_close=_leave,
    )

    async def show() -> None:
        session.show(monitor)

    io.result(show())
    _end_earlier(monitor)
    return monitor


async def _watch(monitor: Monitor, project_id: str | None, _timeout_s: float) -> None:
    """Another run of the same file; None: the one that was looked at last."""
    before = monitor._session
    assert isinstance(before, SavedSession)
    run = await asyncio.to_thread(open_run, before.run.path, project_id)
    session = SavedSession(run, before)
    monitor.move_to(session, run.project_id)
    session.show(monitor)
    before.run.close()


async def _leave(_monitor: Monitor) -> None:
    """What it shows can be read on."""


def _end_earlier(monitor: Monitor) -> None:
    """A cell that runs again replaces the monitors that it made: ipywidgets never lets go of them."""
    for old in _loaded.replaced_by(monitor):
        old.retire()
        assert isinstance(old._session, SavedSession)
        old._session.run.let_go()


class SavedSession:
    """A saved run in the place of a session: nothing of it changes but what people write beside its tasks."""

    is_closed = True
    wakes = 0

    def __init__(self, run: SavedRun, before: SavedSession | None = None) -> None:
        """`before` is another run of the same file: what a person did there is known here, too."""
        self.run = run
        self.snapshot = run.snapshot
        self.actions = SavedActions(run)
        self._said: list[Row] = []
        if before is not None:
            self._said = before._said
            run.share_notes(before.run)

    def show(self, monitor: Monitor) -> None:
        """Tell a monitor all there is."""
        run = self.run
        self.snapshot = replace(run.snapshot, revision=monitor.revision + 1)
        projects = [entry_of(project, project.project_id == run.project_id) for project in run.listed()]
        facts = facts_of(projects, self.snapshot.project, self.snapshot.tasks, run.verdict)
        monitor.show_connection(Connection("archive", reason=run.story, error=run.lack))
        monitor.show(publication(Snapshot(), self.snapshot, run.times_us()[-1] / 1000), facts)

    async def source(self) -> Source:
        return self.run.source()

    @property
    def secrets(self) -> tuple[str, ...]:
        return ()

    def reconnect(self, *, force: bool = False) -> Coroutine[Any, Any, None]:
        raise _not_live()

    def prompts(self) -> tuple[HitlRequest, ...]:
        return ()

    def hitl_ledger(self) -> tuple[HitlRequest, ...]:
        return self.run.questions()

    def question(self, request_id: str) -> HitlRequest | None:
        return next((one for one in self.hitl_ledger() if one.request_id == request_id), None)

    async def answer(
        self, request_id: str, action: str, instructions: str | None, via: Via, within_s: float = 0.0
    ) -> HitlRequest:
        raise _not_live()

    async def hold(
        self,
        request_id: str,
        why: str,
        action: str | None = None,
        instructions: str | None = None,
        via: Via = "button",
    ) -> HitlRequest:
        raise _not_live()

    def raise_if_hopeless(self) -> None:
        raise _not_live()

    def describe(self) -> str:
        return f"{self.run.path.name} is a saved run"

    def link(self) -> dict[str, Any]:
        raise _not_live()

    def events(self) -> Excerpt:
        kept = self.run.excerpt()
        said = (row for row in tuple(self._said) if row.project_id == self.run.project_id)
        return replace(kept, rows=(*kept.rows, *said))

    def traces(self, _project_id: str) -> Mapping[str, Trace]:
        return self.run.traces()

    def server_offset_s(self) -> float | None:
        return self.run.server_offset_s

    def reaches_back(self) -> bool:
        return False

    def reach_back_now(self) -> None:
        """It begins where the file does."""

    async def reach_back(self) -> None: ...

    def times_us(self) -> list[int]:
        return self.run.times_us()

    def recall(self, when: When) -> Recalled:
        return self.run.recall(when)

    def statuses(self, task_id: str) -> list[StatusSince]:
        return self.run.statuses(task_id)

    def events_between(self, begin: When, end: When) -> Excerpt:
        return self.run.events_between(begin, end)

    async def wait(
        self, until: Any, timeout: float | None, stall_timeout: float | None, here: Callable[[], Any]
    ) -> Any:
        if callable(until):
            held = await aside(until, self.snapshot)
            if held:
                return held
        elif until == "connected" or self.snapshot.outcome in OUTCOMES_OF_AN_ENDED_RUN:
            return self.snapshot.outcome
        raise NotLive(f"{self.run.path.name} is a saved run: what is not so in it will not become so.")

    async def news_since(self, heard: int) -> None:
        raise _not_live()

    def annotations(self) -> tuple[Annotation, ...]:
        return self.run.written()

    def annotate(self, task_id: str, text: str, tags: tuple[str, ...]) -> None:
        self.run.task(task_id)
        if len(self.run.written()) >= MOST_ANNOTATIONS:
            raise RomaError(f"There are {MOST_ANNOTATIONS:,} annotations already; no more are kept.")
        self.run.write(Annotation(time.time(), self.run.project_id, task_id, text, tags))
        self._say("annotation", task_id=task_id, after=shorten(text, LONGEST_VALUE))

    def note_watch(self, name: str) -> None:
        self._say("watch", field=name)

    def note_failure(self, name: str, sentence: str) -> None:
        self._say("error", field=name, after=shorten(sentence, LONGEST_VALUE))

    def _say(self, event: str, **more: str) -> None:
        rows = self.run.excerpt().rows
        seq = (rows[-1].seq if rows else -1) + 1 + len(self._said)
        self._said.append(Row(seq, time.time(), self.run.project_id, event, **more))


class SavedActions:
    """What a live session asks its server: answered from the file, or NotLive."""

    def __init__(self, run: SavedRun) -> None:
        self._run = run

    async def trace(self, task_id: str, timeout_s: float) -> Trace:
        return await asyncio.to_thread(self._run.trace, task_id)

    async def details(self, task: Task, timeout_s: float) -> Mapping[str, Any]:
        return task.raw if lean_details(task.raw_json) is None else lean_details(task.raw_json) or {}

    async def fetch_traces(self, task_ids: Iterable[str] | None, timeout_s: float, fetching: Fetching) -> int:
        """None is fetched: those that were saved are here already."""
        for task_id in task_ids or ():
            self._run.task(task_id)
        return 0

    async def stage_details(self, task_id: str, stage_id: str, timeout_s: float) -> Stage:
        trace = await self.trace(task_id, timeout_s)
        for stage in trace.stages:
            if stage.stage_id == stage_id:
                return stage
        raise RomaError(
            f"The saved trace of {shorten(task_id, 60)!r} has no stage {shorten(stage_id, 60)!r}."
        )

    async def start(
        self, goal: str, max_steps: int | None, timeout_s: float, config: dict[str, Any] | None = None
    ) -> str:
        raise _not_live()

    async def executions(self, timeout_s: float) -> dict[str, Execution]:
        raise _not_live()

    async def switch(self, project_id: str, timeout_s: float) -> None:
        raise _not_live()

    async def stop(self, project_id: str | None, timeout_s: float) -> None:
        raise _not_live()

    async def save(self, timeout_s: float) -> None:
        raise _not_live()

    async def refresh(self, timeout_s: float) -> None:
        raise _not_live()


def _not_live() -> NotLive:
    return NotLive("This is a saved run, without a server: roma.connect(…) watches one that runs.")
