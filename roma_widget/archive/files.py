"""An archive on the disk: how it begins, what lies beside it, and whether this process has it open.

A process that closes any file descriptor of a file loses, by POSIX, all its locks on it, also those of SQLite
(sqlite.org/howtocorrupt.html, 2.2): another process could write while we read, or read what is half written. So while
a connection of ours is open, what else was opened of its file is closed only with it.
"""

from __future__ import annotations

import os
import stat
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from .format import HEADER_BYTES, KEPT_WITH_JOURNAL

_JOURNAL_MAGIC: Final = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"
_JOURNAL_HEADER: Final = struct.Struct(">8sIIIII")
"""Magic, records, a number that makes check sums differ, pages that the file had, bytes of a sector and of a page."""
_AS_MANY_AS_THERE_ARE: Final = 2**32 - 1
_NAMES_ANOTHER: Final = _JOURNAL_MAGIC
"""How a journal ends that names a second one, which SQLite would delete, whatever file that is. Ours never do."""
_Key = tuple[int, int]
_lock = threading.Lock()
_users: dict[_Key, int] = {}
"""How many connections this process has, by device and number of the file."""
_unclosed: dict[_Key, int] = {}
"""One descriptor of each such file that was read otherwise."""


def header_of(path: Path) -> bytes:
    """How the file begins. Raises OSError, also for what is no file, and for what has something beside it that SQLite
    would take up and no writer of ours left there: a pipe would be waited for, for ever.
    """
    journal, log = journal_of(path), path.with_name(f"{path.name}-wal")
    _check_is_file(path)
    for beside in (journal, log):
        with suppress(FileNotFoundError):  # a journal comes and goes while somebody writes
            _check_is_file(beside)
    header = _read_header(path)
    with suppress(FileNotFoundError):
        _check_journal(journal, path, header)
    with suppress(FileNotFoundError):
        if header[18:20] == KEPT_WITH_JOURNAL and log.stat().st_size:
            raise OSError(f"{log.name} lies beside it, as with no saved run")
    return header


def _read_header(path: Path) -> bytes:
    with _lock:
        fd = _unclosed.pop(_key(path.stat()), None)
        if fd is None:
            fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        key = _key(os.fstat(fd))
        try:
            os.lseek(fd, 0, os.SEEK_SET)
            return os.read(fd, HEADER_BYTES)
        finally:
            if key in _users:
                _unclosed[key] = fd
            else:
                os.close(fd)


class Hold:
    """A connection to the file is open from before this is made until it is ended. Raises OSError."""

    def __init__(self, path: Path) -> None:
        self._key: _Key | None = _key(path.stat())
        with _lock:
            _users[self._key] = _users.get(self._key, 0) + 1

    def end(self) -> None:
        """The connection is closed. May be said again."""
        with _lock:
            key, self._key = self._key, None
            if key is None:
                return
            _users[key] -= 1
            if not _users[key]:
                del _users[key]
                if key in _unclosed:
                    os.close(_unclosed.pop(key))


def journal_of(path: Path) -> Path:
    """What SQLite keeps beside a file while it writes, and leaves there when it is killed."""
    return path.with_name(f"{path.name}-journal")


def _check_is_file(path: Path) -> None:
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path.name} is no file")
    if path.name.endswith("-journal"):
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - len(_NAMES_ANOTHER)))
            if file.read() == _NAMES_ANOTHER:
                raise OSError(f"{path.name} is no journal of a saved run")


def _check_journal(journal: Path, path: Path, header: bytes) -> None:
    """SQLite makes the file as long as its journal says, and writes over any of its pages."""
    with journal.open("rb") as file:
        begin = file.read(_JOURNAL_HEADER.size)
        size = os.fstat(file.fileno()).st_size
    if len(begin) < _JOURNAL_HEADER.size or not header:
        return
    magic, n_records, _, n_pages, _, page_bytes = _JOURNAL_HEADER.unpack(begin)
    if magic != _JOURNAL_MAGIC:
        return  # SQLite takes nothing from it
    has_records = n_records == _AS_MANY_AS_THERE_ARE or n_records * page_bytes <= size
    is_its_own = page_bytes == _page_bytes(header) and n_pages * page_bytes <= path.stat().st_size
    if not (has_records and is_its_own):
        raise OSError(f"{journal.name} is no journal of this file")


def _page_bytes(header: bytes) -> int:
    said = int.from_bytes(header[16:18], "big")
    return 65_536 if said == 1 else said


def _key(found: os.stat_result) -> _Key:
    return found.st_dev, found.st_ino
