"""The log: what is told, what is not worth a row, and that nobody can flood it."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

from roma_widget.core import events, log
from roma_widget.core.events import (
    Event,
    GraphUpdate,
    ProjectsListed,
    ProjectStopped,
    ServerRefused,
    Unhandled,
    Unreadable,
)
from roma_widget.core.log import EventLog, Row
from roma_widget.core.model import Project, Status, Task
from roma_widget.core.state import (
    Change,
    ProjectChanged,
    ProjectState,
    TaskAdded,
    TaskChanged,
    TaskRemoved,
    TasksReordered,
)

P = Project("p", goal="a goal")
FRAME = GraphUpdate("task_graph_update", "p", P, None, {}, (), None)
TASK = Task("root", "the goal", Status.RUNNING)
LATER = datetime(2026, 1, 1, tzinfo=UTC)


class Log:
    """A log to which project "p" is shown from the start; `rows` are those after that."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self.log = EventLog(secrets)
        self.now_s = 0.0
        self.shown = ProjectState(P)
        self.note(FRAME)
        self._begins = self.log.excerpt().rows[-1].seq + 1

    def note(self, event: Event, *changes: Change, before: Mapping[str, ProjectState] | None = None) -> None:
        self.now_s += 1
        self.log.note(event, changes, before or {"p": ProjectState(P)}, self.shown, self.now_s)

    @property
    def rows(self) -> list[Row]:
        return [row for row in self.log.excerpt().rows if row.seq >= self._begins]

    @property
    def told(self) -> list[tuple[Any, ...]]:
        return [(row.event, row.task_id, row.field, row.before, row.after) for row in self.rows]


def test_a_row_for_each_field_of_a_task_that_changed() -> None:
    into = Log()
    ended = replace(TASK, status=Status.DONE, completed=LATER, updated=LATER, raw_json='{"a": 1}')
    into.note(FRAME, TaskAdded("p", TASK), TasksReordered("p", ("root",)))
    into.note(FRAME, TaskChanged("p", TASK, ended))
    into.note(FRAME, TaskRemoved("p", "root"))
    assert into.told == [
        ("task_added", "root", None, None, "RUNNING"),
        ("task_changed", "root", "status", "RUNNING", "DONE"),
        ("task_changed", "root", "completed", None, "2026-01-01T00:00:00+00:00"),
        ("task_removed", "root", None, None, None),
    ]
    assert [row.time_s for row in into.rows] == [2, 3, 3, 4]
    assert all(type(row.after) in (str, type(None)) for row in into.rows)  # no enum that a frame would show


def test_a_time_stamp_alone_is_not_worth_a_row() -> None:
    into = Log()
    into.note(FRAME)
    into.note(FRAME, TaskChanged("p", TASK, replace(TASK, updated=LATER, raw_json='{"updated": 1}')))
    assert into.told == []


def test_a_text_that_is_cut_or_whole_again_is_not_worth_a_row() -> None:
    """Over HTTP it comes whole, over the socket of a server of ours cut."""
    into, whole = Log(), "x" * 1500
    cut, other = (replace(TASK, goal=text) for text in (whole[:1000] + "…", "y" * 1500))
    task = replace(TASK, goal=whole)
    for before, after in ((task, cut), (cut, task), (cut, other)):
        into.note(FRAME, TaskChanged("p", before, after))
    assert [row[2] for row in into.told] == ["goal"]
    into.note(FRAME, TaskChanged("p", replace(TASK, goal="Well…"), replace(TASK, goal="Well, no")))
    assert into.told[-1][3:] == ("Well…", "Well, no")


def test_every_other_public_field_is_told() -> None:
    public = {each.name for each in fields(Task) if not each.name.startswith("_")}
    assert set(log._FIELDS) == public - {"task_id", "updated", "raw_json"}


def test_values_are_short_texts() -> None:
    into = Log()
    many = tuple(f"root.{n}" for n in range(10_000))
    large = replace(TASK, goal="é" * 1000, depth=3, child_ids=("root.1", "root.2"), depends_on=many)
    into.note(FRAME, TaskChanged("p", TASK, large))
    said = {row.field: row.after or "" for row in into.rows}
    assert said["goal"] == "é" * 199 + "…"
    assert (said["depth"], said["child_ids"]) == ("3", "root.1, root.2")
    assert len(said["depends_on"]) == 200
    into.note(FRAME, TaskRemoved("p", "x" * 20_000))
    assert len(into.rows[-1].task_id or "") == 200


