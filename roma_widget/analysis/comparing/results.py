"""What the tasks came to, as text that can be compared: read when it is asked for, and unknown where it cannot be."""

from __future__ import annotations

import json
import re
from typing import Any

from ...core.model import Task
from ...errors import ConnectError, RomaError, WaitTimeout

_NEW_LINE = re.compile(r"(?<!\\)((?:\\\\)*)\\n")


class Results:
    """The results of one run's tasks, each read once.

    Servers of ours leave large ones out until somebody asks. A server that gives no answer is not asked again: a
    thousand tasks would wait a thousand times.
    """

    def __init__(self) -> None:
        self._texts: dict[str, str | None] = {}
        self._why_unread: dict[str, str] = {}
        self._is_silent = False

    def text(self, task: Task) -> str | None:
        """Text as it is, other JSON in lines with its keys in order; None where there is none, or it is unread."""
        task_id = task.task_id
        if task_id not in self._texts and task_id not in self._why_unread:
            self._read(task)
        return self._texts.get(task_id)

    def why_unread(self, task: Task) -> str | None:
        """A sentence where the result could not be read; None where it could."""
        self.text(task)
        return self._why_unread.get(task.task_id)

    @property
    def n_unread(self) -> int:
        return len(self._why_unread)

    def _read(self, task: Task) -> None:
        if self._is_silent and task.n_left_out:
            self._why_unread[task.task_id] = "The server gave no answer before."
            return
        try:
            self._texts[task.task_id] = readable(task.result)
        except RomaError as error:
            self._is_silent = isinstance(error, ConnectError | WaitTimeout)
            self._why_unread[task.task_id] = str(error)
        except (ValueError, RecursionError):
            self._why_unread[task.task_id] = "What the server sent of this task cannot be read."


def readable(value: Any) -> str | None:
    """A text as it is; other JSON a value a line, line breaks within its texts being line breaks; None for None.

    Raises ValueError or RecursionError for what is nested too deep.
    """
    if value is None or isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True)
    return _NEW_LINE.sub("\\1\n", text)
