"""How things are written for a person."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime

import pytest

from roma_widget.core.model import Status
from roma_widget.core.text import (
    clock_text,
    count_text,
    date_text,
    duration_text,
    one_line,
    status_glyph,
    status_word,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "—"),
        (math.nan, "—"),
        (math.inf, "—"),
        (-1, "—"),
        (0, "0.0 s"),
        (5.3, "5.3 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (17.2, "17 s"),
        (59.4, "59 s"),
        (59.6, "1:00"),
        (73, "1:13"),
        (3599.7, "1:00:00"),
        (3723, "1:02:03"),
        (3_600_000, "1,000:00:00"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


def test_counts() -> None:
    assert [count_text(n, "failed task") for n in (0, 1, 1000)] == [
        "0 failed tasks",
        "1 failed task",
        "1,000 failed tasks",
    ]
    assert count_text(1_234_567) == "1,234,567"


def test_times() -> None:
    moment = datetime(2026, 11, 2, 9, 5, 7, 999_999, tzinfo=UTC)
    assert clock_text(moment) == "09:05:07"
    assert date_text(moment) == "2 November 2026"


@pytest.mark.parametrize(
    ("text", "limit", "line"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("two words", 5, "two…"),
        (" a\n\tb \r\n c ", 80, "a b c"),
        ("\x00\x1b[31m", 80, "\ufffd\ufffd[31m"),
        ("half \ud83d", 80, "half \ufffd"),
        ("", 80, ""),
        ("a" + " " * 1000 + "b", 80, "a…"),
    ],
)
def test_one_line(text: str, limit: int, line: str) -> None:
    assert one_line(text, limit) == line
    one_line(text, limit).encode()


def test_a_huge_text_costs_no_more_than_its_start() -> None:
    huge = "x y\n" * 10_000_000
    start = time.perf_counter()
    assert len(one_line(huge, 80)) <= 80
    assert time.perf_counter() - start < 0.05


def test_every_status_has_a_word_and_a_glyph_of_its_own() -> None:
    assert len({status_word(status) for status in Status}) == len(Status)
    assert len({status_glyph(status) for status in Status}) == len(Status)
    assert status_word(Status.PLAN_DONE) == "planned"
    assert (status_word("ON_HOLD"), status_glyph("ON_HOLD")) == ("ON_HOLD", "?")
    assert len(status_word("X" * 1000)) == 40
