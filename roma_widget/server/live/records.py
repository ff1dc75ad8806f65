"""The projects as the server's loop looks at them: read without holding it up, told when another is current."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from roma_widget.errors import UnknownProject
from roma_widget.server.live.audience import Audience
from roma_widget.server.live.news import News
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.wire.json_parts import join_object, split_object
from roma_widget.server.wire.records import compact_json, encode, now_iso
from roma_widget.server.wire.requests import Refused, one_sentence, shown

T = TypeVar("T")


class Records:
    """See the module. What waits for the disk waits in a thread."""

    def __init__(self, state: State, audience: Audience, news: News) -> None:
        self.state = state
        self._audience = audience
        self._news = news

    def record(self, project_id: str, unknown: str = "Project {} not found") -> ProjectRecord:
        """The project of this id. Raises `Refused` in the words of `unknown`."""
        try:
            with self.state.lock:
                return self.state.projects.get(project_id)
        except UnknownProject:
            raise Refused(unknown.format(shown(project_id)), status=404) from None

    def tell_switched(self, record: ProjectRecord, graph: bytes) -> None:
        """Another project is current: everyone hears it, plain clients with its `graph`."""
        head = {"project_id": compact_json(record.project_id)}
        tail = {"timestamp": compact_json(now_iso())}
        plain = join_object({**head, "project_data": graph, **tail}) if self._audience.has_plain() else b""
        self._audience.by_kind("project_switched", plain, join_object({**head, **tail}))
        self._news.forget_frames()
        self._audience.refresh()

    async def frame(self, record: ProjectRecord, restored: Mapping[str, Any] | None = None) -> bytes:
        """The project's frame; `restored` stands at its end."""

        def read() -> bytes:
            self.state.projects.load(record.project_id)
            return self.state.projects.frame(record.project_id, restored=restored)

        return await _from_disk(read)

    async def graph(self, record: ProjectRecord) -> bytes:
        """Its Graph and `current_project`: a frame without `project_id` and `timestamp`."""
        parts = split_object(await self.frame(record))
        return join_object(
            {key: value for key, value in parts.items() if key not in ("project_id", "timestamp")}
        )

    async def load(self, record: ProjectRecord) -> None:
        """Returns when the project's tasks are in memory."""
        await _from_disk(lambda: self.state.projects.load(record.project_id))

    async def look(self, project_id: str) -> None:
        """What is here is the newest there is."""

    async def running(self) -> Mapping[str, Any] | None:
        return None

    def projects_moved(self) -> None:
        """Clients of the extension are told at once when a project began, ended or went."""
        if self._news.projects_moved():
            self._audience.refresh_extended()

    def entry(self, record: ProjectRecord) -> bytes:
        """The project as in `projects_list`."""
        with self.state.lock:
            entry = record.entry()
        return encode(entry)


async def _from_disk(read: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(read)
    except StoreError as error:
        raise Refused(one_sentence(error), status=500) from error
