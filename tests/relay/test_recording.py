"""A relay's recordings: one archive a project, that can be read while it grows, and after a restart goes on."""

from __future__ import annotations

import itertools
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from client.servers import WireServer, eventually, node, packet
from relay.conftest import TIMEOUT_S, MakeRelay

import roma_widget as roma
from roma_widget.archive.recorder import Recorder
from roma_widget.client.feed import FeedOptions
from roma_widget.client.loop import io_thread
from roma_widget.errors import ArchiveError
from roma_widget.opening import recorder_for
from roma_widget.relay import process, recordings
from roma_widget.relay.recordings import file_of
from roma_widget.relay.relay import Relay

A_RELAY = Path(__file__).parent / "a_relay.py"


def loaded(folder: Path, name: str) -> Any:
    """The saved run whose file's name begins so, once it can be read."""

    def load() -> Any:
        found = list(folder.glob(f"{name}*.roma"))
        try:
            return roma.load(found[0]) if found else None
        except roma.RomaError:
            return None

    return eventually(load)


def is_finished(relay: Relay) -> bool:
    return relay._recordings is not None and relay._recordings.n_open == 0


def test_each_project_has_a_file_that_grows_and_is_whole_in_the_end(
    relay_of: MakeRelay, tmp_path: Path
) -> None:
    with roma.Server() as above:
        relay = relay_of(above.url, record=tmp_path / "runs")
        with above.project("First survey") as first, first.task("First survey") as root:
            eventually(lambda: "root" in _tasks(tmp_path / "runs", "First-Survey"))
            with root.stage("execution", agent="searcher") as stage:
                stage.record(prompt="Where?", response="Here.")
            with above.project("Second survey") as second, second.task("Second survey") as other:
                other.finish("two")
            root.finish("one")
        eventually(lambda: is_finished(relay))
        saved = loaded(tmp_path / "runs", "First-Survey")
        assert saved.task("root").result == "one"
        assert saved.trace("root").stages[0].llm_response == "Here."
        assert saved.progress["outcome"] == "succeeded"
        assert loaded(tmp_path / "runs", "Second-Survey").task("root").result == "two"
        files = list((tmp_path / "runs").glob("*.roma"))
        assert [path.stat().st_mode & 0o777 for path in files] == [0o600, 0o600]


def _tasks(folder: Path, name: str) -> Any:
    return loaded(folder, name).snapshot.tasks


def test_after_a_restart_it_goes_on_with_the_same_file(relay_of: MakeRelay, tmp_path: Path) -> None:
    with roma.Server() as above:
        relay = relay_of(above.url, record=tmp_path)
        with above.project("A long run") as project, project.task("A long run") as root:
            eventually(lambda: "root" in _tasks(tmp_path, "A-Long-Run"))
            io_thread().result(relay.stop(), TIMEOUT_S)
            root.finish("done")
            again = relay_of(above.url, record=tmp_path)
            eventually(lambda: not is_finished(again))
        eventually(lambda: loaded(tmp_path, "A-Long-Run").progress["outcome"] == "succeeded")
        eventually(lambda: is_finished(again))
        assert len(list(tmp_path.glob("*.roma"))) == 1


