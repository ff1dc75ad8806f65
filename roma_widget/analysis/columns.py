"""Values -> columns of pandas. Types do not depend on the values, and what is missing is missing.

The types are those in which `pandas.read_parquet` gives the columns back.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..core.reading import clean

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)


def texts(values: Iterable[str | None], kind: str | None = None) -> pd.api.extensions.ExtensionArray:
    """pandas strings, or the text type that `kind` names."""
    import numpy as np
    import pandas as pd

    dtype: Any = pd.StringDtype() if kind is None else kind
    said = list(values)
    made: pd.api.extensions.ExtensionArray
    try:
        made = pd.array(np.array(said, dtype=object), dtype=dtype)
    except UnicodeEncodeError:  # half a pair, which Arrow's strings cannot carry
        said = [value if value is None else clean(value) for value in said]
        made = pd.array(np.array(said, dtype=object), dtype=dtype)
    return made


def index_of(ids: Iterable[str], name: str) -> pd.Index[str]:
    """Ids as an index; of the type that pandas itself gives one of texts, which is what comes out of a file."""
    import pandas as pd

    return pd.Index(texts(ids, "str"), name=name)


def wholes(values: Iterable[int | None]) -> pd.api.extensions.ExtensionArray:
    """`Int64`."""
    import numpy as np
    import pandas as pd

    said = list(values)
    n_missing = said.count(None)
    if n_missing in (0, len(said)):  # as most columns are: half the time, or almost none
        known = np.array(said if n_missing == 0 else np.zeros(len(said)), np.int64)
        return pd.arrays.IntegerArray(known, np.full(len(said), n_missing > 0))
    is_missing = np.array([value is None for value in said], np.bool_)
    return pd.arrays.IntegerArray(np.array([value or 0 for value in said], np.int64), is_missing)


def numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    """float64; missing is NaN."""
    import numpy as np

    said = list(values)
    if said.count(None) == len(said):
        return np.full(len(said), np.nan)
    return np.array(said, dtype=np.float64)  # None becomes NaN


def times(values: Iterable[datetime | None], naive_is_ahead_s: float | None = None) -> pd.DatetimeIndex:
    """`datetime64[us, UTC]`. Times without a zone are `naive_is_ahead_s` ahead of UTC; None: they are UTC."""
    import numpy as np
    import pandas as pd

    # Counted by hand: numpy takes four times as long, and pandas 2.2 goes through nanoseconds (1677 to 2262).
    missing = int(np.iinfo(np.int64).min)  # NaT
    ahead_us = round((naive_is_ahead_s or 0.0) * 1e6)

    counted = np.array(
        [
            missing
            if value is None
            else (value - _EPOCH) // _MICROSECOND
            if value.tzinfo is not None
            else (value - _NAIVE_EPOCH) // _MICROSECOND - ahead_us
            for value in values
        ],
        np.int64,
    )
    return pd.DatetimeIndex(counted.view("M8[us]")).tz_localize("UTC")
