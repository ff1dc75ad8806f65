"""Records what a session sees into an archive, while it happens: a thread writes once a second.

The session only hands over what it has; the encoding, packing and writing cost the loop nothing. At most the last
second is lost when the process is killed. What cannot be written is tried again, and said.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..core.annotations import Annotation
from ..core.events import TaskRest
from ..core.history import changed_versions
from ..core.log import Row
from ..core.model import Project, Task, Trace
from ..core.state import Change, ProjectState
from ..core.steps import Steps
from ..errors import ArchiveError
from .writing import ArchiveWriter, Redacts, TakenOver

EVERY_S = 1.0
MOST_CHARACTERS = 60_000_000
"""Of the traces of a run, which may take four bytes each; `reading` takes as much."""
MOST_STAGES = 100_000
MOST_STEPS = 1_000_000
MOST_WAITING = 100_000
"""Changes that are kept while the disk takes none."""
_running: set[Recorder] = set()
_log = logging.getLogger("roma_widget.archive")


def is_recorded(path: Path) -> bool:
    """Is this file being written by a recording of this process?"""
    with suppress(OSError):
        return any(not each.is_over and path.samefile(each.path) for each in tuple(_running))
    return False


class Recorded(Protocol):
    """The session that is recorded, as far as it is looked at. Called on the recorder's thread."""

    def traces(self, project_id: str) -> Mapping[str, Trace]: ...

    def results(self, project_id: str) -> Iterable[tuple[str, TaskRest]]: ...

    def rows_since(self, seq: int) -> list[Row]: ...

    def annotated(self, project_id: str) -> tuple[Annotation, ...]: ...

    def server_offset_s(self) -> float | None: ...

    def note_failure(self, name: str, sentence: str) -> None: ...


class _Heard(NamedTuple):
    """One state of the shown project. With `is_whole` `versions` are all its tasks."""

    project_id: str
    project: Project | None
    versions: Mapping[str, Task | None]
    is_whole: bool
    stamp: datetime | None
    offset: timedelta
    now_s: float
    steady_s: float


class _Run:
    """What is known of a project while it is recorded."""

    def __init__(self) -> None:
        self.steps = Steps()
        self.seqs: list[int] = []
        self.times_us: list[int] = []
        self.moves = 0
        self.traces: dict[str, int] = {}
        """Prints of what is written, by task id: the things themselves may be forgotten meanwhile."""
        self.results: dict[str, int] = {}
        self.characters = 0
        self.n_stages = 0
        self.annotations = 0


