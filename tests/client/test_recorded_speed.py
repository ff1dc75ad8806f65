"""Every recording of a run, at its own speed, ten times as fast, and as fast as it goes: it ends in the same state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from client.servers import Replay, ServerThread, eventually

import roma_widget as roma
from roma_widget.archive.capture import Capture, read_capture

CAPTURES = (
    "a_complete",
    "b_hitl",
    "d_failed",
    "f_two_projects",
    "g_kill_restart",
    "h_rest",
    "m_midrun_connect",
)
"""All that have frames; the longest takes 91 s at its own speed."""


def up_to_its_last_frame(path: Path) -> Capture:
    """The last one with tasks: behind it projects are deleted, and then it is chance whether these were seen."""
    recorded = read_capture(path)
    last = recorded.moments.index([frame for frame in recorded.frames if b'"root"' in frame.payload][-1])
    return replace(recorded, moments=recorded.moments[: last + 1])


def last_frame(recorded: Capture) -> dict[str, Any]:
    nodes: dict[str, Any] = json.loads(recorded.frames[-1].payload)["all_nodes"]
    return nodes


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "speed", [pytest.param(1.0, marks=pytest.mark.long), 10.0, 0.0], ids=["own speed", "tenfold", "at once"]
)
def test_every_recording_ends_as_its_last_frame(
    connect: Callable[..., roma.Monitor],
    replay: Callable[..., Replay],
    servers: ServerThread,
    captures: Path,
    speed: float,
) -> None:
    recorded = {name: up_to_its_last_frame(captures / f"{name}.jsonl.xz") for name in CAPTURES}
    played = {name: replay(capture, speed=speed) for name, capture in recorded.items()}
    monitors = {name: connect(server.url) for name, server in played.items()}
    for m in monitors.values():
        m.wait("connected", timeout=10)

    async def play_all() -> None:
        for server in played.values():
            server.server.play()
        await asyncio.gather(*(server.server.wait_ended() for server in played.values()))

    servers.run(play_all(), timeout=200)
    for name, m in monitors.items():
        right = last_frame(recorded[name])
        eventually(
            lambda m=m, right=right: {key: task.raw for key, task in m.snapshot.tasks.items()} == right
        )
        assert (name, m.connection["error"], m.connection["reconnects"]) == (name, None, 0)
