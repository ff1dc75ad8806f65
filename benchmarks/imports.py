"""What `import roma_widget` costs: whole processes, against importing the libraries it stands on."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from .table import Row

ROUNDS = 7
CODE = {
    "libraries": "import anywidget, socketio, aiohttp, msgspec",
    "import roma_widget": "import roma_widget",
    "roma_widget.connect": "import roma_widget; roma_widget.connect",
}
MOST = 1.2


def measure() -> Iterator[Row]:
    taken: dict[str, list[float]] = {name: [] for name in CODE}
    for name in CODE:
        _run_s(name)  # reads the files
    for _ in range(ROUNDS):
        for name in CODE:
            taken[name].append(_run_s(name))
    for name in CODE:
        yield Row(f"import: {name}", statistics.median(taken[name]) * 1000, "ms")
    for name, bound in (("import roma_widget", MOST), ("roma_widget.connect", None)):
        ratios = [ours / base for ours, base in zip(taken[name], taken["libraries"], strict=True)]
        yield Row(f"import: {name} / libraries", statistics.median(ratios), "x", bound)


def _run_s(name: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", CODE[name]], check=True)
    return time.perf_counter() - began
