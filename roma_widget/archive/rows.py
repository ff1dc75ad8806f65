"""The flat rows of an archive, and the texts that its parts are kept as."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from ..core.annotations import Annotation
from ..core.clock import ServerClock
from ..core.model import Project, Stage, Trace
from ..core.outcome import iso
from ..core.reading import clean
from ..core.steps import as_time, as_us
from ..core.traces import stage_in_utc
from .versions import Record


def task_row(record: Record) -> tuple[Any, ...]:
    """The columns of `tasks` behind the project's id."""
    task_id, goal, status, task_type, node_type, agent, model, layer, depth, parent_id, plan_index = record[
        :11
    ]
    created, started, updated, completed = record[14:18]
    duration_s = None if started is None or completed is None else max(0, completed - started) / 1e6
    times = (
        None if time is None else as_time(time).isoformat() for time in (created, started, updated, completed)
    )
    head = (
        task_id,
        goal,
        task_type,
        node_type,
        status,
        agent,
        model,
        _whole(layer),
        _whole(depth),
        parent_id,
    )
    return (*head, _whole(plan_index), *times, duration_s, record[18], record[19])


def stage_row(stage: Stage, offset_s: float | None) -> tuple[Any, ...]:
    """The columns of `stages` behind the task's id; the long texts are in `traces`. Times without a zone stay so
    where the server's is not known.
    """
    if offset_s is not None:
        stage = stage_in_utc(stage, ServerClock.of(offset_s))
    return (
        stage.seq,
        _text(stage.stage),
        stage.attempt,
        _text(str(stage.status) or None),
        iso(stage.started),
        iso(stage.completed),
        stage.duration_s,
        _text(stage.agent),
        _text(stage.adapter),
        _text(stage.model),
        _text(stage.error),
        _whole(stage.n_tool_calls),
        _whole(stage.prompt_tokens),
        _whole(stage.completion_tokens),
        stage.cost_usd,
    )


def zoned(
    started: str | None, completed: str | None, duration_s: float | None, offset_s: float
) -> tuple[str | None, str | None, float | None]:
    """The times of a row of `stages` that was written while the server's zone was not known."""
    clock = ServerClock.of(offset_s)
    try:
        times = [None if text is None else datetime.fromisoformat(text) for text in (started, completed)]
    except ValueError:  # another program's
        return started, completed, duration_s
    begin, end = (clock.utc(time) for time in times)
    if duration_s is None and begin is not None and end is not None:
        duration_s = max(0.0, (end - begin).total_seconds())
    return iso(begin), iso(end), duration_s


def annotation_row(annotation: Annotation) -> tuple[Any, ...]:
    return (
        annotation.time_s,
        clean(annotation.project_id),
        clean(annotation.task_id),
        clean(annotation.text),
        clean(json.dumps(annotation.tags, ensure_ascii=False)),
    )


def trace_json(trace: Trace) -> str:
    """The trace as the server's reply had it, so that it is read again in the same way."""
    head = "".join(f"{json.dumps(name)}: {text}, " for name, text in trace._head)
    stages = ", ".join(trace._stage_texts)
    return clean(f'{{"node_id": {json.dumps(trace.task_id)}, "trace": {{{head}"stages": [{stages}]}}}}')


def project_json(project: Project) -> str:
    """What a step says of its project."""
    times = (None if time is None else as_us(time) for time in (project.created, project.updated))
    return clean(json.dumps([project.title, project.goal, project.status, *times], ensure_ascii=False))


def _text(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _whole(number: int | None) -> int | None:
    """SQLite's are of 64 bits."""
    return number if number is not None and abs(number) < 2**63 else None
