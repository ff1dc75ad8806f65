"""A feed that reaches its server through a relay of this machine, and never opens a socket to the server itself.

While there is no relay (it is being started, it died, none can be started) the server is followed over HTTP, whatever
it says of joining. Where a relay is `locate` knows: it finds one or starts it. One that a person has ended is not
started again before a person wants one (reconnects, or connects anew): until then `find` looks whether somebody else
has started one. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from ..core import reconnect
from ..core.model import RelayNews
from ..errors import NotLive, RomaError
from .extension import ExtensionWish
from .feed import Feed, FeedOptions, Target
from .library import LinkError
from .looks import Looks
from .rest import Assessment, Unreachable

FIND_EVERY_S = 2.0
"""Between two looks for a relay that somebody else may have started."""
STARTING_S = 3.0
"""So long a relay may take to be there before the server is followed over HTTP meanwhile, at the beginning."""
TRIES = 3
"""So often a relay that answers over HTTP may refuse a socket before it is looked for anew."""
ANSWERS_WITHIN_S = 5.0
"""It is on this machine: one that takes longer hangs, and the server is followed over HTTP meanwhile."""
_STARTING = "A relay is being started; {root} is followed over HTTP until it is here."
_ENDED = "The relay ended; {root} is followed over HTTP until a new one is here."
_SILENT = "The relay does not answer; {root} is followed over HTTP until it does, or a new one is here."
_ENDED_BY_PERSON = (
    "The relay was ended; {root} is followed over HTTP until one is started: m.reconnect() starts one."
)
_NOT_JOINED = "The relay cannot be joined ({why}); {root} is followed over HTTP until it can be."
_NONE = "There is no relay: {why}. {root} is followed over HTTP, and a relay is looked for again every {again_s:g} s."
_NO_FORCE = (
    "There is no relay at this moment that could connect, and this monitor (relay=True) opens no socket to the server "
    "itself, also not by force: m.reconnect() looks for the relay now."
)
_log = logging.getLogger("roma_widget.relayed")

Locate = Callable[[], Awaitable[Target]]
"""Finds a relay of the server, or starts one. Raises RomaError, which says why there is none."""
Find = Callable[[], Awaitable[Target | None]]
"""Finds a relay of the server and starts none. Raises RomaError."""


class _Hangs(Unreachable):
    """A relay took the question and gave no answer."""


class RelayedFeed(Feed):
    """See the module. `options` are those of the server."""

    def __init__(self, options: FeedOptions, locate: Locate, find: Find) -> None:
        super().__init__(options)
        self._locate = locate
        self._find = find
        self._may_start = True
        """Unless a person has ended the relay, and nobody has wanted one since."""
        self._is_wanted = False
        """One was wanted when this relay had said already that a person ends it."""
        self._lack = self._said(_STARTING)
        """Why there is none at this moment."""
        self._seek_at_s = 0.0
        """Not before is one looked for; monotonic."""
        self._fruitless = 0
        """Relays in a row that were found and could not be joined."""

    def _try_now(self, *, force: bool) -> None:
        """Look for a relay now. No `force` opens a socket to the server."""
        if force and self._link is None:
            raise NotLive(_NO_FORCE)
        self.want()

    def want(self) -> None:
        """Look for a relay now, and start one where there is none, also where a person has ended the one before."""
        self._is_wanted = self._is_ended()
        self._may_start = True
        self._seek_at_s = 0.0
        self._wake.set()

    async def _keep_heard(self, looks: Looks) -> None:
        while True:
            relay = await self._relay(looks)
            async with self._looking(relay) as through:
                self._lack = await self._go_through(through)
            self._look_through(looks, self.options.server)
            self._extension = ExtensionWish()

    async def _relay(self, server: Looks) -> Target:
        """A relay to go to. Until there is one the server is followed over HTTP."""
        self.hearing.note_relay(RelayNews(of=self.options.root, state="absent"))
        while True:
            if not self._may_start:
                found = await self._found_by(server)
                if found is not None:
                    return found
            await self._follow_server(server, lambda: time.monotonic() >= self._seek_at_s)
            self._seek_at_s = 0.0
            seeking = asyncio.ensure_future(self._locate())
            seeking.add_done_callback(lambda _: self._wake.set())
            try:
                if self.connection.state == "connecting":
                    await asyncio.wait({seeking}, timeout=STARTING_S)
                await self._follow_server(server, seeking.done)
                return seeking.result()
            except RomaError as error:
                self._lack = self._said(_NONE, str(error))
            except Exception as error:  # a bug of ours; without a relay, too, the run is followed
                _log.exception("looking for a relay")
                self._lack = self._said(_NONE, f"roma-widget has a bug, met while looking for one: {error!r}")
            finally:
                seeking.cancel()
                await asyncio.gather(seeking, return_exceptions=True)
            self._seek_at_s = time.monotonic() + reconnect.PROBE_S

    async def _found_by(self, server: Looks) -> Target | None:
        """The relay that somebody else has started; None when a person here wants one. Meanwhile over HTTP."""
        while not self._may_start:
            self._seek_at_s = time.monotonic() + FIND_EVERY_S
            await self._follow_server(server, lambda: time.monotonic() >= self._seek_at_s)
            found = await self._found()
            if found is not None:
                self._may_start = True
                return found
        self._seek_at_s = 0.0
        return None

    async def _found(self) -> Target | None:
        try:
            return await self._find()
        except RomaError as error:
            _log.info("looking for a relay: %s", error)
            return None

    async def _go_through(self, relay: Looks) -> str:
        """Be a client of this relay until it is gone; why it is not gone through any more."""
        failures, has_joined, self._is_wanted = 0, False, False
        while True:
            self._wake.clear()
            try:
                await self._live(relay, await self._looked_at(relay))
            except _Hangs as error:
                self._left(str(error), has_joined=False)
                return self._said(_SILENT)
            except Unreachable as error:
                return self._left(str(error), has_joined=has_joined)
            except LinkError as error:
                failures, why = failures + 1, str(error)
            else:
                failures, has_joined, why = 0, True, "it is another process now"
            await self.hearing.caught_up()
            if self._is_ended():
                self._may_start = self._is_wanted
                return self._said(_ENDED if self._may_start else _ENDED_BY_PERSON)
            if failures == TRIES:
                return self._left(why, has_joined=has_joined)
            if failures:
                await self._pause(_delay_s(failures))
            if await self._found() != self._target:  # who has its address by now is told no token
                return self._left(why, has_joined=has_joined)

    def _is_ended(self) -> bool:
        """Is it the last word of the relay that a person ends it?"""
        news = self.connection.relay
        return news is not None and news.state == "ended"

    async def _looked_at(self, relay: Looks) -> Assessment:
        """What the relay says of itself. Raises `Unreachable`, `_Hangs`; also where it may not be joined."""
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                assessment = await self._assess(relay.rest)
        except TimeoutError:
            raise _Hangs(f"{relay.rest.root} did not answer within {ANSWERS_WITHIN_S:g} s.") from None
        if not assessment.declared:
            raise Unreachable(f"What answers at {relay.rest.root} is no relay.")
        return replace(assessment, relay=assessment.relay or RelayNews(of=self.options.root))

    def _left(self, why: str, *, has_joined: bool) -> str:
        _log.info("the relay at %s is gone: %s", self._target.root, why)
        if has_joined:
            self._fruitless = 0
            return self._said(_ENDED)
        self._fruitless += 1
        self._seek_at_s = time.monotonic() + _delay_s(self._fruitless)
        return self._said(_NOT_JOINED, why)

    def _said(self, sentence: str, why: str = "") -> str:
        return sentence.format(root=self.options.root, why=why.rstrip("."), again_s=reconnect.PROBE_S)

    async def _follow_server(self, server: Looks, is_over: Callable[[], bool]) -> None:
        if is_over():
            return
        counting = asyncio.ensure_future(server.count_questions())
        try:
            await self._follow_server_until(server, is_over)
        finally:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)

    async def _follow_server_until(self, server: Looks, is_over: Callable[[], bool]) -> None:
        delay_s, unanswered, is_known = reconnect.POLL_FIRST_S, 0, False
        while not is_over():
            try:
                if not is_known:
                    assessment = await self._assess(server.rest)
                    if not assessment.is_roma and assessment.reason is not None:
                        await self._wait_for_roma(assessment.reason)
                        continue
                changed = await self._look(server, self._lack)
            except Unreachable as error:
                unanswered, is_known = unanswered + 1, False
                await self._wait_for_an_answer(unanswered, str(error), self._lack)
                continue
            unanswered, is_known = 0, True
            delay_s = reconnect.poll_delay_s(delay_s, changed=changed)
            left_s = max(0.05, self._seek_at_s - time.monotonic())
            if not is_over() and await self._pause(min(delay_s, left_s) if self._seek_at_s else delay_s):
                delay_s = reconnect.POLL_FIRST_S

    async def _wait_for_roma(self, sentence: str) -> None:
        self.hearing.tell(
            replace(self.connection, state="failed", reason=None, error=sentence, transport=None)
        )
        await self._pause(reconnect.PROBE_S)


def _delay_s(failures: int) -> float:
    attempt = min(failures, reconnect.MAX_ATTEMPTS - 1)
    return reconnect.reconnect_delay_s(attempt, random.random()) or reconnect.PROBE_S
