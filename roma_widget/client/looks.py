"""Looks at a server over HTTP: at the runs no socket tells of, and at the prompts that wait while there is none.

When to look and what to make of silence is `feed`'s business. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress

from ..core import reconnect
from ..core.server_status import read_questions
from .hearing import Hearing
from .rest import SMALL_BODY, Rest, Unreachable, project_path

QUESTIONS_EVERY_S = 5.0
QUESTIONS_RARELY_S = 60.0
"""How often a server is asked for its open prompts, and how often one that has no such page."""
_log = logging.getLogger("roma_widget.looks")


class Looks:
    """See the module. What was seen goes to `hearing`."""

    def __init__(self, rest: Rest, hearing: Hearing) -> None:
        self.rest = rest
        self._hearing = hearing
        self._wanted_more = asyncio.Event()
        self._questions_due = 0.0

    def want_more(self) -> None:
        """Somebody wants a project that was not wanted before."""
        self._wanted_more.set()

    async def all_wanted(self) -> bool:
        """One look at the list and everything wanted; True when something was new. Raises `Unreachable`."""
        listed = await self.rest.projects()
        current_id = listed.current_id
        changed = self._hearing.hear_list(listed)
        for project_id in {*self._hearing.wanted(), *([current_id] if current_id else [])}:
            changed = await self.project(project_id) or changed
        return changed

    async def project(self, project_id: str) -> bool:
        """One look at a project; True when something was new. Raises `Unreachable`."""
        before = self._hearing.frame(project_id)
        answer = await self.rest.get(project_path(project_id), etag=self._hearing.etag(project_id))
        if self._hearing.frame(project_id) is not before:
            return True  # the project became current meanwhile, and what the socket said is newer
        return self._hearing.hear_project(project_id, answer)

    async def beside_socket(self) -> None:
        """Follow the projects that somebody wants and no frame comes for, until cancelled."""
        delay_s = reconnect.POLL_FIRST_S
        while True:
            self._wanted_more.clear()
            changed = False
            for project_id in self._hearing.wanted(exclude=self._hearing.current_id):
                try:
                    changed = await self.project(project_id) or changed
                except Unreachable as error:
                    _log.debug("watching %s: %s", project_id, error)
                except Exception as error:  # one bad answer must not end the watching
                    self._hearing.tell_bug("watching this project", error, project_id)
            delay_s = reconnect.poll_delay_s(delay_s, changed=changed)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay_s):
                    await self._wanted_more.wait()
                    delay_s = reconnect.POLL_FIRST_S

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
