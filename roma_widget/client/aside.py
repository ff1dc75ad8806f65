"""A person's function, called beside the loop: it may sleep, raise anything or never return, and holds up nobody."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
THREAD_NAME = "roma-aside"


async def aside(function: Callable[..., T], *arguments: object) -> T:
    """What `function(*arguments)` gives, in a daemon thread of its own.

    Not in asyncio's executor: its few threads are shared, and Python waits for them when it ends. Raises what the
    function raises; RuntimeError in place of what would end a loop or a coroutine (sys.exit, StopIteration).
    Example: `await aside(predicate, snapshot)`
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[tuple[T | None, BaseException | None]] = loop.create_future()

    def call() -> None:
        value, error = None, None
        try:
            value = function(*arguments)
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, value, error)

    def tell(value: T | None, error: BaseException | None) -> None:
        if not answer.done():  # else who waited has given up
            answer.set_result((value, error))

    # with the caller's context, so that what is printed has a cell to go to
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(call,), name=THREAD_NAME, daemon=True).start()
    value, error = await answer
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        raise error
    if error is not None:
        raise RuntimeError(f"the function raised {error!r}") from error
    return value  # type: ignore[return-value]
