"""The backend of `Server`: answers clients from the state as it is, and tells them when it has moved.

Requests come in as `requests` types them; what they do to projects is `control`'s, prompts are `asking`'s, who is told
what when is `news`'s. Everything here runs on the server's loop; what may wait for the disk waits in a thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from aiohttp import web

from roma_widget.server.live import http_api
from roma_widget.server.live.audience import Audience
from roma_widget.server.live.control import cleared_news
from roma_widget.server.live.extension import Extension
from roma_widget.server.live.news import FRAME, PROJECTS, News
from roma_widget.server.live.parts import MakeParts
from roma_widget.server.live.simple import SimpleExecutions
from roma_widget.server.network.app import Client, Message, Shell
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.state.store import StoreError
from roma_widget.server.wire.json_parts import with_member
from roma_widget.server.wire.records import compact_json, encode, now_iso
from roma_widget.server.wire.requests import (
    ERRORS,
    EVENTS,
    AutoSaveProject,
    ClearTraces,
    ForceSaveProject,
    HitlResponse,
    Refused,
    Request,
    RequestInitialState,
    RequestNodeTrace,
    RequestProjectRestore,
    RequestStageDetails,
    RestoreProjectState,
    SimpleExecuteStream,
    StartProject,
    StartProjectExecution,
    StopProject,
    SwitchProject,
    fields_of,
    one_sentence,
    parse,
    rid_of,
)

_log = logging.getLogger("roma_widget.server")


@dataclass(frozen=True, slots=True)
class Asker:
    """A client with the id of its request, which every reply repeats."""

    client: Client
    rid: str | int | None = None

    async def reply(self, event: str, payload: bytes) -> None:
        """`payload` is the text of a JSON object."""
        if self.rid is not None:
            payload = with_member(payload, "rid", compact_json(self.rid))
        await self.client.reply(event, payload)


class Live:
    """See the module. `shell` is set when there is one; `extension` is told of every changed stage."""

    events = (*EVENTS, *Extension.EVENTS)

    def __init__(self, state: State, make_parts: MakeParts) -> None:
        self._state = state
        self._audience = Audience()
        self.extension = Extension(state)
        self._news = News(state, self.extension, self._audience.refresh)
        self.control, self._asking, self._traces = make_parts(self._audience, self._news)
        self._simple = SimpleExecutions(state, self.control, self._audience)
        self._news.projects_moved()
        self.relay: Callable[[], Mapping[str, Any]] | None = None
        """How a relay stands with the server above it; None: the projects are this server's own."""

    @property
    def shell(self) -> Shell | None:
        return self._audience.shell

    @shell.setter
    def shell(self, shell: Shell) -> None:
        self._audience.shell = shell

    @property
    def state(self) -> State:
        return self._state

    @property
    def clients_now(self) -> int:
        return len(self._audience)

    @property
    def questions_now(self) -> int:
        return self._asking.n_open

    # --- what the shell calls ------------------------------------------------------------------------------------

    async def joined(self, client: Client) -> None:
        """The projects and the current one, to the client that joined; no run is touched."""
        if client.extension:
            for event, payload in self.extension.welcome(client):
                await client.reply(event, payload)
            if self.relay is not None:
                await client.reply("relay", encode(self.relay()))
        await client.reply(PROJECTS, self._news.projects_list(client))
        if client.extension:
            message = self.extension.newest(client)  # None: it is being made, and comes when it is
            if message is not None:
                event, payload, binary = message
                await client.reply(event, payload, binary=binary)
            self._asking.ask_again(client)
            return
        try:
            await client.reply(FRAME, await self._frame(client))
        except Refused as refused:
            await client.reply(*_refusal("request_initial_state", str(refused)))

    def left(self, client: Client) -> None:
        self._news.left(client)
        self.extension.left(client)

    async def request(self, client: Client, event: str, args: tuple[Any, ...]) -> None:
        asker = Asker(client, rid_of(args) if client.extension else None)
        try:
            if event in Extension.EVENTS:
                await self._ask_extension(asker, event, fields_of(event, args))
            else:
                await self._answer(asker, parse(event, args))
        except Refused as refused:
            await asker.reply(*_refusal(event, str(refused)))
        except Exception:
            _log.exception("Answering %s failed.", event)
            await asker.reply(*_refusal(event, "internal error"))

    def refused(self, client: Client, event: str, why: str, args: tuple[Any, ...] = ()) -> tuple[str, bytes]:
        name, payload = _refusal(event, why)
        rid = rid_of(args) if client.extension else None
        return name, payload if rid is None else with_member(payload, "rid", compact_json(rid))

    def newest(self, client: Client) -> Message | None:
        return self._news.newest(client)

    def routes(self) -> list[web.RouteDef]:
        return http_api.routes(self)

    # --- what the server calls -----------------------------------------------------------------------------------

    def projects_changed(self) -> None:
        """A project was made: clients of the extension are told at once."""
        self.control.projects_moved()

    def tick(self) -> None:
        """Something changed since the last time."""
        self._news.projects_moved()
        self.extension.tick()
        self._audience.refresh_extended()
        if self._audience.has_plain():
            self._news.prepare(self._audience.refresh)

    def close(self) -> None:
        """Before the shell stops: nothing is prepared any more."""
        self._news.close()

    # --- requests ------------------------------------------------------------------------------------------------

    async def _answer(self, asker: Asker, request: Request) -> None:
        match request:
            case RequestInitialState():
                await self._initial_state(asker)
            case StartProject():
                await self._start(asker, request)
            case SimpleExecuteStream():
                await self._simple.start(request)
                started = {
                    "message": f"Simple execution started: {request.goal[:50]}...",
                    "goal": request.goal,
                }
                await asker.reply("simple_execution_started", encode(started))
            case SwitchProject(project_id):
                await self._switch(asker, self.control.record(project_id))
            case RestoreProjectState(project_id):
                await asker.reply(
                    "project_restored", await self.control.graph(self.control.record(project_id))
                )
            case RequestProjectRestore(project_id):
                await self._restore(asker, project_id)
            case AutoSaveProject(project_id):
                await self.control.save(self.control.record(project_id))
            case ForceSaveProject(project_id):
                await self._force_save(asker, self.control.record(project_id))
            case StartProjectExecution():
                await self._execute_again(asker, request)
            case RequestNodeTrace(project_id, node_id):
                await asker.reply("node_trace_data", await self._traces.trace(project_id, node_id))
            case RequestStageDetails(project_id, node_id, stage_id):
                details = await self._traces.stage_details(project_id, node_id, stage_id)
                await asker.reply("stage_details_data", details)
            case ClearTraces(project_id):
                await self.control.clear_traces(self.control.record(project_id))
                await asker.reply("traces_cleared", cleared_news(project_id))
                self._audience.extended("traces_cleared", cleared_news(project_id), but=asker.client)
            case HitlResponse():
                await self._asking.answer(asker.client, request, asker.rid)
            case StopProject(project_id):
                await self.control.stop(self.control.record(project_id))
                stopped = {"project_id": project_id, "message": f"Project {project_id} was stopped"}
                await asker.reply("project_stopped", compact_json(stopped))
            case _:
                assert_never(request)

    async def _initial_state(self, asker: Asker) -> None:
        """As at a join, to the one who asks; no run is touched (on ROMA this freezes it)."""
        client = asker.client
        await asker.reply(PROJECTS, self._news.projects_list(client))
        if client.extension:
            await self._ask_extension(asker, "request_snapshot", {})
            self._asking.ask_again(client)
        else:
            await asker.reply(FRAME, await self._frame(client))

    async def _frame(self, client: Client) -> bytes:
        try:
            await self._news.loaded()
        except StoreError as error:
            raise Refused(one_sentence(error)) from error
        return self._news.frame(client)

    async def _ask_extension(self, asker: Asker, event: str, fields: Mapping[str, Any]) -> None:
        if not asker.client.extension:
            raise Refused(f"{event} is for clients that connect with auth={{'roma_widget': 1}}")
        for name, payload, binary in await self.extension.request(asker.client, event, fields):
            await asker.client.reply(name, payload, binary=binary)

    async def _start(self, asker: Asker, request: StartProject) -> None:
        record = None
        if request.project_id is not None:
            record = self.control.record(request.project_id, "Project not found")
        project = await self.control.start(request.goal, max_steps=request.max_steps, record=record)
        reply = {"message": f"Project started: {request.goal}", "project": project}
        await asker.reply("project_started", encode(reply))

    async def _execute_again(self, asker: Asker, request: StartProjectExecution) -> None:
        record = self.control.record(request.project_id)
        await self.control.start(request.goal, max_steps=request.max_steps, record=record)
        reply = {
            "project_id": request.project_id,
            "message": f"Re-execution started for project {request.project_id}",
            "goal": request.goal,
            "max_steps": request.max_steps,
        }
        await asker.reply("execution_started", encode(reply))

    async def _switch(self, asker: Asker, record: ProjectRecord) -> None:
        graph = await self.control.switch(record)
        reply = encode(
            {
                "project_id": record.project_id,
                "message": f"Switched to project: {record.fields['title']}",
            }
        )
        if not asker.client.extension:  # the others get the snapshot, once and smaller
            reply = with_member(reply, "project_data", graph)
        await asker.reply("project_switch_success", reply)

    async def _restore(self, asker: Asker, project_id: str) -> None:
        record = self.control.record(project_id, "No saved state found for project {}")
        restored = {"restored": True, "restored_at": now_iso(), "restored_from": "basic_state"}
        await asker.reply("project_restored", await self.control.frame(record, restored))

    async def _force_save(self, asker: Asker, record: ProjectRecord) -> None:
        await self.control.save(record)
        saved = {
            "project_id": record.project_id,
            "message": "Project saved successfully",
            "node_count": record.node_count,
        }
        await asker.reply("save_success", compact_json(saved))


def _refusal(event: str, why: str) -> tuple[str, bytes]:
    error = ERRORS[event]
    return error.event, error.payload(why)
