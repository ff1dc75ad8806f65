"""The log of a relay: bounded, and without the secrets that it was started with."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType

_log = logging.getLogger("roma_widget.relay")
SHORTEST_SECRET = 4


class BoundedLog(logging.Handler):
    """Writes to a descriptor. Beyond `largest` bytes the older half of the file goes; None: it is no file."""

    def __init__(self, fd: int, largest: int | None, secrets: Iterable[str]) -> None:
        super().__init__()
        self._fd = fd
        self._largest = largest
        # the longest first: a short one may be part of it
        self._secrets = sorted(
            {text for text in secrets if len(text) >= SHORTEST_SECRET}, key=len, reverse=True
        )
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
            for secret in self._secrets:
                text = text.replace(secret, "…")
            os.write(self._fd, text.encode("utf-8", "replace") + b"\n")
            if self._largest is not None:
                self._bound(self._largest)
        except Exception:
            self.handleError(record)

    def _bound(self, largest: int) -> None:
        if os.fstat(self._fd).st_size <= largest:
            return
        os.lseek(self._fd, -(largest // 2), os.SEEK_END)
        kept = os.read(self._fd, largest // 2)
        os.ftruncate(self._fd, 0)
        os.write(self._fd, kept.partition(b"\n")[2])  # opened to append


@contextmanager
def logging_to(fd: int, largest: int | None, secrets: Iterable[str]) -> Iterator[None]:
    """Everything that this process has to say goes to `fd` meanwhile, also what nobody caught."""
    handler = BoundedLog(fd, largest, secrets)
    root, ours = logging.getLogger(), logging.getLogger("roma_widget")
    before = root.level, ours.level, sys.excepthook, threading.excepthook
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    ours.setLevel(logging.WARNING if largest is None else logging.INFO)
    sys.excepthook = _uncaught
    threading.excepthook = lambda thrown: _uncaught(thrown.exc_type, thrown.exc_value, thrown.exc_traceback)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        sys.excepthook, threading.excepthook = before[2:]


def _uncaught(
    kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None
) -> None:
    if error is not None:
        _log.error("uncaught", exc_info=(kind, error, traceback))
