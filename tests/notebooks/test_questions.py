"""What the notebooks answer, asked of frames whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd


def cell(root: Path, notebook: str, cell_id: str) -> str:
    cells = json.loads((root / "notebooks" / notebook).read_text("utf-8"))["cells"]
    return next("".join(each["source"]) for each in cells if each["id"] == cell_id)


def test_the_attempt_that_succeeded_was_not_in_vain(root: Path) -> None:
    stages = pd.DataFrame(
        [
            ("a", "execution", 1, "failed", 1.0),
            ("a", "execution", 2, "completed", 4.0),  # what counted
            ("b", "execution", 1, "completed", 2.0),  # asked for another one
            ("b", "execution", 2, "completed", 3.0),
            ("c", "replanning", 1, "completed", 10.0),
        ],
        columns=["task_id", "stage", "attempt", "status", "duration_s"],
    ).assign(seq=range(5))
    known: dict[str, Any] = {"stages": stages, "failed": stages["status"] == "failed"}
    exec(cell(root, "02_traces_with_pandas.ipynb", "retries-seconds"), known)
    assert known["cost"]["seconds"].to_dict() == {"a": 1.0, "b": 2.0, "c": 10.0}
