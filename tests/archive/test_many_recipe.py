"""docs/many_runs.md, on runs that are generated: Dask, DuckDB and polars read what `to_parquet` writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pandas as pd
import pytest
from archive.saved_runs import N_KINDS, Given, Shelf, generated, with_traces

from roma_widget.archive.many import Runs

N_RUNS = 200
AWKWARD = (("2026-11-22", "a=b", "ä ö", "%41"), ("07", "8"), ("2026-11-22", "2026-11-23"))
"""Names that readers like to take for something else, the more so where all are alike."""


@pytest.fixture(scope="module", params=AWKWARD, ids=" ".join)
def names(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    return found


@pytest.fixture(scope="module")
def data(names: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("data")
    shelf = Shelf({f"{name}.roma": with_traces for name in names})
    assert Runs(sorted(shelf.runs), shelf).to_parquet(folder) == len(names)
    return folder


def recipe(engine: str) -> str:
    """The code of the recipe, out of the documentation."""
    text = (Path(__file__).resolve().parents[2] / "docs" / "many_runs.md").read_text(encoding="utf-8")
    (block,) = (block for block in text.split("```python\n")[1:] if f"import {engine}" in block)
    return block.split("```")[0]


@pytest.mark.parametrize("engine", ["dask", "duckdb", "polars"])
@pytest.mark.filterwarnings("default")  # other people's
def test_the_recipe_works_and_keeps_the_names(
    engine: str, names: tuple[str, ...], data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("dask.dataframe" if engine == "dask" else engine)
    monkeypatch.chdir(data.parent)
    made: dict[str, object] = {}
    exec(recipe(engine).replace('"data', f'"{data.name}').replace("'data", f"'{data.name}"), made)
    found = made["seconds"]
    frame = (
        found.df() if engine == "duckdb" else found.to_pandas() if engine == "polars" else found.reset_index()
    )
    assert isinstance(frame, pd.DataFrame)
    assert sorted(frame["run"].astype(str)) == sorted(names)
    assert frame["duration_s"].to_list() == pytest.approx([7.2] * len(names))


AGGREGATION = """
import json, sys, threading, time
import dask, psutil, pyarrow.dataset, pyarrow.parquet
import dask.dataframe as dd
dask.config.set(scheduler="synchronous")
process = psutil.Process()
before = peak = process.memory_info().rss
def watch():
    global peak
    while True:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.002)
threading.Thread(target=watch, daemon=True).start()
stages = dd.read_parquet(sys.argv[1])
per_agent = stages.assign(length=stages["llm_response"].str.len()).groupby("agent", observed=True)
found = per_agent[["duration_s", "length"]].sum().compute()
peak = max(peak, process.memory_info().rss)
print(json.dumps({"peak": peak - before, "rows": len(stages), "seconds": found["duration_s"].sum()}))
"""


class Weighed(Given):
    """Its stages are weighed when they are made: as a pandas frame in memory."""

    weights: ClassVar[list[int]] = []

    def stages(self, include_samples: bool = False) -> pd.DataFrame:
        frame = super().stages(include_samples)
        self.weights.append(int(frame.memory_usage(deep=True).sum()))
        return frame


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 runs of 100 tasks with three stages each."""
    pytest.importorskip("pyarrow")
    folder = tmp_path_factory.mktemp("many")

    def make(path: Path) -> Weighed:
        run = generated(int(path.stem))
        return Weighed(run.snapshot, run.traces)

    runs = Runs([Path(f"{n:03}.roma") for n in range(N_RUNS)], make)
    assert runs.to_parquet(folder, progress=False) == N_RUNS
    return folder


def test_an_aggregation_over_200_runs_takes_less_memory_than_the_data(many: Path) -> None:
    pytest.importorskip("dask.dataframe")
    done = subprocess.run(
        [sys.executable, "-c", AGGREGATION, many / "stages"],
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    found, size = json.loads(done.stdout), sum(Weighed.weights)
    print(
        f"{N_RUNS} runs, {size / 1e6:.0f} MB of stages in memory; peak of Dask {found['peak'] / 1e6:.0f} MB"
    )
    assert found["rows"] == N_RUNS * 100 * 3
    assert found["seconds"] == pytest.approx(sum(300 * (1 + n % N_KINDS / 10) for n in range(N_RUNS)))
    assert found["peak"] < size
