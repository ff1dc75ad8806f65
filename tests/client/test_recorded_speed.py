"""Whole recordings at the speed they were made: minutes each, so `make test-long` runs them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from client.servers import Replay, eventually

import roma_widget as roma
from roma_widget.server.recorded.capture import read_capture

CAPTURES = ("a_complete", "b_hitl", "d_failed", "g_kill_restart", "m_midrun_connect")


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CAPTURES)
def test_a_recording_at_its_own_speed_ends_as_its_last_frame(
    connect: Callable[..., roma.Monitor], replay: Callable[..., Replay], captures: Path, name: str
) -> None:
    recorded = read_capture(captures / f"{name}.jsonl.xz")
    last: dict[str, Any] = json.loads(recorded.frames[-1].payload)["all_nodes"]
    server = replay(recorded)
    m = connect(server.url)
    m.wait("connected", timeout=10)
    server._servers.run(_play(server), timeout=recorded.duration_s + 60)
    eventually(
        lambda: (
            {key: str(task.status) for key, task in m.snapshot.tasks.items()}
            == {key: node["status"] for key, node in last.items()}
        )
    )
    assert m.link()["reconnects"] == 0
    assert m.connection["error"] is None


async def _play(server: Replay) -> None:
    server.server.play()
    await server.server.wait_ended()
