"""Starts a relay that outlives this process: `roma-widget relay URL --detached`, in a session of its own.

What it is to do goes to its stdin as JSON, so that no credentials stand among its arguments; it answers with one JSON
line on stdout when it can be reached, or says why not; its stderr is the log. Of the descriptors it has no others.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ..core.reading import shorten
from ..errors import RomaError
from .entry import Found
from .place import Place
from .private import folder_at, open_private

if TYPE_CHECKING:
    from ..client.feed import FeedOptions

TOKEN_VARIABLE: Final = "ROMA_WIDGET_TOKEN"
PART_FOR_OTHERS: Final = 0.8
"""Of the time to start: how long a relay waits for another that begins or ends. The rest is for saying so."""
_LARGEST_ANSWER: Final = 64 * 1024
_TAIL_BYTES: Final = 2000
_WITHOUT_A_WINDOW: Final = getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(
    subprocess, "CREATE_NEW_PROCESS_GROUP", 0
)


def start_detached(
    options: FeedOptions, place: Place, record: Path | None, timeout_s: float, killed: Found | None = None
) -> None:
    """Returns when a relay is there, this one or one that was quicker. It is what `killed` was told to be.

    Raises RomaError with its own sentence.
    """
    folder_at(place.folder)
    log = open_private(place.log, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        log_began = os.fstat(log).st_size
        try:
            process = _spawn(options.root, place, log)
        except OSError as error:
            raise RomaError(f"Cannot start a Python process ({sys.executable!r}): {error}.") from error
    finally:
        os.close(log)
    assert process.stdin is not None
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(_wish(options, record, timeout_s * PART_FOR_OTHERS, killed))
    answer = _answer(process, timeout_s)
    if answer is None:
        raise RomaError(
            f"The relay of {options.root} has not said within {timeout_s:g} s that it is there. Try again later; its "
            f"log is {place.log}."
        )
    if "error" in answer:
        raise RomaError(str(answer["error"]))
    if not answer:
        raise RomaError(
            f"The relay of {options.root} ended before it was there. Its log is {place.log}"
            f"{_last_words(place.log, log_began)}"
        )


def _spawn(root: str, place: Place, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -P: a socketio.py beside the user's notebook must not become the relay's
        [sys.executable, "-P", "-m", "roma_widget", "relay", root, "--detached"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        cwd=place.folder,  # the notebook's may be unmounted or deleted
        env=_environment(place.folder),
        start_new_session=True,  # neither an interrupt of the kernel nor its end is ours
        creationflags=_WITHOUT_A_WINDOW,
    )


def _environment(folder: Path) -> dict[str, str]:
    """Ours without the token in it, with the same runtime folder, and with this package where we found it, also when
    it is not installed.
    """
    environment = {name: value for name, value in os.environ.items() if name != TOKEN_VARIABLE}
    paths = [os.path.abspath(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    package = Path(__file__).resolve().parents[2]
    if package.name not in ("site-packages", "dist-packages"):
        paths.insert(0, str(package))
    return {**environment, "PYTHONPATH": os.pathsep.join(paths), "JUPYTER_RUNTIME_DIR": str(folder)}


def _wish(options: FeedOptions, record: Path | None, wait_s: float, killed: Found | None) -> bytes:
    wish: dict[str, Any] = {
        "root": options.root,
        "token": options.token,
        "headers": options.headers,
        "transports": options.transports,
        "timeout_s": options.timeout_s,
        "always_join": options.always_join,
        "record": None if record is None else str(record),
        "wait_s": wait_s,
    }
    if killed is not None:
        wish |= {
            "host": killed.host,
            "port": urlsplit(killed.url).port or 0,
            "relay_token": killed.token,
            "record": wish["record"] or killed.record,
            "idle_s": None if math.isinf(killed.idle_s) else killed.idle_s,
        }
    return json.dumps(wish).encode()


def _answer(process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, Any] | None:
    """What it said; {} when it ended without a word, None when it has said nothing in time."""
    lines: list[bytes] = []

    def read() -> None:
        assert process.stdout is not None
        with process.stdout:
            lines.append(process.stdout.readline(_LARGEST_ANSWER))
        process.wait()

    reader = threading.Thread(target=read, name="roma-relay-start", daemon=True)
    reader.start()
    reader.join(timeout_s)
    if reader.is_alive() and not lines:
        return None
    try:
        answer = json.loads(lines[0])
    except (ValueError, RecursionError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _last_words(log: Path, log_began: int) -> str:
    try:
        with open(log, "rb") as file:
            file.seek(max(log_began, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError:
        return "."
    said = [line.strip() for line in lines if line.strip()]
    return f", which ends with: {shorten(said[-1], 300)}" if said else ", and says nothing."
