"""`roma-widget record`: a run written to a file without a notebook, until somebody ends it."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from .archive.recorder import Recorder
from .archive.redaction import redaction
from .archive.saving import checked_path
from .client.feed import FeedOptions
from .client.first_look import look_first
from .client.loop import io_thread
from .core.model import OUTCOMES_OF_AN_ENDED_RUN
from .core.reading import shorten
from .core.server_status import GIVE_TOKEN
from .core.text import count_text
from .core.traces import Fetching
from .errors import ConnectError, RomaError
from .opening import open_session, recorder_for
from .session import Session

SAY_EVERY_S = 1.0
LAST_TRACES_S = 120.0


def record(
    options: FeedOptions,
    path: str | Path,
    project: str | None = None,
    *,
    redact: Any = None,
    until_done: bool = False,
) -> None:
    """Records until Ctrl-C or SIGTERM, with `until_done` until the run has ended and its traces are here.

    Raises ArchiveError, ValueError, ConnectError (no ROMA server, or it lets nobody in without a token) before
    anything is begun; RomaError when it had to end. A server that does not answer yet is waited for.
    """
    checked_path(path)
    redaction(redact, options.secrets())
    io = io_thread()
    owner = object()
    with _asked_to_end() as asked:
        try:
            io.result(look_first(options), meanwhile=lambda: _end_if(asked))
        except _EndedEarly:
            return
        except ConnectError as error:
            raise ConnectError(_at_command_line(str(error))) from error
        recorder = recorder_for(path, options, redact)
        try:
            session = io.result(open_session(options, project, owner, recorder))
            try:
                _go_on(session, recorder, asked, until_done=until_done)
                if until_done and not asked.is_set() and not recorder.is_over:
                    io.result(_last_traces(session))
            finally:
                io.result(session.disown(owner))
        finally:
            recorder.close()
    if recorder.failure is not None:
        raise RomaError(recorder.failure)
    print(f"{recorder.path}: {_story(session)}")


class _EndedEarly(Exception):
    """Asked to end before anything was begun."""


def _end_if(asked: threading.Event) -> None:
    if asked.is_set():
        raise _EndedEarly


def _at_command_line(sentence: str) -> str:
    return sentence.replace(GIVE_TOKEN, "give one with --token-file")


def _go_on(session: Session, recorder: Recorder, asked: threading.Event, *, until_done: bool) -> None:
    said = None
    while not asked.wait(SAY_EVERY_S) and not recorder.is_over:
        now = f"{session.connection.state}; {_story(session)}"
        if session.connection.error:
            now = f"{now}; {shorten(session.connection.error, 200)}"
        if now != said:
            said = now
            print(f"{time.strftime('%H:%M:%S')} {now}", file=sys.stderr, flush=True)
        if until_done and session.snapshot.outcome in OUTCOMES_OF_AN_ENDED_RUN:
            return


async def _last_traces(session: Session) -> None:
    """Those of the tasks that ended last; what cannot be had is not waited for."""
    try:
        async with asyncio.timeout(LAST_TRACES_S):
            await session.actions.fetch_traces(None, 20.0, Fetching())
    except (RomaError, TimeoutError) as error:
        print(f"Not all traces are here: {error}", file=sys.stderr)


def _story(session: Session) -> str:
    numbers = session.facts["progress"]
    if not numbers["total"]:
        return "no run yet"
    return (
        f"{numbers['done']} of {count_text(numbers['total'], 'task')} done, {numbers['failed']} failed, "
        f"{numbers['outcome'].replace('_', ' ')}"
    )


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set by Ctrl-C and by SIGTERM, a second of which ends the process at once."""
    asked = threading.Event()

    def end(number: int, _frame: FrameType | None) -> None:
        asked.set()
        signal.signal(number, signal.SIG_DFL)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, end) for number in numbers]
    try:
        yield asked
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
