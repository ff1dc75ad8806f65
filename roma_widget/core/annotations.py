"""What people wrote beside the tasks of a server's runs. Nothing of it goes by itself: what is too much is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from ..errors import RomaError
from .text import count_text

MOST_ANNOTATIONS = 10_000
LONGEST_ANNOTATION = 10_000
MOST_TAGS, LONGEST_TAG = 50, 100


@dataclass(frozen=True, slots=True)
class Annotation:
    """One, written at `time_s` (epoch seconds, our clock)."""

    time_s: float
    project_id: str
    task_id: str
    text: str
    tags: tuple[str, ...] = ()


class Annotations:
    """Those on the runs of one server, oldest first. One thread writes; any thread reads."""

    def __init__(self) -> None:
        self._all: tuple[Annotation, ...] = ()

    def add(self, annotation: Annotation) -> None:
        """Raises RomaError when there are too many."""
        if len(self._all) >= MOST_ANNOTATIONS:
            raise RomaError(f"There are {MOST_ANNOTATIONS:,} annotations already; no more are kept.")
        self._all = (*self._all, annotation)

    def of(self, project_id: str | None) -> tuple[Annotation, ...]:
        return tuple(each for each in self._all if each.project_id == project_id)


def checked_annotation(text: object, tags: object) -> tuple[str, tuple[str, ...]]:
    """Text and tags as they are kept. Raises ValueError."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError("text takes what is to be remembered, a string with something in it.")
    if len(text) > LONGEST_ANNOTATION:
        raise ValueError(
            f"text takes up to {count_text(LONGEST_ANNOTATION, 'character')}, not {len(text):,}."
        )
    if isinstance(tags, str) or not isinstance(tags, Iterable):
        raise ValueError('tags takes a list of strings, as in tags=["odd"].')
    given = list(islice(tags, MOST_TAGS + 1))
    if (
        any(not isinstance(tag, str) or not 0 < len(tag) <= LONGEST_TAG for tag in given)
        or len(given) > MOST_TAGS
    ):
        raise ValueError(f"tags takes up to {MOST_TAGS} strings of 1 to {LONGEST_TAG} characters.")
    return text, tuple(dict.fromkeys(given))
