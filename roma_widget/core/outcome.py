"""How a run stands, derived from its tasks: ROMA's own word is not enough (it calls a run with failed tasks
"completed", keeps a frozen one "running" for ever, and stalls without a word behind a failed task)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from .model import FINAL, WAITING, WORKING, Outcome, Project, Status, Task
from .reading import shorten

BLOCKED_AFTER_S = 10.0
FROZEN_AFTER_S = 300.0
ROOT_GRACE_S = 3.0
MOST_STATUSES = 30
LONGEST_WORD = 80

ENDED_STATUSES = frozenset({"completed", "failed", "cancelled", "stopped"})
"""A project's status, in the server's words, when its run is over."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome with the reason for it, where there is something to say, and when the run began and ended."""

    outcome: Outcome
    reason: str | None = None
    started: datetime | None = None
    ended: datetime | None = None


def judge(tasks: Mapping[str, Task], project: Project | None, quiet_s: float) -> Verdict:
    """The verdict on a run of which nothing has changed for `quiet_s` seconds."""
    if not tasks:
        if project is not None and project.status == "failed":
            return Verdict("failed", "the server says that the project failed before it had a task")
        return Verdict("running" if project is not None and project.status == "running" else "unknown")
    roots = [task for task in tasks.values() if task.parent_id is None]
    started = min((task.created for task in roots if task.created), default=None)
    said_ended = project is not None and project.status in ENDED_STATUSES
    roots_final = all(task.status in FINAL for task in roots)
    silent_server = project is None or project.status is None
    # the project's end and its tasks' may be told in two messages, in either order
    is_settled = quiet_s >= ROOT_GRACE_S
    if (said_ended and (roots_final or is_settled)) or (roots_final and (silent_server or is_settled)):
        outcome, reason = _ended(tasks, roots, project)
        return Verdict(outcome, reason, started, _end(tasks, roots))
    reason = _blocked(tasks) if quiet_s >= BLOCKED_AFTER_S else None
    if reason is None and quiet_s >= FROZEN_AFTER_S:
        reason = _frozen(tasks, quiet_s)
    return Verdict("stalled" if reason else "running", reason, started)


def progress(tasks: Mapping[str, Task], verdict: Verdict) -> dict[str, object]:
    """The `progress` trait. `fraction` is the share of tasks that ended, None without tasks: tasks still come."""
    by_status = Counter(str(task.status) for task in tasks.values())
    total = len(tasks)
    ended = sum(by_status[status] for status in FINAL)
    return {
        "total": total,
        "done": by_status[Status.DONE],
        "failed": by_status[Status.FAILED],
        "running": sum(by_status[status] for status in WORKING),
        "waiting": sum(by_status[status] for status in WAITING),
        "fraction": ended / total if total else None,
        "started": iso(verdict.started),
        "ended": iso(verdict.ended),
        "by_status": _bounded(by_status),
        "outcome": verdict.outcome,
        "reason": verdict.reason,
    }


def _bounded(by_status: Counter[str]) -> dict[str, int]:
    """The counts, however many words a server invents and however long they are."""
    most = by_status.most_common(MOST_STATUSES)
    counts: dict[str, int] = {}
    for status, count in most:
        word = shorten(status, LONGEST_WORD)
        counts[word] = counts.get(word, 0) + count
    rest = sum(by_status.values()) - sum(counts.values())
    return {**counts, "…": rest} if rest else counts


def iso(time: datetime | None) -> str | None:
    return time.isoformat() if time is not None else None


def _ended(
    tasks: Mapping[str, Task], roots: list[Task], project: Project | None
) -> tuple[Outcome, str | None]:
    failed = [task.task_id for task in tasks.values() if task.status is Status.FAILED]
    if any(task.status is Status.FAILED for task in roots):
        return "failed", f"the root task {shorten(roots[0].task_id, 60)} failed"
    if project is not None and project.status == "failed":
        return "failed", "the server says that the project failed"
    if all(task.status is Status.CANCELLED for task in roots):
        return "failed", "the run was cancelled"
    if failed:
        return (
            "with_failures",
            f"{len(failed)} failed: {', '.join(shorten(task_id, 60) for task_id in failed[:5])}",
        )
    if not all(task.status in FINAL for task in roots):
        return "unknown", "the server says that the run ended, but its root task did not"
    return "succeeded", None


def _end(tasks: Mapping[str, Task], roots: list[Task]) -> datetime | None:
    of_roots = [task.completed for task in roots if task.completed is not None]
    return max(
        of_roots or [task.completed for task in tasks.values() if task.completed is not None], default=None
    )


def _blocked(tasks: Mapping[str, Task]) -> str | None:
    """Which task waits for which failed one, when nothing else can move."""
    if any(
        task.status in WORKING or task.status in (Status.READY, Status.NEEDS_REPLAN)
        for task in tasks.values()
    ):
        return None
    for task in tasks.values():
        if task.status is not Status.PENDING:
            continue
        for needed_id in task.depends_on:
            if tasks[needed_id].status is Status.FAILED:
                return f"{shorten(task.task_id, 60)} waits for {shorten(needed_id, 60)}, which failed."
    return None


def _frozen(tasks: Mapping[str, Task], quiet_s: float) -> str:
    working = [task.task_id for task in tasks.values() if task.status in WORKING]
    still = f"Nothing has changed for {int(quiet_s // 60)} minutes"
    if not working:
        return f"{still} and no task runs."
    return f"{still}; {shorten(working[0], 60)} still says {tasks[working[0]].status}."
