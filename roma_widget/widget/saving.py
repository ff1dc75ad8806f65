"""How a monitor's run becomes a file: one to load again, or a page that shows it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

from ..analysis.run_data import RunData
from ..archive.redaction import Redaction, redaction
from ..archive.saving import checked_path, save
from ..archive.source import Source
from .noting import Io
from .page import page_name, page_place, write_page

LARGEST_MB = 20.0
"""Of a page for which nobody says another size."""


class Saveable(Protocol):
    """What is needed of a session to save its run."""

    @property
    def secrets(self) -> tuple[str, ...]: ...

    async def source(self) -> Source: ...

    def times_us(self) -> list[int]: ...


class Saving(RunData):
    """Mixed into `Monitor`."""

    _session: Saveable
    _io: Io

    def save(self, path: str | Path, redact: Any = None) -> Path:
        """Write the shown run to one file, which `roma.load` shows again without a server, years later.

        In it are the run at all moments that are remembered, its results, the traces that were fetched
        (`m.fetch_traces()` fetches all), the log and the annotations. The token is never in it. Gives the path; an
        archive of that name is replaced and keeps its rights, another file never is; a new one is for its user alone.
        `redact` takes out what is not for everybody: "prompts", "responses", "results", "secrets" (keys, tokens, e-mail
        addresses), a compiled pattern, a function `(where, text) -> text`, or a list of these; what was taken out is
        listed in the file. Raises ArchiveError where it cannot be written, and then nothing half-written is left;
        RomaError while nothing is shown; ValueError.
        Example: `m.fetch_traces(); m.save("run.roma", redact="secrets")`
        """
        checked_path(path)
        wanted = redaction(redact, self._session.secrets)
        source: Source = self._io.result(self._session.source())
        return save(path, source, wanted)

    def to_html(self, path: str | Path, *, redact: Any = None, max_mb: float = LARGEST_MB) -> Path:
        """Write the shown run as one page that any browser opens from the disk, without Python, server or network.

        It is the live view with the run inside: the graph, the tasks with their results and the traces that were
        fetched (`m.fetch_traces()` fetches all), the slider over its moments (2,000 at most). Gives the path; a page
        of that name is replaced, another file never is. `redact` is as in `m.save`. A page of more than `max_mb`
        megabytes (10**6 bytes) is made smaller by leaving out the largest texts, and the page says of which tasks.
        Raises ArchiveError where it cannot be written, and then what was there stays; RomaError while nothing is
        shown, or where the tasks alone are too many; ValueError. Example:
        `m.fetch_traces(); m.to_html("run.html", redact="secrets")`
        """
        page_place(path)
        wanted = redaction(redact, self._session.secrets)
        return self._write_page(path, self._io.result(self._session.source()), wanted, max_mb)

    # -- from the browser, on roma-io (messages.Person)

    async def export_page(self) -> dict[str, str]:
        """Beside the notebook, without what looks like a secret: it is made to be sent."""
        wanted, project = redaction("secrets", self._session.secrets), self.snapshot.project
        if project is not None:  # by itself: the page counts its own
            project = redaction("secrets", self._session.secrets).project(project)
        path = page_place(page_name(project))
        source = await self._session.source()
        return {"path": str(await asyncio.to_thread(self._write_page, path, source, wanted, LARGEST_MB))}

    def _write_page(self, path: str | Path, source: Source, wanted: Redaction, max_mb: float) -> Path:
        n_steps = len(self._session.times_us())
        return write_page(path, self, source, n_steps, wanted, max_mb).path
