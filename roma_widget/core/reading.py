"""Reading fields out of untrusted values: the wanted type, or None and a line in the report."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from .clock import parse_time

LONGEST_ID = 20_000
MOST_PROBLEMS = 20
_SHOWN = 40


class Problems:
    """What was refused in one message, by path. Bounded; what does not fit is counted."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.count = 0

    def add(self, path: str, message: str) -> None:
        self.count += 1
        if len(self.lines) < MOST_PROBLEMS:
            self.lines.append(f"{shorten(path, 120)}: {message}")

    def repeat(self, lines: tuple[str, ...]) -> None:
        """Say again what was said of a part that has not changed."""
        self.count += len(lines)
        self.lines.extend(lines[: max(0, MOST_PROBLEMS - len(self.lines))])

    def sentences(self) -> tuple[str, ...]:
        left_out = self.count - len(self.lines)
        return (*self.lines, f"and {left_out} more") if left_out else tuple(self.lines)


class Fields:
    """The fields of one object, each asked for by the type it should have."""

    def __init__(self, values: dict[str, Any], path: str, problems: Problems) -> None:
        self._values = values
        self._path = path
        self._problems = problems

    def text(self, name: str) -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            return clean(value)
        self._refuse(name, "a string", value)
        return None

    def identifier(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and len(value) > LONGEST_ID:
            self._problems.add(f"{self._path}.{name}", f"an id of {len(value):,} characters was skipped")
            return None
        return value

    def whole(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
            return value
        if isinstance(value, float) and math.isfinite(value) and value == int(value) and abs(value) < 2**53:
            return int(value)
        self._refuse(name, "a whole number", value)
        return None

    def amount(self, name: str) -> float | None:
        """A finite number from 0 on."""
        value = self._values.get(name)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53:
            return float(value)
        self._refuse(name, "a number from 0 on", value)
        return None

    def time(self, name: str) -> datetime | None:
        value = self._values.get(name)
        try:
            return parse_time(value)
        except (ValueError, OverflowError):
            self._refuse(name, "a time", value)
            return None

    def mapping(self, name: str) -> dict[str, Any] | None:
        value = self._values.get(name)
        if value is None or isinstance(value, dict):
            return value
        self._refuse(name, "an object", value)
        return None

    def items(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is None:
            return []
        if isinstance(value, list):
            return value
        self._refuse(name, "a list", value)
        return []

    def ids(self, name: str) -> tuple[str, ...]:
        ids = []
        for place, value in enumerate(self.items(name)):
            if isinstance(value, str) and len(value) <= LONGEST_ID:
                ids.append(clean(value))
            else:
                self._refuse(f"{name}[{place}]", "an id", value)
        return tuple(ids)

    def _refuse(self, name: str, wanted: str, value: object) -> None:
        self._problems.add(f"{self._path}.{name}", f"expected {wanted}, got {kind(value)}")


def kind(value: object) -> str:
    """What a JSON value is, in words and bounded: `a list`, `the number 1e+400`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        text = (
            f"{value:.6g}"
            if isinstance(value, float)
            else str(value)[:_SHOWN]
            if abs(value) < 10**40
            else "a huge one"
        )
        return f"the number {text}"
    if isinstance(value, str):
        return f"the text {shorten(value, _SHOWN)!r}"
    return "a list" if isinstance(value, list) else "an object"


def shorten(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def cut(text: str | None, limit: int) -> str | None:
    """`shorten` for what may be missing."""
    return None if text is None else shorten(text, limit)


def clean(text: str) -> str:
    """Text without lone surrogates, which no encoder further down would take."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def hide(text: str, secrets: Iterable[str]) -> str:
    """`text` without `secrets`, also where a cut left only the beginning of one."""
    for secret in secrets:
        text = text.replace(secret, "…")
        for kept in range(len(secret) - 1, 3, -1):
            text = text.replace(secret[:kept] + "…", "…")
    return text
