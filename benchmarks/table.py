"""Rows of the one table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number. `bound` is what it may be at most; None where the row is only there to be read."""

    name: str
    value: float
    unit: str
    bound: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.value / self.bound if self.bound else None

    def cells(self) -> tuple[str, ...]:
        bound = "" if self.bound is None else f"{_short(self.bound)} {self.unit}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = "" if self.bound is None else "ok" if self.value <= self.bound else "miss"
        return self.name, f"{_short(self.value)} {self.unit}", bound, ratio, verdict


def table(rows: Iterable[Row]) -> str:
    """Name, value, bound, value/bound, verdict; text, aligned."""
    lines = [("name", "value", "bound", "ratio", ""), *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(5)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"{name:<{widths[0]}}  {value:>{widths[1]}}  {bound:>{widths[2]}}  {ratio:>{widths[3]}}  {verdict}".rstrip()
        for name, value, bound, ratio, verdict in lines
    )


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
