"""Writes JSON texts anew with other strings in them; numbers and structure stay, and so does what need not change.

What cannot be decoded (nested too deep, a number of 5,000 digits) cannot be looked through: it is replaced whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.reading import clean
from ..core.split import AllBut, Malformed, members
from ..core.text import GONE

UNREADABLE = json.dumps(GONE)
_NOTHING = frozenset({"null", "true", "false", '""'})
Rewrite = Callable[[str, Any], Any]
"""The new value of the member of that name; the same object where nothing changes."""


def rewritten_object(text: str, rewrite: Rewrite, rename: Callable[[str], str]) -> tuple[str, int]:
    """`text`, an object, with each member's value as `rewrite(name, value)` has it; the same text where none changed.

    And how many of its values could not be decoded.

    A text that is no object becomes the JSON string "[redacted]".
    """
    try:
        found = members(text, leave=AllBut())
    except (Malformed, RecursionError):
        return UNREADABLE, 1
    parts: list[str] = []
    n_unreadable = 0
    changed = bool(found.duplicates)
    for name, value in found.texts.items():
        new, new_name = rewritten(value, partial(rewrite, name)), rename(name)
        changed = changed or new is not value or new_name != name
        n_unreadable += new is UNREADABLE
        parts.append(f"{_encoded(new_name)}: {new}")
    return ("{" + ", ".join(parts) + "}" if changed else text), n_unreadable


def rewritten(text: str, rewrite: Callable[[Any], Any]) -> str:
    """`text`, any JSON value, as `rewrite(value)` has it; the same text where that gives the same object."""
    if text in _NOTHING:
        return text
    try:
        reader = _Reader()
        value = reader.read(text)
        new = rewrite(value)
        return _encoded(new) if new is not value or reader.has_duplicates else text
    except (ValueError, RecursionError):
        return UNREADABLE


class _Reader:
    """Decodes one text, and notes whether a name came twice in an object, of which only the last is looked at."""

    def __init__(self) -> None:
        self.has_duplicates = False

    def read(self, text: str) -> Any:
        return json.loads(text, strict=False, object_pairs_hook=self._object)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        self.has_duplicates = self.has_duplicates or len(found) != len(pairs)
        return found


def _encoded(value: Any) -> str:
    return clean(json.dumps(value, ensure_ascii=False))
