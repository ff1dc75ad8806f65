"""`python -m benchmarks [NAME ...]`: measure, print one table. Misses are not failures; a crash is (exit code 1)."""

from __future__ import annotations

import importlib
import sys
import time
import traceback

from .table import Row, table

NAMES = ("imports", "tables", "to_browser", "receive", "memory", "pixels")


def main() -> int:
    wanted = sys.argv[1:] or list(NAMES)
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"No benchmark is named {unknown[0]!r}; there are: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    rows: list[Row] = []
    crashed = False
    for name in wanted:
        began = time.monotonic()
        try:
            rows += importlib.import_module(f".{name}", __package__).measure()
        except Exception:  # the others are still worth their table
            crashed = True
            traceback.print_exc()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(table(rows))
    return int(crashed)


if __name__ == "__main__":
    sys.exit(main())
