"""Recordings of the real server, whose frames of 200 kB have a cost of their own beside that of their bytes."""

from __future__ import annotations

from collections.abc import Iterator

from . import receive, to_browser
from .table import Row


def measure() -> Iterator[Row]:
    yield from receive.measure_captures()
    yield from to_browser.measure_captures()
