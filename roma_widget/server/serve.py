"""Serves a replay until somebody ends it: what `roma-widget replay` does, in a terminal or as a child."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from roma_widget.server.capture import Capture, CaptureError, read_capture, recording_names, recording_path
from roma_widget.server.parent_watch import watch_parent
from roma_widget.server.replay import ReplayServer


def serve_replay(
    capture: str,
    *,
    host: str,
    port: int,
    speed: float,
    safe_to_join: bool,
    parent_pid: int | None,
    announce: bool,
) -> None:
    """Replays `capture` (a file, or a shipped recording's name) until Ctrl+C, SIGTERM or the end of
    `parent_pid`.

    The address goes to stdout: for people, or with `announce` as one JSON line. Raises `RomaError` when the
    recording or the address will not do.
    """
    server = ReplayServer(_found(capture), host=host, port=port, speed=speed, safe_to_join=safe_to_join)
    try:
        asyncio.run(_serve(server, parent_pid, announce))
    except KeyboardInterrupt:
        return  # where the loop takes no signal handlers (Windows)


def _found(capture: str) -> Capture:
    if Path(capture).exists():
        return read_capture(capture)
    if capture in recording_names():
        return read_capture(recording_path(capture))
    names = ", ".join(recording_names())
    raise CaptureError(f"{capture} does not exist, and no recording has that name; there are: {names}.")


async def _serve(server: ReplayServer, parent_pid: int | None, announce: bool) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    if os.name == "posix":
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, ended.set)
    if parent_pid is not None:
        watch_parent(parent_pid, lambda: loop.call_soon_threadsafe(ended.set))
    async with server:
        if announce:
            _announce(server)
        else:
            print(f"Replaying {server.capture.name} at {server.url} (Ctrl+C ends it)", flush=True)
        await ended.wait()


def _announce(server: ReplayServer) -> None:
    """One line, then stdout is stderr: the parent reads no further, and a full pipe would block us."""
    print(json.dumps({"url": server.url, "pid": os.getpid()}), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
