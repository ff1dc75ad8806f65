"""The projects of the server above that no socket tells of: looked at there when somebody here asks for one.

However many ask, and however often, the server above is asked once a second for what runs, and once for what does not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..client.actions import Actions
from ..client.feed import Feed
from ..client.rest import Unreachable
from ..client.shared import Shared
from ..errors import RomaError
from ..server.network.client import TokenBucket
from ..server.state.state import State

FRESH_S = 1.0
WITHIN_S = 5.0
"""How long somebody waits for a look; then what is known is the answer."""
UNKNOWN_A_SECOND, UNKNOWN_AT_ONCE = 4.0, 20
"""Looks at ids that nobody has heard of."""


class OtherProjects:
    """See the module. On the loop of `roma-io`."""

    def __init__(self, feed: Feed, state: State, actions: Actions) -> None:
        self._feed = feed
        self._state = state
        self._actions = actions
        self._looking: Shared[str, None] = Shared()
        self._looked_s: dict[str, float] = {}
        """When the look at each was begun that was begun last, for as long as that counts."""
        self._unknown = TokenBucket(UNKNOWN_A_SECOND, UNKNOWN_AT_ONCE, time.monotonic)
        self._running: tuple[float, Mapping[str, Any]] | None = None
        self._asking: Shared[None, Mapping[str, Any]] = Shared()

    async def look(self, project_id: str) -> None:
        """Returns when what is known of this project is as new as it can be had."""
        if project_id in self._looking or self._is_due(project_id):
            with suppress(TimeoutError):
                async with asyncio.timeout(WITHIN_S):
                    await self._looking.ask(project_id, lambda: self._look(project_id))

    async def running(self) -> Mapping[str, Any] | None:
        """`running_executions` of `GET /api/executions` above; None when that is not to be had."""
        if self._running is None or time.monotonic() - self._running[0] > FRESH_S:
            with suppress(RomaError):
                running = await self._asking.ask(None, self._ask_running)
                self._running = time.monotonic(), running  # a slow answer is new when it comes
        if self._running is None or time.monotonic() - self._running[0] > FRESH_S:
            return None
        return self._running[1]

    async def close(self) -> None:
        await self._looking.close()
        await self._asking.close()

    def _is_due(self, project_id: str) -> bool:
        if self._feed.connection.state == "live" and project_id == self._feed.hearing.current_id:
            return False  # its socket tells
        now_s = time.monotonic()
        self._looked_s = {key: at_s for key, at_s in self._looked_s.items() if now_s - at_s < FRESH_S}
        if project_id in self._looked_s:
            return False
        with self._state.lock:
            is_known = project_id in self._state.projects
            is_alive = is_known and self._state.projects.get(project_id).alive
        if not is_known:
            return self._unknown.take()
        return is_alive or project_id not in self._feed.hearing.looked_at

    async def _look(self, project_id: str) -> None:
        self._looked_s[project_id] = time.monotonic()
        with suppress(Unreachable):  # what is known is the answer
            await self._feed.look_at(project_id)

    async def _ask_running(self) -> Mapping[str, Any]:
        found = await self._actions.executions(WITHIN_S)
        return {
            project_id: {
                "goal": execution["goal"],
                "max_steps": execution["max_steps"],
                "started_at": None if execution["started"] is None else execution["started"].isoformat(),
                "is_alive": execution["is_alive"],
            }
            for project_id, execution in found.items()
        }
