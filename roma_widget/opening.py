"""`connect` and `demo`: how a monitor comes to be, and who closes what.

A registry per I/O thread shares feeds by (server, credentials, ways to connect) and sessions by feed, project and
whether they keep a history.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from .archive.recorder import Recorder, recorder_of
from .archive.redaction import redaction
from .archive.saving import about, checked_path
from .client.aside import aside
from .client.feed import Feed, FeedOptions, Target
from .client.loop import IoThread, io_thread
from .client.relayed import RelayedFeed
from .core.address import host_and_port, server_url
from .core.arguments import as_number
from .core.credentials import checked_headers, checked_token
from .core.reading import shorten
from .errors import ArchiveError, NotLive, WaitTimeout
from .server.child import start_child
from .session import Session
from .widget.acting import checked_timeout, detached
from .widget.cells import Cell, current_cell
from .widget.monitor import Monitor

TRANSPORTS = ("websocket", "polling")


def connect(
    url: str,
    project: str | None = None,
    *,
    join: Literal["safe", "always"] = "safe",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    transports: Iterable[str] = TRANSPORTS,
    timeout: float = 20.0,
    record: str | Path | None = None,
    redact: Any = None,
    history: bool = True,
    relay: bool = False,
) -> Monitor:
    """Watch a ROMA server. Returns at once; `m.wait("connected")` waits.

    `url` is the server's address, `http://127.0.0.1:5000`, with the path that a reverse proxy gave it. `project` is
    the id of the project to show; without it the server's current one is shown. With `join="safe"` a run in progress
    on a server that does not declare itself safe is followed over HTTP, because opening a socket could freeze it;
    `join="always"` connects regardless. `token` is sent as the socket's auth and as `Authorization: Bearer`, or as
    `X-Roma-Widget-Token` where `headers` have an `Authorization` for a proxy; `headers` go with every request.
    `transports` are tried in order. `timeout` bounds each try, in seconds. With `history` every change of the shown
    run is kept for `m.at`, in up to 64 MB beside the run itself; False keeps none.

    With `relay` the server is reached through a relay of this machine, which holds the one socket to it for all
    kernels of this user, and lives on when they end. One is started, detached from this kernel, where none runs yet.
    This process opens no socket to the server then, whatever happens: while there is no relay the run is followed over
    HTTP, and `m.connection["reason"]` says why. `m.connection["relay"]` says how the relay stands with the server. A
    relay ends by itself after ten minutes without clients and without a living run.

    With `record` what the monitor shows is written to that file while it happens, in an archive that `roma.load`
    reads also while it grows: all states, the log, annotations, results, and the traces of tasks that have ended,
    which are fetched for it. At most the last second is lost when the kernel dies; an archive that is there is gone
    on with. `redact` keeps out of the file what is not for everybody, as in `m.save`; what stood there before stays,
    and the monitor shows everything.

    Monitors of one server and token share one connection, and those of one project its state and history. Raises
    ConnectError when the address makes no sense, ArchiveError when `record` cannot be written, ValueError for an
    unknown option. Example: `m = roma.connect("http://127.0.0.1:5000")`
    """
    chosen = (transports,) if isinstance(transports, str) else tuple(transports)
    if not chosen or any(transport not in TRANSPORTS for transport in chosen):
        raise ValueError(f"transports takes any of {TRANSPORTS}, not {chosen!r}.")
    if join not in ("safe", "always"):
        raise ValueError(f'join takes "safe" or "always", not {join!r}.')
    if not checked_timeout(timeout) < 86_400:
        raise ValueError(f"timeout takes less than a day, in seconds, not {timeout!r}.")
    if not isinstance(history, bool):
        raise ValueError(f"history takes True or False, not {history!r}.")
    options = FeedOptions(
        root=server_url(url),
        token=checked_token(token),
        headers=checked_headers(headers),
        transports=chosen,
        timeout_s=float(timeout),
        always_join=join == "always",
        relay=relay,
    )
    if not isinstance(relay, bool):
        raise ValueError(f"relay takes True or False, not {relay!r}.")
    if relay and options.always_join:
        raise ValueError(
            'join="always" opens a socket to the server, which relay=True never does: choose one.'
        )
    if project is not None and not isinstance(project, str):
        raise ValueError(f"project takes a project's id, a string, not {type(project).__name__}.")
    if record is None and redact is not None:
        raise ValueError(
            "redact is for what is recorded: name a file with record=, or give redact= to m.save."
        )
    recorder = None if record is None else recorder_for(record, options, redact)
    try:
        return _open(options, project, options.root, keeps_history=history, recorder=recorder)
    except BaseException:
        if recorder is not None:
            recorder.close()
        raise


def recorder_for(path: str | Path, options: FeedOptions, redact: Any = None) -> Recorder:
    """Writes what is heard of that server to `path`. Raises ArchiveError, ValueError.

    A cell that runs again goes on with its file; another monitor's recording is not disturbed.
    """
    wanted = redaction(redact, options.secrets())
    checked = checked_path(path)
    cell = current_cell()
    made_by = None if cell is None else cell.cell_id
    earlier = recorder_of(checked)
    if earlier is not None:
        if made_by is None or earlier.made_by != made_by:
            raise ArchiveError(
                f"{checked} is being recorded by another monitor: disconnect() that one, or give another name."
            )
        earlier.close()
    return Recorder(checked, wanted, about=about(address=host_and_port(options.root)), made_by=made_by)


async def open_session(
    options: FeedOptions,
    project: str | None,
    owner: object,
    recorder: Recorder | None = None,
    *,
    keeps_history: bool = False,
) -> Session:
    """A session that nobody shows, open until `owner` leaves it. On the loop."""
    session = await _registry_of(io_thread()).session(_Key(options, project, keeps_history), owner)
    if recorder is not None:
        session.record_with(recorder)
    return session


def demo(scenario: str = "report", *, speed: float = 1.0, seed: int = 0, hitl: bool = True) -> Monitor:
    """Watch a staged run on an embedded server, in a child process that ends with the monitor.

    `scenario` is "report" (about 40 tasks, a minute), "failure" (a leaf fails and is rescued, another is not),
    "wide" (1,000 tasks) or "chat" (many short runs); the same `seed` gives the same run. `speed` 10.0 plays it ten
    times as fast. With `hitl` a "report" asks its human, and goes on by itself when nobody answers for two minutes;
    the others ask nothing.
    Running the same cell again starts the run anew and ends the one before. Raises ValueError for a bad option,
    RomaError when the server does not start. Example: `m = roma.demo(speed=5)`
    """
    from .server.scenarios import SCENARIOS

    if scenario not in SCENARIOS:
        raise ValueError(f"scenario takes one of {', '.join(SCENARIOS)}, not {scenario!r}.")
    speed = _checked_speed(speed)
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"seed takes a whole number, not {seed!r}.")
    if hitl not in (True, False):
        raise ValueError(f"hitl takes True or False, not {hitl!r}.")
    command = ["serve", "--scenario", scenario, f"--seed={seed}", f"--speed={speed!r}", "--start"]
    child = start_child(command if hitl else [*command, "--no-hitl"])
    try:
        return _open(FeedOptions(root=child.url), None, "demo", child.close)
    except BaseException:
        child.close()
        raise


def _checked_speed(speed: object) -> float:
    number = as_number(speed)
    if number is None or not number > 0:
        raise ValueError(f"speed takes a number above 0, not {shorten(repr(speed), 60)}.")
    return number


class _Key(NamedTuple):
    """What monitors have in common that share a session."""

    options: FeedOptions
    project: str | None
    keeps_history: bool


class _Registry:
    """What is open on one I/O thread. Touched on its loop only."""

    def __init__(self, io: IoThread) -> None:
        self.io = io
        self._feeds: dict[FeedOptions, Feed] = {}
        self._on_ends: dict[FeedOptions, list[Callable[[], None]]] = {}
        self._sessions: dict[_Key, Session] = {}
        self._made_by: dict[tuple[str, str], list[tuple[str, Monitor]]] = {}
        self._where: WeakKeyDictionary[Monitor, Session] = WeakKeyDictionary()
        self._moving: WeakKeyDictionary[Monitor, asyncio.Lock] = WeakKeyDictionary()
        self._showing: WeakKeyDictionary[Monitor, asyncio.Task[None]] = WeakKeyDictionary()
        self._recorders: WeakKeyDictionary[Monitor, Recorder] = WeakKeyDictionary()
        self._retired: WeakSet[Monitor] = WeakSet()
        self._left: WeakSet[Monitor] = WeakSet()

    async def session(
        self, key: _Key, reservation: object, on_end: Callable[[], None] | None = None
    ) -> Session:
        """The session of this key, kept open by `reservation` until a monitor is attached.

        `on_end` is called, in a thread, when the feed has ended.
        """
        session = self._sessions.get(key)
        if session is None:
            session = self._sessions[key] = self._new_session(key)
        session.reserve(reservation)
        if on_end is not None:
            self._on_ends.setdefault(key.options, []).append(on_end)
        return session

    def _new_session(self, key: _Key) -> Session:
        options = key.options
        feed = self._feeds.get(options)
        is_new = feed is None
        if feed is None:
            feed = self._feeds[options] = _new_feed(options)

        async def end() -> None:
            self._sessions.pop(key, None)
            if feed.unsubscribe(session):
                self._feeds.pop(options, None)
                on_ends = self._on_ends.pop(options, [])
                await feed.close()
                for on_end in on_ends:
                    await asyncio.to_thread(on_end)

        like = self._open_session(options)
        session = Session(feed, key.project, end, like, keeps_history=key.keeps_history)
        if is_new:
            feed.start()
        return session

    def _open_session(self, options: FeedOptions) -> Session | None:
        return next((session for key, session in self._sessions.items() if key.options == options), None)

    async def attach(
        self,
        monitor: Monitor,
        session: Session,
        reservation: object,
        kind: str,
        cell: Cell | None,
        recorder: Recorder | None = None,
    ) -> None:
        """Add a monitor to its session. Those that an earlier run of the same cell made for the same kind of thing no
        longer keep theirs open: running a cell again is how notebooks are used, and ipywidgets never lets go."""
        session.attach(monitor, reservation)
        session.feed.want()
        self._where[monitor] = session
        if recorder is not None:
            self._recorders[monitor] = recorder
            session.record_with(recorder)
        if cell is None:
            return
        made = self._made_by.setdefault((kind, cell.cell_id), [])
        earlier = [entry for entry in made if entry[0] != cell.execution]
        made[:] = [entry for entry in made if entry[0] == cell.execution] + [(cell.execution, monitor)]
        for _, old in earlier:
            old.retire()
            self._retired.add(old)
            of_old = self._where[old]
            await self._end_recording(old)
            await of_old.disown(old)
            if of_old.is_closed:
                of_old.forget_history()

    async def move(self, monitor: Monitor, key: _Key, timeout_s: float) -> None:
        """Have a monitor show another project of its server, once that is known; else it stays where it is."""
        turn = self._moving.setdefault(monitor, asyncio.Lock())
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(timeout_s):
                await turn.acquire()
        except TimeoutError:
            raise WaitTimeout(
                f"Waited {timeout_s:.3g} s for this monitor to be shown what it was asked to show before. Try again."
            ) from None
        try:
            await self._move(monitor, key, timeout_s - (time.monotonic() - began_s))
        finally:
            turn.release()

    async def _move(self, monitor: Monitor, key: _Key, timeout_s: float) -> None:
        self._session_of(monitor).raise_if_closed()
        reservation = object()
        session = await self.session(key, reservation)
        try:
            await self._known(monitor, session, timeout_s)
            # in one step, so that nothing is told twice, or by the wrong one; also where it is already
            before = self._session_of(monitor)
            before.raise_if_closed()
            if before is not session:
                owns = monitor not in self._retired
                if not owns and not session.is_owned_beside(reservation):
                    raise NotLive(
                        "A later run of the cell has made another monitor in the place of this one, which can open "
                        "nothing any more: show the other project in that one."
                    )
                before.release(monitor)
                self._where[monitor] = session
                recorder = self._recorders.get(monitor)
                if recorder is not None:
                    before.stop_recording(recorder)
                    session.record_with(recorder)
                monitor.move_to(session, key.project)
                session.attach(monitor, reservation, owns=owns)
                await before.disown(monitor)
        finally:
            await session.disown(reservation)

    async def _known(self, monitor: Monitor, session: Session, timeout_s: float) -> None:
        """Returns when the state of what `session` shows is known. Raises NotLive when the monitor leaves
        meanwhile.
        """
        showing = asyncio.ensure_future(session.actions.show(timeout_s))
        self._showing[monitor] = showing
        try:
            await showing
        except asyncio.CancelledError:
            self._session_of(monitor)
            raise
        finally:
            self._showing.pop(monitor, None)

    def _session_of(self, monitor: Monitor) -> Session:
        if monitor in self._left:
            raise detached()
        return self._where[monitor]

    async def leave(self, monitor: Monitor) -> None:
        """A monitor listens no more, and moves nowhere any more."""
        self._left.add(monitor)
        if monitor in self._showing:
            self._showing[monitor].cancel()
        await self._end_recording(monitor)
        session = self._where.get(monitor)
        if session is not None:
            await session.detach(monitor)

    async def _end_recording(self, monitor: Monitor) -> None:
        """What was heard is written; the file is whole behind it."""
        recorder = self._recorders.pop(monitor, None)
        if recorder is not None:
            await self._where[monitor].finish_recording(recorder)
            await asyncio.to_thread(recorder.close)


def _new_feed(options: FeedOptions) -> Feed:
    if not options.relay:
        return Feed(options)

    async def locate() -> Target:
        # in a thread of its own, which no interrupt of the kernel reaches
        return await aside(relay_of, replace(options, relay=False))

    async def find() -> Target | None:
        return await aside(running_relay_of, replace(options, relay=False))

    return RelayedFeed(options, locate, find)


def relay_of(options: FeedOptions) -> Target:
    """A relay of this server on this machine, started where there is none. Blocks. Raises RomaError."""
    from .local_relays.finding import find_or_start

    found = find_or_start(options)
    return Target(found.url, found.token)


def running_relay_of(options: FeedOptions) -> Target | None:
    """`relay_of`, and none is started. Blocks. Raises RomaError."""
    from .local_relays.finding import find

    found = find(options)
    return None if found is None else Target(found.url, found.token)


_registry: _Registry | None = None


def _registry_of(io: IoThread) -> _Registry:
    global _registry
    if _registry is None or _registry.io is not io:
        _registry = _Registry(io)
    return _registry


def _open(
    options: FeedOptions,
    project: str | None,
    kind: str,
    on_end: Callable[[], None] | None = None,
    *,
    keeps_history: bool = True,
    recorder: Recorder | None = None,
) -> Monitor:
    """`kind` is what a cell that runs again replaces: the monitors of the same server, or a demo."""
    io = io_thread()
    registry = _registry_of(io)
    reservation = object()
    key = _Key(options, project, keeps_history)
    session = io.result(registry.session(key, reservation, on_end))
    try:
        monitor = Monitor(
            session=session,
            io=io,
            address=host_and_port(options.root),
            watching=project,
            on_watch=lambda monitor, project, timeout_s: registry.move(
                monitor, key._replace(project=project), timeout_s
            ),
            on_close=registry.leave,
        )
        io.result(registry.attach(monitor, session, reservation, kind, current_cell(), recorder))
    except BaseException:
        io.submit(session.disown(reservation))
        raise
    return monitor
