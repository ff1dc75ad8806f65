"""What the server keeps on disk: one SQLite file, written batch by batch, each batch whole or not at all.

Values are JSON bytes and are not looked into; ids are bound parameters, so no id ever becomes a file name. How
the file is opened, locked and recognized is `store_file`'s.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from roma_widget.server.state.store_file import (
    FILE_NAME,
    StoreError,
    damaged,
    identity,
    open_file,
    reason,
    store_error,
    transaction,
)

__all__ = ["Batch", "Store", "StoreError"]

_KEYS = {
    "projects": ("project",),
    "nodes": ("project", "node"),
    "traces": ("project", "node"),
    "prompts": ("prompt",),
}

_Row = tuple[int, tuple[bytes, ...], bytes]


class PromptRow(NamedTuple):
    """A row as it is in the file, be it what was written or not."""

    seq: int
    prompt_id: str | None
    """None: the row is not what was written."""
    value: bytes


@dataclass
class Batch:
    """What changed, saved as one: deletions first, then clearings, then what is new.

    `None` for a node or a prompt removes it. `current_id` None leaves the current project as it was; it is nobody
    once that project is deleted. The prompts of a deleted project are the caller's to remove.
    """

    projects: dict[str, bytes] = field(default_factory=dict)
    nodes: dict[tuple[str, str], bytes | None] = field(default_factory=dict)
    traces: dict[tuple[str, str], bytes] = field(default_factory=dict)
    prompts: dict[str, bytes | None] = field(default_factory=dict)
    current_id: str | None = None
    deleted_projects: set[str] = field(default_factory=set)
    cleared_traces: set[str] = field(default_factory=set)
    cleared_nodes: set[str] = field(default_factory=set)


class Store:
    """The projects, nodes, traces and prompts of one server. Every method may be called from any thread."""

    def __init__(self, folder: str | Path | None) -> None:
        """Opens or makes the store in `folder` (made 0700 where missing); None: a private temporary folder.

        Raises `StoreError` when it cannot be written, is used by another server or is not ours.

        >>> store = Store("~/roma-data")
        """
        self.folder = _make_folder(folder)
        self.path = self.folder / FILE_NAME
        private_folder = self.folder if folder is None else None
        try:
            self._connection, self._file = open_file(self.path)
        except StoreError:
            if private_folder is not None:
                shutil.rmtree(private_folder, ignore_errors=True)
            raise
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._closing = threading.Lock()
        # also runs at exit; alive is what open means
        self._finalizer = weakref.finalize(
            self, _dispose, self._connection, self._lock, self._pid, private_folder
        )

    def save(self, batch: Batch) -> None:
        """Stores the batch in one transaction and returns when it is on disk.

        Raises `StoreError` (the disk is full, ...): nothing of the batch is stored, and a later `save` may work.
        """
        with self._use("save to"):
            self._check_that_the_file_is_there()
            with transaction(self._connection):
                _write(self._connection, batch)

    def projects(self) -> dict[str, bytes]:
        """Every project's record by its id, in the order in which they were first saved."""
        return {_text(key[0]): value for _, key, value in self._rows("projects")}

    def current_id(self) -> str | None:
        """The project that was current last; None: there was none, or it is deleted."""
        with self._use("read"):
            (current,) = self._connection.execute("SELECT current_project FROM state").fetchone()
            return None if current is None else _text(current)

    def nodes(self, project_id: str) -> dict[str, bytes]:
        """The nodes of a project by their ids, in the order in which they were first saved."""
        return {_text(key[1]): value for _, key, value in self._rows("nodes", project_id)}

    def trace(self, project_id: str, node_id: str) -> bytes | None:
        """The trace of a node; None where none was saved."""
        rows = self._rows("traces", project_id, node_id)
        return rows[0][2] if rows else None

    def traces_of(self, project_id: str) -> list[str]:
        """The ids of a project's nodes that have a trace. The traces themselves are not read."""
        query = "SELECT node FROM traces WHERE project = ? ORDER BY seq"
        with self._use("read"):
            return [_text(node) for (node,) in self._connection.execute(query, (_key(project_id),))]

    def prompts(self) -> dict[str, bytes]:
        """Every prompt by its id, in the order in which they were first saved."""
        return {_text(key[0]): value for _, key, value in self._rows("prompts")}

    def prompt_rows(self) -> list[PromptRow]:
        """Every prompt in the order of `prompts`, for who can do without those that are not what was written."""
        return [
            PromptRow(seq, _text(key[0]), value)
            if _is_whole(crc, *key, value)
            else PromptRow(seq, None, value if isinstance(value, bytes) else repr(value).encode())
            for seq, crc, value, *key in self._found("prompts")
        ]

    def drop_prompts(self, seqs: Iterable[int]) -> None:
        """Removes these rows; raises as `save`."""
        with self._use("save to"), transaction(self._connection):
            self._connection.executemany("DELETE FROM prompts WHERE seq = ?", [(seq,) for seq in seqs])

    def close(self) -> None:
        """Gives the file free (and removes a temporary folder); safe to call again and from any thread."""
        with self._closing:
            self._finalizer()

    def _rows(self, table: str, *ids: str) -> list[_Row]:
        """The rows of `table` whose key begins with `ids`, in order; each is what was written, or `StoreError`."""
        rows = []
        for seq, crc, value, *key in self._found(table, *ids):
            if not _is_whole(crc, *key, value):
                raise damaged(self.path, f"a row of its table {table} is not what was written")
            rows.append((seq, tuple(key), value))
        return rows

    def _found(self, table: str, *ids: str) -> list[tuple[Any, ...]]:
        names = _KEYS[table]
        condition = " AND ".join(f"{name} = ?" for name in names[: len(ids)]) or "1"
        # seq leads, is unique, and sorting here spares SQLite a sorter with all the values in it
        query = f"SELECT seq, crc, value, {', '.join(names)} FROM {table} WHERE {condition}"
        with self._use("read"):
            return sorted(self._connection.execute(query, [_key(each) for each in ids]).fetchall())

    @contextlib.contextmanager
    def _use(self, verb: str) -> Iterator[None]:
        if os.getpid() != self._pid:
            raise StoreError(f"Cannot {verb} {self.path}: this process is a fork of the one that opened it.")
        with self._lock:
            if not self._finalizer.alive:
                raise StoreError(f"Cannot {verb} {self.path}: the store is closed.")
            try:
                yield
            except sqlite3.Error as error:
                raise store_error(self.path, verb, error) from error
            except UnicodeDecodeError as error:
                raise damaged(self.path, "an id is not what was written") from error

    def _check_that_the_file_is_there(self) -> None:
        """A file removed under us would take everything without complaint and lose it at the end."""
        try:
            now = identity(self.path)
        except OSError:
            now = None
        if now != self._file:
            raise StoreError(
                f"Cannot save to {self.path}: the file was moved or removed while in use; restart the server."
            )


