"""The log of a session: what changed, field by field, what went wrong, and what the server said beyond what we know.

Bounded: the oldest rows go. Complaints and unknown events, which a server may send by the thousand, have small shares
of their own, so that they displace only their kind. Rows hold short texts and no tasks, so the log keeps no state of
the past alive.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple

from .events import Event, GraphUpdate, ProjectsListed, ServerRefused, Unhandled, Unreadable, project_of
from .model import ConnectionState, Project, RelayNews, Task
from .reading import hide, shorten
from .state import Change, ProjectChanged, ProjectState, TaskAdded, TaskChanged, TaskRemoved

MOST_ROWS = 50_000
MOST_ERRORS = MOST_UNKNOWN = 2_500
"""Of `MOST_ROWS`."""
LONGEST_VALUE = 200
SHORTEST_CUT = 100
"""Nobody cuts texts of fewer characters; some just end in an ellipsis."""
_UNTOLD = frozenset({"task_id", "updated", "raw_json"})  # `updated` moves with every word on a task
_FIELDS = tuple(each.name for each in fields(Task) if each.name not in _UNTOLD and each.name[0] != "_")
_NAME_ENDS = re.compile(r"[.:\[]")
_values = attrgetter(*_FIELDS)
_PROJECT_FIELDS = ("title", "goal", "status", "created")


class Row(NamedTuple):
    """One line: see `analysis.frames.events` for the columns. `project_id` is None where none is named."""

    seq: int
    time_s: float
    project_id: str | None
    event: str
    task_id: str | None = None
    field: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Rows of one project, oldest first. `dropped` older rows are gone, whatever project they were of."""

    rows: tuple[Row, ...] = ()
    dropped: int = 0

    def between(self, begin_s: float, end_s: float) -> Excerpt:
        """The rows of that time, both ends included, in epoch seconds."""
        return replace(self, rows=tuple(row for row in self.rows if begin_s <= row.time_s <= end_s))


