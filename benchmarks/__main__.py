"""`python -m benchmarks [NAME ...]`: measure, print one table. Misses are not failures; a crash is (exit code 1)."""

from __future__ import annotations

import importlib
import sys
import time
import traceback

from .table import Row, table

MODULES = {
    "import": "imports",
    "tasks": "tables",
    "to_browser": "to_browser",
    "receive": "receive",
    "memory": "memory",
    "archive": "archive",
    "pixels": "pixels",
    "browser": "browser",
    "wire": "wire",
}


def main() -> int:
    wanted = sys.argv[1:] or list(MODULES)
    unknown = [name for name in wanted if name not in MODULES]
    if unknown:
        print(f"No benchmark is named {unknown[0]!r}; there are: {', '.join(MODULES)}.", file=sys.stderr)
        return 2
    rows: list[Row] = []
    crashed = False
    for name in wanted:
        began = time.monotonic()
        try:
            rows += importlib.import_module(f".{MODULES[name]}", __package__).measure()
        except Exception:  # the others are still worth their table
            crashed = True
            traceback.print_exc()
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr)
    print(table(rows))
    return int(crashed)


if __name__ == "__main__":
    sys.exit(main())
