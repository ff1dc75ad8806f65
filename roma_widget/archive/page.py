"""What a page that shows one run by itself has to hold, redacted and of a bounded size. The page is made elsewhere.

The body (docs/messages.md) is JSON that may stand inside `<script type="application/json">`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
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
from ..core.text import GONE, count_text
from ..core.traces import in_utc
from ..core.view import Record, epoch_ms, status_history, task_details, task_record
from ..errors import RomaError
from .page_fit import Choice, Part, Scale, lengths, most_that_fits, packed_lengths
from .page_steps import Statuses, page_steps
from .redaction import Redaction
from .source import SourceStep

FORMAT = 1
MOST_NAMED = 5
SAID_BYTES = 2_000
"""Kept free for what is said of what is left out."""
_encode = msgspec.json.Encoder().encode
_ESCAPES = ((b"<", b"\\u003c"), ("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
"""Of what would end a script, or a line in one: none of it stands outside of JSON's strings."""


@dataclass(frozen=True, slots=True)
class PageData:
    """`body` is UTF-8; `left_out` says in sentences what is not in it."""

    body: bytes
    left_out: tuple[str, ...] = ()


def page_data(
    run: RunData, redaction: Redaction, most_bytes: int, annotations: Sequence[Annotation] = ()
) -> PageData:
    """The run as it stands with all that is known of it: see `Gathered`. Example:
    `page_data(m, redaction("secrets"), 20_000_000).left_out`
    """
    return gathered(run, redaction, annotations).within(most_bytes)


def gathered(
    run: RunData,
    redaction: Redaction,
    annotations: Sequence[Annotation] = (),
    steps: Iterable[SourceStep] = (),
    n_steps: int = 0,
) -> Gathered:
    """All that a page may hold of a run, redacted: as it stands, and as it stood at its `n_steps` steps.

    Results that are still on a server are asked for; what cannot be had is said. Raises RomaError when a function of
    `redaction` raises. Example: `gathered(run, redaction(None)).within(1_000_000).body`
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
    seen = Statuses(steps)
    moments = page_steps(seen, n_steps, len(tasks), redaction)
    for task_id in snapshot.tasks:
        history = status_history(seen.of(task_id))
        for change in history:
            change["status"] = redaction.status(change["status"])
        details[redaction.task_id(task_id)]["history"] = history
    traces = {
        redaction.task_id(task_id): trace_record(in_utc(redaction.trace(fetched[task_id]), clock))
        for task_id in snapshot.tasks
        if task_id in fetched
    }
    parts = (
        *(_part("results", task_id, record) for task_id, record in details.items()),
        *(_part("traces", task_id, record) for task_id, record in traces.items()),
    )
    unread = [task_id for task_id, record in details.items() if record["left_out"] is not None]
    said = (
        *_said("results", unread, "could not be read, and are not in this page"),
        *_said("traces", [each for each in details if each not in traces], "were not fetched"),
    )
    head = _head(snapshot, tasks, redaction, annotations)
    shown = replace(
        snapshot,
        tasks={task.task_id: task for task in tasks},
        project=redaction.project(snapshot.project) if snapshot.project is not None else None,
        reason=head["progress"]["reason"],
    )
    return Gathered(shown, head, parts, moments, n_steps, said)


@dataclass(frozen=True, slots=True)
class Gathered:
    """See `gathered`. `snapshot` is the redacted run as it stands."""

    snapshot: Snapshot
    _head: Record
    _parts: tuple[Part, ...]
    _steps: list[Record]
    _n_steps: int
    _said: tuple[str, ...]

    def within(self, most_bytes: int) -> PageData:
        """As much of it as fits into `most_bytes`, as they are.

        The largest traces and results are left out first, and it is said of which tasks; of the moments every other
        one, while they take more than half of the room. Raises RomaError when not even the list of tasks fits.
        """
        return self._made(self._unpacked(most_bytes), most_bytes)

    def packed(
        self, most_bytes: int, most_packed: int, page_bytes: int, pack: Callable[[bytes], bytes]
    ) -> tuple[bytes, PageData]:
        """The same, of which also no more than `most_packed` is left by `pack`: packed, and what is in it.

        What needs most when it is packed is left out first, for a page of `page_bytes`, as is said. What is larger even
        so is the least there is.
        """

        def made(choice: Choice) -> tuple[bytes, PageData]:
            data = self._made(choice, page_bytes)
            return pack(data.body), data

        whole = self._unpacked(most_bytes)
        all_of_it = made(whole)
        if len(all_of_it[0]) <= most_packed:
            return all_of_it
        scale = Scale(_safe(self._head), self._parts, packed_lengths, _safe)
        return most_that_fits(scale, whole, len(all_of_it[0]), most_packed, made)

    def _unpacked(self, most_bytes: int) -> Choice:
        """What of it fits into `most_bytes`, as they are."""
        scale = Scale(_safe(self._head), self._parts, lengths, _safe)
        choice = scale.chosen(Choice(self._steps, _safe(self._steps)), most_bytes - SAID_BYTES)
        if scale.size(choice) > most_bytes - SAID_BYTES:
            n_tasks = count_text(len(self.snapshot.tasks), "task")
            raise RomaError(f"The {n_tasks} of this run alone do not fit into {most_bytes:,} bytes.")
        return choice

    def _made(self, choice: Choice, page_bytes: int) -> PageData:
        told = list(self._said)
        for kind in ("traces", "results"):
            lost = [
                part
                for place, part in enumerate(self._parts)
                if part.kind == kind and place in choice.dropped
            ]
            size = sum(len(part.body) - len(part.instead) for part in lost)
            why = f"were left out to keep the page below {page_bytes / 1e6:g} MB"
            told += _said(kind, [part.task_id for part in lost], f"({size / 1e6:.1f} MB) {why}")
        if len(choice.steps) < self._n_steps:
            told.append(
                f"Of the {self._n_steps:,} moments of this run {len(choice.steps):,} are in this page, evenly taken."
            )
        bodies = (
            b",".join(
                _safe(part.task_id) + b":" + (part.instead if place in choice.dropped else part.body)
                for place, part in enumerate(self._parts)
                if part.kind == kind
            )
            for kind in ("results", "traces")
        )
        body = b'%s,"details":{%s},"traces":{%s},"steps":%s,"left_out":%s}' % (
            _safe(self._head)[:-1],
            *bodies,
            choice.moments,
            _safe(told),
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


def _part(kind: str, task_id: str, record: Record) -> Part:
    body = _safe(record)
    why = f"{len(body) / 1e6:.1f} MB, left out to keep the page small"
    nothing: Mapping[str, Any] = {"stages": []} if kind == "traces" else {"result": None, "result_kind": None}
    return Part(kind, task_id, body, _safe({**record, **nothing, "left_out": why}))


def _said(kind: str, task_ids: Sequence[str], what: str) -> list[str]:
    """`The results of 2 tasks … : root.1, root.2.`"""
    if not task_ids:
        return []
    named = ", ".join(shorten(task_id, 60) for task_id in task_ids[:MOST_NAMED])
    more = f" and {len(task_ids) - MOST_NAMED:,} more" if len(task_ids) > MOST_NAMED else ""
    return [f"The {kind} of {count_text(len(task_ids), 'task')} {what}: {named}{more}."]


def _safe(value: Any) -> bytes:
    body = _encode(value)
    for raw, escaped in _ESCAPES:
        body = body.replace(raw, escaped)
    return body
