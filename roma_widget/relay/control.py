"""What clients ask a relay to do to projects: passed up to the server they belong to, which has the last word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..client.actions import Actions
from ..server.agents.runs import OnEnd
from ..server.live.audience import Audience
from ..server.live.news import News
from ..server.live.records import Records
from ..server.state.project_records import ProjectRecord
from ..server.state.state import State
from ..server.wire.requests import MAX_STEPS, Refused
from .above import passed_up
from .other_projects import OtherProjects

WITHIN_S = 30.0
NOT_HERE = "this relay does not pass that on: ask the server itself"


class RelayControl(Records):
    """See the module. `actions` asks the server above as a notebook would."""

    def __init__(
        self, state: State, audience: Audience, news: News, actions: Actions, others: OtherProjects
    ) -> None:
        super().__init__(state, audience, news)
        self._actions = actions
        self._others = others

    @property
    def can_start(self) -> bool:
        return True

    async def start(
        self,
        goal: str,
        *,
        max_steps: int = MAX_STEPS,
        record: ProjectRecord | None = None,
        config: msgspec.Raw | None = None,
        options: Mapping[str, Any] | None = None,
        make_current: bool = True,
        on_end: OnEnd | None = None,
    ) -> dict[str, Any]:
        if record is not None or on_end is not None or not make_current:
            raise Refused(NOT_HERE, status=501)
        sections: dict[str, Any] | None = None if config is None else msgspec.json.decode(config)
        with passed_up():
            project_id = await self._actions.start(goal, max_steps, WITHIN_S, sections)
        started = self.record(project_id)
        with self.state.lock:
            return started.entry()

    async def frame(self, record: ProjectRecord, restored: Mapping[str, Any] | None = None) -> bytes:
        await self.look(record.project_id)
        return await super().frame(record, restored)

    async def load(self, record: ProjectRecord) -> None:
        await self.look(record.project_id)
        await super().load(record)

    async def look(self, project_id: str) -> None:
        await self._others.look(project_id)

    async def running(self) -> Mapping[str, Any] | None:
        return await self._others.running()

    async def switch(self, record: ProjectRecord) -> bytes:
        with passed_up():
            await self._actions.switch(record.project_id, WITHIN_S)
        return await self.graph(record)

    async def switched(self, record: ProjectRecord) -> None:
        """The server above says that another project is current."""
        self.tell_switched(record, await self.graph(record))

    async def stop(self, record: ProjectRecord) -> None:
        with passed_up():
            await self._actions.stop(record.project_id, WITHIN_S)

    async def delete(self, record: ProjectRecord) -> None:
        raise Refused(NOT_HERE, status=501)

    async def save(self, record: ProjectRecord) -> None:
        with passed_up():
            await self._actions.save(WITHIN_S, record.project_id)

    async def clear_traces(self, record: ProjectRecord) -> None:
        raise Refused(NOT_HERE, status=501)
