"""What may be sent to a server that means it no good: strangers, slow and hasty ones, and those that never read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from server.shells import BIG, DEADLINE_S, FakeBackend, Joined, Polling, RawWebSocket, until, within

from roma_widget.server.network.app import Client, Limits, Shell
from roma_widget.server.network.connections import Connections
from roma_widget.server.network.limits import decoded_size
from roma_widget.server.network.outbox import Outbox
from roma_widget.server.network.packets import TextPacket


@asynccontextmanager
async def shell(backend: FakeBackend | None = None, **limits: Any) -> AsyncIterator[Shell]:
    async with Shell(backend or FakeBackend(), limits=Limits(**limits)) as running:
        yield running


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    assert not [record for record in caplog.records if record.levelno > logging.WARNING or record.exc_info]
    return [record.getMessage() for record in caplog.records if record.name == "roma_widget.server"]


class Slow:
    """A connection by hand, which says what it is told to and reads what it must."""

    def __init__(self, shell: Shell) -> None:
        self._port = shell.port

    async def __aenter__(self) -> Slow:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4096)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.writer.transport.abort()

    def say(self, text: str) -> None:
        self.writer.write(text.encode())

    async def ends(self, timeout_s: float = DEADLINE_S) -> bytes:
        """What comes until the server closes the connection."""
        heard = b""
        async with asyncio.timeout(timeout_s):
            try:
                while piece := await self.reader.read(65536):
                    heard += piece
            except ConnectionError:
                pass
        return heard


# -- names, and all else that is repeated


async def test_a_name_of_a_namespace_is_not_repeated_without_end(caplog: pytest.LogCaptureFixture) -> None:
    async with shell() as running, RawWebSocket(running.url) as raw, Polling(running.url) as polling:
        await raw.join()
        await raw.send("40/other,{}")
        assert (await raw.read()).text == '44/other,"Unable to connect"'
        await raw.send(f"40/{'x' * 100_000},{{}}")
        assert sum(len(frame.content) for frame in await raw.read_to_end()) < 100
        await polling.post(f"40/{'x' * 10_000},")
        assert (await polling.post("3"))[0] == 400
    assert ["namespace is too long" in text for text in complaints(caplog)] == [True, True]


async def test_what_the_library_queues_has_an_end_too(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        shell(queued_packets=50, messages_before_joining=1000) as running,
        Polling(running.url) as polling,
    ):
        await polling.post("\x1e".join(["40/other,"] * 60))
        assert (await polling.post("3"))[0] == 400
    assert complaints(caplog) == [
        "A connection is closed: it does not read: 51 packets (1,428 bytes) wait for it."
    ]


async def test_a_single_message_may_be_larger_than_the_outbox() -> None:
    told: list[tuple[int, int]] = []
    outbox = Outbox(10, 1000)
    outbox.on_overflow = lambda packets, size: told.append((packets, size))
    outbox.put_nowait(TextPacket(b"x" * 4999))
    assert (outbox.qsize(), outbox.is_overfull) == (1, False)
    for _ in range(3):
        outbox.put_nowait(TextPacket(b"x" * 9))
    assert (outbox.qsize(), outbox.bytes_waiting, told) == (1, 5000, [(2, 5010)])
    outbox.put_nowait(None)  # the writer's end always gets through
    assert outbox.qsize() == 2


async def test_a_text_for_many_is_kept_once() -> None:
    backend = FakeBackend()
    async with shell(backend) as running, Joined(running.url), Joined(running.url):
        transport = running._transport
        assert transport is not None
        for client in backend.present:
            client.post("news", b'"%s"' % (b"x" * BIG))
        one, two = (transport._socket(client.sid).queue._queue[0] for client in backend.present)
        assert one is two
        assert one.encode() is one.data


async def test_a_client_that_does_not_read_costs_no_copy() -> None:
    backend = FakeBackend()
    async with shell(backend) as running, RawWebSocket(running.url) as raw, Joined(running.url) as other:
        await raw.join()
        big = b'"' + b"x" * BIG + b'"'
        for _ in range(3):
            running.broadcast("news", big)
        await other.until("news", 3)
        buffered = [transport.get_write_buffer_size() for transport in running._connections._open]
        assert len(buffered) == 2
        assert max(buffered) < 1_000_000
        for _ in range(3):
            assert (await raw.read()).content == b'42["news",' + big + b"]"


# -- before the join


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_strangers_say_little(transport: str, caplog: pytest.LogCaptureFixture) -> None:
    long, many = "40" + '"' + "x" * 66_000 + '"', ["40/other,"] * 17
    async with shell() as running:
        if transport == "websocket":
            for texts in ([long], many):
                async with RawWebSocket(running.url) as raw:
                    for text in texts:
                        await raw.send(text)
                    await raw.read_to_end()
        else:
            async with Polling(running.url) as polling:
                assert (await polling.post(long))[0] == 413
            async with Polling(running.url) as polling:
                await polling.post("\x1e".join(many))
                assert (await polling.post("3"))[0] == 400
        assert not running.clients
    assert len(complaints(caplog)) == 2


async def test_a_stranger_may_not_even_begin_a_large_message() -> None:
    """aiohttp would keep 16 MB of it for as long as the stranger likes."""
    async with shell() as running, RawWebSocket(running.url) as raw:
        raw.writer.write(b"\x81\xff" + (16_000_000).to_bytes(8) + b"mask" + b"x" * 200_000)
        assert [frame for frame in await raw.read_to_end() if frame.opcode == raw.CLOSE] == []
    async with shell() as running, RawWebSocket(running.url) as raw:
        await raw.join()
        await raw.send(f'42["echo","{"x" * 500_000}"]')
        await raw.read_until('42["echo_reply"')


async def test_a_body_holds_so_many_packets(caplog: pytest.LogCaptureFixture) -> None:
    backend = FakeBackend()
    async with shell(backend) as running, Polling(running.url) as polling:
        await polling.join()
        assert (await polling.post("\x1e".join(['42["unknown"]'] * 1000)))[0] == 200
        assert (await polling.post("\x1e".join(["3"] * 1001)))[0] == 400
        await until(lambda: not running.clients)
    assert complaints(caplog) == ["A connection is closed: it sent more than 1,000 packets at once."]


# -- joining twice, and leaving meanwhile


class SlowDoor(FakeBackend):
    async def joined(self, client: Client) -> None:
        await self.may_go_on.wait()
        await super().joined(client)


@pytest.mark.parametrize("said", [["40", "40"], ["40", "41"], ["40", "41", "40"], ["40", "40", "41", "40"]])
@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_asking_again_while_joining_leaves_nobody_behind(transport: str, said: list[str]) -> None:
    backend = SlowDoor()
    async with shell(backend, goodbye_s=0.1) as running:
        if transport == "websocket":
            async with RawWebSocket(running.url) as raw:
                for text in said:
                    await raw.send(text)
                backend.may_go_on.set()
                assert (await raw.read_until("40{")).text
                if "41" in said:
                    frames = await raw.read_to_end()
                    assert not [frame for frame in frames if frame.content.startswith((b"40", b"44"))]
        else:
            async with Polling(running.url) as polling:
                posting = [asyncio.create_task(polling.post(text)) for text in said[:2]]
                await until(lambda: len(running.clients) == 1)
                backend.may_go_on.set()
                assert [status for status, _ in await within(asyncio.gather(*posting))] == [200, 200]
                came = await polling.get()
                while "40{" not in came:
                    came += "\x1e" + await polling.get()
                assert [text[:2] for text in came.split("\x1e")].count("44") == 0
                for text in said[2:]:
                    await polling.post(text)
                await polling.post("41")
        await until(lambda: not running.clients and not running._working)
        assert len(backend.gone) == len(backend.present) == 1


# -- what decoding costs


def test_what_a_message_takes_when_it_is_decoded() -> None:
    assert decoded_size("x" * 1000) == decoded_size(b"x" * 1000) == 1000
    bomb = ",".join(["{}"] * 1000)
    assert decoded_size(bomb) == decoded_size(bomb.encode()) > 120_000


async def test_a_message_that_grows_when_it_is_decoded_ends_the_connection(
    caplog: pytest.LogCaptureFixture,
) -> None:
    backend = FakeBackend()
    async with shell(backend, largest_decoded=1_000_000) as running, RawWebSocket(running.url) as raw:
        await raw.join()
        await raw.send(f'42["echo","{"x" * 500_000}"]')
        await raw.read_until('42["echo_reply"')
        await raw.send(f'42["echo",[{",".join(["{}"] * 10_000)}]]')
        await raw.read_to_end()
    [complaint] = complaints(caplog)
    assert "decoded it would take 2," in complaint
    assert len(backend.heard) == 1


async def test_unknown_events_count() -> None:
    backend = FakeBackend()
    async with shell(backend, requests_per_s=0.001, burst=10) as running, Joined(running.url) as client:
        for _ in range(10):
            await client.socket.emit("unknown")
        await client.ask("echo", {"rid": 5})
        assert client.names() == ["welcome", "echo_error"]
        assert backend.refusals == [("echo", ({"rid": 5},))]


# -- slow connections


@pytest.mark.parametrize(
    "said",
    [
        "",
        "GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
        "POST /api/take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nx",
        "GET /api/small HTTP/1.1\r\nHost: localhost\r\n\r\nGET / HT",
    ],
)
async def test_who_does_not_finish_a_request_is_cut(said: str) -> None:
    async with (
        shell(head_s=0.1, body_s=0.1, idle_s=0.1) as running,
        Slow(running) as slow,
        Joined(running.url) as other,
    ):
        slow.say(said)
        await slow.ends()
        await other.ask("echo", "fine")


async def test_the_time_for_a_body_is_not_the_time_for_the_answer() -> None:
    backend = FakeBackend()
    async with shell(backend, head_s=0.05, body_s=0.05, idle_s=10) as running, Slow(running) as slow:
        slow.say("GET /api/wait HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with Slow(running) as silent:
            await silent.ends()
        backend.may_go_on.set()
        assert b"200 OK" in await within(slow.reader.readuntil(b"\r\n\r\n"))


async def test_so_many_connections(caplog: pytest.LogCaptureFixture) -> None:
    async with shell(connections=3) as running:
        async with Slow(running) as one, Slow(running) as two, Slow(running) as three:
            for slow in (one, two, three):
                slow.say("GET /api/small HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await within(slow.reader.readuntil(b"true}"))
            for _ in range(5):
                async with Slow(running) as late:
                    late.say("GET /api/small HTTP/1.1\r\nHost: localhost\r\n\r\n")
                    assert await late.ends() == b""
        await until(lambda: not running._connections._open)
        async with aiohttp.ClientSession() as http, http.get(f"{running.url}/api/small") as response:
            assert response.status == 200
    assert complaints(caplog) == ["More than 3 connections are open: new ones are closed."]


async def test_so_many_sessions() -> None:
    """A hundred thousand long polls need but one connection."""
    async with shell(connections=5) as running, aiohttp.ClientSession() as http:
        answered = []
        for _ in range(7):
            async with http.get(f"{running.url}/socket.io/?EIO=4&transport=polling") as response:
                answered.append(response.status)
        assert answered == [200] * 5 + [503] * 2


async def test_a_lack_of_files_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    loop, others = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: others.append(context["message"]))
    connections = Connections(Limits())
    connections.watch(loop)
    for _ in range(100):
        loop.call_exception_handler({"message": "socket.accept() out of system resource"})
    loop.call_exception_handler({"message": "something else"})
    connections.unwatch(loop)
    loop.call_exception_handler({"message": "after"})
    assert others == ["something else", "after"]
    assert len(complaints(caplog)) == 1


# -- answers that nobody reads


async def test_answers_that_nobody_reads_are_cut_and_others_wait_for_them() -> None:
    ask = "GET /api/huge HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with (
        shell(large_answers=1, turn_s=0.1, answer_s=0.5) as running,
        Slow(running) as stuck,
        aiohttp.ClientSession() as http,
    ):
        stuck.say(ask)
        await within(stuck.reader.readuntil(b"\r\n\r\n"))
        async with http.get(f"{running.url}/api/huge") as response:
            assert response.status == 503
            assert "error" in await response.json()
        async with http.get(f"{running.url}/api/large") as response:
            assert response.status == 200
        assert running._transport is not None
        await until(lambda: not running._transport.sessions._requests)  # type: ignore[union-attr]
        async with http.get(f"{running.url}/api/huge", headers={"Accept-Encoding": "identity"}) as response:
            assert (response.status, len(await response.read())) == (200, BIG)
        assert len(await stuck.ends()) < BIG


async def test_so_many_wait_for_their_turn() -> None:
    ask = "GET /api/huge HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with (
        shell(large_answers=1, turn_s=60, answer_s=60) as running,
        Slow(running) as one,
        Slow(running) as two,
        Slow(running) as three,
        Slow(running) as late,
    ):
        for slow in (one, two, three):
            slow.say(ask)
        assert running._transport is not None
        answers = running._transport.sessions._answers
        await until(lambda: answers._waiting == 2)
        late.say(ask)
        assert b"503 " in await within(late.reader.readuntil(b"\r\n\r\n"))
