"""Puts together what a server sends to clients of its extension: a snapshot, and then only what changed.

Messages are MessagePack, inside gzip when they are large. Tasks are lean: results, prompts and the ends of long texts
stay on the server until somebody asks (docs/protocol.md, "The extension"). One bad task never hides the good ones.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import msgspec

from .events import DeltaLost, Event, GraphUpdate, Node, Packed, StagesPushed, TaskRest, Unreadable
from .frame import MOST_TASKS, read_node, read_project_entry
from .model import Project, Rest
from .reading import LONGEST_ID, Fields, Problems, clean, kind, shorten
from .split import decoded
from .traces import read_pushed_stage

GZIP = b"\x1f\x8b"
LARGEST = 128 * 2**20
"""Bytes of an unpacked message: what claims to be more is not unpacked."""
MOST_PUSHED = 1000
_NO_NODES: Mapping[str, Node] = MappingProxyType({})
_STAND_INS = ("needs", "result_size", "started", "cut")
_encode = msgspec.json.Encoder().encode
Members = dict[Any, Any]


@dataclass(frozen=True, slots=True)
class _Place:
    """What has been put together: the project's versions `seq` of `epoch`."""

    epoch: int
    seq: int
    project: Members | None
    lean: Mapping[str, Members] = field(repr=False)
    nodes: Mapping[str, Node] = field(repr=False)
    edges: tuple[tuple[str, str], ...] = field(repr=False)


class LeanMirror:
    """The current project as one connection tells it; new with every connection.

    `rest_of(project_id)` gives what reads the parts of its tasks that were left out.
    """

    def __init__(self, rest_of: Callable[[str], Rest]) -> None:
        self._rest_of = rest_of
        self._place: _Place | None = None

    def read(self, name: str, packed: Packed) -> Event:
        """The event for one of the extension's binary messages. Never raises."""
        problems = Problems()
        try:
            message = _unpack(packed.body)
        except (ValueError, zlib.error, RecursionError) as error:
            if name == "delta":
                self._place = None
                return DeltaLost((f"{name}: cannot be unpacked ({_why(error)})",))
            return Unreadable(name, (f"{name}: cannot be unpacked ({_why(error)})",))
        match name:
            case "snapshot":
                return self._read_snapshot(message, problems)
            case "delta":
                return self._read_delta(message, problems)
            case "stages":
                return _read_stages(message, problems)
            case "task_result_data":
                return _read_rest(message, problems)
            case _:
                return Unreadable(name, (f"{name}: binary data, which this event never has",))

    def _read_snapshot(self, message: Members, problems: Problems) -> Event:
        fields = Fields(message, "snapshot", problems)
        epoch, seq = fields.whole("epoch"), fields.whole("seq")
        nodes = fields.mapping("nodes")
        if epoch is None or seq is None or nodes is None:
            return Unreadable("snapshot", (*problems.sentences(), "snapshot: lacks epoch, seq or nodes"))
        project = fields.mapping("project")
        empty = _Place(epoch, seq, project, {}, _NO_NODES, ())
        return self._take(empty, "snapshot", nodes, fields, problems)

    def _read_delta(self, message: Members, problems: Problems) -> Event:
        fields = Fields(message, "delta", problems)
        epoch, seq, base = fields.whole("epoch"), fields.whole("seq"), fields.whole("base")
        nodes: Members | None = fields.mapping("nodes")
        place = self._place
        leads_on = place is not None and (place.epoch, place.seq) == (epoch, base)
        if place is None or not leads_on or seq is None or nodes is None:
            self._place = None
            return DeltaLost(problems.sentences())
        if any(
            isinstance(part, dict) and "needs" not in part and clean(key) not in place.lean
            for key, part in nodes.items()
            if isinstance(key, str)
        ):
            self._place = None
            return DeltaLost(("delta: changes a task that it never named",))
        project = place.project
        changed = fields.mapping("project")
        if changed is not None:
            project = {**(project or {}), **changed}
        return self._take(replace(place, seq=seq, project=project), "delta", nodes, fields, problems)

    def _take(
        self, place: _Place, source: str, changed: Members, fields: Fields, problems: Problems
    ) -> Event:
        project = read_project_entry(place.project, f"{source}.project", problems)
        rest = self._rest_of(project.project_id) if project is not None else None
        lean, nodes, edges = dict(place.lean), dict(place.nodes), place.edges
        for key, part in changed.items():
            known = lean.get(clean(key)) if isinstance(key, str) else None
            self._take_node(key, part, known, project, rest, lean, nodes, problems)
        if any(isinstance(part, dict) and "needs" in part for part in changed.values()):
            edges = _edges(lean)
        self._place = replace(place, lean=lean, nodes=MappingProxyType(nodes), edges=edges)
        return GraphUpdate(
            source=source,
            project_id=project.project_id if project is not None else None,
            project=project,
            goal=project.goal if project is not None else None,
            nodes=self._place.nodes,
            edges=edges,
            time=fields.time("time"),
            problems=problems.sentences(),
        )

    @staticmethod
    def _take_node(
        key: object,
        part: object,
        known: Members | None,
        project: Project | None,
        rest: Rest | None,
        lean: dict[str, Members],
        nodes: dict[str, Node],
        problems: Problems,
    ) -> None:
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_ID:
            problems.add("nodes", f"expected the id of a task, got {kind(key)}")
            return
        task_id = clean(key)
        path = f"nodes.{task_id}"
        if not isinstance(part, dict):
            problems.add(path, f"expected a task, got {kind(part)}; it was skipped")
            return
        if known is None and len(nodes) >= MOST_TASKS:
            problems.add(path, f"is beyond the first {MOST_TASKS:,} tasks, which are shown")
            return
        whole = part if "needs" in part else {**(known or {}), **part}
        if "overall_objective" not in whole:
            whole = {**whole, "overall_objective": project.goal if project is not None else None}
        try:
            text = _encode(whole).decode()
        except (ValueError, TypeError, RecursionError) as error:
            problems.add(path, f"cannot be kept ({_why(error)}); it was skipped")
            return
        lean[task_id] = whole
        nodes[task_id] = read_node(task_id, _as_roma(whole), text, path, problems, rest)


