"""The shape of JSON messages: which keys are always there, which sometimes, and of which type each value is.

Two sets of messages have the same shape when neither has keys or types that the other has not. Null goes with all.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAPS = frozenset({"all_nodes", "graphs", "running_executions"})
"""Objects whose keys are ids."""
FREE = frozenset(
    """full_result output_data tool_args result input_context processing_parameters additional_data data_for_review
    environment_vars config""".split()
)
"""Values that are the agents' own, of any type."""


class Shapes:
    """What was seen at each path; `a.b[]` is an item of a list, `graphs.*` a value of a map."""

    def __init__(self) -> None:
        self.types: dict[str, set[str]] = {}
        self.always: dict[str, set[str]] = {}
        self.ever: dict[str, set[str]] = {}

    def add(self, value: Any, path: str = "") -> None:
        name = path.rpartition(".")[2].removesuffix("[]")
        if name in FREE:
            return
        self.types.setdefault(path, set()).add(_type(value))
        if isinstance(value, list):
            for item in value:
                self.add(item, f"{path}[]")
        elif isinstance(value, dict) and name in MAPS:
            for item in value.values():
                self.add(item, f"{path}.*")
        elif isinstance(value, dict):
            self.always[path] = self.always.get(path, set(value)) & set(value)
            self.ever.setdefault(path, set()).update(value)
            for key, item in value.items():
                self.add(item, f"{path}.{key}" if path else key)


def differences(theirs: Shapes, ours: Shapes) -> Iterator[str]:
    """`- path`: a key that theirs always has and ours has not; `+ path`: one that only ours has; `! path`: a type."""
    for path in sorted(theirs.always.keys() & ours.always.keys()):
        prefix = f"{path}." if path else ""
        yield from (f"- {prefix}{key}" for key in sorted(theirs.always[path] - ours.always[path]))
        yield from (f"+ {prefix}{key}" for key in sorted(ours.ever[path] - theirs.ever[path]))
    for path in sorted(theirs.types.keys() & ours.types.keys()):
        known = theirs.types[path] - {"null"}
        if known and not ours.types[path] - {"null"} <= known:
            yield f"! {path}: {sorted(ours.types[path])} instead of {sorted(theirs.types[path])}"


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text"
        case list():
            return "list"
        case dict():
            return "object"
    raise AssertionError(f"not JSON: {value!r}")
