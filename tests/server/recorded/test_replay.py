"""The embedded replay server as clients see it: over real sockets and real HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import aiohttp
import pytest

from roma_widget.archive.capture import FRAME, Broadcast, Capture, ProjectStarted
from roma_widget.server.network.app import ServeError
from roma_widget.server.recorded.replay import ReplayServer
from roma_widget.server.recorded.standing import Standing

Read = Callable[[str], Capture]
Lines = Callable[[str], Iterator[dict[str, Any]]]

WITH_FRAMES = "a_complete b_hitl d_failed f_two_projects g_kill_restart h_rest m_midrun_connect".split()


async def _get(url: str, path: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url + path) as response:
        is_json = response.content_type == "application/json"
        return response.status, await response.json() if is_json else await response.text()


def _is_subsequence(some: list[str], whole: list[str]) -> bool:
    rest = iter(whole)
    return all(any(text == other for other in rest) for text in some)


def _last_frame_is_seen_once(capture: Capture) -> bytes:
    """The final frame's text; a reader that waits for it must not meet it earlier."""
    last = capture.frames[-1].payload
    assert [frame.payload for frame in capture.frames].count(last) == 1
    return last


@pytest.mark.parametrize("speed", [10.0, 0.0, math.inf])
def test_two_clients_end_in_the_same_final_frame(capture: Read, raw_client: Any, speed: float) -> None:
    """All recordings at once, each with two clients: in order, and the last frame is the recorded last.

    Of the long recordings only the last part is played at speed 10, after a jump.
    """

    async def scenario(read: Capture) -> None:
        server = ReplayServer(read, speed=speed)
        await server.start(play=False)
        last, texts = _last_frame_is_seen_once(read), [frame.payload.decode() for frame in read.frames]
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(server.stop)
            clients = [await stack.enter_async_context(raw_client(server.url)) for _ in range(2)]
            reading = asyncio.gather(*(one.read_until(last) for one in clients))
            await server.advance_to(read.duration_s - 20.0)
            await reading
            for one in clients:
                # the second client to join, without a project yet, made the server send all an empty frame
                played = [text for text in one.frames if '"all_nodes":{}' not in text or text in texts]
                assert _is_subsequence(played, texts)
            await server.wait_ended()
            assert (await _get(server.url, "/api/projects"))[0] == 200

    async def together() -> None:
        await asyncio.gather(*(scenario(capture(name)) for name in WITH_FRAMES))

    asyncio.run(together())


def test_projects_list_comes_before_the_acknowledged_connect(capture: Read, client: Any) -> None:
    async def scenario() -> None:
        server = ReplayServer(capture("a_complete"))
        await server.start(play=False)
        async with client(server.url) as early:
            await early.until(lambda: len(early.events) >= 3)
            # without a current project everyone gets the empty frame, too
            assert [name for name, _ in early.events] == ["projects_list", FRAME, "connect"]
            assert early.payloads("projects_list") == [{"projects": [], "current_project_id": None}]
            assert early.payloads(FRAME)[0]["all_nodes"] == {}
            await server.advance_to_end()
            async with client(server.url) as late:
                await late.until(lambda: ("connect", ()) in late.events)
                assert [name for name, _ in late.events] == ["projects_list", "connect"]
                listing = late.payloads("projects_list")[0]
                assert listing["current_project_id"] == listing["projects"][0]["id"]
                replies, ack = await late.ask("request_initial_state")
                assert [name for name, _ in replies] == ["projects_list", FRAME]
                assert json.dumps(replies[1][1]) == json.dumps(json.loads(server.capture.frames[-1].payload))
                assert ack == []
        await server.stop()

    asyncio.run(scenario())


@pytest.mark.parametrize("transports", [("polling",), ("polling", "websocket")])
def test_other_transports(capture: Read, client: Any, transports: tuple[str, ...]) -> None:
    async def scenario() -> None:
        read = capture("g_kill_restart")
        last = json.loads(read.frames[-1].payload)
        async with ReplayServer(read, speed=20) as server, client(server.url, transports) as one:
            await one.until(lambda: last in one.payloads(FRAME)[-1:])
            replies, ack = await one.ask(
                "request_node_trace", {"project_id": last["project_id"], "node_id": "root"}
            )
            assert [name for name, _ in replies] == ["node_trace_data"]
            assert ack == []

    asyncio.run(scenario())