def whole_of(task_id: str, lean_json: str, rest: TaskRest) -> Members:
    """ROMA's dict of a task: what its lean form has, and `rest`, which it left out."""
    lean = decoded(lean_json)
    shown = {key: value for key, value in lean.items() if key not in _STAND_INS} if lean else {}
    return {
        "task_id": task_id,
        **shown,
        **rest.texts,
        "full_result": decoded(rest.result_json),
        "execution_details": decoded(rest.details_json),
        "aux_data": decoded(rest.aux_json),
    }


def _unpack(body: bytes) -> Members:
    """Raises ValueError, zlib.error or RecursionError."""
    if body[:2] == GZIP:
        inflate = zlib.decompressobj(wbits=31)
        body = inflate.decompress(body, LARGEST)
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError(f"larger than {LARGEST // 2**20} MiB, or cut short")
    elif len(body) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 2**20} MiB")
    message = msgspec.msgpack.decode(body)
    if not isinstance(message, dict):
        raise ValueError(f"expected a map, got {kind(message)}")
    return message


def _as_roma(lean: Members) -> Members:
    """The keys under which ROMA's node has the same; what is not whole says so."""
    cut = lean.get("cut")
    marked = {
        key: f"{lean[key]}…"
        for key in (cut if isinstance(cut, list) else ())
        if isinstance(key, str) and isinstance(lean.get(key), str)
    }
    return {**lean, **marked, "execution_details": {"processing_started": lean.get("started")}}


def _edges(lean: Mapping[str, Members]) -> tuple[tuple[str, str], ...]:
    return tuple(
        sorted(
            (clean(needed), task_id)
            for task_id, node in lean.items()
            if isinstance(node.get("needs"), list)
            for needed in node["needs"]
            if isinstance(needed, str)
        )
    )


def _read_rest(message: Members, problems: Problems) -> Event:
    fields = Fields(message, "task_result_data", problems)
    project_id, task_id = fields.identifier("project_id"), fields.identifier("node_id")
    if not task_id:
        return Unreadable("task_result_data", (*problems.sentences(), "task_result_data: names no task"))
    texts = fields.mapping("texts") or {}
    return TaskRest(
        project_id=project_id,
        task_id=task_id,
        result_json=fields.text("result") or "null",
        details_json=fields.text("execution_details") or "null",
        aux_json=fields.text("aux_data") or "null",
        texts={key: clean(text) for key, text in texts.items() if isinstance(text, str)},
        rid=fields.text("rid"),
        problems=problems.sentences(),
    )


def _read_stages(message: Members, problems: Problems) -> Event:
    stages = []
    for place, pushed in enumerate(Fields(message, "stages", problems).items("stages")[:MOST_PUSHED]):
        path = f"stages[{place}]"
        if not isinstance(pushed, dict):
            problems.add(path, f"expected a stage, got {kind(pushed)}")
            continue
        fields = Fields(pushed, path, problems)
        project_id, task_id = fields.identifier("project_id"), fields.identifier("node_id")
        seq, text = fields.whole("seq"), fields.text("stage")
        if project_id is None or not task_id or seq is None or text is None:
            problems.add(path, "names no project, task, place or stage; it was skipped")
            continue
        stage = read_pushed_stage(text, task_id, seq, path, problems)
        if stage is not None:
            stages.append((project_id, stage))
    return StagesPushed(tuple(stages), problems.sentences())


def _why(error: Exception) -> str:
    return "nested too deep" if isinstance(error, RecursionError) else shorten(str(error), 80)
