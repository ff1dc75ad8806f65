"""What saved runs are called: names that are short, each its own, and safe as a part of a path."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from os.path import commonpath
from pathlib import Path
from urllib.parse import quote, unquote

from ..core.reading import clean

ENDINGS = (".xz", ".gz", ".bz2", ".jsonl", ".roma")
LONGEST = 200
"""Of a name in a path, where what is no plain letter takes three characters or more; file systems take 255."""


def run_names(files: Sequence[Path]) -> list[str]:
    """A name for each file: without its ending; where two are alike, with its folder, or as it is.

    Names differ also where upper and lower case are not told apart. Example: `run_names([Path("a/monday.roma")])`
    """
    names = [_bare(file.name) for file in files]
    if _alike(names) and len(files) > 1:
        top = Path(commonpath([file.absolute().parent for file in files]))
        below = [file.absolute().relative_to(top).as_posix() for file in files]
        names = _told_apart(names, [_bare(path) for path in below])
        names = _told_apart(names, below)
    names = [_short(clean(name)) for name in names]
    taken: set[str] = set()
    return [_free(name, taken) for name in names]


def as_folder(name: str) -> str:
    """`run=…` as Hive writes it: a name without any character that a path or a reader could mistake."""
    folder = quote(name, safe=" ")
    if folder.endswith((".", " ")):  # which Windows would drop
        folder = f"{folder[:-1]}%{ord(folder[-1]):02X}"
    return f"run={folder}"


def name_of_folder(folder: str) -> str:
    """The name that `as_folder` made it of."""
    return unquote(folder.removeprefix("run="))


def stem_of(name: str) -> str:
    """What all names have in common that a file may get among other files: "report" of "monday/Report.roma"."""
    return _bare(name.rpartition("/")[2]).casefold()


def _bare(name: str) -> str:
    for ending in ENDINGS:
        name = name.removesuffix(ending) or name
    return name


def _alike(names: Sequence[str]) -> set[str]:
    return {name for name, n in Counter(name.casefold() for name in names).items() if n > 1}


def _told_apart(names: Sequence[str], longer: Sequence[str]) -> list[str]:
    alike = _alike(names)
    return [other if name.casefold() in alike else name for name, other in zip(names, longer, strict=True)]


def _short(name: str) -> str:
    if len(quote(name)) <= LONGEST:
        return name
    short = name
    while len(quote(short)) > LONGEST - 9:
        short = short[:-1]
    return f"{short}~{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _free(name: str, taken: set[str]) -> str:
    free, n = name, 1
    while free.casefold() in taken:
        n += 1
        free = f"{name} ({n})"
    taken.add(free.casefold())
    return free
