"""What a topic is made of: the words that texts about it are put together from."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """Something with a number: `phrase` has one `{}` for a value between `low` and `high`."""

    phrase: str
    low: float
    high: float
    digits: int = 0

    def value(self, rng: random.Random) -> str:
        return f"{rng.uniform(self.low, self.high):.{self.digits}f}"


@dataclass(frozen=True)
class Topic:
    """Things and people are plural, effects and causes singular, claims are whole clauses: so they fit any sentence.

    `keywords` are the words by which a goal is known to be about it; `strands` are its four sides, `questions` what one
    searches for, `chats` what one asks in passing.
    """

    name: str
    subject: str
    reader: str
    keywords: tuple[str, ...]
    strands: tuple[str, ...]
    questions: tuple[str, ...]
    things: tuple[str, ...]
    people: tuple[str, ...]
    effects: tuple[str, ...]
    causes: tuple[str, ...]
    places: tuple[str, ...]
    measures: tuple[Measure, ...]
    claims: tuple[str, ...]
    chats: tuple[str, ...]
    code: str


def lines(text: str) -> tuple[str, ...]:
    """One phrase a line."""
    return tuple(line.strip() for line in text.strip().splitlines())


def names(text: str) -> tuple[str, ...]:
    """Short phrases with commas between them."""
    return tuple(name.strip() for name in text.split(","))
