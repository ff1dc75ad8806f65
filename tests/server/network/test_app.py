"""The network shell over real sockets: requests and replies, compression, binary messages, beginning and end."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import socketio
from server.shells import BIG, FakeBackend, Joined, Polling, RawWebSocket, until, within

from roma_widget.server.network.app import Client, Limits, ServeError, Shell

TRANSPORTS = ["websocket", "polling"]


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest_asyncio.fixture
async def shell(backend: FakeBackend) -> AsyncIterator[Shell]:
    async with Shell(backend) as running:
        yield running


# -- joining, asking


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_joins_asks_and_leaves(shell: Shell, backend: FakeBackend, transport: str) -> None:
    async with Joined(shell.url, transport=transport, auth={"roma_widget": 1, "label": "A" * 100}) as client:
        [joined] = backend.present
        assert shell.clients == {client.socket.get_sid(): joined}
        assert (joined.sid, joined.extension, joined.label) == (client.socket.get_sid(), 1, "A" * 80)
        await client.ask("echo", "one", 2)
        assert client.events == [("welcome", "hello"), ("echo_reply", ["one", 2])]
    await until(lambda: backend.gone == [joined])
    assert not shell.clients
    assert shell.connections_total == 1


@pytest.mark.parametrize(
    "auth", [None, {}, {"roma_widget": "1"}, {"roma_widget": True}, {"roma_widget": -1, "label": 5}, [1], "x"]
)
async def test_whoever_does_not_ask_is_plain_roma(shell: Shell, backend: FakeBackend, auth: Any) -> None:
    async with Joined(shell.url, auth=auth):
        assert [(client.extension, client.label) for client in backend.present] == [(0, "")]


async def test_replies_come_before_the_acknowledgement(shell: Shell) -> None:
    async with RawWebSocket(shell.url) as raw:
        await raw.send("40")
        texts = [(await raw.read()).text for _ in range(3)]
        assert texts[1] == '42["welcome","hello"]'
        assert texts[2].startswith("40{")
        await raw.send('427["echo",1]')
        assert [(await raw.read()).text for _ in range(2)] == ['42["echo_reply",[1]]', "437[]"]
        await raw.send('42["echo",2]')  # asks for no acknowledgement
        await raw.send('428["unknown"]')  # nobody answers
        await raw.send('42/other,9["echo",3]')
        await raw.send('4210["echo",4]')
        assert [(await raw.read()).text for _ in range(3)] == [
            '42["echo_reply",[2]]',
            '42["echo_reply",[4]]',
            "4310[]",
        ]


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_requests_are_handled_one_at_a_time_in_order(
    shell: Shell, backend: FakeBackend, transport: str
) -> None:
    async with Joined(shell.url, transport=transport) as client, Joined(shell.url) as other:
        await client.socket.emit("slow", 0)
        for number in range(1, 40):
            await client.socket.emit("echo", number)
        await until(lambda: backend.heard)
        await other.ask("echo", "meanwhile")
        assert backend.heard == [("slow", (0,)), ("echo", ("meanwhile",))]
        backend.may_go_on.set()
        await client.until("echo_reply", 39)
        assert [args[0] for event, args in backend.heard if args != ("meanwhile",)] == list(range(40))


async def test_what_a_client_asked_before_it_left_is_done(shell: Shell, backend: FakeBackend) -> None:
    async with Joined(shell.url) as client:
        await client.socket.emit("slow")
        await client.socket.emit("echo", "and goodbye")
        await until(lambda: backend.heard)
    await until(lambda: not shell.clients)
    assert not backend.gone
    backend.may_go_on.set()
    await until(lambda: backend.gone)
    assert backend.heard == [("slow", ()), ("echo", ("and goodbye",))]


async def test_a_bug_in_the_backend_is_the_askers_alone(
    shell: Shell, caplog: pytest.LogCaptureFixture
) -> None:
    async with Joined(shell.url) as client, Joined(shell.url) as other:
        await client.ask("broken")
        await client.ask("echo", "still here")
        assert client.names() == ["welcome", "broken_error", "echo_reply"]
        assert client.events[1][1] == {"error": "internal error"}
        assert other.names() == ["welcome"]
    assert "a bug in the backend" in caplog.text


async def test_a_client_that_cannot_be_let_in(
    shell: Shell, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def joined(client: Client) -> None:
        raise RuntimeError("a bug at the door")

    monkeypatch.setattr(backend, "joined", joined)
    client = Joined(shell.url)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.__aenter__()
    assert client.refusal == {"message": "Internal server error"}
    assert not shell.clients
    assert "a bug at the door" in caplog.text


# -- telling


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_posts_come_to_all_in_order(shell: Shell, backend: FakeBackend, transport: str) -> None:
    async with Joined(shell.url, transport=transport) as one, Joined(shell.url) as two:
        for number in range(20):
            shell.broadcast("news", b"%d" % number)
        backend.present[0].post("news", b"20")
        backend.present[1].post("news", b'"end"')
        assert await one.until("news", 21) == 20
        assert await two.until("news", 21) == "end"
        assert [payload for _, payload in one.events[1:]] == list(range(21))


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("auth", [None, {"roma_widget": 1}])
async def test_a_binary_message_arrives_intact(
    shell: Shell, backend: FakeBackend, transport: str, auth: Any
) -> None:
    """To a websocket and a long poll at once: the library would encode the attachment for both alike."""
    backend.binary = True
    async with Joined(shell.url, auth=auth, transport=transport) as one, Joined(shell.url, auth=auth) as two:
        for number in range(1, 4):
            backend.states.append(bytes(range(256)) * 1000 * number)
            shell.refresh()
            assert await one.until("state", number) == backend.states[-1]
            assert await two.until("state", number) == backend.states[-1]


async def test_nothing_new_is_not_sent(shell: Shell, backend: FakeBackend) -> None:
    async with Joined(shell.url) as client:
        shell.refresh()
        await until(lambda: backend.asked_for_states)
        await client.ask("echo")
        assert client.names() == ["welcome", "echo_reply"]


# -- compression


@pytest.mark.parametrize(
    ("offers_deflate", "auth", "is_compressed"),
    [
        (True, None, True),
        (False, None, False),
        (True, {"roma_widget": 1}, True),
        (False, {"roma_widget": 1}, False),
    ],
)
async def test_clients_get_deflate_when_they_offer_it(
    shell: Shell, backend: FakeBackend, offers_deflate: bool, auth: Any, is_compressed: bool
) -> None:
    backend.states.append(b'"' + b"x" * 100_000 + b'"')
    async with RawWebSocket(shell.url, offers_deflate=offers_deflate) as raw:
        assert raw.has_deflate == offers_deflate
        await raw.send("40" + ("" if auth is None else '{"roma_widget":1}'))
        welcome = await raw.read_until('42["welcome"')
        assert welcome.is_compressed == (is_compressed and auth is None)  # it is small
        await raw.read_until("40{")
        before = raw.bytes_read
        shell.refresh()
        state = await raw.read_until('42["state"')
        assert (state.is_compressed, len(state.content)) == (is_compressed, 100_002 + len('42["state",]'))
        assert (raw.bytes_read - before < 1000) == is_compressed


@pytest.mark.parametrize(
    ("accepts", "auth", "encoding"),
    [("gzip", None, "gzip"), ("identity", None, None), ("gzip", {"roma_widget": 1}, "gzip")],
)
async def test_clients_get_gzip_over_polling(
    shell: Shell, backend: FakeBackend, accepts: str, auth: Any, encoding: str | None
) -> None:
    backend.states.append(b'"' + b"x" * 100_000 + b'"')
    async with Polling(shell.url, accepts=accepts) as polling:
        await polling.join(auth)
        shell.refresh()
        assert len(await polling.get()) > 100_000
        assert polling.encodings[-1] == encoding


async def test_what_is_packed_already_is_not_compressed_again(shell: Shell, backend: FakeBackend) -> None:
    """Of clients of the extension, over websocket; the texts between are, and can still be read."""
    backend.binary = True
    async with RawWebSocket(shell.url, offers_deflate=True) as raw:
        await raw.join({"roma_widget": 1})
        for number in range(3):
            await raw.send(f'42["echo","{"x" * 5000}{number}"]')
            echo = await raw.read_until('42["echo_reply"')
            assert (echo.is_compressed, echo.text.count("x")) == (True, 5000)
            backend.states.append(b"packed" * 10_000)
            shell.refresh()
            assert not (await raw.read_until("451-")).is_compressed
            state = await raw.read()
            assert (state.opcode, state.is_compressed, state.content) == (
                raw.BINARY,
                False,
                b"packed" * 10_000,
            )


async def test_a_poll_with_a_packed_message_is_not_gzipped(shell: Shell, backend: FakeBackend) -> None:
    backend.binary = True
    backend.states.append(b"packed" * 10_000)
    async with Polling(shell.url) as polling, Polling(shell.url) as plain:
        await polling.join({"roma_widget": 1})
        await plain.join()
        shell.refresh()
        assert "\x1eb" in await polling.get()
        assert "\x1eb" in await plain.get()
        assert (polling.encodings[-1], plain.encodings[-1]) == (None, "gzip")


async def test_an_upgraded_client_of_the_extension_is_treated_the_same(
    shell: Shell, backend: FakeBackend
) -> None:
    backend.binary = True
    backend.states.append(b"packed" * 10_000)
    async with Polling(shell.url) as polling:
        await polling.join({"roma_widget": 1})
        async with RawWebSocket(shell.url, offers_deflate=True, query=f"&sid={polling.sid}") as raw:
            await raw.send("2probe")
            assert (await raw.read()).text == "3probe"
            await raw.send("5")
            await raw.send(f'421["echo","{"x" * 5000}"]')
            assert (await raw.read_until('42["echo_reply"')).is_compressed
            shell.refresh()
            await raw.read_until("451-")
            assert not (await raw.read()).is_compressed


async def test_a_failed_upgrade_leaves_the_poll_as_it_was(shell: Shell) -> None:
    """socket.io-js closes the websocket when its probe fails, and goes on polling."""
    async with Polling(shell.url) as polling:
        await polling.join()
        async with RawWebSocket(shell.url, query=f"&sid={polling.sid}") as raw:
            assert raw.status == 101
            await until(lambda: _socket(shell, polling.sid).upgrading)
            async with RawWebSocket(shell.url, query=f"&sid={polling.sid}") as second:
                assert second.status == 400
        await until(lambda: not _socket(shell, polling.sid).upgrading)
        await polling.post('42["echo",1]')
        assert await polling.get() == '42["echo_reply",[1]]'


async def test_what_is_said_before_an_upgrade_has_ended_goes_to_the_poll(shell: Shell) -> None:
    async with Polling(shell.url) as polling:
        await polling.join()
        poll = asyncio.create_task(polling.get())
        await until(_socket(shell, polling.sid).queue.idle.is_set)
        async with RawWebSocket(shell.url, query=f"&sid={polling.sid}"):
            await until(lambda: _socket(shell, polling.sid).upgrading)
            shell.broadcast("news", b"1")
            assert await poll == '42["news",1]'


async def test_an_upgrade_must_come_soon(backend: FakeBackend) -> None:
    async with (
        Shell(backend, limits=Limits(probe_s=0.1)) as shell,
        Polling(shell.url) as polling,
        RawWebSocket(shell.url, query=f"&sid={polling.sid}") as silent,
    ):
        await polling.join()
        await within(silent.read_to_end())
        await polling.post('42["echo",1]')
        assert await polling.get() == '42["echo_reply",[1]]'


def _socket(shell: Shell, session: str) -> Any:
    assert shell._transport is not None
    return shell._transport.sessions.socket(session)


# -- beginning and end


async def test_addresses_that_are_refused() -> None:
    async def says(expected: str, **address: Any) -> None:
        with pytest.raises(ServeError, match=expected):
            await Shell(FakeBackend(), **address).start()

    await says("is not known here", host="no such host")
    await says("is not known here", host="")
    await says("Cannot listen", port=70000)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        await says("is taken", port=taken.getsockname()[1])


async def test_a_shell_starts_once(backend: FakeBackend) -> None:
    shell = Shell(backend, host="localhost")
    assert shell.connections_total == 0
    shell.broadcast("news", b"1")
    with pytest.raises(ServeError, match="not running"):
        _ = shell.url
    await shell.stop()
    await shell.start()
    with pytest.raises(ServeError, match="started before"):
        await shell.start()
    await shell.stop()
    await shell.stop()
    with pytest.raises(ServeError, match="not running"):
        _ = shell.port


async def test_stopping_is_prompt_and_leaves_nothing(backend: FakeBackend) -> None:
    """With clients that read, that do not, that poll, that wait for an answer, and that never joined."""
    before = asyncio.all_tasks()
    shell = Shell(backend, limits=Limits(goodbye_s=0.2))
    await shell.start()
    async with (
        Joined(shell.url) as reading,
        Joined(shell.url, transport="polling"),
        RawWebSocket(shell.url) as stuck,
        RawWebSocket(shell.url),
        Polling(shell.url) as polling,
    ):
        await stuck.join()
        await polling.join()
        await reading.socket.emit("slow")
        await stuck.send('42["big"]')
        await until(lambda: len(backend.heard) == 2)
        shell.broadcast("news", b'"' + b"x" * BIG + b'"')
        assert len(shell.clients) == 4
        started_s = asyncio.get_running_loop().time()
        await within(shell.stop())
        assert asyncio.get_running_loop().time() - started_s < 3
        await within(reading.ended.wait())
    assert not shell.clients
    assert len(backend.gone) == 4
    await until(lambda: not asyncio.all_tasks() - before)


def test_the_log_is_named() -> None:
    assert logging.getLogger("roma_widget.server.library").level == logging.ERROR
