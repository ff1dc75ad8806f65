"""The projects and their tasks as the server knows them, and how a frame is made of them.

Everything here is called with the state's lock held (`State.lock`), except `frame`, which takes it for a moment and
encodes outside: a frame may be megabytes, and agents report under the same lock. Each change gets the next version
number of its project, down to single fields, so that "what is new since version 17" is a question with an answer
(see `extension`).
"""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from roma_widget.errors import UnknownProject
from roma_widget.server.state.project_records import (
    ENDED,
    NodeRecord,
    ProjectRecord,
    Structure,
    description_of,
    graphs_of,
    title_of,
)
from roma_widget.server.state.store import Batch, Store
from roma_widget.server.wire.records import NODE_KEYS, STAND_INS, empty_frame, encode, now_iso

LOST = "The server stopped while this run was alive."
MOST_LOADED = 16
"""Ended projects whose tasks stay in memory, the last used ones; the others are read from disk when asked for."""


class Projects:
    """All projects by id. `changed(project_id)` is called after every change, under the lock: it must be quick."""

    def __init__(
        self,
        lock: threading.RLock,
        store: Store,
        changed: Callable[[str], None],
        most_loaded: int = MOST_LOADED,
    ) -> None:
        self._lock = lock
        self._store = store
        self._changed = changed
        self._most_loaded = most_loaded
        self._records: dict[str, ProjectRecord] = {}
        self._loaded: OrderedDict[str, None] = OrderedDict()
        self.current_id: str | None = None
        self._dirty: set[str] = set()
        self._dirty_nodes: dict[tuple[str, str], None] = {}
        self._cleared: set[str] = set()
        self._deleted: set[str] = set()
        self._last_frame: tuple[ProjectRecord | None, int, bytes] = (None, 0, b"")
        """The frame that was made last: all who ask for the same one share it."""
        self._taken_at = now_iso()
        self._in_flight: frozenset[str] = frozenset()
        """Projects with tasks that were taken to be saved, and are not on disk yet."""
        self._read_store()

    def _read_store(self) -> None:
        """What was saved. A run that was alive then is not any more: its project says so."""
        for project_id, text in self._store.projects().items():
            stored = _stored_project.decode(text)
            record = ProjectRecord(
                project_id,
                stored.fields,
                config=stored.config,
                node_count=stored.node_count,
                saved_at=stored.saved_at,
            )
            self._records[project_id] = record
            if record.fields.get("status") not in ENDED:
                self._lose(record)
        current_id = self._store.current_id()
        self.current_id = current_id if current_id in self._records else None

    def _lose(self, record: ProjectRecord) -> None:
        self.change(record, status="failed", error=LOST)
        for node in self.nodes(record).values():
            if node.fields["status"] not in ("DONE", "FAILED", "CANCELLED"):
                self.change_node(record, node, status="CANCELLED", error=LOST, timestamp_completed=now_iso())

    # --- reading -------------------------------------------------------------------------------------------------

    def __contains__(self, project_id: object) -> bool:
        return isinstance(project_id, str) and project_id in self._records

    def get(self, project_id: str) -> ProjectRecord:
        record = self._records.get(project_id)
        if record is None:
            raise UnknownProject(f"Project {project_id[:200]} not found")
        return record

    def records(self) -> Iterable[ProjectRecord]:
        return self._records.values()

    def current(self) -> ProjectRecord | None:
        return self._records.get(self.current_id) if self.current_id is not None else None

    def listed(self) -> dict[str, Any]:
        """`{"projects": [...], "current_project_id": ...}`, the project that moved last first."""
        entries = [record.entry() for record in self._records.values()]
        entries.sort(key=lambda entry: str(entry["updated_at"]), reverse=True)
        return {"projects": entries, "current_project_id": self.current_id}

    def load(self, project_id: str) -> None:
        """Reads a project's tasks from disk, without the lock: not to be called with it held."""
        with self._lock:
            if self.is_loaded(project_id):
                return
            generation = self._records[project_id].generation
            version = self._records[project_id].version
        stored = {
            node_id: _read_node(text, version) for node_id, text in self._store.nodes(project_id).items()
        }
        with self._lock:
            record = self._records.get(project_id)
            if record is not None and record.nodes is None and record.generation == generation:
                record.nodes = stored
                self._was_used(record)
                self._forget_some(but=project_id)

    def nodes(self, record: ProjectRecord) -> dict[str, NodeRecord]:
        """The tasks, read from disk if they have to be: that blocks, so `load` them first where it must not."""
        if record.nodes is None:
            stored = self._store.nodes(record.project_id) if record.node_count else {}
            record.nodes = {node_id: _read_node(text, record.version) for node_id, text in stored.items()}
            self._forget_some(but=record.project_id)
        self._was_used(record)
        return record.nodes

    def _was_used(self, record: ProjectRecord) -> None:
        if not record.alive:
            self._loaded[record.project_id] = None
            self._loaded.move_to_end(record.project_id)

    def is_loaded(self, project_id: str) -> bool:
        record = self._records.get(project_id)
        return record is None or record.nodes is not None or not record.node_count

    def _forget_some(self, but: str | None = None) -> None:
        """Drops the tasks of ended projects that nobody holds or has asked for lately, when they are safe on disk."""
        if len(self._loaded) <= self._most_loaded:
            return
        kept = {but, self.current_id, *self._in_flight, *(project_id for project_id, _ in self._dirty_nodes)}
        for project_id in list(self._loaded):
            if len(self._loaded) <= self._most_loaded:
                return
            record = self._records.get(project_id)
            if record is None or record.alive:
                self._loaded.pop(project_id)
            elif project_id not in kept and not record.holders:
                self._loaded.pop(project_id)
                record.nodes = None

    # --- writing -------------------------------------------------------------------------------------------------

    def create(
        self,
        goal: str,
        *,
        title: str | None = None,
        max_steps: int = 250,
        project_id: str | None = None,
        config: msgspec.Raw | None = None,
    ) -> ProjectRecord:
        now = now_iso()
        new_id = project_id or str(uuid.uuid4())
        record = ProjectRecord(
            new_id,
            {
                "id": new_id,
                "title": title or title_of(goal),
                "description": description_of(goal),
                "created_at": now,
                "updated_at": now,
                "status": "active",
                "goal": goal,
                "max_steps": max_steps,
                "error": None,
            },
            config=config,
            nodes={},
        )
        self._records[new_id] = record  # one of this id that was deleted: the store deletes first
        self._touch(record)
        return record

    def change(self, record: ProjectRecord, **changes: Any) -> None:
        """Sets fields of the project itself."""
        record.fields.update(changes)
        self._touch(record)

    def _touch(self, record: ProjectRecord) -> None:
        record.fields["updated_at"] = now_iso()
        record.version += 1
        record.head_version = record.version
        self._mark(record)

    def _mark(self, record: ProjectRecord) -> None:
        self._dirty.add(record.project_id)
        self._changed(record.project_id)

    def make_current(self, record: ProjectRecord | None) -> None:
        """For everybody: the current project is one global value."""
        self.current_id = record.project_id if record is not None else None
        self._changed(self.current_id or "")

    def add_node(
        self, record: ProjectRecord, fields: Mapping[str, Any], needs: tuple[str, ...] = ()
    ) -> NodeRecord:
        """A new task; what `fields` leaves out is null."""
        now = now_iso()
        stamps = {"timestamp_created": now, "timestamp_updated": now}
        node = NodeRecord(dict.fromkeys(NODE_KEYS) | stamps | dict(fields), needs)
        record.version += 1
        node.version = record.structure_version = record.version
        node.versions = dict.fromkeys(NODE_KEYS, record.version)
        self.nodes(record)[node.node_id] = node
        record.node_count = len(self.nodes(record))
        self._dirty_nodes[record.project_id, node.node_id] = None
        self._mark(record)
        return node

    def change_node(self, record: ProjectRecord, node: NodeRecord, **changes: Any) -> None:
        """Sets fields of a task. Equal values change nothing."""
        fields, versions = node.fields, node.versions
        new = {key: value for key, value in changes.items() if fields[key] != value}
        if not new:
            return
        new["timestamp_updated"] = now_iso()
        record.version += 1
        fields.update(new)
        for key in new:
            versions[key] = record.version
        node.version = record.version
        node.text = None
        self._dirty_nodes[record.project_id, node.node_id] = None
        self._mark(record)

    def put(self, project_id: str, fields: Mapping[str, Any], *, alive: bool) -> ProjectRecord:
        """What another server says of one of its projects, stamps and all."""
        record = self._records.get(project_id)
        known = dict.fromkeys(_PROJECT_KEYS) | dict(fields)
        if record is None:
            record = self._records[project_id] = ProjectRecord(project_id, {}, nodes={})
        if record.alive != alive:
            record.alive = alive
            self._was_used(record)
        if record.fields != known:
            record.fields = known
            record.version += 1
            record.head_version = record.version
            self._mark(record)
        return record

    def put_node(self, record: ProjectRecord, fields: Mapping[str, Any], needs: tuple[str, ...]) -> None:
        """What another server says of a task, stamps and all. Only what differs counts as changed."""
        node_id = str(fields["task_id"])
        known = dict.fromkeys(NODE_KEYS) | dict(fields)
        nodes = self.nodes(record)
        node = nodes.get(node_id)
        changed = [key for key, value in known.items() if node is None or node.fields.get(key) != value]
        is_new = node is None or node.needs != needs or node.fields.keys() - known.keys()
        if not changed and not is_new:
            return
        record.version += 1
        if node is None or is_new:
            node = nodes[node_id] = NodeRecord(known, needs)
            node.versions = dict.fromkeys(known, record.version)
            record.structure_version = record.version
            record.node_count = len(nodes)
        else:
            node.fields = known
            node.versions.update(dict.fromkeys(changed, record.version))
        node.version = record.version
        node.text = None
        self._dirty_nodes[record.project_id, node_id] = None
        self._mark(record)

    def complete_node(self, record: ProjectRecord, fields: Mapping[str, Any]) -> None:
        """What another server had left out of a task has come. Clients of the extension know the task as before:
        nothing of it counts as changed for them."""
        node = self.nodes(record)[str(fields["task_id"])]
        record.version += 1
        node.version = record.version
        node.fields = dict.fromkeys(NODE_KEYS) | dict(fields)
        node.text = None
        self._dirty_nodes[record.project_id, node.node_id] = None
        self._mark(record)

    def adopt(self, record: ProjectRecord, parent: NodeRecord, child_id: str) -> None:
        """Adds a sub-task to its parent's list. In place: a task with thousands of them is no reason to copy
        thousands of ids.
        """
        parent.fields["planned_sub_task_ids"].append(child_id)
        parent.fields["timestamp_updated"] = now_iso()
        record.version += 1
        parent.versions["planned_sub_task_ids"] = parent.versions["timestamp_updated"] = record.version
        parent.version = record.version
        parent.text = None
        self._dirty_nodes[record.project_id, parent.node_id] = None
        self._mark(record)

    def clear(self, record: ProjectRecord) -> None:
        """Removes all tasks: the project is run anew."""
        record.nodes = {}
        record.node_count = 0
        record.generation += 1
        record.structure_version = record.version + 1
        self._cleared.add(record.project_id)
        for key in [key for key in self._dirty_nodes if key[0] == record.project_id]:
            del self._dirty_nodes[key]
        self._touch(record)

    def delete(self, project_id: str) -> None:
        self._records.pop(project_id, None)
        self._loaded.pop(project_id, None)
        self._dirty.discard(project_id)
        for key in [key for key in self._dirty_nodes if key[0] == project_id]:
            del self._dirty_nodes[key]
        self._deleted.add(project_id)
        if self.current_id == project_id:
            self.current_id = None
        self._changed(project_id)

    # --- encoding ------------------------------------------------------------------------------------------------

    def frame(self, project_id: str | None, *, restored: Mapping[str, Any] | None = None) -> bytes:
        """The whole project as `task_graph_update` has it; the empty frame for None. Takes the lock itself.

        `restored` is put into its end (`request_project_restore`).
        """
        with self._lock:
            record = self._records.get(project_id) if project_id is not None else None
            if record is None:
                return empty_frame(now_iso())
            if restored is None and self._last_frame[:2] == (record, record.version):
                return self._last_frame[2]
            version = record.version
            texts, stale = self._texts(record)
            head = {
                "overall_project_goal": record.goal if texts else None,
                "root_graph_id": "root_graph" if texts else None,
            }
            graphs_at, graphs = record.graphs_text
            structure = None if graphs_at == record.structure_version else self._structure(record)
            structure_at = record.structure_version
            tail = {
                "project_id": record.project_id,
                "current_project": record.plain_entry(),
                "timestamp": now_iso(),
                **(restored or {}),
            }
        fresh = {node_id: encode(fields) for node_id, (_, fields, _) in stale.items()}
        if structure is not None:
            graphs = encode(graphs_of(structure))
        with self._lock:
            record.graphs_text = (structure_at, graphs)
            for node_id, (node, _, version) in stale.items():
                if node.version == version:
                    node.text = fresh[node_id]
        members = (encode(node_id) + b":" + (text or fresh[node_id]) for node_id, text in texts.items())
        frame = b"".join(
            (
                encode(head)[:-1],
                b',"graphs":',
                graphs,
                b',"all_nodes":{',
                b",".join(members),
                b"},",
                encode(tail)[1:],
            )
        )
        if restored is None:
            self._last_frame = (record, version, frame)
        return frame

    def _texts(
        self, record: ProjectRecord
    ) -> tuple[dict[str, bytes | None], dict[str, tuple[NodeRecord, dict[str, Any], int]]]:
        """Each task's JSON, and copies of those that have to be encoded."""
        texts: dict[str, bytes | None] = {}
        stale = {}
        for node_id, node in self.nodes(record).items():
            texts[node_id] = node.text
            if node.text is None:
                stale[node_id] = node, _as_roma(node.fields), node.version
        return texts, stale

    def _structure(self, record: ProjectRecord) -> Structure:
        return [
            (node_id, node.fields["parent_node_id"], node.needs)
            for node_id, node in self.nodes(record).items()
        ]

    # --- saving --------------------------------------------------------------------------------------------------

    def take_projects(self) -> dict[str, bytes]:
        """The rows of `store` for the projects that changed since the last time; `settle` says how saving went."""
        taken, self._dirty = self._dirty, set()
        self._taken_at = now_iso()
        rows = {}
        for project_id in taken & self._records.keys():
            record = self._records[project_id]
            rows[project_id] = encode(
                _StoredProject(record.fields, record.node_count, record.config, self._taken_at)
            )
        return rows

    def take_nodes(self) -> dict[tuple[str, str], tuple[tuple[str, ...], dict[str, Any]]]:
        """Copies of the tasks that changed, for `encode_node`."""
        taken, self._dirty_nodes = self._dirty_nodes, {}
        self._in_flight = frozenset(project_id for project_id, _ in taken)
        copies = {}
        for project_id, node_id in taken:
            record = self._records.get(project_id)  # None: an agent reported to a project that is deleted
            if record is not None and record.nodes is not None and node_id in record.nodes:
                node = record.nodes[node_id]
                copies[project_id, node_id] = (node.needs, dict(node.fields))
        return copies

    def take_cleared(self) -> set[str]:
        taken, self._cleared = self._cleared, set()
        return taken

    def take_deleted(self) -> set[str]:
        taken, self._deleted = self._deleted, set()
        return taken

    def settle(self, batch: Batch, *, saved: bool) -> None:
        """After a failure everything in the batch is to be saved again, unless it is gone meanwhile."""
        self._in_flight = frozenset()
        if saved:
            for project_id in batch.projects.keys() & self._records.keys():
                self._records[project_id].saved_at = self._taken_at
            self._forget_some()
            return
        self._dirty |= batch.projects.keys() & self._records.keys()
        kept = [key for key in batch.nodes if key[0] in self._records and key[0] not in self._cleared]
        self._dirty_nodes = dict.fromkeys([*kept, *self._dirty_nodes])
        self._cleared |= batch.cleared_nodes
        self._deleted |= batch.deleted_projects


