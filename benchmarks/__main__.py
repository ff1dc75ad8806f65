"""`python -m benchmarks [--quick] [NAME ...]`: measure and print one table.

Without a name it is the one table: every promise with its bound, and beside it what others need in the same run. That
is written as build/benchmarks.json and, unless it was quick, into docs/benchmarks.md. Misses are no failure; a crash
is (exit code 1).
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from . import lab
from .driver import CLONE
from .machine import machine
from .promises import PARTS, crashed
from .report import BEGIN, END, Report, write_between, write_json
from .size import FULL, QUICK, Size
from .table import Growth, Row, growths, table

JSON = CLONE / "build" / "benchmarks.json"
DOCS = CLONE / "docs" / "benchmarks.md"

SIZED = {
    "import": "imports",
    "receive": "receive",
    "to_browser": "to_browser",
    "tasks": "tables",
    "memory": "memory",
    "graph": "graph",
    "pixels": "pixels",
    "reload": "reloads",
    "click": "clicks",
    "questions": "questions",
    "browser": "browser",
    "dask": "analysis_at_scale",
}
OTHERS = {
    "archive": "archive",
    "captures": "captures",
    "wire": "wire",
    "relay": "relay",
    "redis": "redis_manager",
    "scale": "scale",
}
"""Have one size only: `--quick` does not touch them. `redis` and `scale` write into docs/scale.md."""
WRITES = "dask (without --quick), redis and scale write what they find into docs/scale.md."
MOST_S = 420.0
"""Of one part."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0], epilog=WRITES
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*SIZED, *OTHERS]))
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"small sizes: whether it works, not how fast it is; {', '.join(OTHERS)} have one size only",
    )
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in SIZED and name not in OTHERS]
    if unknown:
        parser.error(f"No benchmark is named {unknown[0]!r}; there are: {', '.join([*SIZED, *OTHERS])}.")
    size = QUICK if chosen.quick else FULL
    described = {} if chosen.names else machine()
    measured = {name: _measured(name, size) for name in chosen.names or PARTS}
    report = reported(described, measured)
    if chosen.names:
        print(table(report.rows), growths(report.growths), sep="\n\n")
    else:
        print(report.text())
        write_json(report, JSON)
        if not chosen.quick:
            write_between((BEGIN, END), report.markdown(), DOCS)
    return int(any(found is None for found, _ in measured.values()))


Found = list[Row | Growth] | None


def reported(described: dict[str, str], measured: dict[str, tuple[Found, float]]) -> Report:
    """What a part that crashed was to answer stands in the table as not measured."""
    found: list[Row | Growth] = []
    for name, (part, _) in measured.items():
        found += [crashed(key) for key in PARTS.get(name, ())] if part is None else part
    return Report(
        described,
        [one for one in found if isinstance(one, Row)],
        [one for one in found if isinstance(one, Growth)],
        {name: taken_s for name, (_, taken_s) in measured.items()},
    )


@contextmanager
def ended_after(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the midst of what takes longer: one part that hangs is not to take the table with it."""

    def end(*_: object) -> NoReturn:
        raise TimeoutError(f"not done within {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _measured(name: str, size: Size) -> tuple[Found, float]:
    """What one part found, None where it crashed: the others are still worth their table. And its seconds."""
    began_s = time.monotonic()
    found: Found = None
    try:
        with ended_after(MOST_S):
            found = list(_part(name, size))
    except Exception:
        traceback.print_exc()
    taken_s = time.monotonic() - began_s
    print(f"{name}: {taken_s:.0f} s", file=sys.stderr)
    return found, taken_s


def _part(name: str, size: Size) -> Iterator[Row | Growth]:
    module = importlib.import_module(f".{(SIZED | OTHERS)[name]}", __package__)
    if hasattr(module, "measure_in"):
        yield from lab.measured(module, size)
        return
    measure: Callable[..., Iterable[Row | Growth]] = module.measure
    yield from measure(size) if name in SIZED else measure()


if __name__ == "__main__":
    sys.exit(main())
