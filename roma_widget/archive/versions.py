"""A task as a row of plain values, and the difference between two versions of it."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Annotated, Any, cast, get_args

import msgspec
from msgspec import Meta

from ..core.frame import MOST_TASKS
from ..core.model import Rest, Status, Task
from ..core.reading import clean, shorten
from ..core.split import member
from ..core.steps import as_time, as_us
from .format import inflated

Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
"""As `core.reading` has them."""
TimeUs = Annotated[int, Meta(ge=-(10**18), le=10**18)]
Links = Annotated[tuple[str, ...], Meta(max_length=MOST_TASKS)]
Record = tuple[
    str,  # task_id
    str,  # goal
    str,  # status
    str | None,  # task_type
    str | None,  # node_type
    str | None,  # agent
    str | None,  # model
    Whole | None,  # layer
    Whole,  # depth
    str | None,  # parent_id
    Whole,  # plan_index
    Links,  # child_ids
    Links,  # depends_on
    Links,  # context_ids
    TimeUs | None,  # created, µs since 1970
    TimeUs | None,  # started
    TimeUs | None,  # updated
    TimeUs | None,  # completed
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
LARGEST_TEXT = 16 * 2**20
"""Characters of one task."""
LONGEST_CUT = 10_000
"""Of each other text of a task that is too large."""
MOST_MARKS = 1_000_000
"""Brackets and commas in one JSON text: each may become a value of a hundred bytes."""
Difference = dict[int, Any]
"""Place in the record to its new value; of the JSON a text, or its size in bytes and its deflated form."""
_TOO_LARGE = "too_large_to_save"
_RECORD_BYTES = 600
_LINK_BYTES = 64
_TEXTS = frozenset({*range(0xA0, 0xC0), 0xD9, 0xDA, 0xDB})
"""First bytes of a packed text."""
_MAPS = frozenset({*range(0x80, 0x90), 0xDE, 0xDF})
_STATUSES = {status.value: status for status in Status}
_decode_difference = msgspec.msgpack.Decoder(
    Annotated[dict[int, msgspec.Raw], Meta(max_length=len(get_args(Record)))]
).decode
_decode_record = msgspec.msgpack.Decoder(Record).decode
_decode_field = [msgspec.msgpack.Decoder(kind).decode for kind in get_args(Record)]
_decode_deflated = msgspec.msgpack.Decoder(tuple[int, bytes]).decode


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


def applied(before: Record, packed: msgspec.Raw) -> Record:
    """`difference`, packed, undone. Raises ValueError (msgspec's are), zlib.error for what leads nowhere."""
    _check_packed(packed)
    values: list[Any] = list(before)
    for place, value in _decode_difference(packed).items():
        if not 0 < place < len(values):
            raise ValueError("a change names no field of a task")
        values[place] = (
            _text(before[21], value) if place == _RAW and not is_text(value) else _decode_field[place](value)
        )
    record: Record = tuple(values)
    check_size(record)
    return record


def record_in(packed: msgspec.Raw) -> Record:
    """A whole task, as it was packed. Raises ValueError."""
    _check_packed(packed)
    record: Record = _decode_record(packed)
    check_size(record)
    return record


def check_size(record: Record) -> None:
    """Raises ValueError for a task of which too much would become in memory."""
    if not fits(record):
        raise ValueError(f"a task of {_characters(record):,} characters is too large")


def fits(record: Record) -> bool:
    """Is it as small as a task of a saved run must be?"""
    return _characters(record) <= LARGEST_TEXT and not has_too_many_marks(record[21])


def without_json(record: Record) -> Record:
    """A task that is too large to be kept: a word on its JSON instead of it, and the beginning of each long text."""
    size = len(record[21])
    texts = tuple(shorten(each, LONGEST_CUT) if isinstance(each, str) else each for each in record[1:_RAW])
    cut: Any = (record[0], *texts, f'{{"result_size": {size}, "{_TOO_LARGE}": {size}}}', False)
    return cast(Record, cut)


def size_too_large(json_text: str) -> int | None:
    """The characters of the JSON in whose place `without_json` put this one; None where it did not."""
    size = member(json_text, _TOO_LARGE) if len(json_text) < 200 else None
    return size if isinstance(size, int) else None


def has_too_many_marks(json_text: str) -> bool:
    return len(json_text) > MOST_MARKS and sum(map(json_text.count, "[{,")) > MOST_MARKS


def _check_packed(packed: msgspec.Raw) -> None:
    size = len(memoryview(packed))
    if size > 4 * LARGEST_TEXT:
        raise ValueError(f"a task of {size:,} bytes is too large")


def _characters(record: Record) -> int:
    return sum(len(text) for text in record if isinstance(text, str))


def is_text(packed: msgspec.Raw) -> bool:
    return memoryview(packed)[0] in _TEXTS


def is_difference(packed: msgspec.Raw) -> bool:
    return memoryview(packed)[0] in _MAPS


def memory_of(record: Record) -> int:
    """Bytes that its texts and links take, roughly: a character may take four."""
    links = len(record[11]) + len(record[12]) + len(record[13])
    texts = sum(text.__sizeof__() for text in record if isinstance(text, str))
    return _RECORD_BYTES + _LINK_BYTES * links + texts


def _text_difference(before: str, after: str) -> Any:
    """Versions of a task are mostly alike: deflated with the one before as what can be referred to."""
    body = after.encode()
    if len(before) < _WORTH_IT or len(body) < _WORTH_IT:
        return after
    deflate = zlib.compressobj(6, zdict=before.encode()[-_WINDOW:])
    return (len(body), deflate.compress(body) + deflate.flush())


def _text(before: str, packed: msgspec.Raw) -> str:
    size, body = _decode_deflated(packed)
    if not 0 <= size <= 4 * LARGEST_TEXT:
        raise ValueError(f"a task's text of {size:,} bytes")
    return inflated(body, size, before.encode()[-_WINDOW:]).decode()


def _cleaned(text: str | None) -> str | None:
    return None if text is None else clean(text)


def _us(time: datetime | None) -> int | None:
    return None if time is None else as_us(time)


def _time(time_us: int | None) -> datetime | None:
    return None if time_us is None else as_time(time_us)
