"""The extension of ROMA's protocol, for clients that connect with `auth={"roma_widget": 1}`: what they are told
and what they may ask.

They get snapshots and deltas instead of frames (`delta`), tasks without their large parts (`lean`) and these on
request, and the stages of tasks that they watch (`watching`). All of it is told by `newest`, when the client has
taken what came before: a client that does not read costs no memory. docs/protocol.md has every event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any, Protocol

import msgspec

from roma_widget.server.live import lean
from roma_widget.server.live.delta import Deltas, Place
from roma_widget.server.live.packing import pack
from roma_widget.server.live.watching import MOST_WATCHED, Watching
from roma_widget.server.network.subscriber import Message
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.state.traces import ProcessingStage
from roma_widget.server.wire.json_parts import with_member
from roma_widget.server.wire.records import compact_json, encode
from roma_widget.server.wire.requests import Refused, one_sentence, rid_of, shown

VERSION = 1
ReadHistory = Callable[[str], Awaitable[bytes]]
Reconnect = Callable[[bool], Awaitable[bytes]]
Whole = Callable[[str, str], Awaitable[Mapping[str, Any]]]


class Receiver(Protocol):
    """What the extension needs of a client (`app.Client`)."""

    @property
    def sid(self) -> str: ...

    def refresh(self) -> None:
        """Asks for `newest` when the client has taken all before."""


class Extension:
    """All methods are called on the server's loop, except `stage_changed`."""

    EVENTS = (
        "request_snapshot",
        "watch_task",
        "unwatch_task",
        "request_task_result",
        "request_history",
        "reconnect_above",
    )

    def __init__(self, state: State) -> None:
        self._state = state
        self._deltas = Deltas(state)
        self._watching = Watching(state)
        self._places: dict[str, Place] = {}
        self.whole: Whole | None = None
        """Gives the fields of a task that is lean here, too: of a relay. Raises `Refused`."""
        self.history: ReadHistory | None = None
        """Gives what a relay has heard of a project, as an archive. Raises `Refused`."""
        self.reconnect_above: Reconnect | None = None
        """Has a relay try its own link now, by force where a person said so; gives its `relay`. Raises `Refused`."""

    def welcome(self, client: Receiver) -> list[tuple[str, bytes]]:
        """The first messages to a client that joined: JSON, and always the same."""
        self._places[client.sid] = Place()
        said = {"version": VERSION, "server": f"roma-widget {version('roma-widget')}"}
        return [("extension", compact_json(said))]

    def left(self, client: Receiver) -> None:
        self._places.pop(client.sid, None)
        self._watching.left(client.sid)

    def tick(self) -> None:
        """Something changed: it may be told from now on. Called before the clients are refreshed."""
        self._deltas.tick()
        self._watching.tick()

    def stage_changed(self, project_id: str, node_id: str, stage: ProcessingStage) -> bool:
        """From any thread, under the state's lock. Whether somebody is to be told, so that a `tick` is due."""
        return self._watching.stage_changed(project_id, node_id, stage)

    def newest(self, client: Receiver) -> Message | None:
        """A snapshot or a delta if there is one, or else stages; None when the client is up to date."""
        place = self._places.setdefault(client.sid, Place())
        message = self._deltas.newest(place, client.refresh)
        if message is None:
            stages = self._watching.take(client.sid)
            message = ("stages", stages, True) if stages is not None else None
        if self._watching.has_due(client.sid):
            client.refresh()
        return message

    async def request(self, client: Receiver, event: str, fields: Mapping[str, Any]) -> list[Message]:
        """The replies to one of `EVENTS`. Raises `Refused`."""
        rid = rid_of((fields,))
        if event == "request_snapshot":
            self._places.setdefault(client.sid, Place()).lose()
            client.refresh()
            return []
        if event == "reconnect_above":
            return await self._reconnect_above(fields, rid)
        project_id = self._project_id(fields)
        if event == "request_history":
            return await self._history_of(project_id, rid)
        node_id = _id(fields, "node_id")
        task = project_id, node_id
        known = {"project_id": project_id, "node_id": node_id, "rid": rid}
        if event == "unwatch_task":  # also of a project that is gone
            if not self._watching.unwatch(client.sid, task):
                raise Refused(f"task {shown(node_id)} is not watched")
            return [("task_unwatched", pack(known), True)]
        record = self._record(project_id)
        node = await self._fields_of(record, node_id)
        if event == "watch_task":
            if not self._watching.watch(client.sid, task):
                raise Refused(f"a client may watch {MOST_WATCHED} tasks at a time: unwatch_task ends one")
            return [("task_watched", pack(known), True)]
        whole = await self._whole_of(task, node)
        return [("task_result_data", await asyncio.to_thread(_result, known, whole, record.goal), True)]

    async def _reconnect_above(self, fields: Mapping[str, Any], rid: str | int | None) -> list[Message]:
        force = fields.get("force", False)
        if not isinstance(force, bool):
            raise Refused("force must be true or false")
        if self.reconnect_above is None:
            raise Refused("this server is no relay: there is none above it")
        told = await self.reconnect_above(force)
        return [("relay", told if rid is None else with_member(told, "rid", compact_json(rid)), False)]

    async def _history_of(self, project_id: str, rid: str | int | None) -> list[Message]:
        self._record(project_id)
        if self.history is None:
            raise Refused("this server keeps no history: a relay of it does")
        told = {"project_id": project_id, "rid": rid, "archive": await self.history(project_id)}
        return [("history_data", await asyncio.to_thread(pack, told), True)]

    def _project_id(self, fields: Mapping[str, Any]) -> str:
        if fields.get("project_id") is not None:
            return _id(fields, "project_id")
        current_id = self._state.projects.current_id
        if current_id is None:
            raise Refused("project_id is required: there is no current project")
        return current_id

    def _record(self, project_id: str) -> ProjectRecord:
        with self._state.lock:
            if project_id not in self._state.projects:
                raise Refused(f"Project {shown(project_id)} not found")
            return self._state.projects.get(project_id)

    async def _fields_of(self, record: ProjectRecord, node_id: str) -> dict[str, Any]:
        """A task's fields, from disk if they have to be."""
        with self._state.lock:
            is_loaded = self._state.projects.is_loaded(record.project_id)
        try:
            read = (
                self._read(record, node_id)
                if is_loaded
                else await asyncio.to_thread(self._read, record, node_id)
            )
        except StoreError as error:
            raise Refused(one_sentence(error)) from error
        if read is None:
            raise Refused(f"No task {shown(node_id)} in project {record.project_id}")
        return read

    async def _whole_of(self, task: tuple[str, str], fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return await self.whole(*task) if self.whole is not None and lean.is_lean(fields) else fields

    def _read(self, record: ProjectRecord, node_id: str) -> dict[str, Any] | None:
        with self._state.lock:
            node = self._state.projects.nodes(record).get(node_id)
            return dict(node.fields) if node is not None else None


def _id(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if value is None or value == "":
        raise Refused(f"{key} is required")
    if not isinstance(value, str):
        raise Refused(f"{key} must be text")
    return value


def _result(known: dict[str, Any], fields: Mapping[str, Any], goal: str) -> bytes:
    """What a lean node left out, and the full texts of what it cut. In a thread: results may be megabytes."""
    return pack(
        {
            **known,
            "result": _json_text(fields["full_result"]),
            "execution_details": _json_text(fields["execution_details"]),
            "aux_data": _json_text(fields["aux_data"]),
            "texts": {key: fields[key] for key in lean.cut(fields, goal)},
        }
    )


def _json_text(value: Any) -> str:
    return (bytes(value) if isinstance(value, msgspec.Raw) else encode(value)).decode()
