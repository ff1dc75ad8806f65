"""What a page that shows one run by itself has to hold, redacted and of a bounded size. The page is made elsewhere.

The body (docs/messages.md) is JSON that may stand inside `<script type="application/json">`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import msgspec

from ..analysis.run_data import RunData
from ..analysis.trace_records import trace_record
from ..core.annotations import Annotation
from ..core.clock import ServerClock
from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Snapshot, Task
from ..core.outcome import Verdict, judge, progress
from ..core.reading import shorten
from ..core.split import decoded
from ..core.text import count_text
from ..core.traces import in_utc
from ..core.view import Record, epoch_ms, task_details, task_record
from ..errors import RomaError
from .fields import GONE
from .redaction import Redaction

FORMAT = 1
MOST_NAMED = 5
_encode = msgspec.json.Encoder().encode
_ESCAPES = ((b"<", b"\\u003c"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
"""Of what would end a script, or a line in one: none of it stands outside of JSON's strings."""


@dataclass(frozen=True, slots=True)
class PageData:
    """`body` is UTF-8; `left_out` says in sentences what is not in it."""

    body: bytes
    left_out: tuple[str, ...] = ()


@dataclass(slots=True)
class _Part:
    """A trace or a task's details, encoded. `instead` is what stands there when it is left out for its size."""

    kind: str
    task_id: str
    body: bytes
    instead: bytes
    left_out: int = 0
    """Bytes."""

    @property
    def saves(self) -> int:
        return len(self.body) - len(self.instead)


def page_data(
    run: RunData, redaction: Redaction, most_bytes: int, annotations: Sequence[Annotation] = ()
) -> PageData:
    """The run as it stands with all that is known of it: see the module.

    When that is more than `most_bytes`, the largest traces and results are left out first, and it is said of which
    tasks. Results that are still on a server are asked for; what cannot be had is said, too. Raises RomaError when
    not even the list of tasks fits, or a function of `redaction` raises. Example:
    `page_data(m, redaction("secrets"), 20_000_000).left_out`
    """
    snapshot = run.snapshot
    fetched, offset_s = run._fetched(snapshot)
    clock = ServerClock.of(offset_s)
    tasks: list[Task] = []
    details: dict[str, Record] = {}
    for each in snapshot.tasks.values():
        task, record = _details(each, redaction)
        tasks.append(task)
        details[task.task_id] = record
    traces = {
        redaction.task_id(task_id): trace_record(in_utc(redaction.trace(fetched[task_id]), clock))
        for task_id in snapshot.tasks
        if task_id in fetched
    }
    parts = [
        *(_part("results", task_id, record) for task_id, record in details.items()),
        *(_part("traces", task_id, record) for task_id, record in traces.items()),
    ]
    unread = [task_id for task_id, record in details.items() if record["left_out"] is not None]
    told = [
        *_said("results", unread, "could not be read, and are not in this page"),
        *_said("traces", [each for each in details if each not in traces], "were not fetched"),
    ]
    head = _head(snapshot, tasks, redaction, annotations)
    room = most_bytes - len(_safe(head)) - 2_000  # for what is said of what is left out
    dropped = _drop_largest(parts, room)
    if dropped is None:
        raise RomaError(
            f"The {count_text(len(snapshot.tasks), 'task')} of this run alone do not fit into {most_bytes:,} bytes."
        )
    for kind in ("traces", "results"):
        ids = [part.task_id for part in dropped if part.kind == kind]
        size = sum(part.left_out for part in dropped if part.kind == kind)
        told += _said(
            kind, ids, f"({size / 1e6:.1f} MB) were left out to keep the page below {most_bytes / 1e6:g} MB"
        )
    bodies = {
        kind: b"{"
        + b",".join(_safe(part.task_id) + b":" + part.body for part in parts if part.kind == kind)
        + b"}"
        for kind in ("results", "traces")
    }
    body = b"%s,%s:%s,%s:%s,%s:%s}" % (
        _safe(head)[:-1],
        *(b'"details"', bodies["results"]),
        *(b'"traces"', bodies["traces"]),
        *(b'"left_out"', _safe(told)),
    )
    return PageData(body, tuple(told))


