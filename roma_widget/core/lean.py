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

from .events import (
    NO_NODES,
    DeltaLost,
    Event,
    GraphUpdate,
    HistoryTold,
    Node,
    Packed,
    StagesPushed,
    TaskRest,
    Unreadable,
)
from .frame import MOST_TASKS, read_node, read_project_entry
from .model import Project, Rest
from .reading import LONGEST_ID, Fields, Problems, clean, kind, shorten
from .split import decoded
from .traces import read_pushed_stage

GZIP = b"\x1f\x8b"
LARGEST = 128 * 2**20
"""Bytes of an unpacked message: what claims to be more is not unpacked."""
LARGEST_TASK = 2**20
"""Bytes of one packed task, whose texts are cut at 1,000 characters."""
LARGEST_MEMBER = 8 * 2**20
LARGEST_STATE = 256 * 2**20
"""Characters of JSON of all tasks together, as large as a plain frame may be."""
MOST_PUSHED = 1000
_TEXTS = frozenset({*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB})
"""First bytes of a packed text."""
_STAND_INS = ("needs", "result_size", "started", "cut")
_encode = msgspec.json.Encoder().encode
_split = msgspec.msgpack.Decoder(dict[str | int, msgspec.Raw]).decode
_unpacked = msgspec.msgpack.Decoder().decode
_decode_json = msgspec.json.Decoder().decode
Members = dict[Any, Any]
Parts = dict[str | int, msgspec.Raw]


@dataclass(frozen=True, slots=True)
class _Place:
    """What has been put together: the project's versions `seq` of `epoch`. `refused` are tasks that were skipped."""

    epoch: int
    seq: int
    project: Members | None
    nodes: Mapping[str, Node] = field(default_factory=lambda: NO_NODES, repr=False)
    needs: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    refused: frozenset[str] = frozenset()
    characters: int = 0


class LeanMirror:
    """The current project as one connection tells it; new with every connection.

    `rest_of(project_id)` gives what reads the parts of its tasks that were left out.
    """

    def __init__(self, rest_of: Callable[[str], Rest]) -> None:
        self._rest_of = rest_of
        self._rest: tuple[str, Rest] | None = None
        self._place: _Place | None = None

    def read(self, name: str, packed: Packed) -> Event:
        """The event for one of the extension's binary messages. Never raises."""
        problems = Problems()
        try:
            match name:
                case "snapshot":
                    return self._read_snapshot(_members(packed.body), problems)
                case "delta":
                    return self._read_delta(_members(packed.body), problems)
                case "stages":
                    return _read_stages(_members(packed.body), problems)
                case "task_result_data":
                    return _read_rest(_members(packed.body), problems)
                case "history_data":
                    return _read_history(packed.body)
                case _:
                    return Unreadable(name, (f"{name}: binary data, which this event never has",))
        except (ValueError, zlib.error, RecursionError) as error:
            sentence = f"{name}: cannot be read ({_why(error)})"
            if name == "delta":
                self._place = None
                return DeltaLost((sentence,))
            return Unreadable(name, (sentence,))

    def _read_snapshot(self, message: Members, problems: Problems) -> Event:
        fields = Fields(message, "snapshot", problems)
        epoch, seq = fields.whole("epoch"), fields.whole("seq")
        if epoch is None or seq is None or "nodes" not in message:
            return Unreadable("snapshot", (*problems.sentences(), "snapshot: lacks epoch, seq or nodes"))
        place = _Place(epoch, seq, fields.mapping("project"))
        return self._take(place, "snapshot", _split(message["nodes"]), fields, problems)

    def _read_delta(self, message: Members, problems: Problems) -> Event:
        fields = Fields(message, "delta", problems)
        epoch, seq, base = fields.whole("epoch"), fields.whole("seq"), fields.whole("base")
        place = self._place
        leads_on = place is not None and (place.epoch, place.seq) == (epoch, base)
        if place is None or not leads_on or seq is None or "nodes" not in message:
            self._place = None
            return DeltaLost(problems.sentences())
        changed = fields.mapping("project")
        project = {**(place.project or {}), **changed} if changed is not None else place.project
        return self._take(
            replace(place, seq=seq, project=project), "delta", _split(message["nodes"]), fields, problems
        )

    def _take(self, place: _Place, source: str, parts: Parts, fields: Fields, problems: Problems) -> Event:
        project = read_project_entry(place.project, f"{source}.project", problems)
        changes = _Changes(place, project, self._rest_for(project), problems, is_whole=source == "snapshot")
        for key, part in parts.items():
            if not changes.take(key, part):
                self._place = None
                return DeltaLost((*problems.sentences(), f"{source}: changes a task that it never named"))
        self._place = place = changes.made()
        if place.characters > LARGEST_STATE:
            self._place = None
            return DeltaLost(
                (f"{source}: tasks of more than {LARGEST_STATE // 2**20} MiB are not put together",)
            )
        return GraphUpdate(
            source=source,
            project_id=project.project_id if project is not None else None,
            project=project,
            goal=project.goal if project is not None else None,
            nodes=place.nodes,
            edges=_edges(place.needs),
            time=fields.time("time"),
            problems=problems.sentences(),
        )

    def _rest_for(self, project: Project | None) -> Rest | None:
        """One for a project, so that its unchanged tasks stay equal."""
        if project is None:
            return None
        if self._rest is None or self._rest[0] != project.project_id:
            self._rest = project.project_id, self._rest_of(project.project_id)
        return self._rest[1]


