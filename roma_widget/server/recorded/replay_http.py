"""The part of ROMA's HTTP API that a client needs to follow a run, answered from the replay's standing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from roma_widget.server.recorded.standing import Standing
from roma_widget.server.wire.records import compact_json


def routes(standing: Standing, *, safe_to_join: bool) -> list[web.RouteDef]:
    """The routes. `safe_to_join=False` leaves that word out of the health reply, as ROMA does."""

    async def health(request: web.Request) -> web.Response:
        timestamp = datetime.now(UTC).isoformat()
        body: dict[str, Any] = {"status": "healthy", "initialized": True, "timestamp": timestamp}
        if safe_to_join:
            body["safe_to_join"] = True
        return _json(compact_json(body))

    async def executions(request: web.Request) -> web.Response:
        return _json(compact_json(standing.executions()))

    async def projects(request: web.Request) -> web.Response:
        return _json(compact_json(standing.projects_list()))

    async def project(request: web.Request) -> web.Response:
        project_id = request.match_info["project_id"]
        if not standing.knows(project_id):
            return _json(compact_json({"error": "Project not found"}), status=404)
        entry, state = compact_json(standing.project(project_id)), standing.frame(project_id) or b"null"
        return _json(b'{"project":' + entry + b',"state":' + state + b"}")

    return [
        web.get("/api/health", health),
        web.get("/api/executions", executions),
        web.get("/api/projects", projects),
        web.get("/api/projects/{project_id}", project),
    ]


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")
