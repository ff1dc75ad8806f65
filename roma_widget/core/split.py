"""Splits the text of a JSON object into its members, reusing what is known from the text before it.

Every frame of a ROMA server is a whole snapshot, and most of it is the frame before. So nothing here decodes a
frame: it walks the members of an object with the last frame's member texts in hand (`text.startswith(known, at)`
is a memcmp) and decodes a value only where it differs. A value that cannot be decoded (nested too deep, a number
of 5,000 digits) is still skipped over, so that one bad value never hides its neighbours.

What the members mean is `wire`'s business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .reading import clean

# possessive: without the second + each character of a string costs 125 bytes of backtracking marks
_KEY = re.compile(r'\s*("(?:[^"\\]++|\\.)*+")\s*:\s*', re.DOTALL)
_SPACE = re.compile(r"\s*")
_NEXT = re.compile(r"\s*([,}])")
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_SCALAR_END = re.compile(r"[\s,}\]]")
_decoder = json.JSONDecoder(strict=False)

NO_MEMBERS: Mapping[str, str] = MappingProxyType({})


class Malformed(ValueError):
    """The text is not a JSON object; the message says where it stops being one."""


@dataclass(slots=True)
class Members:
    """The members of one object: each one's own text, and the decoded value of those that are not in `known`.

    `undecodable` maps a key to why its value cannot be decoded. `nested` holds the members of the members that
    the caller asked to descend into.
    """

    texts: dict[str, str] = field(default_factory=dict)
    decoded: dict[str, Any] = field(default_factory=dict)
    undecodable: dict[str, str] = field(default_factory=dict)
    duplicates: list[str] = field(default_factory=list)
    nested: dict[str, Members] = field(default_factory=dict)
    end: int = 0


def members(
    text: str,
    start: int = 0,
    known: Mapping[str, str] = NO_MEMBERS,
    descend: Mapping[str, Mapping[str, str]] | None = None,
    leave: Container[str] = (),
) -> Members:
    """Split the object that begins at `start`.

    `descend` names members to split one level deeper where they are not as `known`, with what is known of each;
    `leave` names members whose text is kept but never decoded. Raises `Malformed`.
    """
    found = Members()
    at = _skip(text, start)
    if not text.startswith("{", at):
        raise Malformed(f"expected an object at character {at}, got {text[at : at + 20]!r}")
    at = _skip(text, at + 1)
    if text.startswith("}", at):
        found.end = at + 1
        return found
    while True:
        key_match = _KEY.match(text, at)
        if key_match is None:
            raise Malformed(f"expected a name and a colon at character {at}, got {text[at : at + 20]!r}")
        key = _key(key_match[1])
        at = key_match.end()
        if key in found.texts or key in found.nested:
            found.duplicates.append(key)
            _forget(found, key)
        last = known.get(key)
        if last is not None and text.startswith(last, at) and _whole(text, at + len(last), last):
            found.texts[key] = last
            at += len(last)
        else:
            at = _value(text, at, key, descend or {}, leave, found)
        next_match = _NEXT.match(text, at)
        if next_match is None:
            at = _skip(text, at)
            raise Malformed(
                f"expected a comma or the end of the object at character {at}, got {text[at : at + 20]!r}"
            )
        at = next_match.end()
        if next_match[1] == "}":
            found.end = at
            return found


def value_end(text: str, start: int) -> int:
    """The index after the JSON value at `start`, found by counting brackets: any depth, nothing decoded."""
    first = text[start : start + 1]
    if first in ("{", "["):
        depth = 0
        for token in _TOKEN.finditer(text, start):
            mark = token[0]
            if mark in ("{", "["):
                depth += 1
            elif mark in ("}", "]"):
                depth -= 1
                if depth == 0:
                    return token.end()
        raise Malformed(f"the value at character {start} has no end")
    if first == '"':
        token_match = _TOKEN.match(text, start)
        if token_match is None:
            raise Malformed(f"the string at character {start} has no end")
        return token_match.end()
    end_match = _SCALAR_END.search(text, start)
    end = end_match.start() if end_match else len(text)
    if end == start:
        raise Malformed(f"expected a value at character {start}")
    return end


def _value(
    text: str,
    at: int,
    key: str,
    descend: Mapping[str, Mapping[str, str]],
    leave: Container[str],
    found: Members,
) -> int:
    if key in descend and text.startswith("{", at):
        nested = members(text, at, descend[key])
        found.nested[key] = nested
        if not nested.duplicates:  # which must be reported again when they come again
            found.texts[key] = text[at : nested.end]
        return nested.end
    if key in leave:
        end = value_end(text, at)
    else:
        try:
            found.decoded[key], end = _decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            end = value_end(text, at)
            found.undecodable[key] = _why(error)
    found.texts[key] = text[at:end]
    return end


def _whole(text: str, end: int, value: str) -> bool:
    """Is `value` all of the value there, and not `1` before `12`?"""
    return value[-1] in '}]"' or _SCALAR_END.match(text, end) is not None


def _key(literal: str) -> str:
    if "\\" not in literal:
        return literal[1:-1]
    try:
        return str(json.loads(literal))
    except ValueError:
        return literal[1:-1]


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _forget(found: Members, key: str) -> None:
    for store in (found.texts, found.decoded, found.undecodable, found.nested):
        store.pop(key, None)


def _why(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deep to read"
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON ({error.msg})"
    return f"cannot be read ({error})"


def elements(text: str, start: int = 0) -> list[str]:
    """The texts of the values of the array that begins at `start`, nothing decoded. Raises `Malformed`."""
    at = _skip(text, start)
    if not text.startswith("[", at):
        raise Malformed(f"expected a list at character {at}, got {text[at : at + 20]!r}")
    at = _skip(text, at + 1)
    found: list[str] = []
    if text.startswith("]", at):
        return found
    while True:
        end = value_end(text, at)
        found.append(text[at:end])
        at = _skip(text, end)
        if text.startswith("]", at):
            return found
        if not text.startswith(",", at):
            raise Malformed(f"expected a comma or the end of the list at character {at}")
        at = _skip(text, at + 1)


class AllBut:
    """Every name but these; for `members(leave=…)`."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __contains__(self, name: object) -> bool:
        return name not in self._names


def member(text: str, name: str) -> Any:
    """One member of the object in `text`, decoded alone; None where there is none that can be read."""
    try:
        found = members(text, leave=AllBut(name)).decoded.get(name)
        return _cleaned(found) if "\\u" in text else found
    except (Malformed, RecursionError):
        return None


def decoded(text: str) -> Any:
    """The value of a JSON text, `NaN` and raw control characters included; None where it cannot be read."""
    try:
        value = json.loads(text, strict=False)
        return _cleaned(value) if "\\u" in text else value
    except (ValueError, RecursionError):
        return None


def _cleaned(value: Any) -> Any:
    """`value` without lone surrogates in its texts. Raises RecursionError where it is nested too deep."""
    match value:
        case str():
            return clean(value)
        case list():
            return [_cleaned(each) for each in value]
        case dict():
            return {clean(key): _cleaned(each) for key, each in value.items()}
        case _:
            return value
