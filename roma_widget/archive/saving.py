"""Saves one run as an archive: whole, or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from importlib.metadata import version
from pathlib import Path

from ..core.text import count_text
from ..errors import ArchiveError
from .files import header_of, journal_of
from .format import foreign
from .place import checked_place, replacing, unwritable
from .recorder import recorder_of
from .source import Source
from .writing import ArchiveWriter, Redacts

COMMIT_EVERY = 2_000
"""Steps that are kept in memory meanwhile."""


def save(path: str | Path, source: Source, redaction: Redacts) -> Path:
    """Writes `source` to `path`, in the place of an archive of that name. Gives the path.

    Whatever goes wrong, nothing half-written is left, and what was there stays. Raises ArchiveError, also where the
    name is that of something else than an archive.
    """
    path = checked_path(path)
    if recorder_of(path) is not None:
        raise ArchiveError(f"{path} is being recorded: save the run under another name.")
    with replacing(path) as part:
        try:
            write(part, [source], redaction)
        except ArchiveError as error:
            raise ArchiveError(str(error).replace(str(part), str(path))) from error
        finally:
            with suppress(OSError):
                journal_of(part).unlink()
        _settle(path)
    return path


def checked_path(path: str | Path) -> Path:
    """Where an archive may be written: of a link what it leads to. Raises ArchiveError for what is no place for it,
    ValueError for no path.
    """
    path = checked_place(path)
    try:
        header = header_of(path) if path.exists() else b""
    except OSError as error:
        raise unwritable(path, error) from error
    if header and foreign(header) is not None:
        raise ArchiveError(f"{path} is there already, and {foreign(header)}: it is not overwritten.")
    return path


def _settle(path: Path) -> None:
    """What a recording that was killed left beside the file would be played back into the new one."""
    if not journal_of(path).exists():
        return
    if path.exists():
        with closing(sqlite3.connect(path)) as db, suppress(sqlite3.Error):
            db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            return
    journal_of(path).unlink(missing_ok=True)


def about(**more: object) -> dict[str, object]:
    """What every archive says of itself."""
    return {"made_by": f"roma-widget {version('roma-widget')}", **more}


def write(path: Path, sources: Sequence[Source], redaction: Redacts) -> None:
    """Writes an archive that is not there yet; the last of the runs is the one that is looked at."""
    writer = ArchiveWriter(path, redaction, about=about(**(sources[-1].about if sources else {})))
    try:
        exact_from = dict(_write_run(writer, source) for source in sources)
        if not exact_from or None in exact_from:
            raise ArchiveError(f"There is no run to write to {path}: nothing of one is known.")
        writer.note(
            exact_from=exact_from,
            has_forgotten=any(source.has_forgotten for source in sources),
            rows_dropped=sum(source.rows_dropped for source in sources),
            missing=[said for source in sources for said in map(redaction.sentence, source.missing) if said]
            + _too_large(writer),
            ended=True,
        )
        writer.commit()
    finally:
        writer.close()


def _too_large(writer: ArchiveWriter) -> list[str]:
    if not writer.too_large:
        return []
    return [f"The JSON of {count_text(len(writer.too_large), 'task')} was too large to be saved."]


def _write_run(writer: ArchiveWriter, source: Source) -> tuple[str | None, int]:
    """The project's id, and from which step on everything is known. None: there is no step."""
    project_id, exact_from = None, 0
    for place, step in enumerate(source.steps):
        project_id = step.project.project_id
        seq = writer.step(step.project, step.versions, step.time_us, step.heard_s, is_whole=place == 0)
        exact_from = exact_from if step.is_exact else seq + 1
        if place % COMMIT_EVERY == COMMIT_EVERY - 1:
            writer.commit()
    if project_id is None:
        return None, 0
    writer.known(project_id, offset_s=source.offset_s, until_us=source.known_until_us)
    writer.show(project_id)
    for trace in source.traces.values():
        writer.trace(project_id, trace)
    for lean_json, rest in source.results:
        writer.result(project_id, lean_json, rest)
    writer.begin_log()
    writer.rows(source.rows)
    writer.annotations(source.annotations)
    writer.questions(source.questions)
    return project_id, exact_from
