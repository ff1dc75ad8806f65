"""Where a file of ours may be written, and how: whole, or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import ArchiveError
from .format import named


def checked_place(path: str | Path) -> Path:
    """`path` as an absolute one, of a link what it leads to. Raises ArchiveError for what is no place for a file,
    ValueError for no path.
    """
    path = named(path).absolute()
    try:
        if path.is_symlink():
            path = Path(os.path.realpath(path))
        if path.is_dir():
            raise ArchiveError(f"{path} is a folder: give the name of a file in it.")
        if not path.parent.is_dir():
            raise ArchiveError(f"There is no folder {path.parent} to write {path.name} to.")
    except OSError as error:
        raise unwritable(path, error) from error
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to, which takes its place in the end; where anything goes wrong, it is gone and
    what was there stays. Raises ArchiveError for what the disk says.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield part
        with suppress(FileNotFoundError):
            shutil.copymode(path, part)
        os.replace(part, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


def unwritable(path: Path, error: OSError | ValueError) -> ArchiveError:
    return ArchiveError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}.")
