"""What people wrote beside the tasks -> pandas.DataFrame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.annotations import Annotation

if TYPE_CHECKING:
    import pandas as pd


def notes(written: Sequence[Annotation]) -> pd.DataFrame:
    """One row per annotation, oldest first.

    Columns and types: time (`datetime64[us, UTC]`, our clock), task_id, text, tags (pandas strings; tags are a JSON
    list, "[]" where there are none).

    Example: `notes(written)[["task_id", "text"]]`
    """
    import numpy as np
    import pandas as pd

    text = pd.StringDtype("python")
    time_us = np.array([round(each.time_s * 1e6) for each in written], np.int64)
    return pd.DataFrame(
        {
            "time": pd.DatetimeIndex(time_us.view("M8[us]")).tz_localize("UTC"),
            "task_id": pd.array([each.task_id for each in written], dtype=text),
            "text": pd.array([each.text for each in written], dtype=text),
            "tags": pd.array([json.dumps(each.tags, ensure_ascii=False) for each in written], dtype=text),
        },
        copy=False,
    )
