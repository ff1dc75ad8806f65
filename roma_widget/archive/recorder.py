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
from ..core.hitl import HitlRequest
from ..core.log import Row
from ..core.model import FINAL, NO_TASKS, Project, Task, Trace
from ..core.state import Change, ProjectState
from ..core.steps import Steps
from ..core.text import count_text
from ..errors import ArchiveError
from .redaction import RedactFailed
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


def recorder_of(path: Path) -> Recorder | None:
    """The recording of this process that writes this file."""
    for each in tuple(_running):
        with suppress(OSError):
            if not each.is_over and path.samefile(each.path):
                return each
    return None


class Recorded(Protocol):
    """The session that is recorded, as far as it is looked at. Called on the recorder's thread."""

    @property
    def log_id(self) -> str: ...

    def traces(self, project_id: str) -> Mapping[str, Trace]: ...

    def results(self, project_id: str) -> Iterable[tuple[str, TaskRest]]: ...

    def rows_since(self, seq: int) -> list[Row]: ...

    def annotated(self, project_id: str) -> tuple[Annotation, ...]: ...

    def hitl_ledger(self) -> tuple[HitlRequest, ...]: ...

    def server_offset_s(self) -> float | None: ...

    def tell_failure(self, name: str, sentence: str) -> None: ...


class _Turned(NamedTuple):
    """This session is recorded from here on; or, with `is_over`, no more."""

    source: Recorded
    is_over: bool


class _Traced(NamedTuple):
    """The trace of a task has come; None: it has none."""

    project_id: str
    task_id: str
    trace: Trace | None


class _Heard(NamedTuple):
    """One state of the shown project. With `is_whole` `versions` are all its tasks."""

    project_id: str
    project: Project | None
    versions: Mapping[str, Task | None]
    is_whole: bool
    tasks: Mapping[str, Task]
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
        self.tasks: Mapping[str, Task] = NO_TASKS
        self.annotations = 0


class Recorder:
    """Made where a person can be told at once that a file cannot be written: raises ArchiveError.

    `hear` and `attach` are for the loop of `roma-io`; `close` for whoever made it.
    """

    def __init__(
        self, path: Path, redaction: Redacts, *, about: Mapping[str, Any], made_by: str | None = None
    ) -> None:
        """`made_by` is the cell that made it: run again, it goes on with the same file."""
        self.path = path
        self.made_by = made_by
        self.failure: str | None = None
        self._writer = ArchiveWriter(path, redaction, about={**about, "ended": False}, append=True)
        self._heard: deque[_Heard | _Traced | _Turned] = deque()
        self._source: Recorded | None = None
        """Of the thread; `_turned_to` is the loop's."""
        self._turned_to: Recorded | None = None
        self._shown_id: str | None = None
        self._runs: dict[str, _Run] = {}
        self._row_seq = -1
        self._questions: dict[str, int] = {}
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
        self._turned_to, self._shown_id = source, None
        self._heard.append(_Turned(source, is_over=False))
        self.hear(shown, (), now_s)

    def detach(self, source: Recorded) -> None:
        """It is no more; what it has until now is still written."""
        if self._turned_to is source:
            self._heard.append(_Turned(source, is_over=True))

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
                shown.tasks,
                shown.time,
                shown.offset,
                now_s,
                time.monotonic(),
            )
        )
        if len(self._heard) >= MOST_WAITING:
            self._fail(f"{self.path} was not written for so long that the recording has ended.")

    def hear_trace(self, project_id: str, task_id: str, trace: Trace | None) -> None:
        """The trace of a task of that project has come; None: it has none."""
        if not self.is_over:
            self._heard.append(_Traced(project_id, task_id, trace))

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
                self._fail(str(error))
            except RedactFailed as error:
                self._fail(f"{error.why}; the recording {self.path} ends before that.")
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
        while True:
            try:
                heard = self._heard.popleft()
            except IndexError:
                break
            if isinstance(heard, _Turned):
                self._turn(heard)
            elif isinstance(heard, _Traced):
                run = self._runs.setdefault(heard.project_id, _Run())
                if heard.trace is not None:
                    self._put_trace(heard.project_id, run, heard.trace)
                else:
                    run.traces.setdefault(heard.task_id, 0)
            else:
                self._put(heard)
        if self._source is not None:
            self._put_what_is_kept(self._source)
        if is_last:
            self._writer.note(ended=True, missing=self._missing())
        self._writer.commit()
        self._is_behind = False

    def _turn(self, turned: _Turned) -> None:
        if turned.is_over:
            self._put_what_is_kept(turned.source)
            return
        self._source = turned.source
        self._row_seq = self._writer.begin_log(turned.source.log_id)

    def _put(self, heard: _Heard) -> None:
        self._writer.prepare(heard.project_id)
        run = self._runs.setdefault(heard.project_id, _Run())
        run.tasks = heard.tasks
        run.steps.hear(heard.stamp, heard.offset, heard.steady_s)
        self._put_times(heard.project_id, run)
        last = run.steps[-1].project if run.steps else None
        project = heard.project or last
        if project is None or not (heard.is_whole or heard.versions or project != last):
            return
        step = run.steps.add(heard.now_s, heard.steady_s, project, [])
        seq = self._writer.step(project, heard.versions, step.time_us, heard.now_s, is_whole=heard.is_whole)
        run.seqs.append(seq)
        run.times_us.append(step.time_us)
        if heard.is_whole:
            self._writer.show(heard.project_id)
        if seq >= MOST_STEPS - 1:
            self._fail(f"{self.path} has as many moments as an archive takes; its recording has ended.")

    def _missing(self) -> list[str]:
        """What an ended recording lacks, in sentences."""
        tasks = [
            (run, task) for run in self._runs.values() for task in run.tasks.values() if task.status in FINAL
        ]
        n_traces = sum(task.task_id not in run.traces for run, task in tasks)
        n_results = sum(bool(task.n_left_out) and task.task_id not in run.results for run, task in tasks)
        return [
            f"The {what} of {count_text(number, 'task')} had not been fetched when the recording ended."
            for what, number in (("traces", n_traces), ("results", n_results))
            if number
        ]

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
        changed = [
            each for each in source.hitl_ledger() if self._questions.get(each.request_id) != hash(each)
        ]
        self._questions.update((each.request_id, hash(each)) for each in changed)
        self._writer.questions(changed)
        for project_id, run in self._runs.items():
            if run.steps:
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

    def _fail(self, sentence: str) -> None:
        if self.failure is None:
            self.failure = sentence
            self._tell(sentence)
        self._heard.clear()

    def _tell(self, sentence: str) -> None:
        source = self._turned_to
        if source is not None:
            source.tell_failure("record", sentence)
