"""Snapshot -> networkx graph: who planned whom, who needed whom, who was given whose result.

Into a file and back: `portable` makes a graph of what files can hold.

    networkx.write_graphml(portable(graph), "run.graphml")
    json.dumps(networkx.node_link_data(portable(graph)))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, assert_never, get_args, overload

from ..core.model import Snapshot, Task, Trace
from .run import NO_TRACES, NOT_FETCHED, Run, Totals

if TYPE_CHECKING:
    import networkx as nx

EdgeKind = Literal["child", "depends_on", "context"]
GraphT = TypeVar("GraphT", bound="nx.DiGraph[str]")
EDGE_KINDS: tuple[EdgeKind, ...] = get_args(EdgeKind)
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Link(NamedTuple):
    """One edge of the graph."""

    source: str
    target: str
    kind: EdgeKind


@overload
def graph(
    snapshot: Snapshot, kind: None = None, traces: Mapping[str, Trace] = NO_TRACES
) -> nx.MultiDiGraph[str]: ...
@overload
def graph(
    snapshot: Snapshot, kind: str | None, traces: Mapping[str, Trace] = NO_TRACES
) -> nx.DiGraph[str]: ...
def graph(
    snapshot: Snapshot, kind: str | None = None, traces: Mapping[str, Trace] = NO_TRACES
) -> nx.DiGraph[str]:
    """The tasks and what links them, a node per task id, in plan order.

    Without `kind` a `MultiDiGraph` with all links, the edge key being the kind; with one kind a `DiGraph` of
    that kind alone. Each kind points the way things flow:

    - "child": from the parent to the sub-task it planned;
    - "depends_on": from the task that is needed to the task that waits for it;
    - "context": from the task whose result was handed on to the task that was given it.

    Node attributes are the columns of `m.tasks()` and `started`; None where unknown: text (goal, status, …), int
    (layer, n_stages, …), float (duration_s in seconds, cost_usd), aware datetimes (created, started, updated,
    completed). What comes from traces is None where there is none. Links to tasks that do not exist are left out.
    Raises ValueError for an unknown kind.

    Example: `list(networkx.topological_sort(graph(m.snapshot, "depends_on")))`
    """
    import networkx as nx

    if kind is not None and kind not in EDGE_KINDS:
        raise ValueError(
            f'kind is one of "child", "depends_on", "context" or None for all three, not {kind!r}'
        )
    made: nx.DiGraph[str] = nx.MultiDiGraph() if kind is None else nx.DiGraph()
    totals = Run(snapshot, traces).totals_of()
    for task_id, task in snapshot.tasks.items():
        made.add_node(task_id, **_attributes(task, totals.get(task_id, NOT_FETCHED)))
    for link in links(snapshot, EDGE_KINDS if kind is None else (kind,)):
        if isinstance(made, nx.MultiDiGraph):
            made.add_edge(link.source, link.target, key=link.kind)
        else:
            made.add_edge(link.source, link.target)
    return made


def links(snapshot: Snapshot, kinds: Iterable[str] = EDGE_KINDS) -> Iterator[Link]:
    """The edges of these kinds between tasks that exist, each once: kind by kind, in plan order."""
    for kind in EDGE_KINDS:
        if kind not in kinds:
            continue
        said = (link for task in snapshot.tasks.values() for link in _links_of(task, kind))
        yield from dict.fromkeys(
            link for link in said if link.source in snapshot.tasks and link.target in snapshot.tasks
        )


def breaking_edges(snapshot: Snapshot, kinds: Sequence[str] = ("child", "depends_on")) -> list[Link]:
    """The edges without which those of `kinds` have no circle, so that tasks can be put in order; [] where all is well.

    Of each circle it is the edge that leads back, when the tasks are walked through in plan order: deterministic, and
    for a task that needs a later one, which in turn needs it, the later edge. Parents and needs make no circle in a run
    that can come to its end; "context" does together with "child", because a parent is given its sub-tasks' results.

    Example: `assert not breaking_edges(m.snapshot)`
    """
    outgoing: dict[str, list[Link]] = {task_id: [] for task_id in snapshot.tasks}
    for link in links(snapshot, kinds):
        outgoing[link.source].append(link)
    finished: set[str] = set()
    breaking: list[Link] = []
    for start in snapshot.tasks:
        if start in finished:
            continue
        open_ids = {start}
        way = [(start, iter(outgoing[start]))]
        while way:  # no recursion: a chain of needs may be as long as the run
            at, onward = way[-1]
            leads = next(onward, None)
            if leads is None:
                way.pop()
                open_ids.discard(at)
                finished.add(at)
            elif leads.target in open_ids:
                breaking.append(leads)
            elif leads.target not in finished:
                open_ids.add(leads.target)
                way.append((leads.target, iter(outgoing[leads.target])))
    return breaking


def portable(graph: GraphT) -> GraphT:
    """A copy of `graph` whose attributes GraphML and JSON can hold, and which comes out of them as it went in.

    Attributes that are None are left out, times become ISO text in UTC, and characters that XML has not become U+FFFD.
    """
    made = graph.copy()
    for _, attributes in made.nodes(data=True):
        for name, value in tuple(attributes.items()):
            if value is None:
                del attributes[name]
            elif isinstance(value, datetime):
                attributes[name] = value.astimezone(UTC).isoformat()
            elif isinstance(value, str):
                attributes[name] = _NOT_IN_XML.sub("\ufffd", value)
    return made


def _links_of(task: Task, kind: EdgeKind) -> Iterator[Link]:
    match kind:
        case "child":
            yield from (Link(task.task_id, child_id, kind) for child_id in task.child_ids)
        case "depends_on":
            yield from (Link(needed_id, task.task_id, kind) for needed_id in task.depends_on)
        case "context":
            yield from (Link(source_id, task.task_id, kind) for source_id in task.context_ids)
        case _:
            assert_never(kind)


def _attributes(task: Task, totals: Totals) -> dict[str, Any]:
    return {
        "goal": task.goal,
        "status": str(task.status),
        "task_type": task.task_type,
        "node_type": task.node_type,
        "agent": task.agent,
        "model": task.model,
        "layer": task.layer,
        "depth": task.depth,
        "parent_id": task.parent_id,
        "plan_index": task.plan_index,
        "n_children": task.n_children,
        "created": task.created,
        "started": task.started,
        "updated": task.updated,
        "completed": task.completed,
        "duration_s": task.duration_s,
        "error": task.error,
        "result_summary": task.result_summary,
        "n_stages": totals.n_stages,
        "retries": totals.retries,
        "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens,
        "cost_usd": totals.cost_usd,
    }