def _head(
    snapshot: Snapshot, tasks: Sequence[Task], redaction: Redaction, annotations: Sequence[Annotation]
) -> Record:
    """What is small; the report comes last, because it counts what was redacted before."""
    project = redaction.project(snapshot.project) if snapshot.project is not None else None
    times = judge(snapshot.tasks, snapshot.project, 0.0)
    ended = times.ended if snapshot.outcome in OUTCOMES_OF_AN_ENDED_RUN else None
    reason = redaction.words("progress.reason", snapshot.reason)
    notes = [redaction.annotation(each) for each in annotations]
    return {
        "format": FORMAT,
        "made_by": f"roma-widget {version('roma-widget')}",
        "time": epoch_ms(snapshot.time),
        "project": None
        if project is None
        else {
            "id": project.project_id,
            "title": project.title,
            "goal": project.goal,
            "status": project.status,
        },
        "progress": progress(
            {task.task_id: task for task in tasks}, Verdict(snapshot.outcome, reason, times.started, ended)
        ),
        "tasks": [task_record(task) for task in tasks],
        "annotations": [
            {"time": each.time_s * 1000, "task": each.task_id, "text": each.text, "tags": each.tags}
            for each in notes
        ],
        "redaction": redaction.report(),
    }


def _details(task: Task, redaction: Redaction) -> tuple[Task, Record]:
    """The redacted task; the answer to `ask task`, and why its result is not there."""
    left_out = None
    if not task.is_whole:
        try:
            task = replace(task, raw_json=json.dumps(task.raw, ensure_ascii=False), _rest=None)
        except RomaError as error:
            left_out = redaction.sentence(str(error)) or GONE
        except (ValueError, RecursionError):
            left_out = "The result cannot be read."
    task = redaction.task(task)
    raw = decoded(task.raw_json)
    if not isinstance(raw, dict):
        raw, left_out = {}, left_out or "The result cannot be read."
    try:
        record = task_details(task, raw)
    except RecursionError:
        record, left_out = task_details(task, {}), "The result is nested too deep to be read."
    return task, {**record, "left_out": left_out}


def _part(kind: str, task_id: str, record: Record) -> _Part:
    body = _safe(record)
    why = f"{len(body) / 1e6:.1f} MB, left out to keep the page small"
    nothing: Mapping[str, Any] = {"stages": []} if kind == "traces" else {"result": None, "result_kind": None}
    return _Part(kind, task_id, body, _safe({**record, **nothing, "left_out": why}))


def _drop_largest(parts: list[_Part], room: int) -> list[_Part] | None:
    """Leaves out of the largest parts what can be until the rest fits; None when it never does."""
    size = sum(len(_safe(part.task_id)) + len(part.body) + 2 for part in parts)
    dropped: list[_Part] = []
    for part in sorted(parts, key=lambda part: -part.saves):
        if size <= room or part.saves <= 0:
            break
        size -= part.saves
        dropped.append(part)
    if size > room:
        return None
    for part in dropped:
        part.body, part.left_out = part.instead, part.saves
    return dropped


def _said(kind: str, task_ids: Sequence[str], what: str) -> list[str]:
    """`The results of 2 tasks … : root.1, root.2.`"""
    if not task_ids:
        return []
    named = ", ".join(shorten(task_id, 60) for task_id in task_ids[:MOST_NAMED])
    more = ", …" if len(task_ids) > MOST_NAMED else ""
    return [f"The {kind} of {count_text(len(task_ids), 'task')} {what}: {named}{more}."]


def _safe(value: Any) -> bytes:
    body = _encode(value)
    for raw, escaped in _ESCAPES:
        body = body.replace(raw, escaped)
    return body
