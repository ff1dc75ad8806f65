"""What of a run's page fits into a number of bytes: which texts stay, and how many of its moments.

Bytes are counted in one of two ways: as they are (`lengths`), or as they are packed (`packed_lengths`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from ..core.view import Record
from .page_steps import halved

Measure = Callable[[Iterable[bytes]], list[int]]
Encode = Callable[[Sequence[Record]], bytes]
Made = TypeVar("Made")
MOST_TRIES = 12
AIM, ENOUGH = 0.97, 0.94
"""Shares of the room: what is aimed at, and what is not improved on."""


@dataclass(frozen=True, slots=True)
class Part:
    """A trace or a task's details, encoded. `instead` is what stands there when it is left out for its size."""

    kind: str
    task_id: str
    body: bytes
    instead: bytes


@dataclass(frozen=True, slots=True)
class Choice:
    """The moments that stay, as records and encoded, and the places of the parts that do not."""

    steps: Sequence[Record]
    moments: bytes
    dropped: frozenset[int] = frozenset()

    def is_like(self, other: Choice) -> bool:
        return (len(self.steps), self.dropped) == (len(other.steps), other.dropped)


def lengths(pieces: Iterable[bytes]) -> list[int]:
    return [len(piece) for piece in pieces]


def packed_lengths(pieces: Iterable[bytes]) -> list[int]:
    """What each adds to a gzip stream of all of them: packed by itself, what is like the others would seem large."""
    packer = zlib.compressobj(6)
    return [len(packer.compress(piece)) + len(packer.flush(zlib.Z_SYNC_FLUSH)) for piece in pieces]


class Scale:
    """Weighs the pieces of a page once, and then says what fits."""

    def __init__(self, head: bytes, parts: Sequence[Part], measure: Measure, encode: Encode) -> None:
        self._measure, self._encode = measure, encode
        names = [part.task_id.encode("utf-8", "replace") for part in parts]
        whole = measure([head, *(name + part.body for name, part in zip(names, parts, strict=True))])
        least = measure([head, *(name + part.instead for name, part in zip(names, parts, strict=True))])
        self._n_whole = sum(whole) + len(parts) * len('"":,')
        saves = [one - other for one, other in zip(whole[1:], least[1:], strict=True)]
        self._saves = {place: each for place, each in enumerate(saves) if each > 0}
        self._largest_first = sorted(self._saves, key=lambda place: -self._saves[place])
        self._moments: dict[int, int] = {}

    def size(self, choice: Choice) -> int:
        gone = sum(self._saves.get(place, 0) for place in choice.dropped)
        return self._n_whole - gone + self._size_of_moments(choice)

    def chosen(self, before: Choice, room: int) -> Choice:
        """As much of `before` as fits into `room`; where nothing does, the least there is.

        The largest parts are left out first; of the moments every other one, while they take more than half of what
        the list of tasks leaves.
        """
        choice = before
        free = room - self._n_whole + sum(self._saves.values())
        while self._size_of_moments(choice) > free / 2 and len(choice.steps) > 1:
            steps = halved(choice.steps)
            choice = Choice(steps, self._encode(steps), choice.dropped)
        over = self.size(choice) - room
        dropped = set(choice.dropped)
        for place in self._largest_first:
            if over <= 0:
                break
            if place not in dropped:
                dropped.add(place)
                over -= self._saves[place]
        return Choice(choice.steps, choice.moments, frozenset(dropped))

    def _size_of_moments(self, choice: Choice) -> int:
        n_steps = len(choice.steps)
        if n_steps not in self._moments:
            (self._moments[n_steps],) = self._measure([choice.moments])
        return self._moments[n_steps]


def most_that_fits(
    scale: Scale, whole: Choice, n_whole: int, room: int, make: Callable[[Choice], tuple[bytes, Made]]
) -> tuple[bytes, Made]:
    """What is made of as much of `whole` as makes no more bytes than `room`; else of the least there is.

    All of it makes `n_whole`, which is too many. `scale` only guides: what counts are the bytes of what was made.
    """
    fits, fits_not, n_not = scale.chosen(whole, 0), whole, n_whole
    best = make(fits)
    low, high = scale.size(fits), scale.size(whole)
    for turn in range(MOST_TRIES):
        if not len(best[0]) < ENOUGH * room:
            break
        by_rule_of_three = (AIM * room - len(best[0])) / (n_not - len(best[0]))
        at = low + round((high - low) * (0.5 if turn % 3 == 2 else by_rule_of_three))
        choice = scale.chosen(whole, at)
        if choice.is_like(fits):
            low = at
        elif choice.is_like(fits_not):
            high = at
        elif len((made := make(choice))[0]) <= room:
            best, fits, low = made, choice, at
        else:
            n_not, fits_not, high = len(made[0]), choice, at
    return best
