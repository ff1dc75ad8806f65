"""Serves until somebody ends it: what `roma-widget serve` and `replay` do, in a terminal or as a child process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from roma_widget.archive.capture import read_capture
from roma_widget.server.embedded import Server
from roma_widget.server.parent_watch import watch_parent
from roma_widget.server.recorded.replay import ReplayServer
from roma_widget.server.scenarios import goal_of, scenario


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
    """Replays the recording in the file `capture` until Ctrl+C, SIGTERM or the end of `parent_pid`.

    The address goes to stdout: for people, or with `announce` as one JSON line. Raises `RomaError` when the
    recording or the address will not do.
    """
    server = ReplayServer(
        read_capture(Path(capture)), host=host, port=port, speed=speed, safe_to_join=safe_to_join
    )

    async def serve(ended: threading.Event) -> None:
        async with server:
            _say(f"Replaying {server.capture.name}", server.url, announce)
            await asyncio.to_thread(ended.wait)

    with _until_ended(parent_pid) as ended:
        asyncio.run(serve(ended))


def serve(
    *,
    host: str,
    port: int,
    data_dir: str | None,
    token: str | None,
    origins: Iterable[str],
    scenario_name: str | None,
    seed: int,
    speed: float,
    hitl: bool,
    tasks: int,
    start: bool,
    parent_pid: int | None,
    announce: bool,
) -> None:
    """Runs an embedded `Server` until Ctrl+C, SIGTERM or the end of `parent_pid`.

    `scenario_name` says what it does with a project that a client starts; with `start` it begins with one by itself.
    Raises `RomaError` when the address or the folder will not do, ValueError for an unknown scenario.
    """
    run = None
    if scenario_name is not None:
        run = scenario(scenario_name, seed=seed, speed=speed or float("inf"), hitl=hitl, n=tasks)
    server = Server(host, port, data_dir, run, token=token, origins=origins)
    with _until_ended(parent_pid) as ended, server:
        if start and scenario_name is not None:
            server.runs.start(goal_of(scenario_name, seed))
        _say("Serving", server.url, announce)
        ended.wait()


@contextmanager
def _until_ended(parent_pid: int | None) -> Iterator[threading.Event]:
    """An event that says: end now. Set by Ctrl+C, SIGTERM, or the end of the parent."""
    ended = threading.Event()
    before = {
        # from another thread: this one may hold the event's own lock at that moment
        number: signal.signal(number, lambda *_: threading.Thread(target=ended.set).start())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    if parent_pid is not None:
        watch_parent(parent_pid, ended.set)
    try:
        yield ended
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(what: str, url: str, announce: bool) -> None:
    """For people; or one JSON line, and then stdout is stderr: the parent reads no further, a full pipe would block
    us.
    """
    if not announce:
        print(f"{what} at {url} (Ctrl+C ends it)", flush=True)
        return
    print(json.dumps({"url": url, "pid": os.getpid()}), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
