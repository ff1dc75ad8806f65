"""What a relay writes down: one archive for each project, from its first frame until its run has ended and the traces
and results of its tasks have been fetched. A project that is run again, and a relay that is started again, goes on
with its file.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..archive.place import unwritable
from ..archive.recorder import Recorder
from ..archive.saved import open_run
from ..client.feed import FeedOptions
from ..client.rest import Unreachable
from ..core import wire
from ..core.events import project_of
from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Snapshot
from ..core.reading import hide
from ..errors import RomaError
from ..opening import open_session, recorder_for
from ..server.state.state import State
from ..session import Session

MOST_AT_ONCE = 16
"""Projects that are recorded at a time: a server may say of any number that they run."""
MOST_KNOWN = 20_000
LAST_WITHIN_S = 120.0
"""For the traces and results of what ended last."""
SETTLED_WITHIN_S = 5.0
QUIET_S = 60.0
"""A recording whose project has not changed for so long gives way to another where there is no room: ROMA v1 says for
ever that a project runs whose server was killed meanwhile."""
MADE = -1
"""In the place of a version: of a project that was made a moment ago."""
LONGEST_NAME = 60
LARGEST_NAME = 150
"""Bytes: file systems take 255, and a key, an ending and a journal's ending come behind it."""
_log = logging.getLogger("roma_widget.relay")


def checked_folder(folder: Path) -> Path:
    """A folder that files can be made in, made where it is missing. Raises ArchiveError."""
    folder = folder.expanduser().absolute()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, ValueError) as error:
        raise unwritable(folder, error) from error
    return folder


class Recordings:
    """See the module. `folder` is a checked one. On the loop of `roma-io`."""

    def __init__(self, folder: Path, options: FeedOptions, state: State) -> None:
        self._folder = folder
        self._options = options
        self._state = state
        self._recording: dict[str, asyncio.Task[None]] = {}
        self._ended: dict[str, asyncio.Event] = {}
        """Whether the run of each project that is recorded is over."""
        self._known: set[str] = set()
        self._is_listed = self._is_closed = False
        self._moved: dict[str, tuple[int, float]] = {}
        """The last version of each project that is recorded, and since when it is known; monotonic."""
        self._waiting: dict[str, int] = {}
        """Projects that run and for which there is no room, the last one last, with their versions then."""
        self._giving_way: set[str] = set()
        self._going_on: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()
        """Projects that run and are not recorded; it has been said why."""

    @property
    def n_open(self) -> int:
        return len(self._recording)

    @property
    def n_ending(self) -> int:
        """Of which the run is over, and what it left is being fetched."""
        return sum(ended.is_set() for ended in self._ended.values())

    def hear(self, event: wire.Event) -> None:
        """Something was said; the state knows it already."""
        if isinstance(event, wire.ProjectsListed):
            named = dict.fromkeys(project.project_id for project in event.projects)
            if event.is_whole:
                for project_id in (
                    self._recording.keys() | self._refused | self._waiting.keys()
                ) - named.keys():
                    self._note(project_id, is_alive=False)  # it was deleted
        else:
            named = {project_id: None for project_id in (project_of(event),) if project_id is not None}
        for project_id in named:
            if self._is_new(project_id) and project_id not in self._recording:
                # also where it ran for so short that nobody saw it run
                self._begin(project_id, waiting_since=MADE)
            self._note(project_id, is_alive=self._is_alive(project_id))
        if isinstance(event, wire.ProjectsListed) and not self._is_listed:
            self._is_listed = True
            going_on = asyncio.get_running_loop().create_task(self._go_on(named), name="roma-relay-going-on")
            self._going_on.add(going_on)
            going_on.add_done_callback(self._going_on.discard)

    async def close(self) -> None:
        """What is known is written, and the files are whole."""
        self._is_closed = True
        recording = (*self._going_on, *self._recording.values())
        for one in recording:
            one.cancel()
        await asyncio.gather(*recording, return_exceptions=True)

    def _is_new(self, project_id: str) -> bool:
        """Was it made since the relay knows the server's projects? True once."""
        if project_id in self._known or len(self._known) >= MOST_KNOWN:
            return False
        self._known.add(project_id)
        return self._is_listed

    async def _go_on(self, project_ids: Iterable[str]) -> None:
        """With those whose runs an earlier relay did not see end, and that are over by now."""
        files = await asyncio.to_thread(_files_in, self._folder)
        for project_id in project_ids:
            path = files.get(_key(self._options.root, project_id))
            if path is None or await asyncio.to_thread(_has_ended, path, project_id):
                continue
            with self._state.lock:
                is_known = project_id in self._state.projects
            if is_known and project_id not in self._recording:
                self._begin(project_id)
                self._note(project_id, is_alive=self._is_alive(project_id))

    def _is_alive(self, project_id: str) -> bool:
        with self._state.lock:
            projects = self._state.projects
            return project_id in projects and projects.get(project_id).alive

    def _note(self, project_id: str, *, is_alive: bool) -> None:
        if project_id in self._recording:
            self._note_move(project_id)
            if is_alive:
                self._ended[project_id].clear()
            else:
                self._ended[project_id].set()
        elif not is_alive:
            self._refused.discard(project_id)
            self._waiting.pop(project_id, None)
        elif project_id not in self._refused:
            self._begin(project_id)

    def _note_move(self, project_id: str) -> None:
        version = self._version(project_id)
        if project_id not in self._moved or self._moved[project_id][0] != version:
            self._moved[project_id] = version, time.monotonic()

    def _version(self, project_id: str) -> int:
        with self._state.lock:
            projects = self._state.projects
            return projects.get(project_id).version if project_id in projects else MADE

    def _begin(self, project_id: str, waiting_since: int | None = None) -> None:
        if len(self._recording) >= MOST_AT_ONCE:
            self._wait(project_id, self._version(project_id) if waiting_since is None else waiting_since)
            return
        self._waiting.pop(project_id, None)
        self._note_move(project_id)
        self._ended[project_id] = asyncio.Event()
        recording = asyncio.get_running_loop().create_task(
            self._record(project_id), name="roma-relay-recording"
        )
        self._recording[project_id] = recording
        recording.add_done_callback(lambda _: self._forget(project_id))

    def _wait(self, project_id: str, version: int) -> None:
        """Until there is room, which one that moves gets of one that has not moved for long."""
        if not self._waiting:
            _log.warning("%d projects are recorded already: others wait until there is room.", MOST_AT_ONCE)
        has_moved = self._waiting.setdefault(project_id, version) != self._version(project_id)
        if not has_moved or self._giving_way:
            return
        quiet = min(self._recording, key=lambda each: self._moved[each][1])
        if time.monotonic() - self._moved[quiet][1] > QUIET_S:
            self._giving_way.add(quiet)
            self._recording[quiet].cancel()

    def _forget(self, project_id: str) -> None:
        version, _ = self._moved.pop(project_id)
        del self._recording[project_id], self._ended[project_id]
        gave_way = project_id in self._giving_way
        self._giving_way.discard(project_id)
        is_alive = self._is_alive(project_id)
        if self._waiting and not self._is_closed:
            self._begin(next(reversed(self._waiting)))
        if is_alive and gave_way:
            self._waiting = {project_id: version, **self._waiting}
        elif is_alive:  # it failed, or the run was begun anew a moment ago
            self._refused.add(project_id)

    def _refuse(self, project_id: str, why: str) -> None:
        self._refused.add(project_id)
        _log.error("A project is not recorded: %s", hide(why, self._options.secrets()))

    async def _record(self, project_id: str) -> None:
        owner = object()
        try:
            recorder = await self._opened(project_id)
        except (RomaError, ValueError, OSError) as error:
            self._refuse(project_id, str(error))
            return
        try:
            session = await open_session(self._options, project_id, owner, recorder)
            try:
                is_over = False
                while not is_over:
                    await self._ended[project_id].wait()
                    await _see_the_end(session, project_id)
                    is_over = self._ended[project_id].is_set()  # unless it was begun anew meanwhile
            finally:
                await session.finish_recording(recorder)
                await session.disown(owner)
        finally:
            await asyncio.to_thread(recorder.close)
        if recorder.failure is not None:
            self._refuse(project_id, recorder.failure)

    async def _opened(self, project_id: str) -> Recorder:
        """Cancelled meanwhile, it is closed as soon as it is there: nobody else knows of it."""
        opening = asyncio.ensure_future(
            asyncio.to_thread(recorder_for, self._path_of(project_id), self._options)
        )
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            with suppress(RomaError, ValueError, OSError):
                await asyncio.to_thread((await opening).close)
            raise

    def _path_of(self, project_id: str) -> Path:
        """The project's own file: the one that is there, or a new one that is called after it."""
        with self._state.lock:
            fields = self._state.projects.get(project_id).fields
            title = str(fields.get("title") or fields.get("goal") or "")
        for secret in self._options.secrets():
            title = re.sub(re.escape(secret), "", title, flags=re.IGNORECASE)  # titles are in title case
        return file_of(self._folder, self._options.root, project_id, title)


