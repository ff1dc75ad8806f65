"""Runs a server as a child process that cannot outlive this one: what `roma.demo()` connects to.

A process of its own, so that a busy notebook does not slow the server, nor the server the notebook. The child
says its address in one JSON line on stdout; its stderr goes to a temporary file, which never blocks it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from roma_widget.errors import RomaError

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 3.0
_TAIL_BYTES = 2000


class ChildServerError(RomaError):
    """The child process did not become a server; the message has the end of what it wrote to stderr."""


class ChildServer:
    """A running child. Ends with `close()`, with this object, with the interpreter or with this process."""

    def __init__(self, url: str, process: subprocess.Popen[bytes], stderr: IO[bytes]) -> None:
        self.url = url
        self._process = process
        # also runs at exit; a finalizer runs once, whichever thread comes first
        self._lock = threading.Lock()
        self._finalizer = weakref.finalize(self, _end, process, stderr, os.getpid())

    @property
    def pid(self) -> int:
        return self._process.pid

    def close(self) -> None:
        """Ends the child and returns when it is gone; safe to call again and from any thread."""
        with self._lock:
            self._finalizer()


def start_child(command: Sequence[str], *, timeout_s: float = START_TIMEOUT_S) -> ChildServer:
    """Starts `roma-widget COMMAND` (`serve` or `replay` with their arguments) and waits until it serves.

    Raises `ChildServerError` when it does not announce itself within `timeout_s`.

    >>> server = start_child(["serve", "--scenario", "report", "--start"])
    """
    stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
    try:
        process = _spawn(command, stderr)
    except OSError as error:
        stderr.close()
        raise ChildServerError(f"Cannot start a Python process ({sys.executable!r}): {error}.") from error
    announcement = _first_line(process, timeout_s)
    if announcement is None:
        why = _why_it_failed(process, stderr, timeout_s)
        _end(process, stderr, os.getpid())
        raise ChildServerError(why)
    return ChildServer(announcement["url"], process, stderr)


def _spawn(command: Sequence[str], stderr: IO[bytes]) -> subprocess.Popen[bytes]:
    verb, *arguments = command
    ours = ["--port", "0", "--parent-pid", str(os.getpid()), "--announce"]
    return subprocess.Popen(
        # -P: a socketio.py beside the user's notebook must not become the server's
        [sys.executable, "-P", "-m", "roma_widget", verb, *ours, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=_environment(),
        # Jupyter interrupts a cell by a signal to the kernel's whole process group: not to the server
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _environment() -> dict[str, str]:
    """The child finds this package where we found it, also when it is not installed."""
    root = Path(__file__).resolve().parents[2]
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    paths = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> dict[str, Any] | None:
    """The announcement; None when the child ended, said something else or said nothing in time.

    The child moves its stdout away after that line, so our end can be closed then.
    """
    assert process.stdout is not None
    lines: list[bytes] = []
    reader = threading.Thread(
        target=lambda: lines.append(_read_line(process)), name="roma-announcement", daemon=True
    )
    reader.start()
    reader.join(timeout_s)
    if reader.is_alive():
        process.kill()  # ends the read as well
        reader.join()
        lines.clear()
    process.stdout.close()
    try:
        announcement = json.loads(lines[0]) if lines else None
    except ValueError:
        return None
    return announcement if isinstance(announcement, dict) and "url" in announcement else None


def _read_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def _why_it_failed(process: subprocess.Popen[bytes], stderr: IO[bytes], timeout_s: float) -> str:
    try:
        code: int | None = process.wait(timeout=1.0)
    except subprocess.TimeoutExpired:
        code = None
    stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, stderr.tell() - _TAIL_BYTES))
    said = stderr.read().decode(errors="replace").strip() or "nothing"
    state = "did not say its address" if code is None else f"ended with code {code}"
    return f"The server {state} (waited up to {timeout_s:g} s). It wrote: {said}"


def _end(process: subprocess.Popen[bytes], stderr: IO[bytes], owner_pid: int) -> None:
    if os.getpid() != owner_pid:
        return  # a fork of the owner inherits this object, not the right to end the server
    assert process.stdin is not None
    process.stdin.close()
    process.terminate()
    try:
        process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    stderr.close()
