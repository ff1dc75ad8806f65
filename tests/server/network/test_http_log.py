"""What anybody may send to the port is no traceback on a person's screen; a bug of ours is."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

import pytest
from server.shells import FakeBackend, within

from roma_widget.server.network.app import Shell
from roma_widget.server.network.http_log import HttpLog

HEAD = b"POST /api/take HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xff" * 500,
        b"garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET http://[::1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"%" * 300 + b" HTTP/1.1\r\nHost: [\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n\r\n",
        HEAD + b"Content-Length: many\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
        b"GET /api/small HTTP/1.1\r\nHost: localhost\r\n\r\ngarbage\r\n\r\n",
    ],
    ids=lambda sent: repr(sent[:60]),
)
async def test_malformed_http_is_no_traceback(sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with Shell(FakeBackend()) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(sent)
        writer.write_eof()
        with suppress(ConnectionResetError):
            await within(reader.read())
        writer.transport.abort()
    assert [each for each in caplog.records if each.levelno > logging.DEBUG or each.exc_info] == []


def test_a_bug_is_said_in_full(caplog: pytest.LogCaptureFixture) -> None:
    HttpLog().exception("Unhandled exception", exc_info=RuntimeError("a bug"))
    [record] = caplog.records
    assert (record.levelno, record.exc_info is not None) == (logging.ERROR, True)
