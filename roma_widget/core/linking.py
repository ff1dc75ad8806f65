"""From nodes that name each other to tasks that form a forest, in plan order.

What a server says about links is not to be trusted: a parent may be missing or a chain of parents may be a circle.
Such a task is shown at the top level and reported. Order depends on what the frame says, never on the order of its
keys: siblings stand as their parent planned them, the others by their ids, numbers as numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from .clock import ServerClock
from .events import Node
from .model import Status, Task
from .reading import shorten

_NUMBER = re.compile(r"(\d+)")
Edges = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Links:
    """Where one task stands in the forest."""

    parent_id: str | None
    depth: int
    plan_index: int
    child_ids: tuple[str, ...]
    depends_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """The links of every task in plan order, with what was made of them last."""

    links: Mapping[str, Links]
    problems: tuple[str, ...] = ()


NO_FOREST = Forest(MappingProxyType({}))


def same_structure(
    nodes: Mapping[str, Node], edges: Edges, last: Mapping[str, Node], last_edges: Edges
) -> bool:
    """Can the last forest be kept? True when no task came, went, or names other links."""
    if edges != last_edges or len(nodes) != len(last):
        return False
    for task_id, node in nodes.items():
        before = last.get(task_id)
        if before is node:
            continue
        if before is None or (before.parent_id, before.planned_ids) != (node.parent_id, node.planned_ids):
            return False
    return True


def grow_forest(nodes: Mapping[str, Node], edges: Edges) -> Forest:
    """The forest that `nodes` and `edges` (needed task, dependent task) describe. O(n log n)."""
    problems: list[str] = []
    parents = _parents(nodes, problems)
    children: dict[str | None, list[str]] = {}
    for task_id in sorted(nodes, key=natural_key):
        children.setdefault(parents[task_id], []).append(task_id)
    for parent_id, ids in children.items():
        if parent_id is not None:
            planned = {task_id: place for place, task_id in enumerate(nodes[parent_id].planned_ids)}
            ids.sort(key=lambda task_id: planned.get(task_id, len(planned)))
    needs: dict[str, list[str]] = {}
    for source, target in edges:
        if source in nodes and target in nodes and source != target:
            needs.setdefault(target, []).append(source)
    links: dict[str, Links] = {}
    stack: list[tuple[str, str | None, int, int]] = []
    stack.extend([(task_id, None, 0, place) for place, task_id in enumerate(children.get(None, ()))][::-1])
    while stack:
        task_id, parent_id, depth, place = stack.pop()
        child_ids = tuple(children.get(task_id, ()))
        depends_on = tuple(sorted(needs.get(task_id, ()), key=natural_key))
        links[task_id] = Links(parent_id, depth, place, child_ids, depends_on)
        stack.extend([(child, task_id, depth + 1, index) for index, child in enumerate(child_ids)][::-1])
    return Forest(MappingProxyType(links), tuple(problems))


def make_tasks(
    nodes: Mapping[str, Node],
    forest: Forest,
    clock: ServerClock,
    last: Mapping[str, Task],
    last_nodes: Mapping[str, Node],
    last_forest: Forest,
    shift: timedelta = timedelta(),
    jump: timedelta = timedelta(),
) -> Mapping[str, Task]:
    """Tasks in plan order. A task whose node and links are as they were stays the very same object.

    `shift` is what the clock's reading of naive times moved by since `last` was made. `jump` is by how much the
    server's clock has jumped: new stamps are taken back by it, those of the last frame stay what was made of them.
    """
    tasks: dict[str, Task] = {}
    for task_id, links in forest.links.items():
        node, before = nodes[task_id], last.get(task_id)
        same_links = forest is last_forest or (
            last_forest.links.get(task_id) == links
            # a context source that came or went
            and before is not None
            and before.context_ids == _existing(node.context_ids, nodes)
        )
        if before is not None and same_links and not shift and last_nodes.get(task_id) is node:
            tasks[task_id] = before
            continue
        times = _Times(clock, jump, shift, last_nodes.get(task_id), before)
        task = _make_task(node, links, nodes, times, _first_start(node, before, times))
        tasks[task_id] = before if before is not None and task == before else task
    return MappingProxyType(tasks)


def natural_key(text: str) -> tuple[tuple[int, int, str], ...]:
    """Sorts `root.10` after `root.9`. Numbers of absurd length count as text."""
    if len(text) > 500:
        return ((2, 0, text),)
    parts = _NUMBER.split(text)
    return tuple(
        (1, int(part), part) if part.isdecimal() and part.isascii() else (0, 0, part) for part in parts
    )


def _parents(nodes: Mapping[str, Node], problems: list[str]) -> dict[str, str | None]:
    parents: dict[str, str | None] = {}
    for task_id, node in nodes.items():
        parent_id = node.parent_id
        if parent_id is not None and parent_id not in nodes:
            problems.append(
                f"task {shorten(task_id, 60)}: its parent {shorten(parent_id, 60)!r} does not exist; "
                "shown at the top level"
            )
            parent_id = None
        parents[task_id] = parent_id
    settled: set[str] = set()
    for start in sorted(nodes, key=natural_key):
        trail: list[str] = []
        on_trail: set[str] = set()
        at: str | None = start
        while at is not None and at not in settled and at not in on_trail:
            trail.append(at)
            on_trail.add(at)
            at = parents[at]
        if at is not None and at in on_trail:
            circle = trail[trail.index(at) :]
            cut = min(circle, key=natural_key)
            parents[cut] = None
            problems.append(f"task {shorten(cut, 60)}: is its own ancestor; shown at the top level")
        settled |= on_trail
    return parents


@dataclass(frozen=True, slots=True)
class _Times:
    """Reads the stamps of one node, given what the last frame said of it."""

    clock: ServerClock
    jump: timedelta
    shift: timedelta
    last_node: Node | None
    last: Task | None

    def utc(self, stamp: datetime | None) -> datetime | None:
        return self.clock.utc(stamp, self.jump)

    def of(self, node: Node, name: Literal["created", "updated", "completed"]) -> datetime | None:
        """That time of `node`; when the clock has jumped and it stood there before, what was made of it then."""
        stamp: datetime | None = getattr(node, name)
        if self.jump and self.last is not None and self.last_node is not None:
            before: datetime | None = getattr(self.last, name)
            if before is not None and stamp == getattr(self.last_node, name):
                return before + self.shift
        return self.utc(stamp)


def _make_task(
    node: Node, links: Links, nodes: Mapping[str, Node], times: _Times, started: datetime | None
) -> Task:
    return Task(
        task_id=node.task_id,
        goal=node.goal,
        status=node.status,
        task_type=node.task_type,
        node_type=node.node_type,
        agent=node.agent,
        model=node.model,
        layer=node.layer,
        depth=links.depth,
        parent_id=links.parent_id,
        plan_index=links.plan_index,
        child_ids=links.child_ids,
        depends_on=links.depends_on,
        context_ids=_existing(node.context_ids, nodes),
        created=times.of(node, "created"),
        started=started,
        updated=times.of(node, "updated"),
        completed=times.of(node, "completed"),
        error=node.error,
        result_summary=node.result_summary,
        overall_objective=node.overall_objective,
        raw_json=node.raw_json,
        _rest=node.rest,
    )


def _first_start(node: Node, before: Task | None, times: _Times) -> datetime | None:
    """The start that was seen first, unless the server made the task anew."""
    created = times.of(node, "created")
    if before is not None and before.started is not None:
        same_task = before.created is None or created is None or before.created + times.shift == created
        if same_task:
            return before.started + times.shift
    return times.utc(_started(node))


def _started(node: Node) -> datetime | None:
    """When the task began to run, as far as this frame alone tells."""
    if node.began is not None:
        return node.began
    return node.updated if node.status is Status.RUNNING else None


def _existing(ids: tuple[str, ...], nodes: Mapping[str, Node]) -> tuple[str, ...]:
    return tuple(task_id for task_id in ids if task_id in nodes)
