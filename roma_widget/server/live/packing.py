"""How a message of the extension is packed: MessagePack, and gzip around it where that is worth its time.

The receiver tells by the first two bytes: gzip begins with 1f 8b, and no MessagePack map does.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import msgspec

from roma_widget.server.wire.records import encode

GZIP_ABOVE = 1000
"""Packed messages of more bytes than this are compressed; smaller ones would hardly shrink."""
_LEVEL = 5
"""Of zlib. 10,000 tasks (8 MB) take 63 ms and become 780 kB; at 1 it is 32 ms and 970 kB, at 6 95 ms and 720 kB."""
_GZIP = 31
"""zlib's `wbits` for a gzip container without name and time: the same message is the same bytes."""
_LOWEST, _HIGHEST = -(2**63), 2**64 - 1
"""The integers that MessagePack has."""

_encoder = msgspec.msgpack.Encoder()


def pack(message: dict[str, Any]) -> bytes:
    """`message`, made of what `plain` gives, as it goes over the wire."""
    packed = _encoder.encode(message)
    return zlib.compress(packed, _LEVEL, _GZIP) if len(packed) > GZIP_ABOVE else packed


def packed(value: dict[str, Any]) -> msgspec.Raw:
    """A part of a message, packed already."""
    return msgspec.Raw(_encoder.encode(value))


def plain(value: Any) -> Any:
    """A value of the records as MessagePack can carry it. JSON text is decoded, larger integers lose digits."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if _LOWEST <= value <= _HIGHEST else _as_float(value)
        case float():
            return value if math.isfinite(value) else None
        case list() | tuple():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case msgspec.Raw():
            return plain(msgspec.json.decode(value))
        case _:
            return plain(msgspec.json.decode(encode(value)))


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None
