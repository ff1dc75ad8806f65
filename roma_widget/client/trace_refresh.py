"""Keeps traces that were fetched as new as their tasks: one whose task has changed is asked for again, by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ..core.reading import shorten
from ..core.state import ProjectState
from ..errors import RomaError
from .trace_cache import TraceCache, print_of

REFRESH_AFTER_S = 1.0
"""A task changes several times at once as a rule, and its last stage ends a moment after it."""
_log = logging.getLogger("roma_widget.trace_refresh")

Shown = Callable[[], ProjectState | None]


class TraceRefresh:
    """See the module. `fetch(project_id, task_id)` asks for one trace; `may_ask` says whether it can."""

    def __init__(
        self,
        traces: TraceCache,
        shown: Shown,
        may_ask: Callable[[], bool],
        fetch: Callable[[str, str], Awaitable[object]],
    ) -> None:
        self._traces = traces
        self._shown = shown
        self._may_ask = may_ask
        self._fetch = fetch
        self._of_project: str | None = None
        self._refused: dict[str, int] = {}
        self._refreshing: asyncio.Task[None] | None = None

    def look(self) -> None:
        """Something was published: if a trace is older than its task now, begin to refresh."""
        if self._refreshing is None and self._may_ask() and self._stale():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh(), name="roma-traces")
            self._refreshing.add_done_callback(self._ended)

    def close(self) -> None:
        if self._refreshing is not None:
            self._refreshing.cancel()

    def _ended(self, refreshing: asyncio.Task[None]) -> None:
        self._refreshing = None
        if not refreshing.cancelled() and refreshing.exception() is not None:
            _log.error("refreshing traces", exc_info=refreshing.exception())

    async def _refresh(self) -> None:
        """In rounds, so that a task that never rests costs one request a round."""
        while True:
            await asyncio.sleep(REFRESH_AFTER_S)
            stale = self._stale()
            if not stale:
                return
            for task_id, task_print in stale:
                project_id = self._of_project
                if not self._may_ask() or project_id is None:
                    return
                shown = self._shown()
                if shown is None or shown.project.project_id != project_id:
                    break  # another project is shown: the rest of the round was of this one
                key, task = (project_id, task_id), shown.tasks.get(task_id)
                if task is None or self._traces.get(project_id, task) or key in self._traces.refreshing:
                    continue  # gone, or somebody else has fetched it meanwhile, or does
                self._traces.refreshing.add(key)
                try:
                    await self._fetch(project_id, task_id)
                except RomaError as error:  # whoever wants it asks for it, and is told why not
                    self._refused[task_id] = task_print
                    _log.debug("the trace of %s: %s", shorten(task_id, 60), error)
                finally:
                    self._traces.refreshing.discard(key)

    def _stale(self) -> list[tuple[str, int]]:
        """Ids and prints of the shown tasks whose trace was fetched before they became what they are."""
        shown = self._shown()
        if shown is None:
            return []
        if self._of_project != shown.project.project_id:
            self._of_project = shown.project.project_id
            self._refused.clear()
        changed = self._traces.fetched_before(shown.project.project_id, shown.tasks)
        prints = ((task_id, print_of(shown.tasks[task_id])) for task_id in changed)
        return [pair for pair in prints if self._refused.get(pair[0]) != pair[1]]
