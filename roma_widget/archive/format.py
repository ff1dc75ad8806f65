"""The `.roma` file: one SQLite database that holds saved runs. docs/archive.md describes it for who reads it alone.

Its flat tables (`tasks`, `stages`, `events`, `annotations`) are for people and `pandas.read_sql`; a run's states
are in `steps` and `blocks`. Times are microseconds since 1970 where the name ends in `_us`, epoch seconds where it
ends in `_s`, else ISO text in UTC.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from pathlib import Path
from typing import Final

from ..core.reading import shorten

APPLICATION_ID: Final = 0x524F4D41
"""In the file's header: "ROMA"."""
VERSION: Final = 1
"""In the file's header as `user_version`; grows when older readers could not read a file."""
LARGEST_BODY: Final = 128 * 2**20
"""Bytes of one unpacked body: what claims to be more is not unpacked."""
LARGEST_STATE: Final = 128 * 2**20
"""Bytes in memory of all tasks of one moment."""
HEADER_BYTES: Final = 100
MOST_OBJECTS: Final = 200
KEPT_WITH_JOURNAL: Final = b"\x01\x01"
"""In the header of a file that has no write-ahead log."""
_MAGIC: Final = b"SQLite format 3\x00"

TABLES: Final = {
    "meta": "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    "projects": (
        "CREATE TABLE projects (project_id TEXT PRIMARY KEY, title TEXT, goal TEXT, status TEXT, created TEXT, "
        "server_offset_s REAL, known_until_us INTEGER, shown INTEGER NOT NULL) STRICT, WITHOUT ROWID"
    ),
    "steps": (
        "CREATE TABLE steps (project_id TEXT NOT NULL, seq INTEGER NOT NULL, time_us INTEGER NOT NULL, "
        "heard_s REAL NOT NULL, project TEXT, PRIMARY KEY (project_id, seq)) STRICT, WITHOUT ROWID"
    ),
    "blocks": (
        "CREATE TABLE blocks (project_id TEXT NOT NULL, first_seq INTEGER NOT NULL, last_seq INTEGER NOT NULL, "
        "is_keyframe INTEGER NOT NULL, body BLOB NOT NULL, PRIMARY KEY (project_id, first_seq, is_keyframe)) STRICT"
    ),
    "traces": (
        "CREATE TABLE traces (project_id TEXT NOT NULL, task_id TEXT NOT NULL, body BLOB NOT NULL, "
        "PRIMARY KEY (project_id, task_id)) STRICT"
    ),
    "results": (
        "CREATE TABLE results (project_id TEXT NOT NULL, task_id TEXT NOT NULL, body BLOB NOT NULL, "
        "PRIMARY KEY (project_id, task_id)) STRICT"
    ),
    "questions": (
        "CREATE TABLE questions (request_id TEXT PRIMARY KEY, project_id TEXT, checkpoint TEXT, task_id TEXT, "
        "attempt INTEGER, asked_us INTEGER, message TEXT, heard_s REAL NOT NULL, last_heard_s REAL NOT NULL, "
        "state TEXT NOT NULL, data TEXT NOT NULL, more TEXT NOT NULL) STRICT"
    ),
    "tasks": (
        "CREATE TABLE tasks (project_id TEXT NOT NULL, task_id TEXT NOT NULL, goal TEXT, task_type TEXT, "
        "node_type TEXT, status TEXT, agent TEXT, model TEXT, layer INTEGER, depth INTEGER, parent_id TEXT, "
        "plan_index INTEGER, created TEXT, started TEXT, updated TEXT, completed TEXT, duration_s REAL, error TEXT, "
        "result_summary TEXT, PRIMARY KEY (project_id, task_id)) STRICT"
    ),
    "stages": (
        "CREATE TABLE stages (project_id TEXT NOT NULL, task_id TEXT NOT NULL, seq INTEGER NOT NULL, stage TEXT, "
        "attempt INTEGER, status TEXT, started TEXT, completed TEXT, duration_s REAL, agent TEXT, adapter TEXT, "
        "model TEXT, error TEXT, n_tool_calls INTEGER, prompt_tokens INTEGER, completion_tokens INTEGER, "
        "cost_usd REAL, PRIMARY KEY (project_id, task_id, seq)) STRICT"
    ),
    "events": (
        "CREATE TABLE events (seq INTEGER PRIMARY KEY, time_s REAL NOT NULL, project_id TEXT, event TEXT NOT NULL, "
        'task_id TEXT, field TEXT, "before" TEXT, "after" TEXT) STRICT'
    ),
    "annotations": (
        "CREATE TABLE annotations (seq INTEGER PRIMARY KEY, time_s REAL NOT NULL, project_id TEXT NOT NULL, "
        "task_id TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL) STRICT"
    ),
}


def named(path: object) -> Path:
    """A person's name of a file. Raises ValueError for what is none."""
    if isinstance(path, str | os.PathLike) and str(path) and "\0" not in str(path):
        try:
            return Path(path).expanduser()
        except RuntimeError:
            raise ValueError(f"There is no user of that name: {shorten(str(path), 60)!r}.") from None
    raise ValueError(f'path takes a file\'s name, as in "run.roma", not {shorten(repr(path), 60)}.')


def foreign(header: bytes) -> str | None:
    """Why the file that begins so is none of ours; None where it may be one."""
    if not header:
        return "it is empty"
    if not header.startswith(_MAGIC):
        return "it is no saved run"
    if len(header) < HEADER_BYTES:
        return "it is cut short"
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        return "it is an SQLite database, but no saved run"
    if header[18:20] != KEPT_WITH_JOURNAL:
        return "it is kept in another way than saved runs are (as with a write-ahead log)"
    version = int.from_bytes(header[60:64], "big")
    if version > VERSION:
        return f"it is of version {version}, and this roma-widget reads up to {VERSION}: install a newer one"
    return None if version else "it is a recording that was ended before it began"


def has_our_tables(db: sqlite3.Connection) -> bool:
    """Are there our tables, as we made them, and nothing that could act: no view, no trigger?"""
    found = db.execute("SELECT type, name, sql FROM sqlite_schema").fetchmany(MOST_OBJECTS)
    if any(kind not in ("table", "index") for kind, _, _ in found):
        return False
    statements = {name: sql for kind, name, sql in found if kind == "table"}
    return all(statements.get(name) == sql for name, sql in TABLES.items())


def pack(body: bytes, level: int = 6) -> bytes:
    """Deflated, behind its size in eight bytes."""
    return len(body).to_bytes(8, "big") + zlib.compress(body, level)


def unpack(packed: bytes, most: int = LARGEST_BODY) -> bytes:
    """`pack` undone. Raises ValueError or zlib.error for what is damaged or larger than `most` bytes."""
    size = int.from_bytes(packed[:8], "big")
    if size > most:
        raise ValueError(f"a part of {size:,} bytes is more than {most:,}")
    return inflated(memoryview(packed)[8:], size)


def inflated(packed: bytes | memoryview, size: int, dictionary: bytes = b"") -> bytes:
    """The `size` bytes that were deflated. Raises ValueError or zlib.error where they are not these."""
    inflate = zlib.decompressobj(zdict=dictionary)
    body = inflate.decompress(packed, size + 1)
    if len(body) != size or not inflate.eof:
        raise ValueError("a part has another size than it says")
    return body
