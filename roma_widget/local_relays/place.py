"""Where the files of a relay are: one set for each server, credentials, user and machine."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # brings a socket library along, which `--list` does not need
    from ..client.feed import FeedOptions

PREFIX: Final = "roma-relay-"


@dataclass(frozen=True, slots=True)
class Place:
    """The names of one relay's files."""

    folder: Path
    key: str

    @property
    def entry(self) -> Path:
        """What a living relay says of itself."""
        return self.folder / f"{PREFIX}{self.key}.json"

    @property
    def lock(self) -> Path:
        """Held by the relay as long as it lives."""
        return self.folder / f"{PREFIX}{self.key}.lock"

    @property
    def log(self) -> Path:
        """Of a relay that has no terminal."""
        return self.folder / f"{PREFIX}{self.key}.log"

    @property
    def questions(self) -> Path:
        """The folder of what survives a relay: open questions and their answers."""
        return self.folder / f"{PREFIX}{self.key}"


def place_of(options: FeedOptions) -> Place:
    """Where the relay of this server, with these credentials, leaves its files."""
    return place_for(options.root, options.token, options.headers)


def place_for(root: str, token: str | None, headers: Sequence[tuple[str, str]]) -> Place:
    """`place_of`, said in parts. The machine counts, because home folders are shared between machines and loopback
    addresses are not.
    """
    lines = "\n".join(f"{name}: {value}" for name, value in headers)
    text = "\0".join((machine(), root, token or "", lines))
    return Place(
        runtime_folder().absolute(), hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    )


def machine() -> str:
    return platform.node()


def runtime_folder() -> Path:
    """Jupyter's runtime folder, by Jupyter's own word where it is installed."""
    try:
        from jupyter_core.paths import jupyter_runtime_dir
    except ImportError:
        return _runtime_folder_by_hand()
    return Path(jupyter_runtime_dir())


def _runtime_folder_by_hand() -> Path:
    if runtime := os.environ.get("JUPYTER_RUNTIME_DIR"):
        return Path(runtime)
    if data := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(data) / "runtime"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Jupyter" / "runtime"
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home()) / "jupyter" / "runtime"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "jupyter" / "runtime"
