"""What the browser is told: tasks as small records, and the difference between two moments.

A record holds what the graph and the lists show; whole texts go on demand (docs/messages.md). Because unchanged
tasks stay the same objects, the difference costs one identity test a task.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from .annotations import Annotation
from .model import Task
from .reading import clean, cut, shorten
from .recall import StatusSince

LONGEST_TEXT = 500
LONGEST_WORD = 80
LONGEST_NOTE = 1_000
MOST_NOTES, MOST_TAGS = 200, 10
Record = dict[str, Any]


def task_record(task: Task) -> Record:
    """The `Task` of docs/messages.md."""
    return {
        "id": task.task_id,
        "parent": task.parent_id,
        "index": task.plan_index,
        "goal": shorten(task.goal, LONGEST_TEXT),
        "status": shorten(str(task.status), LONGEST_WORD),
        "type": cut(task.task_type, LONGEST_WORD),
        "node": cut(task.node_type, LONGEST_WORD),
        "agent": cut(task.agent, LONGEST_TEXT),
        "model": cut(task.model, LONGEST_TEXT),
        "layer": task.layer,
        "depends_on": task.depends_on,
        "context": task.context_ids,
        "created": epoch_ms(task.created),
        "started": epoch_ms(task.started),
        "updated": epoch_ms(task.updated),
        "completed": epoch_ms(task.completed),
        "error": cut(task.error, LONGEST_TEXT),
        "summary": cut(task.result_summary, LONGEST_TEXT),
    }


def whole(tasks: Mapping[str, Task]) -> Record:
    """The body of a `snapshot`: every task, parents before children."""
    return {"tasks": [task_record(task) for task in tasks.values()]}


def difference(before: Mapping[str, Task], after: Mapping[str, Task]) -> Record | None:
    """The body of a `delta` from one moment to another; None when the browser would see nothing new."""
    changed: dict[str, Record] = {}
    for task_id, task in after.items():
        known = before.get(task_id)
        if known is task:
            continue
        record = task_record(task)
        if known is not None:
            old = task_record(known)
            record = {name: value for name, value in record.items() if value != old[name]}
        if record:
            changed[task_id] = record
    removed = [task_id for task_id in before if task_id not in after]
    return {"changed": changed, "removed": removed} if changed or removed else None


def task_details(task: Task, raw: Mapping[str, Any]) -> Record:
    """The answer to `ask task`: the texts that records cut, out of `raw`, the server's whole dict of it."""
    result = raw.get("full_result")
    if isinstance(result, dict) and isinstance(result.get("output_text"), str):
        text, kind = result["output_text"], "text"
    elif isinstance(result, str):
        text, kind = result, "text"
    elif result is None:
        text, kind = None, None
    else:
        text, kind = json.dumps(result, ensure_ascii=False, indent=2, default=str), "json"
    summary = raw.get("input_payload_summary")
    return {
        "task": task.task_id,
        "goal": _whole_text(raw, "goal", task.goal),
        "error": _whole_text(raw, "error", task.error),
        "result": None if text is None else clean(text),
        "result_kind": kind,
        "objective": _whole_text(raw, "overall_objective", task.overall_objective),
        "input": (clean(summary) or None) if isinstance(summary, str) else None,
    }


def status_history(changes: Iterable[StatusSince]) -> list[Record]:
    """The `history` of a task's details."""
    return [
        {"time": None if time_us is None else time_us / 1000, "status": shorten(status, LONGEST_WORD)}
        for time_us, status in changes
    ]


def notes(annotations: Sequence[Annotation]) -> Record:
    """The trait `notes`: what people wrote beside the tasks of a run, the newest of it."""
    return {
        "n": len(annotations),
        "newest": [
            {
                "time": each.time_s * 1000,
                "task": each.task_id,
                "text": shorten(each.text, LONGEST_NOTE),
                "tags": [shorten(tag, LONGEST_WORD) for tag in each.tags[:MOST_TAGS]],
            }
            for each in annotations[-MOST_NOTES:]
        ],
    }


def _whole_text(raw: Mapping[str, Any], name: str, known: str | None) -> str | None:
    """A task may have the beginning of a text only."""
    text = raw.get(name)
    return clean(text) if isinstance(text, str) else known


def epoch_ms(time: datetime | None) -> float | None:
    return time.timestamp() * 1000 if time is not None else None
