"""Reads one frame, the whole snapshot of a project, against the last one: what did not change is not decoded again.

One bad task never hides the good ones: it is reported with its path and skipped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from .events import NO_FRAME, NO_NODES, FrameTexts, GraphUpdate, Node, Payload, Unreadable
from .model import Project, Rest, Status
from .reading import LONGEST_ID, Fields, Problems, clean, kind, shorten
from .split import NO_MEMBERS, Malformed, Members, members

MOST_TASKS = 100_000
_STATUSES = {status.value: status for status in Status}


def read_graph(source: str, payload: Payload, last: FrameTexts = NO_FRAME) -> GraphUpdate | Unreadable:
    """A frame (`task_graph_update`, `project_restored`, the `state` of a project over HTTP)."""
    problems = Problems()
    try:
        top = members(payload.text, payload.start, last.top, {"all_nodes": last.node_texts})
    except Malformed as error:
        return Unreadable(source, (f"{source}: {error}",))
    for key in top.duplicates:
        problems.add(key, "came twice; the last one counts")
    for key, why in top.undecodable.items():
        problems.add(key, why)
    nodes, node_texts, node_problems = _read_nodes(top, last, problems)
    complaints = problems.count
    edges = _read_edges(top.decoded["graphs"], problems) if "graphs" in top.decoded else last.edges
    if _is_missing(top, "graphs"):
        edges = ()
    project = last.project
    if _is_missing(top, "current_project"):
        project = None
    elif "current_project" in top.decoded:
        project = read_project_entry(top.decoded["current_project"], "current_project", problems)
    fields = Fields(
        {key: _scalar(top, key) for key in ("project_id", "overall_project_goal", "timestamp")},
        source,
        problems,
    )
    project_id = fields.identifier("project_id") or (project.project_id if project else None)
    # what is wrong is not "known" next time: it is read, and said, again
    again = {*top.undecodable, *(("graphs", "current_project") if problems.count > complaints else ())}
    if "all_nodes" in top.decoded:  # no object
        again.add("all_nodes")
    top_texts = {key: text for key, text in top.texts.items() if key not in again}
    return GraphUpdate(
        source=source,
        project_id=project_id,
        project=project,
        goal=fields.text("overall_project_goal"),
        nodes=nodes,
        edges=edges,
        time=fields.time("timestamp"),
        problems=problems.sentences(),
        texts=FrameTexts(top_texts, node_texts, nodes, node_problems, edges, project),
    )


def read_project_entry(value: object, path: str, problems: Problems) -> Project | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        problems.add(path, f"expected an object, got {kind(value)}")
        return None
    fields = Fields(value, path, problems)
    project_id = fields.identifier("id")
    if not project_id:
        problems.add(f"{path}.id", "a project without an id was skipped")
        return None
    return Project(
        project_id=project_id,
        title=fields.text("title"),
        goal=fields.text("goal"),
        status=fields.text("status"),
        created=fields.time("created_at"),
        updated=fields.time("updated_at"),
    )


def _read_nodes(
    top: Members, last: FrameTexts, problems: Problems
) -> tuple[Mapping[str, Node], Mapping[str, str], Mapping[str, tuple[str, ...]]]:
    split = top.nested.get("all_nodes")
    text = top.texts.get("all_nodes", "null")
    if split is None and text.startswith("{"):  # the very text of the last frame
        for lines in last.node_problems.values():
            problems.repeat(lines)
        return last.nodes, last.node_texts, last.node_problems
    if split is None:
        if text != "null":
            problems.add("all_nodes", f"expected an object, got {kind(top.decoded.get('all_nodes'))}")
        return NO_NODES, NO_MEMBERS, {}
    for key in split.duplicates:
        problems.add(f"all_nodes.{key}", "this id came twice; the last one counts")
    if not split.decoded and not split.undecodable and split.texts.keys() == last.node_texts.keys():
        for lines in last.node_problems.values():
            problems.repeat(lines)
        return last.nodes, last.node_texts, last.node_problems
    nodes: dict[str, Node] = {}
    refused: dict[str, tuple[str, ...]] = {}
    for key, text in split.texts.items():
        task_id = clean(key)
        if key in split.decoded or key in split.undecodable:
            found = Problems()
            node = _read_node(task_id, split, key, text, found)
            lines = found.sentences()
        else:
            node = last.nodes.get(task_id)
            lines = last.node_problems.get(key, ())
        if lines:
            refused[key] = lines
            problems.repeat(lines)
        if node is not None and len(nodes) < MOST_TASKS:
            nodes[task_id] = node
    if len(split.texts) > MOST_TASKS:
        problems.add("all_nodes", f"{len(split.texts):,} tasks; the first {MOST_TASKS:,} are shown")
    return MappingProxyType(nodes), split.texts, refused


def _read_node(task_id: str, split: Members, key: str, text: str, problems: Problems) -> Node | None:
    path = f"all_nodes.{task_id}"
    if key in split.undecodable:
        problems.add(path, f"{split.undecodable[key]}; the task was skipped")
        return None
    value = split.decoded[key]
    if not isinstance(value, dict):
        problems.add(path, f"expected a task, got {kind(value)}; it was skipped")
        return None
    if not task_id or len(task_id) > LONGEST_ID:
        problems.add(path, f"an id of {len(task_id):,} characters; the task was skipped")
        return None
    own_id = Fields(value, path, problems).text("task_id")
    if own_id is not None and own_id != task_id:
        problems.add(f"{path}.task_id", f"says {shorten(own_id, 40)!r}; the key counts")
    return read_node(task_id, value, text, path, problems)


def read_node(
    task_id: str,
    value: dict[str, Any],
    raw_json: str,
    path: str,
    problems: Problems,
    rest: Rest | None = None,
) -> Node:
    """A task out of the server's dict `value`; `rest` reads what `raw_json` lacks."""
    fields = Fields(value, path, problems)
    status = fields.text("status") or ""
    task_type, node_type = fields.text("task_type"), fields.text("node_type")
    execution = Fields(fields.mapping("execution_details") or {}, f"{path}.execution_details", problems)
    return Node(
        task_id=task_id,
        goal=fields.text("goal") or "",
        status=_STATUSES.get(status, status),
        task_type=task_type,
        node_type=node_type,
        agent=fields.text("agent_name"),
        # the searcher never writes its model: what stands there is the atomizer's
        model=None if (task_type, node_type) == ("SEARCH", "EXECUTE") else fields.text("model_display"),
        layer=fields.whole("layer"),
        parent_id=fields.identifier("parent_node_id"),
        planned_ids=fields.ids("planned_sub_task_ids"),
        context_ids=_context_ids(fields, path, problems),
        created=fields.time("timestamp_created"),
        updated=fields.time("timestamp_updated"),
        completed=fields.time("timestamp_completed"),
        execution_started=execution.time("processing_started"),
        error=fields.text("error"),
        result_summary=fields.text("output_summary"),
        overall_objective=fields.text("overall_objective"),
        raw_json=raw_json,
        rest=rest,
    )


