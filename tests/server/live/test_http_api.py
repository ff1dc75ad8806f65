"""The HTTP API of the embedded server: what it answers and what it refuses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from server.live_server import DEADLINE_S, FRAME, GOAL, Gate, ask, fail_saving, report

from roma_widget.server.agents.instrument import Project
from roma_widget.server.embedded import Server
from roma_widget.server.live.report import report_of

CONFIG = {"llm": {"model": "x"}, "execution": {"max_steps": 3}, "cache": {}}
Call = Callable[..., Awaitable[tuple[int, Any]]]


@asynccontextmanager
async def caller(server: Server) -> AsyncIterator[Call]:
    """`await call("GET", "/api/health")` gives the status and the body."""
    async with aiohttp.ClientSession() as http:

        async def call(method: str, path: str, **options: Any) -> tuple[int, Any]:
            url = aiohttp.client.URL(server.url + path, encoded=True)
            async with http.request(method, url, **options) as response:
                text = await response.text()
                is_json = response.content_type == "application/json"
                return response.status, json.loads(text) if is_json and text else text

        yield call


async def test_health_and_readiness_say_when_nothing_can_be_kept(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = await asyncio.to_thread(report, server)
    async with caller(server) as call:
        status, body = await call("GET", "/api/health")
        assert (status, body["status"], body["safe_to_join"], "storage" in body) == (
            200,
            "healthy",
            True,
            False,
        )
        for path in ("/readiness", "/api/readiness"):
            status, body = await call("GET", path)
            assert (status, body["ready"], body["can_start_runs"]) == (200, True, True)
        fail_saving(monkeypatch, server)
        status, body = await call("POST", f"/api/projects/{project.id}/save-results")
        assert (status, "disk is full" in body["error"]) == (507, True)
        status, body = await call("GET", "/api/health")
        assert (status, "disk is full" in body["storage"]) == (200, True)
        status, body = await call("GET", "/readiness")
        assert (status, body["ready"], "disk is full" in body["error"]) == (503, False, True)
        monkeypatch.undo()
        assert (await call("POST", f"/api/projects/{project.id}/save-results"))[0] == 200
        assert (await call("GET", "/readiness"))[0] == 200


async def test_what_the_server_says_of_itself(server: Server) -> None:
    async with caller(server) as call:
        _, body = await call("GET", "/api/system-info")
        assert body["state"]["nodes"] == 0
        await asyncio.to_thread(report, server)
        _, body = await call("GET", "/api/system-info")
        assert (body["state"]["nodes"], body["state"]["graphs"]) == (2, 2)
        assert body["state"]["state_stats"]["DONE"] == body["components"]["scheduler"]["completed"] == 2
        status, body = await call("GET", "/api/system/hitl-debug")
        assert (status, body["hitl_status"]["pending_requests"]) == (200, 0)
        assert body["hitl_status"]["connected_clients"] == 0


async def test_the_task_graph_is_the_current_frame(server: Server) -> None:
    async with caller(server) as call:
        status, body = await call("GET", "/api/task-graph")
        assert (status, body["all_nodes"], body["project_id"]) == (200, {}, None)
        project = await asyncio.to_thread(report, server)
        _, body = await call("GET", "/api/task-graph")
        assert (body["project_id"], list(body["all_nodes"])) == (project.id, ["root", "root.1"])


async def test_a_run_from_its_start_to_its_end(server: Server, gate: Gate) -> None:
    async with caller(server) as call:
        status, body = await call("POST", "/api/projects", json={"goal": GOAL, "max_steps": 9})
        project = body["project"]
        assert (status, body["message"], project["status"]) == (201, "Project created and started", "active")
        assert project["id"] in server.state.store.projects()
        await asyncio.to_thread(gate.entered.wait, DEADLINE_S)
        _, body = await call("GET", "/api/executions")
        run = body["running_executions"][project["id"]]
        assert (run["goal"], run["max_steps"], run["is_alive"]) == (GOAL, 9, True)
        status, body = await call("POST", f"/api/projects/{project['id']}/stop")
        assert (status, body["project_id"]) == (200, project["id"])
        assert (await call("GET", "/api/executions"))[1] == {"running_executions": {}}
        status, body = await call("POST", f"/api/projects/{project['id']}/stop")
        assert (status, body) == (409, {"error": f"Project {project['id']} is not running"})
        _, body = await call("GET", f"/api/projects/{project['id']}")
        assert (body["project"]["status"], body["state"]["all_nodes"]["root"]["status"]) == (
            "stopped",
            "CANCELLED",
        )


async def test_a_configured_project(server: Server, gate: Gate) -> None:
    gate.go.set()
    async with caller(server) as call:
        request = {"goal": GOAL, "config": CONFIG}
        status, body = await call("POST", "/api/projects/configured", json=request)
        assert (status, body["config_applied"]) == (201, True)
        project_id = body["project"]["id"]
        assert await call("GET", f"/api/projects/{project_id}/config") == (
            200,
            {"project_id": project_id, "config": CONFIG},
        )
        plain = await asyncio.to_thread(report, server)
        assert await call("GET", f"/api/projects/{plain.id}/config") == (
            404,
            {"error": "Project configuration not found"},
        )


async def test_a_server_without_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    with Server() as server:
        async with caller(server) as call:
            status, body = await call("POST", "/api/projects", json={"goal": GOAL})
            assert (status, body) == (501, {"error": "this server starts no runs"})
            assert (await call("GET", "/readiness"))[1]["can_start_runs"] is False


@pytest.mark.parametrize(
    ("path", "body", "error"),
    [
        ("", {}, "Request must contain JSON data"),
        ("", [], "Request must contain JSON data"),
        ("", [1], "Request must contain JSON data"),
        ("", "text", "Request must contain JSON data"),
        ("", None, "Request must contain JSON data"),
        ("", b"{bad json", "Invalid JSON format"),
        ("", b"\xff\xfe", "Invalid JSON format"),
        ("", b"[" * 100_000, "Invalid JSON format"),
        ("", {"max_steps": 5}, "Missing required fields: goal"),
        ("", {"goal": "x"}, "Goal must be at least 3 characters long"),
        ("", {"goal": 5}, "Goal must be a non-empty string"),
        ("", {"goal": "x" * 1001}, "Goal must be less than 1000 characters"),
        ("", {"goal": GOAL, "max_steps": "many"}, "max_steps must be a valid integer"),
        ("", {"goal": GOAL, "max_steps": 0}, "max_steps must be at least 1"),
        ("/configured", {"goal": GOAL}, "Missing required fields: config"),
        ("/configured", {"goal": GOAL, "config": {"llm": {}}}, "Missing required config section: execution"),
        ("/configured", {"goal": GOAL, "config": "x"}, "config must be an object"),
        (
            "/configured",
            {"goal": GOAL, "config": {**CONFIG, "cache": 5}},
            "config section cache must be an object",
        ),
        (
            "/configured",
            {"goal": GOAL, "config": {**CONFIG, "cache": {"x": "y" * 65_536}}},
            "config takes at most 65,536 bytes",
        ),
    ],
)
async def test_bad_bodies(server: Server, gate: Gate, path: str, body: Any, error: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body)
    async with caller(server) as call:
        headers = {"Content-Type": "application/json"}
        answer = await call("POST", f"/api/projects{path}", data=data, headers=headers)
    assert answer == (400, {"error": error})
    assert not gate.seen


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_bodies_that_any_web_page_could_send_are_refused(server: Server, gate: Gate, kind: str) -> None:
    async with caller(server) as call:
        data = json.dumps({"goal": GOAL})
        answer = await call("POST", "/api/projects", data=data, headers={"Content-Type": kind})
    assert answer == (400, {"error": "Invalid JSON format"})
    assert not gate.seen


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/switch"),
        ("POST", "/stop"),
        ("GET", "/config"),
        ("POST", "/save-results"),
        ("GET", "/load-results"),
        ("GET", "/download-report"),
    ],
)
@pytest.mark.parametrize("project_id", ["nope", "..%2f..%2fetc%2fpasswd", "%00", "%ED%A0%80", "x" * 5000])
async def test_unknown_projects(server: Server, method: str, path: str, project_id: str) -> None:
    async with caller(server) as call:
        answer = await call(method, f"/api/projects/{project_id}{path}")
    assert answer == (404, {"error": "Project not found"})


@pytest.mark.parametrize(
    "path",
    [
        "/api/profiles",
        "/api/project/details",
        "/api/system/hitl-test",
        "/api/system/hitl-request",
        "/api/system/create-sample-traces",
        "/api/simple/status",
        "/",
    ],
)
async def test_what_is_not_here(server: Server, path: str) -> None:
    async with caller(server) as call:
        for method in ("GET", "POST"):
            status, body = await call(method, path)
            assert (status, body.keys()) == (404, {"error"})


async def test_a_project_that_did_not_change_is_not_sent_again(server: Server) -> None:
    project = await asyncio.to_thread(report, server)
    await asyncio.to_thread(server.state.save)
    url = f"{server.url}/api/projects/{project.id}"
    async with aiohttp.ClientSession() as http:
        async with http.get(url) as response:
            tag, body = response.headers["ETag"], await response.json()
            assert list(body) == ["project", "state"]
            assert body["state"]["all_nodes"]["root"]["full_result"] == "the report"
        async with http.get(url, headers={"If-None-Match": f'"other", {tag}'}) as response:
            assert (response.status, await response.read()) == (304, b"")
        record = server.state.projects.get(project.id)
        with server.state.lock:
            server.state.projects.change(record, title="Another")
        async with http.get(url, headers={"If-None-Match": tag}) as response:
            assert (response.status, (await response.json())["project"]["title"]) == (200, "Another")


async def test_switching_tells_everyone(server: Server, client: Any) -> None:
    first = await asyncio.to_thread(report, server, "The first")
    await asyncio.to_thread(report, server, "The second")
    async with client(server.url) as watcher, caller(server) as call:
        status, body = await call("POST", f"/api/projects/{first.id}/switch")
        assert (status, body["message"]) == (200, f"Switched to project {first.id}")
        assert body["project"]["id"] == first.id
        await watcher.until(lambda: watcher.payloads(FRAME)[-1]["project_id"] == first.id)
        assert [event["project_id"] for event in watcher.payloads("project_switched")] == [first.id]
        _, body = await call("GET", "/api/projects")
        assert body["current_project_id"] == first.id


async def test_deleting_a_living_run_stops_it(server: Server, client: Any, gate: Gate) -> None:
    async with client(server.url) as watcher, caller(server) as call:
        _, body = await call("POST", "/api/projects", json={"goal": GOAL})
        project_id = body["project"]["id"]
        await asyncio.to_thread(gate.entered.wait, DEADLINE_S)
        assert await call("DELETE", f"/api/projects/{project_id}") == (
            200,
            {"message": "Project deleted successfully"},
        )
        assert (await call("GET", "/api/projects"))[1] == {"projects": [], "current_project_id": None}
        assert project_id not in server.state.store.projects()
        await watcher.until(lambda: watcher.payloads(FRAME)[-1]["project_id"] is None)
        assert await ask(watcher, "switch_project", {"project_id": project_id}) == [
            ("project_switch_error", {"error": f"Project {project_id} not found"})
        ]
        assert (await call("POST", "/api/projects", json={"goal": GOAL}))[0] == 201  # the server goes on


async def test_saved_results(server: Server) -> None:
    project = await asyncio.to_thread(report, server)
    async with caller(server) as call:
        status, body = await call("POST", f"/api/projects/{project.id}/save-results")
        assert (status, body["project_id"]) == (200, project.id)
        status, body = await call("GET", f"/api/projects/{project.id}/load-results")
        assert (status, body["metadata"]) == (
            200,
            {"node_count": 2, "project_goal": GOAL, "completion_status": "completed"},
        )
        assert body["basic_state"]["all_nodes"].keys() == {"root", "root.1"}
        assert body["saved_at"] == body["save_metadata"]["saved_at"]


# --- reports ---------------------------------------------------------------------------------------------------------


def mixed(server: Server, result: Any) -> Project:
    """A project with a failed task and text that is no markup."""
    with server.project("Survey <b>of</b> X") as project, project.task("Survey <b>of</b> X") as root:
        with root.task("find <i>it</i>") as leaf:
            leaf.fail("no <script>luck</script>")
        root.finish(result)
    return project


async def test_reports(server: Server) -> None:
    project = await asyncio.to_thread(mixed, server, "# Result\n\n<script>alert(1)</script>")
    path = f"/api/projects/{project.id}/download-report"
    async with caller(server) as call:
        status, text = await call("GET", path)
        assert (status, text) == await call("GET", f"{path}?format=markdown")
        assert status == 200
        assert "# Result\n\n<script>alert(1)</script>" in text
        assert "- root.1 (FAILED): find <i>it</i>: no <script>luck</script>" in text
        _, body = await call("GET", f"{path}?format=json")
        assert body["result"].startswith("# Result")
        assert body["failed_tasks"] == [
            {
                "task_id": "root.1",
                "goal": "find <i>it</i>",
                "status": "FAILED",
                "error": "no <script>luck</script>",
            }
        ]
        _, text = await call("GET", f"{path}?format=html")
        assert "<pre># Result\n\n&lt;script&gt;alert(1)&lt;/script&gt;</pre>" in text
        for tag in ("<script", "<b>", "<i>"):
            assert tag not in text
        assert await call("GET", f"{path}?format=pdf") == (400, {"error": "Unsupported format"})
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}{path}?format=html") as response:
        assert response.content_type == "text/html"
        assert response.headers["Content-Disposition"] == 'attachment; filename="roma-report.html"'
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]


async def test_a_report_of_a_project_without_a_result_says_so(server: Server) -> None:
    def fail(server: Server) -> Project:
        with server.project(GOAL) as project, project.task(GOAL) as root:
            root.fail("out of luck")
        return project

    project = await asyncio.to_thread(fail, server)
    async with caller(server) as call:
        path = f"/api/projects/{project.id}/download-report"
        _, text = await call("GET", path)
        assert "There is no result. The project is failed: out of luck." in text
        _, body = await call("GET", f"{path}?format=json")
        assert (body["result"], body["missing"]) == (
            None,
            "There is no result. The project is failed: out of luck.",
        )
        _, text = await call("GET", f"{path}?format=html")
        assert "<p>There is no result. The project is failed: out of luck.</p>" in text


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("  text ", "text"),
        ({"output_text": "found", "citations": []}, "found"),
        ({"rows": [1, "ü"]}, '{\n  "rows": [\n    1,\n    "ü"\n  ]\n}'),
        ([1], "[\n  1\n]"),
        (5, "5"),
    ],
)
def test_the_text_of_a_result(result: Any, text: str) -> None:
    node = {"task_id": "root", "parent_node_id": None, "status": "DONE", "full_result": result}
    assert report_of({}, [{**node, "goal": GOAL, "error": None}]).results == [text]


def test_a_plan_that_was_left_as_a_result_of_a_failed_root_is_none() -> None:
    node = {"task_id": "root", "parent_node_id": None, "status": "FAILED", "full_result": {"sub_tasks": []}}
    made = report_of({"status": "failed", "error": None}, [{**node, "goal": GOAL, "error": "no"}])
    assert (made.results, made.missing) == ([], "There is no result. The project is failed.")
