"""How numbers, times, statuses and strangers' text are written for a person. Plain text: no HTML, no colours.

Unknown is `UNKNOWN`, never 0 or "". Nothing here knows what the text is put into; escaping is the caller's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from .model import Status

UNKNOWN = "—"
ELLIPSIS = "…"
GONE = "[redacted]"
"""Stands where something was taken out for good."""
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip  # strftime("%B") follows the locale of the machine

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

# Characters of common fonts that no system turns into emoji; U+FE0E asks for text where one might.
_GLYPHS: Mapping[str, str] = MappingProxyType(
    {
        Status.PENDING: "○",
        Status.READY: "▷",
        Status.RUNNING: "▶\ufe0e",
        Status.PLAN_DONE: "≺",
        Status.AGGREGATING: "≻",
        Status.DONE: "✓",
        Status.FAILED: "✕",
        Status.NEEDS_REPLAN: "↻",
        Status.CANCELLED: "⊘",
    }
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        Status.PENDING: "pending",
        Status.READY: "ready",
        Status.RUNNING: "running",
        Status.PLAN_DONE: "planned",
        Status.AGGREGATING: "aggregating",
        Status.DONE: "done",
        Status.FAILED: "failed",
        Status.NEEDS_REPLAN: "needs replan",
        Status.CANCELLED: "cancelled",
    }
)


def duration_text(seconds: float | None) -> str:
    """`seconds` as "5.3 s", "17 s", "1:13" (minutes) or "1:02:03" (hours); "—" when unknown or negative.

    Example: `duration_text(73.2) == "1:13"`
    """
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return UNKNOWN
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, s = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{s:02d}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}:{minutes:02d}:{s:02d}"


def count_text(n: int, noun: str = "") -> str:
    """`n` with a comma at the thousands, and `noun` (given in the singular) if there is one.

    Example: `count_text(1000, "task") == "1,000 tasks"`
    """
    if not noun:
        return f"{n:,}"
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def clock_text(time: datetime) -> str:
    """The time of day as "20:50:56", in the zone that `time` is in."""
    return f"{time:%H:%M:%S}"


def date_text(time: datetime) -> str:
    """The day as "22 November 2026", in the zone that `time` is in and in English on every machine."""
    return f"{time.day} {MONTHS[time.month - 1]} {time.year}"


def one_line(text: str, limit: int) -> str:
    """A stranger's text on one line of at most `limit` characters, the last an ellipsis where it was cut.

    White space becomes single blanks; control characters and lone surrogates, which neither JSON nor UTF-8
    can carry safely, become U+FFFD. Example: `one_line("a\\n  b", 80) == "a b"`
    """
    start = text[: limit * 4 + 64]  # a megabyte of text costs no more than what is shown of it
    line = UNPRINTABLE.sub("\ufffd", " ".join(start.split()))
    if len(line) <= limit and len(start) == len(text):
        return line
    return line[: limit - 1].rstrip() + ELLIPSIS


def status_word(status: Status | str) -> str:
    """The word for a status: "done", "planned", ...; the server's own (at most 40 characters) if unknown."""
    return _WORDS.get(status) or one_line(status, 40)


def status_glyph(status: Status | str) -> str:
    """One character for a status, so that colour is never its only sign; "?" for a status we do not know."""
    return _GLYPHS.get(status, "?")
