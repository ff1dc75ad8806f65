"""Looks at a server over HTTP: at the runs no socket tells of, and at the prompts that wait while there is none.

The wanted projects are looked at side by side, one look at a time each, so that one that is slow or broken holds up
none of the others. When to look and what to make of silence is `feed`'s business. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from contextlib import suppress

from ..core import reconnect
from ..core.server_status import read_questions
from .hearing import Hearing
from .rest import SMALL_BODY, Answer, Rest, Unreachable, project_path

ROUND_S = 2.0
"""So long a round waits for the looks that it began. Those that take longer run on and are waited for no more."""
QUESTIONS_EVERY_S = 5.0
QUESTIONS_RARELY_S = 60.0
"""How often a server is asked for its open prompts, and how often one that has no such page."""
_log = logging.getLogger("roma_widget.looks")


class Looks:
    """See the module. What was seen goes to `hearing`."""

    def __init__(self, rest: Rest, hearing: Hearing) -> None:
        self.rest = rest
        self._hearing = hearing
        self._looks: dict[str, asyncio.Task[bool]] = {}
        """The look at each project, until a round has taken what came of it."""
        self._failed: dict[str, Unreachable] = {}
        """Why the last look at a project that ended got no answer."""
        self._begun_at: dict[str, float] = {}
        self._questions_due = 0.0

    async def all_wanted(self, to_the_end: str | None = None) -> bool:
        """One look at the list and everything wanted; True when something was new.

        The look at `to_the_end` is waited for, however long it takes. Raises `Unreachable` when the list or every
        project gets no answer; one that gets none among others that do is a complaint about that one.
        """
        await self._ended(to_the_end)  # one that began before may bring what was
        listed = await self.rest.projects()
        changed = self._hearing.hear_list(listed)
        wanted = {*self._hearing.wanted(), *([listed.current_id] if listed.current_id else [])}
        changed = await self._round(wanted) or changed
        await self._ended(to_the_end)
        if wanted and wanted <= self._failed.keys():
            raise self._failed[min(wanted)]
        return changed

    async def project(self, project_id: str) -> bool:
        """One look at a project; True when something was new. Raises `Unreachable`."""
        return (await self.ask(project_id))[1]

    async def ask(self, project_id: str) -> tuple[Answer | None, bool]:
        """`project`, with what came back; None when a socket was quicker. Raises `Unreachable`."""
        before = self._hearing.frame(project_id)
        answer = await self.rest.get(project_path(project_id), etag=self._hearing.etag(project_id))
        if self._hearing.frame(project_id) is not before:
            return None, True  # the project became current meanwhile, and what the socket said is newer
        return answer, self._hearing.hear_project(project_id, answer)

    async def beside_socket(self) -> None:
        """Follow the projects that somebody wants and no frame comes for, until cancelled."""
        await self.end()  # those of before the socket, which knows better
        delay_s = reconnect.POLL_FIRST_S
        while True:
            self._hearing.wishes_changed.clear()
            wanted = self._hearing.wanted(exclude=self._hearing.current_id)
            # a server that changes its mind all the time causes no more looks
            just = self._begun_since(time.monotonic() - reconnect.POLL_FIRST_S)
            due = [project_id for project_id in wanted if project_id not in just]
            changed = await self._round(due)
            delay_s = reconnect.poll_delay_s(delay_s, changed=changed or due != wanted)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._hearing.wishes_changed.wait()
                    delay_s = reconnect.POLL_FIRST_S

    async def end(self) -> None:
        """Cancel the looks that still run."""
        looks = tuple(self._looks.values())
        self._looks.clear()
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _begun_since(self, since_s: float) -> dict[str, float]:
        return {project_id: at_s for project_id, at_s in self._begun_at.items() if at_s > since_s}

    async def _ended(self, project_id: str | None) -> None:
        look = self._looks.get(project_id) if project_id is not None else None
        if look is not None:
            await asyncio.wait({look})

    async def _round(self, project_ids: Collection[str]) -> bool:
        """A look at each of these that is not being looked at; True when something was new, also since the last."""
        changed = False
        for project_id, look in tuple(self._looks.items()):
            if look.done():
                changed = self._take(project_id) or changed
        begun: set[asyncio.Task[bool]] = set()
        self._begun_at = self._begun_since(time.monotonic() - reconnect.POLL_FIRST_S)
        for project_id in project_ids:
            if project_id not in self._looks:
                look = asyncio.get_running_loop().create_task(self._look(project_id), name="roma-feed-look")
                self._looks[project_id] = look
                self._begun_at[project_id] = time.monotonic()
                begun.add(look)
        if begun:
            await asyncio.wait(begun, timeout=ROUND_S)
        for project_id, look in tuple(self._looks.items()):
            if look in begun and look.done():
                changed = self._take(project_id) or changed
        for project_id in self._failed.keys() - set(project_ids):
            del self._failed[project_id]
        return changed

    def _take(self, project_id: str) -> bool:
        look = self._looks.pop(project_id)
        return not look.cancelled() and look.result()

    async def _look(self, project_id: str) -> bool:
        """One look at a project; what goes wrong is a complaint about it and nothing else."""
        try:
            changed = await self.project(project_id)
        except Unreachable as error:
            self._failed[project_id] = error
            self._hearing.hear_unreachable(project_id, error)
            return False
        except Exception as error:  # one bad answer must not end the watching
            self._hearing.tell_bug("watching this project", error, project_id)
            changed = False
        self._failed.pop(project_id, None)
        return changed

    async def count_questions(self) -> None:
        """How many prompts wait, which can be seen over the socket only, until cancelled."""
        while True:
            await asyncio.sleep(max(0.0, self._questions_due - time.monotonic()))
            count, again_s = None, QUESTIONS_EVERY_S
            try:
                answer = await self.rest.get("/api/system/hitl-debug", SMALL_BODY)
            except Unreachable as error:
                _log.debug("counting questions: %s", error)
            else:
                count = read_questions(answer.body) if answer.status == 200 else None
                again_s = QUESTIONS_RARELY_S if count is None else QUESTIONS_EVERY_S
            self._questions_due = time.monotonic() + again_s
            self._hearing.note_questions(count)
