"""What moved in the current project, told once to each client of the extension: a snapshot first, then
deltas.

Every change of a project gets the next version number, down to single fields (`projects`). So a delta is
computed for a client from the version it has (`base`) to the one there is (`seq`), whenever the client is
ready for it: one that reads slowly gets fewer and larger ones. Numbers belong to an *epoch*: another current
project, or the same one without its old tasks, is another epoch, over which no delta leads.

Time is counted in periods, which `tick` begins: in each a client is told at most once, and those who are at
the same version are told with the same bytes. What changes after that is told in the next period: a change
always brings one (`broadcast`).

A large snapshot would hold up the server's loop. It is made in a thread, kept for a while as a *keyframe* for
all who come, and followed by a delta.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from roma_widget.server.live.lean import part, whole
from roma_widget.server.live.packing import pack, packed, plain
from roma_widget.server.network.subscriber import Message
from roma_widget.server.state.project_records import NodeRecord, ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.wire.records import now_iso

LARGE = 300
"""Tasks in one message that the loop may encode itself (some 5 ms)."""
_AT_ONCE = 200
"""Tasks that a thread copies before it lets others have the lock."""
KEYFRAME_PERIODS = 8
"""How long a keyframe serves those who come: at least 4 s."""

_log = logging.getLogger("roma_widget.server")


@dataclass(slots=True)
class Place:
    """What one client knows: the version `seq` of `epoch`, told in `period`."""

    epoch: int = 0
    seq: int = 0
    period: int = -1

    def lose(self) -> None:
        """The client asked for a snapshot."""
        self.epoch = 0


@dataclass(frozen=True, slots=True)
class _Told:
    epoch: int
    seq: int
    period: int
    message: Message


@dataclass(frozen=True, slots=True)
class _Head:
    """What a message says besides its tasks. `base` None: a snapshot."""

    epoch: int
    seq: int
    base: int | None
    period: int
    goal: str
    project: dict[str, Any] | None


_Copy = tuple[str, dict[str, Any], tuple[str, ...], list[str] | None]
"""A task as it was under the lock: id, fields, needs, the changed fields (None: all)."""


class Deltas:
    """See the module. Lives on the loop, except what a thread does for it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._period = 0
        self._epoch = 1
        self._record: ProjectRecord | None = None
        self._generation = 0
        self._told: dict[int | None, _Told] = {}
        """By base, those of this period."""
        self._large: set[int | None] = set()
        """Bases that are too far back for the loop."""
        self._keyframe: _Told | None = None
        self._waiting: set[Callable[[], None]] = set()
        self._is_preparing = False

    def tick(self) -> None:
        """What changed until now may be told."""
        self._period += 1
        self._told.clear()
        self._large.clear()

    def newest(self, place: Place, again: Callable[[], None]) -> Message | None:
        """What a client at `place` is told, and moves it there; `again` is called when it should ask once more."""
        with self._state.lock:
            self._follow(self._state.projects.current())
            base = place.seq if place.epoch == self._epoch else None
            if base is not None and (base == self._version() or place.period == self._period):
                return None
            told = self._told.get(base)
            changes = None if told is not None or base in self._large else self._since(base)
        if changes is not None:
            head, copies = changes
            told = self._told[base] = _told(head, _packed(copies, head.goal))
        elif told is None:
            self._large.add(base)
            told = self._served(base)
            if told is None:
                self._prepare(again)
                return None
        place.epoch, place.seq, place.period = told.epoch, told.seq, told.period
        if told.period != self._period:
            again()
        return told.message

    def _follow(self, record: ProjectRecord | None) -> None:
        generation = record.generation if record is not None else 0
        if record is self._record and generation == self._generation:
            return
        self._record, self._generation = record, generation
        self._epoch += 1
        self._told.clear()
        self._large.clear()
        self._keyframe = None

    def _version(self) -> int:
        return self._record.version if self._record is not None else 0

    def _head(self, base: int | None) -> _Head:
        record = self._record
        project = _project(record, base) if record is not None else None
        goal = record.goal if record is not None else ""
        return _Head(self._epoch, self._version(), base, self._period, goal, project)

    def _since(self, base: int | None) -> tuple[_Head, list[_Copy]] | None:
        copies = self._copies(base)
        return None if copies is None else (self._head(base), copies)

    def _copies(self, base: int | None) -> list[_Copy] | None:
        """The tasks that changed since `base`. None: too many for the loop, or they are still on disk."""
        record = self._record
        if record is None:
            return []
        if not self._state.projects.is_loaded(record.project_id):
            return None
        nodes = self._state.projects.nodes(record)
        moved = (item for item in nodes.items() if base is None or item[1].version > base)
        changed = list(islice(moved, LARGE + 1))
        return _copies(changed, base) if len(changed) <= LARGE else None

    # --- keyframes -----------------------------------------------------------------------------------------------

    def _served(self, base: int | None) -> _Told | None:
        """The keyframe, if it still helps a client that is at `base`."""
        frame = self._keyframe
        if frame is None or self._period - frame.period > KEYFRAME_PERIODS:
            self._keyframe = None
            return None
        return frame if base is None or frame.seq > base else None

    def _prepare(self, again: Callable[[], None]) -> None:
        self._waiting.add(again)
        if self._is_preparing:
            return
        self._is_preparing = True
        making = asyncio.get_running_loop().run_in_executor(None, self._make_keyframe, self._epoch)
        making.add_done_callback(self._prepared)

    def _make_keyframe(self, epoch: int) -> _Told | None:
        """In a thread. None: the project is another one by now.

        The lock is taken for some tasks at a time. What changes in between is in this message or not; as it is newer
        than `seq`, the next delta has it anyway.
        """
        with self._state.lock:
            if epoch != self._epoch or self._record is None:
                return None
            head = self._head(None)
            nodes = list(self._state.projects.nodes(self._record).items())
        packed: dict[str, msgspec.Raw] = {}
        for start in range(0, len(nodes), _AT_ONCE):
            with self._state.lock:
                copies = _copies(nodes[start : start + _AT_ONCE], None)
            packed |= _packed(copies, head.goal)
        return _told(head, packed)

    def _prepared(self, making: asyncio.Future[_Told | None]) -> None:
        self._is_preparing = False
        waiting, self._waiting = self._waiting, set()
        if making.cancelled():
            return
        error = making.exception()
        if error is not None:  # tried again with the next change
            _log.error("A snapshot for clients of the extension could not be made: %s", error, exc_info=error)
            return
        frame = making.result()
        if frame is not None and frame.epoch == self._epoch:
            self._keyframe = frame
        for again in waiting:
            again()


