from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recorded_frames(captures: Path) -> Callable[[str], Iterator[str]]:
    """The payloads of every `task_graph_update` that client A heard, in order, as JSON text."""

    def frames(name: str) -> Iterator[str]:
        with lzma.open(captures / f"{name}.jsonl.xz", "rt") as lines:
            for line in lines:
                entry = json.loads(line)
                if (
                    entry["event"] == "task_graph_update"
                    and entry["dir"] == "in"
                    and entry.get("client") == "A"
                ):
                    yield json.dumps(entry["args"][0])

    return frames
