"""A run as it is handed to who saves it, by a live session or by a saved run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.annotations import Annotation
from ..core.events import TaskRest
from ..core.hitl import HitlRequest
from ..core.log import Row
from ..core.model import Project, Task, Trace


@dataclass(frozen=True, slots=True)
class SourceStep:
    """What changed at one moment; at the first one, all tasks."""

    time_us: int
    heard_s: float
    project: Project
    versions: Mapping[str, Task | None]
    is_exact: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """One run with all that is known of it. Traces have their times as stamped.

    `results` are what the server had left out of tasks, each with the JSON that described the task then. `missing`
    says in sentences what is not here.
    """

    steps: Iterable[SourceStep]
    offset_s: float | None = None
    known_until_us: int | None = None
    traces: Mapping[str, Trace] = field(default_factory=dict)
    results: Iterable[tuple[str, TaskRest]] = ()
    rows: Iterable[Row] = ()
    rows_dropped: int = 0
    annotations: Iterable[Annotation] = ()
    questions: Iterable[HitlRequest] = ()
    has_forgotten: bool = False
    about: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
