"""Many saved runs as data: one row a run, one frame of all, or a folder of Parquet files for whoever shares out work.

Files are opened one at a time, so that memory holds one run and what was asked for.
"""

from __future__ import annotations

import glob
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..analysis import columns
from ..core.nearest import did_you_mean
from ..core.reading import shorten
from ..core.text import count_text
from ..errors import ArchiveError, RomaError
from .naming import run_names
from .run_frames import KINDS, Opened, empty_frames, frame_of

if TYPE_CHECKING:
    import pandas as pd

    from .saved import SavedRun

T = TypeVar("T")
PROGRESS_AFTER_S = 1.0
COUNTS = ("missing_traces", "dropped")
"""What `attrs` of a frame count, and so those of a frame of many runs."""
WHERE = "*.roma"
"""What is looked for in a folder."""


def runs(pattern: str | PathLike[str] | Sequence[str | PathLike[str]]) -> Runs:
    """The saved runs (`.roma` files, raw captures) that `pattern` names; they are read when they are asked for.

    `pattern` is a path with `*`, `?`, `[…]` or `**`, the path of a file or of a folder (its `.roma` files), or a list
    of these. Raises ArchiveError where nothing is found, ValueError for what is no path, or an empty one. Example:
    `roma.runs("runs/*.roma").summary().sort_values("duration_s")`
    """
    from .saved import open_run

    return Runs(found(pattern), open_run)


