"""A raw recording of a server's events as a saved run: played at once into an archive of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC
from functools import partial
from pathlib import Path

from ..core import wire
from ..core.events import GraphUpdate, HitlClosed, HitlRequested, NodeTrace, Payload
from ..core.history import History
from ..core.log import EventLog
from ..core.model import Trace
from ..core.prompts import Prompts
from ..core.state import State, apply
from ..core.traces import read_node_trace
from ..errors import ArchiveError
from .capture import FRAME, Broadcast, Capture, read_capture
from .reading import ArchiveReader
from .redaction import redaction
from .saving import write
from .source import Source, SourceStep

HISTORY_BYTES = 512_000_000


def read_captured(path: Path) -> ArchiveReader:
    """An archive with the runs of that recording; raises ArchiveError. It is gone when the reader is closed."""
    capture = read_capture(path)
    scratch = tempfile.TemporaryDirectory(prefix="roma-")
    try:
        archive = Path(scratch.name) / "captured.roma"
        try:
            write(archive, list(_sources(capture)), redaction(None))
        except ArchiveError as error:
            raise ArchiveError(str(error).replace(str(archive), str(path))) from error
        return ArchiveReader(archive, said=path, scratch=scratch)
    except BaseException:
        scratch.cleanup()
        raise


@dataclass(slots=True)
class _Run:
    history: History = field(default_factory=lambda: History(HISTORY_BYTES))
    log: EventLog = field(default_factory=EventLog)


def _sources(capture: Capture) -> Iterator[Source]:
    """One for each project, the one that was current last at the end. Times without a zone count as UTC.

    Who answered was not recorded: what became of questions is concluded from what their tasks did.
    """
    state, texts, runs, prompts = State(), wire.NO_FRAME, dict[str, _Run](), Prompts()
    began_s: float | None = None
    for moment in capture.moments:
        if not isinstance(moment, Broadcast):
            continue
        event = wire.read_event(moment.event, Payload(moment.payload.decode("utf-8", "replace")), texts)
        stamp = event.time if isinstance(event, GraphUpdate) else None
        if began_s is None and stamp is not None:
            began_s = (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp() - moment.at_s
        if moment.event == FRAME and isinstance(event, GraphUpdate):
            texts = event.texts
        now_s = (began_s or 0.0) + moment.at_s
        before = state.projects
        state, changes = apply(state, event, now_s, live=False, keep=tuple(runs))
        if state.current_id is not None and state.current_id in state.projects:
            shown = runs.pop(state.current_id) if state.current_id in runs else _Run()
            runs[state.current_id] = shown
        for project_id, run in runs.items():  # also those that go on while another is shown
            known = state.projects.get(project_id)
            run.history.note(known, changes, now_s, moment.at_s)
            run.log.note(event, changes, before, known, now_s)
        prompts.link_up(began_s or 0.0)
        if isinstance(event, HitlRequested):
            _hear(prompts, event, state, now_s)
        elif isinstance(event, HitlClosed):
            prompts.closed(event, now_s)
        prompts.look(partial(_status, state), now_s)
    for project_id, run in runs.items():
        steps = [
            SourceStep(step.time_us, step.heard_s, step.project, versions, is_exact)
            for step, versions, is_exact in run.history.each()
        ]
        excerpt = run.log.excerpt()
        if steps:
            yield Source(
                steps=steps,
                known_until_us=run.history.until_us,
                traces=_traces(capture, project_id),
                rows=excerpt.rows,
                rows_dropped=excerpt.dropped,
                questions=[each for each in prompts.all() if each.project_id in (None, project_id)],
                has_forgotten=run.history.has_forgotten,
            )


def _hear(prompts: Prompts, event: HitlRequested, state: State, now_s: float) -> None:
    """Of the running project that has its task, where there is one only."""
    task_id = event.task_id or ""
    running = (id for id, known in state.projects.items() if known.project.status in ("running", None))
    having = [project_id for project_id in running if _status(state, project_id, task_id) is not None]
    project_id = event.project_id or (having[0] if len(having) == 1 else None)
    status = None if project_id is None else _status(state, project_id, task_id)
    prompts.hear(event, now_s, project_id=project_id, status=status)
    prompts.note_zone(lambda stamp: stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC))


def _status(state: State, project_id: str, task_id: str) -> str | None:
    known = state.projects.get(project_id)
    task = None if known is None else known.tasks.get(task_id)
    return None if task is None else task.status


def _traces(capture: Capture, project_id: str) -> dict[str, Trace]:
    read = (
        read_node_trace("node_trace_data", Payload(payload.decode("utf-8", "replace")))
        for (of_project, _), payload in capture.traces.items()
        if of_project == project_id
    )
    return {event.task_id: event.trace for event in read if isinstance(event, NodeTrace)}
