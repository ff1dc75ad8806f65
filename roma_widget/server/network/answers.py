"""HTTP answers on their way out: in pieces, the large ones a few at a time, and none for longer than it may take.

aiohttp hands a whole body to the connection's buffer and waits for its reader without end: sixty connections that
ask for a frame of 45 MB and read nothing would hold sixty copies.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web

from roma_widget.server.network.limits import Limits
from roma_widget.server.wire.records import compact_json

_PIECE = 256 * 1024


class Answers:
    """Writes answers; one of these for all connections of a server."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._turns = asyncio.Semaphore(limits.large_answers)
        self._waiting = 0

    async def send(self, request: web.Request, response: web.Response) -> web.Response:
        """Returns what was sent: `response`, or 503 in its place. Connections that do not take it are cut."""
        if response.prepared or not isinstance(response.body, bytes):
            await self._write(request, response)
            return response
        if len(response.body) <= self._limits.large_answer or request.method == "HEAD":
            await self._write(request, response)
            return response
        async with self._turn() as has_turn:
            if not has_turn:
                busy = compact_json({"error": "Too many large answers are being sent; ask again later"})
                response = web.Response(
                    status=503, body=busy, content_type="application/json", headers={"Retry-After": "10"}
                )
            await self._write(request, response)
        return response

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[bool]:
        limits = self._limits
        if self._turns.locked() and self._waiting >= 2 * limits.large_answers:
            yield False
            return
        self._waiting += 1
        try:
            await asyncio.wait_for(self._turns.acquire(), limits.turn_s)
        except TimeoutError:
            yield False
            return
        finally:
            self._waiting -= 1
        try:
            yield True
        finally:
            self._turns.release()

    async def _write(self, request: web.Request, response: web.Response) -> None:
        connection = request.transport
        try:
            async with asyncio.timeout(self._limits.answer_s):
                await response.prepare(request)
                body = response.body
                if response.compression or not isinstance(body, bytes) or len(body) <= _PIECE:
                    await response.write_eof()
                    return
                if request.method != "HEAD":
                    whole = memoryview(body)
                    for begin in range(0, len(whole), _PIECE):
                        await response.write(whole[begin : begin + _PIECE])
                await web.StreamResponse.write_eof(response)
        except (TimeoutError, ConnectionError):
            if connection is not None:
                connection.abort()  # aiohttp meets it again, and knows what to do
