"""How a moment may be named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest

from roma_widget.core.when import read_when

FIRST = datetime(2026, 1, 1, 22, 0, 1, tzinfo=UTC)
LAST = datetime(2026, 1, 2, 2, 0, 0, tzinfo=UTC)
START = datetime(2026, 1, 1, 22, tzinfo=UTC)


def at(*date: int) -> datetime:
    return datetime(2026, 1, *date, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (at(1, 23), at(1, 23)),
        (datetime(2026, 1, 1, 23), at(1, 23)),
        (at(1, 23).astimezone(timezone(timedelta(hours=5))), at(1, 23)),
        (pd.Timestamp("2026-01-01T23:00:00Z"), at(1, 23)),
        ("2026-01-01T23:00:00.5Z", at(1, 23, 0, 0, 500_000)),
        ("2026-01-02 01:00:00+02:00", at(1, 23)),
        ("2026-01-01 23:00", at(1, 23)),
        ("2026-01-02", at(2)),
        (90, at(1, 22, 1, 30)),
        (0.5, at(1, 22, 0, 0, 500_000)),
        (np.int64(3_600), at(1, 23)),
        (-1, at(1, 21, 59, 59)),
        ("23:00", at(1, 23)),
        (" 23:00:10.25 ", at(1, 23, 0, 10, 250_000)),
        ("1:30", at(2, 1, 30)),  # the run went on into the next day
        ("01:30:00+02:00", at(1, 23, 30)),
        ("03:00", at(1, 3)),  # but not until then: before the run, which is an error of whoever asked
    ],
)
def test_a_moment_has_many_names(when: Any, expected: datetime) -> None:
    assert read_when(when, FIRST, LAST, START) == expected


@pytest.mark.parametrize(
    "when",
    [
        None,
        True,
        "",
        "soon",
        "25:00",
        "14:02:99",
        b"14:02",
        [],
        1j,
        float("nan"),
        float("inf"),
        1e300,
        pd.NaT,
        "9" * 999,
    ],
)
def test_what_is_no_time_says_what_is(when: Any) -> None:
    with pytest.raises(ValueError, match=r"A moment is a datetime, an ISO string, .*, not .{1,60}\.$"):
        read_when(when, FIRST, LAST, START)
