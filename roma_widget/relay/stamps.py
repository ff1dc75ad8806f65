"""What another server says of its projects and tasks, as fields of ours: the same, with stamps that name their zone.

ROMA writes naive local time. Who follows a relay could not learn that zone from the relay's own clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from ..core.clock import ServerClock
from ..core.events import Node, TaskRest
from ..core.model import Project
from ..core.split import decoded
from ..server.live.lean import TEXTS
from ..server.wire.records import STAND_INS, clean_text, encode, frozen

STAMPS = ("timestamp_created", "timestamp_updated", "timestamp_completed")
_LEAN_STAMP = "started"
_DETAILS = "execution_details"
_STARTED = "processing_started"
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LARGEST_SIZE = 2**53
_PASSED_ON = (b"{"[0], b"["[0])
"""First bytes of a value that is kept as its text: nobody here looks into it."""


def project_fields(project: Project) -> dict[str, Any]:
    """Of `projects_list`. What we did not read of it stays unknown."""
    return {
        "id": project.project_id,
        "title": project.title,
        "goal": project.goal,
        "status": project.status,
        "created_at": None if project.created is None else project.created.isoformat(),
        "updated_at": None if project.updated is None else project.updated.isoformat(),
    }


def node_fields(node: Node, clock: ServerClock) -> dict[str, Any]:
    """A task's fields, its id among them, each immutable; with `STAND_INS` where the server above left parts out."""
    fields = _fields(node.raw_json)
    stand_ins = {key: fields.pop(key, None) for key in STAND_INS}
    if not node.is_whole:
        fields.pop("needs", None)
        fields |= _checked(stand_ins)
    return _in_place(fields, node, clock)


def whole_fields(node: Node, rest: TaskRest, clock: ServerClock) -> dict[str, Any]:
    """The fields of a lean task with what was left out of it."""
    fields = _fields(node.raw_json)
    for key in (*STAND_INS, "needs"):
        fields.pop(key, None)
    fields |= {key: clean_text(text) for key, text in rest.texts.items() if isinstance(fields.get(key), str)}
    left_out = {
        "full_result": rest.result_json,
        "execution_details": rest.details_json,
        "aux_data": rest.aux_json,
    }
    fields |= {key: _value(msgspec.Raw(text.encode("utf-8", "replace"))) for key, text in left_out.items()}
    return _in_place(fields, node, clock)


def _checked(stand_ins: Mapping[str, Any]) -> dict[str, Any]:
    size, started, cut = stand_ins["result_size"], stand_ins["started"], stand_ins["cut"]
    names = decoded(bytes(cut).decode()) if isinstance(cut, msgspec.Raw) else None
    return {
        "result_size": size if isinstance(size, int) and 0 <= size < _LARGEST_SIZE else 0,
        "started": started if isinstance(started, str) else None,
        "cut": tuple(name for name in names if name in TEXTS) if isinstance(names, list) else (),
    }


def _in_place(fields: dict[str, Any], node: Node, clock: ServerClock) -> dict[str, Any]:
    """Its own id, and stamps that name their zone."""
    fields["task_id"] = node.task_id
    planned = fields.get("planned_sub_task_ids")
    fields["planned_sub_task_ids"] = list(node.planned_ids) if planned is not None else None
    for key in (*STAMPS, _LEAN_STAMP):
        if key in fields:
            fields[key] = in_utc(fields[key], clock)
    details = fields.get(_DETAILS)
    if isinstance(details, msgspec.Raw) and _STARTED.encode() in bytes(details):
        fields[_DETAILS] = _details(details, clock)
    return fields


def in_utc(stamp: Any, clock: ServerClock) -> Any:
    """A time stamp that names its zone; as it is where it does, or where the server's is not known yet."""
    if not isinstance(stamp, str):
        return stamp
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    if time.tzinfo is not None or clock.offset is None:
        return stamp
    utc = clock.utc(time)
    return stamp if utc is None else utc.isoformat()


def _fields(text: str) -> dict[str, Any]:
    try:
        members: Mapping[str, Any] = _members.decode(text)
    except (msgspec.MsgspecError, RecursionError):  # NaN, a lone surrogate, a depth
        known = decoded(text)
        return {key: frozen(value) for key, value in known.items()} if isinstance(known, dict) else {}
    return {key: _value(raw) for key, raw in members.items()}


def _value(raw: msgspec.Raw) -> Any:
    text = bytes(raw)
    return msgspec.Raw(text) if text[:1] and text[0] in _PASSED_ON else msgspec.json.decode(text)


def _details(details: msgspec.Raw, clock: ServerClock) -> msgspec.Raw:
    known = decoded(bytes(details).decode())
    if not isinstance(known, dict) or _STARTED not in known:
        return details
    return msgspec.Raw(encode({**known, _STARTED: in_utc(known[_STARTED], clock)}))
