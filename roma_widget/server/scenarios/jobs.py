"""The tasks of a scenario before they run: a tree of jobs, each a goal and how it will go."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

Mishap = Literal["none", "retry", "replan", "fail"]
"""none; the first execution fails and the second works; it fails and is cut into sub-tasks; it fails for good."""

LONGEST_GOAL = 160
"""Characters of a person's instructions that go into a goal; the prompts have them whole."""

_COMMAND = re.compile(
    r"(?:Write|Draft|Make|Judge|Gather|Find out|Compare|Weigh|Rate|Check|Catalogue|Reconcile)\b"
    r"(?:[^:]*? (?:on|about|of) |[^:]*: )"
)


@dataclass(frozen=True)
class Job:
    """One task to be. `after` are places among its siblings (from 0). With `parts` it is planned, without executed."""

    goal: str
    task_type: Literal["SEARCH", "WRITE", "THINK"]
    after: tuple[int, ...] = ()
    parts: tuple[Job, ...] = ()
    chars: int = 3_000
    """About how long its result is."""
    mishap: Mishap = "none"
    is_reviewed: bool = False
    """A human is asked about its plan."""
    sees_whole: bool = False
    """Its prompt has the results it builds upon whole; otherwise their beginnings."""
    seconds: tuple[float, float] = (2.4, 3.7)
    """How long its execution takes, at least and at most."""


def plan_of(parts: tuple[Job, ...]) -> dict[str, Any]:
    """A plan as ROMA's planners write it."""
    return {
        "sub_tasks": [
            {
                "goal": part.goal,
                "task_type": part.task_type,
                "node_type": "PLAN" if part.parts else "EXECUTE",
                "depends_on_indices": list(part.after),
            }
            for part in parts
        ]
    }


def revised(parts: tuple[Job, ...], instructions: str) -> tuple[Job, ...]:
    """The plan after a person asked for a change: one more sub-task before the writing, and the last one heeds it."""
    wish = short(instructions)
    kind: Literal["SEARCH", "WRITE"] = "SEARCH" if any(p.task_type != "WRITE" for p in parts) else "WRITE"
    added = Job(f"Meet the reviewer's request: {wish}", kind, chars=2_400)
    first_text = next((place for place, part in enumerate(parts) if part.task_type == "WRITE"), 0)
    place = first_text or max(0, len(parts) - 1)
    before, following = parts[:place], tuple(_moved(part, place) for part in parts[place:])
    if following:
        last = following[-1]
        following = (*following[:-1], replace(last, goal=f"{last.goal} (as reviewed: {wish})"))
    return (*before, added, *following)


def _moved(part: Job, place: int) -> Job:
    """The same job behind a new one at `place`, upon which it builds."""
    after = tuple(number + (number >= place) for number in part.after)
    return replace(part, after=tuple(sorted({*after, place})))


def title_of(goal: str) -> str:
    """What a text is called that meets this goal: its subject, without what is to be done about it.

    >>> title_of("Write the section on borehole fields")
    'borehole fields'
    """
    command = _COMMAND.match(goal)
    return goal[command.end() :] if command else goal


def short(text: str) -> str:
    """One line, not too long for a goal."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_GOAL else line[: LONGEST_GOAL - 1].rstrip() + "…"
