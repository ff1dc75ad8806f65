"""docs/scale.md: the places where benchmarks write what they found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .driver import CLONE
from .report import write_between
from .table import Row, markdown

PAGE = CLONE / "docs" / "scale.md"


def markers(name: str) -> tuple[str, str]:
    """Between which `python -m benchmarks NAME` writes."""
    return f"<!-- {name}: `python -m benchmarks {name}` writes from here -->", f"<!-- {name}: to here -->"


def write(name: str, words: str) -> None:
    write_between(markers(name), words, PAGE)


def write_measured(
    name: str, machine: Mapping[str, str], rows: Iterable[Row], *tables: list[tuple[str, ...]]
) -> None:
    """What it was measured on (`machine.machine()`, asked before), the rows as one table, and further tables."""
    on = "; ".join(f"{what} {words}" for what, words in machine.items() if what != "Chromium")
    lines = [("", "measured", "beside it"), *(_line(name, row) for row in rows)]
    write(name, "\n\n".join([f"{on}.", markdown(lines), *map(markdown, tables)]))


def _line(name: str, row: Row) -> tuple[str, ...]:
    what, measured, *_, beside = row.cells()
    return what.removeprefix(f"{name}: "), measured, beside
