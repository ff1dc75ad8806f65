"""Lets a child process end with its parent, also when the parent was killed and could say nothing.

Two signs, for neither is enough: the pipe on stdin ends when the parent is gone (at once, on every system;
but a fork of the parent keeps it open), and on POSIX the parent's id changes (seen within a second).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

POLL_S = 1.0
GRACE_S = 5.0
"""How long an orderly end may take after the parent has gone; then the process ends anyhow."""


def watch_parent(parent_pid: int, on_gone: Callable[[], object]) -> None:
    """Calls `on_gone` (from another thread, perhaps twice) when stdin ends or `parent_pid` is not our
    parent."""
    _start("roma-parent-pipe", lambda: _wait_for_end_of_stdin(on_gone))
    if os.name == "posix":
        _start("roma-parent-pid", lambda: _wait_for_other_parent(parent_pid, on_gone))


def _start(name: str, target: Callable[[], None]) -> None:
    threading.Thread(target=target, name=name, daemon=True).start()


def _wait_for_end_of_stdin(on_gone: Callable[[], object]) -> None:
    # os.read, not sys.stdin: a daemon thread that holds stdin's lock aborts the interpreter at its end
    while os.read(0, 1024):
        pass
    _end(on_gone)


def _wait_for_other_parent(parent_pid: int, on_gone: Callable[[], object]) -> None:
    while os.getppid() == parent_pid:
        time.sleep(POLL_S)
    _end(on_gone)


def _end(on_gone: Callable[[], object]) -> None:
    on_gone()
    time.sleep(GRACE_S)
    os._exit(3)
