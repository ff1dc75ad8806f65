"""What a session remembers of its run: what happened, how it stood at any moment, what people wrote beside tasks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from ..core.annotations import Annotation
from ..core.history import History
from ..core.log import EventLog, Excerpt
from ..core.model import Snapshot
from ..core.recall import Recalled, StatusSince
from ..core.state import Change, ProjectState
from ..core.when import When
from ..errors import RomaError
from .feed import Feed


class Remembers:
    """Mixed into `Session`. Written on the loop, read from any thread: the history under a lock."""

    snapshot: Snapshot

    def __init__(self, feed: Feed, *, keeps_history: bool) -> None:
        self._event_log = EventLog(feed.options.secrets())
        self._annotations = feed.annotations
        self._history = History() if keeps_history else None
        self._history_lock = threading.Lock()

    def events(self) -> Excerpt:
        """What happened, as far as it is remembered. May be called from any thread, as all that is remembered."""
        return self._event_log.excerpt()

    def reaches_back(self) -> bool:
        """May somebody else know what was before?"""
        return False

    def reach_back_now(self) -> None:
        """Has them asked, and waits. Not on the loop."""

    async def reach_back(self) -> None:
        """The same on the loop."""

    def times_us(self) -> list[int]:
        """When the shown project changed, as microseconds since 1970."""
        with self._history_lock:
            return self._history.times_us() if self._history is not None else []

    def recall(self, when: When) -> Recalled:
        """The run as it was: see `History.recall`. Raises RomaError where there is no history."""
        with self._history_lock:
            return self._kept_history().recall(when)

    def statuses(self, task_id: str) -> list[StatusSince]:
        """When a task came into which status: see `Recall.statuses`. [] where there is no history."""
        with self._history_lock:
            return self._history.statuses(task_id) if self._history is not None else []

    def events_between(self, begin: When, end: When) -> Excerpt:
        """What happened from one moment of the run to another: see `History.heard_between`."""
        with self._history_lock:
            begin_s, end_s = self._kept_history().heard_between(begin, end)
        return self._event_log.excerpt().between(begin_s, end_s)

    def forget_history(self) -> None:
        """Nobody looks any more, but monitors that ipywidgets never lets go of hold this session."""
        with self._history_lock:
            self._history = None

    def annotations(self) -> tuple[Annotation, ...]:
        """What people wrote beside the tasks of the shown run. From any thread."""
        project = self.snapshot.project
        return self._annotations.of(project.project_id if project is not None else None)

    def annotate(self, task_id: str, text: str, tags: tuple[str, ...]) -> None:
        """Keep what a person wrote beside a task. Raises UnknownTask, RomaError."""
        snapshot, now_s = self.snapshot, time.time()
        snapshot.task(task_id)
        project_id = snapshot.project.project_id if snapshot.project is not None else ""
        self._annotations.add(Annotation(now_s, project_id, task_id, text, tags))
        self._event_log.note_own("annotation", now_s, task_id, after=text)

    def note_watch(self, name: str) -> None:
        """What somebody watches for is so."""
        self._event_log.note_own("watch", time.time(), field=name)

    def note_failure(self, name: str, sentence: str) -> None:
        """What somebody gave us to call has raised."""
        self._event_log.note_failure(name, sentence, time.time())

    def _kept_history(self) -> History:
        if self._history is None:
            raise RomaError(
                "This monitor keeps no history: it was opened with history=False, or its cell ran again and another "
                "took its place."
            )
        return self._history

    def _remember(self, shown: ProjectState | None, changes: Iterable[Change], now_s: float) -> None:
        with self._history_lock:
            if self._history is not None:
                self._history.note(shown, changes, now_s, time.monotonic())
