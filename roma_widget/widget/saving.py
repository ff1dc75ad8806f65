"""How a monitor's run becomes a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from ..archive.redaction import redaction
from ..archive.saving import checked_path, save
from ..archive.source import Source
from .noting import Io


class Saveable(Protocol):
    """What is needed of a session to save its run."""

    @property
    def secrets(self) -> tuple[str, ...]: ...

    async def source(self) -> Source: ...


class Saving:
    """Mixed into `Monitor`."""

    _session: Saveable
    _io: Io

    def save(self, path: str | Path, redact: Any = None) -> Path:
        """Write the shown run to one file, which `roma.load` shows again without a server, years later.

        In it are the run at all moments that are remembered, its results, the traces that were fetched
        (`m.fetch_traces()` fetches all), the log and the annotations. The token is never in it. Gives the path; an
        archive of that name is replaced, another file never is. `redact` takes out what is not for everybody:
        "prompts", "responses", "results", "secrets" (keys, tokens, e-mail addresses), a compiled pattern, a function
        `(where, text) -> text`, or a list of these; what was taken out is listed in the file. Raises ArchiveError where
        it cannot be written, and then nothing half-written is left; RomaError while nothing is shown; ValueError.
        Example: `m.fetch_traces(); m.save("run.roma", redact="secrets")`
        """
        checked_path(path)
        wanted = redaction(redact, self._session.secrets)
        source: Source = self._io.result(self._session.source())
        return save(path, source, wanted)