def _context_ids(fields: Fields, path: str, problems: Problems) -> tuple[str, ...]:
    ids: dict[str, None] = {}
    for place, source in enumerate(fields.items("input_context_sources")):
        at = f"{path}.input_context_sources[{place}]"
        if not isinstance(source, dict):
            problems.add(at, f"expected an object, got {kind(source)}")
            continue
        source_id = Fields(source, at, problems).identifier("source_task_id")
        if source_id is not None:
            ids[source_id] = None
    return tuple(ids)


def _read_edges(graphs: object, problems: Problems) -> tuple[tuple[str, str], ...]:
    if graphs is None:
        return ()
    if not isinstance(graphs, dict):
        problems.add("graphs", f"expected an object, got {kind(graphs)}")
        return ()
    edges = set()
    for graph_id, graph in graphs.items():
        path = f"graphs.{graph_id}"
        if not isinstance(graph, dict):
            problems.add(path, f"expected an object, got {kind(graph)}")
            continue
        for place, edge in enumerate(Fields(graph, path, problems).items("edges")):
            if (
                isinstance(edge, dict)
                and isinstance(edge.get("source"), str)
                and isinstance(edge.get("target"), str)
            ):
                edges.add((clean(edge["source"]), clean(edge["target"])))
            else:
                problems.add(f"{path}.edges[{place}]", f"expected source and target, got {kind(edge)}")
    return tuple(sorted(edges))


def _is_missing(top: Members, key: str) -> bool:
    """Not there, or not readable: then it is not the last frame's either, which may be of another project."""
    return key not in top.texts or key in top.undecodable


def _scalar(top: Members, key: str) -> object:
    """A small top-level value, which `split` leaves undecoded when it is the last frame's."""
    if key in top.decoded:
        return top.decoded[key]
    if _is_missing(top, key):
        return None
    return json.loads(top.texts[key], strict=False)
