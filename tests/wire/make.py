"""Writes `failed_run.json`: what the kernel tells a browser during a recorded run, thinned out.

    python tests/wire/make.py

pytest holds the kernel to it (`test_wire_cases.py`), vitest the front end (`js/tests/wire.test.ts`).
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import Any

from roma_widget.core import view, wire
from roma_widget.core.model import Snapshot
from roma_widget.core.state import State, apply
from roma_widget.widget.messages import Channel, publication

HERE = Path(__file__).resolve().parent
CASE = HERE / "failed_run.json"
EVERY = 5
_CAPTURE = HERE.parent / "captures" / "d_failed.jsonl.xz"


class _Nobody:
    def select(self, tasks: list[str]) -> None: ...

    async def connect_anyway(self) -> None: ...

    async def retry(self) -> None: ...


def case() -> dict[str, Any]:
    """The messages in order, bodies decoded, and the tasks that a browser must hold in the end."""
    messages: list[dict[str, Any]] = []

    def send(content: dict[str, Any], buffers: list[bytes]) -> None:
        messages.append({"content": content, "body": json.loads(buffers[0]) if buffers else None})

    channel = Channel(send, _Nobody(), now=lambda: 0.0, busy=lambda: False)
    state, last, shown = State(), wire.NO_FRAME, Snapshot()
    channel.receive({"type": "hello", "view": "v", "rev": None})
    for place, text in enumerate(_frames()):
        event = wire.read_event("task_graph_update", wire.Payload(text), last)
        if not isinstance(event, wire.GraphUpdate):
            raise TypeError(f"frame {place} cannot be read")
        last = event.texts
        state, _ = apply(state, event, now=0.0)
        if place % EVERY or event.project_id is None:
            continue
        project = state.projects[event.project_id]
        after = Snapshot(tasks=project.tasks, revision=shown.revision + 1)
        channel.publish(publication(shown, after, view.epoch_ms(project.time)))
        shown = after
    return {
        "messages": messages,
        "rev": shown.revision,
        "tasks": json.loads(json.dumps(view.whole(shown.tasks)["tasks"])),
    }


def _frames() -> list[str]:
    with lzma.open(_CAPTURE, "rt") as lines:
        entries = [json.loads(line) for line in lines]
    return [json.dumps(entry["args"][0]) for entry in entries if entry["event"] == "task_graph_update"]


if __name__ == "__main__":
    CASE.write_text(json.dumps(case(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
