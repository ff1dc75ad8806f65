"""What a living relay says of itself in its runtime file, and how that is read: the file may hold anything."""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..core.address import server_url
from ..errors import ConnectError, RomaError
from .place import Place, machine
from .private import Untrusted, read_private

VERSION: Final = 1
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_LARGEST_PID: Final = 2**31
IDLE_S: Final = 600.0
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Found:
    """A relay of this user that runs on this machine."""

    url: str
    token: str = field(repr=False)
    pid: int
    of: str
    """The address of the server above it."""
    started_at: str
    """ISO 8601, in UTC."""
    boot: str = ""
    """When its process began, in the system's own words; tells it from a later one of the same number."""
    machine: str = ""
    record: str | None = None
    """The folder that it records to."""
    host: str = LOOPBACK
    """Where it listens; with the port of `url`, which may name another address."""
    idle_s: float = IDLE_S
    """How long it stays with nothing to do; `inf` is for ever."""
    is_detached: bool = True
    """No terminal and no service started it, so nobody else brings it back."""
    place: Place | None = field(default=None, repr=False, compare=False)


def entry_text(found: Found) -> bytes:
    """How `found` stands in its runtime file."""
    said = {
        "version": VERSION,
        "of": found.of,
        "url": found.url,
        "token": found.token,
        "pid": found.pid,
        "started_at": found.started_at,
        "boot": found.boot,
        "machine": found.machine,
        "record": found.record,
        "host": found.host,
        "idle_s": None if math.isinf(found.idle_s) else found.idle_s,
        "detached": found.is_detached,
    }
    return json.dumps(said, indent=1).encode()


def read_entry(place: Place) -> Found | None:
    """What stands there; None where there is no file, or it is of another machine. Raises `Untrusted`, RomaError."""
    try:
        content = read_private(place.entry)
    except FileNotFoundError:
        return None
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        raise _unreadable(place.entry, "it is no JSON") from None
    if not isinstance(said, dict):
        raise _unreadable(place.entry, "it is no JSON object")
    if said.get("version") != VERSION or isinstance(said["version"], bool):
        raise Untrusted(
            f"{place.entry} is of another version of roma-widget: use that version, or end its relay and delete the "
            "file.",
            is_ours=True,
        )
    found = _found(place, said)
    return found if found.machine == machine() else None


def _found(place: Place, said: dict[str, Any]) -> Found:
    record = said.get("record")
    for name in ("url", "token", "of", "started_at", "boot", "machine"):
        if not isinstance(said.get(name), str):
            raise _unreadable(place.entry, f"{name} is no text")
    if record is not None and not isinstance(record, str):
        raise _unreadable(place.entry, "record is no text")
    host, idle_s = said.get("host", LOOPBACK), said.get("idle_s", IDLE_S)
    if not isinstance(host, str):
        raise _unreadable(place.entry, "host is no text")
    if idle_s is not None and (
        isinstance(idle_s, bool) or not isinstance(idle_s, (int, float)) or not idle_s > 0
    ):
        raise _unreadable(place.entry, "idle_s is no number of seconds above 0")
    pid = said.get("pid")
    if isinstance(pid, bool) or not isinstance(pid, int) or not 1 < pid < _LARGEST_PID:
        raise _unreadable(place.entry, "pid is no process")
    if not _TOKEN.fullmatch(said["token"]):
        raise _unreadable(place.entry, "token is none that a header could hold")
    try:
        url, of = server_url(said["url"]), server_url(said["of"])
    except ConnectError:
        raise _unreadable(place.entry, "it holds no server's address") from None
    return Found(
        url=url,
        token=said["token"],
        pid=pid,
        of=of,
        started_at=said["started_at"],
        boot=said["boot"],
        machine=said["machine"],
        record=record,
        host=host,
        idle_s=math.inf if idle_s is None else float(idle_s),
        is_detached=said.get("detached") is not False,
        place=place,
    )


def process_start(pid: int) -> str:
    """When that process began, in ticks since the machine did; "" for none, and where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read(4096).rpartition(b")")[2].split()
        return "" if state == b"Z" else fields[18].decode()  # Z: ended, and its parent has not looked
    except (OSError, IndexError, ValueError):
        return ""


def own_process() -> tuple[int, str]:
    return os.getpid(), process_start(os.getpid())


def _unreadable(path: Path, why: str) -> Untrusted:
    return Untrusted(f"{path} is not what a relay wrote ({why}): delete it and try again.", is_ours=True)


def checked_relay_token(token: str) -> str:
    """`token`, which a header can hold. Raises RomaError."""
    if not _TOKEN.fullmatch(token):
        raise RomaError(
            "A relay's token has 1 to 4,096 characters, all of them visible ASCII: choose another."
        )
    return token
