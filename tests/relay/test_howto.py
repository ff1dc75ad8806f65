"""The commands of docs/relay.md are true: they are taken from there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import roma_widget as roma
from roma_widget.cli import _parser

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "relay.md").read_text()
COMMANDS = re.findall(r"roma-widget (relay [^\n#|`'\"]+)", TEXT)
IN_TMUX = re.findall(r"^tmux new-session -d -s roma-relay 'roma-widget (.+)'$", TEXT, re.M)
TIMEOUT_S = 20.0


@pytest.mark.parametrize("command", sorted(set(COMMANDS)))
def test_the_command_line_takes_it(command: str) -> None:
    _parser().parse_args(shlex.split(command.replace("[URL]", "http://127.0.0.1:5000")))


@pytest.mark.parametrize("source", re.findall(r"```python\n(.+?)```", TEXT, re.S))
def test_it_is_python(source: str) -> None:
    compile(source, "relay.md", "exec")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a person who has done what stands before the relay's command."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (prepare,) = re.findall(r"^\(umask 077; .+$", TEXT, re.M)
    subprocess.run(["sh", "-c", prepare], check=True)
    return tmp_path


@pytest.fixture
def ten_hour_relay(home: Path) -> Iterator[tuple[roma.Server, str]]:
    """The server above, and the address of what `tmux` runs there, with a server and port of the test."""
    (command,) = IN_TMUX
    with roma.Server() as above:
        there = command.replace("http://127.0.0.1:5000", above.url).replace("--port 8001", "--port 0")
        running = subprocess.Popen(
            ["sh", "-c", f"exec {shlex.quote(sys.executable)} -m roma_widget {there}"],
            stdout=subprocess.PIPE,
            text=True,
        )
        with running:
            assert running.stdout is not None
            first = running.stdout.readline()
            yield above, first.split()[3]
            running.terminate()


def test_a_ten_hour_run(home: Path, ten_hour_relay: tuple[roma.Server, str]) -> None:
    above, url = ten_hour_relay
    assert oct((home / "roma-relay.token").stat().st_mode)[-3:] == "600"
    token = (home / "roma-relay.token").read_text().strip()
    with roma.connect(above.url, relay=True) as here, roma.connect(url, token=token) as from_elsewhere:
        for m in (here, from_elsewhere):
            m.wait("connected", timeout=TIMEOUT_S)
            assert m.connection["state"] == "live"
        assert here.connection["relay"]["of"] == above.url
    found = list((home / "runtime").glob("roma-relay-*.json"))
    assert len(found) == 1, "no other relay was started"
    assert url in found[0].read_text()
    assert os.listdir(home / "runs") == []