def _project(record: ProjectRecord, base: int | None) -> dict[str, Any] | None:
    """The project's fields that changed; None when none did."""
    if base is None or record.head_version > base:
        return {key: plain(value) for key, value in record.plain_entry().items()}
    return {"node_count": record.node_count} if record.structure_version > base else None


def _changes(node: NodeRecord, base: int | None) -> list[str] | None:
    if base is None or node.versions["task_id"] > base:
        return None
    return [key for key, version in node.versions.items() if version > base]


def _copies(nodes: Iterable[tuple[str, NodeRecord]], base: int | None) -> list[_Copy]:
    changed = ((node_id, node, _changes(node, base)) for node_id, node in nodes)
    return [
        (node_id, dict(node.fields), node.needs, changes)
        for node_id, node, changes in changed
        if changes != []  # what a relay was told later is no news: see `complete_node`
    ]


def _packed(copies: list[_Copy], goal: str) -> dict[str, msgspec.Raw]:
    """Without the lock: encoding takes its time."""
    return {
        node_id: packed(whole(fields, needs, goal) if changed is None else part(fields, changed, goal))
        for node_id, fields, needs, changed in copies
    }


def _told(head: _Head, nodes: dict[str, msgspec.Raw]) -> _Told:
    content: dict[str, Any] = {"epoch": head.epoch, "seq": head.seq}
    if head.base is not None:
        content["base"] = head.base
    if head.base is None or head.project is not None:
        content["project"] = head.project
    content |= {"nodes": nodes, "time": now_iso()}
    event = "snapshot" if head.base is None else "delta"
    return _Told(head.epoch, head.seq, head.period, (event, pack(content), True))
