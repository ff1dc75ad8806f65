"""What each client is told when the state moves: plain clients the whole frame, those of the extension what changed.

A client is only told what it has not been told before, and a frame is encoded once for all who get it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from roma_widget.server.live.broadcast import SHARE
from roma_widget.server.live.extension import Extension
from roma_widget.server.network.app import Client, Message
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.wire.records import encode

FRAME = "task_graph_update"
LARGE = 500
"""Tasks from which on a frame is encoded in a thread."""
RESTLESS_S = 0.02
"""What costs less than this needs no rest."""
PROJECTS = "projects_list"

_Version = tuple[ProjectRecord | None, int]
"""What a frame shows. The record itself stands here, not its id: a project of the same id may be made anew."""

_log = logging.getLogger("roma_widget.server")


class News:
    """Knows what each client was told last. `refresh` is called when tasks have come from disk. Lives on the loop."""

    def __init__(self, state: State, extension: Extension, refresh: Callable[[], None]) -> None:
        self._state = state
        self._extension = extension
        self._refresh = refresh
        self._frame: tuple[_Version, bytes] | None = None
        self._preparing: asyncio.Task[None] | None = None
        self._prepare_again = False
        self._told: dict[Client, _Version] = {}
        self._list_version = 0
        self._listed: dict[str, object] = {}
        self._told_list: dict[Client, int] = {}
        self._loading: asyncio.Task[None] | None = None
        self._unreadable: set[str] = set()

    def left(self, client: Client) -> None:
        self._told.pop(client, None)
        self._told_list.pop(client, None)

    def close(self) -> None:
        for task in (self._preparing, self._loading):
            if task is not None:
                task.cancel()

    def forget_frames(self) -> None:
        """Plain clients are sent a frame at the next refresh, also when they have had it (after a switch)."""
        self._told.clear()
        self._frame = None

    def projects_list(self, client: Client) -> bytes:
        """The list for a client, which then knows it."""
        self._told_list[client] = self._list_version
        with self._state.lock:
            listed = self._state.projects.listed()
        return encode(listed)

    def projects_moved(self) -> bool:
        """Whether a project began, ended or went since the last time; clients of the extension will be told."""
        with self._state.lock:
            listed: dict[str, object] = {
                record.project_id: record.fields["status"] for record in self._state.projects.records()
            }
        if listed == self._listed:
            return False
        self._listed = listed
        self._list_version += 1
        return True

    def newest(self, client: Client) -> Message | None:
        """What is new for the client; None when nothing is, or when the tasks are still to be read from disk."""
        if client.extension and self._told_list.get(client) != self._list_version:
            client.refresh()  # for the tasks, when it has taken the list
            return PROJECTS, self.projects_list(client), False
        if client.extension:
            return self._extension.newest(client)
        if not self._is_loaded():
            self._load_soon()
            return None
        version, text = self._told_now()
        if self._told.get(client) == version:
            return None
        self._told[client] = version
        return FRAME, text, False

    def frame(self, client: Client) -> bytes:
        """The current project's newest frame for a client, which then knows it. Its tasks have to be loaded."""
        with self._state.lock:
            version = self._version()
        if self._frame is None or self._frame[0] != version:  # nothing is prepared while nobody listens
            self._frame = version, self._encode(version)
        self._told[client] = version
        return self._frame[1]

    def prepare(self, then: Callable[[], None]) -> None:
        """Encodes the frame that plain clients are told until the next time, and calls `then`.

        A large one is encoded in a thread. While that goes on, and four times as long after it, another call is
        only noted: encoding takes a fifth of the time at most.
        """
        if self._preparing is None:
            self._preparing = asyncio.create_task(self._prepare(then))
        else:
            self._prepare_again = True

    async def _prepare(self, then: Callable[[], None]) -> None:
        try:
            self._prepare_again = True
            while self._prepare_again:
                self._prepare_again = False
                began_s = time.monotonic()
                if self._is_loaded():
                    with self._state.lock:
                        version = self._version()
                    is_large = version[0] is not None and version[0].node_count > LARGE
                    text = (
                        await asyncio.to_thread(self._encode, version) if is_large else self._encode(version)
                    )
                    self._frame = version, text
                then()
                took_s = time.monotonic() - began_s
                if took_s > RESTLESS_S:
                    await asyncio.sleep(took_s * (1 / SHARE - 1))
        finally:
            self._preparing = None

    def _told_now(self) -> tuple[_Version, bytes]:
        """What plain clients are told at this time: the frame prepared last, if the project is still the same."""
        with self._state.lock:
            version = self._version()
        if self._frame is None or self._frame[0][0] is not version[0]:
            self._frame = version, self._encode(version)
        return self._frame

    def _encode(self, version: _Version) -> bytes:
        # taken after the version: what changes in between is told again rather than never
        record, _ = version
        return self._state.projects.frame(record.project_id if record is not None else None)

    async def loaded(self) -> None:
        """Returns when the current project's tasks are in memory. Raises `StoreError` when they cannot be read."""
        while not self._is_loaded():
            await asyncio.to_thread(self._load)

    def _version(self) -> _Version:
        record = self._state.projects.current()
        return record, record.version if record is not None else 0

    def _is_loaded(self) -> bool:
        with self._state.lock:
            current_id = self._state.projects.current_id
            return current_id is None or self._state.projects.is_loaded(current_id)

    def _load(self) -> None:
        current_id = self._state.projects.current_id
        if current_id is not None:
            self._state.projects.load(current_id)

    def _load_soon(self) -> None:
        current_id = self._state.projects.current_id
        if self._loading is None and current_id is not None and current_id not in self._unreadable:
            self._loading = asyncio.create_task(self._load_and_tell(current_id))

    async def _load_and_tell(self, project_id: str) -> None:
        try:
            await self.loaded()
        except StoreError as error:
            self._unreadable.add(project_id)
            _log.error("The tasks of project %s cannot be shown: %s", project_id, error)
        finally:
            self._loading = None
        self._frame = None  # what was prepared before may be older than what could not be told
        self._refresh()
