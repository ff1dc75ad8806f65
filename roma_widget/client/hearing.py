"""What a server said: reads its events against the last frame, remembers the newest of each, and passes them on.

Where they come from (a socket, HTTP) and when is `feed`'s business. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, Protocol

from ..core import wire
from ..core.events import project_of
from ..core.lean import LeanMirror
from ..core.model import Connection, RelayNews
from ..core.outcome import ENDED_STATUSES
from ..core.reading import hide, shorten
from ..core.state import SAVED
from ..core.wire import NO_NODES, FrameTexts, GraphUpdate, ProjectsListed
from .complaints import Complaints
from .left_out import LeftOut
from .library import EXTENSION_VERSION, UNREADABLE
from .requests import Requests
from .rest import Answer, Unreachable
from .socket import Argument

LONGEST_NAME = 200
MOST_REMEMBERED = 16
"""Frames kept for who subscribes later, one a project: a server may invent any number of projects.
As many are kept of what was read over HTTP, beside those of the projects that somebody wants."""
JUST_NOW_S = 4.0
"""A stamp that moved within so many seconds was made just now: less than what `core.clock` takes for agreement."""
LONGEST_PAUSE_S = 30.0
"""Between two looks of which nothing was missed: two of the longest delays."""
_NOT_FOUND = (400, 404, 410, 414, 431)  # also: an id that no server would take
_log = logging.getLogger("roma_widget.hearing")


class Sink(Protocol):
    """Whoever listens to a feed; called on the loop, must not block or raise."""

    wanted_project: str | None

    def on_event(self, event: wire.Event, *, live: bool) -> None: ...

    def on_connection(self, connection: Connection) -> None: ...


@dataclass(slots=True)
class LinkNumbers:
    """What was received, in all and lately; read by `m.link()` and the browser's beat."""

    frames: int = 0
    skipped_frames: int = 0
    lost_deltas: int = 0
    extension: bool = False
    bytes_received: int = 0
    heard_at: float | None = None
    round_trip_s: float | None = None
    missed_pings: int = 0


@dataclass(frozen=True, slots=True)
class _Polled:
    """What HTTP said of a project last, to read and to ask the next time against."""

    texts: FrameTexts = wire.NO_FRAME
    time: datetime | None = None
    etag: str | None = None
    at_s: float = 0.0
    """When that was; of a clock that also runs while the machine sleeps."""


@dataclass(frozen=True, slots=True)
class Looked:
    """When a look at a project succeeded last, and the first one since it did without a long pause; monotonic s."""

    since_s: float
    last_s: float


