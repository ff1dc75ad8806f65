"""A real Socket.IO and HTTP server that plays a recording: for demos, for tests and looking again.

The parts: `app` is the network, `replay_backend` says how the recorded server stands and what is told of it,
`pacer` when a moment is due. This file only puts them together, and owns the time line; all of it runs on
the loop that called `start`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable
from typing import Self

from roma_widget.archive.capture import Capture
from roma_widget.server.network.app import ServeError, Shell
from roma_widget.server.recorded.pacer import Pacer
from roma_widget.server.recorded.replay_backend import ReplayBackend


class ReplayServer:
    """Plays `capture` to any number of clients; after its end it goes on serving the final state.

    `speed` is recorded seconds per second; 0 or infinity plays as fast as possible. `host` must be this
    machine (a replay takes no token), `port` 0 takes a free one, `origins` names the pages that may look in
    from elsewhere. `safe_to_join=False` leaves that word out of the health reply, as the real server does, so
    that careful clients follow over HTTP.

    >>> async with ReplayServer(read_capture("run.jsonl.xz"), speed=10) as server:
    ...     print(server.url)
    """

    def __init__(
        self,
        capture: Capture,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        safe_to_join: bool = True,
        origins: Iterable[str] = (),
    ) -> None:
        Pacer(speed, lambda: 0.0)  # raises ValueError for a speed that is none
        self.capture = capture
        self._speed = speed
        self._backend = ReplayBackend(capture, safe_to_join=safe_to_join)
        self._shell = Shell(self._backend, host=host, port=port, origins=origins)
        self._is_running = False
        self._next = 0
        self._pacer: Pacer | None = None
        self._player: asyncio.Task[None] | None = None
        self._jumped = asyncio.Event()
        self._ended = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        return self._shell.port

    @property
    def url(self) -> str:
        return self._shell.url

    @property
    def clients_now(self) -> int:
        """Socket.IO clients connected at this moment."""
        return len(self._shell.clients)

    @property
    def connections_total(self) -> int:
        """Engine.IO handshakes asked for so far, successful or not: 0 proves that nobody opened a socket."""
        return self._shell.connections_total

    async def start(self, *, play: bool = True) -> None:
        """Listens and starts the time line; with `play=False` it stands at its beginning until `play()`."""
        await self._shell.start()
        self._is_running = True
        if play:
            self.play()

    def play(self) -> None:
        """Starts the time line; does nothing when it runs already."""
        if self._player is None and self._is_running:
            self._pacer = Pacer(self._speed, asyncio.get_running_loop().time)
            self._player = asyncio.create_task(self._play())

    async def stop(self) -> None:
        """Ends the time line, the connections and the listening; safe to call again.

        Raises what went wrong in the time line, if anything did.
        """
        if not self._is_running:
            return
        self._is_running = False
        if self._player is not None:
            self._player.cancel()
            await asyncio.wait([self._player])
        await self._shell.stop()
        if self._player is not None and not self._player.cancelled():
            self._player.result()

    async def advance_to(self, at_s: float) -> None:
        """Jumps to the recorded second `at_s`: what lies before is broadcast now, the rest as it is due."""
        self.play()
        if self._pacer is None:
            raise ServeError("The replay server is not running: start it first.")
        self._pacer.jump(at_s)
        self._jumped.set()
        while self._next < len(self.capture.moments) and self.capture.moments[self._next].at_s <= at_s:
            self._step()
            await asyncio.sleep(0)

    async def advance_to_end(self) -> None:
        """Jumps to the final state."""
        await self.advance_to(math.inf)

    async def wait_ended(self) -> None:
        """Returns when the whole time line has been played."""
        await self._ended.wait()

    async def _play(self) -> None:
        assert self._pacer is not None
        while self._next < len(self.capture.moments):
            delay_s = self._pacer.delay_s(self.capture.moments[self._next].at_s)
            if delay_s > 0:
                await self._sleep_unless_jumped(delay_s)
            else:
                self._step()
                await asyncio.sleep(0)

    async def _sleep_unless_jumped(self, delay_s: float) -> None:
        self._jumped.clear()
        try:
            async with asyncio.timeout(delay_s):
                await self._jumped.wait()
        except TimeoutError:
            return

    def _step(self) -> None:
        """Applies the next moment and tells everyone. Does not wait, so `advance_to` and the player may
        mix."""
        moment = self.capture.moments[self._next]
        self._next += 1
        self._backend.apply(moment)
        if self._next == len(self.capture.moments):
            self._ended.set()
