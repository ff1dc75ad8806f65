"""The one file of the store: making it, recognizing it, holding its lock, its transactions and what can go wrong.

It belongs to one server at a time: the lock is the operating system's and ends with the process, however that ends.
A file that is not ours, is damaged or comes from a newer version is never written to.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from roma_widget.errors import RomaError

FILE_NAME = "roma.sqlite3"
APPLICATION_ID = 0x524F4D41
"""`ROMA` in ASCII; `file roma.sqlite3` shows it."""
VERSION = 1
BUSY_TIMEOUT_S = 0.2
"""Of two servers that start at the same moment one must get in: each may see the other half-way and give up."""

# `seq` keeps the order in which rows were made, also when they are updated; ids are bytes (see `_key`).
_SCHEMA = f"""
CREATE TABLE projects (seq INTEGER PRIMARY KEY, project BLOB NOT NULL UNIQUE, value BLOB NOT NULL, crc INT NOT NULL);
CREATE TABLE nodes (seq INTEGER PRIMARY KEY, project BLOB NOT NULL, node BLOB NOT NULL,
                    value BLOB NOT NULL, crc INT NOT NULL, UNIQUE (project, node));
CREATE TABLE traces (seq INTEGER PRIMARY KEY, project BLOB NOT NULL, node BLOB NOT NULL,
                     value BLOB NOT NULL, crc INT NOT NULL, UNIQUE (project, node));
CREATE TABLE prompts (seq INTEGER PRIMARY KEY, prompt BLOB NOT NULL UNIQUE, value BLOB NOT NULL, crc INT NOT NULL);
CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), current_project BLOB, openings INT NOT NULL);
INSERT INTO state VALUES (1, NULL, 0);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""
_TABLES = {"projects", "nodes", "traces", "prompts", "state"}

# A POSIX lock of a file ends when the process closes ANY descriptor of it: of two threads that open the same new
# file, one may close the descriptor that made it only before the other locks it. (SQLite takes care of its own.)
_opening = threading.Lock()


class StoreError(RomaError):
    """What was tried cannot be kept or read; the message names the file and says what to do."""


class StoreDamaged(StoreError):
    """The file is not what was written, or nothing of ours."""


def open_file(path: Path) -> tuple[sqlite3.Connection, tuple[int, int]]:
    """The connection that holds the lock, and the `identity` of its file. Raises `StoreError`."""
    try:
        with _opening:
            _make_or_recognize(path)
            return _connect(path), identity(path)
    except OSError as error:
        raise _not_writable(path, reason(error)) from error
    except sqlite3.Error as error:
        raise store_error(path, "open", error) from error


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,  # transactions begin and end where we say so
        check_same_thread=False,
    )
    try:
        _set_up(connection)
        with transaction(connection, "EXCLUSIVE"):
            # from inside the transaction: its lock is never given back, not even for a moment
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            _prepare(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _make_or_recognize(path: Path) -> None:
    """Makes an empty 0600 file, or makes sure that what is there is ours, without touching it.

    `immutable`: not even a lock is taken, nothing of a stranger's journal is played back.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return
    except FileExistsError:
        if path.is_file() and path.stat().st_size == 0:
            return  # killed between making the file and its first transaction
    try:
        with contextlib.closing(
            sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        ) as connection:
            _recognize(path, connection)
    except sqlite3.DatabaseError as error:
        # killed in the middle of a transaction, perhaps: its pages do not fit each other until the journal is played
        if error.sqlite_errorcode != sqlite3.SQLITE_CORRUPT or not _journal(path).is_file():
            raise


def _recognize(path: Path, connection: sqlite3.Connection) -> None:
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    if application_id != APPLICATION_ID:
        raise StoreDamaged(
            f"{path} is not a file of a roma-widget server: move it away, or choose another data_dir."
        )


def _journal(path: Path) -> Path:
    return path.with_name(f"{path.name}-journal")


def _set_up(connection: sqlite3.Connection) -> None:
    # A rollback journal: the write-ahead log needs shared memory, which network homes do not have. PERSIST, not
    # DELETE: a fork of this process that closes its copy of the connection would delete our journal in use.
    connection.execute("PRAGMA journal_mode = PERSIST")
    connection.execute("PRAGMA journal_size_limit = 4194304")
    # Measured, 1000 nodes of 5 kB again and again: FULL 25 ms, NORMAL 24 ms; five nodes: 0.7 and 0.6 ms. So NORMAL
    # saves nothing, and with a rollback journal it may damage the file in a power failure.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA temp_store = MEMORY")  # nothing is ever written outside the folder


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    """Makes the tables of a new file or checks those of an old one, and proves that we can write."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if tables:
        _recognize(path, connection)
    if not tables and version == 0:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
    elif version > VERSION:
        raise StoreError(
            f"{path} comes from a newer roma-widget (format {version}, this one knows {VERSION}): "
            "update roma-widget, or move the file away."
        )
    elif version != VERSION or not tables >= _TABLES:
        raise damaged(path, "tables are missing")
    # a counter, because SQLite does not write what is the same: a full or read-only disk is said now
    if connection.execute("UPDATE state SET openings = openings + 1").rowcount != 1:
        raise damaged(path, "its state is missing")


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Commits at the end; rolls back on any error, so that the connection can be used again."""
    if connection.in_transaction:  # a rollback that failed
        connection.execute("ROLLBACK")
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:  # also Ctrl-C in the middle
        # on some errors SQLite rolled back by itself; if it cannot, the next transaction tries again and says so
        if connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
        raise


def identity(path: Path) -> tuple[int, int]:
    """Which file the path leads to now. No descriptor of it is opened: closing that would drop our lock."""
    found = path.stat()
    return found.st_dev, found.st_ino


def store_error(path: Path, verb: str, error: sqlite3.Error) -> StoreError:
    """SQLite's error in a sentence that says what to do. Errors of Python's own checks have no code."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(f"{path} is in use by another server: stop that one, or choose another data_dir.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return damaged(path, str(error))
    if code == sqlite3.SQLITE_FULL:
        return StoreError(
            f"Cannot {verb} {path}: the disk is full; nothing of this was stored, free some space."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _not_writable(path, str(error))
    return StoreError(
        f"Cannot {verb} {path} ({error}); nothing of this was stored, "
        "check that the disk has space and works, or choose another data_dir."
    )


def damaged(path: Path, why: str) -> StoreError:
    return StoreDamaged(f"{path} is damaged ({why}): move it away, and the server starts with an empty one.")


def _not_writable(path: Path, why: str) -> StoreError:
    return StoreError(f"Cannot write {path} ({why}): make it writable, or choose another data_dir.")


def reason(error: Exception) -> str:
    """`Not a directory`, without the number and the path, which the message has already."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
