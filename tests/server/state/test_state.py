"""What the server knows survives restarts, failed saves, eviction from memory. The crash tests are in test_store.py."""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from server.reporting import Desk, desk

from roma_widget.errors import UnknownProject
from roma_widget.server.state.projects import LOST
from roma_widget.server.state.store import FILE_NAME, Batch, StoreError


def test_a_project_with_its_traces_is_there_after_a_restart(tmp_path: Path) -> None:
    with desk(tmp_path) as before, before.project("Survey") as project, project.task("root") as root:
        first = root.task("first")
        with root.task("second", depends_on=[first]) as second, second.stage("execution") as stage:
            stage.record(response="text", output={"a": [1, 2]})
            stage.tool_call("search", {"q": "x"}, result="y")
            second.finish("x" * 1000)
        with first:
            first.finish({"text": "é😀"})
        frame, stages = before.frame(project), before.stages(project, "root.2")
        assert frame["current_project"]["status"] == "running"
        root.finish("all")
    with desk(tmp_path) as after:
        state = after.state
        assert state.projects.current_id == project.id
        record = state.projects.get(project.id)
        assert record.fields["status"] == "completed"
        assert state.projects.listed()["projects"][0]["has_saved_results"] is True
        nodes = after.frame(project)
        assert nodes["graphs"] == frame["graphs"]
        assert nodes["all_nodes"]["root.1"]["full_result"] == {"text": "é😀"}
        assert list(nodes["all_nodes"]) == ["root", "root.1", "root.2"]
        assert nodes["all_nodes"]["root.2"] == frame["all_nodes"]["root.2"]
        assert after.stages(project, "root.2") == stages


def test_a_run_that_was_alive_when_the_server_died_says_so(tmp_path: Path) -> None:
    died = tmp_path / "died"
    died.mkdir()
    with desk(tmp_path / "living") as before:
        project = before.project()
        with project, project.task("root") as root, root.stage("execution"):
            root.task("waiting")
            before.state.save()
            shutil.copy(tmp_path / "living" / FILE_NAME, died)
    with desk(died) as after:
        record = after.state.projects.get(project.id)
        assert (record.fields["status"], record.fields["error"]) == ("failed", LOST)
        assert after.node(project, "root")["status"] == "CANCELLED"
        assert after.node(project, "root.1")["error"] == LOST
        (stage,) = after.stages(project, "root")
        assert (stage["status"], stage["error_message"]) == (
            "failed",
            "The server stopped during this stage.",
        )


def test_traces_in_memory_are_bounded_and_the_others_come_from_disk() -> None:
    with desk(most_traces=10) as host, host.project() as project, project.task("root") as root:
        for number in range(50):
            with root.task(f"task {number}") as task, task.stage("execution") as stage:
                stage.record(response=f"answer {number}")
        host.state.save()
        assert host.state.traces.in_memory == 10
        assert [host.stages(project, f"root.{n + 1}")[0]["llm_response"] for n in range(50)] == [
            f"answer {number}" for number in range(50)
        ]
        assert host.state.traces.in_memory == 10


def run_and_forget(host: Desk, goal: str) -> str:
    """The id of a project that ended and that nobody holds any more."""
    with host.project(goal) as project, project.task("root") as root, root.stage("execution"):
        root.finish(f"answer to {goal}")
    return project.id


def result_of_root(host: Desk, project_id: str) -> object:
    frame = json.loads(host.state.projects.frame(project_id))
    return frame["all_nodes"]["root"]["full_result"]


def test_ended_projects_leave_the_memory_and_come_back() -> None:
    with desk() as host:
        ids = [run_and_forget(host, f"chat {number}") for number in range(40)]
        host.state.save()
        results = [result_of_root(host, project_id) for project_id in ids]
        host.state.save()
        loaded = [record for record in host.state.projects.records() if record.nodes is not None]
        assert len(loaded) <= 17
        assert results == [f"answer to chat {number}" for number in range(40)]


