"""What a question puts before a person: a plan, a text, or whatever JSON it is. Bounded, and nothing is guessed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
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
Facts = dict[str, str | int | float | bool]
_NOTHING: tuple[Any, ...] = (None, "", [], {})
_NAMES_OF_FACTS = {"reason_for_current_replan": "reason"}


@dataclass(frozen=True, slots=True)
class SubTask:
    """One sub-task of a plan; `depends_on` are places in the plan, from 0."""

    goal: str
    task_type: str | None = None
    node_type: str | None = None
    depends_on: tuple[int, ...] = ()
    more: int = 0
    """Fields that it has beside these."""

    def as_json(self) -> dict[str, Any]:
        return {
            "goal": self.goal,
            "task_type": self.task_type,
            "node_type": self.node_type,
            "depends_on": list(self.depends_on),
            "more": self.more,
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
    about: Facts = field(default_factory=dict)
    wish: str | None = None
    """What a person wanted changed in the plan before, as the server repeats it."""
    more: int = 0
    """Fields of the data that neither the plan nor `about` shows; `json` has them all, and `rest` them alone."""
    rest: str | None = None
    """Indented JSON, as `json`."""
    is_cut: bool = False


def review(data_json: str) -> Review:
    """Reads a question's data, of whatever shape. Example: `review(request.data_json).plan`"""
    data = decoded(data_json)
    if data is None and data_json.strip() in ("", "null"):
        return Review("none")
    if isinstance(data, str):
        return Review("text", text=_cut(data), is_cut=len(data) > LONGEST_TEXT)
    if data is not None:
        try:
            return _review(data)
        except RecursionError:  # what can be read may be too deep to be indented
            pass
    return Review("data", json=_cut(clean(data_json)), is_cut=len(data_json) > LONGEST_TEXT)


def _review(data: Any) -> Review:
    text, is_cut = _indented(data)
    if not isinstance(data, dict):
        return Review("data", json=text, is_cut=is_cut)
    wish = data.get(_WISH)
    wish = _cut(wish) if isinstance(wish, str) and wish else None
    others = {name: value for name, value in data.items() if name != _WISH or wish is None}
    read = _found_plan(others)
    if read is None:
        return Review("data", json=text, about=_facts(others)[0], wish=wish, is_cut=is_cut)
    key, plan, is_plan_cut = read
    about, rest = _facts({name: value for name, value in others.items() if name != key})
    more = sum(len(value) if isinstance(value, dict) else 1 for value in rest.values())
    of_plan = _rest_of_plan(data[key], plan)
    if of_plan:
        rest[key] = of_plan
        more += len(of_plan.keys() - {"sub_tasks"}) + sum(each.more for each in plan)
    rest_text = _indented(rest)[0] if rest else None
    return Review("plan", plan, None, text, about, wish, more, rest_text, is_plan_cut)


def _found_plan(data: dict[str, Any]) -> tuple[str, tuple[SubTask, ...], bool] | None:
    """The first of ROMA's names that has a plan, its sub-tasks, and whether that is not all."""
    for key in PLAN_KEYS:
        read = _plan(data.get(key))
        if read is not None:
            return key, *read
    return None


def _indented(data: Any) -> tuple[str, bool]:
    """As indented JSON, and whether that is only its beginning. No more is made than is kept: what is deep and wide
    grows a hundredfold by indenting.
    """
    parts: list[str] = []
    length = 0
    for part in json.JSONEncoder(ensure_ascii=False, indent=2).iterencode(data):
        parts.append(part)
        length += len(part)
        if length > LONGEST_TEXT:
            break
    return _cut("".join(parts)), length > LONGEST_TEXT


def for_the_browser(request: HitlRequest, previous: HitlRequest | None) -> dict[str, Any]:
    """The answer to `ask question` (docs/messages.md). `previous` is the attempt before, where it is known."""
    now = review(request.data_json)
    before = review(previous.data_json) if previous is not None else None
    instructions = previous.answer.instructions if previous is not None and previous.answer else None
    return {
        "request_id": request.request_id,
        "message": None if request.message is None else _cut(request.message),
        "kind": now.kind,
        "plan": _as_json(now.plan),
        "text": now.text,
        "json": now.json,
        "about": now.about,
        "more": now.more,
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
    read = SubTask(
        shorten(value["goal"], LONGEST_GOAL),
        shorten(task_type, 100) if isinstance(task_type, str) else None,
        shorten(node_type, 100) if isinstance(node_type, str) else None,
        tuple(dict.fromkeys(places)),
    )
    return replace(read, more=len(_rest_of_sub_task(value, read)))


def _rest_of_sub_task(value: dict[str, Any], read: SubTask) -> dict[str, Any]:
    shown = {"task_type": read.task_type, "node_type": read.node_type}
    return {
        name: field
        for name, field in value.items()
        if name not in ("goal", "depends_on_indices") and field not in (*_NOTHING, shown.get(name))
    }


def _rest_of_plan(value: Any, plan: tuple[SubTask, ...]) -> dict[str, Any]:
    """What a plan's object has beside what its sub-tasks show; those of the sub-tasks by their number, from 1."""
    is_list = isinstance(value, list)
    sub_tasks = value if is_list else value["sub_tasks"]
    rests = {
        str(number): _rest_of_sub_task(each, read)
        for number, (each, read) in enumerate(zip(sub_tasks, plan, strict=False), start=1)
        if read.more
    }
    rest = {} if is_list else {k: v for k, v in value.items() if k != "sub_tasks" and v not in _NOTHING}
    return {**rest, "sub_tasks": rests} if rests else rest


def _facts(data: dict[str, Any]) -> tuple[Facts, dict[str, Any]]:
    """The short values of an object and of the objects right in it, which ROMA keeps a planner's input in; and what
    they leave out.
    """
    found: Facts = {}
    rest: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            unseen = {key: fact for key, fact in value.items() if not _note(found, key, fact)}
            if unseen:
                rest[name] = unseen
        elif not _note(found, name, value):
            rest[name] = value
    return found, rest


def _note(found: Facts, name: str, fact: Any) -> bool:
    """Puts a short value among the facts; False where that does not show all of it."""
    if fact in _NOTHING:
        return True
    if not isinstance(fact, str | int | float):
        return False
    is_beyond = isinstance(fact, int) and abs(fact) >= 2**53  # what a browser can count to
    if isinstance(fact, str) or is_beyond or not math.isfinite(fact):
        fact = str(fact)
    said = shorten(fact, LONGEST_FACT) if isinstance(fact, str) else fact
    key = _NAMES_OF_FACTS.get(name, shorten(name, 100))
    if key not in found and len(found) < MOST_FACTS:
        found[key] = said
        return said == fact and len(name) <= 100
    return key in found and repr(found[key]) == repr(fact)


def _cut(text: str) -> str:
    return shorten(text, LONGEST_TEXT)
