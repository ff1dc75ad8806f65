"""A file is read while it grows, and after its writer was killed: always a state that there was."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from analysis.snapshots import stage, trace
from archive import runs
from archive.runs import growing, journal_is_hot, saved

from roma_widget.archive import reading
from roma_widget.archive.files import header_of
from roma_widget.archive.reading import ArchiveReader
from roma_widget.archive.saved import SavedRun, open_run
from roma_widget.core.model import Task
from roma_widget.core.steps import as_time

TESTS = Path(__file__).resolve().parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"}
N_TASKS = 40


@contextmanager
def writing(path: Path, commit_every: int, *, pause_s: float = 0.0) -> Iterator[subprocess.Popen[str]]:
    """Another process that writes a run without end; it prints the number of each commit that is done."""
    child = subprocess.Popen(
        [sys.executable, "-m", "archive.test_growing", str(path), str(commit_every), str(pause_s)],
        cwd=TESTS,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "1\n"
        yield child
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def assert_is_a_beginning(run: SavedRun, expected: list[dict[str, Task]]) -> int:
    """Every state of the file is what was written as that step. Gives how many there are."""
    times_us = run.times_us()
    for place in {0, len(times_us) // 2, len(times_us) - 1}:
        assert dict(run.recall(as_time(times_us[place])).snapshot.tasks) == expected[place]
    return len(times_us)


@pytest.fixture(scope="module")
def expected() -> list[dict[str, Task]]:
    tasks: dict[str, Task] = {}
    states = []
    for step in growing(4_000, N_TASKS):
        tasks = {**tasks, **{key: task for key, task in step.versions.items() if task is not None}}
        states.append(tasks)
    return states


def test_readers_never_meet_an_error_while_another_process_writes(
    tmp_path: Path, expected: list[dict[str, Task]]
) -> None:
    path = tmp_path / "run.roma"
    lengths: list[list[int]] = [[], []]
    failures: list[BaseException] = []

    def read(own: list[int]) -> None:
        try:
            ends = time.monotonic() + 2.0
            while time.monotonic() < ends or len(own) < 5:
                with open_run(path) as run:
                    own.append(assert_is_a_beginning(run, expected))
                    run.tasks()
                    run.events()
        except BaseException as error:
            failures.append(error)

    with writing(path, 3, pause_s=0.003):
        readers = [threading.Thread(target=read, args=(own,)) for own in lengths]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
    assert not failures, failures[0]
    for own in lengths:
        assert own == sorted(own)
        assert own[-1] > own[0]


def test_what_was_committed_survives_that_the_writer_is_killed(
    tmp_path: Path, expected: list[dict[str, Task]]
) -> None:
    played_back = 0
    for number in range(10):
        path = tmp_path / f"{number}.roma"
        rng = random.Random(number)
        with writing(path, 150) as child:
            assert child.stdout is not None
            ends = time.monotonic() + (rng.uniform(0.0, 0.3) if number % 2 else 10.0)
            while time.monotonic() < ends and (number % 2 or not journal_is_hot(path)):
                pass  # every other one is killed in the middle of a commit, the others whenever it may be
            child.send_signal(signal.SIGKILL)
            child.wait()
            n_committed = 1 + child.stdout.read().count("\n")
        played_back += journal_is_hot(path)
        with open_run(path) as run:
            n_steps = assert_is_a_beginning(run, expected)
        assert n_committed * 150 <= n_steps <= (n_committed + 1) * 150
    print(f"{played_back} of 10 had a journal that was played back")
    assert played_back >= 2


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """An archive of 20 steps, the writer of which was killed while half of it was written over."""
    path = saved(tmp_path / "killed.roma")
    script = (
        "import os, sqlite3, sys; from archive.runs import spill; "
        "spill(sqlite3.connect(sys.argv[1], isolation_level=None)); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(path)], cwd=TESTS, env=ENVIRONMENT, check=False)
    assert journal_is_hot(path)
    return path


def test_a_journal_is_played_back_and_gone(killed: Path) -> None:
    with open_run(killed) as run:
        assert len(run.times_us()) == 20
        assert len(run.tasks()) == 12
    assert not journal_is_hot(killed)


def test_where_nothing_can_be_written_a_copy_is_played_back(
    killed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = killed.read_bytes()
    monkeypatch.setattr(reading.os, "access", lambda *_: False)
    with open_run(killed) as run:
        scratch = run._reader._scratch
        assert scratch is not None
        assert Path(scratch.name).exists()
        assert (len(run.times_us()), len(run.tasks()), run.path) == (20, 12, killed)
    assert killed.read_bytes() == before
    assert journal_is_hot(killed)
    assert not Path(scratch.name).exists()


def test_who_reads_while_the_writer_is_killed_reads_on(killed: Path, tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma")
    with open_run(path) as run:
        spoiled = killed.read_bytes()
        with path.open("r+b") as file:  # as the other process had left it
            file.write(spoiled)
        shutil.copyfile(f"{killed}-journal", f"{path}-journal")
        assert len(run.recall(as_time(run.times_us()[3])).snapshot.tasks) == 12
        assert len(run.traces()) == 2


def test_two_who_find_a_journal_at_once_both_read(killed: Path) -> None:
    found: list[int] = []

    def read() -> None:
        with ArchiveReader(killed) as reader:
            found.append(len(reader.steps("p")))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for each in readers:
        each.start()
    for each in readers:
        each.join()
    assert found == [20] * 4


def test_looking_at_a_file_leaves_the_locks_of_who_reads_it(tmp_path: Path) -> None:
    """POSIX takes all locks on a file from a process that closes any descriptor of it."""
    path = saved(tmp_path / "run.roma")
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None); "
        "db.execute('BEGIN EXCLUSIVE'); print('taken')"
    )

    def is_locked() -> bool:
        run = [sys.executable, "-c", script, str(path)]
        return "taken" not in subprocess.run(run, capture_output=True, text=True, check=False).stdout

    with ArchiveReader(path) as reader:
        reader._db.execute("BEGIN")
        reader._db.execute("SELECT count(*) FROM steps").fetchone()
        for _ in range(3):
            open_run(path).close()
            assert header_of(path)
        assert is_locked()
    assert not is_locked()


if __name__ == "__main__":
    out = runs.writer(Path(sys.argv[1]))
    commit_every, pause_s = int(sys.argv[2]), float(sys.argv[3])
    n_commits = 0
    for number, step in enumerate(growing(10_000_000, N_TASKS), start=1):
        out.step(step.project, step.versions, step.time_us, step.heard_s, is_whole=number == 1)
        out.show("p")
        if number % commit_every == 0:
            if commit_every > 100:  # a commit that takes its time
                out.trace(
                    "p", trace("t0", stage(llm_response=random.Random(number).randbytes(2_000_000).hex()))
                )
            out.commit()
            n_commits += 1
            print(n_commits, flush=True)
            time.sleep(pause_s)
        if number == 3_900:
            break
    time.sleep(60)
