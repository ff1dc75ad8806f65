"""What agents hand around is whatever JSON they like: here it becomes JSON text, or the text that it is.

The wire's own text is cut out where that is possible, which costs a fifth of decoding it. Nothing here raises.
"""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from ..core.split import decoded

NOTHING = msgspec.Raw(b"null")


def json_text(value: Any) -> str | None:
    """`value` as JSON text; None for None, and for what is nested too deep. NaN, which JSON has not, is null."""
    if value is None:
        return None
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))  # as on the wire
    except ValueError:
        return json_text(_without_nan(value))
    except RecursionError:
        return None


def text_or_json(value: Any) -> str | None:
    """A text as it is, and anything else as JSON text."""
    return value if isinstance(value, str) else json_text(value)


def raw_json_text(raw: msgspec.Raw) -> str | None:
    """As `json_text`, of a part of a message that `msgspec` cut out."""
    text = bytes(raw).decode()
    if text == "null":
        return None
    return (json_text(decoded(text)) or text) if "\\u" in text else text


def _without_nan(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case list():
            return [_without_nan(each) for each in value]
        case dict():
            return {key: _without_nan(each) for key, each in value.items()}
        case _:
            return value