def test_of_a_relay_that_is_killed_a_second_is_lost_at_most_and_the_next_goes_on(tmp_path: Path) -> None:
    runs = tmp_path / "runs"

    def relay() -> subprocess.Popen[str]:
        command = [sys.executable, str(A_RELAY), above.url, str(tmp_path / "kept"), str(runs)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    def kill(process: subprocess.Popen[str]) -> None:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()

    with roma.Server() as above:
        with above.project("A long run") as project, project.task("A long run") as root:
            first = relay()
            try:
                with root.task("Search") as leaf:
                    leaf.finish("found")
                eventually(lambda: "root.1" in _tasks(runs, "A-Long-Run"))
            finally:
                kill(first)
            assert "root.1" in _tasks(runs, "A-Long-Run")
            second = relay()
            root.finish("done")
        try:
            eventually(lambda: loaded(runs, "A-Long-Run").progress["outcome"] == "succeeded")
        finally:
            kill(second)
        assert len(list(runs.glob("*.roma"))) == 1
        assert {"root", "root.1"} <= _tasks(runs, "A-Long-Run").keys()


def test_no_secret_is_in_a_recording(relay_of: MakeRelay, tmp_path: Path) -> None:
    secret = "a-token-that-nobody-may-see"
    with roma.Server(token=secret) as above:
        relay = relay_of(above.url, record=tmp_path, upstream=FeedOptions(above.url, token=secret))
        eventually(lambda: relay.session.connection.state == "live")
        with above.project(f"Survey {secret}") as project, project.task(secret) as root:
            root.finish(f"it is {secret}")
        eventually(lambda: list(tmp_path.glob("*.roma")) and is_finished(relay))
        (path,) = tmp_path.glob("*.roma")
        assert secret not in path.name.casefold()
        assert secret not in str(roma.load(path).task("root"))
        assert secret.encode() not in path.read_bytes()


def test_a_run_that_is_over_before_its_file_is_made_is_recorded_whole(
    relay_of: MakeRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = threading.Event()
    make = recordings.recorder_for

    def late(*arguments: Any) -> Any:
        is_over.wait(TIMEOUT_S)
        return make(*arguments)

    monkeypatch.setattr(recordings, "recorder_for", late)
    with roma.Server() as above:
        relay = relay_of(above.url, record=tmp_path)
        eventually(lambda: relay.session.connection.state == "live")
        with above.project("A short run") as project, project.task("A short run") as root:
            root.finish("done")
        eventually(lambda: not relay.is_run_alive() and not is_finished(relay))
        is_over.set()
        eventually(lambda: is_finished(relay))
        assert loaded(tmp_path, "A-Short-Run").task("root").result == "done"


def test_a_folder_that_cannot_be_written_is_said_at_the_start(relay_of: MakeRelay, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with roma.Server() as above, pytest.raises(ArchiveError, match="cannot be written"):
        relay_of(above.url, record=tmp_path / "file" / "runs")


@pytest.mark.parametrize(
    "title", ["", "../../etc/passwd", "a" * 5_000, "\0\n", "CON", "日本語の調査", "𝐀" * 80, ".", "x/y\\z"]
)
def test_a_file_stays_in_its_folder_and_is_its_project_s_own(tmp_path: Path, title: str) -> None:
    path = file_of(tmp_path, "http://127.0.0.1:1", "p1", title)
    path.touch()
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert file_of(tmp_path, "http://127.0.0.1:1", "p1", "another title") == path
    assert file_of(tmp_path, "http://127.0.0.1:1", "p2", title) != path
    assert file_of(tmp_path, "http://127.0.0.1:2", "p1", title) != path


def test_what_the_server_says_is_kept_beside_the_questions_and_goes_with_the_relay(
    relay_of: MakeRelay, tmp_path: Path
) -> None:
    left = tmp_path / "mirror" / "left by one that was killed"
    left.parent.mkdir()
    left.touch()
    with roma.Server() as above:
        relay = relay_of(above.url, data_dir=tmp_path)
        assert not left.exists()
        assert left.parent.is_dir()
        io_thread().result(relay.stop(), TIMEOUT_S)
        assert list(tmp_path.iterdir()) == []


def runs(*ids: str) -> dict[str, Any]:
    projects = [{"id": each, "goal": each, "status": "running"} for each in ids]
    return {"projects": projects, "current_project_id": ids[-1]}


def is_recorded(relay: Relay, project_id: str) -> bool:
    assert relay.options.record is not None
    return file_of(relay.options.record, relay.options.upstream.root, project_id, "").exists()


def test_one_that_is_being_opened_when_the_relay_ends_is_closed(
    roma_above: WireServer, relay_of: MakeRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_opening, may_open = threading.Event(), threading.Event()
    opened: list[Recorder] = []

    def slow(path: Path, options: FeedOptions) -> Recorder:
        is_opening.set()
        assert may_open.wait(TIMEOUT_S)
        opened.append(recorder_for(path, options))
        return opened[0]

    monkeypatch.setattr(recordings, "recorder_for", slow)
    roma_above.greeting = [packet("projects_list", runs("first"))]
    relay = relay_of(roma_above.url, record=tmp_path)
    assert is_opening.wait(TIMEOUT_S)
    recording = relay._recordings
    assert recording is not None
    stopping = io_thread().submit(relay.stop())
    eventually(lambda: recording._is_closed)
    may_open.set()
    stopping.result(TIMEOUT_S)
    assert [each.is_over for each in opened] == [True]


def test_one_that_waits_for_room_is_recorded_when_there_is_some(
    roma_above: WireServer, relay_of: MakeRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(recordings, "LAST_WITHIN_S", 0.1)
    roma_above.greeting = [packet("projects_list", runs("first", "second"))]
    relay = relay_of(roma_above.url, record=tmp_path)
    roma_above.send_frame([node("root")], project="first")
    eventually(lambda: is_recorded(relay, "first"))
    roma_above.send_frame([node("root")], project="second")
    assert not is_recorded(relay, "second")
    roma_above.send_frame([node("root", "DONE")], project="first", status="completed")
    eventually(lambda: is_recorded(relay, "second"))


def test_what_has_not_moved_for_long_gives_way_to_a_new_run(
    roma_above: WireServer, relay_of: MakeRelay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ROMA v1 says for ever that a project runs whose server was killed meanwhile."""
    monkeypatch.setattr(recordings, "MOST_AT_ONCE", 2)
    monkeypatch.setattr(recordings, "QUIET_S", 0.5)
    roma_above.greeting = [packet("projects_list", runs("dead1", "dead2", "dead3"))]
    relay = relay_of(roma_above.url, record=tmp_path)
    eventually(lambda: is_recorded(relay, "dead1") and is_recorded(relay, "dead2"))
    statuses = itertools.cycle(("RUNNING", "PLAN_DONE"))

    def goes_on() -> bool:
        roma_above.send_frame([node("root", next(statuses))], project="new")
        time.sleep(0.1)
        return is_recorded(relay, "new")

    eventually(goes_on)
    assert relay._recordings is not None
    assert relay._recordings.n_open == 2
    assert not is_recorded(relay, "dead3")


def test_a_folder_that_is_made_is_nobody_else_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    process._options(process.Wish("http://127.0.0.1:1", record=tmp_path / "runs"))
    assert stat.S_IMODE((tmp_path / "runs").stat().st_mode) == 0o700
