"""The server as a child process: it comes up, says why when it cannot, and never outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from roma_widget.errors import RomaError
from roma_widget.server.child import ChildServerError, start_child

DEADLINE_S = 10.0
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="signals and forks")

PARENT = """
import json, os, sys
from roma_widget.server.child import start_child
child = start_child(["serve"])
fork_pid = 0
if "fork" in sys.argv:
    fork_pid = os.fork()
    if fork_pid == 0:
        os.close(1)
        os.read(0, 1)  # holds the child's pipe open; ends with the test's own pipe
        os._exit(0)
print(json.dumps({"pid": child.pid, "url": child.url, "fork_pid": fork_pid}), flush=True)
sys.stdin.read()
"""


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url + "/api/health", timeout=5) as response:
            return bool(json.load(response)["status"] == "healthy")
    except (urllib.error.URLError, ConnectionError):
        return False


def _is_gone(pid: int) -> bool:
    """Ended; a zombie that nobody waited for counts (in a container there may be no init to do it)."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.parent.parent.joinpath("self").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen in time"
        time.sleep(0.02)


def test_comes_up_and_ends_with_close() -> None:
    threads_before = threading.active_count()
    child = start_child(["serve"])
    assert child.url.startswith("http://127.0.0.1:")
    assert _answers(child.url)
    assert threading.active_count() == threads_before
    closers = [threading.Thread(target=child.close) for _ in range(4)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join()
    assert _is_gone(child.pid)
    assert not _answers(child.url)
    child.close()


def test_a_module_of_the_working_folder_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("aiohttp", "socketio", "roma_widget"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('a stranger was imported')\n")
    monkeypatch.chdir(tmp_path)
    child = start_child(["serve"])
    assert _answers(child.url)
    child.close()


def test_ends_with_its_object() -> None:
    child = start_child(["serve"])
    pid = child.pid
    del child
    _wait_until(lambda: _is_gone(pid))


def test_says_why_it_cannot(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text("{}\n")
    with pytest.raises(
        ChildServerError, match=r"ended with code 2.*bad\.jsonl, line 1 is not what"
    ) as caught:
        start_child(["replay", str(bad)])
    assert isinstance(caught.value, RomaError)
    with pytest.raises(ChildServerError, match="nope does not exist"):
        start_child(["replay", "nope"])


def test_gives_up_when_nothing_is_said() -> None:
    with pytest.raises(ChildServerError, match=r"waited up to 0\.001 s"):
        start_child(["serve"], timeout_s=0.001)


def test_no_python_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(ChildServerError, match="Cannot start a Python process"):
        start_child(["serve"])


@POSIX_ONLY
@pytest.mark.parametrize("arguments", [[], ["fork"]], ids=["alone", "with a fork that holds the pipe"])
def test_dies_with_a_killed_parent(arguments: list[str]) -> None:
    command = [sys.executable, "-c", PARENT, *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as parent:
        assert parent.stdout is not None
        child = json.loads(parent.stdout.readline())
        assert _answers(child["url"])
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        if child["fork_pid"]:
            assert not _is_gone(child["fork_pid"])
        _wait_until(lambda: _is_gone(child["pid"]))
    assert not _answers(child["url"])


@POSIX_ONLY
def test_a_fork_that_exits_does_not_end_the_server() -> None:
    script = PARENT.replace("os.read(0, 1)  #", "sys.exit(0)  #").replace("sys.stdin.read()", "")
    script += "os.waitpid(fork_pid, 0)\nimport urllib.request\n"
    script += 'print(urllib.request.urlopen(child.url + "/api/health").status, flush=True)\n'
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script, "fork"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    first, status = done.stdout.splitlines()
    assert status == "200"
    _wait_until(lambda: _is_gone(json.loads(first)["pid"]))  # ended at the parent's own exit


def test_start_imports_nothing_heavy() -> None:
    script = (
        "import sys, roma_widget.cli, roma_widget.server.serve\n"
        "heavy = {'anywidget', 'ipywidgets', 'IPython', 'pandas', 'numpy', 'plotly', 'networkx'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
