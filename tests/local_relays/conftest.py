"""A runtime folder of the test's own, relays that end with it, and a server for them to be relays of."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from roma_widget.client.feed import FeedOptions
from roma_widget.local_relays.finding import listed
from roma_widget.server.embedded import Server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where relays leave their files; those that a test started are ended."""
    folder = tmp_path / "runtime"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    monkeypatch.delenv("ROMA_WIDGET_TOKEN", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    yield folder
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    for relay in listed():
        with suppress(ProcessLookupError):
            os.kill(relay.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def options(server: Server) -> FeedOptions:
    return FeedOptions(server.url)


def relay_command(*arguments: str) -> subprocess.Popen[str]:
    """`roma-widget relay ARGUMENTS` in a process of its own."""
    command = [sys.executable, "-m", "roma_widget", "relay", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
