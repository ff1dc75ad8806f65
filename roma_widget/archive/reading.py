"""Reads an archive, which may be a stranger's: every value is checked, every size bounded, and nothing in it acts.

Whatever is wrong with a file is an ArchiveError; what is too much of a kind is left out, and said in `left_out`. Of a
file that is still being written the states, the log and the annotations are read as they were when it was opened, the
traces as they are when they are read.
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
from contextlib import contextmanager, suppress
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
from ..core.log import Excerpt, Row
from ..core.model import Project, Trace
from ..core.split import decoded
from ..core.steps import Step, as_time, as_us
from ..core.text import count_text
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
STEPS_AT_ONCE = 1_000
MOST_PROJECTS = 10_000
MOST_TRACES = 100_000
MOST_QUESTIONS = 10_000
MOST_ROWS = 200_000
MOST_COUNTED = 1_000_000
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
    """What a server had left out of a task, as it was described by `lean_json`. `size`: its bytes in memory."""

    lean_json: str
    rest: TaskRest
    size: int


class _Rows(list[Any]):
    """Of one question to the file. `is_cut`: there are more."""

    is_cut = False


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
        self.left_out: dict[tuple[str, str], str] = {}
        """What was not read, in sentences, by kind and project."""
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
            self._last_row = self._last_seq("events")
            self._last_annotation = self._last_seq("annotations")
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
        return [Kept(*row) for row in self._first_rows(sql, (), kind, MOST_PROJECTS)]

    def project(self, project_id: str) -> Project:
        """As it was last."""
        sql = (
            "SELECT project FROM steps WHERE project_id = ? AND project IS NOT NULL ORDER BY seq DESC LIMIT 1"
        )
        with self.guarded():
            rows = self._rows(sql, (project_id,), tuple[str], 1)
            return _project(project_id, rows[0][0]) if rows else Project(project_id)

    def steps(self, project_id: str) -> list[Step]:
        sql = (
            "SELECT seq, time_us, heard_s, project FROM steps WHERE project_id = ? AND seq >= ? ORDER BY seq "
            f"LIMIT {STEPS_AT_ONCE}"
        )
        kind = tuple[int, TimeUs, _Seconds, str | None]
        steps: list[Step] = []
        project: Project | None = None
        size = 0
        with self.guarded():
            while len(steps) % STEPS_AT_ONCE == 0:
                next_seq = steps[-1].seq + 1 if steps else -(2**63)
                rows = self._rows(sql, (project_id, next_seq), kind, STEPS_AT_ONCE, LARGEST_BODY)
                if not rows:
                    break
                for seq, time_us, heard_s, told in rows:
                    if told is not None:
                        before, project = project, _project(project_id, told, project)
                        size += _new_bytes(before, project)
                    is_later = time_us > steps[-1].time_us if steps else as_us(as_time(time_us)) == time_us
                    if project is None or not is_later:
                        raise ValueError("its steps do not follow each other")
                    steps.append(Step(seq, time_us, heard_s, heard_s, project, []))
                    if len(steps) > MOST_STEPS or size > LARGEST_ANSWER:
                        raise ValueError("its steps are too many, or what they say of the project too much")
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
        found: dict[str, Trace] = {}
        n_left_out, stages_left, n_looked_at = 0, MOST_STAGES, 0
        with self.guarded():
            for _, body in self._bodies("traces", project_id, LARGEST_TRACES):
                is_enough = stages_left == 0 or n_looked_at > 2 * MOST_STAGES
                trace = None if body is None or is_enough else _trace(body)
                n_looked_at += len(trace.stages) if trace is not None else 0
                if trace is None or len(trace.stages) > stages_left:
                    n_left_out += 1
                else:
                    found[trace.task_id] = trace
                    stages_left -= len(trace.stages)
        self._leave_out(project_id, "trace", n_left_out, LARGEST_TRACES)
        return found

    def results(self, project_id: str) -> dict[str, KeptResult | None]:
        """What was left out of tasks, by their ids; None where it could not be read."""
        found: dict[str, KeptResult | None] = {}
        left = LARGEST_TRACES // 2
        with self.guarded():
            for task_id, body in self._bodies("results", project_id, LARGEST_TRACES // 2):
                kept = None if body is None else _result(project_id, task_id, body)
                size = 0 if kept is None else kept.size
                found[task_id] = kept if size <= left else None
                left -= size if size <= left else 0
        self._leave_out(
            project_id, "result", sum(kept is None for kept in found.values()), LARGEST_TRACES // 2
        )
        return found

    def log(self, project_id: str) -> Excerpt:
        """What happened in a project, and what names none: the newest. `dropped` of the file were not read."""
        sql = (
            'SELECT seq, time_s, project_id, event, task_id, field, "before", "after" FROM events '
            "WHERE seq <= ? AND (project_id = ? OR project_id IS NULL) ORDER BY seq DESC"
        )
        older = f"SELECT count(*) FROM (SELECT 1 FROM events WHERE seq < ? LIMIT {MOST_COUNTED})"
        text = str | None
        kind = tuple[int, _Seconds, text, str, text, text, text, text]
        found = self._first_rows(sql, (self._last_row, project_id), kind, MOST_ROWS)
        rows = tuple(Row(*row) for row in found[::-1])
        n_older = 0
        if found.is_cut and rows:
            ((n_older,),) = self._rows(older, (rows[0].seq,), tuple[int], 1)
        return Excerpt(rows, n_older)

    def annotations(self, project_id: str) -> list[Annotation]:
        sql = (
            "SELECT time_s, project_id, task_id, text, tags FROM annotations WHERE project_id = ? AND seq <= ? "
            "ORDER BY seq DESC"
        )
        kind = tuple[_Seconds, str, str, str, str]
        found = self._first_rows(sql, (project_id, self._last_annotation), kind, MOST_ROWS)
        if found.is_cut:
            self.left_out["annotation", project_id] = (
                f"{self.path.name} has more annotations than are read: the older ones are left out."
            )
        with self.guarded():
            return [
                Annotation(time_s, of, task_id, text, msgspec.json.decode(tags, type=_Tags))
                for time_s, of, task_id, text, tags in found[::-1]
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
            return self._played_back(self._file)
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="roma-")
        copied = Path(self._scratch.name) / "copy.roma"
        shutil.copyfile(self._file, copied)
        shutil.copyfile(journal_of(self._file), journal_of(copied))
        return self._played_back(copied)

    def _played_back(self, path: Path) -> sqlite3.Connection:
        """The journal may have made another file of it."""
        db = self._tried(path, "rw")
        try:
            why = foreign(header_of(path))
            if why is not None:
                raise ArchiveError(f"{self.path} cannot be loaded: {why}.")
        except BaseException:
            db.close()
            raise
        return db

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
        """All of them: what is more than that is refused."""
        with self.guarded():
            rows = self._first_rows(sql, values, kind, most, most_bytes)
            if rows.is_cut:
                raise ValueError(f"it has more than {most:,} of a kind, or {most_bytes // 2**20} MiB at once")
        return rows

    def _first_rows(
        self, sql: str, values: tuple[Any, ...], kind: Any, most: int, most_bytes: int = LARGEST_ANSWER
    ) -> _Rows:
        """As many as may be. Counted while they are read: the pages of a hostile file may stand for more than it
        has.
        """

        def ask(db: sqlite3.Connection) -> _Rows:
            found, size = _Rows(), 0
            for row in db.execute(sql, values):
                size += sum(value.__sizeof__() for value in row if isinstance(value, str | bytes))
                if len(found) == most or size > most_bytes:
                    found.is_cut = True
                    break
                found.append(row)
            return found

        with self.guarded():
            rows: _Rows = self._ask_all(ask)
            rows[:] = (msgspec.convert(row, kind) for row in rows)
        return rows

    def _bodies(self, table: str, project_id: str, most_bytes: int) -> Iterator[tuple[str, bytes | None]]:
        """By task, unpacked, one after the other; None for each that is damaged, or too large beside those before it.

        What was looked at in vain counts, too: a small file may stand for any number of large ones.
        """
        ask = f"SELECT task_id, length(body) FROM {table} WHERE project_id = ? ORDER BY rowid"
        of = f"SELECT body FROM {table} WHERE project_id = ? AND task_id = ?"
        packed_left = left = most_bytes
        for task_id, size in self._rows(ask, (project_id,), tuple[str, int], MOST_TRACES):
            body = None
            if size <= min(packed_left, LARGEST_BODY):
                packed_left -= size
                ((packed,),) = self._rows(of, (project_id, task_id), tuple[bytes], 1, LARGEST_BODY + 2**10)
                claimed = int.from_bytes(packed[:8], "big")
                if claimed <= min(left, LARGEST_BODY):
                    left -= claimed
                    with suppress(ValueError, zlib.error):
                        body = unpack(packed)
            yield task_id, body

    def _leave_out(self, project_id: str, what: str, number: int, most_bytes: int) -> None:
        if number:
            self.left_out[what, project_id] = (
                f"{count_text(number, what)} of {self.path.name} could not be read: damaged, too large, "
                f"or more than the {most_bytes // 2**20} MiB that are read."
            )

    def _last_seq(self, table: str) -> int:
        ((last_seq,),) = self._rows(f"SELECT max(seq) FROM {table}", (), tuple[int | None], 1)
        return -1 if last_seq is None else last_seq

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


def _result(project_id: str, task_id: str, body: bytes) -> KeptResult | None:
    """None for what is none."""
    try:
        lean_json, result, details, aux, texts = _decode_result(body)
    except msgspec.MsgspecError:
        return None
    size = sum(part.__sizeof__() for part in (lean_json, result, details, aux, *texts, *texts.values()))
    return KeptResult(lean_json, TaskRest(project_id, task_id, result, details, aux, texts), size)


def _project(project_id: str, told: str, before: Project | None = None) -> Project:
    """`before` is told of the step before: texts that it has already are not kept twice."""
    kind = tuple[str | None, str | None, str | None, int | None, int | None]
    title, goal, status, created, updated = msgspec.json.decode(told, type=kind)
    if before is not None:
        title = before.title if title == before.title else title
        goal = before.goal if goal == before.goal else goal
        status = before.status if status == before.status else status
    return Project(project_id, title, goal, status, _time(created), _time(updated))


def _new_bytes(before: Project | None, project: Project) -> int:
    names = ("title", "goal", "status")
    texts = (
        getattr(project, name) for name in names if getattr(project, name) is not getattr(before, name, None)
    )
    return sum(text.__sizeof__() for text in texts)


def _trace(body: bytes) -> Trace | None:
    """None for what is none, or would be too large."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return None
    event = None if has_too_many_marks(text) else read_node_trace("trace", Payload(text))
    return event.trace if isinstance(event, NodeTrace) else None


def _time(time_us: int | None) -> datetime | None:
    return None if time_us is None else as_time(time_us)


def _words(error: Exception) -> str:
    words = str(error).strip().rstrip(".")
    return words[:200] or type(error).__name__