def test_prompts_are_played_and_can_be_answered(capture: Read, client: Any) -> None:
    async def scenario() -> None:
        read = capture("b_hitl")
        recorded = [m for m in read.moments if isinstance(m, Broadcast) and m.event == "hitl_request"]
        server = ReplayServer(read)
        await server.start(play=False)
        async with client(server.url) as one:
            await server.advance_to_end()
            await one.until(lambda: len(one.payloads("hitl_request")) == len(recorded))
            assert one.payloads("hitl_request") == [json.loads(m.payload) for m in recorded]
            request_id = one.payloads("hitl_request")[0]["request_id"]
            await one.until(lambda: json.loads(read.frames[-1].payload) in one.payloads(FRAME)[-1:])
            assert await one.ask("hitl_response", {"request_id": request_id, "action": "approve"}) == ([], [])
        await server.stop()

    asyncio.run(scenario())


def test_events_without_a_handler_are_never_acknowledged(capture: Read, client: Any) -> None:
    async def scenario() -> None:
        async with ReplayServer(capture("g_kill_restart"), speed=0) as server:
            await server.wait_ended()
            async with client(server.url) as one:
                unknown = asyncio.create_task(one.ask("check_readiness", {}))
                await asyncio.sleep(0)
                assert await one.ask("auto_save_project", {}) == ([], [])  # asked later, answered
                assert not unknown.done()
                unknown.cancel()
                await asyncio.gather(unknown, return_exceptions=True)

    asyncio.run(scenario())


def _shape(value: Any) -> Any:
    """Keys and types, all the way down; a list is its first element's shape."""
    if isinstance(value, dict):
        return {key: _shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shape(inner) for inner in value[:1]]
    return type(value).__name__


def _recorded(lines: Iterator[dict[str, Any]], path: str, after_s: float = 0.0) -> list[Any]:
    calls = [line["args"][0] for line in lines if line["event"] == "http" and line["t"] >= after_s]
    return [call["body"] for call in calls if call["method"] == "GET" and call["path"] == path]


def test_http_bodies_have_the_recorded_shapes(capture: Read, recorded_lines: Lines) -> None:
    async def scenario() -> None:
        read = capture("h_rest")
        running = next(m for m in read.moments if isinstance(m, ProjectStarted)).project["id"]
        async with ReplayServer(read, safe_to_join=False) as server:
            await server.advance_to(read.frames[30].at_s)
            path = f"/api/projects/{running}"
            status, body = await _get(server.url, path)
            assert status == 200
            assert _shape(body["project"]) == _shape(_recorded(recorded_lines("h_rest"), path)[0]["project"])
            assert body["state"].keys() == _recorded(recorded_lines("h_rest"), path)[0]["state"].keys()
            alive = next(
                b for b in _recorded(recorded_lines("h_rest"), "/api/executions") if b["running_executions"]
            )
            status, body = await _get(server.url, "/api/executions")
            assert status == 200
            (entry,) = alive["running_executions"].values()
            assert all(_shape(ours) == _shape(entry) for ours in body["running_executions"].values())
            assert running in body["running_executions"]

            await server.advance_to(read.frames[-1].at_s)  # later, projects were deleted
            assert await _get(server.url, "/api/executions") == (200, {"running_executions": {}})
            for name in ("/api/health", "/api/projects"):
                status, body = await _get(server.url, name)
                assert status == 200
                assert _shape(body) == _shape(_recorded(recorded_lines("h_rest"), name)[-1])
            assert await _get(server.url, "/api/projects/nope") == (404, {"error": "Project not found"})
            assert (await _get(server.url, "/api/nope"))[0] == 404

    asyncio.run(scenario())


def test_http_bodies_of_a_complete(capture: Read, recorded_lines: Lines) -> None:
    async def scenario() -> None:
        read = capture("a_complete")
        async with ReplayServer(read, speed=0) as server:
            await server.wait_ended()
            status, body = await _get(server.url, "/api/projects")
            recorded = _recorded(recorded_lines("a_complete"), "/api/projects")[-1]
            assert (status, _shape(body)) == (200, _shape(recorded))
            for ours, theirs in zip(body["projects"], recorded["projects"], strict=True):
                assert {
                    **ours,
                    "last_saved": theirs["last_saved"],
                    "updated_at": theirs["updated_at"],
                } == theirs
            status, body = await _get(server.url, f"/api/projects/{recorded['current_project_id']}")
            assert body["state"] == json.loads(read.frames[-1].payload)

    asyncio.run(scenario())


@pytest.mark.parametrize("name", WITH_FRAMES)
def test_standing_follows_the_time_line(capture: Read, name: str) -> None:
    standing = Standing(capture(name))
    assert standing.projects_list() == {"projects": [], "current_project_id": None}
    assert standing.executions() == {"running_executions": {}}
    for moment in capture(name).moments:
        standing.apply(moment)
        alive = standing.executions()["running_executions"]
        match moment:
            case ProjectStarted(project=project):
                assert standing.current_id == project["id"]
                assert project["id"] in alive
            case Broadcast(event=event, project=project) if event == FRAME:
                assert standing.current_id == (project["id"] if project else None)
                if project:
                    assert standing.project(project["id"])["status"] == project["status"]
                    assert (project["id"] in alive) == (project["status"] == "running")


