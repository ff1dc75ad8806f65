"""What a relay has heard of the current project since it began, for who comes late: as an archive.

It is `core.history`'s, so it is bounded, and what was thinned is said in it. Results and traces are not part of it.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

from ..archive.redaction import redaction
from ..archive.saving import save
from ..archive.source import Source
from ..client.shared import Shared
from ..core.text import count_text
from ..errors import RomaError
from ..server.wire.requests import Refused, one_sentence, shown
from ..session import Session

LARGEST = 64 * 2**20
"""Bytes of an archive that is sent."""


class RelayHistory:
    """See the module. However many ask at once, one archive is made. On the loop of `roma-io`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._making: Shared[tuple[str, int], bytes] = Shared()
        self._last: tuple[tuple[str, int], bytes] | None = None
        """The one that was made last, and at which revision."""

    async def archive(self, project_id: str) -> bytes:
        """Raises `Refused`."""
        session = self._session
        session.publish_now()
        project = session.snapshot.project
        if project is None or project.project_id != project_id:
            raise Refused(
                f"This relay has the history of the current project only, not of {shown(project_id)}"
            )
        key = project_id, session.snapshot.revision
        if self._last is None or self._last[0] != key:
            self._last = key, await self._making.ask(key, self._make)
        return self._last[1]

    async def close(self) -> None:
        await self._making.close()

    async def _make(self) -> bytes:
        try:
            told = await self._session.source(fetches=False)
            source = replace(told, traces={}, results=(), rows=(), annotations=(), questions=())
            made = await asyncio.to_thread(_written, source, self._session.secrets)
        except RomaError as error:
            raise Refused(one_sentence(error)) from error
        if len(made) > LARGEST:
            raise Refused(f"The history takes more than {count_text(LARGEST // 2**20, 'megabyte')}")
        return made


def _written(source: Source, secrets: tuple[str, ...]) -> bytes:
    with tempfile.TemporaryDirectory(prefix="roma-widget-") as folder:
        return save(Path(folder) / "history.roma", source, redaction(None, secrets)).read_bytes()
