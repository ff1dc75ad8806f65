"""Files that nobody else can have written or read: what a relay's token may stand in.

A file is trusted when it is a plain one of this user's with no rights for anybody else, and no link. Whoever opens
one here gets that or one sentence. On Windows the folder's own rights must do: there are no such modes.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..errors import RomaError

LARGEST_BYTES: Final = 64 * 1024
_POSIX = os.name == "posix"
# a pipe is not waited for, a link not followed
_CAREFULLY: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


class Untrusted(RomaError):
    """A file is not what a relay of this user wrote. With `is_ours` nobody else could have put it there."""

    def __init__(self, message: str, *, is_ours: bool) -> None:
        super().__init__(message)
        self.is_ours = is_ours


def open_private(path: Path, flags: int) -> int:
    """A descriptor of this user's private file. Raises FileNotFoundError, `Untrusted`, RomaError."""
    try:
        if path.is_symlink():  # where the system cannot refuse links by itself
            raise _is_a_link(path)
        fd = os.open(path, flags | _CAREFULLY, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            raise _is_a_link(path) from error
        if _belongs_to_other(path):
            raise _is_foreign(path) from error
        raise unusable(path, error) from error
    try:
        _check(path, os.fstat(fd))
    except BaseException:
        os.close(fd)
        raise
    return fd


def read_private(path: Path) -> bytes:
    """What stands in this user's private file. Raises FileNotFoundError, `Untrusted`, RomaError."""
    with open(open_private(path, os.O_RDONLY), "rb") as file:
        content = file.read(LARGEST_BYTES + 1)
    if len(content) > LARGEST_BYTES:
        raise Untrusted(
            f"{path} is larger than 64 kB, which no relay writes: delete it and try again.", is_ours=True
        )
    return content


def write_private(path: Path, content: bytes) -> None:
    """Puts a private file in the place of `path`, whole or not at all. What is somebody else's is left alone.

    Raises `Untrusted`, RomaError.
    """
    if path.is_symlink():
        raise _is_a_link(path)
    if _belongs_to_other(path):
        raise _is_foreign(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        try:
            fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _CAREFULLY, 0o600)
            with open(fd, "wb") as file:
                file.write(content)
            os.replace(part, path)
        finally:
            with suppress(OSError):
                part.unlink()
    except OSError as error:
        raise unusable(path, error) from error


def folder_at(path: Path) -> None:
    """Makes the folder, for this user alone, where there is none. Raises RomaError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path, error) from error


def private_folder(path: Path) -> None:
    """`folder_at`, and nobody else can read it or has made it. Raises `Untrusted`, RomaError."""
    if path.is_symlink():
        raise _is_a_link(path)
    folder_at(path)
    found = path.stat()
    if _POSIX and found.st_uid != os.geteuid():
        raise _is_foreign(path)
    if _POSIX and found.st_mode & 0o077:
        raise _is_open(path, is_ours=not found.st_mode & 0o022)


def unusable(path: Path, error: OSError) -> RomaError:
    return RomaError(
        f"{path} cannot be used: {error.strerror or error}. Relays are found by their files there: mend that, or set "
        "JUPYTER_RUNTIME_DIR to a folder of yours."
    )


def _check(path: Path, found: os.stat_result) -> None:
    if _POSIX and found.st_uid != os.geteuid():
        raise _is_foreign(path)
    if not stat.S_ISREG(found.st_mode):
        raise Untrusted(f"{path} is no file, as a relay writes it: delete it and try again.", is_ours=False)
    if _POSIX and found.st_mode & 0o077:
        raise _is_open(path, is_ours=not found.st_mode & 0o022)


def _belongs_to_other(path: Path) -> bool:
    try:
        return _POSIX and path.lstat().st_uid != os.geteuid()
    except OSError:
        return False


def _is_a_link(path: Path) -> Untrusted:
    return Untrusted(f"{path} is a link, which no relay makes: delete it and try again.", is_ours=False)


def _is_open(path: Path, *, is_ours: bool) -> Untrusted:
    return Untrusted(
        f"{path} is open to other users of this machine, so it is not trusted: delete it, and end a relay that made "
        "it.",
        is_ours=is_ours,
    )


def _is_foreign(path: Path) -> Untrusted:
    return Untrusted(
        f"{path} belongs to another user, so it is neither read nor replaced: have it deleted, or set "
        "JUPYTER_RUNTIME_DIR to a folder of yours.",
        is_ours=False,
    )
