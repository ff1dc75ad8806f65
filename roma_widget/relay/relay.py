"""A relay put together: the feed of a notebook in front, the server of `roma.Server` behind, and what joins the two.

    server above  ->  feed  ->  session (clock, actions)  ->  Mirror  ->  State  ->  Live  ->  Shell  ->  clients
                        `<-------- RelayControl, RelayTraces, RelayAsking <---------'

All of it runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..client.feed import FeedOptions
from ..core.model import Connection
from ..local_relays.entry import IDLE_S
from ..opening import open_session
from ..server.live.audience import Audience
from ..server.live.broadcast import RealtimeExecutionWrapper
from ..server.live.live import Live
from ..server.live.news import News
from ..server.live.parts import Parts
from ..server.network.app import Shell
from ..server.network.limits import Limits
from ..server.state.state import State
from ..session import Session
from . import mirror_store
from .asking import RelayAsking
from .control import RelayControl
from .history import RelayHistory
from .keeping import Keeping
from .link_above import LinkAbove
from .link_log import LinkLog
from .mirror import Mirror
from .other_projects import OtherProjects
from .passing import Passing
from .recordings import Recordings, checked_folder
from .standing import Standing
from .traces import RelayTraces

LOOK_EVERY_S = 1.0
ASK_EVERY_S = 30.0
"""How often the server above is asked whether a run is alive, while nobody is here."""
LIMITS = Limits(connections=4096)
"""A crowd is what a relay is for: docs/benchmarks.md has what one bears."""
INTERVAL_S = 0.1
"""Between two tellings: the server above has its own pace already, and every relay in a row adds this."""


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """What a relay is of, and for whom."""

    upstream: FeedOptions
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = field(default=None, repr=False)
    record: Path | None = None
    data_dir: Path | None = None
    idle_s: float = IDLE_S
    interval_s: float = INTERVAL_S
    limits: Limits = LIMITS


class Relay:
    """See the module. Made, started and stopped on the loop of `roma-io`.

    >>> io_thread().result(relay.start())
    """

    def __init__(self, options: RelayOptions) -> None:
        self.options = options
        self._state: State
        self._mirror_folder = None if options.data_dir is None else options.data_dir / mirror_store.FOLDER
        self._session: Session | None = None
        self._shell: Shell | None = None
        self._live: Live | None = None
        self._asking: RelayAsking | None = None
        self._recordings: Recordings | None = None
        self._wrapper: RealtimeExecutionWrapper | None = None
        self._ended = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def url(self) -> str:
        return self.shell.url

    @property
    def port(self) -> int:
        return self.shell.port

    @property
    def shell(self) -> Shell:
        """Its clients. For tests and numbers."""
        assert self._shell is not None
        return self._shell

    @property
    def session(self) -> Session:
        """What it knows of the server above. For tests and numbers."""
        assert self._session is not None
        return self._session

    async def start(self) -> None:
        """Listens, and begins to follow the server above. Raises `ServeError`, ArchiveError, `StoreError`."""
        options = self.options
        folder = None if options.record is None else await asyncio.to_thread(checked_folder, options.record)
        keeping = await asyncio.to_thread(
            Keeping, options.data_dir
        )  # first: it knows that nobody else lives there
        try:
            self._state = await asyncio.to_thread(mirror_store.empty_state, self._mirror_folder)
        except BaseException:
            await asyncio.to_thread(keeping.close)
            raise
        self._session = session = await open_session(options.upstream, None, self, keeps_history=True)
        try:
            mirror = Mirror(session.feed, self._state, session)
            standing = self._standing = Standing(session.feed, lambda: keeping.complaint)
            live = self._live = Live(
                self._state, lambda audience, news: self._make_parts(audience, news, keeping, standing)
            )
            live.relay = standing.words
            live.extension.whole = mirror.whole
            self._history = RelayHistory(session)
            live.extension.history = self._history.archive
            live.extension.reconnect_above = LinkAbove(session.feed, standing).try_now
            shell = self._shell = Shell(
                live, host=options.host, port=options.port, token=options.token, limits=options.limits
            )
            live.shell = shell
            await shell.start()
        except BaseException:
            if self._asking is not None:
                await self._asking.close()
            await session.disown(self)
            await self._close_state()
            raise
        loop = asyncio.get_running_loop()
        self._wrapper = RealtimeExecutionWrapper(live.tick, loop, options.interval_s)
        wrapper = self._wrapper
        self._state.changed = lambda project_id: wrapper.changed()
        mirror.on_switched = self._switched
        link_log = LinkLog(options.upstream.root)

        def moved(connection: Connection) -> None:
            standing.moved(connection)
            link_log.moved(connection)

        mirror.on_connection_moved = moved
        if folder is not None:
            self._recordings = Recordings(folder, options.upstream, self._state)
            mirror.on_heard = self._recordings.hear
        session.feed.subscribe(mirror)
        self._mirror = mirror
        self._tasks = [loop.create_task(self._look_for_idleness(), name="roma-relay-idle")]

    def _make_parts(self, audience: Audience, news: News, keeping: Keeping, standing: Standing) -> Parts:
        session = self.session
        standing.audience = audience
        keeping.on_complaint = lambda: standing.moved(session.connection)
        self._others = OtherProjects(session.feed, self._state, session.actions)
        self._control = control = RelayControl(self._state, audience, news, session.actions, self._others)
        self._asking = RelayAsking(session.feed, audience, keeping)
        self._traces = traces = RelayTraces(control, session.actions, session.server_clock)
        self._passing = Passing(session.feed, audience, traces.forget)
        return Parts(control, self._asking, traces)

    async def say_ended(self) -> None:
        """To be called before `stop` where a person ends it: clients do not start another, then."""
        self._standing.ended()

    async def stop(self) -> None:
        """Says goodbye to the clients and lets the server above go; safe to call again."""
        if self._session is None or self._shell is None:
            return
        session, self._session = self._session, None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._state.changed = lambda project_id: None
        if self._wrapper is not None:
            self._wrapper.close()
        if self._asking is not None:
            await self._asking.close()
        if self._live is not None:
            self._live.close()
        session.feed.unsubscribe(self._mirror)
        self._mirror.close()
        if self._recordings is not None:
            await self._recordings.close()
        self._passing.close()
        await self._shell.stop()
        await self._traces.close()
        await self._others.close()
        await self._history.close()
        await session.disown(self)
        await self._close_state()

    async def _close_state(self) -> None:
        await asyncio.to_thread(self._state.close)
        await asyncio.to_thread(mirror_store.remove, self._mirror_folder)

    async def ended(self) -> None:
        """Returns when nobody has been here and no run has been alive for `idle_s`."""
        await self._ended.wait()

    def is_run_alive(self) -> bool:
        """As far as the server above has said."""
        with self._state.lock:
            return any(record.alive for record in self._state.projects.records())

    async def _is_run_executed(self) -> bool:
        """Is a run alive by the word of the server above, or not known to be none? ROMA v1 says for ever that a project
        runs whose server was killed meanwhile.
        """
        running = await self._others.running()
        return running is None or any(known["is_alive"] is not False for known in running.values())

    def _switched(self, project_id: str | None) -> None:
        if project_id is None:
            return
        record = self._control.record(project_id)
        telling = asyncio.get_running_loop().create_task(
            self._control.switched(record), name="roma-relay-switch"
        )
        self._tasks.append(telling)
        telling.add_done_callback(self._tasks.remove)

    async def _look_for_idleness(self) -> None:
        busy_at = asked_at = time.monotonic()
        is_executed = True
        while True:
            await asyncio.sleep(min(LOOK_EVERY_S, self.options.idle_s / 4))
            is_recording = self._recordings is not None and self._recordings.n_ending > 0
            if self.shell.clients or is_recording:
                busy_at = time.monotonic()
            elif self.is_run_alive():
                if time.monotonic() - asked_at >= min(ASK_EVERY_S, self.options.idle_s / 4):
                    asked_at, is_executed = time.monotonic(), await self._is_run_executed()
                busy_at = time.monotonic() if is_executed else busy_at
            if time.monotonic() - busy_at < self.options.idle_s:
                continue
            if self.is_run_alive() and await self._is_run_executed():  # since a moment ago
                busy_at = time.monotonic()
                continue
            self._ended.set()
            return
