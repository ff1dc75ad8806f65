"""What the tasks came to: read when it is asked for, compared by digest, and unknown where it cannot be read."""

from __future__ import annotations

import json
import re
from hashlib import blake2b
from typing import Any

from ...core.model import Task
from ...errors import ConnectError, RomaError, WaitTimeout

_NEW_LINE = re.compile(r"(?<!\\)((?:\\\\)*)\\n")


class Unread(Exception):
    """A result could not be read; the message is a sentence for the person."""


class Results:
    """The results of one run's tasks.

    Servers of ours leave large ones out until somebody asks. A server that gives no answer is not asked again: a
    thousand tasks would wait a thousand times. What is remembered is a digest: all results together may be large.
    """

    def __init__(self) -> None:
        self._digests: dict[str, bytes] = {}
        self._unread: set[str] = set()
        self._is_silent = False

    @property
    def n_unread(self) -> int:
        """Of how many tasks no digest could be made."""
        return len(self._unread)

    def digest(self, task: Task) -> bytes | None:
        """The same for the same value, whatever the order of its keys; None where it could not be read."""
        task_id = task.task_id
        if task_id not in self._digests and task_id not in self._unread:
            try:
                self._digests[task_id] = self._new_digest(task)
            except Unread:
                self._unread.add(task_id)
        return self._digests.get(task_id)

    def text(self, task: Task) -> str | None:
        """As `readable` has it; None where there is no result. Asks also a server that gave no answer before.

        Raises Unread.
        """
        value = self._read(task)
        try:
            return readable(value)
        except (ValueError, RecursionError):
            raise Unread(_UNREADABLE) from None

    def _new_digest(self, task: Task) -> bytes:
        if self._is_silent and task.n_left_out:
            raise Unread("The server gave no answer before.")
        value = self._read(task)
        try:
            canonical = json.dumps(value, ensure_ascii=False, sort_keys=True)
        except (ValueError, RecursionError):
            raise Unread(_UNREADABLE) from None
        return blake2b(canonical.encode(errors="surrogatepass"), digest_size=16).digest()

    def _read(self, task: Task) -> Any:
        try:
            return task.result
        except RomaError as error:
            self._is_silent = isinstance(error, ConnectError | WaitTimeout)
            raise Unread(str(error)) from error
        except (ValueError, RecursionError):
            raise Unread(_UNREADABLE) from None


_UNREADABLE = "What the server sent of this task cannot be read."


def readable(value: Any) -> str | None:
    """A text as it is; other JSON a value a line, line breaks within its texts being line breaks; None for None.

    Raises ValueError or RecursionError for what is nested too deep.
    """
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return _NEW_LINE.sub("\\1\n", text)
