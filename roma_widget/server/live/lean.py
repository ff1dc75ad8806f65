"""A task as clients of the extension have it: without results, prompts and whatever else is large.

A lean node has the keys of ROMA's node but for `task_id` (the key it stands under), `full_result`, `aux_data`
and `execution_details`. What stands for these: `result_size` (bytes of the result's JSON, 0 while there is
none), `started` (when work began) and `needs` (ids of the tasks it depends on). Long texts are cut; `cut`
names their fields. An `overall_objective` that is the project's goal is left out. All of it can be asked for
(`request_task_result`).

The fields of a relay's task may be lean themselves, because another server has the rest (`STAND_INS`): what stands
for it there is passed on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from roma_widget.server.live.packing import plain
from roma_widget.server.wire.records import NODE_KEYS, STAND_INS, encode

LONGEST = 1000
"""Characters that a text keeps."""
SUMMARY = 200
"""Characters that `output_summary` keeps: on ROMA it may be the whole result."""
TEXTS = (
    "goal",
    "overall_objective",
    "output_summary",
    "error",
    "input_payload_summary",
    "agent_name",
    "model_display",
)
"""Fields that are cut when they are long. Ids never are."""
_NOT_SENT = frozenset({"task_id", "aux_data"})
_TEXTS = frozenset(TEXTS)

Fields = Mapping[str, Any]


def whole(fields: Fields, needs: tuple[str, ...], goal: str) -> dict[str, Any]:
    """All of a task. It has `needs`, which parts never have. `goal` is the project's."""
    node = part(fields, NODE_KEYS, goal)
    if fields["overall_objective"] == goal:
        del node["overall_objective"]
    node["needs"] = needs
    return node


def part(fields: Fields, changed: Iterable[str], goal: str) -> dict[str, Any]:
    """The fields that changed, and what follows from them."""
    node: dict[str, Any] = {}
    has_text = False
    for key in changed:
        if key in _TEXTS:
            has_text = True
            node[key] = _shown(fields, key, goal)
        elif key in ("full_result", "result_size"):
            node["result_size"] = fields.get("result_size", _size(fields["full_result"]))
        elif key in ("execution_details", "started"):
            node["started"] = fields.get("started", started_in(fields["execution_details"]))
        elif key == "cut":
            has_text = True
        elif key not in _NOT_SENT:
            node[key] = plain(fields[key])
    if has_text:
        node["cut"] = cut(fields, goal)
    return node


def cut(fields: Fields, goal: str) -> list[str]:
    """The fields of which a lean node has the beginning only."""
    cut_above = fields.get("cut", ())
    return [key for key in TEXTS if key in cut_above or _is_cut(fields, key, goal)]


def is_lean(fields: Fields) -> bool:
    """Has another server the rest of it?"""
    return fields.keys() >= STAND_INS


def _is_cut(fields: Fields, key: str, goal: str) -> bool:
    text = fields[key]
    if not isinstance(text, str) or len(text) <= _limit(key):
        return False
    return key != "overall_objective" or text != goal  # the goal is known whole


def _shown(fields: Fields, key: str, goal: str) -> Any:
    return fields[key][: _limit(key)] if _is_cut(fields, key, goal) else plain(fields[key])


def _limit(key: str) -> int:
    return SUMMARY if key == "output_summary" else LONGEST


def _size(result: Any) -> int:
    if result is None:
        return 0
    text = bytes(result) if isinstance(result, msgspec.Raw) else encode(result)
    return len(text) if text != b"null" else 0


class _Details(msgspec.Struct):
    processing_started: str | None = None


_details = msgspec.json.Decoder(_Details | None)


def started_in(details: Any) -> str | None:
    """Out of `execution_details`, where prompts may stand beside it."""
    if details is None:
        return None
    try:
        known = _details.decode(details if isinstance(details, msgspec.Raw) else encode(details))
    except msgspec.MsgspecError:  # whatever an agent that is not ours puts there
        return None
    return known.processing_started if known is not None else None
