"""What a relay keeps on disk of the pending questions, so that its death loses nothing that was said to a client.

One file of `server.state.store` (mode 0600, of one process at a time, each save whole or not at all), in its table of
prompts. What cannot be read is set aside beside it, and said.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from ..core.kept_prompts import KeptPrompt
from ..core.text import count_text
from ..server.network.listening import ServeError
from ..server.state.store import Batch, PromptRow, Store, StoreError
from ..server.state.store_file import FILE_NAME, StoreDamaged
from ..server.wire.records import encode

_LABEL = ""
"""The row with the name under which answers were sent: no question has an empty id."""
_log = logging.getLogger("roma_widget.relay")


class KeptQuestion(msgspec.Struct, frozen=True):
    """A row."""

    prompt: KeptPrompt
    answered_by: str
    """The label of the client below whose answer waits."""
    timestamp: str | None
    """Of its `hitl_request`."""


class Keeping:
    """See the module. `folder` None: nothing is kept. Opened in a thread; then on the loop."""

    def __init__(self, folder: Path | None) -> None:
        """Raises `ServeError` for a folder that cannot be written, or that another relay uses."""
        self.label = f"roma-widget {secrets.token_hex(3)}"
        """The relay's own, the same after a restart."""
        self.questions: tuple[KeptQuestion, ...] = ()
        """Those that were kept, in the order they came."""
        self._unread: str | None = None
        self._unsaved: str | None = None
        self.on_complaint: Callable[[], None] = lambda: None
        self._store: Store | None = None
        self._rows: set[str] = set()
        self._changed: set[str] = set()
        self._saving = asyncio.Lock()
        if folder is None:
            return
        try:
            self._open(folder)
        except StoreDamaged as error:
            self._set_aside(folder, error)
            self._open(folder)

    @property
    def complaint(self) -> str | None:
        """One sentence, when something cannot be kept at this moment, or could not be read at the start."""
        return self._unsaved or self._unread

    def note(self, request_ids: Iterable[str]) -> None:
        """These are others than before; the next `save` writes them."""
        if self._store is not None:
            self._changed.update(request_ids)

    async def save(self, row_of: Callable[[str], KeptQuestion | None]) -> None:
        """Returns when all that was noted is on disk, or when it cannot be, which `complaint` says."""
        async with self._saving:
            store, noted = self._store, self._changed
            if store is None or not noted:
                return
            self._changed = set()
            rows = {each: row_of(each) for each in noted}
            batch = Batch(prompts={key: None if row is None else encode(row) for key, row in rows.items()})
            try:
                await asyncio.to_thread(store.save, batch)
            except StoreError as error:
                self._changed |= noted  # perhaps the next time
                self._note_unsaved(f"Questions and answers are not kept: {error}")
            else:
                self._note_unsaved(None)
                self._rows = {each for each in self._rows | noted if rows.get(each, each) is not None}

    def _note_unsaved(self, sentence: str | None) -> None:
        if sentence == self._unsaved:
            return
        self._unsaved = sentence
        if sentence is not None:
            _log.warning("%s", sentence)
        self.on_complaint()

    def close(self) -> None:
        """Gives the file free, and removes it when nothing is pending; safe to call again."""
        store, self._store = self._store, None
        if store is not None:
            store.close()
            if not self._rows:
                store.path.unlink(missing_ok=True)

    def _open(self, folder: Path) -> None:
        try:
            store = Store(folder)
        except StoreDamaged:
            raise
        except StoreError as error:
            raise ServeError(str(error)) from error
        try:
            self._read(store)
        except BaseException:
            store.close()
            raise
        self._store = store

    def _read(self, store: Store) -> None:
        """Raises `StoreDamaged`."""
        label: str | None = None
        questions: dict[str, KeptQuestion] = {}
        unread: list[PromptRow] = []
        try:
            for row in store.prompt_rows():
                kept = _decoded(row)
                if kept is None or row.prompt_id is None:
                    unread.append(row)
                elif isinstance(kept, str):
                    label = kept
                else:
                    questions[row.prompt_id] = kept
            if unread:
                self._set_rows_aside(store, unread)
            if label is None:
                store.save(Batch(prompts={_LABEL: encode(self.label)}))
        except StoreDamaged:
            raise
        except StoreError as error:
            raise ServeError(str(error)) from error
        if label is not None:
            self.label = label
        self.questions = tuple(questions.values())
        self._rows = set(questions)

    def _set_rows_aside(self, store: Store, rows: Sequence[PromptRow]) -> None:
        aside = _beside(store.path)
        try:
            with open(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as written:
                written.writelines(row.value + b"\n" for row in rows)
        except OSError as error:
            raise ServeError(
                f"{store.path} has rows that cannot be read, and they could not be set aside in {aside.name}: "
                f"{error.strerror or error}."
            ) from error
        store.drop_prompts(row.seq for row in rows)
        self._unread = (
            f"{count_text(len(rows), 'row')} of {store.path} could not be read and stand now in {aside.name} "
            "beside it: questions or answers are lost; those of all other rows are here."
        )
        _log.warning("%s", self._unread)

    def _set_aside(self, folder: Path, error: StoreDamaged) -> None:
        path = Path(os.path.expanduser(folder)).absolute() / FILE_NAME
        aside = _beside(path)
        try:
            path.replace(aside)
            with contextlib.suppress(FileNotFoundError):
                path.with_name(f"{FILE_NAME}-journal").replace(f"{aside}-journal")
        except OSError as failed:
            raise ServeError(f"{error} It could not be moved: {failed.strerror or failed}.") from failed
        self._unread = (
            f"The questions kept in {path} could not be read, and are now in {aside.name} beside it."
        )
        _log.warning("%s", self._unread)


def _decoded(row: PromptRow) -> str | KeptQuestion | None:
    """The label, or a question; None for what is neither."""
    if row.prompt_id is None:
        return None
    try:
        if row.prompt_id == _LABEL:
            return msgspec.json.decode(row.value, type=str)
        return msgspec.json.decode(row.value, type=KeptQuestion)
    except (ValueError, RecursionError):
        return None


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.unread-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
