"""Finds the relays of this user on this machine, starts one where there is none, ends them.

All of it blocks: never call it on an event loop.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import RomaError
from .claim import AGAIN_S, Claim, left_behind, living
from .entry import Found, process_start, read_entry
from .lock import is_held
from .place import PREFIX, Place, place_of, runtime_folder
from .starting import start_detached

if TYPE_CHECKING:
    from ..client.feed import FeedOptions

SUPERVISED_S = 5.0
"""So long whoever started a relay in a terminal or as a service has to bring it back when it was killed."""
_log = logging.getLogger("roma_widget.relay")


def find(options: FeedOptions) -> Found | None:
    """The relay of this server with these credentials that runs here; None where none does.

    Raises RomaError when its files are somebody else's, or belong to a living relay and cannot be read.
    Example: `find(FeedOptions("http://127.0.0.1:5000"))`
    """
    return living(place_of(options))


def find_or_start(options: FeedOptions, *, record: Path | None = None, timeout_s: float = 20.0) -> Found:
    """The relay of this server with these credentials, started for all kernels of this user where none runs.

    It outlives this process and ends by itself. With `record` it writes one archive a project to that folder.
    One that was killed is followed by one that is told the same: token, port where it is free, folder, idle time.
    Raises RomaError, in the relay's own words when it could not begin, also when the one that runs records
    elsewhere. Example: `find_or_start(FeedOptions("http://127.0.0.1:5000")).url`
    """
    if not 0 < timeout_s < math.inf:
        raise ValueError(f"timeout_s takes seconds above 0, not {timeout_s!r}.")
    place = place_of(options)
    wanted = None if record is None else Path(record).expanduser().absolute()
    until_s = time.monotonic() + timeout_s
    killed = left_behind(place)
    if killed is not None and not killed.is_detached:
        _wait_for_its_supervisor(place, min(SUPERVISED_S, timeout_s / 2))
    while (found := living(place)) is None:
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise RomaError(
                f"No relay of {options.root} was there within {timeout_s:g} s; the log is {place.log}."
            )
        start_detached(options, place, wanted, left_s, killed)
    if wanted is not None and found.record != str(wanted):
        elsewhere = "does not record" if found.record is None else f"records to {found.record}"
        raise RomaError(
            f"The relay of {found.of} that runs already {elsewhere}: use it without record=, or end it first "
            f"(`roma-widget relay --stop {found.of}`)."
        )
    return found


def _wait_for_its_supervisor(place: Place, wait_s: float) -> None:
    """Returns when somebody is the relay again, or nobody has begun to be it in time."""
    until_s = time.monotonic() + wait_s
    while not is_held(place.lock) and time.monotonic() < until_s:
        time.sleep(AGAIN_S)


def listed() -> list[Found]:
    """All relays of this user that run on this machine, the oldest first; bad files are told to the log."""
    found, complaints = look()
    for complaint in complaints:
        _log.warning("%s", complaint)
    return found


def look() -> tuple[list[Found], list[str]]:
    """`listed`, and a sentence for each file that cannot be read."""
    found: list[Found] = []
    complaints: list[str] = []
    for path in sorted(runtime_folder().absolute().glob(f"{PREFIX}*.json")):
        place = Place(path.parent, path.stem.removeprefix(PREFIX))
        try:
            relay = living(place)
            if relay is not None:
                found.append(relay)
            else:
                read_entry(place)  # a killed one's, which the next relay is told by
        except RomaError as error:
            complaints.append(str(error))
    return sorted(found, key=lambda relay: relay.started_at), complaints


def forget_killed(of: str | None) -> None:
    """No relay is what a killed one of that server, of any without an address, was told to be."""
    for path in runtime_folder().absolute().glob(f"{PREFIX}*.json"):
        place = Place(path.parent, path.stem.removeprefix(PREFIX))
        with suppress(RomaError):  # bad files are told by `look`; or one begins at this moment
            killed = None if is_held(place.lock) else read_entry(place)
            if killed is not None and of in (None, killed.of):
                claim = Claim(place)
                claim.take(0)
                claim.let_go()


def stop(found: Found, timeout_s: float = 10.0) -> None:
    """Ends a relay and returns when it is gone; one that is gone already is no error.

    Raises RomaError when its process cannot be told for certain, or has not ended within `timeout_s`.
    Example: `for relay in listed(): stop(relay)`
    """
    if found.place is None or living(found.place) != found:
        return
    began = process_start(found.pid)
    if began != found.boot:
        raise RomaError(
            f"Process {found.pid} is not the relay of {found.of} that {found.place.entry} tells of: it may run in "
            "another container; end it there."
        )
    try:
        os.kill(found.pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    except OSError as error:
        raise RomaError(
            f"The relay of {found.of} (process {found.pid}) cannot be ended: {error.strerror or error}."
        ) from error
    until_s = time.monotonic() + timeout_s
    while _is_there(found, found.place):
        if time.monotonic() > until_s:
            raise RomaError(
                f"The relay of {found.of} (process {found.pid}) has not ended within {timeout_s:g} s: "
                f"`kill -9 {found.pid}` ends it."
            )
        time.sleep(AGAIN_S)


def _is_there(found: Found, place: Place) -> bool:
    """Whether the process is there; where the system tells nothing of processes, whether the relay's lock is."""
    if found.boot:
        return process_start(found.pid) == found.boot
    return is_held(place.lock) and living(place) in (None, found)