class EventLog:
    """See the module. Times are epoch seconds. One thread writes; any thread reads, which copies in one step."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets = tuple(secrets)
        self._seq = 0
        self._shown_id: str | None = None
        self._changes: deque[Row] = deque(maxlen=MOST_ROWS - MOST_ERRORS - MOST_UNKNOWN)
        self._errors: deque[Row] = deque(maxlen=MOST_ERRORS)
        self._unknown: deque[Row] = deque(maxlen=MOST_UNKNOWN)
        self._last_problems: dict[type[Event], tuple[str, ...]] = {}
        self.on_error: Callable[[Row], object] = lambda row: None
        """Told of each row "error" as it is added."""

    def excerpt(self) -> Excerpt:
        """What was logged for the project that is shown, and what names none."""
        shown_id, seq = self._shown_id, self._seq
        kept = [*tuple(self._changes), *tuple(self._errors), *tuple(self._unknown)]
        rows = sorted((row for row in kept if row.project_id in (None, shown_id)), key=attrgetter("seq"))
        return Excerpt(tuple(rows), max(0, seq - len(kept)))

    def since(self, seq: int) -> list[Row]:
        """All rows behind that one, of whatever project, that are still kept. From any thread."""
        end = self._seq  # rows that come while this copies may be seen without those before them
        kept = (*tuple(self._changes), *tuple(self._errors), *tuple(self._unknown))
        return sorted((row for row in kept if seq < row.seq < end), key=attrgetter("seq"))

    def note_connection(self, before: ConnectionState, after: ConnectionState, now_s: float) -> None:
        """The state of the connection is another one."""
        self._change(now_s, None, "connection", before=before, after=after)

    def note_relay(self, before: RelayNews | None, after: RelayNews | None, now_s: float) -> None:
        """The relay in between stands in another way with the server above it, for this reason."""
        was, state = (None if news is None else news.state for news in (before, after))
        why = None if after is None else after.error or after.reason
        self._change(
            now_s, None, "relay_connection", None, None if why is None else self._own_words(why), was, state
        )

    def note_own(
        self,
        event: str,
        now_s: float,
        task_id: str | None = None,
        field: str | None = None,
        after: str | None = None,
    ) -> None:
        """What a person did or wanted to know, about the project that is shown."""
        self._change(now_s, self._shown_id, event, task_id, field, after=after)

    def note_failure(self, name: str, sentence: str, now_s: float) -> None:
        """What a person gave us to call, under that name, has raised."""
        self._error(now_s, self._shown_id, name, sentence)

    def note_lost_answer(self, task_id: str | None, why: str | None, now_s: float) -> None:
        """What a person answered did not reach who asked."""
        sentence = f"The answer to {task_id or 'a question'} was lost: {why or 'nobody said why'}"
        self._error(now_s, self._shown_id, "hitl", sentence)

    def note(
        self,
        event: Event,
        changes: Iterable[Change],
        before: Mapping[str, ProjectState],
        shown: ProjectState | None,
        now_s: float,
    ) -> None:
        """What `event` changed in the project that is shown after it, and what else it says.

        `before` are the projects as they were. When another project is shown from now on, all that is known of it
        is added.
        """
        shown_id = shown.project.project_id if shown is not None else None
        if shown is not None and shown_id != self._shown_id:
            self._note_shown(shown, now_s)
        elif shown_id is not None:
            self._note_changes(changes, before, shown_id, now_s)
        self._note_words(event, shown_id, now_s)

    def _note_shown(self, shown: ProjectState, now_s: float) -> None:
        before_id, self._shown_id = self._shown_id, shown.project.project_id
        self._change(now_s, None, "project_changed", None, "project_id", before_id, self._shown_id)
        self._note_project(None, shown.project, now_s)
        for task in shown.tasks.values():
            self._change(now_s, self._shown_id, "task_added", task.task_id, after=task.status)

    def _note_changes(
        self, changes: Iterable[Change], before: Mapping[str, ProjectState], shown_id: str, now_s: float
    ) -> None:
        for change in changes:
            match change:
                case TaskChanged(project_id, was, task) if project_id == shown_id:
                    self._note_task(project_id, was, task, now_s)
                case TaskAdded(project_id, task) if project_id == shown_id:
                    self._change(now_s, project_id, "task_added", task.task_id, after=task.status)
                case TaskRemoved(project_id, task_id) if project_id == shown_id:
                    self._change(now_s, project_id, "task_removed", task_id)
                case ProjectChanged(project) if project.project_id == shown_id:
                    known = before.get(shown_id)
                    self._note_project(known.project if known else None, project, now_s)
                case _:
                    pass

    def _note_words(self, event: Event, shown_id: str | None, now_s: float) -> None:
        """What was refused, what could not be read, and what nobody here knows.

        What is wrong with a frame or a list is said when it is new, because the next one repeats it.
        """
        match event:
            case Unhandled(name, size):
                name = self._own_words(name)
                self._add(self._unknown, Row(self._seq, now_s, None, name, field="size", after=str(size)))
            case ServerRefused(name, message):
                self._error(now_s, None, name, message)
            case Unreadable(name, problems):
                self._error(now_s, None, name, problems[0] if problems else "could not be read")
            case GraphUpdate():
                if event.project_id in (None, shown_id):
                    self._new_problems(now_s, event.project_id, event.source, event)
            case ProjectsListed():
                self._new_problems(now_s, None, "projects_list", event)
            case _ if project_of(event) in (None, shown_id):
                for problem in event.problems:  # these begin with the event's name
                    self._error(now_s, project_of(event), _NAME_ENDS.split(problem, maxsplit=1)[0], problem)
            case _:
                pass

    def _new_problems(
        self, now_s: float, project_id: str | None, name: str, event: GraphUpdate | ProjectsListed
    ) -> None:
        before = self._last_problems.get(type(event), ())
        self._last_problems[type(event)] = event.problems
        for problem in event.problems:
            if problem not in before:
                self._error(now_s, project_id, name, problem)

    def _note_task(self, project_id: str, before: Task, after: Task, now_s: float) -> None:
        old, new = _values(before), _values(after)
        if old == new:
            return
        for name, was, value in zip(_FIELDS, old, new, strict=True):
            if was != value and not _says_the_same(was, value):
                self._change(now_s, project_id, "task_changed", after.task_id, name, was, value)

    def _note_project(self, before: Project | None, after: Project, now_s: float) -> None:
        for name in _PROJECT_FIELDS:
            was, value = getattr(before, name, None), getattr(after, name)
            if was != value:
                self._change(now_s, after.project_id, "project_changed", None, name, was, value)

    def _change(
        self,
        now_s: float,
        project_id: str | None,
        event: str,
        task_id: str | None = None,
        field: str | None = None,
        before: object = None,
        after: object = None,
    ) -> None:
        before, after = _text(before), _text(after)
        row = Row(self._seq, now_s, project_id, event, _text(task_id), field, before, after)
        self._add(self._changes, row)

    def _error(self, now_s: float, project_id: str | None, name: str, sentence: str) -> None:
        field, after = self._own_words(name), self._own_words(sentence)
        row = Row(self._seq, now_s, project_id, "error", field=field, after=after)
        self._add(self._errors, row)
        self.on_error(row)

    def _add(self, rows: deque[Row], row: Row) -> None:
        rows.append(row)
        self._seq += 1

    def _own_words(self, text: str) -> str:
        """A server may quote what it was sent."""
        return shorten(hide(text, self._secrets), LONGEST_VALUE)


def _says_the_same(was: object, value: object) -> bool:
    """Is one the beginning of the other? Servers of ours cut texts over the socket that come whole over HTTP."""
    if not isinstance(was, str) or not isinstance(value, str):
        return False
    short, long = sorted((was, value), key=len)
    return len(short) >= SHORTEST_CUT and short.endswith("…") and long.startswith(short[:-1])


def _text(value: object) -> str | None:
    """A field's value as text of a bounded length; ids with commas between."""
    if value is None:
        return None
    if isinstance(value, str):
        return str(value) if len(value) <= LONGEST_VALUE else shorten(value, LONGEST_VALUE)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, tuple):
        value = ", ".join(str(one)[:LONGEST_VALUE] for one in value[:LONGEST_VALUE])
    return shorten(str(value), LONGEST_VALUE)
