"""What `import roma_widget` costs: whole processes, against importing the libraries it stands on."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from .promises import kept
from .size import FULL, Size
from .table import Row, Spread

CODE = {
    "libraries": "import anywidget, socketio, aiohttp, msgspec",
    "import roma_widget": "import roma_widget",
    "roma_widget.connect": "import roma_widget; roma_widget.connect",
    "naive": "import benchmarks.naive, anywidget, ipywidgets, socketio, aiohttp, plotly.graph_objects",
}


def measure(size: Size = FULL) -> Iterator[Row]:
    taken: dict[str, list[float]] = {name: [] for name in CODE}
    for name in CODE:
        _run_s(name)  # reads the files
    for _ in range(2 * size.rounds + 1):
        for name in CODE:
            taken[name].append(_run_s(name))
    for name in CODE:
        ms = [1000 * s for s in taken[name]]
        yield Row(f"import: {name}", statistics.median(ms), "ms", spread=Spread.of(ms))
    ratios = {
        name: [ours / base for ours, base in zip(taken[name], taken["libraries"], strict=True)]
        for name in CODE
    }
    median = {name: statistics.median(values) for name, values in ratios.items()}
    beside = {"with connect": median["roma_widget.connect"], "naive": median["naive"]}
    yield kept("import", median["import roma_widget"], ratios["import roma_widget"], beside, size.words)


def _run_s(name: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", CODE[name]], check=True)
    return time.perf_counter() - began
