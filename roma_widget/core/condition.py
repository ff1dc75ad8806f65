"""A condition while it is asked: its parts, each a function of one question, and how long that may take.

What is missing is None: a comparison with it is false, a sum with it is missing. `expression` makes conditions of text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import RomaError
from .model import Snapshot, Task
from .outcome import Verdict, progress
from .reading import shorten

MOST_STEPS = 1_000_000
"""Of one question: about a second, and a dozen times what `any(… and … for t in tasks)` takes on 10,000 tasks."""
CHARACTERS_A_STEP = 1_000

NUMBER, TEXT, TRUTH, TASK = "number", "text", "truth value", "task"


@dataclass(frozen=True, slots=True)
class Condition:
    """A function of a Snapshot; raises RomaError when the run is too large for what is asked of it."""

    text: str
    _value: Callable[[Asked], Any] = field(repr=False)

    def __call__(self, snapshot: Snapshot) -> bool:
        return bool(self._value(Asked(snapshot, self.text)))


class Asked:
    """One question: what it is asked of, its variables, and how much longer it may take."""

    def __init__(self, snapshot: Snapshot, text: str) -> None:
        self.snapshot = snapshot
        self.variables: dict[str, Any] = {}
        self._text = text
        self._steps_left = MOST_STEPS

    @cached_property
    def numbers(self) -> Mapping[str, Any]:
        snapshot = self.snapshot
        return progress(snapshot.tasks, Verdict(snapshot.outcome, snapshot.reason))

    def step(self, n: int = 1) -> None:
        self._steps_left -= n
        if self._steps_left < 0:
            raise RomaError(
                f"{shorten(self._text, 200)!r} takes more than {MOST_STEPS:,} steps on this run of "
                f"{len(self.snapshot.tasks):,} tasks."
            )


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a condition: its kind, with `is_many` that of each of its elements, and how its value is found."""

    kind: str
    value: Callable[[Asked], Any]
    is_many: bool = False

    @property
    def words(self) -> str:
        return f"list of {self.kind}s" if self.is_many else self.kind


def all_or_any(parts: list[Part], is_and: bool) -> Part:
    """With `is_and` all of them, else any."""
    function = all if is_and else any
    return Part(TRUTH, lambda asked: function(part.value(asked) for part in parts))


def walked(asked: Asked, many: Part) -> Iterator[Any]:
    values: Iterable[Any] = many.value(asked)
    for value in values:
        asked.step()
        yield value


def said(asked: Asked, many: Part) -> Iterator[Any]:
    return (value for value in walked(asked, many) if value is not None)


def task_of(asked: Asked, task_id: str | None) -> Task | None:
    return asked.snapshot.tasks.get(task_id) if task_id is not None else None


def children_of(asked: Asked, task: Task | None) -> Iterator[Task]:
    found = (task_of(asked, child_id) for child_id in (task.child_ids if task is not None else ()))
    return (child for child in found if child is not None)


def field_of(task: Task | None, name: str) -> Any:
    return getattr(task, name) if task is not None else None


def length(text: str | None) -> int | None:
    return len(text) if text is not None else None


def lower(asked: Asked, text: str | None) -> str | None:
    if text is None:
        return None
    asked.step(1 + len(text) // CHARACTERS_A_STEP)
    return text.lower()


def computed(compute: Callable[[Any, Any], Any], one: Any, other: Any) -> Any:
    if one is None or other is None:
        return None
    try:
        return compute(one, other)
    except (ZeroDivisionError, OverflowError):
        return None


def compared(asked: Asked, compare: Callable[[Any, Any], bool], one: Any, other: Any) -> bool:
    asked.step()
    if one is None or other is None:
        return False
    if isinstance(other, str):
        asked.step(len(other) // CHARACTERS_A_STEP)
    return compare(one, other)
