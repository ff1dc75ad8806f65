"""What the embedded server answers on its socket about projects and traces: who hears it, and what it does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from server.live_server import (
    DEADLINE_S,
    EXTENDED,
    FRAME,
    GOAL,
    Gate,
    ask,
    fail_saving,
    is_ended,
    play,
    report,
)

from roma_widget.server.embedded import Server
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.projects import Projects
from roma_widget.server.state.store import StoreError
from roma_widget.server.wire.requests import ERRORS

# --- joining ---------------------------------------------------------------------------------------------------------


def test_a_client_gets_the_projects_and_the_current_one_before_its_acknowledgement(
    server: Server, client: Any
) -> None:
    async def scenario() -> None:
        async with client(server.url) as nothing_yet:
            assert [name for name, _ in nothing_yet.events] == ["projects_list", FRAME, "connect"]
            assert nothing_yet.payloads("projects_list") == [{"projects": [], "current_project_id": None}]
            (empty,) = nothing_yet.payloads(FRAME)
            assert (empty["all_nodes"], empty["graphs"], empty["current_project"]) == ({}, {}, None)
        project = await asyncio.to_thread(report, server)
        async with client(server.url) as joined:
            assert [name for name, _ in joined.events] == ["projects_list", FRAME, "connect"]
            (frame,) = joined.payloads(FRAME)
            assert frame["project_id"] == project.id
            assert frame["current_project"]["status"] == "completed"
            assert list(frame["all_nodes"]) == ["root", "root.1"]

    play(scenario)


def test_after_a_restart_the_tasks_come_from_disk(tmp_path: Path, client: Any) -> None:
    with Server(data_dir=tmp_path) as server:
        project = report(server)
    with Server(data_dir=tmp_path) as server:

        async def scenario() -> None:
            async with client(server.url) as joined:
                (frame,) = joined.payloads(FRAME)
                assert frame["all_nodes"]["root"]["full_result"] == "the report"
                ((name, data),) = await ask(
                    joined, "request_node_trace", {"project_id": project.id, "node_id": "root.1"}
                )
                assert name == "node_trace_data"
                assert data["trace"]["stages"][0]["tool_calls"][0]["tool_name"] == "search"

        play(scenario)


def test_the_initial_state_goes_to_the_asker_and_touches_no_run(
    server: Server, client: Any, gate: Gate
) -> None:
    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            await ask(asker, "start_project", {"project_goal": GOAL})
            await asyncio.to_thread(gate.entered.wait, DEADLINE_S)
            record = server.state.projects.current()
            assert record is not None
            assert record.nodes is not None
            nodes = dict(record.nodes)
            heard_by_other = len(other.payloads("projects_list"))
            for _ in range(20):
                replies, _ = await asker.ask("request_initial_state")
                assert [name for name, _ in replies if name == "projects_list"] == ["projects_list"]
                assert FRAME in [name for name, _ in replies]
            assert record.nodes == nodes  # the same objects, so the run goes on with them
            assert len(other.payloads("projects_list")) == heard_by_other
            gate.go.set()
            await asker.until(lambda: asker.payloads(FRAME)[-1]["current_project"]["status"] == "completed")
            assert asker.payloads(FRAME)[-1]["all_nodes"]["root"]["status"] == "DONE"

    play(scenario)


def test_a_frame_is_encoded_once_for_all_plain_clients(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[str | None] = []
    frame = Projects.frame

    def counted(projects: Projects, project_id: str | None, **more: Any) -> bytes:
        encoded.append(project_id)
        return frame(projects, project_id, **more)

    monkeypatch.setattr(Projects, "frame", counted)

    async def scenario() -> None:
        async with ExitStackOfClients(client, server.url, 5) as joined:
            project = await asyncio.to_thread(report, server)
            for each in joined:
                await each.until(lambda each=each: is_ended(each.payloads(FRAME)[-1]))
            frames = len(joined[0].payloads(FRAME))
            assert encoded.count(project.id) <= frames + 2

    play(scenario)


def test_who_joins_later_gets_what_changed_while_nobody_listened(server: Server, client: Any) -> None:
    project = report(server)

    async def scenario() -> None:
        async with client(server.url) as before:
            assert before.payloads(FRAME)[-1]["current_project"]["title"] != "Changed"
        with server.state.lock:
            server.state.projects.change(server.state.projects.get(project.id), title="Changed")
        async with client(server.url) as after:
            assert after.payloads(FRAME)[-1]["current_project"]["title"] == "Changed"

    play(scenario)


class ExitStackOfClients:
    def __init__(self, client: Any, url: str, count: int) -> None:
        self._clients = [client(url) for _ in range(count)]

    async def __aenter__(self) -> list[Any]:
        return [await each.__aenter__() for each in self._clients]

    async def __aexit__(self, *exc_info: object) -> None:
        for each in self._clients:
            await each.__aexit__(*exc_info)


# --- projects --------------------------------------------------------------------------------------------------------


def test_start_project(server: Server, client: Any, gate: Gate) -> None:
    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            ((name, reply),) = await ask(
                asker, "start_project", {"project_goal": f"  {GOAL} ", "max_steps": "9"}
            )
            project = reply["project"]
            assert (name, reply["message"]) == ("project_started", f"Project started: {GOAL}")
            assert (project["status"], project["node_count"], project["max_steps"]) == ("active", 0, 9)
            assert project["id"] in server.state.store.projects()  # on disk before the reply
            assert server.state.projects.current_id == project["id"]
            ((name, again),) = await ask(
                asker, "start_project", {"project_goal": GOAL, "project_id": project["id"]}
            )
            assert (name, again) == ("error", {"message": f"Project {project['id']} is running already"})
            gate.go.set()
            await other.until(lambda: is_ended(other.payloads(FRAME)[-1]))
            assert not other.payloads("project_started")
            ((name, rerun),) = await ask(
                asker, "start_project", {"project_goal": "Another goal", "project_id": project["id"]}
            )
            assert (name, rerun["project"]["id"]) == ("project_started", project["id"])
            assert rerun["project"]["node_count"] == 0

    play(scenario)


def test_a_server_without_a_run_starts_none(client: Any) -> None:
    async def scenario() -> None:
        with Server() as server:
            project = await asyncio.to_thread(report, server)
            async with client(server.url) as asker:
                said = {"message": "this server starts no runs"}
                assert await ask(asker, "start_project", {"project_goal": GOAL}) == [("error", said)]
                assert await ask(asker, "simple_execute_stream", {"goal": GOAL}) == [
                    ("simple_execution_error", said)
                ]
                again = {"project_id": project.id, "goal": GOAL}
                assert await ask(asker, "start_project_execution", again) == [
                    ("execution_error", {"error": "this server starts no runs"})
                ]
                assert len(server.state.projects.listed()["projects"]) == 1

    play(scenario)


def test_what_cannot_be_kept_is_not_started(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch, gate: Gate
) -> None:
    fail_saving(monkeypatch, server)

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url, auth=EXTENDED) as other:
            ((name, reply),) = await ask(asker, "start_project", {"project_goal": GOAL})
            assert name == "error"
            assert "disk is full" in reply["message"]
            assert not gate.seen
            assert server.state.projects.listed()["projects"] == []
            assert not other.payloads("error")

    play(scenario)
    monkeypatch.undo()


def test_start_project_execution(server: Server, client: Any, gate: Gate) -> None:
    project = report(server)
    gate.go.set()

    async def scenario() -> None:
        async with client(server.url) as asker:
            request = {"project_id": project.id, "goal": GOAL, "max_steps": 12}
            ((name, reply),) = await ask(asker, "start_project_execution", request)
            assert (name, reply) == (
                "execution_started",
                {**request, "message": f"Re-execution started for project {project.id}"},
            )
            await asker.until(lambda: result_of(asker.payloads(FRAME)[-1]) == {"output_text": "found"})
            ((name, reply),) = await ask(asker, "start_project_execution", {**request, "project_id": "nope"})
            assert (name, reply) == ("execution_error", {"error": "Project nope not found"})

    play(scenario)


def result_of(frame: Mapping[str, Any]) -> Any:
    return frame["all_nodes"].get("root", {}).get("full_result")


def test_switch_project(server: Server, client: Any) -> None:
    first, second = report(server, "The first"), report(server, "The second")

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            async with client(server.url, auth=EXTENDED) as extended:
                ((switched, news), (success, reply)) = await ask(
                    asker, "switch_project", {"project_id": first.id}
                )
                assert (switched, success) == ("project_switched", "project_switch_success")
                assert news.keys() == {"project_id", "project_data", "timestamp"}
                assert reply["message"] == "Switched to project: The First"
                assert reply["project_data"]["current_project"]["id"] == first.id
                assert reply["project_data"].keys().isdisjoint({"project_id", "timestamp"})
                for plain in (asker, other):
                    await plain.until(lambda plain=plain: plain.payloads(FRAME)[-1]["project_id"] == first.id)
                    assert plain.payloads("project_switched") == [news]
                assert not other.payloads("project_switch_success")
                await extended.until(lambda: bool(extended.payloads("project_switched")))
                assert extended.payloads("project_switched")[0].keys() == {"project_id", "timestamp"}
                await extended.until(lambda: len(extended.payloads("snapshot")) == 2)
            # to where one is: told again, as on ROMA
            frames = len(other.payloads(FRAME))
            await ask(asker, "switch_project", {"project_id": first.id})
            await other.until(lambda: len(other.payloads(FRAME)) > frames)
            assert await ask(asker, "switch_project", {"project_id": "nope"}) == [
                ("project_switch_error", {"error": "Project nope not found"})
            ]
        assert second.id in server.state.projects

    play(scenario)


def test_restoring(server: Server, client: Any) -> None:
    first, _ = report(server, "The first"), report(server, "The second")

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            ((name, state),) = await ask(asker, "restore_project_state", {"project_id": first.id})
            assert name == "project_restored"
            assert state.keys().isdisjoint({"project_id", "timestamp"})
            assert state["current_project"]["id"] == first.id
            ((name, state),) = await ask(asker, "request_project_restore", {"project_id": first.id})
            assert (name, state["restored"], state["restored_from"]) == (
                "project_restored",
                True,
                "basic_state",
            )
            assert (state["project_id"], state["all_nodes"].keys()) == (first.id, {"root", "root.1"})
            assert await ask(asker, "request_project_restore", {"project_id": "nope"}) == [
                ("project_restore_error", {"error": "No saved state found for project nope"})
            ]
            assert not other.payloads("project_restored")
            assert other.payloads(FRAME)[-1]["project_id"] != first.id  # nothing was switched

    play(scenario)


def test_saving(server: Server, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project = report(server)
    known, unknown = {"project_id": project.id}, {"project_id": "../nope"}
    saved = {"project_id": project.id, "message": "Project saved successfully", "node_count": 2}
    not_found = [("save_error", {"error": "Project ../nope not found"})]

    async def scenario() -> None:
        async with client(server.url) as asker:
            assert await ask(asker, "force_save_project", known) == [("save_success", saved)]
            assert len(server.state.store.nodes(project.id)) == 2
            assert await ask(asker, "auto_save_project", known) == []
            assert await ask(asker, "force_save_project", unknown) == not_found
            assert await ask(asker, "auto_save_project", unknown) == not_found
            fail_saving(monkeypatch, server)
            for event in ("force_save_project", "auto_save_project"):
                ((name, reply),) = await ask(asker, event, known)
                assert name == "save_error"
                assert "disk is full" in reply["error"]

    play(scenario)
    monkeypatch.undo()


def test_stop_project(server: Server, client: Any, gate: Gate) -> None:
    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            ((_, started),) = await ask(asker, "start_project", {"project_goal": GOAL})
            await asyncio.to_thread(gate.entered.wait, DEADLINE_S)
            project_id = started["project"]["id"]
            ((name, reply),) = await ask(asker, "stop_project", {"project_id": project_id})
            assert (name, reply["project_id"]) == ("project_stopped", project_id)
            await other.until(lambda: status_of(other.payloads(FRAME)[-1]) == "stopped")
            assert other.payloads(FRAME)[-1]["all_nodes"]["root"]["status"] == "CANCELLED"
            assert not other.payloads("project_stopped")
            assert await ask(asker, "stop_project", {"project_id": project_id}) == [
                ("project_stop_error", {"error": f"Project {project_id} is not running"})
            ]

    play(scenario)


def status_of(frame: Mapping[str, Any]) -> str | None:
    return frame["current_project"]["status"] if frame["current_project"] else None


@pytest.mark.parametrize("fails", [False, True])
def test_simple_execution_is_told_to_everyone_at_its_end(
    server: Server, client: Any, gate: Gate, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    current = report(server)
    gate.fails = fails
    event = "simple_execution_error" if fails else "simple_execution_update"

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            request = {"goal": GOAL, "options": {"max_steps": 5, "depth": 2}}
            ((name, reply),) = await ask(asker, "simple_execute_stream", request)
            assert (name, reply["goal"]) == ("simple_execution_started", GOAL)
            gate.go.set()
            for each in (asker, other):
                await each.until(lambda each=each: bool(each.payloads(event)))
            (told,) = other.payloads(event)
            if fails:
                assert told == {"message": "Streaming execution failed: out of luck", "goal": GOAL}
            else:
                assert told["result"] == {"output_text": "found"}
                assert (told["goal"], told["status"]) == (GOAL, "completed")
                assert told["project_id"] in server.state.projects
            assert not other.payloads("simple_execution_started")
            assert gate.seen == [{"max_steps": 5, "depth": 2}]
            assert server.state.projects.current_id == current.id

    play(scenario)


# --- traces ----------------------------------------------------------------------------------------------------------


def test_traces_and_stages(server: Server, client: Any) -> None:
    project = report(server)
    root = {"project_id": project.id, "node_id": "root"}

    async def scenario() -> None:
        async with client(server.url) as asker, client(server.url) as other:
            ((name, data),) = await ask(asker, "request_node_trace", root)
            (stage,) = data["trace"]["stages"]
            assert (name, data["node_id"], stage["stage_name"]) == ("node_trace_data", "root", "planning")
            details = {**root, "stage_id": stage["stage_id"]}
            ((name, data),) = await ask(asker, "request_stage_details", details)
            assert (name, data["stage_id"]) == ("stage_details_data", stage["stage_id"])
            assert "llm_input_messages" not in data["stage"]
            assert await ask(asker, "request_stage_details", {**root, "stage_id": "s"}) == [
                ("stage_details_error", {"error": "Stage s not found"})
            ]
            assert await ask(asker, "request_node_trace", {**root, "node_id": "root.9"}) == [
                ("node_trace_error", {"error": "No trace found for node root.9"})
            ]
            ((name, data),) = await ask(asker, "clear_traces", {"project_id": project.id})
            assert (name, data["project_id"]) == ("traces_cleared", project.id)
            assert server.state.store.traces_of(project.id) == []
            assert await ask(asker, "request_node_trace", root) == [
                ("node_trace_error", {"error": "No trace found for node root"})
            ]
            assert {name for name, _ in other.events} == {"projects_list", FRAME, "connect"}

    play(scenario)


# --- tasks that are on disk only -------------------------------------------------------------------------------------


def forget_tasks(server: Server, project_id: str) -> ProjectRecord:
    """As if the project had not been looked at for long."""
    server.state.save()
    record = server.state.projects.get(project_id)
    with server.state.lock:
        record.nodes = None
    return record


def test_tasks_are_read_from_disk_when_they_are_to_be_told(server: Server, client: Any) -> None:
    project = report(server)

    async def scenario() -> None:
        async with client(server.url) as joined:
            record = await asyncio.to_thread(forget_tasks, server, project.id)
            with server.state.lock:
                server.state.projects.change(record, title="Another")
            await joined.until(lambda: joined.payloads(FRAME)[-1]["current_project"]["title"] == "Another")
            assert joined.payloads(FRAME)[-1]["all_nodes"]["root"]["full_result"] == "the report"

    play(scenario)


def test_what_cannot_be_read_is_said(
    server: Server, client: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = report(server)
    said = "Cannot read the store: a row is not what was written."

    def damaged(*args: Any) -> Any:
        raise StoreError(said)

    async def scenario() -> None:
        async with client(server.url) as before:
            record = await asyncio.to_thread(forget_tasks, server, project.id)
            monkeypatch.setattr(server.state.store, "nodes", damaged)
            monkeypatch.setattr(server.state.traces, "read", damaged)
            with server.state.lock:
                server.state.projects.change(record, title="Another")
            async with client(server.url) as asker:
                assert [name for name, _ in asker.events] == ["projects_list", "error", "connect"]
                assert asker.payloads("error") == [{"message": said}]
                known = {"project_id": project.id}
                for event in ("restore_project_state", "switch_project"):
                    assert await ask(asker, event, known) == [(ERRORS[event].event, {"error": said})]
                assert await ask(asker, "request_node_trace", {**known, "node_id": "root"}) == [
                    ("node_trace_error", {"error": said})
                ]
            assert len(before.payloads(FRAME)) == 1
        monkeypatch.undo()

    play(scenario)
    assert caplog.text.count("cannot be shown") <= 1
