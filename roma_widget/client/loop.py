"""The one I/O thread of the process, `roma-io`, with the event loop that owns sockets, state and publishing.

Every other thread hands work over with `submit` or `call` and never touches what the loop owns.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from ..errors import NotLive
from .aside import aside

_log = logging.getLogger("roma_widget.loop")
T = TypeVar("T")
THREAD_NAME = "roma-io"
MEANWHILE_S = 0.1

_lock = threading.Lock()
_current: IoThread | None = None


class IoThread:
    """A daemon thread that runs one asyncio loop until the process ends."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        # the notebook's context goes along, so that what is printed from here has a cell to go to
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=context.run, args=(self._run,), name=THREAD_NAME, daemon=True)
        self.thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop; its result comes through the future. Raises NotLive in a forked child."""
        self._check(work.close)
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def post(self, call: Callable[..., object], *arguments: object) -> None:
        """Have the loop make a call soon. Returns at once; safe from any thread. Raises NotLive in a forked child."""
        self._check()
        self.loop.call_soon_threadsafe(call, *arguments)

    async def aside(self, function: Callable[..., T], *arguments: object) -> T:
        """On the loop: what a person's function gives, in a thread of its own. See `client.aside`."""
        return await aside(function, *arguments)

    def result(
        self,
        work: Coroutine[Any, Any, T],
        timeout_s: float | None = None,
        meanwhile: Callable[[], object] | None = None,
    ) -> T:
        """Run a coroutine on the loop and wait for it, calling `meanwhile` ten times a second.

        Raises RuntimeError on the loop's own thread.
        """
        if self.is_current():
            work.close()
            raise RuntimeError(
                "This call waits for the roma-io thread and was made on it (from a trait observer?), "
                "where it would wait for ever: make it from a cell, or use the *_async form."
            )
        future = self.submit(work)
        try:
            while meanwhile is not None and not future.done():
                wait({future}, MEANWHILE_S)
                meanwhile()
            return future.result(timeout_s)
        except BaseException:
            future.cancel()  # interrupted or late: nobody waits for it any more
            raise

    def is_current(self) -> bool:
        return threading.current_thread() is self.thread

    def _check(self, clean_up: Callable[[], object] = lambda: None) -> None:
        if self.pid != os.getpid() or not self.thread.is_alive():
            clean_up()
            raise NotLive(
                "This monitor belongs to another process or its I/O thread has ended; "
                "make a new one with roma.connect(…)."
            )

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            try:
                self.loop.run_forever()
            except BaseException:  # sys.exit() in a trait observer must not end everybody's mirror
                _log.exception("something tried to end the roma-io thread; it goes on")
            else:
                return


def io_thread() -> IoThread:
    """The process's I/O thread, started when first needed; a forked child gets one of its own."""
    global _current
    with _lock:
        if _current is None or _current.pid != os.getpid() or not _current.thread.is_alive():
            _current = IoThread()
        return _current