def test_deleted_projects_are_gone(capture: Read) -> None:
    standing = Standing(capture("f_two_projects"))
    for moment in capture("f_two_projects").moments:
        standing.apply(moment)
    assert standing.projects_list() == {"projects": [], "current_project_id": None}


def test_safe_to_join_is_said_or_not(capture: Read) -> None:
    async def scenario() -> None:
        async with ReplayServer(capture("g_kill_restart")) as safe:
            status, health = await _get(safe.url, "/api/health")
            assert (status, health["safe_to_join"]) == (200, True)
            age_s = abs(
                (datetime.now().astimezone() - datetime.fromisoformat(health["timestamp"])).total_seconds()
            )
            assert age_s < 60
            assert safe.connections_total == 0  # HTTP alone opens no socket
        async with ReplayServer(capture("g_kill_restart"), safe_to_join=False) as silent:
            assert "safe_to_join" not in (await _get(silent.url, "/api/health"))[1]

    asyncio.run(scenario())


def test_counters(capture: Read, client: Any) -> None:
    async def scenario() -> None:
        async with ReplayServer(capture("g_kill_restart")) as server:
            async with client(server.url), client(server.url, ("polling", "websocket")):
                assert (server.connections_total, server.clients_now) == (2, 2)
            async with asyncio.timeout(5):
                while server.clients_now:  # the server hears of the goodbye a moment later
                    await _get(server.url, "/api/health")
            assert server.connections_total == 2

    asyncio.run(scenario())


def test_twenty_clients(capture: Read, raw_client: Any) -> None:
    async def scenario() -> None:
        read = capture("b_hitl")
        server = ReplayServer(read, speed=30)
        await server.start(play=False)
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(raw_client(server.url)) for _ in range(20)]
            assert server.clients_now == 20
            server.play()
            await asyncio.gather(*(one.read_until(read.frames[-1].payload) for one in clients))
        await server.stop()

    asyncio.run(scenario())


def test_a_slow_client_delays_nobody_and_skips_to_the_newest(capture: Read, raw_client: Any) -> None:
    async def scenario() -> None:
        read = capture("a_complete")
        speed = 20.0
        server = ReplayServer(read, speed=speed)
        await server.start(play=False)
        async with raw_client(server.url) as slow, raw_client(server.url) as quick:
            server.play()
            started_s = asyncio.get_running_loop().time()
            await quick.read_until(read.frames[-1].payload)  # 39 MB that the slow one does not read
            late_s = quick.arrived_s[-1] - started_s - read.frames[-1].at_s / speed
            assert late_s < 1.0
            await slow.read_until(read.frames[-1].payload)
            assert len(slow.frames) < len(read.frames)
        await server.stop()

    asyncio.run(scenario())


def test_stopping_with_a_client_that_does_not_read(capture: Read, raw_client: Any) -> None:
    async def scenario() -> None:
        server = ReplayServer(capture("a_complete"), speed=0)
        await server.start(play=False)
        before = asyncio.all_tasks()
        async with raw_client(server.url):
            server.play()
            await server.wait_ended()
            async with asyncio.timeout(5):
                await server.stop()
        await server.stop()
        if ending := asyncio.all_tasks() - before:  # aiohttp's handlers see that their connection is lost
            _, left = await asyncio.wait(ending, timeout=5)
            assert not left
        with pytest.raises(ServeError, match="not running"):
            _ = server.url

    asyncio.run(scenario())


def test_addresses_that_are_refused(capture: Read) -> None:
    async def says(expected: str, **address: Any) -> None:
        server = ReplayServer(capture("g_kill_restart"), **address)
        with pytest.raises(ServeError, match=expected):
            await server.start()

    async def scenario() -> None:
        await says("reachable from other machines", host="0.0.0.0")
        await says("is not known here", host="no such host")
        await says("is not known here", host="")
        await says("Cannot listen", port=70000)
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            await says("is taken", port=taken.getsockname()[1])
        async with ReplayServer(capture("g_kill_restart"), host="localhost") as server:
            assert (await _get(server.url, "/api/health"))[0] == 200
            with pytest.raises(ServeError, match="started before"):
                await server.start()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://localhost:3000", 200), ("http://localhost:3001", 403), ("https://elsewhere.example", 403)],
)
def test_pages_may_look_in_only_when_named(capture: Read, origin: str, status: int) -> None:
    async def scenario() -> None:
        server = ReplayServer(capture("g_kill_restart"), origins=["http://localhost:3000"])
        async with server, aiohttp.ClientSession() as session:
            url = f"{server.url}/socket.io/?EIO=4&transport=polling"
            async with session.get(url, headers={"Origin": origin}) as response:
                assert response.status == status

    asyncio.run(scenario())
