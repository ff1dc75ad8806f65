"""One project as far as it is written: what its next step adds, when it was, and when a keyframe is due. No SQL.

Whatever comes is kept within what `reading` takes, with room to spare: what is too large loses its JSON, and no other
task with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from ..core.frame import MOST_TASKS
from ..core.model import Project
from .format import LARGEST_STATE
from .versions import Record, difference, fits, memory_of, without_json

KEYFRAME_AFTER = 1_000
"""Versions of tasks, or as many as the run has tasks twice over, where that is more."""
KEYFRAME_BYTES = 256 * 2**20
"""In memory, of all versions since the last keyframe; `reading.LARGEST_CHANGES` is twice that."""
CHANGES_BYTES = 64 * 2**20
"""Of all blocks since the last keyframe: they are read at once."""
BLOCK_BYTES = 16 * 2**20
"""A step of which the changes are more becomes a keyframe, and a block that has as many is closed."""
_HEAD_BYTES = 10
"""Before a record, where it is packed."""
_encode = msgspec.msgpack.Encoder().encode
Changes = list[tuple[int, list[msgspec.Raw]]]


class Version(NamedTuple):
    """`weight`: its bytes in memory or packed, whichever are more. `is_cut`: it was too large."""

    record: Record
    weight: int
    is_cut: bool = False


@dataclass(slots=True)
class WrittenRun:
    """See the module. `begun_us`, `begun_heard_s` and `offset_s` are of those who wrote the project before."""

    first_seq: int
    begun_us: int | None = None
    """The time of the last step which somebody else wrote: moments only grow."""
    begun_heard_s: float | None = None
    offset_s: float | None = None
    next_seq: int = field(init=False)
    known_until_us: int | None = None
    shown: int = 0
    is_told: bool = True
    """Is its row as it is?"""
    project: Project | None = None
    versions: dict[str, Version] | None = None
    """None: the next step must be whole."""
    changes: Changes = field(default_factory=list)
    """Steps that are in no block yet."""
    changed: dict[str, None] = field(default_factory=dict)
    """Ids of tasks whose rows are old."""
    weight: int = 0
    """Of all tasks as they are."""
    n_since: int = 0
    weight_since: int = 0
    packed_since: int = 0
    """What was written since the last keyframe: versions, their weight, and the bytes of their changes."""
    packed_open: int = 0
    """Those that are in no block yet."""
    floor_us: int | None = field(init=False)
    first_us: int | None = None
    """The times of our last step and our first one."""
    wanted_us: dict[int, int] = field(default_factory=dict)
    """When steps of ours were that had to be kept as later, because of what was written before."""

    def __post_init__(self) -> None:
        self.next_seq, self.floor_us = self.first_seq, self.begun_us

    # -- its tasks

    def weighed(self, records: Mapping[str, Record | None], *, is_whole: bool) -> dict[str, Version | None]:
        """`records` as they can be kept. Changes nothing here. Raises ValueError where no cut makes them small."""
        before = {} if is_whole or self.versions is None else self.versions
        if not is_whole and self.versions is None:
            raise ValueError("the first step of a project has all its tasks")
        found = {task_id: None if record is None else _weighed(record) for task_id, record in records.items()}
        n_tasks = sum(task_id not in found for task_id in before) + sum(
            each is not None for each in found.values()
        )
        if n_tasks > MOST_TASKS:
            raise ValueError(f"a run of {n_tasks:,} tasks is more than the {MOST_TASKS:,} of a saved one")
        weight = 0 if is_whole else self.weight
        weight += sum(each.weight for each in found.values() if each is not None)
        weight -= sum(before[task_id].weight for task_id in found if task_id in before)
        largest = sorted(found, key=lambda task_id: -each.weight if (each := found[task_id]) else 0)
        for task_id in largest:
            version = found[task_id]
            if weight <= LARGEST_STATE or version is None:
                break
            cut = _weigh(without_json(version.record), is_cut=True)
            weight += cut.weight - version.weight
            found[task_id] = cut
        if weight > LARGEST_STATE:
            raise ValueError(f"the tasks are more than the {LARGEST_STATE // 2**20} MiB of a saved run")
        return found

    def take(self, seq: int, found: Mapping[str, Version | None]) -> bool:
        """These are its tasks now. Gives whether a keyframe is due; the step's changes are then in no block."""
        versions = {} if self.versions is None else self.versions
        changes: list[msgspec.Raw] = []
        packed = 0
        for task_id, version in found.items():
            before = versions.get(task_id)
            change: list[Any] = [task_id]
            if version is not None:
                versions[task_id] = version
                change.append(version.record if before is None else difference(before.record, version.record))
                self.weight_since += version.weight
            elif before is not None:
                del versions[task_id]
            self.weight += (version.weight if version else 0) - (before.weight if before else 0)
            changes.append(msgspec.Raw(_encode(change)))
            packed += len(memoryview(changes[-1]))
        self.versions = versions
        self.changed.update(dict.fromkeys(found))
        self.n_since += len(found)
        self.packed_since += packed
        if packed > BLOCK_BYTES:
            return True
        self.changes.append((seq, changes))
        self.packed_open += packed
        return (
            self.n_since >= max(KEYFRAME_AFTER, 2 * len(versions))
            or self.weight_since >= KEYFRAME_BYTES
            or self.packed_since >= CHANGES_BYTES
        )

    def take_all(self, found: Mapping[str, Version | None]) -> None:
        """These are all its tasks now. A keyframe is due."""
        self.versions = {task_id: version for task_id, version in found.items() if version is not None}
        self.weight = sum(version.weight for version in self.versions.values())
        self.changed = dict.fromkeys(self.versions)

    def block(self) -> bytes:
        """The steps that are in no block yet, packed for one."""
        body = _encode(self.changes)
        self.changes, self.packed_open = [], 0
        return body

    def keyframe(self) -> bytes:
        """All its tasks, packed for one."""
        self.n_since = self.weight_since = self.packed_since = 0
        return _encode([version.record for version in (self.versions or {}).values()])

    def forget_tasks(self) -> None:
        """Nobody looks at them any more: what is told of them next is whole."""
        self.versions, self.weight = None, 0

    # -- its times

    def place(self, seq: int, time_us: int) -> int:
        """When a new step was, as it is kept: later than all before."""
        kept_us = time_us if self.floor_us is None else max(time_us, self.floor_us + 1)
        self._note(seq, time_us, kept_us)
        return kept_us

    def replace(self, times_us: Mapping[int, int]) -> list[tuple[int, int]]:
        """Steps of ours were at other times, which grow with their numbers. Gives when, as they are kept, and their
        numbers.
        """
        rows = [(self._after_the_others(seq, time_us), seq) for seq, time_us in times_us.items()]
        for kept_us, seq in rows:
            self._note(seq, times_us[seq], kept_us)
        return rows

    def zone_learnt(self, offset_s: float) -> tuple[int, list[tuple[int, int]]]:
        """The zone of the server's times is known now. By how many µs what others wrote is to be moved, and steps of
        ours as by `replace`.

        Theirs were taken for UTC, unless they are where our own clock had them: then nobody had stamped them.
        """
        if self.begun_us is None or self.begun_heard_s is None:
            return 0, []
        ahead_s = self.begun_us / 1e6 - self.begun_heard_s
        if abs(ahead_s - offset_s) >= abs(ahead_s):
            return 0, []
        by_us = -round(offset_s * 1e6)
        if self.first_us is not None and by_us > 0:
            by_us = max(0, min(by_us, self.first_us - 1 - self.begun_us))
        self.begun_us += by_us
        if self.first_us is None:
            self.floor_us = self.begun_us
        return by_us, self.replace(dict(self.wanted_us))

    def _after_the_others(self, seq: int, time_us: int) -> int:
        return time_us if self.begun_us is None else max(time_us, self.begun_us + 1 + seq - self.first_seq)

    def _note(self, seq: int, time_us: int, kept_us: int) -> None:
        if kept_us != time_us:
            self.wanted_us[seq] = time_us
        else:
            self.wanted_us.pop(seq, None)
        if seq == self.first_seq:
            self.first_us = kept_us
        if seq == self.next_seq - 1:
            self.floor_us = kept_us


def _weighed(record: Record) -> Version:
    return _weigh(record) if fits(record) else _weigh(without_json(record), is_cut=True)


def _weigh(record: Record, *, is_cut: bool = False) -> Version:
    return Version(record, max(memory_of(record), len(_encode(record))) + _HEAD_BYTES, is_cut)
