"""What happened inside tasks, asked for above once and kept, for however many ask for it below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..client.actions import Actions
from ..client.shared import Shared
from ..core.clock import ServerClock
from ..core.model import Trace
from ..server.live.records import Records
from ..server.wire.records import encode
from ..server.wire.requests import Refused, shown
from .above import passed_up
from .stamps import in_utc

WITHIN_S = 30.0
STAMPS = ("started_at", "completed_at")


class RelayTraces:
    """See the module. `actions` keeps what came; a failure is kept by nobody."""

    def __init__(self, records: Records, actions: Actions, clock: Callable[[], ServerClock]) -> None:
        self._records = records
        self._actions = actions
        self._clock = clock
        self._asking: Shared[tuple[str, str], Trace] = Shared()

    def forget(self, project_id: str) -> None:
        """They were cleared above."""
        self._asking.forget(lambda key: key[0] == project_id)

    async def close(self) -> None:
        await self._asking.close()

    async def trace(self, project_id: str, node_id: str) -> bytes:
        trace = await self._fetched(project_id, node_id)
        known = trace.raw
        stages = [self._in_utc(stage, *STAMPS) for stage in known.pop("stages")]
        return encode({"node_id": node_id, "trace": {**self._in_utc(known, "created_at"), "stages": stages}})

    async def stage_details(self, project_id: str, node_id: str, stage_id: str) -> bytes:
        for stage in (await self._fetched(project_id, node_id)).stages:
            if stage.stage_id == stage_id:
                known = self._in_utc(stage.raw, *STAMPS)
                return encode({"node_id": node_id, "stage_id": stage_id, "stage": known})
        raise Refused(f"Stage {shown(stage_id)} not found")

    async def _fetched(self, project_id: str, node_id: str) -> Trace:
        self._records.record(project_id)
        await self._records.look(project_id)
        with passed_up():
            trace = await self._asking.ask(
                (project_id, node_id), lambda: self._actions.trace(node_id, WITHIN_S, project_id)
            )
        if trace.is_sample:
            raise Refused(f"No trace found for node {shown(node_id)}")
        return trace

    def _in_utc(self, known: Mapping[str, Any], *keys: str) -> dict[str, Any]:
        """With stamps that name their zone."""
        clock = self._clock()
        return {key: in_utc(value, clock) if key in keys else value for key, value in known.items()}
