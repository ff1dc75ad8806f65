"""Child process: asks many runs one question in one way. `python -m benchmarks.analyst WAY`; see `children.py` for how
it is spoken to.

The question: how many stages has each agent, how long did they take, and, with `texts`, how much was said in them. The
first reads two thin columns, the second the one that makes saved runs large.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .saved_runs import Answer

if TYPE_CHECKING:
    import pandas as pd

WORKERS = 2
SUMS = {"stages": ("duration_s", "size"), "seconds": ("duration_s", "sum")}
OF_TEXTS = {"characters": ("characters", "sum")}


def saved_files(files: list[str], texts: bool) -> Answer:
    """`.roma` files, one after the other, as one frame."""
    import roma_widget as roma

    return _grouped(roma.runs(files).stages(progress=False), texts)


def pandas_parquet(files: list[str], texts: bool) -> Answer:
    import pandas as pd

    return _grouped(pd.read_parquet(files[0], columns=_columns(texts)), texts)


def arrow(files: list[str], texts: bool) -> Answer:
    """pyarrow alone: the lengths are taken while it reads, so that no text stays."""
    from pyarrow import compute, dataset

    columns = {"agent": dataset.field("agent"), "duration_s": dataset.field("duration_s")}
    sums = [("duration_s", "count"), ("duration_s", "sum")]
    if texts:
        columns["characters"] = compute.utf8_length(dataset.field("llm_response"))
        sums.append(("characters", "sum"))
    table = dataset.dataset(files[0], format="parquet").to_table(columns=columns)
    rows = table.group_by("agent").aggregate(sums).to_pylist()
    return {
        row["agent"]: (row["duration_s_count"], row["duration_s_sum"], row.get("characters_sum", 0))
        for row in rows
    }


def dask(scheduler: str) -> Callable[[list[str], bool], Answer]:
    def asked(files: list[str], texts: bool) -> Answer:
        import dask.dataframe as dd

        frame = dd.read_parquet(files[0], columns=_columns(texts))
        if texts:
            frame = frame.assign(characters=frame["llm_response"].str.len())
        sums = SUMS | (OF_TEXTS if texts else {})
        found = frame.groupby("agent", observed=True).agg(**sums)
        return _answer(found.compute(scheduler=scheduler, num_workers=WORKERS))

    return asked


WAYS: Mapping[str, Callable[[list[str], bool], Answer]] = MappingProxyType(
    {
        ".roma files": saved_files,
        "pandas": pandas_parquet,
        "pyarrow": arrow,
        "Dask, 2 threads": dask("threads"),
        "Dask, 2 processes": dask("processes"),
    }
)
"""(files, or the folder of a data set; with texts?) -> the answer."""
LIBRARIES = {
    ".roma files": ("pandas", "roma_widget.archive.many", "roma_widget.analysis.trace_frames"),
    "Dask, 2 threads": ("dask.dataframe", "pyarrow.parquet"),
    "Dask, 2 processes": ("dask.dataframe", "pyarrow.parquet"),
}
"""Loaded before anything is asked: their time and memory are no part of an answer's."""


def _columns(texts: bool) -> list[str]:
    return ["agent", "duration_s", "llm_response"] if texts else ["agent", "duration_s"]


def _grouped(frame: pd.DataFrame, texts: bool) -> Answer:
    if texts:
        frame = frame.assign(characters=frame["llm_response"].str.len())
    sums: dict[str, Any] = SUMS | (OF_TEXTS if texts else {})
    return _answer(frame.groupby("agent", observed=True).agg(**sums))


def _answer(found: Any) -> Answer:
    return {
        str(agent): (int(row["stages"]), float(row["seconds"]), int(row.get("characters", 0)))
        for agent, row in found.iterrows()
    }


def main() -> None:
    way = sys.argv[1]
    for library in LIBRARIES.get(way, ("pandas", "pyarrow.dataset", "pyarrow.parquet")):
        import_module(library)
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        began_s = time.monotonic()
        answer = WAYS[way](order["files"], order["texts"])
        print(json.dumps({"seconds": time.monotonic() - began_s, "answer": answer}), flush=True)


if __name__ == "__main__":
    main()
