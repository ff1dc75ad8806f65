"""A lock that a process holds for as long as it lives: the system lets go of it however the process ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from .private import open_private, unusable

if sys.platform == "win32":
    import msvcrt

    def _lock(fd: int, *, shared: bool) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # knows no shared locks

else:
    import fcntl

    def _lock(fd: int, *, shared: bool) -> None:
        fcntl.flock(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


class Lock:
    """The lock of one file, taken at most once at a time over all processes of this machine."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Raises `Untrusted`, RomaError."""
        while True:
            fd = open_private(self.path, os.O_RDWR | os.O_CREAT)
            if not _locks(self.path, fd, shared=False):
                return False
            if _is_at(self.path, fd):
                self._close()  # one whose file was deleted
                self._fd = fd
                return True
            os.close(fd)  # who held it before us has deleted it

    def is_ours(self) -> bool:
        """Whether it is held, and still the one that others look at."""
        return self._fd is not None and _is_at(self.path, self._fd)

    def let_go(self) -> None:
        """Deletes the file, too, unless another stands in its place."""
        with suppress(OSError):  # Windows deletes nothing that is open
            if self.is_ours():
                self.path.unlink()
        self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock. Raises `Untrusted`, RomaError."""
    try:
        fd = open_private(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    if not _locks(path, fd, shared=True):
        return True
    os.close(fd)
    return False


def _locks(path: Path, fd: int, *, shared: bool) -> bool:
    """Whether it could be locked; where not, `fd` is closed."""
    try:
        _lock(fd, shared=shared)
    except OSError as error:
        os.close(fd)
        if not isinstance(error, BlockingIOError | PermissionError):
            raise unusable(path, error) from error
        return False
    return True


def _is_at(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), path.lstat())
    except OSError:
        return False
