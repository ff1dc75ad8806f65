"""JSON values that nobody can change any more, time stamps, and the keys of a node: what the server's records are
made of.

What an agent reports is frozen when it arrives: text and numbers as they are, everything else as its JSON text, so
that a list which the agent goes on changing does not change what was reported, and is not encoded a second time.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import msgspec

NODE_KEYS = (
    "task_id",
    "goal",
    "task_type",
    "node_type",
    "agent_name",
    "status",
    "layer",
    "parent_node_id",
    "overall_objective",
    "output_summary",
    "full_result",
    "error",
    "sub_graph_id",
    "planned_sub_task_ids",
    "input_payload_summary",
    "input_context_sources",
    "timestamp_created",
    "timestamp_updated",
    "timestamp_completed",
    "model_display",
    "model_info",
    "execution_details",
    "aux_data",
)
"""The 23 keys of a node on ROMA's wire, all of them always there."""
STAND_INS = frozenset({"result_size", "started", "cut"})
"""What a relay's task has besides, while its result, its details and the ends of its texts are on another server only
(`server.live.lean`)."""


def _foreign(value: Any) -> Any:
    """What msgspec does not know: numpy's and pandas' values say what they hold, everything else its `repr`."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)


_encoder = msgspec.json.Encoder(enc_hook=_foreign)


def now_iso() -> str:
    """The time as this server writes it: UTC, and it says so (ROMA writes naive local time)."""
    return datetime.now(UTC).isoformat()


def encode(value: Any) -> bytes:
    """`value` as JSON, whatever it is; NaN and infinities become null, which JSON has no word for."""
    try:
        return _encoder.encode(value)
    except Exception:  # a foreign object may raise what it likes when it is looked at
        return _encode_anything(value)


def compact_json(value: object) -> bytes:
    """`value` as ROMA writes it: no blanks, and NaN as it is."""
    return json.dumps(value, separators=(",", ":")).encode()


def frozen(value: Any) -> Any:
    """`value` as something immutable that `encode` takes: scalars as they are, all else as JSON text.

    What JSON does not know (a DataFrame, a model's object) is shown by its `repr`.
    """
    if value is None or isinstance(value, bool | int | msgspec.Raw):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return msgspec.Raw(encode(value))


def clean_text(text: str) -> str:
    """`text` without lone surrogates, which no UTF-8 can carry. Also turns a subclass of str into a str."""
    plain = str.__str__(text)  # an Enum's own `str` says its name
    return plain if plain.isascii() else plain.encode("utf-8", "replace").decode("utf-8")


def empty_frame(timestamp: str) -> bytes:
    """What a server sends while it has no current project."""
    return compact_json(
        {
            "all_nodes": {},
            "graphs": {},
            "overall_project_goal": None,
            "root_graph_id": None,
            "project_id": None,
            "current_project": None,
            "timestamp": timestamp,
        }
    )


def _encode_anything(value: Any) -> bytes:
    """The way for what msgspec refuses: lone surrogates, odd keys, circles, depths."""
    try:
        text = json.dumps(value, default=_opened, ensure_ascii=True)
        return _encoder.encode(_without_surrogates(json.loads(text)))
    except Exception:  # circles, depths, a `__repr__` that raises
        return _encoder.encode(_shown(value))


def _opened(value: Any) -> Any:
    """For `json`: what `msgspec` has made, or knows."""
    if isinstance(value, msgspec.Raw):
        return json.loads(bytes(value))
    return msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else _foreign(value)


def _shown(value: Any) -> str:
    try:
        return clean_text(repr(value))
    except Exception:  # a foreign `__repr__` may raise what it likes
        return f"<{type(value).__name__} that cannot be shown>"


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return clean_text(value)
        case list():
            return [_without_surrogates(item) for item in value]
        case dict():
            return {clean_text(key): _without_surrogates(item) for key, item in value.items()}
        case _:
            return value