def test_what_is_asked_for_is_not_what_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing can be saved everything new has to stay; what is read from disk is still given to who asks."""
    with desk(tmp_path) as host:
        old = run_and_forget(host, "old")
        host.state.save()
    with desk(tmp_path, most_traces=4) as host:
        monkeypatch.setattr(host.state.store, "save", fail_to_save)
        for number in range(30):
            run_and_forget(host, f"new {number}")
        for _ in range(2):
            assert result_of_root(host, old) == "answer to old"
            assert list(host.state.projects.nodes(host.state.projects.get(old))) == ["root"]
            trace = host.state.traces.read(old, "root")
            assert trace is not None
            assert trace.stages[0].status == "completed"
        monkeypatch.undo()


def test_tasks_that_somebody_holds_are_not_forgotten() -> None:
    with desk() as host:
        project = host.project("long")
        with project:
            root = project.task("root")
        for number in range(20):
            run_and_forget(host, f"short {number}")
        host.state.save()
        with project, root:
            root.task("child")
            root.finish("late")
        assert result_of_root(host, project.id) == "late"


def test_an_id_that_is_made_again_has_nothing_of_the_deleted_one(tmp_path: Path) -> None:
    with desk(tmp_path) as host:
        with host.project(project_id="same") as project, project.task("old") as root, root.stage("execution"):
            root.task("old child")
        host.state.save()
        with host.state.lock:
            host.state.projects.delete("same")
            host.state.traces.clear("same")
        with host.project(project_id="same") as project, project.task("new"):
            pass
    with desk(tmp_path) as after:
        assert [node["goal"] for node in after.frame(project)["all_nodes"].values()] == ["new"]
        assert after.stages(project, "root") == []


def test_one_trace_that_cannot_be_encoded_does_not_take_the_others_along(tmp_path: Path) -> None:
    with desk(tmp_path) as host:
        kept = run_and_forget(host, "precious")
        with host.project("odd") as odd, odd.task("root") as root, root.stage("execution") as stage:
            stage.record(**{"key \ud800": 1})
            assert stage._open is not None
            stage._open.stage.output_data = "\udfff"  # as if a way in had been forgotten
    with desk(tmp_path) as after:
        assert result_of_root(after, kept) == "answer to precious"
        assert after.stages(odd, "root")[0]["output_data"] == "?"


def test_has_been_saved_is_said_of_what_has_been_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(tmp_path) as host:
        monkeypatch.setattr(host.state.store, "save", fail_to_save)
        project_id = run_and_forget(host, "new")
        with pytest.raises(StoreError):
            host.state.save()
        assert host.state.projects.get(project_id).entry()["has_saved_results"] is False
        monkeypatch.undo()
        host.state.save()
        assert host.state.projects.get(project_id).entry()["has_saved_results"] is True


def test_a_slow_save_holds_up_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with desk(tmp_path) as host:
        save, is_saving, go_on = host.state.store.save, threading.Event(), threading.Event()

        def slow(batch: Batch) -> None:
            with host.state.store._lock:
                is_saving.set()
                assert go_on.wait(10)
            save(batch)

        monkeypatch.setattr(host.state.store, "save", slow)
        host.state.projects.create("wakes the saver")
        assert is_saving.wait(10)
        began_s = time.monotonic()
        project_id = run_and_forget(host, "new")  # with the store's own lock taken
        host.state.projects.frame(project_id)
        assert time.monotonic() - began_s < 1
        go_on.set()
        monkeypatch.undo()


def test_running_a_project_anew_leaves_nothing_of_the_old_run(tmp_path: Path) -> None:
    with desk(tmp_path) as host:
        with host.project() as project, project.task("old") as root, root.stage("execution"):
            root.task("old child")
        host.state.save()
        record = host.state.projects.get(project.id)
        with host.state.lock:
            host.state.projects.clear(record)
            host.state.traces.clear(project.id)
        assert host.stages(project, "root") == []
        assert host.frame(project)["all_nodes"] == {}
        with project, project.task("new"):
            pass
        assert host.stages(project, "root") == []
    with desk(tmp_path) as after:
        assert list(after.frame(project)["all_nodes"]) == ["root"]
        assert after.node(project, "root")["goal"] == "new"
        assert after.stages(project, "root") == []


def test_a_deleted_project_is_gone_from_disk_too(tmp_path: Path) -> None:
    with desk(tmp_path) as host:
        with host.project() as project, project.task("root") as root, root.stage("execution"):
            pass
        host.state.save()
        with host.state.lock:
            host.state.projects.delete(project.id)
            host.state.traces.clear(project.id)
        with pytest.raises(UnknownProject):
            host.state.projects.get(project.id)
    with desk(tmp_path) as after:
        assert after.state.projects.listed() == {"projects": [], "current_project_id": None}
        assert after.state.store.nodes(project.id) == {}
        assert after.stages(project, "root") == []


def test_what_could_not_be_saved_is_said_and_saved_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with desk(tmp_path) as host:
        save = host.state.store.save
        monkeypatch.setattr(host.state.store, "save", fail_to_save)
        with caplog.at_level(logging.ERROR, "roma_widget.server"):
            with host.project() as project, project.task("root") as root, root.stage("execution"):
                root.task("child")
            with pytest.raises(StoreError, match="full"):
                host.state.save()
            assert host.state.storage_error == "The disk is full."
            _until(lambda: "The disk is full." in caplog.text)
        monkeypatch.setattr(host.state.store, "save", save)
        host.state.save()
        assert host.state.storage_error is None
    with desk(tmp_path) as after:
        assert list(after.frame(project)["all_nodes"]) == ["root", "root.1"]
        assert len(after.stages(project, "root")) == 1


def test_changes_are_saved_by_themselves(tmp_path: Path) -> None:
    with desk(tmp_path) as host, host.project() as project, project.task("root"):
        _until(
            lambda: project.id in host.state.store.projects() and "root" in host.state.store.nodes(project.id)
        )


def test_a_corrupt_file_is_refused_at_start(tmp_path: Path) -> None:
    (tmp_path / "roma.sqlite3").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match=r"roma\.sqlite3"), desk(tmp_path):
        pass
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(tmp_path / "roma.sqlite3").execute("select * from projects")


def _until(condition: object, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def fail_to_save(batch: Batch) -> None:
    raise StoreError("The disk is full.")
