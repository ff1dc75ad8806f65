"""`python -m benchmarks scale`: what a crowd would cost, simulated; writes the table of docs/scale.md.

`python -m benchmarks.scale --read-frame-s 0.06 …` prints the table with numbers of another machine and writes nothing:
each of `arrangements.Coefficients` is an option.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import fields, replace

from .arrangements import Coefficients, bears, most_borne, outcome
from .scale_page import write
from .simulated import Outcome
from .table import Row, markdown, short

CROWDS = {
    "ROMA's server alone": (10, 100),
    "relays of 1,000": (100, 1_000, 10_000, 100_000, 1_000_000),
    "relays of 4,000": (10_000, 100_000, 1_000_000),
    "Redis manager": (10, 100, 1_000),
    "broker, edges of 1,000": (10_000, 1_000_000),
}
BORNE = ("ROMA's server alone", "Redis manager", "relays of 1,000")
MOST_WATCHERS = 1_000_000
MEASURED = {
    ("relays of 1,000", 1_000): ("17 %", "113 ms", "167 ms"),
    ("relays of 4,000", 2_000): ("26 %", "126 ms", "960 ms"),
    ("relays of 4,000", 4_000): ("45 %", "209 ms", "2,417 ms"),
    ("relays of 250", 1_000): ("8 %", "143 ms", "183 ms"),
}
"""docs/benchmarks.md, "A crowd behind relays": the first relay's core, median, p95."""
FASTER = 10
"""A card of 10 Gbit/s beside that of 1 Gbit/s."""
HEAD = (
    "simulated",
    "watchers",
    "behind each other",
    "core of each, %",
    "each sends, MB/s",
    "median",
    "p95",
    "",
)


def measure() -> Iterator[Row]:
    of = Coefficients()
    write("scale", words(of))
    for name, watchers, found in outcomes(of):
        beside = {
            "median": 1000 * found.median_s,
            "busiest core %": 100 * max(load.cpu for load in found.loads),
            "stations": sum(load.stations for load in found.loads),
        }
        yield Row(
            f"simulated: {name}, {watchers:,} watchers: delay, p95", _p95_ms(found), "ms", beside=beside
        )


def outcomes(of: Coefficients) -> Iterator[tuple[str, int, Outcome]]:
    for name, crowds in CROWDS.items():
        for watchers in crowds:
            yield name, watchers, outcome(name, watchers, of)


def words(of: Coefficients) -> str:
    """What stands between the markers: each crowd, and the largest that each arrangement bears."""
    lines = [HEAD, *(_line(name, watchers, found) for name, watchers, found in outcomes(of))]
    return "\n\n".join(map(markdown, (lines, _borne(of), _beside_measured(of))))


def _borne(of: Coefficients) -> list[tuple[str, ...]]:
    faster = replace(of, card_bytes_per_s=FASTER * of.card_bytes_per_s)
    head = ("simulated: the largest crowd borne", "with cards of 1 Gbit/s", "of 10 Gbit/s")
    return [head, *((name, _most(name, of), _most(name, faster)) for name in BORNE)]


def _beside_measured(of: Coefficients) -> list[tuple[str, ...]]:
    lines: list[tuple[str, ...]] = [
        ("", "core of the first relay: simulated", "measured", "median", "measured", "p95", "measured")
    ]
    for (name, watchers), (core, median, p95) in MEASURED.items():
        found = outcome(name, watchers, of)
        lines.append(
            (
                f"{name}, {watchers:,} watchers",
                f"{100 * found.loads[1].cpu:.0f} %",
                core,
                f"{1000 * found.median_s:,.0f} ms",
                median,
                f"{1000 * found.p95_s:,.0f} ms",
                p95,
            )
        )
    return lines


def _line(name: str, watchers: int, found: Outcome) -> tuple[str, ...]:
    hidden = "" if found.keeps_up else "–"
    return (
        name,
        f"{watchers:,}",
        " → ".join(f"{load.stations:,} × {load.fan_out:,}" for load in found.loads),
        " → ".join(f"{100 * load.cpu:,.0f}" for load in found.loads),
        " → ".join(short(load.sent_bytes_per_s / 1e6) for load in found.loads),
        hidden or f"{1000 * found.median_s:,.0f} ms",
        hidden or f"{1000 * found.p95_s:,.0f} ms",
        "" if bears(found) else "late" if found.keeps_up else "falls behind",
    )


def _most(name: str, of: Coefficients) -> str:
    found = most_borne(name, of, MOST_WATCHERS)
    return f"more than {found:,}" if found == MOST_WATCHERS else f"{found:,}"


def _p95_ms(found: Outcome) -> float:
    return 1000 * found.p95_s if found.keeps_up else float("inf")


def above_zero(text: str) -> float:
    """An option's number. Raises argparse.ArgumentTypeError, which is one sentence to the person."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"it takes a finite number above zero, not {text!r}.")
    return number


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.scale", description=(__doc__ or "").splitlines()[0]
    )
    for each in fields(Coefficients):
        parser.add_argument(
            f"--{each.name.replace('_', '-')}", type=above_zero, default=each.default, metavar="X"
        )
    print(words(Coefficients(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
