"""One question for all who ask the same at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Shared(Generic[K, T]):
    """What is under way, by what was asked. What came of it is kept by others; a failure by nobody. On one loop.

    >>> trace = await shared.ask("root.1", lambda: fetch("root.1"))
    """

    def __init__(self) -> None:
        self._under_way: dict[K, asyncio.Task[T]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._under_way

    async def ask(self, key: K, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What `begin` gives or raises, begun by the first who asks; who leaves takes it from nobody."""
        asking = self._under_way.get(key)
        if asking is None:
            asking = asyncio.get_running_loop().create_task(begin(), name="roma-shared")
            self._under_way[key] = asking
            asking.add_done_callback(lambda done: self._ended(key, done))
        return await asyncio.shield(asking)

    def forget(self, belongs: Callable[[K], bool]) -> None:
        """Who asks from now on for what `belongs` is told of a newer one."""
        for key in [key for key in self._under_way if belongs(key)]:
            del self._under_way[key]

    async def close(self) -> None:
        """Ends what is under way."""
        under_way = tuple(self._under_way.values())
        for asking in under_way:
            asking.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _ended(self, key: K, done: asyncio.Task[T]) -> None:
        if self._under_way.get(key) is done:
            del self._under_way[key]
        if not done.cancelled():
            done.exception()  # looked at: whoever waited may have left
