"""The frames that are sent: made up, or as a recording of a real server has them. The same ones at each call."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any

from roma_widget.archive.capture import compact_json, read_capture

CAPTURES = Path(__file__).resolve().parent.parent / "tests" / "captures"
_BEGAN = datetime(2025, 1, 1, 12, 0, 0)  # naive, as the server writes it
_CLOCKS = re.compile(rb'"(?:timestamp|updated_at)":"[^"]*"')
_STEPS = ("PENDING", "READY", "RUNNING", "DONE")
_WORDS = (
    "roof harvest resident price metre tomato lettuce load season council litre soil crop figure joist "
    'budget permit barrel kitchen "quoted" gutter ticket\\n\\n**Point**: plan https://example.org/a?b=1&c=2 '
).split(" ")


@dataclass(frozen=True, slots=True)
class Frame:
    """A `task_graph_update`. `is_new` says that more than clocks differs from the frame before."""

    payload: bytes
    is_new: bool


@dataclass(frozen=True, slots=True)
class Source:
    """Which frames: made up (`capture` None), or those of a recording.

    Of the made-up ones `repeated` is the share in which only clocks differ from the frame before, `moved` the share of
    tasks that a new one moves. `marked` makes every frame one of a kind.
    """

    capture: str | None = None
    tasks: int = 1000
    task_bytes: int = 5000
    frames: int = 60
    repeated: float = 0.6
    moved: float = 0.01
    marked: bool = False

    def play(self) -> Iterator[Frame]:
        frames = islice(self.endless(), self.frames) if self.capture is None else self._recorded(self.capture)
        if not self.marked:
            yield from frames
            return
        for number, frame in enumerate(frame for frame in frames if frame.is_new):
            if number == self.frames:
                return
            yield Frame(_mark(frame.payload, number), True)

    def endless(self) -> Iterator[Frame]:
        """A run that goes on; a recording begins anew behind its end."""
        while self.capture is not None:
            yield from self._recorded(self.capture)
        yield from self._made_up()

    def _recorded(self, name: str) -> Iterator[Frame]:
        last = b""
        for broadcast in read_capture(CAPTURES / f"{name}.jsonl.xz").frames:
            payload = compact_json(json.loads(broadcast.payload))  # escaped, as python-socketio sends it
            content = _CLOCKS.sub(b"", payload)
            yield Frame(payload, content != last)
            last = content

    def _made_up(self) -> Iterator[Frame]:
        """A run whose tasks are all planned; each new frame moves some of them one step on."""
        rng = random.Random(0)
        nodes = made_up(self.tasks, self.task_bytes, rng)
        texts = {task_id: _member(task_id, node) for task_id, node in nodes.items()}
        for number in count():
            is_new = number == 0 or rng.random() >= self.repeated
            if is_new and number:
                for task_id in rng.sample(list(nodes), max(1, round(self.tasks * self.moved))):
                    _step(nodes[task_id], _stamp(number), rng)
                    texts[task_id] = _member(task_id, nodes[task_id])
            yield Frame(_frame(texts, nodes, _stamp(number)), is_new)


def _frame(texts: dict[str, bytes], nodes: dict[str, dict[str, Any]], stamp: str) -> bytes:
    head, tail = head_of(nodes), tail_of(nodes, stamp)
    all_nodes = b'"all_nodes":{' + b",".join(texts.values()) + b"}"
    return b",".join((compact_json(head)[:-1], all_nodes, compact_json(tail)[1:]))


def head_of(nodes: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What a frame says before its tasks."""
    children = [node["planned_sub_task_ids"] for node in nodes.values() if node["planned_sub_task_ids"]]
    graphs = {
        f"graph_{place}": {
            "nodes": ids,
            "edges": [{"source": a, "target": b} for a, b in zip(ids[::2], ids[1::2], strict=False)],
        }
        for place, ids in enumerate(children)
    }
    return {"overall_project_goal": nodes["root"]["goal"], "root_graph_id": "graph_0", "graphs": graphs}


