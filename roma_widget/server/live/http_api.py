"""ROMA's HTTP API, the part of it that concerns projects, runs, results and health, answered from the live state.

Errors are `{"error": ...}` throughout; what is not here (profiles, S3 details, `hitl-test`, sample traces) is 404.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import msgspec
from aiohttp import web

from roma_widget.server.live.http_bodies import config_of, max_steps_of, object_of, require
from roma_widget.server.live.parts import Controls
from roma_widget.server.live.report import FORMATS, Report, report_of
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.wire.records import compact_json, encode, now_iso
from roma_widget.server.wire.requests import MAX_STEPS, Refused, check_goal

Handler = Callable[[web.Request], Awaitable[web.Response]]
_STATUSES = (
    "PENDING",
    "READY",
    "RUNNING",
    "PLAN_DONE",
    "AGGREGATING",
    "DONE",
    "FAILED",
    "NEEDS_REPLAN",
    "CANCELLED",
)


class Backend(Protocol):
    """What the API needs of the live server."""

    @property
    def state(self) -> State: ...

    @property
    def control(self) -> Controls: ...

    @property
    def questions_now(self) -> int: ...

    @property
    def clients_now(self) -> int: ...

    @property
    def relay(self) -> Callable[[], Mapping[str, Any]] | None: ...


def routes(backend: Backend) -> list[web.RouteDef]:
    """All routes."""
    api = _Api(backend)
    project = "/api/projects/{project_id}"
    return [
        web.get("/api/health", _answered(api.health)),
        web.get("/readiness", _answered(api.readiness)),
        web.get("/api/readiness", _answered(api.readiness)),
        web.get("/api/system-info", _answered(api.system_info)),
        web.get("/api/system/hitl-debug", _answered(api.hitl_debug)),
        web.get("/api/task-graph", _answered(api.task_graph)),
        web.get("/api/executions", _answered(api.executions)),
        web.get("/api/projects", _answered(api.projects)),
        web.post("/api/projects", _answered(api.create)),
        web.post("/api/projects/configured", _answered(api.create_configured)),
        web.get(project, _answered(api.project)),
        web.delete(project, _answered(api.delete)),
        web.post(f"{project}/switch", _answered(api.switch)),
        web.post(f"{project}/stop", _answered(api.stop)),
        web.get(f"{project}/config", _answered(api.config)),
        web.post(f"{project}/save-results", _answered(api.save_results)),
        web.get(f"{project}/load-results", _answered(api.load_results)),
        web.get(f"{project}/download-report", _answered(api.download_report)),
    ]


def _answered(handler: Handler) -> Handler:
    async def answered(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except Refused as refused:
            return _json({"error": str(refused)}, refused.status)

    return answered


class _Api:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._state = backend.state
        self._control = backend.control
        self._boot = secrets.token_hex(4)
        """Versions begin anew with each start of the server; entity tags must not."""

    # --- the server ----------------------------------------------------------------------------------------------

    async def health(self, request: web.Request) -> web.Response:
        body = {"status": "healthy", "initialized": True, "timestamp": now_iso(), "safe_to_join": True}
        if self._state.storage_error is not None:
            body["storage"] = self._state.storage_error
        if self._backend.relay is not None:
            body["relay"] = self._backend.relay()
        return _json(body)

    async def readiness(self, request: web.Request) -> web.Response:
        if self._state.storage_error is not None:
            return _json({"ready": False, "error": self._state.storage_error}, 503)
        return _json({"ready": True, "can_start_runs": self._control.can_start, "timestamp": now_iso()})

    async def system_info(self, request: web.Request) -> web.Response:
        """The numbers of the current project; ROMA's are always 0."""
        record = self._current()
        if record is not None:
            await self._control.load(record)
        counts = dict.fromkeys(_STATUSES, 0)
        with self._state.lock:
            nodes = self._state.projects.nodes(record) if record is not None else {}
            for node in nodes.values():
                status = str(node.fields["status"])
                counts[status] = counts.get(status, 0) + 1
            parents = {node.fields["parent_node_id"] for node in nodes.values()}
        return _json(
            {
                "components": {
                    "orchestrator": "roma-widget embedded server",
                    "scheduler": {"total_nodes": len(nodes), **_as_scheduled(counts)},
                    "hitl": {"pending": self._backend.questions_now},
                },
                "config": {"hitl_enabled": True, "max_steps": MAX_STEPS, "profile": None},
                "state": {"graphs": len(parents), "nodes": len(nodes), "state_stats": counts},
            }
        )

    async def hitl_debug(self, request: web.Request) -> web.Response:
        status = {
            "ready": True,
            "socketio_available": True,
            "connected_clients": self._backend.clients_now,
            "pending_requests": self._backend.questions_now,
            "timeout_seconds": None,
        }
        return _json(
            {
                "hitl_status": status,
                "system_hitl_ready": True,
                "config_hitl_enabled": True,
                "environment_vars": {},
                "timestamp": now_iso(),
            }
        )

    async def task_graph(self, request: web.Request) -> web.Response:
        record = self._current()
        if record is None:
            return _json(self._state.projects.frame(None))
        return _json(await self._control.frame(record))

    async def executions(self, request: web.Request) -> web.Response:
        running = await self._control.running()
        if running is not None:
            return _json({"running_executions": running})
        with self._state.lock:
            alive = {
                record.project_id: {
                    "goal": record.goal,
                    "max_steps": record.fields["max_steps"],
                    "started_at": _started_at(record),
                    "is_alive": True,
                }
                for record in self._state.projects.records()
                if record.alive
            }
        return _json({"running_executions": alive})

    # --- projects ------------------------------------------------------------------------------------------------

    async def projects(self, request: web.Request) -> web.Response:
        with self._state.lock:
            listed = self._state.projects.listed()
        return _json(listed)

    async def create(self, request: web.Request) -> web.Response:
        body = await object_of(request)
        require(body, "goal")
        project = await self._control.start(check_goal(body["goal"]), max_steps=max_steps_of(body))
        return _json({"project": project, "message": "Project created and started"}, 201)

    async def create_configured(self, request: web.Request) -> web.Response:
        body = await object_of(request)
        require(body, "goal", "config")
        goal, max_steps = check_goal(body["goal"]), max_steps_of(body)
        config = config_of(body["config"])
        options = {name: value for name, value in body["config"].items() if name != "max_steps"}
        project = await self._control.start(goal, max_steps=max_steps, config=config, options=options)
        created = {
            "project": project,
            "message": "Configured project created and started",
            "config_applied": True,
        }
        return _json(created, 201)

    async def project(self, request: web.Request) -> web.Response:
        """The project and its frame; 304 when nothing changed since the frame that the client has."""
        await self._control.look(request.match_info["project_id"])
        record = self._record(request)
        with self._state.lock:
            tag = f"{self._boot}-{id(record):x}-{record.version}-{record.saved_at or ''}"
        headers = {"ETag": f'W/"{tag}"', "Cache-Control": "no-cache"}
        known = request.if_none_match or ()
        if any(etag.value in (tag, "*") for etag in known):
            return web.Response(status=304, headers=headers)
        frame = await self._control.frame(record)
        body = b'{"project":' + self._control.entry(record) + b',"state":' + frame + b"}"
        return _json(body, headers=headers)

    async def delete(self, request: web.Request) -> web.Response:
        await self._control.delete(self._record(request))
        return _json({"message": "Project deleted successfully"})

    async def switch(self, request: web.Request) -> web.Response:
        record = self._record(request)
        await self._control.switch(record)
        project = msgspec.Raw(self._control.entry(record))
        return _json({"project": project, "message": f"Switched to project {record.project_id}"})

    async def stop(self, request: web.Request) -> web.Response:
        record = self._record(request)
        await self._control.stop(record)
        project_id = record.project_id
        return _json({"project_id": project_id, "message": f"Project {project_id} was stopped"})

    async def config(self, request: web.Request) -> web.Response:
        record = self._record(request)
        if record.config is None:
            raise Refused("Project configuration not found", status=404)
        return _json({"project_id": record.project_id, "config": record.config})

    # --- results -------------------------------------------------------------------------------------------------

    async def save_results(self, request: web.Request) -> web.Response:
        record = self._record(request)
        await self._control.save(record)
        saved = {"project_id": record.project_id, "saved_at": record.saved_at}
        return _json({"message": "Project saved successfully", **saved})

    async def load_results(self, request: web.Request) -> web.Response:
        record = self._record(request)
        if record.saved_at is None:
            raise Refused("No saved results found", status=404)
        frame = await self._control.frame(record)
        with self._state.lock:
            metadata = {
                "node_count": record.node_count,
                "project_goal": record.goal,
                "completion_status": record.completion_status(),
            }
        saved = {"project_id": record.project_id, "saved_at": record.saved_at, "version": "1.0"}
        return _json(
            {
                "basic_state": msgspec.Raw(frame),
                "saved_at": record.saved_at,
                "metadata": metadata,
                "save_metadata": saved,
            }
        )

    async def download_report(self, request: web.Request) -> web.Response:
        record = self._record(request)
        kind = FORMATS.get(request.query.get("format", "markdown"))
        if kind is None:
            raise Refused("Unsupported format")
        await self._control.load(record)
        report = self._report(record)
        return web.Response(
            body=kind.write(report).encode(),
            content_type=kind.content_type,
            charset="utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="roma-report{kind.suffix}"',
                "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
                "X-Content-Type-Options": "nosniff",
            },
        )

    # --- parts ---------------------------------------------------------------------------------------------------

    def _report(self, record: ProjectRecord) -> Report:
        with self._state.lock:
            nodes = [dict(node.fields) for node in self._state.projects.nodes(record).values()]
            project = record.entry()
        return report_of(project, nodes)

    def _record(self, request: web.Request) -> ProjectRecord:
        return self._control.record(request.match_info["project_id"], "Project not found")

    def _current(self) -> ProjectRecord | None:
        with self._state.lock:
            return self._state.projects.current()


def _as_scheduled(counts: Mapping[str, int]) -> dict[str, int]:
    return {"completed" if status == "DONE" else status.lower(): count for status, count in counts.items()}


def _started_at(record: ProjectRecord) -> object:
    """When its first task came into being; before that, when the project did."""
    first = next(iter(record.nodes.values()), None) if record.nodes else None
    return first.fields["timestamp_created"] if first is not None else record.fields["created_at"]


def _json(
    body: bytes | Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """`body` as it is, or an object to encode."""
    if not isinstance(body, bytes):
        body = compact_json(body) if status >= 400 else encode(body)
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)
