"""Reads an archive, which may be a stranger's: every value is checked, every size bounded, and nothing in it acts.

Whatever is wrong with a file is an ArchiveError. A file that is still being written is read as it was when it was
opened.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import quote

import msgspec
from msgspec import Meta

from ..core.annotations import MOST_TAGS, Annotation
from ..core.events import NodeTrace, Payload, TaskRest
from ..core.frame import MOST_TASKS
from ..core.hitl import HitlRequest
from ..core.log import Row
from ..core.model import Project, Trace
from ..core.split import decoded
from ..core.steps import Step, as_time, as_us
from ..core.traces import read_node_trace
from ..errors import ArchiveError
from .files import Hold, header_of, journal_of
from .format import LARGEST_BODY, LARGEST_STATE, foreign, has_our_tables, unpack
from .questions import COLUMNS, question_of
from .versions import Record, TimeUs, applied, has_too_many_marks, is_difference, memory_of, record_in

LARGEST_CHANGES = 4 * LARGEST_STATE
"""Bytes of all versions that are gone through to get to it."""
LARGEST_TRACES = 256 * 2**20
"""Bytes in memory of all traces of a project, and half as many of all results."""
LARGEST_META = 8 * 2**20
LARGEST_ANSWER = 64 * 2**20
"""Bytes of what one question to the file brings, where nothing else is said."""
MOST_STAGES = 100_000
MOST_STEPS = 1_000_000
MOST_TRACES = 100_000
MOST_QUESTIONS = 10_000
MOST_ROWS = 200_000
LONGEST_READ_S = 10.0
"""No question to the file takes as long, however it was made."""
BUSY_S = 10.0
_LOOK_EVERY = 100_000  # of SQLite's own instructions

_Raws = list[msgspec.Raw]
_decode_keyframe = msgspec.msgpack.Decoder(Annotated[_Raws, Meta(max_length=MOST_TASKS)]).decode
_decode_block = msgspec.msgpack.Decoder(
    Annotated[list[tuple[int, msgspec.Raw]], Meta(max_length=2 * MOST_TASKS)]
).decode
_decode_changes = msgspec.msgpack.Decoder(
    Annotated[list[Annotated[_Raws, Meta(min_length=1, max_length=2)]], Meta(max_length=2 * MOST_TASKS)]
).decode
_decode_id = msgspec.msgpack.Decoder(str).decode
_decode_result = msgspec.msgpack.Decoder(
    tuple[str, str, str, str, Annotated[dict[str, str], Meta(max_length=1_000)]]
).decode
_Seconds = Annotated[float, Meta(ge=-6e10, le=6e10)]
"""Since 1970; no calendar ends there."""
_OffsetS = Annotated[float, Meta(ge=-1e5, le=1e5)]
_Tags = Annotated[tuple[str, ...], Meta(max_length=MOST_TAGS)]
State = dict[str, Record]
_DAMAGE = (
    sqlite3.Error,
    msgspec.MsgspecError,
    zlib.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    OverflowError,
    RecursionError,
    MemoryError,
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A project of the file. `shown` is greatest for the one that was looked at last."""

    project_id: str
    offset_s: float | None
    known_until_us: int | None
    shown: int


@dataclass(frozen=True, slots=True)
class KeptResult:
    """What a server had left out of a task, as it was described by `lean_json`."""

    lean_json: str
    rest: TaskRest