class Recorder:
    """Made where a person can be told at once that a file cannot be written: raises ArchiveError.

    `hear` and `attach` are for the loop of `roma-io`; `close` for whoever made it.
    """

    def __init__(self, path: Path, redaction: Redacts, *, about: Mapping[str, Any]) -> None:
        self.path = path
        self.failure: str | None = None
        self._writer = ArchiveWriter(path, redaction, about={**about, "ended": False}, append=True)
        self._heard: deque[_Heard] = deque()
        self._source: Recorded | None = None
        self._shown_id: str | None = None
        self._runs: dict[str, _Run] = {}
        self._logged: Recorded | None = None
        self._row_seq = -1
        self._is_behind = False
        self._is_over = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._keep_writing, name="roma-recorder", daemon=True)
        _running.add(self)
        self._thread.start()
        atexit.register(self.close)

    # -- on the loop

    @property
    def is_over(self) -> bool:
        """Is nothing written any more?"""
        return self._is_over.is_set()

    def attach(self, source: Recorded, shown: ProjectState | None, now_s: float) -> None:
        """This session is recorded from now on."""
        self._source, self._shown_id = source, None
        self.hear(shown, (), now_s)

    def hear(self, shown: ProjectState | None, changes: Iterable[Change], now_s: float) -> None:
        """What is shown has become `shown`, by `changes`."""
        if shown is None or self.is_over or len(self._heard) >= MOST_WAITING:
            return
        project_id = shown.project.project_id
        is_whole = project_id != self._shown_id
        self._shown_id = project_id
        if is_whole:
            project: Project | None = shown.project
            versions: Mapping[str, Task | None] = shown.tasks
        else:
            project, versions = changed_versions(changes, project_id)
        self._heard.append(
            _Heard(
                project_id,
                project,
                versions,
                is_whole,
                shown.time,
                shown.offset,
                now_s,
                time.monotonic(),
            )
        )
        if len(self._heard) >= MOST_WAITING:
            self._fail(f"{self.path} was not written for so long that the recording has ended.")

    # -- for its owner

    def close(self, timeout_s: float = 10.0) -> None:
        """Writes what is left and ends. Gives up after `timeout_s`."""
        self._is_over.set()
        self._wake.set()
        self._thread.join(timeout_s)
        _running.discard(self)
        atexit.unregister(self.close)

    # -- on its thread

    def _keep_writing(self) -> None:
        said: str | None = None
        while True:
            is_last = self._is_over.is_set()
            try:
                self._write(is_last=is_last)
                said = None
            except TakenOver as error:
                # as when a cell runs again: nothing is wrong
                self._fail(str(error), is_told=not error.by_this_process)
            except ArchiveError as error:
                _log.warning("%s", error)
                if said is None:
                    said = str(error)
                    self._tell(f"{error} It is tried again every second.")
            except Exception as error:  # a bug of ours must be seen, and must not end what it can go on with
                _log.exception("recording %s", self.path)
                self._fail(f"roma-widget has a bug and stopped recording {self.path}: {error!r}")
            if is_last or self.failure is not None:
                self._is_over.set()
                self._writer.close()
                return
            self._wake.wait(EVERY_S)

    def _write(self, *, is_last: bool) -> None:
        if self._is_behind:
            self._writer.commit()  # before more is put to what could not be written
        self._is_behind = True
        while self._heard:
            self._put(self._heard.popleft())
        source = self._source
        if source is not None:
            if source is not self._logged:
                self._logged, self._row_seq = source, -1
                self._writer.begin_log()
            self._put_what_is_kept(source)
        if is_last:
            self._writer.note(ended=True)
        self._writer.commit()
        self._is_behind = False

    def _put(self, heard: _Heard) -> None:
        run = self._runs.setdefault(heard.project_id, _Run())
        run.steps.hear(heard.stamp, heard.offset, heard.steady_s)
        self._put_times(heard.project_id, run)
        last = run.steps[-1].project if run.steps else None
        project = heard.project or last
        if project is None or not (heard.is_whole or heard.versions or project != last):
            return
        step = run.steps.add(heard.now_s, heard.steady_s, project, [])
        seq = self._writer.step(project, heard.versions, step.time_us, heard.now_s, is_whole=heard.is_whole)
        if seq >= MOST_STEPS - 1:
            self._fail(f"{self.path} has as many moments as an archive takes; its recording has ended.")
        run.seqs.append(seq)
        run.times_us.append(step.time_us)
        if heard.is_whole:
            self._writer.show(heard.project_id)

    def _put_times(self, project_id: str, run: _Run) -> None:
        """Steps may turn out to have been at other times: see `core.steps`."""
        if run.steps.moves != run.moves:
            run.moves, times_us = run.steps.moves, run.steps.times_us()
            moved = {
                seq: now for seq, was, now in zip(run.seqs, run.times_us, times_us, strict=True) if was != now
            }
            self._writer.retime(project_id, moved)
            run.times_us = times_us

    def _put_what_is_kept(self, source: Recorded) -> None:
        rows = source.rows_since(self._row_seq)
        if rows:
            self._row_seq = rows[-1].seq
            self._writer.rows(rows)
        for project_id, run in self._runs.items():
            offset_s = source.server_offset_s()
            self._writer.known(project_id, offset_s=offset_s, until_us=run.steps.newest_us)
            for trace in source.traces(project_id).values():
                self._put_trace(project_id, run, trace)
            for lean_json, rest in source.results(project_id):
                print_ = hash((rest.result_json, rest.details_json, rest.aux_json, *rest.texts.values()))
                if run.results.get(rest.task_id) != print_:
                    run.results[rest.task_id] = print_
                    self._writer.result(project_id, lean_json, rest)
            written = source.annotated(project_id)
            self._writer.annotations(written[run.annotations :])
            run.annotations = len(written)

    def _put_trace(self, project_id: str, run: _Run, trace: Trace) -> None:
        print_ = hash((trace.trace_id, trace._stage_texts))
        if run.traces.get(trace.task_id) == print_ or run.characters > MOST_CHARACTERS:
            return
        run.traces[trace.task_id] = print_
        run.characters += trace.size
        run.n_stages += len(trace.stages)
        if run.characters > MOST_CHARACTERS or run.n_stages > MOST_STAGES:
            run.characters = MOST_CHARACTERS + 1
            self._tell(f"{self.path} has as many traces as an archive takes; no more are recorded.")
            return
        self._writer.trace(project_id, trace)

    def _fail(self, sentence: str, *, is_told: bool = True) -> None:
        if self.failure is None:
            self.failure = sentence
            if is_told:
                self._tell(sentence)
        self._heard.clear()

    def _tell(self, sentence: str) -> None:
        source: Recorded | None = self._source
        if source is not None:
            source.note_failure("record", sentence)
