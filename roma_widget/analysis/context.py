"""What a task was given of other tasks: read from the server's own dict, which says more than the ids of a link."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from ..core.model import Task
from ..core.reading import clean
from ..core.split import decoded, member
from .json_text import NOTHING


@dataclass(frozen=True, slots=True)
class Given:
    """One result of `source` that was given to `target`; `content_type` and `summary` are the server's words."""

    source: str
    target: str
    content_type: str | None = None
    summary: str | None = None


def given(task: Task) -> Iterator[Given]:
    """What `task` was given, in the order in which it was. Asks no server."""
    if not task.context_ids:
        return
    named: set[str] = set()
    for said in _sources(task):
        fields: dict[str, Any] = said if isinstance(said, dict) else {}
        source = _text(fields.get("source_task_id"))
        if source not in task.context_ids:
            continue
        named.add(source)
        kind, summary = (_text(fields.get(name)) for name in ("content_type", "source_task_goal_summary"))
        yield Given(source, task.task_id, kind, summary)
    for source in task.context_ids:
        if source not in named:
            yield Given(source, task.task_id)


class _Sources(msgspec.Struct):
    input_context_sources: msgspec.Raw = NOTHING


_decoder = msgspec.json.Decoder(_Sources)


def _sources(task: Task) -> list[Any]:
    try:
        found = decoded(bytes(_decoder.decode(task.raw_json).input_context_sources).decode())
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # JSON that only Python reads
        found = member(task.raw_json, "input_context_sources")
    return found if isinstance(found, list) else []


def _text(value: Any) -> str | None:
    return clean(value) if isinstance(value, str) else None
