"""A task as a row of plain values, and the difference between two versions of it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..core.model import Rest, Status, Task
from ..core.reading import clean
from ..core.steps import as_time, as_us

Record = tuple[
    str,  # task_id
    str,  # goal
    str,  # status
    str | None,  # task_type
    str | None,  # node_type
    str | None,  # agent
    str | None,  # model
    int | None,  # layer
    int,  # depth
    str | None,  # parent_id
    int,  # plan_index
    tuple[str, ...],  # child_ids
    tuple[str, ...],  # depends_on
    tuple[str, ...],  # context_ids
    int | None,  # created, µs since 1970
    int | None,  # started
    int | None,  # updated
    int | None,  # completed
    str | None,  # error
    str | None,  # result_summary
    str | None,  # overall_objective
    str,  # raw_json
    bool,  # is_whole
]
_RAW = 21
_WINDOW = 32_768
"""As much of a text as deflate can refer to."""
_WORTH_IT = 200
LARGEST_TEXT = 64 * 2**20
"""Characters of one task's JSON; a server's frame of all tasks has at most four times as many."""
Difference = dict[int, Any]
"""Place in the record to its new value; of the JSON a text, or its size in bytes and its deflated form."""
_STATUSES = {status.value: status for status in Status}


def record_of(task: Task) -> Record:
    return (
        clean(task.task_id),
        clean(task.goal),
        clean(str(task.status)),
        _cleaned(task.task_type),
        _cleaned(task.node_type),
        _cleaned(task.agent),
        _cleaned(task.model),
        task.layer,
        task.depth,
        _cleaned(task.parent_id),
        task.plan_index,
        tuple(map(clean, task.child_ids)),
        tuple(map(clean, task.depends_on)),
        tuple(map(clean, task.context_ids)),
        _us(task.created),
        _us(task.started),
        _us(task.updated),
        _us(task.completed),
        _cleaned(task.error),
        _cleaned(task.result_summary),
        _cleaned(task.overall_objective),
        clean(task.raw_json),
        task.is_whole,
    )


def task_of(record: Record, rest: Rest) -> Task:
    """`rest` reads what the server left out of a task that is not whole."""
    return Task(
        task_id=record[0],
        goal=record[1],
        status=_STATUSES.get(record[2], record[2]),
        task_type=record[3],
        node_type=record[4],
        agent=record[5],
        model=record[6],
        layer=record[7],
        depth=record[8],
        parent_id=record[9],
        plan_index=record[10],
        child_ids=record[11],
        depends_on=record[12],
        context_ids=record[13],
        created=_time(record[14]),
        started=_time(record[15]),
        updated=_time(record[16]),
        completed=_time(record[17]),
        error=record[18],
        result_summary=record[19],
        overall_objective=record[20],
        raw_json=record[21],
        _rest=None if record[22] else rest,
    )


def difference(before: Record, after: Record) -> Difference:
    """What turns one version into the other."""
    changed: Difference = {place: value for place, value in enumerate(after) if value != before[place]}
    if _RAW in changed:
        changed[_RAW] = _text_difference(before[21], after[21])
    return changed


def applied(before: Record, changed: Mapping[int, Any]) -> Record:
    """`difference` undone. Raises ValueError (msgspec's are), zlib.error for what leads nowhere."""
    values: list[Any] = list(before)
    for place, value in changed.items():
        if not 0 < place < len(values):
            raise ValueError("a change names no field of a task")
        is_deflated = place == _RAW and not isinstance(value, str)
        values[place] = _text(before[21], value) if is_deflated else value
    record: Record = msgspec.convert(values, Record)
    return record


def _text_difference(before: str, after: str) -> Any:
    """Versions of a task are mostly alike: deflated with the one before as what can be referred to."""
    body = after.encode()
    if len(before) < _WORTH_IT or len(body) < _WORTH_IT:
        return after
    deflate = zlib.compressobj(6, zdict=before.encode()[-_WINDOW:])
    return (len(body), deflate.compress(body) + deflate.flush())


def _text(before: str, packed: object) -> str:
    size, body = msgspec.convert(packed, tuple[int, bytes])
    if not 0 <= size <= LARGEST_TEXT:
        raise ValueError(f"a task's text of {size:,} bytes")
    inflate = zlib.decompressobj(zdict=before.encode()[-_WINDOW:])
    text = inflate.decompress(body, max(1, size))
    if len(text) != size:
        raise ValueError("a task's text has another size than it says")
    return text.decode()


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _us(time: datetime | None) -> int | None:
    return None if time is None else as_us(time)


def _time(time_us: int | None) -> datetime | None:
    return None if time_us is None else as_time(time_us)
