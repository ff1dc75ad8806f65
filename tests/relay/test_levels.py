"""A relay of a relay of a server: whatever was left out on the way is fetched, once, from where it is."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from client.servers import eventually
from relay.conftest import TIMEOUT_S, MakeRelay

import roma_widget as roma
from roma_widget.client.loop import io_thread
from roma_widget.relay.relay import Relay
from roma_widget.server.live.extension import Extension

LONG = "a text of many words " * 100
LARGE = "x" * (2 * 2**20)
"""A result that nobody fetches unasked."""


@pytest.fixture
def above() -> Iterator[roma.Server]:
    with roma.Server() as server:
        yield server


@pytest.fixture
def lowest(above: roma.Server, relay_of: MakeRelay) -> Relay:
    return relay_of(relay_of(above.url).url)


def report(server: roma.Server) -> None:
    with server.project("Survey") as project, project.task("Survey", task_type="WRITE") as root:
        with root.stage("execution", agent="searcher") as stage:
            stage.record(prompt="Where?", response="Here.")
        with root.task(LONG) as leaf:
            leaf.finish({"output_text": "found"})
        root.finish(LARGE)


@pytest.fixture
def asked_above(above: roma.Server, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The results that the server above is asked for."""
    asked: list[Any] = []
    answer = Extension.request

    async def counted(self: Extension, client: Any, event: str, fields: Any) -> Any:
        if event == "request_task_result" and self.whole is None:
            asked.append(fields["node_id"])
        return await answer(self, client, event, fields)

    monkeypatch.setattr(Extension, "request", counted)
    return asked


def test_results_texts_and_traces_come_through_two_relays(
    above: roma.Server, lowest: Relay, connect: Callable[..., roma.Monitor], asked_above: list[Any]
) -> None:
    report(above)
    below = connect(lowest.url)
    below.wait("done", timeout=TIMEOUT_S)
    eventually(lambda: below.link()["extension"])
    root, leaf = below.task("root"), below.task("root.1")
    assert root.result == LARGE
    assert leaf.result == {"output_text": "found"}
    assert leaf.raw["goal"] == LONG
    assert (leaf.started, leaf.completed) == _times(connect(above.url), "root.1")
    (stage,) = below.trace("root").stages
    assert stage.llm_response == "Here."
    assert sorted(set(asked_above)) == sorted(asked_above)


def _times(monitor: roma.Monitor, task_id: str) -> tuple[Any, Any]:
    monitor.wait("done", timeout=TIMEOUT_S)
    task = monitor.task(task_id)
    return task.started, task.completed


def test_a_result_is_asked_for_above_once_however_many_ask_at_once(
    above: roma.Server, lowest: Relay, connect: Callable[..., roma.Monitor], asked_above: list[Any]
) -> None:
    report(above)
    below = connect(lowest.url)
    below.wait("done", timeout=TIMEOUT_S)
    io = io_thread()

    async def fifty() -> list[Any]:
        mirror = lowest._mirror
        project_id = lowest.session.feed.hearing.current_id
        assert project_id is not None
        return await asyncio.gather(*(mirror.whole(project_id, "root") for _ in range(50)))

    assert len(io.result(fifty(), TIMEOUT_S)) == 50
    assert asked_above.count("root") == 1


def test_plain_clients_and_http_have_a_result_once_it_is_here(
    above: roma.Server, relay_of: MakeRelay, connect: Callable[..., roma.Monitor]
) -> None:
    relay = relay_of(above.url)
    report(above)
    below = connect(relay.url)
    below.wait("done", timeout=TIMEOUT_S)
    project_id = below.snapshot.project.project_id
    path = f"{relay.url}/api/projects/{project_id}"

    def node(task_id: str) -> dict[str, Any]:
        return get(path)["state"]["all_nodes"][task_id]

    eventually(lambda: node("root.1")["full_result"] == {"output_text": "found"})
    assert node("root")["full_result"] is None
    assert node("root").keys() == node("root.1").keys() == get_above(above, project_id).keys()
    assert below.task("root").result == LARGE
    assert node("root")["full_result"] == LARGE


def test_a_question_and_its_answer_pass_two_relays(
    above: roma.Server, lowest: Relay, connect: Callable[..., roma.Monitor]
) -> None:
    below = connect(lowest.url)
    with above.project("Survey") as project, project.task("Survey") as root:
        below.hitl.on_request(lambda request: request.modify("shorter"))
        answer = root.ask("PlanReview", "Good?", data={"plan": 1}, timeout=TIMEOUT_S)
        assert (answer.action, answer.instructions) == ("modify", "shorter")
        root.finish("done")


def test_that_traces_were_cleared_passes_two_relays(
    above: roma.Server, lowest: Relay, connect: Callable[..., roma.Monitor], client: Any
) -> None:
    report(above)
    below = connect(lowest.url)
    below.wait("done", timeout=TIMEOUT_S)
    project_id = below.snapshot.project.project_id
    assert below.trace("root").stages

    async def clear() -> None:
        async with client(lowest.url, auth={"roma_widget": 1}) as hears, client(above.url) as clears:
            await clears.ask("clear_traces", {"project_id": project_id})
            await hears.until(lambda: hears.payloads("traces_cleared"))
            assert hears.payloads("traces_cleared")[0]["project_id"] == project_id

    asyncio.run(clear())
    eventually(lambda: not below._session.traces(project_id))
    with pytest.raises(roma.ServerError, match="No trace found"):
        below.trace("root")


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=TIMEOUT_S) as answer:
        return json.load(answer)


def get_above(above: roma.Server, project_id: str) -> dict[str, Any]:
    return get(f"{above.url}/api/projects/{project_id}")["state"]["all_nodes"]["root"]