def _make_folder(folder: str | Path | None) -> Path:
    try:
        if folder is None:
            return Path(tempfile.mkdtemp(prefix="roma-widget-"))
        path = Path(os.path.expanduser(folder)).absolute()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        where = "a temporary folder" if folder is None else repr(str(folder))
        raise StoreError(
            f"Cannot keep projects in {where} ({reason(error)}): choose another data_dir."
        ) from error


def _write(connection: sqlite3.Connection, batch: Batch) -> None:
    deleted = [(_key(each),) for each in batch.deleted_projects]
    for table in ("projects", "nodes", "traces"):
        connection.executemany(f"DELETE FROM {table} WHERE project = ?", deleted)
    connection.executemany("UPDATE state SET current_project = NULL WHERE current_project = ?", deleted)
    for table, cleared in (("nodes", batch.cleared_nodes), ("traces", batch.cleared_traces)):
        connection.executemany(f"DELETE FROM {table} WHERE project = ?", [(_key(each),) for each in cleared])
    _put(connection, "projects", (((each,), value) for each, value in batch.projects.items()))
    _put(connection, "nodes", batch.nodes.items())
    _put(connection, "traces", batch.traces.items())
    _put(connection, "prompts", (((each,), value) for each, value in batch.prompts.items()))
    if batch.current_id is not None:
        connection.execute("UPDATE state SET current_project = ?", (_key(batch.current_id),))


def _put(
    connection: sqlite3.Connection, table: str, items: Iterable[tuple[tuple[str, ...], bytes | None]]
) -> None:
    """Inserts or updates (a row keeps its place), and deletes where the value is None."""
    names = _KEYS[table]
    written, removed = [], []
    for ids, value in items:
        key = tuple(map(_key, ids))
        if value is None:
            removed.append(key)
        else:
            written.append((*key, value, _checksum(*key, value)))
    places = ", ".join("?" * (len(names) + 2))
    connection.executemany(
        f"DELETE FROM {table} WHERE {' AND '.join(f'{each} = ?' for each in names)}", removed
    )
    connection.executemany(
        f"INSERT INTO {table} ({', '.join(names)}, value, crc) VALUES ({places}) "
        f"ON CONFLICT ({', '.join(names)}) DO UPDATE SET value = excluded.value, crc = excluded.crc",
        written,
    )


def _key(text: str) -> bytes:
    """An id as bytes: SQLite takes no lone surrogates in its texts, which JSON may well hold."""
    return text.encode("utf-8", "surrogatepass")


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")


def _is_whole(crc: object, *parts: Any) -> bool:
    """Whether a row is what was written: SQLite does not notice bytes that changed inside a value."""
    return all(isinstance(part, bytes) for part in parts) and crc == _checksum(*parts)


def _checksum(*parts: bytes) -> int:
    crc = 0
    for part in parts:
        crc = zlib.crc32(part, crc)
    return crc


def _dispose(
    connection: sqlite3.Connection, lock: threading.Lock, owner_pid: int, private_folder: Path | None
) -> None:
    if os.getpid() != owner_pid:
        return  # a fork inherits this object, not the right to end it
    with lock:  # a thread may still be saving when the interpreter ends
        with contextlib.suppress(sqlite3.Error):  # only tidiness: the empty journal goes as well
            connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        if private_folder is not None:
            shutil.rmtree(private_folder, ignore_errors=True)