def test_what_is_wrong_with_another_project_is_not_logged() -> None:
    into = Log()
    for project_id in ("q", "p"):
        into.note(ProjectStopped(project_id, (f"project_stopped.x: bad in {project_id}",)))
    assert [(row.project_id, row.after) for row in into.rows] == [("p", "project_stopped.x: bad in p")]


def test_only_what_is_shown_is_logged_and_a_project_that_comes_into_view_is_added() -> None:
    into = Log()
    other = ProjectState(Project("q", status="running"), tasks={"root": TASK})
    into.note(FRAME, TaskAdded("q", TASK), ProjectChanged(other.project))
    assert into.told == []
    into.shown = other
    into.note(ProjectsListed((), "q"))
    assert into.told == [
        ("project_changed", None, "project_id", "p", "q"),
        ("project_changed", None, "status", None, "running"),
        ("task_added", "root", None, None, "RUNNING"),
    ]
    into.note(FRAME, TaskRemoved("p", "root"))
    assert len(into.rows) == 3


def test_a_change_of_the_project() -> None:
    into = Log()
    into.note(ProjectsListed((), "p"), ProjectChanged(replace(P, status="completed", updated=LATER)))
    assert into.told == [("project_changed", None, "status", None, "completed")]


def test_the_connection_is_logged_before_any_project_is_known() -> None:
    alone = EventLog()
    alone.note_connection("connecting", "live", 5.0)
    assert alone.excerpt().rows == (Row(0, 5.0, None, "connection", before="connecting", after="live"),)


def test_what_went_wrong_and_what_nobody_knows() -> None:
    into = Log(secrets=("secret-token",))
    into.note(ServerRefused("project_switch_error", "no: secret-token is wrong"))
    into.note(Unreadable("projects_list", ("projects_list: expected an object, got null",)))
    into.note(events.StagesPushed((), ("stages[0]: expected a stage, got null",)))
    into.note(Unhandled("fancy", 12))
    into.note(Unhandled("n" * 10_000, 3))
    assert into.told[:4] == [
        ("error", None, "project_switch_error", None, "no: … is wrong"),
        ("error", None, "projects_list", None, "projects_list: expected an object, got null"),
        ("error", None, "stages", None, "stages[0]: expected a stage, got null"),
        ("fancy", None, "size", None, "12"),
    ]
    assert into.rows[4].event == "n" * 199 + "…"


def test_a_complaint_that_each_frame_repeats_is_told_once() -> None:
    into = Log()
    bad = replace(FRAME, problems=("root.layer: expected a whole number",))
    for frame in (bad, bad, replace(bad, problems=(*bad.problems, "root.goal: expected a string")), bad):
        into.note(frame)
    into.note(replace(bad, project_id="q", problems=("x.goal: expected a string",)))  # shown to others
    assert [row.after for row in into.rows] == [*bad.problems, "root.goal: expected a string"]
    into.note(FRAME)
    into.note(bad)
    assert len(into.rows) == 3


def test_a_flood_displaces_only_its_own_kind() -> None:
    into = Log()
    into.note(FRAME, TaskAdded("p", TASK))
    into.note(ServerRefused("error", "the one that matters"))
    for count in range(10_000):
        into.note(Unhandled(f"noise {count}", 1))
    kept = into.log.excerpt()
    assert [into.told[0][0], into.told[1][4]] == ["task_added", "the one that matters"]
    assert sum(row.field == "size" for row in kept.rows) == log.MOST_UNKNOWN
    assert kept.dropped == 10_000 - log.MOST_UNKNOWN
    for _ in range(5_000):
        into.note(ServerRefused("error", "again"))
    assert sum(row.event == "error" for row in into.rows) == log.MOST_ERRORS


def test_the_oldest_go_and_are_counted() -> None:
    into = Log()
    ended = replace(TASK, status=Status.DONE)
    changes = [TaskChanged("p", TASK, ended)] * 1000
    for _ in range(60):
        into.note(FRAME, *changes)
    kept = into.log.excerpt()
    assert len(kept.rows) == log.MOST_ROWS - log.MOST_ERRORS - log.MOST_UNKNOWN
    assert kept.dropped == kept.rows[0].seq > 15_000
    assert [row.seq for row in kept.rows] == list(range(kept.dropped, kept.dropped + len(kept.rows)))


def test_no_task_of_the_past_is_kept_alive() -> None:
    class Weak(Task):
        __slots__ = ("__weakref__",)

    into = Log()
    before, after = Weak("root", "a", Status.RUNNING), Weak("root", "b", Status.DONE)
    into.note(FRAME, TaskAdded("p", before), TaskChanged("p", before, after))
    gone = weakref.ref(before), weakref.ref(after)
    del before, after
    gc.collect()
    assert [ref() for ref in gone] == [None, None]
