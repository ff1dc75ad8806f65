"""A project and a task as the server holds them, and what of a frame follows from them alone."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import msgspec

ENDED = frozenset({"completed", "failed", "stopped"})
Structure = list[tuple[str, str | None, tuple[str, ...]]]
"""Of each task: its id, its parent's, those that it depends on."""
_TITLE_WORDS = 8
_DESCRIPTION = 200


@dataclass(slots=True, eq=False)
class NodeRecord:
    """One task. `fields` are the 23 of the wire, each value immutable; `needs` are the tasks that it depends on."""

    fields: dict[str, Any]
    needs: tuple[str, ...] = ()
    versions: dict[str, int] = field(default_factory=dict)
    version: int = 0
    text: bytes | None = None
    """The fields as JSON, until one changes."""

    @property
    def node_id(self) -> str:
        return str(self.fields["task_id"])


@dataclass(slots=True, eq=False)
class ProjectRecord:
    """One project. `nodes` is None while its tasks are on disk only."""

    project_id: str
    fields: dict[str, Any]
    config: msgspec.Raw | None = None
    nodes: dict[str, NodeRecord] | None = None
    node_count: int = 0
    version: int = 0
    head_version: int = 0
    """The version at which `fields` changed last."""
    structure_version: int = 0
    """The version at which a task was added, or all were removed."""
    generation: int = 0
    """Grows when all tasks are removed: no delta leads over that."""
    alive: bool = False
    """Whether an agent of this process works on it."""
    run: int = 0
    """Which run of the project this is: what holds on to an earlier one reports no more."""
    holders: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    """Who holds on to the tasks: as long as somebody does they stay in memory."""
    stop_requested: bool = False
    saved_at: str | None = None
    graphs_text: tuple[int, bytes] = (-1, b"")

    @property
    def goal(self) -> str:
        return str(self.fields["goal"])

    def entry(self) -> dict[str, Any]:
        """The project as in `projects_list`."""
        entry = {**self.plain_entry(), "has_saved_results": self.saved_at is not None}
        if self.saved_at is not None:
            entry["last_saved"] = self.saved_at
            entry["completion_status"] = self.completion_status()
        return entry

    def plain_entry(self) -> dict[str, Any]:
        """The project as in frames: without what is said of its saved results."""
        return {**self.fields, "node_count": self.node_count, "completion_percentage": 0.0}

    def completion_status(self) -> str:
        if not self.node_count:
            return "no_nodes"
        status = str(self.fields["status"])
        return status if status in ENDED or status == "running" else "in_progress"


def graphs_of(structure: Structure) -> dict[str, Any]:
    """`graphs` of a frame: one graph for the children of each task. Edges are dependencies among them."""
    graphs: dict[str, Any] = {}
    for node_id, parent_id, needs in structure:
        graph_id = "root_graph" if parent_id is None else f"subgraph_{parent_id}"
        graph = graphs.setdefault(graph_id, {"nodes": [], "edges": []})
        graph["nodes"].append(node_id)
        graph["edges"].extend({"source": needed, "target": node_id} for needed in needs)
    return graphs


def title_of(goal: str) -> str:
    """As ROMA titles a project: the first eight words, Title Cased."""
    words = goal.split()
    title = " ".join(words[:_TITLE_WORDS]).title()
    return title + "..." if len(words) > _TITLE_WORDS else title


def description_of(goal: str) -> str:
    return goal if len(goal) <= _DESCRIPTION else goal[:_DESCRIPTION] + "..."
