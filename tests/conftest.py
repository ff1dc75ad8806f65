"""What every test may ask for, and what holds for the whole session; fixtures of one part stand beside its tests."""

from __future__ import annotations

import json
import math
import os
import signal
import tempfile
import threading
import urllib.request
from pathlib import Path

import chromium as browser
import fuzzing
import hypothesis
import pytest

from roma_widget.server.embedded import Server
from roma_widget.server.scenarios import goal_of, scenario

if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell gives this to what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


hypothesis.settings.register_profile("ours", derandomize=fuzzing.TIMES == 1)
hypothesis.settings.load_profile("ours")

HERE = Path(__file__).resolve().parent
OWN_FOLDERS = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")


def pytest_configure(config: pytest.Config) -> None:
    """Kernels and Jupyter servers of the tests neither read nor write the folders of the person who runs them."""
    own = tempfile.TemporaryDirectory(prefix="roma-widget-tests-", ignore_cleanup_errors=True)
    config.add_cleanup(own.cleanup)
    for name in OWN_FOLDERS:
        os.environ[name] = str(Path(own.name) / name.lower())


@pytest.fixture(scope="session")
def root() -> Path:
    """The clone."""
    return HERE.parent


@pytest.fixture(scope="session")
def captures() -> Path:
    """The recordings of real ROMA servers: `*.jsonl.xz`."""
    return HERE / "captures"


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the Chromium to drive."""
    path = browser.find()
    if path is None:
        pytest.fail(f"{browser.PURPOSE}: `make test` installs one.")
    return path


@pytest.fixture(scope="session")
def demo_statuses() -> dict[str, str]:
    """How each task of `roma.demo(hitl=False)` ends, at any speed: found out by running it as fast as it goes."""
    ended = threading.Event()
    with Server(run=scenario("report", speed=math.inf, hitl=False)) as server:
        server.runs.start(goal_of("report", 0), on_end=lambda *_: ended.set())
        assert ended.wait(60)
        with urllib.request.urlopen(f"{server.url}/api/task-graph", timeout=30) as response:
            nodes = json.load(response)["all_nodes"]
    return {task: node["status"] for task, node in nodes.items()}