def tail_of(nodes: dict[str, dict[str, Any]], stamp: str) -> dict[str, Any]:
    """What a frame says behind its tasks."""
    goal = nodes["root"]["goal"]
    project = {
        "id": "p-1",
        "title": goal,
        "goal": goal,
        "status": "running",
        "created_at": _stamp(0),
        "updated_at": stamp,
        "node_count": len(nodes),
    }
    return {"project_id": "p-1", "current_project": project, "timestamp": stamp}


def made_up(count: int, size: int, rng: random.Random) -> dict[str, dict[str, Any]]:
    """A tree of `count` tasks in two levels below the root, as wide as deep."""
    width = max(1, round((count - 1) ** 0.5))
    branches = [f"root.{branch}" for branch in range(1, width + 1)]
    left = count - 1 - len(branches)
    leaves = {
        branch: [f"{branch}.{leaf}" for leaf in range(1, left // width + (place < left % width) + 1)]
        for place, branch in enumerate(branches)
    }
    nodes = {"root": _node("root", None, branches, size, rng)}
    for branch in branches:
        nodes[branch] = _node(branch, "root", leaves[branch], size, rng)
        nodes |= {leaf: _node(leaf, branch, [], size, rng) for leaf in leaves[branch]}
    return nodes


def _node(
    task_id: str, parent_id: str | None, planned: list[str], size: int, rng: random.Random
) -> dict[str, Any]:
    node: dict[str, Any] = {
        "task_id": task_id,
        "goal": f"{task_id}: {text(80, rng)}",
        "task_type": rng.choice(("SEARCH", "WRITE", "THINK")),
        "node_type": "PLAN" if planned else "EXECUTE",
        "agent_name": "BasicReportWriter",
        "status": "PENDING",
        "layer": task_id.count("."),
        "parent_node_id": parent_id,
        "overall_objective": "Survey of rooftop farming",
        "output_summary": None,
        "full_result": None,
        "error": None,
        "planned_sub_task_ids": planned,
        "input_payload_summary": "Input payload with keys: current_task_id, current_goal",
        "input_context_sources": [],
        "timestamp_created": _stamp(0),
        "timestamp_updated": _stamp(0),
        "timestamp_completed": None,
        "model_display": "openrouter/google/gemini-2.5-flash",
        "execution_details": {},
        "aux_data": {},
    }
    rest = max(0, size - len(_member(task_id, node)) - 60)
    node["execution_details"] = {"system_prompt": text(rest * 2 // 3, rng)}
    node["aux_data"] = {"final_llm_input": text(rest // 3, rng)}
    return node


def _step(node: dict[str, Any], stamp: str, rng: random.Random) -> None:
    status = _STEPS[(_STEPS.index(node["status"]) + 1) % len(_STEPS)]
    done = status == "DONE"
    node |= {
        "status": status,
        "timestamp_updated": stamp,
        "timestamp_completed": stamp if done else None,
        "output_summary": f"Completed with {text(60, rng)}" if done else None,
        "full_result": {"output_text": text(400, rng)} if done else None,
    }


def text(size: int, rng: random.Random) -> str:
    """About `size` bytes of JSON text."""
    return " ".join(rng.choices(_WORDS, k=size // 9 + 1)).replace("\\n", "\n")[:size]


def _member(task_id: str, node: dict[str, Any]) -> bytes:
    return compact_json(task_id) + b":" + compact_json(node)


def _mark(payload: bytes, number: int) -> bytes:
    frame = json.loads(payload)
    if "root" in frame["all_nodes"]:
        frame["all_nodes"]["root"]["goal"] = f"frame {number}"
    return compact_json(frame)


def _stamp(number: int) -> str:
    return (_BEGAN + timedelta(seconds=0.5 * number, microseconds=number)).isoformat(timespec="microseconds")
