"""The one table as text, as JSON, and between two markers of docs/benchmarks.md."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .table import HEAD, Growth, Row, growths, markdown, table

BEGIN = "<!-- the last run: `make bench` writes from here -->"
END = "<!-- to here -->"


@dataclass(frozen=True, slots=True)
class Report:
    machine: dict[str, str]
    rows: list[Row]
    growths: list[Growth]
    taken_s: dict[str, float]

    @property
    def promised(self) -> list[Row]:
        return [row for row in self.rows if row.promise is not None]

    @property
    def told(self) -> list[Row]:
        """The lines of the one table."""
        return [row for row in self.rows if row.promise is not None or row.is_shown]

    @property
    def misses(self) -> list[Row]:
        return [row for row in self.promised if row.verdict != "pass"]

    def text(self) -> str:
        return "\n\n".join((_words(self.machine), table(self.told), growths(self.growths), self._sum()))

    def markdown(self) -> str:
        parts = [
            _words(self.machine) + ".",
            markdown([HEAD, *(row.cells() for row in self.told)]),
            *(markdown(growth.cells()) for growth in self.growths),
            self._sum(),
        ]
        return "\n\n".join(parts)

    def json(self) -> dict[str, Any]:
        """Every row, also those that are no promise: see `docs/benchmarks.md`."""
        return {
            "machine": self.machine,
            "taken_s": self.taken_s,
            "rows": [
                {**asdict(row), "beside": _finite(row.beside), "ratio": row.ratio, "verdict": row.verdict}
                for row in self.rows
            ],
            "growths": [
                {**asdict(growth), "exponents": {who: growth.exponent(who) for who in growth.costs}}
                for growth in self.growths
            ],
        }

    def _sum(self) -> str:
        kept = len(self.promised) - len(self.misses)
        return (
            f"{kept} of {len(self.promised)} bounds are kept; measured in {sum(self.taken_s.values()):.0f} s."
        )


def write_json(report: Report, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report.json(), indent=1) + "\n", encoding="utf-8")


def write_between(markers: tuple[str, str], words: str, path: Path) -> None:
    """Replace what stands between the markers. Raises ValueError where they are not there."""
    page = path.read_text(encoding="utf-8")
    begin, end = markers
    if page.count(begin) != 1 or page.count(end) != 1 or page.index(end) < page.index(begin):
        raise ValueError(f"{path.name} needs one line {begin!r} and below it one line {end!r}.")
    head, tail = page[: page.index(begin) + len(begin)], page[page.index(end) :]
    path.write_text(f"{head}\n\n{words}\n\n{tail}", encoding="utf-8")


def _finite(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no infinity: null is what never came."""
    return {name: number if math.isfinite(number) else None for name, number in numbers.items()}


def _words(machine: dict[str, str]) -> str:
    return "; ".join(f"{name} {words}" for name, words in machine.items())
