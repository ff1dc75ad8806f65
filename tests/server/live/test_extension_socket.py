"""The extension over a real socket: a client that asks for it, and a plain one beside it that sees plain ROMA."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any, Self

import pytest
from server.extension_client import Lost, Mirror, unpack
from server.shells import Joined, RawWebSocket, until, within

from roma_widget.server.embedded import Server

NEWS = ("snapshot", "delta", "stages")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(interval_s=0.02) as server:
        yield server


class Watcher(Joined):
    """A client of the extension: what it knows is in `mirror`."""

    def __init__(self, url: str, transport: str = "websocket", label: str = "Ann") -> None:
        super().__init__(url, auth={"roma_widget": 1, "label": label}, transport=transport)
        self.mirror = Mirror()
        self._came = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    async def _note(self, event: str, *args: Any) -> None:
        await super()._note(event, *args)
        if event in NEWS:
            try:
                self.mirror.apply(event, args[0])
            except Lost:
                await self.socket.emit("request_snapshot", {})
        async with self._came:
            self._came.notify_all()

    async def knows(self, condition: Callable[[], object]) -> None:
        """Returns when it has been told; looked at after each message."""
        async with self._came:
            await within(self._came.wait_for(lambda: bool(condition())))

    async def result(self, event: str, **fields: Any) -> dict[str, Any]:
        """The packed reply to a request."""
        reply = {"request_task_result": "task_result_data", "watch_task": "task_watched"}[event]
        await self.ask(event, fields)
        return unpack(await self.until(reply, self.names().count(reply)))


def status(watcher: Watcher, node_id: str) -> Any:
    return watcher.mirror.nodes.get(node_id, {}).get("status")


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_client_that_joins_in_the_middle_of_a_run_and_follows_it_to_its_end(
    server: Server, transport: str
) -> None:
    project = server.project("Survey of X").__enter__()
    root = project.task("Survey of X", agent="planner").__enter__()
    async with Watcher(server.url, transport) as watcher, Joined(server.url) as plain:
        await watcher.knows(lambda: watcher.mirror.at is not None)
        names = watcher.names()
        assert names.index("extension") < names.index("projects_list") < names.index("snapshot")
        hello = (await watcher.until("extension"))["server"]
        assert hello.startswith("roma-widget ")
        assert status(watcher, "root") == "RUNNING"
        with root.task("find a", task_type="SEARCH") as leaf:
            await watcher.knows(lambda: status(watcher, "root.1") == "RUNNING")
            leaf.finish("found " * 1000)
        root.finish({"output_text": "done"})
        root.__exit__(None, None, None)
        project.__exit__(None, None, None)
        await watcher.knows(lambda: (watcher.mirror.project or {})["status"] == "completed")
        assert {node_id: node["status"] for node_id, node in watcher.mirror.nodes.items()} == {
            "root": "DONE",
            "root.1": "DONE",
        }
        assert watcher.mirror.nodes["root.1"]["result_size"] == 6002
        reply = await watcher.result("request_task_result", node_id="root.1", rid="r1")
        assert (json.loads(reply["result"]), reply["rid"]) == ("found " * 1000, "r1")
        assert reply["texts"].keys() <= {"output_summary"}
        assert "task_graph_update" not in watcher.names()

        await until(lambda: plain.events[-1][1]["current_project"]["status"] == "completed")
        assert set(plain.names()) == {"projects_list", "task_graph_update"}
        frame = plain.events[-1][1]
        assert frame["all_nodes"]["root.1"]["full_result"] == "found " * 1000


async def test_a_large_project_comes_as_soon_as_its_snapshot_is_made(server: Server) -> None:
    with server.project("Survey of X") as project:
        for n in range(1000):
            project.task(f"task {n}", parent=None)
        async with Watcher(server.url) as watcher, Watcher(server.url, "polling") as other:
            for client in (watcher, other):
                await client.knows(lambda client=client: len(client.mirror.nodes) == 1000)
            project.task("one more", parent=None)
            for client in (watcher, other):
                await client.knows(lambda client=client: len(client.mirror.nodes) == 1001)
                assert client.names().count("snapshot") == 1


async def test_a_snapshot_again_when_one_is_asked_for(server: Server) -> None:
    with server.project("Survey of X") as project, project.task("a"):
        async with Watcher(server.url) as watcher:
            await watcher.knows(lambda: watcher.mirror.at is not None)
            watcher.mirror.at = (0, 0)  # as if a delta had not come
            with project.task("b", parent=None):
                await watcher.knows(lambda: status(watcher, "root-2") == "RUNNING")
            assert watcher.names().count("snapshot") == 2
            assert watcher.mirror.nodes.keys() == {"root", "root-2"}


async def test_stages_of_a_watched_task_are_pushed_without_any_other_change(server: Server) -> None:
    with (
        server.project("Survey of X") as project,
        project.task("a") as task,
        task.stage("execution") as stage,
    ):
        async with Watcher(server.url) as watcher, Watcher(server.url) as other:
            assert (await watcher.result("watch_task", node_id="root"))["project_id"] == project.id
            stage.record(prompt="who?")
            await watcher.knows(lambda: watcher.mirror.stages)
            stage.tool_call("web_search", {"q": "x"}, "found")

            def pushed() -> dict[str, Any]:
                return watcher.mirror.stages[project.id, "root"][0]

            await watcher.knows(lambda: pushed()["tool_execution_count"] == 1)
            assert (pushed()["user_input"], pushed()["stage_id"]) == ("who?", stage.id)
            assert "stages" not in other.names()


async def test_an_open_prompt_is_asked_at_once_and_everybody_hears_who_answered(server: Server) -> None:
    with server.project("Survey of X") as project, project.task("a") as task:
        asking = asyncio.create_task(task.ask_async("PlanReview", "Good?", timeout=10))
        await until(server.state.prompts.open)
        async with (
            Watcher(server.url) as ann,
            Watcher(server.url, label="Bob") as bob,
            Joined(server.url) as plain,
        ):
            prompt = await ann.until("hitl_request")
            assert (await bob.until("hitl_request"))["request_id"] == prompt["request_id"]
            await bob.ask(
                "hitl_response", {"request_id": prompt["request_id"], "action": "approve", "rid": 9}
            )
            assert (await within(asking)).answered_by == "Bob"
            for client in (ann, bob):
                answered = await client.until("hitl_answered")
                assert (answered["request_id"], answered["answered_by"]) == (prompt["request_id"], "Bob")
            assert set(plain.names()) <= {"projects_list", "task_graph_update"}


@pytest.mark.parametrize("event", ["watch_task", "unwatch_task", "request_task_result", "request_snapshot"])
async def test_what_is_no_request_is_answered_to_the_asker_alone(server: Server, event: str) -> None:
    with server.project("Survey of X") as project, project.task("a"):
        async with Watcher(server.url) as watcher, Joined(server.url) as plain:
            for args in ([], [None], [[]], ["x"], [1], [{}, {}], [{"node_id": "x" * 10_000_000}], [b"\x00"]):
                if event == "request_snapshot" and args and isinstance(args[0], dict) and len(args) == 1:
                    continue
                before = len([name for name in watcher.names() if name.endswith("_error")])
                await watcher.ask(event, *args)
                errors = [payload["error"] for name, payload in watcher.events if name.endswith("_error")]
                assert len(errors) == before + 1
                assert len(errors[-1]) < 250
            await plain.ask(event, {"node_id": "root"})
            (refusal,) = [payload["error"] for name, payload in plain.events if name.endswith("_error")]
            assert "auth={'roma_widget': 1}" in refusal


async def test_nothing_that_the_extension_sends_is_compressed_twice(server: Server) -> None:
    with server.project("Survey of X") as project:
        for n in range(50):
            project.task(f"task {n} " * 10, parent=None)
        async with RawWebSocket(server.url, offers_deflate=True) as client:
            await client.send('40{"roma_widget":1}')
            await client.read_until('451-["snapshot"')
            frame = await client.read()
            assert frame.opcode == RawWebSocket.BINARY
            assert not frame.is_compressed
            assert frame.content[:2] == b"\x1f\x8b"
            assert len(unpack(frame.content)["nodes"]) == 50
