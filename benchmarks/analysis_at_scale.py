"""One question about many saved runs, asked in several ways: with and without Parquet, with and without Dask.

`python -m benchmarks dask`; how to read it is in docs/scale.md. All ways must answer alike, or this crashes.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

import roma_widget as roma

from .analyst import WAYS
from .children import Child
from .machine import machine
from .saved_runs import Answer, Shape, added, link_runs, write_runs
from .scale_page import write_measured
from .size import FULL, Size
from .table import Growth, Row

FROM_FILES = ".roma files"
PER_SECOND = ", rows a second"
LOOK_EVERY_S = 0.01
CHILDREN_EVERY_S = 0.25
QUESTIONS = {"durations by agent": False, "and characters said": True}


@dataclass(frozen=True, slots=True)
class Shelf:
    """Saved runs as files, and Parquet data sets by how many runs they have."""

    files: list[str]
    data: dict[int, str]
    answers: list[Answer]
    """About each file."""

    def answer(self, runs: int) -> Answer:
        return added(self.answers[number % len(self.answers)] for number in range(runs))

    def of(self, way: str, runs: int) -> list[str] | None:
        """What `way` is given; None where so many `.roma` files were not made."""
        if way != FROM_FILES:
            return [self.data[runs]]
        return self.files[:runs] if runs <= len(self.files) else None


@dataclass(frozen=True, slots=True)
class Asked:
    seconds: float
    peak_mb: float
    """Of the process and those that it started, above what it had with its libraries loaded."""
    answer: Answer


def measure(size: Size) -> Iterator[Row | Growth]:
    """Writes into docs/scale.md, unless it was quick."""
    on, found = machine(), list(_measured(Shape(), size))
    rows = [each for each in found if isinstance(each, Row) and not each.name.endswith(PER_SECOND)]
    costs = [each for each in found if isinstance(each, Growth)]
    if size == FULL:
        tables = (side_by_side(*costs[at : at + 2]) for at in range(0, len(costs), 2))
        write_measured("dask", on, rows, *tables)
    yield from found


def _measured(shape: Shape, size: Size) -> Iterator[Row | Growth]:
    with tempfile.TemporaryDirectory(prefix="roma-many-") as folder:
        began_s = time.monotonic()
        answers = write_runs(Path(folder), size.runs_saved, shape)
        saved_s = time.monotonic() - began_s
        yield Row(
            f"dask: saving {size.runs_saved} runs of {shape.tasks} tasks, each with 3 stages", saved_s, "s"
        )
        began_s = time.monotonic()
        shelf = shelf_of(Path(folder), answers, size.runs)
        yield Row("dask: to_parquet, once", time.monotonic() - began_s, "s")
        for question, texts in QUESTIONS.items():
            yield from _asked(shelf, question, texts, size.runs)


def side_by_side(time: Growth, memory: Growth) -> list[tuple[str, ...]]:
    """Both as one table: a line for each way."""
    (head, *lines), (others, *more) = time.cells(), memory.cells()
    return [
        (*head, *(f"{memory.unit}, {cell}" for cell in others[1:])),
        *((*one, *other[1:]) for one, other in zip(lines, more, strict=True)),
    ]


def shelf_of(folder: Path, answers: list[tuple[Path, Answer]], runs: tuple[int, ...]) -> Shelf:
    files = [str(path) for path, _ in answers]
    roma.runs(files).to_parquet(folder / "all", progress=False)
    data = {count: folder / f"of-{count}" for count in runs}
    for count, into in data.items():
        link_runs(folder / "all" / "stages", into, count)
    return Shelf(files, {count: str(into) for count, into in data.items()}, [answer for _, answer in answers])


def checked(way: str, answer: Answer, right: Answer, texts: bool) -> None:
    """Raises RuntimeError where `way` does not give the right answer, to the last bit."""
    wanted = right if texts else {agent: (count, taken_s, 0) for agent, (count, taken_s, _) in right.items()}
    if answer != wanted:
        raise RuntimeError(f"{way} answers {answer} and not {wanted}.")


def _asked(shelf: Shelf, question: str, texts: bool, runs: tuple[int, ...]) -> Iterator[Row | Growth]:
    seconds: dict[str, dict[int, float]] = {way: {} for way in WAYS}
    peaks_mb: dict[str, dict[int, float]] = {way: {} for way in WAYS}
    for count in runs:
        right = shelf.answer(count)
        for way in WAYS:
            given = shelf.of(way, count)
            if given is None:
                continue
            asked = _ask(way, given, texts)
            checked(way, asked.answer, right, texts)
            seconds[way][count], peaks_mb[way][count] = asked.seconds, asked.peak_mb
            print(
                f"dask: {question}, {count:,} runs, {way}: {asked.seconds:.2f} s, {asked.peak_mb:.0f} MB",
                file=sys.stderr,
            )
    for way, taken in seconds.items():
        most = max(taken)
        rows = sum(count for count, _, _ in shelf.answer(most).values())
        yield Row(f"dask: {question}: {way}, {most:,} runs{PER_SECOND}", rows / taken[most], "")
    yield Growth(f"{question}: time", "s", seconds)
    yield Growth(f"{question}: peak of memory", "MB", peaks_mb)


def _ask(way: str, files: list[str], texts: bool) -> Asked:
    with Child("benchmarks.analyst", way) as child:
        with _peak_of(child.pid) as peak:
            told = child.ask(files=files, texts=texts)
        answer = {agent: tuple(numbers) for agent, numbers in told["answer"].items()}
    return Asked(told["seconds"], max(0.0, peak.most - peak.before) / 1e6, answer)


@dataclass(slots=True)
class Peak:
    before: int
    most: int


@contextmanager
def _peak_of(pid: int) -> Iterator[Peak]:
    """Bytes of a process with all that it starts meanwhile: looked at every few milliseconds, from outside."""
    process = psutil.Process(pid)
    peak = Peak(process.memory_info().rss, 0)
    children: list[psutil.Process] = []
    ended = threading.Event()

    def weigh() -> None:
        peak.most = max(peak.most, sum(_bytes(each) for each in (process, *children)))

    def look() -> None:
        looked_s = 0.0
        while not ended.wait(LOOK_EVERY_S):
            if time.monotonic() - looked_s > CHILDREN_EVERY_S:
                with suppress(psutil.Error):
                    children[:], looked_s = process.children(recursive=True), time.monotonic()
            weigh()

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield peak
    finally:
        ended.set()
        looking.join()
        weigh()  # of who was done before the first look


def _bytes(process: psutil.Process) -> int:
    with suppress(psutil.Error):
        rss: int = process.memory_info().rss
        return rss
    return 0
