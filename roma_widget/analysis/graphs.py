"""Snapshot -> networkx graph: who planned whom, who needed whom, who was given whose result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args, overload

from ..core.model import Snapshot, Task

if TYPE_CHECKING:
    import networkx as nx

EdgeKind = Literal["child", "depends_on", "context"]
EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)


@overload
def graph(snapshot: Snapshot, kind: None = None) -> nx.MultiDiGraph[str]: ...
@overload
def graph(snapshot: Snapshot, kind: str | None) -> nx.DiGraph[str]: ...
def graph(snapshot: Snapshot, kind: str | None = None) -> nx.DiGraph[str]:
    """The tasks and what links them, a node per task id, in plan order.

    Without `kind` a `MultiDiGraph` with all links, the edge key being the kind; with one kind a `DiGraph` of
    that kind alone. Each kind points the way things flow:

    - "child": from the parent to the sub-task it planned;
    - "depends_on": from the task that is needed to the task that waits for it;
    - "context": from the task whose result was handed on to the task that was given it.

    Node attributes are the task's own fields, None where unknown: goal, status (str), task_type, node_type,
    agent, model, layer, depth, plan_index, created, started, updated, completed (aware datetimes), duration_s
    (seconds), error, result_summary. Links to tasks that do not exist are left out. Raises ValueError for an
    unknown kind.

    Example: `list(networkx.topological_sort(graph(m.snapshot, "depends_on")))`
    """
    import networkx as nx

    if kind is not None and kind not in EDGE_KINDS:
        raise ValueError(
            f'kind is one of "child", "depends_on", "context" or None for all three, not {kind!r}'
        )
    made: nx.DiGraph[str] = nx.MultiDiGraph() if kind is None else nx.DiGraph()
    for task_id, task in snapshot.tasks.items():
        made.add_node(task_id, **_attributes(task))
    for each in EDGE_KINDS:
        if kind in (None, each):
            for source, target in _links(snapshot, each):
                if source not in snapshot.tasks or target not in snapshot.tasks:
                    continue
                if isinstance(made, nx.MultiDiGraph):
                    made.add_edge(source, target, key=each)
                else:
                    made.add_edge(source, target)
    return made


def _links(snapshot: Snapshot, kind: EdgeKind) -> Iterator[tuple[str, str]]:
    for task_id, task in snapshot.tasks.items():
        match kind:
            case "child":
                yield from ((task_id, child_id) for child_id in task.child_ids)
            case "depends_on":
                yield from ((needed_id, task_id) for needed_id in task.depends_on)
            case "context":
                yield from ((source_id, task_id) for source_id in task.context_ids)


def _attributes(task: Task) -> dict[str, Any]:
    return {
        "goal": task.goal,
        "status": str(task.status),
        "task_type": task.task_type,
        "node_type": task.node_type,
        "agent": task.agent,
        "model": task.model,
        "layer": task.layer,
        "depth": task.depth,
        "plan_index": task.plan_index,
        "created": task.created,
        "started": task.started,
        "updated": task.updated,
        "completed": task.completed,
        "duration_s": task.duration_s,
        "error": task.error,
        "result_summary": task.result_summary,
    }
