"""Who may ask, over HTTP and over the socket; CORS, gzip and errors."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import socketio
from server.shells import BIG, FakeBackend, Joined, Polling, RawWebSocket, within

from roma_widget.server.network.app import Limits, ServeError, Shell
from roma_widget.server.network.guard import _accepts_gzip, named_origins

PAGE = "http://localhost:3000"
TOKEN = "sesam öffne dich"


@asynccontextmanager
async def shell(**options: Any) -> AsyncIterator[Shell]:
    async with Shell(FakeBackend(), **options) as running:
        yield running


async def ask(
    url: str, path: str = "/api/small", method: str = "GET", **options: Any
) -> tuple[int, Any, dict[str, str]]:
    session = aiohttp.ClientSession(auto_decompress=False)
    async with session, session.request(method, url + path, **options) as response:
        return response.status, await response.read(), {k.lower(): v for k, v in response.headers.items()}


# -- token


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {TOKEN}"}, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({"Authorization": "token of-a-proxy", "X-Roma-Widget-Token": TOKEN}, 200),
        ({"X-Roma-Widget-Token": "wrong"}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({}, 401),
    ],
)
async def test_the_token_over_http(headers: dict[str, str], status: int) -> None:
    async with shell(token=TOKEN) as running:
        found, body, answered = await ask(running.url, headers=headers)
        assert found == status
        if status == 401:
            assert "token" in json.loads(body)["error"]
            assert answered["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_the_token_over_the_socket(transport: str) -> None:
    async with (
        shell(token=TOKEN) as running,
        Joined(running.url, auth={"token": TOKEN}, transport=transport) as client,
    ):
        await client.ask("echo", 1)
        assert len(running.clients) == 1


@pytest.mark.parametrize("transport", ["websocket", "polling"])
@pytest.mark.parametrize(
    "auth", [None, {}, {"token": "wrong"}, {"token": ""}, {"token": 5}, {"token": "\ud800"}, [TOKEN], TOKEN]
)
async def test_without_the_token_no_socket_joins(transport: str, auth: Any) -> None:
    async with shell(token=TOKEN) as running:
        client = Joined(running.url, auth=auth, transport=transport)
        with pytest.raises(socketio.exceptions.ConnectionError):
            async with client:
                raise AssertionError("it was let in")
        assert "wants its token" in client.refusal["message"]
        assert not running.clients


async def test_a_refused_socket_is_told_and_closed() -> None:
    async with (
        shell(token=TOKEN) as running,
        RawWebSocket(running.url) as raw,
        Polling(running.url) as polling,
    ):
        await raw.send("40")
        assert [frame.text[:2] for frame in await raw.read_to_end() if frame.opcode == raw.TEXT] == [
            "0{",
            "44",
            "1",
        ]
        await polling.post("40")
        assert (await polling.get()).startswith("44{")
        await polling.get()
        assert (await polling.post("40"))[0] == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
async def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(ServeError, match="there is no token"):
        await Shell(FakeBackend(), host=host).start()


async def test_with_a_token_any_host_will_do() -> None:
    async with shell(host="0.0.0.0", token=TOKEN) as running:
        assert running.url == f"http://127.0.0.1:{running.port}"
        headers = {"Authorization": f"Bearer {TOKEN}", "Host": "roma.example"}
        assert (await ask(running.url, headers=headers))[0] == 200


async def test_an_empty_token_is_none() -> None:
    with pytest.raises(ServeError, match="token is empty"):
        await Shell(FakeBackend(), token=" ").start()


# -- Host and Origin


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:1", 200),
        ("127.9.9.9", 200),
        ("[::1]:8000", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("localhost.evil.example", 403),
        ("10.0.0.1", 403),
        ("[::1", 403),
        ("", 403),
    ],
)
async def test_without_a_token_only_names_of_this_machine(host: str, status: int) -> None:
    async with shell() as running:
        found, body, _ = await ask(running.url, headers={"Host": host})
        assert found == status
        if status == 403:
            assert "this machine only" in json.loads(body)["error"]
        assert (await ask(running.url, "/socket.io/?EIO=4&transport=polling", headers={"Host": host}))[
            0
        ] == status
        async with RawWebSocket(running.url, headers={"Host": host}) as raw:
            assert raw.status == (101 if status == 200 else status)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 200),
        (PAGE, 200),
        ("HTTP://LocalHost:3000", 200),
        ("same", 200),
        ("http://localhost:3001", 403),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
async def test_only_our_own_pages_and_named_ones(origin: str | None, status: int) -> None:
    async with shell(origins=[PAGE]) as running:
        headers = {"Origin": running.url if origin == "same" else origin} if origin is not None else {}
        found, body, answered = await ask(running.url, headers=headers)
        assert found == status
        if status == 403:
            assert "origin" in json.loads(body)["error"]
        named = origin is not None and origin.lower() == PAGE
        assert answered.get("access-control-allow-origin") == (origin if named else None)
        assert (await ask(running.url, "/socket.io/?EIO=4&transport=polling", headers=headers))[0] == status
        async with RawWebSocket(running.url, headers=headers) as raw:
            assert raw.status == (101 if status == 200 else status)


@pytest.mark.parametrize(
    ("site", "destination", "status"),
    [
        ("cross-site", "script", 403),
        ("cross-site", "image", 403),
        ("cross-site", "iframe", 403),
        ("same-site", "empty", 403),  # a page of another port of this machine
        ("same-origin", "empty", 200),
        ("none", "document", 200),
        ("cross-site", "document", 200),  # a link that a person clicked: no page reads the answer
    ],
)
async def test_what_a_foreign_page_embeds_is_refused(site: str, destination: str, status: int) -> None:
    async with shell(origins=[PAGE]) as running:
        headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Dest": destination}
        assert (await ask(running.url, headers=headers))[0] == status
        assert (await ask(running.url, "/socket.io/?EIO=4&transport=polling", headers=headers))[0] == status
        named = {**headers, "Origin": PAGE}
        assert (await ask(running.url, headers=named))[0] == 200


async def test_no_origins_are_named_by_default() -> None:
    async with shell() as running:
        assert (await ask(running.url, headers={"Origin": PAGE}))[0] == 403
        assert (await ask(running.url, headers={"Origin": running.url}))[0] == 200


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_preflight(method: str) -> None:
    async with shell(origins=[PAGE], token=TOKEN) as running:
        headers = {"Origin": PAGE, "Access-Control-Request-Method": method}
        for path in ("/api/small", "/socket.io/"):
            status, _, answered = await ask(running.url, path, "OPTIONS", headers=headers)
            assert (status, answered["access-control-allow-origin"]) == (204, PAGE)
            assert "Authorization" in answered["access-control-allow-headers"]
            elsewhere = {**headers, "Origin": "http://evil.example"}
            status, _, answered = await ask(running.url, path, "OPTIONS", headers=elsewhere)
            assert status == 403
            assert not [name for name in answered if name.startswith("access-control")]
        status, _, answered = await ask(running.url, headers={"Origin": PAGE})
        assert (status, answered["access-control-allow-origin"]) == (
            401,
            PAGE,
        )  # so that the page can read why


@pytest.mark.parametrize("origin", ["*", "localhost:3000", "http://localhost:3000/page", "", "http://"])
async def test_what_is_no_origin(origin: str) -> None:
    with pytest.raises(ServeError, match="is no origin"):
        await Shell(FakeBackend(), origins=[origin]).start()


def test_origins_as_people_write_them() -> None:
    assert named_origins(["HTTP://LOCALHOST:3000/"]) == {PAGE}
    assert named_origins(PAGE) == {PAGE}


# -- gzip


@pytest.mark.parametrize(
    ("accepts", "encoding"), [("gzip, deflate", "gzip"), ("br", None), ("gzip;q=0", None)]
)
async def test_large_answers_are_gzipped_for_those_who_accept_it(accepts: str, encoding: str | None) -> None:
    async with shell() as running:
        _, body, answered = await ask(running.url, "/api/large", headers={"Accept-Encoding": accepts})
        assert answered.get("content-encoding") == encoding
        assert (len(body) < 1000) == (encoding is not None)
        assert answered["vary"] == "Accept-Encoding"
        _, _, answered = await ask(running.url, headers={"Accept-Encoding": accepts})
        assert "content-encoding" not in answered


async def test_an_answer_of_megabytes_is_gzipped_in_a_thread() -> None:
    """Else aiohttp before 3.14 warns that the loop waits, and a warning that is an error was HTTP 500."""
    async with shell() as running:
        status, body, answered = await ask(running.url, "/api/huge", headers={"Accept-Encoding": "gzip"})
        assert (status, answered["content-type"]) == (200, "application/octet-stream")
        assert len(gzip.decompress(body)) == BIG


def test_weights_of_gzip() -> None:
    assert [
        _accepts_gzip(text) for text in ("", "identity", "GZIP", "gzip; q=0.5", "br,gzip;q=0.0", "gzip;q=1")
    ] == [
        False,
        False,
        True,
        True,
        False,
        True,
    ]


# -- errors


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/here", 404),
        ("POST", "/api/small", 405),
        ("HEAD", "/socket.io/", 405),
        ("OPTIONS", "/api/small", 405),
        ("GET", "/api/broken", 500),
    ],
)
async def test_errors_are_json(method: str, path: str, status: int, caplog: pytest.LogCaptureFixture) -> None:
    async with shell() as running:
        found, body, answered = await ask(running.url, path, method)
        assert (found, answered["content-type"]) == (status, "application/json")
        assert method == "HEAD" or list(json.loads(body)) == ["error"]
        assert ("a bug in a route" in caplog.text) == (status == 500)
        assert "bug" not in body.decode()
        assert (status == 405) == ("allow" in answered)


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_bodies_have_a_limit(is_chunked: bool) -> None:
    async def chunks(size: int) -> AsyncIterator[bytes]:
        for _ in range(0, size, 1000):
            yield b"x" * 1000

    def body(size: int) -> Any:
        return chunks(size) if is_chunked else b"x" * size

    async with shell(limits=Limits(largest_message=100_000)) as running:
        found, answer, _ = await within(
            ask(running.url, "/api/take", "POST", data=body(99_000))
        )  # aiohttp's limit was exclusive once
        assert (found, json.loads(answer)) == (200, {"size": 99_000})
        found, answer, _ = await within(ask(running.url, "/api/take", "POST", data=body(101_000)))
        assert found == 413
        assert list(json.loads(answer)) == ["error"]


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(b"x" * 1_000_000)])
async def test_bodies_are_not_unpacked(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with shell() as running, Polling(running.url) as polling:
        headers = {"Content-Encoding": "gzip"}
        status, answer, _ = await ask(running.url, "/api/take", "POST", data=body, headers=headers)
        assert (status, list(json.loads(answer))) == (415, ["error"])
        assert (await polling.post_bytes(body, **headers))[0] == 415
        assert (await polling.post("40"))[0] == 200
    assert not caplog.records


async def test_pages_elsewhere_cannot_read_over_jsonp() -> None:
    async with shell() as running:
        status, body, _ = await ask(running.url, "/socket.io/?EIO=4&transport=polling&j=0")
        assert status == 400
        assert b"JSONP" in body
