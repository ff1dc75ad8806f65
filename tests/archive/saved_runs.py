"""Saved runs that are no files: what `Runs` needs of an opened one, by the path that it would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from analysis.snapshots import report, stage, trace, tree, usage

from roma_widget.analysis import frames
from roma_widget.analysis.run_data import RunData
from roma_widget.core.log import Excerpt, Row
from roma_widget.core.model import Project, Snapshot, Trace
from roma_widget.core.outcome import judge, progress
from roma_widget.errors import ArchiveError


class Given(RunData):
    def __init__(self, snapshot: Snapshot, traces: Mapping[str, Trace] | None = None) -> None:
        self.snapshot = snapshot
        self.traces = traces or {}
        self.is_closed = False

    def _fetched(self, snapshot: Snapshot) -> tuple[Mapping[str, Trace], float | None]:
        return self.traces, None

    @property
    def progress(self) -> dict[str, Any]:
        return progress(self.snapshot.tasks, judge(self.snapshot.tasks, self.snapshot.project, 60.0))

    def events(self) -> Any:
        return frames.events(Excerpt((Row(4, 1_800_000_000.0, None, "connection", after="live"),), 4))

    def close(self) -> None:
        self.is_closed = True


def with_traces() -> Given:
    """15 tasks; two have traces, with a retry, a call of a tool and what was counted."""
    call = {"tool_name": "search", "tool_args": {"q": "roof"}, "execution_duration_ms": 20}
    asked = {"llm_input_messages": [{"role": "user", "content": "How much?"}], "tool_calls": [call]}
    return Given(
        report(),
        {
            "root.1.1": trace("root.1.1", stage(**usage(10, 5, 0.25)), stage(**asked)),
            "root.2": trace("root.2", stage("planning", **usage(1, None))),
        },
    )


N_KINDS = 10


def generated(n: int, n_tasks: int = 100) -> Given:
    """A finished run with traces of all tasks; those of run 10 are those of run 0, because making them takes long."""
    snapshot = replace(_tree(n_tasks), project=Project(f"p{n}", title=f"Run {n}", goal=f"Goal {n}"))
    return Given(snapshot, _traces(n % N_KINDS, n_tasks))


@cache
def _tree(n_tasks: int) -> Snapshot:
    return tree(n_tasks)


@cache
def _traces(kind: int, n_tasks: int) -> Mapping[str, Trace]:
    """Three stages a task, of `1 + kind / 10` seconds."""

    def three_stages(task_id: str) -> list[dict[str, Any]]:
        return [
            stage(
                agent_name=f"Agent{place}",
                duration_ms=1000 + 100 * kind,
                llm_response=f"{kind} {task_id} {place} {'It is so. ' * 240}",
            )
            for place in range(3)
        ]

    return {task_id: trace(task_id, *three_stages(task_id)) for task_id in _tree(n_tasks).tasks}


class Shelf:
    """Opens what stands under a path; everything else is no saved run."""

    def __init__(self, runs: Mapping[str, Callable[[], Given]]) -> None:
        self.runs = {Path(path): run for path, run in runs.items()}
        self.opened: list[Given] = []

    @property
    def n_open(self) -> int:
        return sum(not run.is_closed for run in self.opened)

    def __call__(self, path: Path) -> Given:
        if path not in self.runs:
            raise ArchiveError(f"{path.name} is no saved run.")
        self.opened.append(self.runs[path]())
        return self.opened[-1]