_PROJECT_KEYS = (
    "id",
    "title",
    "description",
    "created_at",
    "updated_at",
    "status",
    "goal",
    "max_steps",
    "error",
)


class _StoredProject(msgspec.Struct):
    fields: dict[str, Any]
    node_count: int
    config: msgspec.Raw | None = None
    saved_at: str | None = None


class _StoredNode(msgspec.Struct):
    needs: tuple[str, ...]
    node: dict[str, msgspec.Raw]


_stored_project = msgspec.json.Decoder(_StoredProject)
_stored_node = msgspec.json.Decoder(_StoredNode)
_KEPT_RAW = frozenset({"full_result", "aux_data", "execution_details"})
"""Fields that are only passed on: left as JSON text when they come back from disk."""


def _as_roma(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields for who knows no stand-ins; when work began has a place of its own there."""
    shown = {key: value for key, value in fields.items() if key not in STAND_INS}
    if fields.keys() >= STAND_INS and fields["started"] is not None:
        shown["execution_details"] = {"processing_started": fields["started"]}
    return shown


def encode_node(needs: tuple[str, ...], fields: Mapping[str, Any]) -> bytes:
    """A row of the store."""
    return encode({"needs": needs, "node": fields})


def _read_node(text: bytes, version: int) -> NodeRecord:
    """What changed when is not kept: for a client that has an older `version` of the project all of it is new."""
    stored = _stored_node.decode(text)
    fields = {
        key: msgspec.Raw(bytes(raw)) if key in _KEPT_RAW else msgspec.json.decode(raw)
        for key, raw in stored.node.items()
    }
    return NodeRecord(fields, stored.needs, dict.fromkeys(fields, version), version)
