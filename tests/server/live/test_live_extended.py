"""What clients of the extension are told beyond the state: welcome, projects, the ids of their requests."""

from __future__ import annotations

from typing import Any

import pytest
from server.live_server import (
    EXTENDED,
    FRAME,
    GOAL,
    Gate,
    ask,
    play,
    report,
    server_deletes,
)

from roma_widget.server.embedded import Server
from roma_widget.server.network.app import Limits
from roma_widget.server.wire.requests import ERRORS


def test_a_client_of_the_extension_is_welcomed(server: Server, client: Any) -> None:
    report(server)

    async def scenario() -> None:
        async with client(server.url, auth=EXTENDED) as ann:
            names = [name for name, _ in ann.events]
            assert names == ["extension", "projects_list", "snapshot", "connect"]
            assert isinstance(ann.payloads("snapshot")[0], bytes)
            replies, ack = await ann.ask("request_initial_state", {"rid": "a"})
            assert (replies[0][0], replies[0][1]["rid"], ack) == ("projects_list", "a", [])
            await ann.until(lambda: len(ann.payloads("snapshot")) == 2)
            assert not ann.payloads(FRAME)

    play(scenario)


def test_clients_of_the_extension_hear_which_projects_there_are(
    server: Server, client: Any, gate: Gate
) -> None:
    async def scenario() -> None:
        async with client(server.url) as plain, client(server.url, auth=EXTENDED) as ann:

            def statuses() -> list[str]:
                return [project["status"] for project in ann.payloads("projects_list")[-1]["projects"]]

            ((_, started),) = await ask(plain, "start_project", {"project_goal": GOAL})
            await ann.until(lambda: statuses() == ["running"])
            gate.go.set()
            await ann.until(lambda: statuses() == ["completed"])
            await server_deletes(server, started["project"]["id"])
            await ann.until(lambda: statuses() == [])
            assert len(plain.payloads("projects_list")) == 1

    play(scenario)


def test_clients_of_the_extension_hear_that_traces_are_gone(server: Server, client: Any, gate: Gate) -> None:
    """By a request of somebody, and by a new run: what they were pushed before does not count any more."""
    project = report(server)

    async def scenario() -> None:
        async with client(server.url) as plain, client(server.url, auth=EXTENDED) as ann:
            for request in (
                ("clear_traces", {"project_id": project.id}),
                ("start_project", {"project_goal": GOAL, "project_id": project.id}),
            ):
                heard = len(ann.payloads("traces_cleared"))
                await ask(plain, *request)
                await ann.until(lambda heard=heard: len(ann.payloads("traces_cleared")) == heard + 1)
                assert ann.payloads("traces_cleared")[-1]["project_id"] == project.id
            assert len(plain.payloads("traces_cleared")) == 1
        gate.go.set()

    play(scenario)


def test_request_ids_come_back_to_those_of_the_extension_only(server: Server, client: Any) -> None:
    project = report(server)
    good = {"project_id": project.id, "node_id": "root", "rid": 12}

    async def scenario() -> None:
        async with client(server.url) as plain, client(server.url, auth=EXTENDED) as ann:
            ((_, data),) = await ask(ann, "request_node_trace", good)
            assert data["rid"] == 12
            ((_, data),) = await ask(ann, "request_node_trace", {**good, "node_id": 5, "rid": "ü"})
            assert data == {"error": "node_id must be text, not a number", "rid": "ü"}
            for odd in (["a"], "\ud800"):
                ((_, data),) = await ask(ann, "request_node_trace", {**good, "rid": odd})
                assert "rid" not in data
            ((_, data),) = await ask(plain, "request_node_trace", good)
            assert "rid" not in data
            ((_, data),) = await ask(plain, "request_node_trace", {**good, "node_id": 5})
            assert data.keys() == {"error"}

    play(scenario)


def test_what_is_refused_before_it_is_looked_at_says_whose_it_was(client: Any) -> None:
    async def scenario() -> None:
        with Server(limits=Limits(requests_per_s=0.001, burst=1)) as server:
            for auth, rid in ((EXTENDED, {"rid": 7}), (None, {})):
                async with client(server.url, auth=auth) as hasty:
                    await ask(hasty, "switch_project", {"rid": 6})
                    ((_, data),) = await ask(hasty, "switch_project", {"rid": 7})
                    assert data == {"error": "too many requests: at most 0.001 a second", **rid}

    play(scenario)


@pytest.mark.parametrize("event", ["request_snapshot", "watch_task", "unwatch_task", "request_task_result"])
def test_what_plain_clients_may_not_ask(server: Server, client: Any, event: str) -> None:
    async def scenario() -> None:
        async with client(server.url) as plain:
            ((name, reply),) = await ask(plain, event, {"node_id": "root"})
            assert name == ERRORS[event].event
            assert "auth={'roma_widget': 1}" in reply["error"]

    play(scenario)
