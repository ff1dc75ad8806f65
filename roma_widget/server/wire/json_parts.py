"""JSON objects taken apart and put together as text: a frame of megabytes is passed on without being decoded."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec

from roma_widget.server.wire.records import compact_json

_raw_values = msgspec.json.Decoder(dict[str, msgspec.Raw])


def split_object(text: bytes) -> dict[str, bytes]:
    """The values of a JSON object by key, each as JSON text."""
    try:
        return {key: bytes(raw) for key, raw in _raw_values.decode(text).items()}
    except msgspec.DecodeError:  # a recorded server wrote NaN
        return {key: compact_json(value) for key, value in json.loads(text).items()}


def join_object(parts: Mapping[str, bytes]) -> bytes:
    """The object of these members."""
    return b"{" + b",".join(compact_json(key) + b":" + value for key, value in parts.items()) + b"}"


def with_member(text: bytes, key: str, value: bytes) -> bytes:
    """The object with one more member at its end."""
    separator = b"" if text == b"{}" else b","
    return b"".join((text[:-1], separator, compact_json(key), b":", value, b"}"))