async def _see_the_end(session: Session, project_id: str) -> None:
    """Its last state is here, and all that can be fetched of it. Who says that a run is over may say so before the
    tasks do."""
    feed = session.feed
    with suppress(Unreachable, TimeoutError, RomaError):
        if feed.connection.state != "live" or feed.hearing.current_id != project_id:
            await feed.look_at(project_id)
        await session.wait(_is_whole, SETTLED_WITHIN_S, None)
    with suppress(TimeoutError, RomaError):
        async with asyncio.timeout(LAST_WITHIN_S):
            await session.fetch_what_ended()


def _is_whole(shown: Snapshot) -> bool:
    return bool(shown.tasks) and shown.outcome in OUTCOMES_OF_AN_ENDED_RUN


def file_of(folder: Path, root: str, project_id: str, title: str) -> Path:
    """Where a project of the server at `root` is recorded: `title` is for people, what follows it is its own.

    >>> file_of(Path("runs"), "http://127.0.0.1:5000", "7f", "Rooftop farms: a survey").name
    'Rooftop-farms-a-survey-0db4a2a3c0b2.roma'
    """
    key = _key(root, project_id)
    there = _files_in(folder).get(key)
    if there is not None:
        return there
    words = re.sub(r"\W+", "-", title).strip("-_")[:LONGEST_NAME]
    words = words.encode()[:LARGEST_NAME].decode(errors="ignore").strip("-_")
    return folder / f"{words or 'project'}-{key}.roma"


def _key(root: str, project_id: str) -> str:
    return hashlib.sha256(f"{root}\0{project_id}".encode("utf-8", "replace")).hexdigest()[:12]


def _files_in(folder: Path) -> dict[str, Path]:
    """The recordings there, by the key at the end of their names."""
    return {path.stem.rpartition("-")[2]: path for path in sorted(folder.glob("*-*.roma"))}


def _has_ended(path: Path, project_id: str) -> bool:
    """Does that recording know how its run ended? One that cannot be read is left alone."""
    try:
        with open_run(path, project_id) as run:
            return run.progress["outcome"] in OUTCOMES_OF_AN_ENDED_RUN
    except RomaError:
        return True
