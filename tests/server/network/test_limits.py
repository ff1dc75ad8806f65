"""What a client may not do to a server, and what that costs the others: nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from server.shells import BIG, DEADLINE_S, FakeBackend, Joined, Polling, RawWebSocket, until, within

from roma_widget.server.network.app import Limits, Shell
from roma_widget.server.network.client import TokenBucket

TRANSPORTS = ["websocket", "polling"]


@asynccontextmanager
async def shell(backend: FakeBackend, **limits: Any) -> AsyncIterator[Shell]:
    async with Shell(backend, limits=Limits(**limits)) as running:
        yield running


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert not [record for record in caplog.records if record.levelno > logging.WARNING or record.exc_info]
    return [record.getMessage() for record in caplog.records if record.name == "roma_widget.server"]


# -- too many requests


async def test_a_token_bucket_is_filled_by_time() -> None:
    now_s = 0.0
    bucket = TokenBucket(10, 3, lambda: now_s)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    now_s = 0.1
    assert [bucket.take() for _ in range(2)] == [True, False]
    now_s = 100.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_too_many_requests_are_refused_to_the_asker_alone(transport: str) -> None:
    backend = FakeBackend()
    async with (
        shell(backend, requests_per_s=0.001, burst=10) as running,
        Joined(running.url, transport=transport) as hasty,
        Joined(running.url) as other,
    ):
        for number in range(1000):
            await hasty.socket.emit("echo", number)
        error = await hasty.until("echo_error", 990)
        assert error["error"].startswith("too many requests")
        await hasty.until("echo_reply", 10)
        await other.ask("echo", "fine")
        assert other.names() == ["welcome", "echo_reply"]
        assert len(backend.heard) == 11


async def test_a_refused_request_is_acknowledged() -> None:
    async with shell(FakeBackend(), requests_per_s=0.001, burst=1) as running, Joined(running.url) as client:
        await client.ask("echo")
        await client.ask("echo")
        assert client.names() == ["welcome", "echo_reply", "echo_error"]


@pytest.mark.parametrize(
    ("limits", "size"), [({"waiting_requests": 50}, 1), ({"waiting_bytes": 500_000}, 100_000)]
)
async def test_a_long_line_of_requests_ends_the_connection(
    limits: dict[str, int], size: int, caplog: pytest.LogCaptureFixture
) -> None:
    backend = FakeBackend()
    async with (
        shell(backend, **limits) as running,
        Joined(running.url) as hasty,
        Joined(running.url) as other,
    ):
        await hasty.socket.emit("slow")
        for _ in range(60):
            await hasty.socket.emit("echo", "x" * size)
        await within(hasty.ended.wait())
        await other.ask("echo", "fine")
        backend.may_go_on.set()
        await until(lambda: len(backend.gone) == 1)
        assert [event for event, _ in backend.heard] == ["slow", "echo"]  # what waited is not done
    [complaint] = complaints(caplog)
    assert "of its requests" in complaint


# -- too large messages


@pytest.mark.parametrize("is_event", [True, False])
async def test_a_message_of_17_mb_closes_that_websocket(
    is_event: bool, caplog: pytest.LogCaptureFixture
) -> None:
    backend = FakeBackend()
    async with shell(backend) as running, Joined(running.url) as other, RawWebSocket(running.url) as raw:
        await raw.join()
        largest = "x" * (16 * 1024 * 1024 - len('42["echo",""]'))
        await raw.send(f'42["echo","{largest}"]')  # as much as is allowed
        assert len((await raw.read_until('42["echo_reply"')).content) > 16_000_000
        body = "x" * 17_000_000
        sending = asyncio.create_task(raw.send(f'42["echo","{body}"]' if is_event else body))
        *_, last = await raw.read_to_end()
        await asyncio.wait([sending], timeout=DEADLINE_S)
        assert sending.done()
        sending.exception()  # the connection was closed under it, or not
        assert (last.opcode, int.from_bytes(last.content[:2])) == (raw.CLOSE, 1009)
        await other.ask("echo", "fine")
        await until(lambda: len(running.clients) == 1)
        assert len(backend.heard) == 2
    assert complaints(caplog) == ["A connection is closed: it sent a message above 16,777,216 bytes."]


async def test_a_message_of_17_mb_ends_that_polling_client(caplog: pytest.LogCaptureFixture) -> None:
    backend = FakeBackend()
    async with shell(backend) as running, Joined(running.url) as other, Polling(running.url) as polling:
        await polling.join()
        status, text = await polling.post('42["echo","' + "x" * 17_000_000 + '"]')
        assert status == 413
        assert "error" in text
        await until(lambda: len(running.clients) == 1)
        assert (await polling.post("3"))[0] == 400
        await other.ask("echo", "fine")
        assert len(backend.heard) == 1
    assert complaints(caplog) == ["A connection is closed: it sent a message above 16,777,216 bytes."]


async def test_attachments_count_too(caplog: pytest.LogCaptureFixture) -> None:
    backend = FakeBackend()
    async with shell(backend, largest_message=100_000) as running, Joined(running.url) as client:
        await client.ask("echo", b"\x00\x01", {"deep": [b"\x02"]})
        assert backend.heard == [("echo", (b"\x00\x01", {"deep": [b"\x02"]}))]
        await client.socket.emit("echo", [b"x" * 90_000, b"y" * 90_000])
        await within(client.ended.wait())
        assert len(backend.heard) == 1
    [complaint] = complaints(caplog)
    assert "attachments are too large" in complaint


# -- messages that are none


async def test_a_handshake_that_was_damaged_on_its_way_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """A character that is no ASCII in the key is met by the library's decoder, which raises something else."""
    async with shell(FakeBackend()) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
            b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xb4AAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert b" 400 " in await within(reader.readline())
        writer.close()
        async with Joined(running.url) as client:
            await client.ask("echo", "fine")
    assert complaints(caplog) == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "hello",
            "0",
            "4",
            "42",
            "42{}",
            "42[]",
            "42[5]",
            "42[",
            "48[]",
            "451-[]x",
            "43",
            "44",
            "b!!",
            "\ud7ff",
        ),
        *(f"{beginning}{'[' * 100_000}" for beginning in ("4", "42", "2")),
    ],
)
@pytest.mark.parametrize("has_joined", [True, False])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_garbage_ends_that_connection_at_most(
    transport: str, has_joined: bool, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = FakeBackend()
    async with shell(backend) as running, Joined(running.url) as other:
        if transport == "websocket":
            async with RawWebSocket(running.url) as raw:
                if has_joined:
                    await raw.join()
                await raw.send(text)
        else:
            async with Polling(running.url) as polling:
                if has_joined:
                    await polling.join()
                assert (await polling.post(text))[0] in (200, 400, 413)
        await other.ask("echo", "fine")
        assert len(backend.heard) == 1
    complaints(caplog)


async def test_garbage_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with shell(FakeBackend()) as running:
        for text in ("hello", '42{"a":1}'):
            async with RawWebSocket(running.url) as raw:
                await raw.join()
                await raw.send(text)
                await raw.read_to_end()
    assert complaints(caplog) == [
        "A connection is closed: it sent what is no Engine.IO packet.",
        "A connection is closed: it sent what is no Socket.IO packet "
        "(ValueError: an event must be a list that begins with its name).",
    ]


async def test_a_polling_client_may_send_many_packets_at_once() -> None:
    async with shell(FakeBackend()) as running, Polling(running.url) as polling:
        await polling.join()
        await polling.post("\x1e".join(f'42["echo",{number}]' for number in range(100)))
        replies: list[str] = []
        while len(replies) < 100:
            replies += (await polling.get()).split("\x1e")
        assert replies == [f'42["echo_reply",[{number}]]' for number in range(100)]


# -- clients that do not read


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_does_not_read_skips_to_the_newest(transport: str) -> None:
    backend = FakeBackend()
    async with (
        shell(backend) as running,
        RawWebSocket(running.url) as raw,
        Polling(running.url) as polling,
        Joined(running.url) as other,
    ):
        await (raw if transport == "websocket" else polling).join()
        stuck = backend.present[-1]
        for number in range(1, 21):
            backend.states.append(b'["%d","%s"]' % (number, b"x" * BIG))
            running.refresh()
            await other.until("state", number)
            assert running._transport is not None
            waiting, size = running._transport.waiting(stuck.sid)
            assert waiting <= 1
            assert size < BIG * 1.1
        if transport == "websocket":
            seen = [(await raw.read_until('42["state"')).text[12:16]]
            while not seen[-1].startswith('"20"'):
                seen.append((await raw.read_until('42["state"')).text[12:16])
            assert len(seen) <= 3
        else:
            assert '["20",' in (await polling.get())[:100]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [({"queued_packets": 100}, "101 packets"), ({"queued_bytes": 12_000_000}, "bytes")],
)
async def test_posts_that_nobody_reads_end_the_connection(
    limits: dict[str, int], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    backend = FakeBackend()
    async with (
        shell(backend, **limits) as running,
        RawWebSocket(running.url) as raw,
        Joined(running.url) as other,
    ):
        await raw.join()
        stuck = (
            backend.present[-1] if backend.present[-1].sid != other.socket.get_sid() else backend.present[0]
        )
        stuck.post("news", b'"' + b"x" * BIG + b'"')
        stuck.post("news", b'"' + b"x" * BIG + b'"')  # the first may be with the writer
        await until(lambda: running._transport is not None and running._transport.waiting(stuck.sid)[0] <= 1)
        small = b"1" if "queued_packets" in limits else b'"' + b"x" * BIG + b'"'
        for _ in range(110):
            stuck.post("news", small)
        await until(lambda: stuck.sid not in running.clients)
        await until(lambda: backend.gone == [stuck])
        await other.ask("echo", "fine")
        await raw.read_to_end()
    [complaint] = complaints(caplog)
    assert "it does not read" in complaint
    assert expected in complaint


async def test_requests_wait_until_their_answers_are_read() -> None:
    """A client that asks for much and reads nothing gets one answer, not all of them."""
    backend = FakeBackend()
    async with shell(backend) as running, RawWebSocket(running.url) as raw, Joined(running.url) as other:
        await raw.join()
        for _ in range(20):
            await raw.send('42["big"]')
        await other.ask("echo")
        await until(lambda: ("big", ()) in backend.heard)
        await other.ask("echo")
        assert backend.heard.count(("big", ())) <= 2
        for _ in range(20):
            await raw.read_until('42["big_reply"')


# -- connections that never become clients


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_connection_that_never_joins_is_closed(
    transport: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with shell(FakeBackend(), connect_s=0.1) as running, Joined(running.url) as joined:
        if transport == "websocket":
            async with RawWebSocket(running.url) as raw:
                assert [frame.text[:1] for frame in await raw.read_to_end() if frame.opcode == 1] == [
                    "0",
                    "1",
                ]
        else:
            async with Polling(running.url) as polling:
                assert await polling.get() == "1"
                await polling.get()
                assert polling.status == 400
        await joined.ask("echo", "fine")
    assert complaints(caplog) == ["A connection is closed: it did not join within 0.1 s."]


async def test_another_namespace_is_no_way_in(caplog: pytest.LogCaptureFixture) -> None:
    async with shell(FakeBackend(), connect_s=0.1) as running, RawWebSocket(running.url) as raw:
        await raw.send("40/other,")
        assert (await raw.read_until("44/other,")).text.startswith("44/other,")
        await raw.read_to_end()
        assert not running.clients
    assert complaints(caplog) == ["A connection is closed: it did not join within 0.1 s."]


async def test_joining_twice_changes_nothing() -> None:
    backend = FakeBackend()
    async with shell(backend) as running, RawWebSocket(running.url) as raw:
        await raw.join()
        await raw.send("40")
        await raw.send('421["echo",1]')
        assert (await raw.read()).text == '42["echo_reply",[1]]'
        assert len(running.clients) == len(backend.present) == 1


async def test_a_stuck_client_that_is_lost_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its goodbye its connection is cut, though it never reads what was being sent to it."""
    backend = FakeBackend()
    async with shell(backend, goodbye_s=0.1) as running, RawWebSocket(running.url) as raw:
        await raw.join()
        await raw.send('42["big"]')
        await until(lambda: backend.heard)
        await raw.send("41")
        await until(lambda: backend.gone)
        assert running._transport is not None
        await until(lambda: not running._transport.sessions._requests)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_the_connection_of_a_session_that_ended_serves_on() -> None:
    """A browser uses one connection for many things: what it asks next is not cut with the old session."""
    backend = FakeBackend()
    async with (
        shell(backend, goodbye_s=0.05) as running,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as http,
    ):
        socket = f"{running.url}/socket.io/?EIO=4&transport=polling"
        async with http.get(socket) as response:
            socket += "&sid=" + json.loads((await response.text())[1:])["sid"]
        for body in ("40", "41"):
            async with http.post(socket, data=body) as response:
                assert response.status == 200
        asking = asyncio.create_task(http.get(f"{running.url}/api/wait"))
        assert running._transport is not None
        sessions = running._transport.sessions
        await until(lambda: not sessions._timers and len(sessions._requests) == 1)
        backend.may_go_on.set()
        async with await within(asking) as response:
            assert response.status == 200
        connections = http.connector._conns if http.connector is not None else {}
        assert [len(waiting) for waiting in connections.values()] == [1]
