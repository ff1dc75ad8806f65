"""The right to be the relay of a place, and its runtime file: held by the relay's process as long as it lives."""

from __future__ import annotations

import logging
import time
from contextlib import suppress

from ..errors import RomaError
from .entry import Found, entry_text, read_entry
from .lock import Lock, is_held
from .place import Place
from .private import Untrusted, folder_at, read_private, write_private

AGAIN_S = 0.05
_log = logging.getLogger("roma_widget.relay")


class AlreadyRuns(RomaError):
    """Another process is this relay."""

    def __init__(self, found: Found) -> None:
        super().__init__(
            f"A relay of {found.of} runs already: process {found.pid}, at {found.url}. Use that one "
            f"(`roma.connect({found.of!r}, relay=True)`), or end it (`roma-widget relay --stop {found.of}`)."
        )


def living(place: Place) -> Found | None:
    """The relay that lives at a place. Raises `Untrusted`, RomaError where that cannot be told.

    What is left of one that was killed counts as none: the next relay replaces it.
    """
    try:
        found = read_entry(place)
    except Untrusted as error:
        if error.is_ours and not is_held(place.lock):
            return None
        raise
    return found if found is not None and is_held(place.lock) else None


def left_behind(place: Place) -> Found | None:
    """What a killed relay was told to be, which the next one is to be, too. Raises `Untrusted`, RomaError."""
    try:
        return read_entry(place)
    except Untrusted as error:
        if error.is_ours:
            return None
        raise


class Claim:
    """See the module. `take`, `publish` once it can be reached, `tend` now and then, `let_go` at the end."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._lock = Lock(place.lock)
        self._entry: bytes | None = None
        self._left: bytes | None = None

    def take(self, wait_s: float) -> None:
        """Returns when this process is the one. Raises `AlreadyRuns` when another is and can be reached; RomaError
        when the files cannot be used, or another neither begins nor ends within `wait_s`.
        """
        folder_at(self.place.folder)
        until_s = time.monotonic() + wait_s
        while not self._lock.take():
            found = living(self.place)
            if found is not None:
                raise AlreadyRuns(found)
            if time.monotonic() > until_s:
                raise RomaError(
                    f"Another relay holds {self.place.lock} and has not said its address within {wait_s:g} s: look at "
                    f"{self.place.log}, or end that process."
                )
            time.sleep(AGAIN_S)
        try:
            self._clear()  # what a killed one left would be taken for ours
        except BaseException:
            self.let_go()
            raise

    def publish(self, found: Found) -> None:
        """From now on others find this relay. Raises `Untrusted`, RomaError."""
        self._entry = entry_text(found)
        write_private(self.place.entry, self._entry)

    def tend(self) -> None:
        """Mends what somebody tidied away: folders of running programs are swept of old files."""
        if self._entry is None:
            return
        try:
            if not self._lock.is_ours() and not self._lock.take():
                return  # another relay has taken the place; this one serves whom it has
            if self._read() != self._entry:
                folder_at(self.place.folder)
                write_private(self.place.entry, self._entry)
        except RomaError as error:
            _log.warning("%s", error)

    def withdraw(self) -> None:
        """Nobody finds this relay any more, and no other may begin yet."""
        if self._entry is not None and self._lock.is_ours() and self._read() == self._entry:
            with suppress(OSError):
                self.place.entry.unlink()
        self._entry = None

    def give_back(self) -> None:
        """What a killed relay had left stands there again: this process could not take its place."""
        if self._entry is None and self._left is not None and self._lock.is_ours():
            with suppress(RomaError):
                write_private(self.place.entry, self._left)

    def let_go(self) -> None:
        """Another may begin; safe to call again."""
        self.withdraw()
        self._lock.let_go()

    def _read(self) -> bytes | None:
        with suppress(FileNotFoundError, RomaError):
            return read_private(self.place.entry)
        return None

    def _clear(self) -> None:
        with suppress(FileNotFoundError):
            try:
                self._left = read_private(self.place.entry)
            except Untrusted as error:
                if not error.is_ours:
                    raise
            self.place.entry.unlink()