class _Changes:
    """Takes the tasks of one message, one by one. `is_whole`: they are all there are, and part of none before."""

    def __init__(
        self, place: _Place, project: Project | None, rest: Rest | None, problems: Problems, *, is_whole: bool
    ) -> None:
        self._place = place
        self._is_whole = is_whole
        self._goal = project.goal if project is not None else None
        self._rest = rest
        self._problems = problems
        self._nodes = dict(place.nodes)
        self._needs: dict[str, tuple[str, ...]] = {}
        self._refused = set(place.refused)
        self._characters = place.characters

    def take(self, key: str | int, packed: msgspec.Raw) -> bool:
        """False when this is a part of a task that was never whole: something was lost."""
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_ID:
            self._problems.add("nodes", f"expected the id of a task, got {kind(key)}")
            return True
        task_id = clean(key)
        part = self._unpack(task_id, packed)
        if part is None:
            return True
        known = self._nodes.get(task_id)
        if "needs" not in part:
            if self._is_whole:
                self._refuse(task_id, "lacks needs, which a whole task has; it was skipped")
                return True
            if known is None:
                return task_id in self._refused or len(self._nodes) >= MOST_TASKS
            part = {**_decode_json(known.raw_json), **part}
        elif known is None and len(self._nodes) >= MOST_TASKS:
            self._problems.add(
                f"nodes.{task_id}", f"is beyond the first {MOST_TASKS:,} tasks, which are shown"
            )
            return True
        self._put(task_id, {"overall_objective": self._goal, **part})
        return True

    def made(self) -> _Place:
        return replace(
            self._place,
            nodes=MappingProxyType(self._nodes),
            needs={**self._place.needs, **self._needs} if self._needs else self._place.needs,
            refused=frozenset(self._refused),
            characters=self._characters,
        )

    def _unpack(self, task_id: str, packed: msgspec.Raw) -> Members | None:
        path, size = f"nodes.{task_id}", len(memoryview(packed))
        if size > LARGEST_TASK:
            self._refuse(task_id, f"{size:,} bytes are more than a task has; it was skipped")
            return None
        try:
            part = _unpacked(packed)
        except (ValueError, RecursionError) as error:
            if not self._is_whole:
                raise  # what it is by now is in the next snapshot, or it is missing there
            self._refuse(task_id, f"cannot be read ({_why(error)}); it was skipped")
            return None
        if isinstance(part, dict):
            return part
        self._problems.add(path, f"expected a task, got {kind(part)}; it was skipped")
        self._refused.add(task_id)
        return None

    def _put(self, task_id: str, whole: Members) -> None:
        try:
            text = _encode(whole).decode()
        except (ValueError, TypeError, RecursionError) as error:
            self._refuse(task_id, f"cannot be kept ({_why(error)}); it was skipped")
            return
        known = self._nodes.get(task_id)
        self._characters += len(text) - (len(known.raw_json) if known is not None else 0)
        self._refused.discard(task_id)
        self._nodes[task_id] = read_node(
            task_id, _as_roma(whole), text, f"nodes.{task_id}", self._problems, self._rest
        )
        needs = whole.get("needs")
        found = (
            tuple(clean(each) for each in needs if isinstance(each, str)) if isinstance(needs, list) else ()
        )
        if found != self._place.needs.get(task_id):
            self._needs[task_id] = found

    def _refuse(self, task_id: str, why: str) -> None:
        self._problems.add(f"nodes.{task_id}", why)
        if task_id not in self._nodes:
            self._refused.add(task_id)


