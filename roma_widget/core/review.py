"""What a question puts before a person: a plan, a text, or whatever JSON it is. Bounded, and nothing is guessed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal

from .hitl import HitlRequest
from .reading import clean, shorten
from .split import decoded

Kind = Literal["plan", "text", "data", "none"]
PLAN_KEYS = ("proposed_plan", "proposed_modified_plan")
"""ROMA's two names for a plan under review."""
LONGEST_TEXT = 200_000
LONGEST_GOAL = 10_000
MOST_SUB_TASKS = 500
MOST_FACTS = 30
LONGEST_FACT = 2_000
_WISH = "original_user_modification_request_for_this_cycle"
_NAMES_OF_FACTS = {"reason_for_current_replan": "reason"}


@dataclass(frozen=True, slots=True)
class SubTask:
    """One sub-task of a plan; `depends_on` are places in the plan, from 0."""

    goal: str
    task_type: str | None = None
    node_type: str | None = None
    depends_on: tuple[int, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "goal": self.goal,
            "task_type": self.task_type,
            "node_type": self.node_type,
            "depends_on": list(self.depends_on),
        }


@dataclass(frozen=True, slots=True)
class Review:
    """What is to be reviewed. `plan`, `text` and `json` (indented) are what `kind` says, `json` of a plan, too;
    `about` are the short facts beside it. `is_cut`: not all of it is here.
    """

    kind: Kind
    plan: tuple[SubTask, ...] | None = None
    text: str | None = None
    json: str | None = None
    about: dict[str, str | int | float | bool] = field(default_factory=dict)
    wish: str | None = None
    """What a person wanted changed in the plan before, as the server repeats it."""
    is_cut: bool = False


def review(data_json: str) -> Review:
    """Reads a question's data, of whatever shape. Example: `review(request.data_json).plan`"""
    data = decoded(data_json)
    if data is None:
        if data_json.strip() in ("", "null"):
            return Review("none")
        return Review("data", json=_cut(clean(data_json)), is_cut=len(data_json) > LONGEST_TEXT)
    if isinstance(data, str):
        return Review("text", text=_cut(data), is_cut=len(data) > LONGEST_TEXT)
    text = json.dumps(data, ensure_ascii=False, indent=2)
    is_cut = len(text) > LONGEST_TEXT
    if not isinstance(data, dict):
        return Review("data", json=_cut(text), is_cut=is_cut)
    wish = data.get(_WISH)
    wish = _cut(wish) if isinstance(wish, str) and wish else None
    key = next((key for key in PLAN_KEYS if key in data), None)
    read = _plan(data[key]) if key is not None else None
    if read is None:
        return Review("data", json=_cut(text), about=_facts(data), wish=wish, is_cut=is_cut)
    plan, is_plan_cut = read
    about = _facts({name: value for name, value in data.items() if name != key})
    return Review("plan", plan=plan, json=_cut(text), about=about, wish=wish, is_cut=is_plan_cut)


def for_the_browser(request: HitlRequest, previous: HitlRequest | None) -> dict[str, Any]:
    """The answer to `ask question` (docs/messages.md). `previous` is the attempt before, where it is known."""
    now = review(request.data_json)
    before = review(previous.data_json) if previous is not None else None
    instructions = previous.answer.instructions if previous is not None and previous.answer else None
    return {
        "request_id": request.request_id,
        "kind": now.kind,
        "plan": _as_json(now.plan),
        "text": now.text,
        "json": now.json,
        "about": now.about,
        "previous_plan": _as_json(before.plan) if before is not None else None,
        "previous_instructions": instructions or now.wish,
        "cut": now.is_cut,
    }


def _as_json(plan: tuple[SubTask, ...] | None) -> list[dict[str, Any]] | None:
    return None if plan is None else [each.as_json() for each in plan]


def _plan(value: Any) -> tuple[tuple[SubTask, ...], bool] | None:
    """The sub-tasks, and whether that is not all; None where it is not wholly a plan, so that nothing is hidden."""
    sub_tasks = value.get("sub_tasks") if isinstance(value, dict) else value
    if not isinstance(sub_tasks, list):
        return None
    read = [_sub_task(each, len(sub_tasks)) for each in sub_tasks[:MOST_SUB_TASKS]]
    if None in read:
        return None
    is_cut = len(sub_tasks) > MOST_SUB_TASKS or any(len(each["goal"]) > LONGEST_GOAL for each in sub_tasks)
    return tuple(each for each in read if each is not None), is_cut


def _sub_task(value: Any, n_sub_tasks: int) -> SubTask | None:
    if not isinstance(value, dict) or not isinstance(value.get("goal"), str):
        return None
    task_type, node_type = value.get("task_type"), value.get("node_type")
    needs = value.get("depends_on_indices", [])
    if not isinstance(needs, list | None):
        return None
    places = [each for each in needs or [] if type(each) is int and 0 <= each < n_sub_tasks]
    if len(places) != len(needs or []):
        return None
    return SubTask(
        shorten(value["goal"], LONGEST_GOAL),
        shorten(task_type, 100) if isinstance(task_type, str) else None,
        shorten(node_type, 100) if isinstance(node_type, str) else None,
        tuple(dict.fromkeys(places)),
    )


def _facts(data: dict[str, Any]) -> dict[str, str | int | float | bool]:
    """The short values of an object and of the objects right in it, which ROMA keeps a planner's input in."""
    found: dict[str, str | int | float | bool] = {}
    for name, value in data.items():
        inner = value if isinstance(value, dict) else {name: value}
        for key, fact in inner.items():
            if len(found) >= MOST_FACTS:
                return found
            if key == _WISH or fact is None or fact == "" or not isinstance(fact, str | int | float):
                continue
            is_beyond = isinstance(fact, int) and abs(fact) >= 2**53  # what a browser can count to
            said = shorten(str(fact), LONGEST_FACT) if isinstance(fact, str) or is_beyond else fact
            found.setdefault(_NAMES_OF_FACTS.get(key, shorten(key, 100)), said)
    return found


def _cut(text: str) -> str:
    return shorten(text, LONGEST_TEXT)
