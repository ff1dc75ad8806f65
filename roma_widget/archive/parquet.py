"""Frames of runs -> a folder of Parquet files, one a run and kind: a partitioned data set, as Hive lays it out.

A run is there as a whole or not at all: its files are written beside the data sets and then moved to their places.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..core.reading import clean, shorten
from ..errors import ArchiveError
from .naming import as_folder, name_of_folder, stem_of

if TYPE_CHECKING:
    import pandas as pd

FILE = "part.parquet"


class Folder:
    """Open while runs are written; what it made and did not fill is gone behind it.

    `empty` has of each kind a frame without rows, whose schema every file of that kind gets: what is missing in a whole
    run keeps its type. Raises ArchiveError where nothing can be written, and without pyarrow.
    """

    def __init__(self, folder: Path, empty: Mapping[str, pd.DataFrame]) -> None:
        try:
            import pyarrow
        except ImportError:
            raise ArchiveError(
                "Parquet files are written by pyarrow, which is not installed: pip install 'roma-widget[parquet]'."
            ) from None
        self._folder = folder.expanduser()
        self._schemas: dict[str, Any] = {
            kind: pyarrow.Schema.from_pandas(frame, preserve_index=False) for kind, frame in empty.items()
        }
        self._made: list[Path] = []

    def __enter__(self) -> Self:
        try:
            self._make(self._folder)
            self._draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=self._folder))
        except OSError as error:
            self._leave()
            raise self._cannot(error) from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def write(self, name: str, frames: Mapping[str, pd.DataFrame]) -> None:
        """The frames of one run."""
        import pyarrow
        from pyarrow import parquet

        places = {kind: self._folder / kind / as_folder(name) for kind in frames}
        try:
            for kind, frame in frames.items():
                schema = self._schemas[kind]
                try:
                    table = pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
                except UnicodeEncodeError:  # pandas 2 keeps half a pair, which Arrow's strings cannot carry
                    table = pyarrow.Table.from_pandas(_cleaned(frame), schema=schema, preserve_index=False)
                parquet.write_table(table.replace_schema_metadata(schema.metadata), self._draft / kind)
            for place in places.values():
                self._make(place)
            self._move({self._draft / kind: place / FILE for kind, place in places.items()})
        except OSError as error:
            raise self._cannot(error) from None

    def twins(self, names: Sequence[str]) -> list[str]:
        """What other runs are called that are there, and may be some of these `names` under those of another call."""
        others = {place.name for kind in self._schemas for place in self._folder.glob(f"{kind}/run=*")}
        strangers = sorted(map(name_of_folder, others - set(map(as_folder, names))))
        stems = set(map(stem_of, names))
        return [name for name in strangers if stem_of(name) in stems]

    def _move(self, targets: Mapping[Path, Path]) -> None:
        """All of them, or what was there stays."""
        before = {target: source.with_name(f"{source.name}.before") for source, target in targets.items()}
        for target, copy in before.items():
            copy.unlink(missing_ok=True)  # of the run before
            if target.exists():
                shutil.copyfile(target, copy)
        try:
            for source, target in targets.items():
                os.replace(source, target)
        except BaseException:
            for target, copy in before.items():
                with suppress(OSError):
                    os.replace(copy, target) if copy.exists() else target.unlink()
            raise

    def _make(self, folder: Path) -> None:
        """It and those above it, of which is remembered which were not there."""
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        self._made += reversed(new)
        folder.mkdir(parents=True, exist_ok=True)

    def _leave(self) -> None:
        if hasattr(self, "_draft"):
            shutil.rmtree(self._draft, ignore_errors=True)
        for folder in reversed(self._made):
            with suppress(OSError):
                folder.rmdir()  # only if it is empty

    def _cannot(self, error: OSError) -> ArchiveError:
        return ArchiveError(
            f"{shorten(str(self._folder), 200)} cannot be written: {error.strerror or error}. "
            "Name a folder that is yours to write."
        )


def _cleaned(frame: pd.DataFrame) -> pd.DataFrame:
    made = frame.copy()
    for name in frame.select_dtypes(include=["string"]).columns:
        made[name] = frame[name].map(clean, na_action="ignore")
    return made
