"""What is measured: rows of the one table, and growths. Values and words: nothing here measures or writes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

HEAD = ("what", "measured", "spread", "bound", "ratio", "", "beside it, in the same run")


@dataclass(frozen=True, slots=True)
class Spread:
    """The least and the most of `count` repetitions, in the row's unit."""

    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        return cls(min(values), max(values), len(values))

    def __str__(self) -> str:
        return f"{short(self.least)} … {short(self.most)} of {self.count}"


@dataclass(frozen=True, slots=True)
class Row:
    """One measured number.

    `bound` is what it may be at most; None where the row is only there to be read. `beside` has what others need for
    the same, in the same unit. `promise` is the key of `promises.PROMISES` that the row answers. A `value` of None says
    that the measurement crashed. `note` is a sentence that belongs to the number. `is_shown`: it stands in the one
    table without being promised.
    """

    name: str
    value: float | None
    unit: str
    bound: float | None = None
    spread: Spread | None = None
    beside: Mapping[str, float] = field(default_factory=dict)
    promise: str | None = None
    note: str = ""
    is_shown: bool = False

    @property
    def ratio(self) -> float | None:
        return self.value / self.bound if self.bound and self.value is not None else None

    @property
    def verdict(self) -> str:
        """ "pass", "miss", "crash", or nothing where nothing is promised."""
        if self.value is None:
            return "crash"
        if self.bound is None:
            return ""
        return "pass" if self.value <= self.bound else "miss"

    def cells(self) -> tuple[str, ...]:
        beside = ", ".join(f"{name} {short(value)}" for name, value in self.beside.items())
        return (
            self.name,
            "" if self.value is None else f"{short(self.value)} {self.unit}".strip(),
            "" if self.spread is None else str(self.spread),
            "" if self.bound is None else f"≤ {short(self.bound)} {self.unit}".strip(),
            "" if self.ratio is None else f"{self.ratio:.2f}",
            self.verdict,
            "; ".join(words for words in (beside, self.note) if words),
        )


@dataclass(frozen=True, slots=True)
class Growth:
    """How one cost grows with the number of tasks: for each who has it, the cost at each n."""

    name: str
    unit: str
    costs: Mapping[str, Mapping[int, float]]

    def cells(self) -> list[tuple[str, ...]]:
        sizes = sorted({n for points in self.costs.values() for n in points})
        head = (f"{self.name}, {self.unit}", *(f"n = {n:,}" for n in sizes), "exponent")
        return [head, *(self._line(who, sizes) for who in self.costs)]

    def exponent(self, who: str) -> float | None:
        """The k of cost = c × n^k that fits best; None below two sizes."""
        return exponent(self.costs[who])

    def _line(self, who: str, sizes: list[int]) -> tuple[str, ...]:
        points, power = self.costs[who], self.exponent(who)
        costs = (short(points[n]) if n in points else "" for n in sizes)
        return who, *costs, "" if power is None else f"{power:.2f}"


def exponent(points: Mapping[int, float]) -> float | None:
    """The k of cost = c × n^k that fits best: least squares in log-log, of what came at all.

    None below two sizes with a cost above zero.
    """
    logs = [(math.log(n), math.log(cost)) for n, cost in points.items() if n > 0 and 0 < cost < math.inf]
    if len(logs) < 2:
        return None
    return statistics.linear_regression(*zip(*logs, strict=True)).slope


def table(rows: Iterable[Row]) -> str:
    """As text: one line a row, columns aligned."""
    return _aligned([HEAD, *(row.cells() for row in rows)])


def growths(parts: Iterable[Growth]) -> str:
    return "\n\n".join(_aligned(part.cells()) for part in parts)


def markdown(lines: Sequence[tuple[str, ...]]) -> str:
    """The same lines as a table of Markdown; the first is the head."""
    rule = ("---", *("--:" for _ in lines[0][1:]))
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))


def _aligned(lines: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join("  ".join(_padded(line, widths)).rstrip() for line in lines)


def _padded(line: tuple[str, ...], widths: list[int]) -> list[str]:
    """Names to the left, as what stands beside a row; numbers to the right."""
    last = len(HEAD) - 1
    return [
        f"{cell:<{width}}" if place in {0, last} else f"{cell:>{width}}"
        for place, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]


def short(number: float) -> str:
    """Three digits, or "never" for what did not come."""
    if math.isinf(number):
        return "never"
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
