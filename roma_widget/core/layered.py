"""A mapping that is never changed, whose successors share what they have in common: one of 10,000 projects changes
twice a second, and a copy of all of them for each would cost more than the reading of the frame."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TypeVar

MOST_ON_TOP = 64
T = TypeVar("T")


class Layered(Mapping[str, T]):
    """`base` with a few entries laid over it."""

    __slots__ = ("_base", "_length", "_top")

    def __init__(self, base: Mapping[str, T] | None = None, top: Mapping[str, T] | None = None) -> None:
        """Neither is copied, and neither may be changed afterwards."""
        self._base: Mapping[str, T] = {} if base is None else base
        self._top: Mapping[str, T] = {} if top is None else top
        self._length = len(self._base) + sum(key not in self._base for key in self._top)

    def updated(self, changed: Mapping[str, T], removed: Collection[str] = ()) -> Layered[T]:
        """What comes of it when `changed` is put in and `removed` is taken out. Mostly costs what is on top."""
        top = {**self._top, **changed}
        if not removed and len(top) <= MOST_ON_TOP:
            return Layered(self._base, top)
        whole = {**self._base, **top}
        for key in removed:
            whole.pop(key, None)
        return Layered(whole)

    def __getitem__(self, key: str) -> T:
        return self._top[key] if key in self._top else self._base[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from (key for key in self._top if key not in self._base)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"Layered({dict(self)!r})"