class ArchiveReader:
    """See the module. May be used from any thread, one at a time; raises ArchiveError.

    `said` is the file that it was made of, and `scratch` the folder that it is in and that goes with it.
    """

    def __init__(
        self, path: Path, *, said: Path | None = None, scratch: tempfile.TemporaryDirectory[str] | None = None
    ) -> None:
        self.path = path if said is None else said
        self._file = Path(os.path.realpath(path))
        self._lock = threading.Lock()
        self._scratch = scratch
        self._deadline_s = 0.0
        with self.guarded():
            why = foreign(header_of(self._file))
            if why is not None:
                raise ArchiveError(f"{path} cannot be loaded: {why}.")
            self._hold = Hold(self._file)
            try:
                self._db = self._opened()
            except BaseException:
                self._hold.end()
                raise
        try:
            if not self._ask_all(has_our_tables):
                raise ArchiveError(f"{path} cannot be loaded: its tables are not those of a saved run.")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """The file can be read no more."""
        with self._lock:
            self._db.close()
            self._hold.end()
            if self._scratch is not None:
                self._scratch.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def meta(self) -> dict[str, Any]:
        """What is said of the whole file."""
        with self.guarded():
            rows = self._rows("SELECT key, value FROM meta", (), tuple[str, str], 1_000, LARGEST_META)
            return {key: decoded(value) for key, value in rows}

    def projects(self) -> list[Kept]:
        """The one that was looked at last comes first."""
        sql = "SELECT project_id, server_offset_s, known_until_us, shown FROM projects ORDER BY shown DESC"
        kind = tuple[str, _OffsetS | None, TimeUs | None, int]
        return [Kept(*row) for row in self._rows(sql, (), kind, 10_000)]

    def project(self, project_id: str) -> Project:
        """As it was last."""
        sql = (
            "SELECT project FROM steps WHERE project_id = ? AND project IS NOT NULL ORDER BY seq DESC LIMIT 1"
        )
        with self.guarded():
            rows = self._rows(sql, (project_id,), tuple[str], 1)
            return _project(project_id, rows[0][0]) if rows else Project(project_id)

    def steps(self, project_id: str) -> list[Step]:
        sql = "SELECT seq, time_us, heard_s, project FROM steps WHERE project_id = ? ORDER BY seq"
        kind = tuple[int, TimeUs, _Seconds, str | None]
        steps: list[Step] = []
        project: Project | None = None
        with self.guarded():
            for seq, time_us, heard_s, told in self._rows(sql, (project_id,), kind, MOST_STEPS):
                if told is not None:
                    project = _project(project_id, told)
                is_later = time_us > steps[-1].time_us if steps else as_us(as_time(time_us)) == time_us
                if project is None or not is_later:
                    raise ValueError("its steps do not follow each other")
                steps.append(Step(seq, time_us, heard_s, heard_s, project, []))
        return steps

    def state(self, project_id: str, seq: int, known: tuple[int, State] | None = None) -> State:
        """The tasks as they were from step `seq` on. `known` is an earlier state that may be gone on from."""
        keyframe = (
            "SELECT max(first_seq) FROM blocks WHERE project_id = ? AND is_keyframe = 1 AND first_seq <= ?"
        )
        with self.guarded():
            ((begin,),) = self._rows(keyframe, (project_id, seq), tuple[int | None], 1)
            if known is not None and (begin is None or known[0] >= begin) and known[0] <= seq:
                begin, records = known[0], dict(known[1])
            elif begin is None:
                raise ValueError("a moment has no tasks")
            else:
                ((body,),) = self._rows(
                    "SELECT body FROM blocks WHERE project_id = ? AND is_keyframe = 1 AND first_seq = ?",
                    (project_id, begin),
                    tuple[bytes],
                    1,
                    LARGEST_BODY,
                )
                records = self._keyframe(unpack(body))
            self._go_on(records, project_id, begin, seq)
            if sum(map(memory_of, records.values())) > LARGEST_STATE:
                raise ValueError("a moment is too large")
        return records

    def changes(self, project_id: str) -> Iterator[tuple[int, dict[str, Record | None]]]:
        """What became of tasks, in the order of the steps' numbers; None: gone. One step may come in two parts."""
        sql = "SELECT first_seq, is_keyframe FROM blocks WHERE project_id = ? ORDER BY last_seq, is_keyframe"
        body_of = "SELECT body FROM blocks WHERE project_id = ? AND first_seq = ? AND is_keyframe = ?"
        records: State = {}
        for block in self._rows(sql, (project_id,), tuple[int, int], MOST_STEPS):
            for (body,) in self._rows(body_of, (project_id, *block), tuple[bytes], 1, LARGEST_BODY):
                with self.guarded():
                    if block[1]:
                        yield block[0], _became(records, self._keyframe(unpack(body)))
                        continue
                    for seq, changes in _decode_block(unpack(body)):
                        ids = [_make_change(records, change)[0] for change in _decode_changes(changes)]
                        yield seq, {task_id: records.get(task_id) for task_id in ids}

    def traces(self, project_id: str) -> dict[str, Trace]:
        """By task id, times as they were stamped."""
        sql = "SELECT task_id, body FROM traces WHERE project_id = ?"
        found: dict[str, Trace] = {}
        left, stages_left = LARGEST_TRACES, MOST_STAGES
        with self.guarded():
            for _, body in self._rows(sql, (project_id,), tuple[str, bytes], MOST_TRACES, LARGEST_BODY):
                text = unpack(body, min(left, LARGEST_BODY)).decode()
                if has_too_many_marks(text):
                    raise ValueError("a trace is too large")
                event = read_node_trace("trace", Payload(text))
                left -= text.__sizeof__()
                if isinstance(event, NodeTrace):
                    found[event.task_id] = event.trace
                    stages_left -= len(event.trace.stages)
                if left < 0 or stages_left < 0:
                    raise ValueError(
                        f"its traces are more than {LARGEST_TRACES // 2**20} MiB, or {MOST_STAGES:,} stages"
                    )
        return found

    def results(self, project_id: str) -> dict[str, KeptResult]:
        """What was left out of tasks, by their ids."""
        sql = "SELECT task_id, body FROM results WHERE project_id = ?"
        found: dict[str, KeptResult] = {}
        left = LARGEST_TRACES // 2
        with self.guarded():
            for task_id, body in self._rows(sql, (project_id,), tuple[str, bytes], MOST_TRACES, LARGEST_BODY):
                unpacked = unpack(body, min(left, LARGEST_BODY))
                lean_json, result, details, aux, texts = _decode_result(unpacked)
                left -= sum(
                    part.__sizeof__() for part in (lean_json, result, details, aux, *texts, *texts.values())
                )
                if left < 0:
                    raise ValueError(f"its results are more than {LARGEST_TRACES // 2**21} MiB")
                rest = TaskRest(project_id, task_id, result, details, aux, texts)
                found[task_id] = KeptResult(lean_json, rest)
        return found

    def rows(self, project_id: str) -> list[Row]:
        """The log of a project, and what names none."""
        sql = (
            'SELECT seq, time_s, project_id, event, task_id, field, "before", "after" FROM events '
            "WHERE project_id = ? OR project_id IS NULL ORDER BY seq DESC"
        )
        text = str | None
        kind = tuple[int, _Seconds, text, str, text, text, text, text]
        return [Row(*row) for row in self._rows(sql, (project_id,), kind, MOST_ROWS)][::-1]

    def annotations(self, project_id: str) -> list[Annotation]:
        sql = "SELECT time_s, project_id, task_id, text, tags FROM annotations WHERE project_id = ? ORDER BY seq"
        rows = self._rows(sql, (project_id,), tuple[_Seconds, str, str, str, str], MOST_ROWS)
        with self.guarded():
            return [
                Annotation(time_s, of, task_id, text, msgspec.json.decode(tags, type=_Tags))
                for time_s, of, task_id, text, tags in rows
            ]

    def questions(self, project_id: str) -> list[HitlRequest]:
        """Of this project, and those of which nobody said; in the order in which they came."""
        sql = (
            f"SELECT {COLUMNS} FROM questions WHERE project_id = ? OR project_id IS NULL "
            "ORDER BY heard_s, request_id"
        )
        with self.guarded():
            rows = self._rows(sql, (project_id,), tuple[Any, ...], MOST_QUESTIONS)
            return [question_of(row) for row in rows]

    # -- insides

    def _keyframe(self, body: bytes) -> State:
        records: State = {}
        size = 0
        for packed in _decode_keyframe(body):
            record = record_in(packed)
            records[record[0]] = record
            size += memory_of(record)
            if size > LARGEST_STATE:
                raise ValueError("a moment is too large")
        return records

    def _go_on(self, records: State, project_id: str, begin: int, end: int) -> None:
        sql = (
            "SELECT body FROM blocks WHERE project_id = ? AND is_keyframe = 0 AND last_seq > ? AND first_seq <= ? "
            "ORDER BY first_seq"
        )
        unpacked = size = 0
        for (body,) in self._rows(sql, (project_id, begin, end), tuple[bytes], MOST_STEPS, LARGEST_BODY):
            block = unpack(body, LARGEST_CHANGES - unpacked)
            unpacked += len(block)
            for seq, changes in _decode_block(block):
                if begin < seq <= end:
                    for change in _decode_changes(changes):
                        size += _make_change(records, change)[1]
                        if size > LARGEST_CHANGES:
                            raise ValueError("its changes are too large")

    def _opened(self) -> sqlite3.Connection:
        """A recording that was killed has a journal, which has to be played back before the file can be read."""
        try:
            return self._tried(self._file, "ro")
        except sqlite3.OperationalError:
            header_of(self._file)  # the journal may be there only now
            if not journal_of(self._file).exists():
                return self._tried(self._file, "ro")  # somebody else has played it back meanwhile
        if os.access(self._file, os.W_OK) and os.access(self._file.parent, os.W_OK):
            return self._tried(self._file, "rw")
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="roma-")
        copied = Path(self._scratch.name) / "copy.roma"
        shutil.copyfile(self._file, copied)
        shutil.copyfile(journal_of(self._file), journal_of(copied))
        return self._tried(copied, "rw")

    def _tried(self, path: Path, mode: str) -> sqlite3.Connection:
        db = self._connected(path, mode)
        try:
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except BaseException:
            db.close()
            raise
        return db

    def _connected(self, path: Path, mode: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"file:{quote(str(path.absolute()))}?mode={mode}",
            uri=True,
            timeout=BUSY_S,
            isolation_level=None,
            check_same_thread=False,
        )
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", "query_only = ON"):
            db.execute(f"PRAGMA {pragma}")
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_BODY)
        db.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        db.set_progress_handler(lambda: time.monotonic() > self._deadline_s, _LOOK_EVERY)
        self._deadline_s = time.monotonic() + LONGEST_READ_S
        return db

    def _rows(
        self, sql: str, values: tuple[Any, ...], kind: Any, most: int, most_bytes: int = LARGEST_ANSWER
    ) -> list[Any]:
        """Counted while they are read: the pages of a hostile file may stand for more than it has."""

        def ask(db: sqlite3.Connection) -> list[Any]:
            found, size = [], 0
            for row in db.execute(sql, values):
                found.append(row)
                size += sum(value.__sizeof__() for value in row if isinstance(value, str | bytes))
                if len(found) > most or size > most_bytes:
                    raise ValueError(
                        f"it has more than {most:,} of a kind, or {most_bytes // 2**20} MiB at once"
                    )
            return found

        with self.guarded():
            return [msgspec.convert(row, kind) for row in self._ask_all(ask)]

    def _ask_all(self, ask: Callable[[sqlite3.Connection], Any]) -> Any:
        with self.guarded(), self._lock:
            self._deadline_s = time.monotonic() + LONGEST_READ_S
            try:
                return ask(self._db)
            except sqlite3.OperationalError:
                if not journal_of(self._file).exists():
                    raise
            self._db.close()
            self._db = self._opened()  # who was writing it was killed
            return ask(self._db)

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Whatever a file does to who reads it becomes an ArchiveError."""
        try:
            yield
        except FileNotFoundError:
            raise ArchiveError(f"There is no file {self.path}.") from None
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be read: {error.strerror or error}.") from None
        except sqlite3.ProgrammingError:
            raise ArchiveError(f"{self.path} was closed.") from None
        except _DAMAGE as error:
            raise ArchiveError(f"{self.path} is damaged: {_words(error)}.") from error


def _became(records: State, keyframe: State) -> dict[str, Record | None]:
    """Makes `records` what the keyframe has. Gives what differed."""
    gone: dict[str, Record | None] = {task_id: None for task_id in records if task_id not in keyframe}
    changed = {task_id: each for task_id, each in keyframe.items() if records.get(task_id) != each}
    for task_id in gone:
        del records[task_id]
    records.update(changed)
    return gone | changed


def _make_change(records: State, change: list[msgspec.Raw]) -> tuple[str, int]:
    """Gives the task's id, and the bytes that it takes now."""
    task_id = _decode_id(change[0])
    if len(change) == 1:
        records.pop(task_id, None)
        return task_id, 0
    packed = change[1]
    record = applied(records[task_id], packed) if is_difference(packed) else record_in(packed)
    if record[0] != task_id:
        raise ValueError("a change is of another task than it says")
    records[task_id] = record
    return task_id, memory_of(record)


def _project(project_id: str, told: str) -> Project:
    kind = tuple[str | None, str | None, str | None, int | None, int | None]
    title, goal, status, created, updated = msgspec.json.decode(told, type=kind)
    return Project(project_id, title, goal, status, _time(created), _time(updated))


def _time(time_us: int | None) -> datetime | None:
    return None if time_us is None else as_time(time_us)


def _words(error: Exception) -> str:
    words = str(error).strip().rstrip(".")
    return words[:200] or type(error).__name__