class Hearing:
    """See the module. `texts` is the last frame of the socket."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self.connection = Connection()
        self.numbers = LinkNumbers()
        self.address: str | None = None
        """Of who is listened to, host and port: the server, or the relay."""
        self.texts = wire.NO_FRAME
        self.listed: ProjectsListed | None = None
        self.current_id: str | None = None
        self.looked_at: dict[str, Looked] = {}
        self._secrets = secrets
        self._sinks: list[Sink] = []
        self.requests = Requests(self.caught_up, secrets)
        self.lost = asyncio.Event()
        """Set while a change is missing, so that the whole has to be asked for."""
        self.wishes_changed = asyncio.Event()
        """Set when there may be another project to look at over HTTP: somebody came, or another one is current."""
        self.refused_extension: int | None = None
        """The version of an extension that the server speaks and we do not."""
        self.on_question: Callable[[wire.HitlRequested | wire.HitlClosed | wire.HitlQueued], None] | None = (
            None
        )
        """Called with each question of an agent, and with what our servers say of one."""
        self.unasked_listeners: list[Callable[[str, Argument | None, wire.Event], None]] = []
        """Told of each event of the socket that is no reply to a request of ours, and its name and argument as they
        came."""
        self._lean: LeanMirror | None = None
        self._left_out: LeftOut | None = None
        self._complaints = Complaints(secrets)
        self._queue: deque[tuple[str, Argument | None] | asyncio.Future[None]] = deque()
        self._arrived = asyncio.Event()
        self._polled: dict[str, _Polled] = {}
        self._server: Literal["ready", "not_ready", "unreachable"] | None = None
        self._questions: int | None = None
        self._relay: RelayNews | None = None
        self._missing: dict[str, str] = {}
        self._latest: dict[object, wire.Event] = {}

    def subscribe(self, sink: Sink) -> None:
        """Add a listener; what is known already is told at once."""
        self._sinks.append(sink)
        self.wishes_changed.set()
        sink.on_connection(self.connection)
        for event in tuple(self._latest.values()):  # in the order they came: the last says what is current
            self._pass_on(sink, event, live=False)

    def unsubscribe(self, sink: Sink) -> bool:
        """Remove a listener; True when none is left."""
        if sink in self._sinks:
            self._sinks.remove(sink)
        wanted = self.wanted()
        self._missing = {key: said for key, said in self._missing.items() if key in wanted}
        return not self._sinks

    def let_go(self) -> None:
        """Of all frames: nobody will listen any more. Numbers stay."""
        self.texts, self.listed, self._lean = wire.NO_FRAME, None, None
        self._latest.clear()
        self._polled.clear()
        for arrived in self._queue:
            if isinstance(arrived, asyncio.Future) and not arrived.done():
                arrived.set_result(None)
        self._queue.clear()

    def wanted(self, exclude: str | None = None) -> list[str]:
        wanted = {sink.wanted_project for sink in self._sinks if sink.wanted_project is not None}
        return sorted(wanted - {exclude})

    def missing(self, project_id: str) -> str | None:
        """What to tell who wants a project that the server does not know."""
        return self._missing.get(project_id)

    async def begin_link(self, left_out: LeftOut, *, extended: bool) -> None:
        """A new connection is about to open: what the last one put together does not lead on."""
        await self.caught_up()
        self._lean, self._left_out = (LeanMirror(left_out.rest_of), left_out) if extended else (None, None)
        self.refused_extension = None
        self._complaints.replace(None, ())
        self.lost.clear()
        self.numbers.extension = self.requests.echoes_rids = False

    def enqueue(self, name: str, payload: Argument | None) -> None:
        """Called by the socket for each event; a frame that waits behind a newer one is skipped."""
        if name == "task_graph_update" and self._queue:
            last = self._queue[-1]
            if isinstance(last, tuple) and last[0] == name:
                self._queue.pop()
                self.numbers.skipped_frames += 1
        self._queue.append((name, payload))
        self._arrived.set()

    async def caught_up(self) -> None:
        """Returns when all that has arrived until now has been heard."""
        if self._queue:
            mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._queue.append(mark)
            self._arrived.set()
            await mark

    async def read_events(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._queue:
                arrived = self._queue.popleft()
                if isinstance(arrived, asyncio.Future):
                    if not arrived.done():
                        arrived.set_result(None)
                    continue
                self._read(*arrived)
                await asyncio.sleep(0)  # let the socket bring what is newer before the next is read

    def _read(self, name: str, payload: Argument | None) -> None:
        if name == UNREADABLE:
            why = payload.text if isinstance(payload, wire.Payload) else "unreadable"
            self.handle(wire.Unreadable("message", (why,)), live=True)
            return
        if len(name) > LONGEST_NAME:
            sentence = f"an event with a name of {len(name):,} characters was skipped"
            self.handle(wire.Unreadable(shorten(name, 80), (sentence,)), live=True)
            return
        try:
            event = self._event(name, payload)
        except Exception as error:  # hostile input found a hole in the reader: say it, go on
            _log.exception("reading %s", name)
            event = wire.Unreadable(name, (f"{name}: could not be read ({type(error).__name__})",))
        if isinstance(event, GraphUpdate) and isinstance(payload, wire.Payload):
            self.texts = event.texts
        is_reply = self.requests.expects(event)
        self.handle(event, live=True)
        if not is_reply:
            for listener in tuple(self.unasked_listeners):
                listener(name, payload, event)

    def _event(self, name: str, payload: Argument | None) -> wire.Event:
        if isinstance(payload, wire.Packed):
            if name in ("task_watched", "task_unwatched") or self._lean is None or self._left_out is None:
                return wire.Unhandled(name, len(payload.body))
            event = self._lean.read(name, payload)
            if isinstance(event, GraphUpdate):
                self._left_out.note(event)
            return event
        return wire.read_event(name, payload, self.texts)

    def frame(self, project_id: str) -> GraphUpdate | None:
        """The newest of this project, while it is remembered."""
        event = self._latest.get(("frame", project_id))
        return event if isinstance(event, GraphUpdate) else None

    def status_of(self, project_id: str, task_id: str) -> str | None:
        """A task's status in the newest frame of its project; None where that is not known."""
        frame = self.frame(project_id)
        node = None if frame is None else frame.nodes.get(task_id)
        return None if node is None else node.status

    def has_ended(self, project_id: str) -> bool:
        """Does the server say that the project's run is over, or list it no more?"""
        statuses = self._statuses()
        if project_id not in statuses:
            return any(
                isinstance(event, ProjectsListed) and event.is_whole for event in self._latest.values()
            )
        return statuses[project_id] in ENDED_STATUSES

    def _statuses(self) -> dict[str, str | None]:
        """The server's word on each project, as far as it is known."""
        statuses: dict[str, str | None] = {}
        for event in self._latest.values():  # in the order they came: the later one counts
            if isinstance(event, ProjectsListed):
                statuses |= {project.project_id: project.status for project in event.projects}
            elif isinstance(event, GraphUpdate) and event.project is not None:
                statuses[event.project.project_id] = event.project.status
        return statuses

    def only_run_with(self, task_id: str) -> str | None:
        """The one running project that has this task; None where there is none, or there may be another: one whose
        status or tasks are not known."""
        statuses = self._statuses()
        running = [project_id for project_id, status in statuses.items() if status in ("running", None)]
        frames = [self.frame(project_id) for project_id in running]
        if not all(frames):
            return None
        having = [frame.project_id for frame in frames if frame is not None and task_id in frame.nodes]
        return having[0] if len(having) == 1 else None

    def complain(self, sentence: str) -> None:
        """Something is wrong with the connection as a whole."""
        self._complaints.add(None, (sentence,))
        self._tell_complaint()

    def etag(self, project_id: str) -> str | None:
        """Of what HTTP said of a project last, while that is still remembered for who subscribes."""
        polled = self._polled.get(project_id)
        return polled.etag if polled is not None and self.frame(project_id) is not None else None

    def forget_etags(self) -> None:
        """From now on another one answers over HTTP, whose states have other names."""
        self._polled = {key: replace(polled, etag=None) for key, polled in self._polled.items()}

    def hear_list(self, listed: ProjectsListed) -> bool:
        """What `GET /api/projects` answered; True when something was new."""
        changed = listed != self.listed
        self._complaints.replace(None, listed.problems)
        if listed is self.listed and listed.current_id == self.current_id:
            # word for word: of ten thousand it is dear to read
            self.numbers.heard_at = time.monotonic()
            self._tell_complaint()
        else:
            self.handle(listed, live=False)
        return changed

    def hear_unreachable(self, project_id: str, error: Unreachable) -> None:
        """`GET /api/projects/{id}` got no answer."""
        self._complain(
            project_id, (f"Project {shorten(project_id, 60)!r} cannot be read over HTTP: {error}",)
        )

    def hear_project(self, project_id: str, answer: Answer) -> bool:
        """What `GET /api/projects/{id}` answered; True when something was new."""
        self._note_missing(project_id, answer)
        if answer.status == 304:
            self.numbers.heard_at = time.monotonic()
            same = self.frame(project_id)
            if same is not None:
                self._complain(project_id, same.problems)
            if project_id in self._polled:
                self._polled[project_id] = replace(self._polled[project_id], at_s=time.time())
            self._note_look(project_id)
            self._say_again(project_id)
            return False
        if answer.status != 200:
            sentence = f"Project {shorten(project_id, 60)!r} cannot be read over HTTP (HTTP {answer.status})"
            self._complain(project_id, () if answer.status in _NOT_FOUND else (sentence,))
            return False
        polled = self._polled.get(project_id, _Polled())
        last = polled.texts
        try:
            project, frame, problems = wire.read_project(answer.body, last)
        except Exception as error:  # hostile input found a hole in the reader: say it, go on
            self.tell_bug("reading this project", error, project_id)
            return False
        self.numbers.bytes_received += len(answer.body)
        known = self.frame(project_id)
        had_tasks = last.nodes or (known is not None and known.nodes)
        if had_tasks and (frame is None or not frame.nodes):
            # one poll in a hundred reads a file that is being written: the last good state stays
            problems = (*problems, *(frame.problems if frame is not None else ()))
            if problems:
                self._complain(project_id, problems)
            else:
                self._note_look(project_id)
            return False
        if frame is None:
            if project is None or problems:
                self._complain(project_id, problems)
                return False
            frame = GraphUpdate("state", project_id, project, project.goal, NO_NODES, (), None)
        frame = replace(frame, project_id=project_id, project=project or frame.project)
        changed: bool = frame.nodes is not last.nodes or frame.project != last.project
        texts = replace(frame.texts, project=frame.project)
        self._note_look(project_id)
        now_s = time.time()
        self._keep_polled(project_id, _Polled(texts, frame.time, answer.etag, now_s))
        # a stamp that moved since a look of a moment ago was made just now, and tells the server's zone
        moved = polled.time is not None and polled.time != frame.time
        self.handle(frame, live=moved and 0 <= now_s - polled.at_s <= JUST_NOW_S)
        return changed

    def _note_look(self, project_id: str) -> None:
        before, now_s = self.looked_at.get(project_id), time.monotonic()
        goes_on = before is not None and now_s - before.last_s <= LONGEST_PAUSE_S
        self.looked_at[project_id] = Looked(before.since_s if before and goes_on else now_s, now_s)
        if len(self.looked_at) > 4 * MOST_REMEMBERED:
            kept = {*self.wanted(), *self._polled, project_id}
            self.looked_at = {key: looked for key, looked in self.looked_at.items() if key in kept}

    def _say_again(self, project_id: str) -> None:
        """Its tasks are as they were. A session may have forgotten them meanwhile; to others this is no news."""
        known = self.frame(project_id)
        if known is not None:
            for sink in tuple(self._sinks):
                self._pass_on(sink, replace(known, source=SAVED, project=None), live=False)

    def _keep_polled(self, project_id: str, polled: _Polled) -> None:
        self._polled.pop(project_id, None)
        self._polled[project_id] = polled
        needed = {*self._needed(), project_id}
        spare = [key for key in self._polled if key not in needed]
        for key in spare[: max(0, len(spare) - MOST_REMEMBERED)]:
            del self._polled[key]

    def _note_missing(self, project_id: str, answer: Answer) -> None:
        """Only who wants a project is told that the server does not know it."""
        before = self._missing.pop(project_id, None)
        if answer.status in _NOT_FOUND and project_id in self.wanted():
            words = hide(wire.read_error(answer.body) or f"HTTP {answer.status}", self._secrets)
            self._missing[project_id] = (
                f"The server knows no project {shorten(project_id, 60)!r}: {words.rstrip('.')}."
            )
        if self._missing.get(project_id) == before:
            return
        for sink in tuple(self._sinks):
            if sink.wanted_project == project_id:
                sink.on_connection(self.connection)

    def handle(self, event: wire.Event, *, live: bool) -> None:
        if self._is_ignorance(event):
            return
        is_of_the_server = not isinstance(event, wire.RelayTold)
        self.numbers.heard_at = time.monotonic() if is_of_the_server else self.numbers.heard_at
        is_answer = live and self.requests.hear(event)
        current_id = self.current_id
        match event:
            case GraphUpdate():
                self.numbers.frames += 1
                self._remember(("frame", event.project_id), event)
                if event.is_current:
                    self.current_id = event.project_id
                if event.source == "snapshot":
                    self.lost.clear()
            case ProjectsListed():
                self._remember("list", event)
                self.listed = event
                self.current_id = event.current_id
            case wire.ProjectStarted() | wire.ProjectSwitched():
                self.current_id = project_of(event)
            case wire.ExtensionOffered() if self._lean is not None:
                self.numbers.extension = self.requests.echoes_rids = event.version == EXTENSION_VERSION
                self.refused_extension = None if self.numbers.extension else event.version
            case wire.DeltaLost():
                self.numbers.lost_deltas += 1
                self.lost.set()
            case wire.Unreadable("snapshot") if self._lean is not None:
                self.lost.set()
            case wire.HitlRequested() | wire.HitlClosed() | wire.HitlQueued() if (
                self.on_question is not None and not is_answer
            ):
                self.on_question(event)
            case wire.RelayTold() if self._lean is not None:
                self.note_relay(event.news)
            case wire.ServerRefused() if not is_answer:  # else whoever asked is told
                self._complaints.replace(None, (f"The server said {event.event}: {event.message}",))
            case _:
                pass
        if self.current_id != current_id:
            self.wishes_changed.set()
        self._note_problems(event)
        self._tell_complaint()
        for sink in tuple(self._sinks):
            self._pass_on(sink, event, live=live)

    def _is_ignorance(self, event: wire.Event) -> bool:
        """A relay that has not heard of any project yet: that says nothing of the server's."""
        is_empty = isinstance(event, ProjectsListed) and not event.projects
        return is_empty and self._relay is not None and self._relay.is_cut_off

    def _remember(self, key: object, event: wire.Event) -> None:
        self._latest.pop(key, None)
        self._latest[key] = event
        if len(self._latest) > MOST_REMEMBERED:
            self._latest.pop(next(key for key in self._latest if key != "list"))

    def _pass_on(self, sink: Sink, event: wire.Event, *, live: bool) -> None:
        try:
            sink.on_event(event, live=live)
        except Exception as error:  # a bug of ours must not end the listening without a word
            self.tell_bug("handing on an event", error)

    def tell_bug(self, doing: str, error: Exception, project_id: str | None = None) -> None:
        """Say it to everybody, or where it is about one project to those who show that."""
        _log.exception("%s (project %s)", doing, shorten(project_id or "none", 80))
        sentence = f"roma-widget has a bug, met while {doing}: {shorten(repr(error), 200)}"
        if project_id is None:
            self.tell(replace(self.connection, error=sentence))
        else:
            self._complain(project_id, (sentence,))

    def complaint(self, project_id: str | None = None) -> str | None:
        """What is wrong with what was heard of this project, or, without one, of the connection as a whole."""
        return self._complaints.sentence(project_id)

    def _note_problems(self, event: wire.Event) -> None:
        project_id = project_of(event)
        if isinstance(event, GraphUpdate):
            if event.source != "state":  # the socket is fine again
                self._complaints.replace(None, ())
            self._complain(project_id, event.problems)
        elif event.problems and project_id is None:
            self._complaints.replace(None, event.problems)
        elif event.problems and self._complaints.add(project_id, event.problems, self._needed()):
            self._tell_again()

    def _complain(self, project_id: str | None, problems: tuple[str, ...]) -> None:
        if self._complaints.replace(project_id, problems, self._needed()):
            self._tell_again()

    def _needed(self) -> set[str | None]:
        return {*self.wanted(), self.current_id}

    def _tell_complaint(self) -> None:
        complaint = self.complaint()
        if complaint != self.connection.error and self.connection.state in ("live", "polling"):
            self.tell(replace(self.connection, error=complaint))

    def _tell_again(self) -> None:
        """What is said of a project is another thing: who shows it asks for it (`complaint`)."""
        for sink in tuple(self._sinks):
            sink.on_connection(self.connection)

    def note_server(self, server: Literal["ready", "not_ready", "unreachable"] | None) -> None:
        """What its HTTP side says of itself, None where it is not ROMA's; from now on part of what is told."""
        self._server = server
        self.tell(self.connection)

    def note_questions(self, count: int | None) -> None:
        """How many prompts wait on the server; told while it is followed over HTTP."""
        self._questions = count
        self.tell(self.connection)

    def note_relay(self, news: RelayNews | None) -> None:
        """How the relay stands that is listened to; None: there is none in between."""
        if news is not None:
            of, reason, error = (
                text and hide(text, self._secrets) for text in (news.of, news.reason, news.error)
            )
            at = None if news.state == "absent" or of is None else self.address
            news = replace(news, at=at, of=of, reason=reason, error=error, told_s=time.monotonic())
        self._relay = news
        self.tell(self.connection)

    def tell(self, connection: Connection) -> None:
        # a server may quote what it was sent
        error, reason = (text and hide(text, self._secrets) for text in (connection.error, connection.reason))
        connection = replace(
            connection,
            error=error,
            reason=reason,
            server=self._server if connection.state != "closed" else None,
            questions=self._questions if connection.state == "polling" else None,
            relay=self._relay if connection.state != "closed" else None,
        )
        if connection == self.connection:
            return
        self.connection = connection
        for sink in tuple(self._sinks):
            sink.on_connection(connection)
