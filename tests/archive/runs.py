"""Runs to save: real recordings as a client saw them, and trees of any size made by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from analysis.snapshots import stage, trace

from roma_widget.archive.capture import FRAME, Broadcast, read_capture
from roma_widget.archive.redaction import redaction
from roma_widget.archive.saving import save
from roma_widget.archive.source import Source, SourceStep
from roma_widget.archive.writing import ArchiveWriter
from roma_widget.core import wire
from roma_widget.core.events import GraphUpdate, Payload
from roma_widget.core.model import Project, Status, Task, Trace
from roma_widget.core.state import ProjectState, State, apply
from roma_widget.core.steps import as_us

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PLAYABLE = "a_complete b_hitl d_failed f_two_projects g_kill_restart h_rest m_midrun_connect".split()


def seen_in(capture: Path) -> dict[str, list[ProjectState]]:
    """How each project was after each event of the recording, from when it was shown first: by the core alone, without
    history or archive.
    """
    state, texts = State(), wire.NO_FRAME
    seen: dict[str, list[ProjectState]] = {}
    for moment in read_capture(capture).moments:
        if not isinstance(moment, Broadcast):
            continue
        event = wire.read_event(moment.event, Payload(moment.payload.decode()), texts)
        if moment.event == FRAME and isinstance(event, GraphUpdate):
            texts = event.texts
        state, _ = apply(state, event, moment.at_s, live=False)
        if state.current_id is not None and state.current_id in state.projects:
            seen.setdefault(state.current_id, [])
        for project_id, states in seen.items():
            states.append(state.projects[project_id])
    return seen


@dataclass(frozen=True)
class Written:
    """One step as it was handed to the writer, with all tasks as they were from then on."""

    time_us: int
    project: Project
    tasks: Mapping[str, Task]


def tree(
    n_tasks: int, *, raw_json: str = "{}", status: str = Status.RUNNING, width: int = 10
) -> dict[str, Task]:
    """That many tasks, `width` below each that has any."""
    parents = {0: None} | {place: (place - 1) // width for place in range(1, n_tasks)}
    children: dict[int, list[int]] = {}
    depth = {0: 0}
    for place, parent in parents.items():
        if parent is not None:
            children.setdefault(parent, []).append(place)
            depth[place] = depth[parent] + 1
    return {
        f"t{place}": Task(
            task_id=f"t{place}",
            goal=f"goal {place}",
            status=status,
            depth=depth[place],
            parent_id=None if parent is None else f"t{parent}",
            plan_index=0 if parent is None else children[parent].index(place),
            child_ids=tuple(f"t{child}" for child in children.get(place, ())),
            created=NOON,
            raw_json=raw_json,
        )
        for place, parent in parents.items()
    }


def growing(n_steps: int, n_tasks: int = 12, project_id: str = "p") -> Iterator[SourceStep]:
    """A run whose tasks take turns to change, one a second."""
    tasks = tree(n_tasks, raw_json=json.dumps({"text": "word " * 200}))
    project = Project(
        project_id, title="Made by hand", goal="to be read again", status="running", created=NOON
    )
    yield SourceStep(as_us(NOON), NOON.timestamp(), project, dict(tasks))
    for number in range(1, n_steps):
        task_id = f"t{number * 7 % n_tasks}"
        tasks[task_id] = replace(
            tasks[task_id],
            status=[Status.DONE, Status.RUNNING, "ODD"][number % 3],
            result_summary=f"summary {number}",
            raw_json=json.dumps({"text": "word " * 200, "number": number}),
        )
        time = NOON + timedelta(seconds=number)
        yield SourceStep(as_us(time), time.timestamp(), project, {task_id: tasks[task_id]})


def some_traces(task_ids: Iterable[str], n_stages: int = 2, size: int = 100) -> dict[str, Trace]:
    return {
        task_id: trace(task_id, *(stage(llm_response=f"{task_id} {'x' * size}") for _ in range(n_stages)))
        for task_id in task_ids
    }


def saved(path: Path, n_steps: int = 20, n_tasks: int = 12) -> Path:
    """A small run with all kinds of parts, at `path`."""
    source = Source(
        steps=list(growing(n_steps, n_tasks)),
        offset_s=3600.0,
        known_until_us=as_us(NOON + timedelta(hours=1)),
        traces=some_traces(["t0", "t1"]),
    )
    return save(path, source, redaction(None))


def writer(path: Path, *, append: bool = False) -> ArchiveWriter:
    return ArchiveWriter(path, redaction(None), about={}, append=append)


def spill(db: sqlite3.Connection) -> None:
    """Begins to write over what there is, as far as SQLite's memory makes it: the file is half new, its journal old."""
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE blocks SET body = zeroblob(length(body))")
    db.execute("INSERT INTO traces VALUES ('more', 'more', randomblob(1000000))")


def journal_is_hot(path: Path) -> bool:
    """Would SQLite play it back? It is begun with zeros."""
    try:
        with path.with_name(f"{path.name}-journal").open("rb") as journal:
            return journal.read(1) not in (b"", b"\0")
    except FileNotFoundError:
        return False
