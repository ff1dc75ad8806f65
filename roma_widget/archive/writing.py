"""Writes an archive, step by step. Whoever calls it decides when what was written is committed.

A run is kept as keyframes (all tasks at one step) and changes (the differences to the step before). A keyframe
follows whenever as many versions have been written as are quick to go through again: see `written`.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from ..core.annotations import Annotation
from ..core.events import TaskRest
from ..core.hitl import HitlRequest
from ..core.log import Row
from ..core.model import Project, Task, Trace
from ..core.outcome import iso
from ..core.reading import clean
from ..errors import ArchiveError
from .files import Hold, header_of
from .format import (
    APPLICATION_ID,
    TABLES,
    VERSION,
    foreign,
    has_our_tables,
    pack,
)
from .questions import question_row
from .rows import annotation_row, project_json, stage_row, task_row, trace_json, zoned
from .versions import record_of
from .written import BLOCK_BYTES, WrittenRun

BUSY_S = 10.0
MOST_LOGS = 100
PAGE_BYTES = 1024
"""Most rows are bodies of a few kilobytes, each of which begins a page."""
_encode = msgspec.msgpack.Encoder().encode


class Redacts(Protocol):
    """What takes out of a run what is not to be kept. Each gives the same object where it changes nothing."""

    def sentence(self, text: str) -> str | None: ...

    def project(self, project: Project) -> Project: ...

    def task(self, task: Task) -> Task: ...

    def rest(self, rest: TaskRest) -> TaskRest: ...

    def trace(self, trace: Trace) -> Trace: ...

    def row(self, row: Row) -> Row: ...

    def annotation(self, annotation: Annotation) -> Annotation: ...

    def question(self, request: HitlRequest) -> HitlRequest: ...

    def report(self) -> dict[str, Any]: ...


class TakenOver(ArchiveError):
    """Somebody else writes this file now, or it is gone."""


class ArchiveWriter:
    """Writes to `path`, which is made, or with `append` gone on with. One thread at a time; raises ArchiveError.

    `about` says where the runs come from: JSON values under names of your own. What is written is kept in memory
    until `commit`, which is one transaction, so that whoever reads the file meanwhile waits for no longer than
    that.
    """

    def __init__(
        self, path: Path, redaction: Redacts, *, about: Mapping[str, Any], append: bool = False
    ) -> None:
        self.path = path
        self._redaction = redaction
        self.too_large: set[str] = set()
        """Ids of tasks whose JSON was left out, for whoever says so; to be emptied by them."""
        self._runs: dict[str, WrittenRun] = {}
        self._zones_learnt: dict[str, float] = {}
        """By project, whose stages are in the file without."""
        self._token = secrets.token_hex(8)
        self._first_row = self._next_row = self._shown = 0
        self._log_id = ""
        self._logs: dict[str, int] = {}
        """The last row of each, by what it is called."""
        self._waiting: list[tuple[str, Sequence[tuple[Any, ...]]]] = []
        with self._guarded():
            header = header_of(path) if path.exists() else b""
        if header and not append:
            raise ArchiveError(f"{path} exists already.")
        why = foreign(header) if header else None
        if why is not None:
            raise ArchiveError(f"{path} cannot be gone on with: {why}. Give another name.")
        with self._guarded():
            path.touch(0o600)  # prompts and results: nobody shares them by chance
            self._identity = _identity(path)
            self._hold = Hold(path)
            try:
                self._db = sqlite3.connect(
                    path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
                )
            except BaseException:
                self._hold.end()
                raise
        try:
            with self._guarded():
                self._begin(about, is_new=not header)
        except BaseException:
            self.close()
            raise

    def step(
        self,
        project: Project,
        versions: Mapping[str, Task | None],
        time_us: int,
        heard_s: float,
        *,
        is_whole: bool = False,
    ) -> int:
        """At that moment, of which we heard at `heard_s`, these tasks became so (None: gone). Returns its number.

        With `is_whole` they are all there are; a project's first step is, and the one after another project was
        shown. A task that is too large is kept without its JSON, and named in `too_large`. Where anything is raised,
        nothing has been written.
        """
        project_id = clean(project.project_id)
        run = self._run(project_id)
        is_news = is_whole or project != run.project
        told = project_json(self._redaction.project(project)) if is_news else None
        records = {
            clean(task_id): None if task is None else record_of(self._redaction.task(task))
            for task_id, task in versions.items()
        }
        with self._guarded():
            found = run.weighed(records, is_whole=is_whole)
        # nothing is raised, and so nothing is half done, from here on
        self.too_large |= {task_id for task_id, each in found.items() if each is not None and each.is_cut}
        if is_news:
            run.project, run.is_told = project, False
        seq, run.next_seq = run.next_seq, run.next_seq + 1
        self._write(_PUT_STEP, [(project_id, seq, run.place(seq, time_us), heard_s, told)])
        if is_whole:
            self._put_changes(project_id, run)
            self._write(_DROP_TASKS, [(project_id,)])
            run.take_all(found)
            self._put_keyframe(project_id, run, seq)
        elif run.take(seq, found):
            self._put_changes(project_id, run)
            self._put_keyframe(project_id, run, seq)
        elif run.packed_open >= BLOCK_BYTES:
            self._put_changes(project_id, run)
        return seq

    def prepare(self, project_id: str) -> None:
        """Learns what the file has of that project, which may raise as no `step` does behind it."""
        self._run(clean(project_id))

    def known(self, project_id: str, *, offset_s: float | None, until_us: int | None) -> None:
        """The zone of the project's server, None where it is not known now, and until when it is known how the run was.

        When it is learnt, what was written before with times of no zone moves.
        """
        project_id = clean(project_id)
        run = self._run(project_id)
        if offset_s is not None and run.offset_s is None:
            by_us, moved = run.zone_learnt(offset_s)
            if by_us:
                self._write(_MOVE, [(by_us, project_id, run.first_seq)])
            self._write(_RETIME, [(time_us, project_id, seq) for time_us, seq in moved])
            self._zones_learnt[project_id] = offset_s
        offset_s = run.offset_s if offset_s is None else offset_s
        if (offset_s, until_us) != (run.offset_s, run.known_until_us):
            run.offset_s, run.known_until_us, run.is_told = offset_s, until_us, False

    def show(self, project_id: str) -> None:
        """This is the project that is looked at from now on. Of the others the next step is whole."""
        run = self._run(clean(project_id))
        for other_id, other in self._runs.items():
            if other is not run:
                self._put_changes(other_id, other)
                self._put_rows(other_id, other)
                other.forget_tasks()
        if not run.shown or run.shown != self._shown:
            self._shown += 1
            run.shown, run.is_told = self._shown, False

    def retime(self, project_id: str, times_us: Mapping[int, int]) -> None:
        """Steps that were written before, by their numbers, have other times than was thought."""
        project_id = clean(project_id)
        run = self._run(project_id)
        self._write(_RETIME, [(time_us, project_id, seq) for time_us, seq in run.replace(times_us)])

    def trace(self, project_id: str, trace: Trace) -> None:
        """The stages of a task, in the place of those that were written before."""
        trace = self._redaction.trace(trace)
        project_id, task_id = clean(project_id), clean(trace.task_id)
        self._write(_PUT_TRACE, [(project_id, task_id, pack(trace_json(trace).encode()))])
        self._write(_DROP_STAGES, [(project_id, task_id)])
        stages = [
            (project_id, task_id, *stage_row(stage, self._run(project_id).offset_s)) for stage in trace.stages
        ]
        self._write(_put("stages", 17), stages)

    def result(self, project_id: str, lean_json: str, rest: TaskRest) -> None:
        """What the server had left out of a task, as it was described by `lean_json`."""
        rest = self._redaction.rest(rest)
        lean_json = self._redaction.task(Task(rest.task_id, "", "", raw_json=lean_json)).raw_json
        body = _encode(
            [clean(lean_json), rest.result_json, rest.details_json, rest.aux_json, dict(rest.texts)]
        )
        self._write(_put("results", 3), [(clean(project_id), clean(rest.task_id), pack(body))])

    def rows(self, rows: Iterable[Row]) -> None:
        """Of the log, in their order."""
        for row in rows:
            seq = self._first_row + row.seq
            self._next_row = max(self._next_row, seq + 1)
            told = self._redaction.row(row)
            self._write(_put("events", 8), [(seq, told.time_s, *map(_text, told[2:]))])
            if self._log_id:
                self._logs.pop(self._log_id, None)
                self._logs[self._log_id] = row.seq

    def begin_log(self, log_id: str = "") -> int:
        """The rows that come now are of that log; gives the number of its last row that is here, -1 when there is none.

        Logs count their rows by themselves, and one that was left is gone on with behind all others.
        """
        self._log_id = log_id
        last_seq = self._logs.get(log_id, -1) if log_id else -1
        self._first_row = self._next_row - (last_seq + 1)
        return last_seq

    def annotations(self, annotations: Iterable[Annotation]) -> None:
        """What people wrote beside tasks."""
        told = map(self._redaction.annotation, annotations)
        self._write(_ADD_ANNOTATION, [annotation_row(each) for each in told])

    def questions(self, requests: Iterable[HitlRequest]) -> None:
        """What agents asked and people answered, each in the place of what was written of it before."""
        rows = [question_row(self._redaction.question(each)) for each in requests]
        self._write(_put("questions", 12), rows)

    def note(self, **values: Any) -> None:
        """Of the whole file, JSON values by name."""
        self._write(_put("meta", 2), _meta_rows(values))

    def commit(self) -> None:
        """What was written until now is safe. Raises TakenOver when another writer has begun on the same file."""
        for project_id, run in self._runs.items():
            self._put_changes(project_id, run)
            self._put_rows(project_id, run)
        with self._guarded():
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._check_whose_it_is()
                for sql, rows in self._waiting:
                    self._db.executemany(sql, rows)
                self._zone_stages()
                logs = dict(list(self._logs.items())[-MOST_LOGS:])
                about = {
                    "logs": logs,
                    "redaction": self._redaction.report(),
                    "written": datetime.now(UTC).isoformat(),
                }
                self._db.executemany(_put("meta", 2), _meta_rows(about))
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
        self._waiting, self._zones_learnt = [], {}

    def _check_whose_it_is(self) -> None:
        (writer,) = self._db.execute("SELECT value FROM meta WHERE key = 'writer'").fetchone()
        if json.loads(writer) != self._token:
            raise TakenOver(f"{self.path} is written by another recording now; this one has ended.")
        try:
            is_there = _identity(self.path) == self._identity
        except FileNotFoundError:
            is_there = False
        if not is_there:
            raise TakenOver(
                f"{self.path} was removed or replaced while it was written; the recording has ended."
            )

    def close(self) -> None:
        """What is not committed is lost."""
        self._db.close()
        self._hold.end()

    # -- insides

    def _begin(self, about: Mapping[str, Any], *, is_new: bool) -> None:
        if is_new:
            self._db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        self._db.execute("PRAGMA trusted_schema = OFF")
        self._db.execute("BEGIN IMMEDIATE")
        if is_new:
            self._db.execute(f"PRAGMA user_version = {VERSION}")
            for statement in TABLES.values():
                self._db.execute(statement)
        elif not has_our_tables(self._db):
            raise ArchiveError(f"{self.path} cannot be gone on with: it has other tables than a saved run.")
        (last_row,) = self._db.execute("SELECT coalesce(max(seq), -1) FROM events").fetchone()
        self._first_row = self._next_row = int(last_row) + 1
        (self._shown,) = self._db.execute("SELECT coalesce(max(shown), 0) FROM projects").fetchone()
        told = self._db.execute("SELECT value FROM meta WHERE key = 'logs'").fetchone()
        self._logs = msgspec.json.decode(told[0], type=dict[str, int]) if told is not None else {}
        self.note(**about, writer=self._token)
        for sql, rows in self._waiting:
            self._db.executemany(sql, rows)
        self._waiting = []
        self._db.execute("COMMIT")

    def _run(self, project_id: str) -> WrittenRun:
        run = self._runs.get(project_id)
        if run is None:
            last = (
                "SELECT seq + 1, time_us, heard_s FROM steps WHERE project_id = ? ORDER BY seq DESC LIMIT 1"
            )
            about = "SELECT server_offset_s FROM projects WHERE project_id = ?"
            with self._guarded():
                next_seq, last_us, heard_s = self._db.execute(last, (project_id,)).fetchone() or (
                    0,
                    None,
                    None,
                )
                (offset_s,) = self._db.execute(about, (project_id,)).fetchone() or (None,)
            run = self._runs[project_id] = WrittenRun(next_seq, last_us, heard_s, offset_s)
        return run

    def _put_changes(self, project_id: str, run: WrittenRun) -> None:
        if run.changes:
            first_seq, last_seq = run.changes[0][0], run.changes[-1][0]
            self._write(_put("blocks", 5), [(project_id, first_seq, last_seq, 0, pack(run.block()))])

    def _put_keyframe(self, project_id: str, run: WrittenRun, seq: int) -> None:
        self._write(_put("blocks", 5), [(project_id, seq, seq, 1, pack(run.keyframe()))])

    def _put_rows(self, project_id: str, run: WrittenRun) -> None:
        """The flat rows of what has changed."""
        versions = run.versions or {}
        gone = [(project_id, task_id) for task_id in run.changed if task_id not in versions]
        self._write("DELETE FROM tasks WHERE project_id = ? AND task_id = ?", gone)
        there = [versions[task_id].record for task_id in run.changed if task_id in versions]
        self._write(_put("tasks", 19), [(project_id, *task_row(record)) for record in there])
        run.changed = {}
        if not run.is_told and run.project is not None:
            project = self._redaction.project(run.project)
            row = (
                project_id,
                *map(_text, (project.title, project.goal, project.status, iso(project.created))),
            )
            self._write(_put("projects", 8), [(*row, run.offset_s, run.known_until_us, run.shown)])
            run.is_told = True

    def _zone_stages(self) -> None:
        """Their times had no zone as long as it was not known."""
        ask = "SELECT started, completed, duration_s, rowid FROM stages WHERE project_id = ?"
        put = "UPDATE stages SET started = ?, completed = ?, duration_s = ? WHERE rowid = ?"
        for project_id, offset_s in self._zones_learnt.items():
            rows = self._db.execute(ask, (project_id,)).fetchall()
            told = [(*zoned(begin, end, took_s, offset_s), rowid) for begin, end, took_s, rowid in rows]
            self._db.executemany(put, told)

    def _write(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._waiting.append((sql, rows))

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, OverflowError, ValueError) as error:
            raise ArchiveError(f"{self.path} cannot be written: {error}.") from error


def _meta_rows(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, clean(json.dumps(value, ensure_ascii=False))) for name, value in values.items()]


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _put(table: str, columns: int) -> str:
    return f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * columns)})"


def _text(value: str | None) -> str | None:
    return None if value is None else clean(value)


_PUT_STEP = _put("steps", 5)
_PUT_TRACE = _put("traces", 3)
_RETIME = "UPDATE steps SET time_us = ? WHERE project_id = ? AND seq = ?"
_MOVE = "UPDATE steps SET time_us = time_us + ? WHERE project_id = ? AND seq < ?"
_DROP_TASKS = "DELETE FROM tasks WHERE project_id = ?"
_DROP_STAGES = "DELETE FROM stages WHERE project_id = ? AND task_id = ?"
_ADD_ANNOTATION = (
    "INSERT INTO annotations (time_s, project_id, task_id, text, tags) SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS "
    "(SELECT 1 FROM annotations WHERE time_s = ?1 AND project_id = ?2 AND task_id = ?3 AND text = ?4)"
)
