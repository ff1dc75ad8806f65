"""The small traits: what a run is; and of all projects the newest, with always those that matter."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from .model import Project, Task
from .outcome import Verdict, iso, progress
from .reading import cut
from .state import Change, CurrentChanged, ProjectChanged, ProjectRemoved, ProjectState, State

MOST_LISTED = 500
LONGEST_TEXT = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZERO = timedelta()

Entries = list[dict[str, Any]]
NO_QUESTIONS: Mapping[str, int] = MappingProxyType({})


def touches_the_list(changes: Iterable[Change]) -> bool:
    """May `project_list` give something else after these? Looking through all projects is not for every frame."""
    return any(isinstance(change, ProjectChanged | ProjectRemoved | CurrentChanged) for change in changes)


def project_list(
    state: State, shown_id: str | None, last: Entries, questions: Mapping[str, int] = NO_QUESTIONS
) -> Entries:
    """The newest projects first, among them the shown one, the current one and those in which `questions` wait for a
    person (id to how many); `last` where nothing differs from it.

    `updated` moves with every frame, and alone is no difference.
    """
    matter = dict.fromkeys(each for each in (shown_id, state.current_id, *questions) if each is not None)
    that_matter = [state.projects[each] for each in matter if each in state.projects][:MOST_LISTED]
    newest = heapq.nlargest(MOST_LISTED, state.projects.values(), key=_created)
    others = [entry for entry in newest if entry.project.project_id not in matter]
    chosen = [*that_matter, *others[: MOST_LISTED - len(that_matter)]]
    chosen.sort(key=_created, reverse=True)
    entries = [
        entry_of(project, project.project_id == state.current_id, questions.get(project.project_id, 0))
        for project in (each.project for each in chosen)
    ]
    return last if _but_for_updated(entries) == _but_for_updated(last) else entries


def facts_of(
    projects: Entries, project: Project | None, tasks: Mapping[str, Task], verdict: Verdict
) -> dict[str, Any]:
    """The small traits: everything about a run that is not a task."""
    shown = {}
    if project is not None:
        shown = {
            "id": project.project_id,
            "title": cut(project.title, LONGEST_TEXT),
            "goal": cut(project.goal, LONGEST_TEXT),
            "status": cut(project.status, LONGEST_TEXT),
        }
    return {"projects": projects, "project": shown, "progress": progress(tasks, verdict)}


def _created(entry: ProjectState) -> tuple[timedelta, str]:
    created = entry.project.created
    return (created - _EPOCH if created else _ZERO, entry.project.project_id)


def _but_for_updated(entries: Entries) -> Entries:
    return [{**entry, "updated": None} for entry in entries]


def entry_of(project: Project, is_current: bool, questions: int = 0) -> dict[str, Any]:
    return {
        "id": project.project_id,
        "title": cut(project.title, LONGEST_TEXT),
        "status": cut(project.status, LONGEST_TEXT),
        "created": iso(project.created),
        "updated": iso(project.updated),
        "is_current": is_current,
        "questions": questions,
    }
