"""README and docs/ say what is so: every Python block runs, page by page and in order, on a real server.

A page finds `roma`, `m` (a monitor of a run that has ended, its traces fetched) and saved runs in its folder, as a
reader would who follows it; the servers that pages name are ours. Staged runs go quicker than on paper.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docs.pages import A_PERSON_APPROVES, ROOT, Block, blocks, pages
from docs.running import run

import roma_widget as roma
from roma_widget.local_relays import listed, stop
from roma_widget.server.scenarios import goal_of, scenario

OPEN = "http://127.0.0.1:5000"
GUARDED = (
    "https://roma.example.org/roma/alice/",
    "https://hub.example.org/user/alice/proxy/8001/",
    "https://roma.example.org",
    "http://127.0.0.1:8001",
)
"""Servers that want a token; TLS and paths are tests/relay/test_behind_nginx.py's."""
TOKEN = "written-in-no-notebook"
SPEED = 30.0
MOST_LEFT_OUT = 1
"""Raise it only for what no machine of ours can run."""
SAVED = ("monday.roma", "tuesday.roma", "last-week.roma", "run.roma", "runs/monday.roma", "runs/tuesday.roma")
SHOWN = {"docs/tutorial.md": ("given", "retried")}
"""Tables that a page promises its reader: they have rows."""
WITH_CODE = [page for page in pages() if any(block.runs for block in blocks(page))]


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what somebody saved before."""
    folder = tmp_path_factory.mktemp("saved")
    (folder / "runs").mkdir()
    with roma.demo(speed=100, hitl=False) as m:
        m.wait(timeout=60)
        m.fetch_traces(progress=False)
        for name in SAVED:
            m.save(folder / name)
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[roma.Server]:
    """That of the pages' `m`; its first run has ended, and who comes later is shown its past, too."""
    with roma.Server(run=scenario("report", speed=100, hitl=False)) as server, roma.connect(server.url) as m:
        m.wait("connected", timeout=20)
        server.runs.start(goal_of("report", 0))
        m.wait(has_ended, timeout=60)
        yield server


def has_ended(snapshot: roma.Snapshot) -> bool:
    return snapshot.outcome == "succeeded"


class AnsweredServer(roma.Server):
    """With a person in front of it who approves whatever is asked."""

    def start(self) -> AnsweredServer:
        super().start()
        self.person = roma.connect(self.url)
        self.person.hitl.policy(lambda request: "approve")
        return self

    def stop(self) -> None:
        self.person.disconnect()
        super().stop()


@dataclass
class Reader:
    """Who types a page's blocks: their namespace, where the servers on paper are, what monitors they made."""

    namespace: dict[str, Any]
    addresses: dict[str, str]
    monitors: list[roma.Monitor]

    def read(self, block: Block) -> None:
        code = block.body
        for on_paper, address in self.addresses.items():
            code = code.replace(on_paper, address)
        n_before = len(self.monitors)
        run(code, block.page, self.namespace, block.line)
        for made in self.monitors[n_before:]:
            if made.connection["state"] != "closed":
                made.wait("connected", timeout=30)


@pytest.fixture
def reader(
    saved: Path, server: roma.Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monitors: list[roma.Monitor] = []

    def kept(make: Callable[..., roma.Monitor], **always: Any) -> Callable[..., roma.Monitor]:
        @functools.wraps(make)
        def made(*args: Any, **options: Any) -> roma.Monitor:
            monitors.append(make(*args, **{**options, **always}))
            return monitors[-1]

        return made

    monkeypatch.setattr(roma, "connect", kept(roma.connect))
    monkeypatch.setattr(roma, "demo", kept(roma.demo, speed=SPEED))
    monkeypatch.setenv("ROMA_TOKEN", TOKEN)
    with roma.Server(token=TOKEN) as guarded:
        m = roma.connect(server.url)
        m.wait(has_ended, timeout=60)
        m.fetch_traces(progress=False)
        addresses = {OPEN: server.url, **dict.fromkeys(GUARDED, guarded.url)}
        namespace = {"__name__": "__main__", "roma": roma, "m": m, "token": TOKEN, "hub_token": "of the hub"}
        yield Reader(namespace, addresses, monitors)
        for monitor in monitors:
            monitor.close()
        for relay in listed():
            stop(relay)


@pytest.mark.parametrize("page", WITH_CODE, ids=name_of)
@pytest.mark.filterwarnings("default::DeprecationWarning")  # other people's
def test_a_page_runs(page: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    of_page = [block for block in blocks(page) if block.runs]
    if any(block.comment == A_PERSON_APPROVES for block in of_page):
        monkeypatch.setattr(roma, "Server", AnsweredServer)
    for block in of_page:
        reader.read(block)
    empty = [each for each in SHOWN.get(name_of(page), ()) if reader.namespace[each].empty]
    assert empty == []


def test_what_is_not_run_says_why() -> None:
    python = [block for page in pages() for block in blocks(page) if block.language == "python"]
    left_out = [block for block in python if not block.runs]
    print(f"{len(python) - len(left_out)} of {len(python)} Python blocks run")
    for block in left_out:
        print(f"{block}: {block.reason}")
    assert [str(block) for block in left_out if not block.reason] == []
    assert len(left_out) <= MOST_LEFT_OUT
