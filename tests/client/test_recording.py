"""`connect(record=…)` and `m.save` on real feeds: what is in the file is what the monitor had."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from client.servers import (
    SAFE,
    Replay,
    WireServer,
    eventually,
    frame,
    io_cpu_s,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget import keeping, opening
from roma_widget.archive import recorder, writing
from roma_widget.archive.capture import read_capture
from roma_widget.archive.recorder import Recorder
from roma_widget.archive.saved import open_run
from roma_widget.client.loop import io_thread
from roma_widget.widget.cells import Cell

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
Replays = Callable[..., Replay]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "EVERY_S", 0.02)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "run.roma"


@pytest.fixture
def server(wire: Wire) -> WireServer:
    return wire(
        {
            "/api/health": SAFE,
            "/api/projects": projects_list("p1", "p2"),
            "/api/projects/p2": {"project": {"id": "p2"}, "state": frame([node("of-p2")], project="p2")},
        },
        greeting=[packet("projects_list", projects_list("p1", "p2"))],
    )


def live(connect: Connect, server: WireServer, **options: Any) -> roma.Monitor:
    monitor = connect(server.url, **options)
    eventually(lambda: server.clients_now and monitor.connection["state"] == "live")
    return monitor


def holds(path: Path, is_so: Callable[[Any], object]) -> None:
    """Waits until the file, which grows, has what is wanted."""

    def looks() -> bool:
        try:
            with open_run(path) as run:
                return bool(is_so(run))
        except roma.UnknownTask:
            return False
        except roma.ArchiveError as error:
            said = str(error)
        assert "holds no run" in said  # nothing else may be wrong with it at any moment
        return False

    eventually(looks)


def everything(path: Path) -> bytes:
    """All that is written anywhere in an archive, unpacked."""
    found = path.read_bytes()
    with sqlite3.connect(path) as db:
        for table in ("blocks", "traces", "results"):
            for (body,) in db.execute(f"SELECT body FROM {table}"):
                found += zlib.decompress(body[8:])
    db.close()
    return found


@pytest.mark.parametrize("name", ["b_hitl", "d_failed"])
def test_a_recording_has_the_states_that_the_monitor_had(
    connect: Connect, replay: Replays, captures: Path, out: Path, name: str
) -> None:
    server = replay(read_capture(captures / f"{name}.jsonl.xz"))
    m = connect(server.url, record=out)
    m.wait("connected", timeout=20)
    for moment in server.server.capture.moments:
        server.go_to(moment.at_s)
    m.wait(timeout=20)
    times = m.times
    kept = [m.at(time).snapshot.tasks for time in times]
    m.fetch_traces(progress=False)
    frames = m.tasks(), m.stages(), m.context_edges()
    m.disconnect()
    with open_run(out) as run:
        assert [run.at(time).snapshot.tasks for time in run.times] == kept
        assert run.snapshot.tasks == m.snapshot.tasks
        for frame_, again in zip(frames, (run.tasks(), run.stages(), run.context_edges()), strict=True):
            pd.testing.assert_frame_equal(again, frame_)
        assert run.progress == m.progress
        assert run.meta["ended"] is True


def test_it_can_be_read_while_it_grows(connect: Connect, server: WireServer, out: Path) -> None:
    m = live(connect, server, record=out)
    for status in ("PENDING", "RUNNING", "DONE"):
        server.send_frame([node("root", status)])
        holds(out, lambda run, status=status: run.task("root").status == status)
    loaded = roma.load(out)
    assert loaded.connection["state"] == "archive"
    assert "had not ended" in loaded.connection["reason"]
    assert loaded.address == "run.roma"
    loaded.close()
    m.disconnect()


def test_what_is_redacted_is_in_no_file_and_on_every_screen(
    connect: Connect, server: WireServer, out: Path
) -> None:
    m = live(connect, server, record=out, redact=re.compile("hunter22"))
    server.send_frame([node("root", "RUNNING", goal="mail hunter22 to Ann")])
    holds(out, lambda run: run.task("root").goal == "mail [redacted] to Ann")
    assert m.task("root").goal == "mail hunter22 to Ann"
    m.disconnect()
    assert b"hunter22" not in everything(out)


def test_what_a_redact_function_fails_at_ends_the_recording_and_is_said(
    connect: Connect, server: WireServer, out: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def picky(where: str, text: str) -> str:
        if "hunter22" in text:
            raise ValueError("what is that?")
        return text

    m = live(connect, server, record=out, redact=picky)
    server.send_frame([node("root", "RUNNING", goal="mail Ann")])
    holds(out, lambda run: run.task("root").goal == "mail Ann")
    server.send_frame([node("root", "RUNNING", goal="mail hunter22 to Ann")])
    eventually(lambda: any("picky raised ValueError" in str(said) for said in m.events()["after"]))
    m.disconnect()
    assert b"hunter22" not in everything(out)
    assert not [record for record in caplog.records if record.exc_info]


def test_redact_without_a_file_is_refused() -> None:
    with pytest.raises(ValueError, match="name a file with record="):
        roma.connect("http://127.0.0.1:1", redact="secrets")


def test_a_killed_kernel_loses_at_most_what_it_heard_last(
    connect: Connect, server: WireServer, out: Path
) -> None:
    code = (
        "import sys, roma_widget as roma; m = roma.connect(sys.argv[1], record=sys.argv[2]); "
        "m.wait('connected', timeout=20); print('on', flush=True); m.wait(lambda s: False)"
    )
    command = [sys.executable, "-c", code, server.url, str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    kernel = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
    try:
        assert kernel.stdout is not None
        assert kernel.stdout.readline() == b"on\n"
        server.send_frame([node("root", "RUNNING"), node("root.1", "DONE")])
        holds(out, lambda run: run.task("root.1").status == "DONE")
    finally:
        kernel.send_signal(signal.SIGKILL)
        kernel.wait(10)
        assert kernel.stdout is not None
        kernel.stdout.close()
    with open_run(out) as run:
        assert run.meta["ended"] is False
        assert list(run.snapshot.tasks) == ["root", "root.1"]
    m = live(connect, server, record=out)  # the kernel's next life goes on with the file
    server.send_frame([node("root", "DONE"), node("root.1", "DONE")])
    m.wait(lambda s: s.task("root").status == "DONE" if s.tasks else False, timeout=10)
    m.disconnect()
    with open_run(out) as run:
        states = [run.at(time).snapshot.tasks for time in run.times]
        statuses = [tasks["root"].status for tasks in states if tasks]
        assert statuses == ["RUNNING", "DONE"]


def test_a_cell_that_runs_again_goes_on_with_its_file(
    connect: Connect, server: WireServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for execution in range(4):
        cell = Cell("cell", str(execution))
        monkeypatch.setattr(opening, "current_cell", lambda cell=cell: cell)
        m = live(connect, server, record=out)
        server.send_frame([node("root", goal=f"goal {execution}")])
        m.wait(lambda s, n=execution: s.tasks and s.task("root").goal == f"goal {n}", timeout=5)
        if not execution:
            m.annotate("root", "look")
        holds(out, lambda run, n=execution: run.task("root").goal == f"goal {n}")
    told = m.events()
    m.disconnect()
    assert not (told["event"] == "error").any()
    with open_run(out) as run:
        assert run.times.is_monotonic_increasing
        assert run.meta["ended"] is True
        assert run.annotations()["text"].to_list() == ["look"]
        assert run.events()["after"].to_list() == told["after"].to_list()
    recording_threads_end()


def test_another_monitor_is_not_disturbed(connect: Connect, server: WireServer, out: Path) -> None:
    first = live(connect, server, record=out)
    with pytest.raises(roma.ArchiveError, match="by another monitor"):
        connect(server.url, "p2", record=out)
    server.send_frame([node("root", "DONE")])
    holds(out, lambda run: run.task("root").status == "DONE")
    first.disconnect()
    second = connect(server.url, "p2", record=out)
    second.wait(lambda s: s.tasks, timeout=5)
    second.disconnect()
    with open_run(out) as run:
        assert {kept.project_id for kept in run.projects} == {"p1", "p2"}


def test_it_goes_along_when_another_project_is_watched(
    connect: Connect, server: WireServer, out: Path
) -> None:
    m = live(connect, server, record=out)
    server.send_frame([node("root")])
    m.wait(lambda s: s.tasks, timeout=5)
    m.annotate("root", "just before")
    m.watch("p2")
    m.wait(lambda s: "of-p2" in s.tasks, timeout=5)
    m.watch(None)
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    m.watch("p2")
    m.disconnect()
    with open_run(out, "p1") as run:
        assert run.events().query("event == 'annotation'")["after"].to_list() == ["just before"]
    loaded = roma.load(out)
    assert list(loaded.snapshot.tasks) == ["of-p2"]
    assert {entry["id"] for entry in loaded.projects} == {"p1", "p2"}
    loaded.watch("p1")
    assert list(loaded.snapshot.tasks) == ["root"]
    assert loaded.watching == "p1"
    with pytest.raises(roma.UnknownProject, match="only"):
        loaded.watch("p3")
    assert loaded.watching == "p1"
    loaded.close()


def test_what_people_wrote_and_what_happened_is_in_it(
    connect: Connect, server: WireServer, out: Path
) -> None:
    m = live(connect, server, record=out)
    server.send_frame([node("root", "RUNNING")])
    m.wait(lambda s: s.tasks, timeout=5)
    m.annotate("root", "look here", tags=["odd"])
    server.send_frame([node("root", "FAILED", error="no answer")])
    m.wait(lambda s: s.task("root").status == "FAILED", timeout=5)
    m.disconnect()
    with open_run(out) as run:
        events, told = run.events(), m.events()
        of_tasks = told["event"].isin(["task_added", "task_changed", "annotation"])
        assert events[events["event"].isin(["task_added", "task_changed", "annotation"])][
            "after"
        ].to_list() == (told[of_tasks]["after"].to_list())
        assert run.annotations()["text"].to_list() == ["look here"]


def test_a_token_is_in_no_file(connect: Connect, server: WireServer, out: Path, tmp_path: Path) -> None:
    token = "hush-hush-4711"
    m = live(connect, server, token=token, record=out)
    server.send_frame([node("root", goal=f"say {token}", full_result={"deep": [f"it is {token}!"]})])
    m.wait(lambda s: s.tasks, timeout=5)
    m.annotate("root", f"mind {token}")
    saved = m.save(tmp_path / "saved.roma")
    m.disconnect()
    for path in (out, saved):
        assert token.encode() not in everything(path)
        with open_run(path) as run:
            assert run.task("root").goal.startswith("say ")


@pytest.mark.parametrize("place", ["", "no/such/folder/x.roma", "/dev/null/x.roma", "file.txt"])
def test_where_it_cannot_be_written_is_said_at_once(
    connect: Connect, server: WireServer, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("somebody's thesis")
    with pytest.raises((roma.ArchiveError, ValueError)) as raised:
        connect(server.url, record=place)
    assert "file" in str(raised.value) or "folder" in str(raised.value) or "cannot" in str(raised.value)
    assert (tmp_path / "file.txt").read_text() == "somebody's thesis"


def test_a_full_disk_is_said_and_what_was_heard_is_written_when_there_is_room(
    connect: Connect, server: WireServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = live(connect, server, record=out)
    commit, is_full = writing.ArchiveWriter.commit, True

    def fails(self: writing.ArchiveWriter) -> None:
        if is_full:
            raise roma.ArchiveError(f"{self.path} cannot be written: database or disk is full.")
        commit(self)

    monkeypatch.setattr(writing.ArchiveWriter, "commit", fails)
    server.send_frame([node("root", "RUNNING")])
    said = eventually(lambda: [*m.events().query("event == 'error'")["after"]])
    assert len(said) == 1
    assert "disk is full" in said[0]
    assert "tried again" in said[0]
    is_full = False
    holds(out, lambda run: list(run.snapshot.tasks) == ["root"])


def test_what_cannot_be_written_for_long_ends_the_recording(
    connect: Connect, server: WireServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MOST_WAITING", 5)
    m = live(connect, server, record=out)

    def fails(self: writing.ArchiveWriter) -> None:
        raise roma.ArchiveError("disk is full.")

    monkeypatch.setattr(writing.ArchiveWriter, "commit", fails)
    numbers = iter(range(1000))

    def is_said() -> bool:
        server.send_frame([node("root", goal=f"{next(numbers)}")])
        return bool(m.events()["after"].str.contains("the recording has ended").any())

    eventually(is_said)
    recording_threads_end()


def test_a_file_that_is_recorded_is_not_saved_over(
    connect: Connect, server: WireServer, out: Path, tmp_path: Path
) -> None:
    m = live(connect, server, record=out)
    server.send_frame([node("root", "RUNNING")])
    m.wait(lambda s: s.tasks, timeout=5)
    with pytest.raises(roma.ArchiveError, match="is being recorded"):
        m.save(out)
    m.save(tmp_path / "another.roma")
    server.send_frame([node("root", "DONE")])
    holds(out, lambda run: run.task("root").status == "DONE")


def test_a_file_that_is_removed_ends_its_recording_and_says_so(
    connect: Connect, server: WireServer, out: Path
) -> None:
    m = live(connect, server, record=out)
    server.send_frame([node("root", "RUNNING")])
    holds(out, lambda run: run.snapshot.tasks)
    out.unlink()
    server.send_frame([node("root", "DONE")])
    eventually(lambda: m.events()["after"].str.contains("removed or replaced").any())
    recording_threads_end()


def test_another_kernel_that_takes_the_file_over_is_told_of(
    connect: Connect, server: WireServer, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = live(connect, server, record=out)
    monkeypatch.setattr(recorder, "_running", set())  # as if the next one were another process
    live(connect, server, history=False, record=out)
    server.send_frame([node("root")])
    eventually(lambda: first.events()["after"].str.contains("another recording").any())


def test_traces_are_fetched_once_however_many_the_cache_holds(
    connect: Connect, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "FETCH_EVERY_S", 0.02)
    with roma.Server() as served, served.project("Survey of X") as project:
        with project.task("Survey of X") as root:
            for number in range(20):
                with root.task(f"part {number}") as leaf, leaf.stage("execution") as stage:
                    stage.record(response=f"{number} " * 200)
                    leaf.finish(result="x")
        m = connect(served.url, record=out)
        m.wait("connected", timeout=10)
        cache = m._session._feed.traces
        monkeypatch.setattr(cache, "_most_characters", 3_000)
        asked: list[str] = []
        put = cache.put

        def counted(project_id: str, task: roma.Task, trace: roma.Trace | None) -> None:
            asked.append(task.task_id)
            put(project_id, task, trace)

        monkeypatch.setattr(cache, "put", counted)
        m.wait(timeout=10)
        eventually(lambda: len(set(asked)) == 21)
        eventually(lambda: not io_thread().result(_wanted(m), 5))
        n_asked = len(asked)
        m.disconnect()
        assert len(asked) == n_asked
    with open_run(out) as run:
        assert len(run.traces()) == 20  # nothing happened in the root itself
        assert run.lack is None


def test_what_was_asked_and_answered_is_in_it(connect: Connect, out: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.roma"
    with roma.Server() as served, ThreadPoolExecutor(2) as agents, served.project("Survey of X") as project:
        with project.task("Survey of X") as root:
            m = connect(served.url, record=out)
            m.wait("connected", timeout=10)
            first = agents.submit(
                root.ask, "PlanReview", "mail to a@example.org?", data={"plan": "b@example.org"}
            )
            m.hitl.next(timeout=10).modify("ask c@example.org instead")
            assert first.result(10).action == "modify"
            eventually(lambda: not m.pending)
            second = agents.submit(root.ask, "Unanswered", "Well?", timeout=30)
            m.hitl.next(timeout=10)
            ledger = m.hitl.ledger()
            m.save(saved, redact="secrets")
            m.hitl.pending[0].approve()
            second.result(10)
        m.wait(timeout=10)
        m.disconnect()
    loaded = roma.load(out)
    again = loaded.hitl.ledger()
    assert again["action"].to_list() == ["modify", "approve"]
    assert again.loc[0, "instructions"] == "ask c@example.org instead"
    pd.testing.assert_frame_equal(again.loc[:0].drop(columns="state"), ledger.loc[:0].drop(columns="state"))
    assert "waits for a person" in [each.name for each in loaded.figures.timeline().data]
    with pytest.raises(roma.NotLive):
        loaded.hitl.next(timeout=0.1)
    loaded.close()
    with open_run(saved) as run:
        kept = run.questions()
        assert [each.checkpoint for each in kept] == ["PlanReview", "Unanswered"]
        assert kept[0].data == {"plan": "[redacted: e-mail]"}
    assert b"example.org" not in everything(saved)


async def _wanted(m: roma.Monitor) -> list[roma.Task]:
    session = m._session
    return session._traces_wanted(session._shown())


def recording_threads_end() -> None:
    eventually(lambda: not [each for each in threading.enumerate() if each.name == "roma-recorder"])


def test_runs_of_a_cell_leave_no_threads(connect: Connect, server: WireServer, tmp_path: Path) -> None:
    for number in range(5):
        m = live(connect, server, record=tmp_path / f"{number}.roma")
        m.close()
    recording_threads_end()


def test_recording_costs_the_loop_little(
    connect: Connect, server: WireServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound is a tenth; on a shared machine a fifth is let pass. The least of some tries counts."""
    monkeypatch.setattr(recorder, "EVERY_S", 0.2)

    def cost_s(place: str, **options: Any) -> float:
        m = live(connect, server, **options)
        nodes = [node(f"root.{number}", goal="g" * 1000) for number in range(300)]
        began_s = io_cpu_s()
        for step in range(30):
            changed = [{**each, "goal": f"{step} {'g' * 1000}"} for each in nodes[:30]]
            server.send_frame([node("root", goal=f"{place} {step}"), *changed, *nodes[30:]])
            m.wait(lambda s, step=step: s.tasks and s.task("root").goal == f"{place} {step}", timeout=10)
        took_s = io_cpu_s() - began_s
        m.close()
        return took_s

    tries = []
    for number in range(3):
        without_s = cost_s(f"a{number}")
        with_s = cost_s(f"b{number}", record=tmp_path / f"{number}.roma")
        tries.append(with_s / without_s)
    assert min(tries) < 1.2, tries


def test_a_recorder_that_is_made_and_closed_leaves_an_empty_archive(out: Path) -> None:
    from roma_widget.archive.redaction import redaction

    made = Recorder(out, redaction(None), about={})
    made.close()
    with pytest.raises(roma.ArchiveError, match="holds no run"):
        open_run(out)
