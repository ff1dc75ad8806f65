"""Where a relay keeps the mirror of the server above: what is on disk is only there to spare memory.

What another server says is learnt anew at each start, so what an earlier relay left (one that was killed) goes first.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ..server.state.state import State
from ..server.state.store import StoreError

FOLDER = "mirror"


def empty_state(folder: Path | None) -> State:
    """A state that knows nothing, kept in `folder`; None: in a private temporary one. Raises `StoreError`."""
    remove(folder)
    return State(folder)


def remove(folder: Path | None) -> None:
    """Raises `StoreError`."""
    if folder is None:
        return
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StoreError(
            f"{folder}, where a relay keeps what the server says, cannot be emptied: {error.strerror or error}."
        ) from error
