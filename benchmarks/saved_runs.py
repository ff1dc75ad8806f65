"""Many saved runs, made by the project's own means, and what the right answer about them is. The same at each call."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roma_widget.archive.redaction import redaction
from roma_widget.archive.saving import save
from roma_widget.archive.source import Source, SourceStep
from roma_widget.core.events import NodeTrace, Payload
from roma_widget.core.model import Project, Status, Task, Trace
from roma_widget.core.steps import as_us
from roma_widget.core.traces import read_node_trace

from .generate import text

AGENTS = ("SearchAgent", "BasicReasoningExecutor", "BasicReportWriter")
TEXT_BYTES = 1_000
STEP_MS = 500
"""Durations are multiples of it: sums of half seconds are exact, in whatever order they are added."""
_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

Answer = dict[str, tuple[int, float, int]]
"""Agent -> (stages, seconds, characters of responses)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Of one run. Each task has a stage of every agent."""

    tasks: int = 100
    text_bytes: int = TEXT_BYTES


def write_runs(folder: Path, count: int, shape: Shape) -> list[tuple[Path, Answer]]:
    """`count` files, each with the right answer about it."""
    return [write_run(folder / f"{number:04}.roma", number, shape) for number in range(count)]


def write_run(path: Path, number: int, shape: Shape) -> tuple[Path, Answer]:
    rng = random.Random(number)
    project = Project(f"p{number}", title=f"Run {number}", goal=f"Goal {number}", created=_NOON)
    tasks = _tasks(shape.tasks)
    stages = {task_id: [_stage(agent, shape, rng) for agent in AGENTS] for task_id in tasks}
    traces = {task_id: _trace(task_id, each) for task_id, each in stages.items()}
    first = SourceStep(as_us(_NOON), _NOON.timestamp(), project, tasks)
    save(path, Source([first], offset_s=0.0, traces=traces), redaction(None))
    return path, _answer([stage for each in stages.values() for stage in each])


def added(answers: Iterable[Answer]) -> Answer:
    """The answer about all of them."""
    whole: Answer = {}
    for answer in answers:
        for agent, numbers in answer.items():
            count, taken_s, length = whole.get(agent, (0, 0.0, 0))
            whole[agent] = (count + numbers[0], taken_s + numbers[1], length + numbers[2])
    return whole


def link_runs(stages: Path, into: Path, count: int) -> None:
    """`count` runs out of those of a Parquet data set, again and again under other names; they take no room."""
    files = sorted(stages.glob("run=*/*.parquet"))
    for number in range(count):
        place = into / f"run={number:05}"
        place.mkdir(parents=True)
        os.link(files[number % len(files)], place / "part.parquet")


def _tasks(count: int) -> dict[str, Task]:
    """A root, and the others below it."""
    ids = [f"t{place}" for place in range(count)]
    below = tuple(ids[1:])
    return {
        task_id: Task(
            task_id,
            f"Goal of {task_id}",
            Status.DONE,
            depth=int(place > 0),
            parent_id="t0" if place else None,
            plan_index=max(0, place - 1),
            child_ids=() if place else below,
            created=_NOON,
        )
        for place, task_id in enumerate(ids)
    }


def _stage(agent: str, shape: Shape, rng: random.Random) -> dict[str, Any]:
    return {
        "stage_name": "execution",
        "status": "completed",
        "agent_name": agent,
        "duration_ms": STEP_MS * rng.randint(1, 100),
        "llm_response": text(shape.text_bytes, rng),
    }


def _trace(task_id: str, stages: list[dict[str, Any]]) -> Trace:
    said = {"node_id": task_id, "trace": {"node_id": task_id, "trace_id": task_id, "stages": stages}}
    event = read_node_trace("node_trace_data", Payload(json.dumps(said)))
    assert isinstance(event, NodeTrace)
    return event.trace


def _answer(stages: list[dict[str, Any]]) -> Answer:
    return added(
        {stage["agent_name"]: (1, stage["duration_ms"] / 1000, len(stage["llm_response"]))}
        for stage in stages
    )
