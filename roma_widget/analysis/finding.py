"""Search as the view does it: words in a task's goal, id, agent, model and error, without case and accents."""

from __future__ import annotations

import re
import unicodedata

from ..core.model import Snapshot, Task

# What a browser's `\s` is: Python's own adds some control characters and lacks the byte order mark.
_SPACE = re.compile("[\t-\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+")


def find(snapshot: Snapshot, text: str) -> list[Task]:
    """The tasks in which all words of `text` are, in plan order, able to follow their links; see `RunData.find`."""
    if not isinstance(text, str):
        raise ValueError(f"text takes the words to look for, a string, not {type(text).__name__}.")
    words = [word for word in _SPACE.split(folded(text)) if word]

    def is_meant(task: Task) -> bool:
        there = _text_of(task)
        return all(word in there for word in words)

    return [task.within(snapshot.tasks) for task in snapshot.tasks.values() if is_meant(task)]


def folded(text: str) -> str:
    """Without case and accents. Example: `folded("Résumé")` is "resume"."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if unicodedata.category(char)[0] != "M").lower()


def _text_of(task: Task) -> str:
    texts = (task.goal, task.task_id, task.agent, task.model, task.error)
    return folded("\n".join(text or "" for text in texts))
