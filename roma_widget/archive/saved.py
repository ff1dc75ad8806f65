"""A run that was saved, as the same data as a live one."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..analysis import frames, moments, notes
from ..analysis.moments import Moment
from ..analysis.run_data import RunData
from ..core.annotations import Annotation
from ..core.clock import ServerClock
from ..core.hitl import HitlRequest
from ..core.log import Excerpt
from ..core.model import Project, Snapshot, Task, Trace
from ..core.outcome import Verdict, progress
from ..core.reading import shorten
from ..core.recall import Recalled, StatusSince
from ..core.steps import as_time
from ..core.traces import in_utc
from ..core.when import When
from ..errors import ArchiveError, RomaError, UnknownProject
from .captured import read_captured
from .format import named
from .past import Past
from .reading import ArchiveReader, Kept
from .source import Source, SourceStep

if TYPE_CHECKING:
    import pandas

RAW = (".jsonl", ".jsonl.xz")


def open_run(path: str | Path, project: str | None = None) -> SavedRun:
    """Opens a saved run to read it, without a widget. Raises ArchiveError, UnknownProject.

    A file of several runs opens at the one that was looked at last, or at `project`. Example:
    `with open_run("run.roma") as run: print(run.tasks())`
    """
    file = named(path)
    reader = read_captured(file) if file.name.endswith(RAW) else ArchiveReader(file)
    return SavedRun(reader, project)


class SavedRun(RunData):
    """See `open_run`. Readable as a monitor is: frames, graph, figures, moments. A context manager; any thread
    reads.
    """

    def __init__(self, reader: ArchiveReader, project_id: str | None = None) -> None:
        self._reader = reader
        self._closing = weakref.finalize(self, reader.close)
        self._reading = threading.RLock()
        try:
            self.meta = reader.meta()
            self.projects = reader.projects()
            self._kept = self._chosen(project_id)
            with reader.guarded():
                said = self.meta.get("exact_from")
                exact_from = said.get(self._kept.project_id) if isinstance(said, dict) else None
                self._past = Past(
                    reader,
                    self._kept,
                    has_forgotten=self.meta.get("has_forgotten") is True,
                    exact_from=exact_from if isinstance(exact_from, int) else 0,
                )
                if not self._past.times_us():
                    raise ArchiveError(f"{reader.path} holds no moment of a run.")
                self._last = self._past.recall(as_time(self._past.times_us()[-1]))
        except BaseException:
            reader.close()
            raise
        self._traces: Mapping[str, Trace] | None = None
        self._own: list[Annotation] = []

    @property
    def path(self) -> Path:
        return self._reader.path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        name = self.path.name
        for ending in (".roma", *RAW[::-1]):
            name = name.removesuffix(ending)
        return name

    @property
    def project_id(self) -> str:
        return self._kept.project_id

    @property
    def story(self) -> str:
        """When it was written, in a sentence, and whether it went on then."""
        written = self.meta.get("written")
        when = f" as of {shorten(written, 40)}" if isinstance(written, str) else ""
        is_growing = self.meta.get("ended") is not True
        return f"A saved run{when}.{' Its recording had not ended.' if is_growing else ''}"

    @property
    def lack(self) -> str | None:
        """What could not be saved, or has not been read of the file, in sentences."""
        missing = self.meta.get("missing")
        said = [shorten(str(each), 300) for each in missing[:3]] if isinstance(missing, list) else []
        return " ".join((*said, *self._reader.left_out.values())) or None

    @property
    def snapshot(self) -> Snapshot:  # type: ignore[override]
        """The run as it was last."""
        return self._last.snapshot

    @property
    def verdict(self) -> Verdict:
        return self._last.verdict

    @property
    def progress(self) -> dict[str, Any]:
        """Counts and outcome, as `m.progress` has them."""
        return progress(self.snapshot.tasks, self.verdict)

    def task(self, task_id: str) -> Task:
        """One task as it was last: see `Monitor.task`. Raises UnknownTask."""
        return self.snapshot.task(task_id)

    def result(self, task_id: str) -> Any:
        """What a task came to. Raises UnknownTask, NotLive where it had been left on the server."""
        return self.task(task_id).result

    def trace(self, task_id: str) -> Trace:
        """What happened inside one task. Raises UnknownTask, RomaError where its trace was not saved."""
        self.task(task_id)
        trace = self.traces().get(task_id)
        if trace is None:
            left_out = self._reader.left_out.get(("trace", self._kept.project_id))
            raise RomaError(
                f"The trace of {shorten(task_id, 60)!r} was not fetched before the run was saved"
                f"{f', or was left out: {left_out}' if left_out else '.'}"
            )
        return in_utc(trace, ServerClock.of(self._kept.offset_s))

    def traces(self) -> Mapping[str, Trace]:
        """By task id, times as stamped."""
        with self._reading:
            if self._traces is None:
                self._traces = self._reader.traces(self._kept.project_id)
            return self._traces

    @property
    def server_offset_s(self) -> float | None:
        return self._kept.offset_s

    @property
    def times(self) -> pandas.DatetimeIndex:
        """The moments at which the run changed: see `Monitor.times`."""
        return moments.times(self.times_us())

    def at(self, t: When) -> Moment:
        """The run as it stood at `t`: see `Monitor.at`."""
        return Moment(self.recall(t))

    def between(self, t0: When, t1: When) -> pandas.DataFrame:
        """What happened from `t0` to `t1`: see `Monitor.between`."""
        return frames.events(self.events_between(t0, t1))

    def events(self) -> pandas.DataFrame:
        """What happened while it was watched: see `Monitor.events`."""
        return frames.events(self.excerpt())

    def annotations(self) -> pandas.DataFrame:
        """What people wrote beside its tasks: see `Monitor.annotations`."""
        return notes.notes(self.written())

    def close(self) -> None:
        """What was not read yet can be read no more."""
        self._closing()

    def let_go(self) -> None:
        """Closes it, and forgets all that was read but its last state, its name and its moments."""
        self.close()
        with self._reading:
            self._past.let_go()
            self._traces = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        numbers = self.progress
        return (
            f"<SavedRun {self.name!r}; {numbers['outcome'].replace('_', ' ')}: {numbers['done']} of "
            f"{numbers['total']} done, {numbers['failed']} failed>"
        )

    # -- for who shows or saves it

    def times_us(self) -> list[int]:
        return self._past.times_us()

    def recall(self, when: When) -> Recalled:
        with self._reading:
            return self._past.recall(when)

    def statuses(self, task_id: str) -> list[StatusSince]:
        with self._reading:
            return self._past.statuses(task_id)

    def listed(self) -> list[Project]:
        """The runs of the file, as far as their last steps tell."""
        with self._reading:
            return [self._reader.project(kept.project_id) for kept in self.projects]

    def excerpt(self) -> Excerpt:
        dropped = self.meta.get("rows_dropped")
        kept = self._reader.log(self._kept.project_id)
        return replace(kept, dropped=kept.dropped + (dropped if isinstance(dropped, int) else 0))

    def events_between(self, begin: When, end: When) -> Excerpt:
        begin_s, end_s = self._past.heard_between(begin, end)
        return self.excerpt().between(begin_s, end_s)

    def written(self) -> tuple[Annotation, ...]:
        """What was written beside its tasks, also since it was opened."""
        own = (each for each in tuple(self._own) if each.project_id == self.project_id)
        return (*self._reader.annotations(self.project_id), *own)

    def write(self, annotation: Annotation) -> None:
        """Kept as long as this is; the file stays as it is."""
        self._own.append(annotation)

    def share_notes(self, other: SavedRun) -> None:
        """What was written beside the runs of one file is known to all that are open of it."""
        self._own = other._own

    def questions(self) -> tuple[HitlRequest, ...]:
        """What its agents asked, and what was answered."""
        return tuple(self._reader.questions(self._kept.project_id))

    def _asked(self, _snapshot: Snapshot) -> tuple[HitlRequest, ...]:
        return self.questions()

    def source(self) -> Source:
        """All of it, to be saved again."""
        about = {name: self.meta[name] for name in ("address",) if name in self.meta}
        missing, excerpt = self.meta.get("missing"), self.excerpt()
        traces = self.traces()
        return Source(
            steps=self._source_steps(),
            offset_s=self._kept.offset_s,
            known_until_us=self._kept.known_until_us,
            traces=traces,
            results=[(kept.lean_json, kept.rest) for kept in self._past.results.values() if kept is not None],
            rows=excerpt.rows,
            rows_dropped=excerpt.dropped,
            annotations=self.written(),
            questions=self.questions(),
            has_forgotten=self.meta.get("has_forgotten") is True,
            about=about,
            missing=(
                *map(str, missing if isinstance(missing, list) else ()),
                *self._reader.left_out.values(),
            ),
        )

    def _source_steps(self) -> Iterator[SourceStep]:
        for step, versions, is_exact in self._past.each():
            yield SourceStep(step.time_us, step.heard_s, step.project, versions, is_exact)

    def _fetched(self, snapshot: Snapshot) -> tuple[Mapping[str, Trace], float | None]:
        return self.traces(), self._kept.offset_s

    def _chosen(self, project_id: str | None) -> Kept:
        if not self.projects:
            raise ArchiveError(f"{self.path} holds no run.")
        if project_id is None:
            return self.projects[0]
        for kept in self.projects:
            if kept.project_id == project_id:
                return kept
        there = ", ".join(shorten(kept.project_id, 40) for kept in self.projects[:5])
        raise UnknownProject(f"{self.path} holds no project {shorten(project_id, 60)!r}, only {there}.")
