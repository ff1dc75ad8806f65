"""One watched project on one server: wires feed -> state -> monitors, and owns their shared life.

Everything here runs on the loop of `roma-io`, except `snapshot`, which is swapped whole and read from anywhere, and
what it remembers (`client.remembered`).
Monitors of the same (server, token, project) share one session.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from .client.actions import Actions
from .client.feed import Feed
from .client.prompted import HearsPrompts, Prompted
from .client.run_times import RunTimes
from .client.trace_refresh import TraceRefresh
from .client.waiting import Awaited
from .core import wire
from .core.clock import ServerClock
from .core.log import Row
from .core.model import NO_TASKS, Connection, Snapshot, Task, Trace
from .core.outcome import Verdict, judge
from .core.project_list import Entries, facts_of, project_list, touches_the_list
from .core.state import Change, ProjectState, State, apply
from .keeping import Keeping
from .reaching import ReachesBack
from .widget.messages import Publication, publication

PUBLISH_EVERY_S = 0.1
TICK_S = 1.0
LEAST_STEP_S = 2.0
BEATS_EVERY_TICKS = 2
REFRESH_WITHIN_S = 20.0
_log = logging.getLogger("roma_widget.session")


class Viewer(HearsPrompts, Protocol):
    """A monitor, as the session sees it. Called on `roma-io`. `revision` is the one it shows."""

    @property
    def revision(self) -> int: ...

    def show(self, news: Publication, facts: dict[str, Any]) -> None: ...

    def hear(
        self, changes: Collection[Change], before: Mapping[str, Task], tasks: Mapping[str, Task]
    ) -> None: ...

    def hear_error(self, name: str, sentence: str) -> None: ...

    def show_connection(self, connection: Connection) -> None: ...

    def beat(
        self, age_ms: float | None, server_now_ms: float | None, round_trip_ms: float | None
    ) -> None: ...


class Session(Keeping, ReachesBack, Awaited, Prompted):
    """See the module. `on_empty` is called when the last owner has left.

    `like` is an open session of the same feed, which has heard more than the feed remembers: what it knows, the
    server's zone and when tasks began among it, is known here, too.
    """

    def __init__(
        self,
        feed: Feed,
        wanted_project: str | None,
        on_empty: Callable[[], Awaitable[None]],
        like: Session | None = None,
        *,
        keeps_history: bool = True,
    ) -> None:
        Keeping.__init__(self, feed, keeps_history=keeps_history)
        self._begin_reaching()
        Awaited.__init__(self)
        Prompted.__init__(self)
        self.wanted_project = wanted_project
        self.snapshot = Snapshot()
        self.facts: dict[str, Any] = facts_of([], None, self.snapshot.tasks, Verdict("unknown"))
        self.connection = self._told = feed.connection
        self.actions = Actions(feed, self)
        self._feed = feed
        self._traces = TraceRefresh(
            feed.traces,
            self._shown,
            lambda: self.connection.state == "live",
            lambda project_id, task_id: self.actions.trace(task_id, REFRESH_WITHIN_S, project_id),
        )
        self._on_empty = on_empty
        self._state: State = like._state if like is not None else State()
        self._epoch_s = time.time() - time.monotonic()
        self._is_list_due = like is not None
        self._listed_for: tuple[str | None, dict[str, int]] = (None, {})
        self._verdict = Verdict("unknown")
        self._listed: frozenset[str] = like._listed if like is not None else frozenset()
        self._deleted: frozenset[str] = like._deleted if like is not None else frozenset()
        self._shown_id: str | None = wanted_project
        self._times: RunTimes = RunTimes(like._times if like is not None else None)
        self._viewers: list[Viewer] = []
        self._owners: set[object] = set()
        self._published_at = 0.0
        self._scheduled: asyncio.TimerHandle | None = None
        self._closed = False
        self._ticker = asyncio.get_running_loop().create_task(self._tick(), name="roma-session")
        self._event_log.on_error = self._tell_error
        feed.subscribe(self)
        feed.questions.listen(self._on_prompts)
        if like is not None:
            self._state = replace(self._state, current_id=like._state.current_id)
            self._remember(self._shown(), (), time.time())

    # -- monitors

    def reserve(self, owner: object) -> None:
        """Keep the session open for a monitor that is still being made."""
        self._owners.add(owner)

    def attach(self, viewer: Viewer, reservation: object, *, owns: bool = True) -> None:
        """Add a monitor, in the place of its reservation. One that does not own keeps the session open for nobody.

        One that comes from another session gets what is shown here under a new revision, where its own is newer: its
        revisions grow, and what it shows is never taken for the base of a delta of this session.
        """
        self._viewers.append(viewer)
        if owns:
            self._owners.add(viewer)
        self._owners.discard(reservation)
        snapshot = self.snapshot
        if snapshot.revision < viewer.revision:
            snapshot = replace(snapshot, revision=next(self._feed.revisions))
        viewer.show_connection(self.connection)
        viewer.show(publication(Snapshot(), snapshot, self._server_now_ms()), self.facts)
        viewer.show_prompts(self.prompts())

    def is_owned_beside(self, owner: object) -> bool:
        """Would it stay open without this one?"""
        return bool(self._owners - {owner})

    async def disown(self, owner: object) -> None:
        """This one no longer keeps the session open; without any owner it ends."""
        self._owners.discard(owner)
        if not self._owners:
            await self.close()

    async def detach(self, viewer: Viewer) -> None:
        """Remove a monitor; the session ends with its last owner."""
        self.release(viewer)
        await self.disown(viewer)

    def release(self, viewer: Viewer) -> None:
        """Tell this monitor nothing more. It still keeps the session open, until it is disowned."""
        if viewer in self._viewers:
            self._viewers.remove(viewer)
            self._wake_soon()  # whoever waits goes along to where it is now

    @property
    def feed(self) -> Feed:
        return self._feed

    @property
    def is_closed(self) -> bool:
        return self._closed

    async def close(self) -> None:
        """End the session; monitors that are left say `closed`, and can read what they showed last."""
        if self._closed:
            return
        self._publish()  # what came in the last tenth of a second
        self._closed = True
        self._ticker.cancel()
        self._traces.close()
        self._end_recordings()
        self._feed.questions.ignore(self._on_prompts)
        self.on_connection(Connection("closed", reconnects=self.connection.reconnects))
        self._let_go()
        await self._on_empty()
        await self._wake()

    def _let_go(self) -> None:
        """Of all that its monitors cannot read: notebooks keep those for ever."""
        shown = self._shown()
        kept = {} if shown is None else {shown.project.project_id: shown}
        self._feed.shown_last.update(kept)
        self._state = replace(self._state, projects=MappingProxyType(kept), runs=tuple(kept))
        self._listed = self._deleted = frozenset()
        self._times.clear()

    async def reconnect(self, *, force: bool = False) -> None:
        await self._feed.reconnect(force=force)

    def link(self) -> dict[str, Any]:
        """How good the connection is, as of now: see `Monitor.link`."""
        return {
            **self._feed.sampling.numbers(),
            "age_s": self._age_s(),
            "reconnects": self.connection.reconnects,
            "unasked_replies": self._feed.hearing.requests.unasked,
            "relay": self.connection.as_trait()["relay"],
        }

    def traces(self, project_id: str) -> Mapping[str, Trace]:
        """The fetched traces of a project by task id, times as stamped. May be called from any thread."""
        return self._feed.traces.traces_of(project_id)

    def server_offset_s(self) -> float | None:
        """By how many seconds the server's times without a zone are ahead of UTC; None while that is not known."""
        offset = self._state.clock.offset
        return None if offset is None else offset.total_seconds()

    # -- for actions (client.actions.Mirror)

    def shown_project(self) -> ProjectState | None:
        return self._shown()

    def project(self, project_id: str) -> ProjectState | None:
        return self._state.projects.get(project_id)

    def project_ids(self) -> Collection[str]:
        return self._state.projects.keys()

    def server_clock(self) -> ServerClock:
        return self._state.clock

    def publish_now(self) -> None:
        self._publish()

    async def settled(self, timeout_s: float) -> None:
        """Returns when there is a word on the connection, or the time is over. Raises NotLive when it is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.connection.state == "connecting":
                    await self.news_since(self._wakes)
        self.raise_if_closed()

    # -- from the feed

    def on_event(self, event: wire.Event, *, live: bool) -> None:
        before, now_s = self._without_a_step_of_ours(self._state), time.time()
        self._state, changes = apply(before, event, now_s, live=live, keep=self._looked_at())
        if isinstance(event, wire.GraphUpdate) and event.project_id is not None:
            known, told = (each.projects.get(event.project_id) for each in (before, self._state))
            if told is not None and (known is None or known.time != told.time):
                self._times.note_stamp(event.project_id)
            self._deleted -= {event.project_id}
            if changes:
                self._times.note_move(event.project_id)
            self._times.forget_but(self._state.runs, self._looked_at())
        if changes:
            self._is_list_due = self._is_list_due or touches_the_list(changes)
            self._schedule()
        if isinstance(event, wire.ProjectsListed) and event.is_whole:
            named = frozenset(project.project_id for project in event.projects)
            gone = (self._deleted | self._listed) - named
            kept = {*self._state.projects, self._shown_id}
            self._deleted, self._listed = gone & kept, named
            if self._shown_id in gone:
                self._schedule()
        if isinstance(event, wire.TracesCleared):
            self._feed.traces.forget(event.project_id)
        self._feed.questions.clock = self._state.clock
        shown = self._shown()
        self._event_log.note(event, changes, before.projects, shown, now_s)
        self._remember(shown, changes, now_s)
        self._record(shown, changes, now_s)
        self._tell_changes(shown, changes, before)

    def _tell_changes(self, shown: ProjectState | None, changes: tuple[Change, ...], before: State) -> None:
        """Every single change of the shown project's tasks; what is published merges them."""
        if shown is None or not changes:
            return
        project_id = shown.project.project_id
        known = before.projects.get(project_id)
        of_shown = [change for change in changes if getattr(change, "project_id", None) == project_id]
        self._each(lambda viewer: viewer.hear(of_shown, known.tasks if known else NO_TASKS, shown.tasks))

    def _tell_error(self, row: Row) -> None:
        if row.project_id in (None, self._shown_id):
            self._each(lambda viewer: viewer.hear_error(row.field or "", row.after or ""))

    def _without_a_step_of_ours(self, state: State) -> State:
        """The computer slept or its clock was set: the server's clock only seems to have jumped then."""
        before, self._epoch_s = self._epoch_s, time.time() - time.monotonic()
        if abs(self._epoch_s - before) < LEAST_STEP_S:
            return state
        return replace(state, clock=state.clock.forget_steadiness())

    def _looked_at(self) -> list[str]:
        return [each for each in (self.wanted_project, self._shown_id) if each is not None]

    def on_connection(self, connection: Connection) -> None:
        if self._closed and connection.state != "closed":
            return
        self._times.supplied(connection.is_supplied)
        before, self._told = self._told, connection
        if connection.state != before.state:
            self._event_log.note_connection(before.state, connection.state, time.time())
        if (connection.relay and connection.relay.state) != (before.relay and before.relay.state):
            self._event_log.note_relay(before.relay, connection.relay, time.time())
        if replace(connection, error=before.error) != before:
            self._show_connection()
        else:
            self._schedule()  # a server may send errors by the thousand

    def _show_connection(self) -> None:
        """The feed's word, with what is wrong with the shown project: it is gone, or could not be read, or how its
        tasks are linked."""
        shown = self._shown()
        problems = shown.forest.problems if shown else ()
        connection = self._told
        is_heard = connection.state in ("live", "polling")
        unread = self._feed.complaint(self._shown_id) if is_heard and self._shown_id is not None else None
        said = " ".join(filter(None, (self._gone(), connection.error, unread)))
        connection = replace(connection, error=said or None)
        if connection.error is None and problems:
            more = f" And {len(problems) - 1} more." if len(problems) > 1 else ""
            connection = replace(connection, error=f"{problems[0][:1].upper()}{problems[0][1:]}.{more}")
        if connection == self.connection:
            return
        self.connection = connection
        self._each(lambda viewer: viewer.show_connection(connection))
        self._wake_soon()

    # -- publishing

    def _schedule(self) -> None:
        if self._scheduled is None and not self._closed:
            delay_s = max(0.0, self._published_at + PUBLISH_EVERY_S - time.monotonic())
            self._scheduled = asyncio.get_running_loop().call_later(delay_s, self._publish)

    def _publish(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        self._published_at = time.monotonic()
        self._show_connection()
        shown = self._shown()
        verdict = self._judge(shown)
        tasks = shown.tasks if shown else {}
        after = Snapshot(
            tasks=tasks,
            project=shown.project if shown else None,
            revision=self.snapshot.revision,
            time=shown.time if shown else None,
            outcome=verdict.outcome,
            reason=verdict.reason,
        )
        projects: Entries = self.facts["projects"]
        questions = self.questions_by_project()
        if self._is_list_due or self._listed_for != (self._shown_id, questions):
            projects = project_list(self._state, self._shown_id, projects, questions)
            self._is_list_due, self._listed_for = False, (self._shown_id, questions)
        facts = facts_of(projects, shown.project if shown else None, after.tasks, verdict)
        self._show_prompts()
        if after.tasks == self.snapshot.tasks and facts == self.facts:
            return
        self._verdict = verdict
        after = replace(after, revision=next(self._feed.revisions))
        news = publication(self.snapshot, after, self._server_now_ms())
        self.snapshot, self.facts = after, facts
        self._each(lambda viewer: viewer.show(news, facts))
        self._traces.look()
        self._wake_soon()

    def _each(self, tell: Callable[[Viewer], None]) -> None:
        """Tell every monitor; one that cannot take it does not keep it from the others."""
        for viewer in tuple(self._viewers):
            try:
                tell(viewer)
            except Exception:
                _log.exception("telling a monitor")

    def _shown(self) -> ProjectState | None:
        """The wanted project, or the server's current one, or the last shown while there is none."""
        if self.wanted_project is None and self._state.current_id is not None:
            self._shown_id = self._state.current_id
        return self._state.projects.get(self._shown_id) if self._shown_id is not None else None

    def _gone(self) -> str | None:
        """What to say when the server does not have the wanted or shown project, or has it no more."""
        if self._closed:
            return None
        last = "What is shown is its last state." if self._shown() is not None else None
        missing = self._feed.missing(self.wanted_project) if self.wanted_project is not None else None
        if missing is not None:
            return " ".join(filter(None, (missing, last)))
        if self._shown_id in self._deleted:
            return f"The server has this project no more: it was deleted. {last}"
        return None

    def _judge(self, shown: ProjectState | None) -> Verdict:
        if shown is None:
            return Verdict("unknown")
        quiet_s = self._times.quiet_s(
            shown.project.project_id, self._feed.hearing, is_looked_at=self._is_looked_at
        )
        return judge(shown.tasks, shown.project, quiet_s)

    @property
    def _is_looked_at(self) -> bool:
        """Does what is shown come over HTTP alone, and not over a socket?"""
        is_current = self.wanted_project in (None, self._feed.hearing.current_id)
        return self._told.state == "polling" or not is_current

    def _age_s(self) -> float | None:
        """Seconds since the newest word on what is shown; None before the first."""
        heard_at = self._feed.numbers.heard_at
        if self._is_looked_at and self._shown_id is not None:
            looked = self._feed.hearing.looked_at.get(self._shown_id)
            heard_at = looked.last_s if looked is not None else None
        return None if heard_at is None else time.monotonic() - heard_at

    def _server_now_ms(self) -> float | None:
        shown = self._state.projects.get(self._shown_id) if self._shown_id is not None else None
        if shown is None or shown.time is None:
            return None
        stamped_s = shown.time.timestamp() + self._times.since_stamp_s(shown.project.project_id)
        relay = self._told.relay
        return 1000 * (stamped_s if relay is None else relay.server_now_s(stamped_s, self._times.now_s))

    async def _tick(self) -> None:
        """Time passes also when nothing comes: verdicts change, views want a sign of life."""
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            ticks += 1
            try:
                if self._judge(self._shown()) != self._verdict:
                    self._publish()
                if ticks % BEATS_EVERY_TICKS == 0:
                    self._beat()
            except Exception:  # without the tick a monitor would look alive and be dead
                _log.exception("a tick failed")
            await self._wake()

    def _beat(self) -> None:
        numbers = self._feed.numbers
        age_s = self._age_s()
        age_ms = None if age_s is None else age_s * 1000
        round_trip_ms = None if numbers.round_trip_s is None else numbers.round_trip_s * 1000
        self._each(lambda viewer: viewer.beat(age_ms, self._server_now_ms(), round_trip_ms))
