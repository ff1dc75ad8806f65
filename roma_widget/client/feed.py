"""Keeps a server heard: connects where that does no harm, follows over HTTP where it might, comes back by itself.

A feed belongs to one server and has any number of sinks. It runs on the loop of `roma-io` and owns the socket.
The rules (docs/architecture.md, "Do no harm"): before each attempt it asks over HTTP whether joining is safe. While
a run is in progress on a server that does not declare itself safe, no socket is opened.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import aiohttp

from ..core import reconnect, wire
from ..core.address import host_and_port
from ..core.annotations import Annotations
from ..core.kept_prompts import KeptPrompt
from ..core.model import Connection
from ..core.wire import FrameTexts
from ..errors import NotLive, RomaError
from . import requests
from .extension import ExtensionWish
from .hearing import Hearing, LinkNumbers, Sink
from .left_out import LeftOut
from .library import EXTENSION_VERSION, LinkError, NotJoined
from .looks import Looks
from .questions import Questions
from .rest import Answer, Assessment, Rest, Unreachable
from .sampling import Sampling
from .socket import Link
from .tls import connector
from .trace_cache import TraceCache

TOKEN_HEADER = "X-Roma-Widget-Token"
FIRST_FRAME_S = 1.0
AGAIN_S = 3.0
LOST_AGAIN_S = 1.0
ABOVE_WITHIN_S = 10.0
"""So long a relay, and those above it, may take to say that they try."""
LOSSES_IN_A_ROW = 5
STEADY_S = 10.0
"""A socket that lived shorter, twice in a row, counts as one that did not open: it is not tried again at once."""
_log = logging.getLogger("roma_widget.feed")


@dataclass(frozen=True, slots=True)
class Target:
    """Who is asked, and what they need: the server itself, or a relay of it."""

    root: str
    token: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def all_headers(self) -> dict[str, str]:
        headers = dict(self.headers)
        if not self.token:
            return headers
        # a proxy that has a login of its own, as JupyterHub's, wants that header for itself
        is_taken = any(name.lower() == "authorization" for name in headers)
        own = {TOKEN_HEADER: self.token} if is_taken else {"Authorization": f"Bearer {self.token}"}
        return {**own, **headers}


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """`relay`: the server is reached through a relay of this machine, and never by a socket of this process."""

    root: str
    token: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    transports: tuple[str, ...] = ("websocket", "polling")
    timeout_s: float = 20.0
    always_join: bool = False
    relay: bool = False

    @property
    def server(self) -> Target:
        return Target(self.root, self.token, self.headers)

    def secrets(self) -> tuple[str, ...]:
        values = (self.token, *(value for _, value in self.headers))
        return tuple(value for value in values if value and len(value) > 3)


class Feed:
    """See the module. Create, `subscribe`, then `start` on the loop; `close` frees everything."""

    def __init__(self, options: FeedOptions) -> None:
        self.options = options
        self.hearing = Hearing(options.secrets())
        self.sampling = Sampling(self.hearing)
        self.traces = TraceCache()
        self.annotations = Annotations()
        self.left_out = LeftOut(self._ask_rest)
        self.label = f"roma-widget {secrets.token_hex(3)}"
        """The name under which our servers announce who answered a question."""
        self.questions = Questions(self.hearing, self.label)
        self.revisions = itertools.count(1)
        """Numbers of what its sessions publish: no two of them share one, so a monitor can move between them."""
        self.shown_last: set[str] = set()
        """What sessions showed when they ended: that much can still be read when the feed has ended, too."""
        self.rest: Rest | None = None
        self.is_roma = True
        """Whether the server has ROMA's HTTP API, as far as is known."""
        self.is_declared_safe = False
        """Whether the server of the open socket says that joining it is safe."""
        self._task: asyncio.Task[None] | None = None
        self._link: Link | None = None
        self._wake = asyncio.Event()
        self._looks: Looks | None = None
        self._target = options.server
        self._forced = False
        self._had_link = False
        self._brief_links = 0
        self._extension = ExtensionWish()

    def resume(self, kept: Iterable[KeptPrompt], label: str) -> None:
        """Be who an earlier process was, before there is a socket: its name, and the questions that it kept."""
        self.label = label
        self.questions.restore(kept, label)

    @property
    def connection(self) -> Connection:
        return self.hearing.connection

    @property
    def numbers(self) -> LinkNumbers:
        return self.hearing.numbers

    def missing(self, project_id: str) -> str | None:
        """What to tell who wants a project that the server does not know."""
        return self.hearing.missing(project_id)

    def complaint(self, project_id: str) -> str | None:
        """What is wrong with what was heard of this project."""
        return self.hearing.complaint(project_id)

    def subscribe(self, sink: Sink) -> None:
        """Add a listener; what is known already is told at once."""
        self.hearing.subscribe(sink)
        self._wake.set()

    def unsubscribe(self, sink: Sink) -> bool:
        """Remove a listener; True when none is left."""
        return self.hearing.unsubscribe(sink)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name="roma-feed")

    async def reconnect(self, *, force: bool = False) -> None:
        """Try again now; `force` opens the socket whatever runs, once: not again when an open one is lost.

        Where a relay is joined that has no socket to the server, it is the relay that tries. Raises ServerError,
        NotLive, ConnectError, WaitTimeout when it does not.
        """
        relay = self.connection.relay
        if self._link is None or relay is None or not relay.lacks_socket:
            self._try_now(force=force)
        elif self.numbers.extension:
            await self.hearing.requests.ask(requests.reconnect_above(force), ABOVE_WITHIN_S)
        else:
            raise NotLive(f"{self._target.root} is a relay of another version and cannot be told to connect.")

    def _try_now(self, *, force: bool) -> None:
        self._forced = (self._forced or force) and self._link is None
        self._wake.set()

    def want(self) -> None:
        """A person has connected, be it to what is shared already."""

    def wake(self) -> None:
        """Something was done that is worth a look now."""
        self._wake.set()

    async def poll_once(self, project_id: str | None) -> None:
        """One look over HTTP at everything wanted; that at this project is waited for. Raises `Unreachable`."""
        if self._looks is not None:
            await self._looks.all_wanted(to_the_end=project_id)

    async def look_at(self, project_id: str) -> Answer | None:
        """One look over HTTP at this project: what came back, unless a socket was quicker. Raises `Unreachable`."""
        return None if self._looks is None else (await self._looks.ask(project_id))[0]

    async def close(self) -> None:
        task, self._task = self._task, None
        while task is not None and not task.done():
            task.cancel()  # more than once, because the library can swallow it (see `_live`)
            await asyncio.wait({task}, timeout=AGAIN_S)
        await self.questions.close()
        self.hearing.let_go()
        self.traces.keep_only(self.shown_last)
        self.hearing.tell(Connection("closed", reconnects=self.connection.reconnects))

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        beside = [
            loop.create_task(self.hearing.read_events(), name="roma-feed-reader"),
            loop.create_task(self.sampling.look(), name="roma-feed-sampling"),
        ]
        try:
            async with self._looking(self.options.server) as looks:
                await self._keep_heard(looks)
        except Exception as error:  # a bug of ours must be seen in the widget, not only in a log
            _log.exception("the feed of %s stopped", self.options.root)
            self.hearing.tell(
                replace(
                    self.connection,
                    state="failed",
                    error=f"roma-widget has a bug and stopped listening: {error!r}",
                )
            )
        finally:
            try:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
                if self._link is not None:
                    await self._link.close()
            finally:  # also when a slow end is cancelled again
                self.left_out.close()

    @asynccontextmanager
    async def _looking(self, target: Target) -> AsyncIterator[Looks]:
        """From now on this is who is asked, over HTTP and by a socket."""
        jar = aiohttp.DummyCookieJar()
        headers = target.all_headers()
        async with aiohttp.ClientSession(
            connector=connector(target.root), headers=headers, cookie_jar=jar
        ) as http:
            looks = Looks(Rest(target.root, http, self.options.timeout_s), self.hearing)
            self._look_through(looks, target)
            try:
                yield looks
            finally:
                await looks.end()

    def _look_through(self, looks: Looks, target: Target) -> None:
        self._looks, self.rest, self._target = looks, looks.rest, target
        self.hearing.address = host_and_port(target.root)
        self.hearing.forget_etags()

    async def _keep_heard(self, looks: Looks) -> None:
        unanswered = 0
        failed_handshakes = 0
        while True:
            self._wake.clear()  # whoever wanted a try gets it now
            try:
                assessment = await self._assess(looks.rest)
            except Unreachable as error:
                unanswered += 1
                self._forced = False  # the person meant the run of that moment
                await self._wait_for_an_answer(unanswered, str(error))
                continue
            unanswered = 0
            self.is_roma = assessment.is_roma
            if not (assessment.safe or self.options.always_join or self._forced):
                if assessment.is_roma:
                    await self._follow(looks, assessment.reason, None)
                else:
                    self.hearing.tell(replace(self.connection, state="failed", error=assessment.reason))
                    await self._pause(reconnect.PROBE_S)
                continue
            try:
                await self._live(looks, assessment)
                failed_handshakes = 0
            except LinkError as error:
                failed_handshakes += 1
                await self._after_failed_handshake(looks, assessment, error, failed_handshakes)

    async def _assess(self, rest: Rest) -> Assessment:
        """Whether joining is safe, and what the server says of itself on the way. Raises `Unreachable`."""
        try:
            assessment = await rest.assess()
        except Unreachable:
            self.hearing.note_server("unreachable")
            raise
        if assessment.is_roma:
            self.hearing.note_server("ready" if assessment.is_ready else "not_ready")
        else:
            self.hearing.note_server(None)
        self.sampling.hear_round_trip(assessment.round_trip_s)
        return assessment

    async def _wait_for_an_answer(self, attempt: int, sentence: str, reason: str | None = None) -> None:
        delay_s = reconnect.reconnect_delay_s(attempt, random.random())
        given_up = delay_s is None
        delay_s = reconnect.PROBE_S if delay_s is None else delay_s
        self.hearing.tell(
            Connection(
                "failed" if given_up else "reconnecting",
                reason=reason,
                attempt=attempt,
                next_retry=datetime.now(UTC) + timedelta(seconds=delay_s),
                error=sentence,
                reconnects=self.connection.reconnects,
            )
        )
        await self._pause(delay_s)

    async def _after_failed_handshake(
        self, looks: Looks, assessment: Assessment, error: LinkError, failures: int
    ) -> None:
        self._forced = False
        if error.mismatch and not assessment.is_roma:
            self.hearing.tell(replace(self.connection, state="failed", error=str(error), transport=None))
            await self._pause(reconnect.PROBE_S)
            return
        delay_s = (
            reconnect.reconnect_delay_s(min(failures, reconnect.MAX_ATTEMPTS - 1), random.random())
            or reconnect.PROBE_S
        )
        if assessment.is_roma:
            what = "stay open" if self._brief_links else "open"
            await self._follow(looks, f"The socket does not {what}. {error}", delay_s)
        else:
            self.hearing.tell(
                replace(
                    self.connection,
                    state="reconnecting",
                    next_retry=datetime.now(UTC) + timedelta(seconds=delay_s),
                    error=str(error),
                    transport=None,
                )
            )
            await self._pause(delay_s)

    async def _live(self, looks: Looks, assessment: Assessment) -> None:
        """Open a socket and stay until it ends. Raises `LinkError` when none opens, or none stays open."""
        texts_before = self.hearing.texts
        extended = assessment.declared and not self._extension.due_in_s(time.monotonic())
        await self.hearing.begin_link(self.left_out, extended=extended)
        self.questions.begin_link()
        self.hearing.note_relay(assessment.relay)
        link = await self._open_link(looks.rest, assessment, extended=extended)
        self._link = self.hearing.requests.link = self.sampling.link = link
        self.is_declared_safe = assessment.declared
        self._forced = False
        opened = time.monotonic()
        loop = asyncio.get_running_loop()
        beside = [
            loop.create_task(looks.beside_socket(), name="roma-feed-watch"),
            loop.create_task(self._mend_losses(link), name="roma-feed-mend"),
            loop.create_task(self.left_out.fetch_noted(), name="roma-feed-results"),
            loop.create_task(self.questions.beside_socket(), name="roma-feed-answers"),
        ]
        if assessment.is_roma:
            beside.append(loop.create_task(self.sampling.time_health(looks.rest), name="roma-feed-health"))
        if assessment.declared and not extended:
            beside.append(loop.create_task(self._go_back_to_extension(link), name="roma-feed-extension"))
        try:
            if (
                self._task is None
            ):  # closed: Python 3.11's wait_for, in the handshake, can swallow a cancellation
                raise asyncio.CancelledError
            self.hearing.tell(
                Connection(
                    "live",
                    reason=None if extended else self._extension.why_plain,
                    transport=link.transport,
                    reconnects=self.connection.reconnects + self._had_link,
                )
            )
            self._had_link = True
            self.hearing.note_questions(None)
            catching_up = self._catch_up(link, texts_before, declared=assessment.declared)
            beside.append(loop.create_task(catching_up, name="roma-feed-catch-up"))
            sentence = await asyncio.shield(link.ended)  # others wait for it, too
            if link.is_closed_here:  # to be opened in another way
                self.hearing.tell(replace(self.connection, state="reconnecting", error=None, transport=None))
                return
            self.hearing.tell(replace(self.connection, state="reconnecting", error=sentence, transport=None))
            if self.numbers.extension and not self.hearing.lost.is_set():
                self._extension.worked()
            self._brief_links = self._brief_links + 1 if time.monotonic() - opened < STEADY_S else 0
            if self._brief_links > 1:
                raise LinkError(sentence)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            self.sampling.forget_link()
            self._link = self.hearing.requests.link = None
            await link.close()

    async def _open_link(self, rest: Rest, assessment: Assessment, *, extended: bool) -> Link:
        asks_again = assessment.is_roma and not assessment.declared
        refusals: list[LinkError] = []
        for transport in self.options.transports:
            if refusals and not await self._still_safe(rest):
                break  # a handshake may take its time, and a run may have begun meanwhile
            link = Link(
                self._target.root,
                transport,
                token=self._target.token,
                headers=self._target.all_headers(),
                timeout_s=self.options.timeout_s,
                on_event=self.hearing.enqueue,
                may_join=(lambda: self._still_safe(rest)) if asks_again else None,
                extended=extended,
                label=self.label,
            )
            try:
                await link.open()
                return link
            except NotJoined:
                raise  # the transport is good
            except LinkError as error:
                refusals.append(error)
            except asyncio.CancelledError:
                await link.close()
                raise
        raise LinkError(str(refusals[-1]), mismatch=all(error.mismatch for error in refusals))

    async def _still_safe(self, rest: Rest) -> bool:
        if self.options.always_join or self._forced:
            return True
        try:
            return (await rest.assess()).safe
        except Unreachable:
            return False

    async def _catch_up(self, link: Link, texts_before: FrameTexts, *, declared: bool) -> None:
        """The state at the time of joining, asked for in the way that harms no run."""
        await self.hearing.caught_up()  # the first word says whether the extension is spoken
        if self.numbers.extension:
            return  # the whole state comes by itself
        if self.hearing.refused_extension is not None:
            version = self.hearing.refused_extension
            why_plain = (
                f"{self._target.root} is of another version of roma-widget (its protocol is {version}, ours "
                f"{EXTENSION_VERSION}), so the whole state comes each time and not only what changed."
            )
            await self._go_on_without_extension(link, f"it is of version {version}", why_plain)
            return
        try:
            if declared:
                async with self.hearing.requests.turn("error"):
                    await link.request("request_initial_state")
                return
            await asyncio.sleep(FIRST_FRAME_S)
            # frames read over HTTP do not count: they are of other projects
            if self.hearing.current_id is not None and self.hearing.texts is texts_before:
                async with self.hearing.requests.turn("project_restore_error"):
                    await link.request("restore_project_state", {"project_id": self.hearing.current_id})
        except LinkError as error:
            if not link.ended.done():
                self.hearing.tell(replace(self.connection, error=str(error)))

    async def _mend_losses(self, link: Link) -> None:
        """Ask for the whole state whenever a change of it is missing. What cannot be put together goes on as plain
        ROMA.
        """
        failures = 0
        while failures < LOSSES_IN_A_ROW:
            await self.hearing.lost.wait()
            try:
                await self.hearing.requests.ask(requests.snapshot(), self.options.timeout_s)
            except RomaError as error:
                _log.debug("asking for a snapshot: %s", error)
            if self.hearing.lost.is_set():
                failures += 1
                await asyncio.sleep(LOST_AGAIN_S)
            else:
                failures = 0
        await self._go_on_without_extension(link, "what it sends cannot be put together")

    async def _go_on_without_extension(self, link: Link, why: str, why_plain: str | None = None) -> None:
        _log.info("going on without the extension of %s: %s", self._target.root, why)
        self._extension.was_in_vain(time.monotonic(), why_plain)
        await link.close()

    async def _go_back_to_extension(self, link: Link) -> None:
        """Beside a link that goes without: ends it when the extension may be asked for again, and in no request."""
        await asyncio.sleep(self._extension.due_in_s(time.monotonic()))
        await self.hearing.requests.quiet()
        _log.info("asking %s for its extension again", self._target.root)
        await link.close()

    async def _ask_rest(self, project_id: str, task_id: str, timeout_s: float) -> wire.TaskRest:
        event = await self.hearing.requests.ask(requests.task_rest(project_id, task_id), timeout_s)
        assert isinstance(event, wire.TaskRest)
        return event

    async def _follow(self, looks: Looks, reason: str | None, for_s: float | None) -> None:
        """Follow over HTTP until a socket may be opened, or `for_s` is over, or the server is silent."""
        counting = asyncio.get_running_loop().create_task(looks.count_questions(), name="roma-feed-questions")
        try:
            await self._follow_projects(looks, reason, for_s)
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)

    async def _follow_projects(self, looks: Looks, reason: str | None, for_s: float | None) -> None:
        until = None if for_s is None else time.monotonic() + for_s
        delay_s = reconnect.POLL_FIRST_S
        while True:
            try:
                changed = await self._look(looks, reason)
            except Unreachable as error:
                # counted by `_keep_heard`, unless the server answers other questions
                sentence = str(error)
                self.hearing.tell(
                    replace(
                        self.connection, state="reconnecting", reason=reason, error=sentence, transport=None
                    )
                )
                left_s = reconnect.POLL_FIRST_S if until is None else until - time.monotonic()
                await self._pause(max(0.05, left_s))
                return
            delay_s = reconnect.poll_delay_s(delay_s, changed=changed)
            if until is not None:
                delay_s = min(delay_s, max(0.05, until - time.monotonic()))
            if await self._pause(delay_s):
                delay_s = reconnect.POLL_FIRST_S
            if self._forced or (until is not None and time.monotonic() >= until):
                return
            if until is None:
                try:
                    assessment = await self._assess(looks.rest)
                except Unreachable:
                    return
                if assessment.safe:
                    await self._last_look(looks)
                    return
                reason = assessment.reason

    async def _look(self, looks: Looks, reason: str | None) -> bool:
        """One look at everything wanted; True when something was new. Raises `Unreachable`."""
        changed = await looks.all_wanted()
        self.hearing.tell(
            replace(
                self.connection,
                state="polling",
                reason=reason,
                attempt=0,
                next_retry=None,
                error=self.hearing.complaint(),
                transport=None,
            )
        )
        return changed

    async def _last_look(self, looks: Looks) -> None:
        try:
            await looks.all_wanted()
        except Unreachable:
            return  # the next assessment says it

    async def _pause(self, delay_s: float) -> bool:
        """Sleep, unless somebody wants another try now; True when somebody does."""
        try:
            async with asyncio.timeout(delay_s):
                await self._wake.wait()
        except TimeoutError:
            return False
        self._wake.clear()
        return True
