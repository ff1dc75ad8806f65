"""What a person passes to the functions that report, checked when it is passed: TypeError or ValueError with one
sentence, and nothing was reported.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from numbers import Integral
from typing import Any, TypeVar

from roma_widget.core.arguments import as_number
from roma_widget.server.wire.records import clean_text

_T = TypeVar("_T")
_PLAIN = (str, bytes, bytearray)
"""They can be gone through, letter by letter, which nobody means."""


def text_of(value: object, what: str) -> str:
    """A text. `what` names it in the sentence."""
    if not isinstance(value, str):
        raise TypeError(f"{what} takes a text, not {type(value).__name__}.")
    return clean_text(value)


def text_or_none(value: object, what: str) -> str | None:
    return None if value is None else text_of(value, what)


def texts_of(value: object, what: str) -> tuple[str, ...]:
    """Several texts; one alone has to stand in a list."""
    texts = members_of(value, what, "a list of texts")
    return tuple(text_of(text, f"each of {what}") for text in texts)


def members_of(value: object, what: str, which: str) -> tuple[Any, ...]:
    """What a list, or anything else that can be gone through, holds. `which` says what was expected."""
    if isinstance(value, _PLAIN) or not isinstance(value, Iterable):
        raise TypeError(f"{what} takes {which}, not {type(value).__name__}.")
    return tuple(value)


def instances_of(value: object, kind: type[_T], what: str, which: str) -> tuple[_T, ...]:
    """Several of a kind, as the tasks that a task depends on."""
    for member in (members := members_of(value, what, which)):
        if not isinstance(member, kind):
            raise TypeError(f"{what} takes {which}, not {type(member).__name__}.")
    return members


def fields_of(value: object, what: str, example: str) -> Any:
    """A mapping, a dataclass, or a model of pydantic, as the clients of models' providers give."""
    dump = getattr(value, "model_dump", None)
    if callable(dump) and not isinstance(value, type):
        value = dump()
    if not isinstance(value, Mapping) and (isinstance(value, type) or not is_dataclass(value)):
        raise TypeError(f"{what} takes a mapping, {example}, not {type(value).__name__}.")
    return value


def seconds_of(value: object, what: str) -> float:
    """A duration, 0 or more and as long as threads can wait."""
    seconds = number_of(value, what, "seconds")
    if not 0 <= seconds <= threading.TIMEOUT_MAX:
        raise ValueError(f"{what} takes seconds from 0 on, not {seconds:g}.")
    return seconds


def number_of(value: object, what: str, unit: str) -> float:
    """A number, of numpy too; NaN is none."""
    number = as_number(value)
    if number is None:
        raise TypeError(f"{what} takes {unit}, a number, not {type(value).__name__}.")
    if math.isnan(number):
        raise ValueError(f"{what} takes {unit}, a number, not {number}.")
    return number


def whole_number_of(value: object, what: str, least: int | None = None) -> int:
    """A whole number, from `least` on where there is one."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{what} takes a whole number, not {type(value).__name__}.")
    number = int(value)
    if least is not None and number < least:
        raise ValueError(f"{what} takes a whole number from {least} on, not {number}.")
    return number