def same_result(lean_json: str, newest_json: str) -> bool:
    """Is what was left out of a task, as `lean_json` describes it, what the server still has of it?

    Of one without a result nothing is asked that could have changed unseen, as long as it is the same task.
    """
    if lean_json == newest_json:
        return True
    then, now = decoded(lean_json) or {}, decoded(newest_json) or {}
    size = then.get("result_size")
    return then.get("timestamp_created") == now.get("timestamp_created") and (
        not size or size == now.get("result_size")
    )


def lean_details(lean_json: str) -> Members | None:
    """The dict of a lean task of which nothing that a person reads was left out; None where something was."""
    lean = decoded(lean_json)
    return lean if isinstance(lean, dict) and not lean.get("result_size") and not lean.get("cut") else None


def whole_of(task_id: str, lean_json: str, rest: TaskRest) -> Members:
    """ROMA's dict of a task: what its lean form has, and `rest`, which it left out."""
    lean = decoded(lean_json)
    shown = {key: value for key, value in lean.items() if key not in _STAND_INS} if lean else {}
    return {
        "task_id": task_id,
        **shown,
        **rest.texts,
        "full_result": decoded(rest.result_json) if lean and lean.get("result_size") else None,
        "execution_details": decoded(rest.details_json),
        "aux_data": decoded(rest.aux_json),
    }


def _members(body: bytes) -> Members:
    """The members of a message, `nodes` undecoded: each task is decoded by itself, so that what a message becomes in
    memory is in proportion to its bytes. Raises ValueError, zlib.error or RecursionError.
    """
    return {
        key: part if key == "nodes" else _member(key, part) for key, part in _split(_inflated(body)).items()
    }


def _inflated(body: bytes) -> bytes:
    if body[:2] == GZIP:
        inflate = zlib.decompressobj(wbits=31)
        body = inflate.decompress(body, LARGEST)
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError(f"larger than {LARGEST // 2**20} MiB, or cut short")
    elif len(body) > LARGEST:
        raise ValueError(f"larger than {LARGEST // 2**20} MiB")
    return body


def _member(key: str | int, part: msgspec.Raw) -> Any:
    """Text may be of any size; of anything else ten times as much, and more, comes out."""
    packed = memoryview(part)
    if len(packed) > LARGEST_MEMBER and packed[0] not in _TEXTS:
        raise ValueError(f"its {shorten(str(key), 40)} are more than {LARGEST_MEMBER // 2**20} MiB")
    return _unpacked(part)


def _as_roma(lean: Members) -> Members:
    """The keys under which ROMA's node has the same; what is not whole says so."""
    cut = lean.get("cut")
    marked = {
        key: f"{lean[key]}…"
        for key in (cut if isinstance(cut, list) else ())
        if isinstance(key, str) and isinstance(lean.get(key), str)
    }
    return {**lean, **marked, "execution_details": {"processing_started": lean.get("started")}}


def _edges(needs: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((needed, task_id) for task_id, ids in needs.items() for needed in ids))


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


class _History(msgspec.Struct):
    archive: bytes
    project_id: str | None = None
    rid: str | int | None = None


_history = msgspec.msgpack.Decoder(_History)


def _read_history(body: bytes) -> Event:
    history = _history.decode(_inflated(body))
    return HistoryTold(history.project_id, history.archive, str(history.rid))


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