def found(pattern: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[Path]:
    """The files, sorted, each once. What a list names by its path is there also where there is no such file."""
    several = list(pattern) if isinstance(pattern, list | tuple) else [pattern]
    paths: set[Path] = set()
    for each in several:
        if not isinstance(each, str | PathLike):
            raise ValueError(f"runs takes paths or patterns as text, not {shorten(repr(each), 60)}.")
        if not str(each).strip():
            raise ValueError("runs takes paths or patterns, not an empty text: '.' is the current folder.")
        path = Path(each).expanduser()
        if path.is_file():
            paths.add(path)
        elif path.is_dir():
            paths.update(path.glob(WHERE))
        elif glob.has_magic(str(path)):
            paths.update(
                Path(match) for match in glob.glob(str(path), recursive=True) if not Path(match).is_dir()
            )
        elif len(several) > 1:
            paths.add(path)
    if not paths:
        looked_for = ", ".join(shorten(str(each), 100) for each in several[:3]) or "an empty list"
        raise ArchiveError(
            f"No saved run is found: {looked_for} (looked for from {Path.cwd()}). Runs are saved with m.save(…)."
        )
    return sorted(paths)


class Runs:
    """Saved runs, in the order of their paths. Made by `roma_widget.runs`, not directly.

    `len(runs)` is how many files there are. `for run in runs` opens one at a time and closes it when the next one's
    turn comes; `runs[0]` and `runs["monday"]` open one for you to close. A file that cannot be read is left out, with a
    warning, and stands in `runs.problems`. Example: `[run.name for run in runs if run.progress["failed"]]`
    """

    def __init__(self, files: Sequence[Path], opener: Callable[[Path], Any]) -> None:
        self.files = list(files)
        self.names = run_names(self.files)
        self._opener = opener
        self._problems: dict[Path, str | None] = {}

    def __len__(self) -> int:
        return len(self.files)

    def __repr__(self) -> str:
        return f"<Runs: {len(self)} files, {shorten(', '.join(self.names), 80)}>"

    def __iter__(self) -> Iterator[SavedRun]:
        for file in self.files:
            try:
                run = self._opener(file)
            except (RomaError, OSError) as error:
                self._note(file, error)
                continue
            self._problems.setdefault(file, None)
            with closing(run):
                yield run
        self._warn(3)

    @overload
    def __getitem__(self, which: int) -> SavedRun: ...

    @overload
    def __getitem__(self, which: str) -> SavedRun: ...

    def __getitem__(self, which: int | str) -> SavedRun:
        """The run of this name (as in the column `run`), or at this place.

        Raises ArchiveError, IndexError, TypeError.
        """
        if isinstance(which, str):
            if which not in self.names:
                raise ArchiveError(
                    f"There is no run {shorten(which, 80)!r} among these {len(self)} files "
                    f"({shorten(', '.join(self.names), 80)}).{did_you_mean(which, self.names)}"
                )
            which = self.names.index(which)
        if isinstance(which, bool) or not isinstance(which, int):
            raise TypeError(f"runs[…] takes a name or a place from 0 on, not {type(which).__name__}.")
        if not -len(self) <= which < len(self):
            raise IndexError(f"There is no run {which} among these {count_text(len(self), 'file')}.")
        opened: SavedRun = self._opener(self.files[which])
        return opened

    @property
    def problems(self) -> pd.DataFrame:
        """The files that could not be read: file, problem (strings). Opens those that were not opened yet.

        Example: `runs.problems["problem"].to_list()`
        """
        import pandas as pd

        for file in self.files:
            if file not in self._problems:
                self._try(file, lambda run: None)
        bad = {file: problem for file, problem in self._problems.items() if problem is not None}
        return pd.DataFrame({"file": columns.texts(map(str, bad)), "problem": columns.texts(bad.values())})

    def summary(self, progress: bool = True) -> pd.DataFrame:
        """One row per run.

        Columns: run, project (its title), goal, outcome (strings); n_tasks, done, failed (`Int64`); started, ended
        (`datetime64[us, UTC]`); duration_s (float64, seconds); tokens (`Int64`); cost_usd (float64); n_stages,
        missing_traces (`Int64`). Tokens, cost and stages are those of fetched traces; what nobody said is NA. With
        `progress` a line says how far it is, once it takes longer than a second. Example:
        `runs.summary().groupby("outcome")["duration_s"].median()`
        """
        return self._gathered("summary", progress)

    def tasks(self, progress: bool = True) -> pd.DataFrame:
        """The tasks of all runs: `run`, `task_id`, and the columns of `m.tasks()` (docs/frames.md).

        Example: `runs.tasks().query("status == 'FAILED'").groupby("agent").size()`
        """
        return self._gathered("tasks", progress)

    def stages(self, progress: bool = True) -> pd.DataFrame:
        """The stages of all runs: `run`, and the columns of `m.stages()`.

        Example: `runs.stages().groupby(["run", "agent"])["duration_s"].sum()`
        """
        return self._gathered("stages", progress)

    def tool_calls(self, progress: bool = True) -> pd.DataFrame:
        """The calls of tools of all runs: `run`, and the columns of `m.tool_calls()`.

        Example: `runs.tool_calls().groupby("tool").size()`
        """
        return self._gathered("tool_calls", progress)

    def messages(self, progress: bool = True) -> pd.DataFrame:
        """The messages to models of all runs: `run`, and the columns of `m.messages()`.

        Example: `runs.messages().query("role == 'system'")["content"].drop_duplicates()`
        """
        return self._gathered("messages", progress)

    def events(self, progress: bool = True) -> pd.DataFrame:
        """The events of all runs: `run`, and the columns of `m.events()`.

        Example: `runs.events().query("event == 'watch'")[["run", "time", "field"]]`
        """
        return self._gathered("events", progress)

    def to_parquet(self, folder: str | PathLike[str], progress: bool = True) -> int:
        """Write all frames as data sets that Dask, DuckDB and polars read; the number of runs that were written.

        A run is `folder/tasks/run=<name>/part.parquet`, and the same in summary, stages, tool_calls, messages and
        events; the files of a kind all have one schema (docs/many_runs.md). A run is there as a whole or not at all,
        so a call that was interrupted has written those before; a run that is there already is replaced, and runs of
        earlier calls stay, with a warning where one may be the same under another name. Raises ArchiveError where
        nothing can be written, or without pyarrow. Example:
        `roma.runs("runs/*.roma").to_parquet("data")`
        """
        from .parquet import Folder

        def read(name: str, run: Opened) -> tuple[str, dict[str, pd.DataFrame]]:
            return name, {kind: frame_of(run, kind) for kind in KINDS}

        written = 0
        with Folder(Path(folder), empty_frames()) as place:
            for name, of_run in self._read(read, progress):
                place.write(name, of_run)
                written += 1
                del of_run
            if twins := place.twins(self.names):
                warnings.warn(
                    f"{shorten(str(folder), 200)} also holds {shorten(', '.join(twins), 100)}, from an earlier call: "
                    "if that is one of these runs, which was called otherwise among other files, it counts twice. "
                    "Remove its folders run=…, or write into an empty folder.",
                    stacklevel=2,
                )
        self._warn(3)
        return written

    def _gathered(self, kind: str, progress: bool) -> pd.DataFrame:
        """One frame of all runs, `run` being its first column."""
        import pandas as pd

        def read(name: str, run: Opened) -> pd.DataFrame:
            frame = frame_of(run, kind)
            counts.update({count: frame.attrs[count] for count in COUNTS if count in frame.attrs})
            frame.attrs.clear()  # those of one run
            frame.insert(0, "run", pd.Series(columns.texts([name] * len(frame))))
            return frame

        empty = empty_frames()[kind]
        counts = Counter({count: 0 for count in COUNTS if count in empty.attrs})
        empty.insert(0, "run", pd.Series(columns.texts([])))
        whole = pd.concat([empty, *self._read(read, progress)], ignore_index=True)
        whole.attrs.clear()
        whole.attrs.update(counts)
        self._warn(4)
        return whole

    def _read(self, read: Callable[[str, Any], T], progress: bool) -> Iterator[T]:
        """What `read(name, run)` gives, of each file that can be read."""
        with _Line(len(self), progress) as line:
            for done, (file, name) in enumerate(zip(self.files, self.names, strict=True)):
                line.draw(done)
                result = self._try(file, partial(read, name))
                if result is not None:
                    yield result
                del result  # before the next run is read
            line.draw(len(self))

    def _try(self, file: Path, read: Callable[[Any], T]) -> T | None:
        """None where the file cannot be read."""
        try:
            with closing(self._opener(file)) as run:
                result = read(run)
        except (RomaError, OSError) as error:
            self._note(file, error)
            return None
        self._problems[file] = None
        return result

    def _note(self, file: Path, error: Exception) -> None:
        self._problems[file] = str(error)

    def _warn(self, stacklevel: int) -> None:
        bad = [file for file, problem in self._problems.items() if problem is not None]
        if bad:
            warnings.warn(
                f"{len(bad)} of {len(self)} files could not be read and are left out "
                f"({shorten(', '.join(file.name for file in bad), 100)}): runs.problems says why.",
                stacklevel=stacklevel,
            )


class _Line:
    """ "Runs: 12 of 40", on one line that is written over; finished also when interrupted."""

    def __init__(self, total: int, is_wanted: bool) -> None:
        self._total = total
        self._is_wanted = is_wanted
        self._from = time.monotonic() + PROGRESS_AFTER_S
        self._is_begun = False

    def draw(self, done: int) -> None:
        if not self._is_wanted or (not self._is_begun and time.monotonic() < self._from):
            return
        self._is_begun = True
        sys.stdout.write(f"\rRuns: {done:,} of {self._total:,}")
        sys.stdout.flush()

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_begun:
            sys.stdout.write("\n")
            sys.stdout.flush()
