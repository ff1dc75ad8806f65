"""One socket.io connection from its handshake to its end; a new one for each attempt.

Events come out undecoded (`wire.Payload` points into the frame's text). What the library leaves to us, besides what
`library` bends: its websocket handshake has no deadline, a list of transports that starts with websocket never falls
back (so the caller tries them one by one), a failed connect leaks its HTTP session (so it is ours), and it sends
`headers` with the first request of a polling connection only (so they are the session's).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import engineio
import socketio
from engineio.base_client import connected_clients

from ..core import wire
from ..core.address import is_loopback
from ..core.reading import shorten
from .library import (
    EXTENSION_VERSION,
    Client,
    Engine,
    ExtendedPacket,
    LazyPacket,
    LinkError,
    MayJoin,
    NotJoined,
    library_log,
)
from .tls import connector

LARGEST_FRAME = 256 * 1024 * 1024
PACKETS_PER_POLL = 10_000
WINDOW_BITS = 15
LAST_RESPONSES = 8
LOOKS = 8
"""How often a silence is looked at before it counts: time in which this process did not run is one look, no silence."""
LATE_LOOKS = 2
"""A ping may be a quarter of its interval (of `LOOKS`) late before it counts as missed."""
CANCELLATIONS = 5
_CLOSE_CODES = {
    1002: "it broke the websocket protocol",
    1007: "it sent text that is not UTF-8",
    1009: f"it sent a frame of more than {LARGEST_FRAME // 2**20} MiB",
}
_log = logging.getLogger("roma_widget.socket")
Argument = wire.Payload | wire.Packed
OnEvent = Callable[[str, Argument | None], None]


class BoundedResponse(aiohttp.ClientResponse):
    """The library reads the body of a poll whole, however large: a few kilobytes of gzip may stand for all memory."""

    async def read(self) -> bytes:
        if self._body is None:
            whole = bytearray()
            async for part in self.content.iter_any():
                whole += part
                if len(whole) > LARGEST_FRAME:
                    self.close()
                    raise ValueError(
                        f"a poll of more than {LARGEST_FRAME // 2**20} MiB"
                    )  # what the library expects
            self._body = bytes(whole)
        return await super().read()


class Link:
    """A socket to `root`. `ended` resolves with a sentence once an open link is gone.

    With `extended` the server is asked for its extension: binary messages, and less to send. Only of a server of ours.
    It announces under `label` who answered a question.
    `may_join` is asked between the handshake of the transport, which harms nobody and may take long, and the joining;
    without its yes `open` raises `NotJoined`.
    """

    def __init__(
        self,
        root: str,
        transport: str,
        *,
        token: str | None,
        headers: dict[str, str],
        timeout_s: float,
        on_event: OnEvent,
        may_join: MayJoin | None = None,
        extended: bool = False,
        label: str = "",
    ) -> None:
        self.root = root
        self.transport = transport
        self.bytes_received = 0
        self.missed_pings = 0
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._token = token
        self._headers = headers
        self._timeout_s = timeout_s
        self._on_event = on_event
        self._may_join = may_join
        self._extended = extended
        self._label = label
        self._is_silent = False
        self._listening: tuple[asyncio.Task[None], ...] = ()
        self._http: aiohttp.ClientSession | None = None
        self._client: Client | None = None
        self._closing: asyncio.Future[None] | None = None
        self._refused: str | None = None
        self._redirected: str | None = None
        self._responses: deque[BoundedResponse] = deque(maxlen=LAST_RESPONSES)

    @property
    def is_closed_here(self) -> bool:
        """Was it us who ended it?"""
        return self._closing is not None

    async def open(self) -> None:
        """Shake hands. Raises `LinkError`, and then nothing is left open."""
        # a class attribute of the library, 16 by default: a burst of frames over polling would end the connection
        payload = engineio.payload.Payload
        payload.max_decode_packets = max(payload.max_decode_packets, PACKETS_PER_POLL)
        self._http = aiohttp.ClientSession(
            connector=connector(self.root),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=self._make_response,  # type: ignore[arg-type]
            trace_configs=[self._stay_here()],
        )
        client = self._client = Client(
            reconnection=False,
            handle_sigint=False,
            logger=library_log,
            engineio_logger=library_log,
            serializer=ExtendedPacket if self._extended else LazyPacket,
            request_timeout=self._timeout_s + 1.0,  # ours comes first: the library says "refused" for both
            http_session=self._http,
            websocket_extra_options={
                "max_msg_size": LARGEST_FRAME,
                # inflating costs more than receiving, so only where bytes have a way to go
                "compress": 0 if is_loopback(self.root) else WINDOW_BITS,
            },
        )
        client.may_join = self._may_join
        # before connecting: projects_list arrives before the connect acknowledgement
        client.on("*", self._hear)
        client.on("disconnect", self._lost)
        client.on("connect_error", self._refuse)
        try:
            await _within(
                self._timeout_s,
                client.connect(
                    self.root,
                    auth=self._auth(),
                    transports=[self.transport],
                    socketio_path=f"{urlsplit(self.root).path}/socket.io",  # the library forgets the path of a URL
                    wait_timeout=self._timeout_s,
                ),
            )
        except TimeoutError:
            self._is_silent = True
            await self.close()
            raise LinkError(
                self._refused
                or f"The {self.transport} handshake with {self.root} got no answer within {self._timeout_s:g} s."
            ) from None
        except Exception as error:  # whatever the library lets out of a failed handshake
            await self.close()
            if client.has_refrained:
                raise NotJoined(
                    "A run may have begun during the handshake, so it was not completed."
                ) from None
            if self._redirected is not None:
                raise LinkError(self._redirected) from error
            if self._refused is not None and not isinstance(
                error.__cause__, engineio.exceptions.ConnectionError
            ):
                raise LinkError(self._refused) from error
            raise _refusal(self.root, self.transport, error) from error
        reading = client.eio.read_loop_task
        if reading is None:  # gone before it was there
            self._lost()
        else:
            reading.add_done_callback(self._stopped_reading)
            self._listening = (
                asyncio.create_task(self._end_when_silent(client.eio), name="roma-link-silence"),
                asyncio.create_task(self._count_missed_pings(client.eio), name="roma-link-pings"),
            )

    def _auth(self) -> dict[str, Any] | None:
        token = {"token": self._token} if self._token else {}
        extension: dict[str, Any] = {}
        if self._extended:
            extension = {"roma_widget": EXTENSION_VERSION, **({"label": self._label} if self._label else {})}
        return {**token, **extension} or None

    async def request(self, event: str, *arguments: object, timeout_s: float | None = None) -> None:
        """Emit `event` and wait for the acknowledgement: the server got it. Raises `LinkError`."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        if self._client is None or not self._client.connected:
            raise LinkError(f"{event} was not sent: the connection is gone.")
        asking = asyncio.ensure_future(
            self._client.call(event, arguments if arguments else None, timeout=timeout_s)
        )
        try:
            # the library would wait out the time also when the connection is lost meanwhile
            await asyncio.wait({asking, self.ended}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise LinkError(f"{event} was not acknowledged: the connection is gone.")
            asking.result()
        except (socketio.exceptions.SocketIOError, TimeoutError) as error:
            raise LinkError(f"{self.root} did not acknowledge {event} within {timeout_s:g} s.") from error
        finally:
            asking.cancel()

    async def close(self) -> None:
        """Close the socket and everything under it; safe to call twice, and goes on where the caller is cancelled."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        client, self._client = self._client, None
        http, self._http = self._http, None
        for listening in self._listening:
            listening.cancel()
        self._listening = ()
        try:
            if client is not None and not self._is_silent:
                await self._say_goodbye(client)
            if client is not None:
                await self._let_go(client)
        finally:
            if http is not None:
                await http.close()
            self._end("closed by us")

    async def _say_goodbye(self, client: Client) -> None:
        try:
            async with asyncio.timeout(2.0):
                if client.eio.state == "connected":
                    # behind a request that is under way the library would not send a goodbye
                    with contextlib.suppress(TimeoutError):
                        await _within(1.0, client.eio.queue.join())
                await client.disconnect()
        except Exception as error:  # a link that is already broken may fail to say goodbye
            _log.debug("closing the link to %s: %s", self.root, error)

    async def _let_go(self, client: Client) -> None:
        """The library's tasks end before their HTTP session is closed: else it makes one of its own."""
        loops = {task for task in (client.eio.read_loop_task, client.eio.write_loop_task) if task}
        for _ in range(CANCELLATIONS):  # see `_within`: one that was swallowed would leave its loop for ever
            loops = {task for task in loops if not task.done()}
            if not loops:
                break
            for task in loops:
                task.cancel()
            await asyncio.wait(loops, timeout=0.5)
        for response in self._responses:
            response.close()  # the library drops some unread, and a websocket that did not say hello as it should
        if client.eio in connected_clients:  # the library forgets it only after a polite goodbye
            connected_clients.remove(client.eio)

    async def _end_when_silent(self, engine: Engine) -> None:
        """A server that is there pings: one that does not is gone, also where TCP still looks alive."""
        looks = heard = 0
        while looks < LOOKS:
            await asyncio.sleep(engine.silent_s / LOOKS)
            looks = looks + 1 if engine.packets_heard == heard else 0
            heard = engine.packets_heard
        self._is_silent = True
        self._end(
            f"The connection to {self.root} was lost (nothing was heard, not even a ping, for {engine.silent_s:g} s)."
        )

    async def _count_missed_pings(self, engine: Engine) -> None:
        """Each interval the server owes a ping; in looks, so that time in which this process did not run is one."""
        looks = heard = 0
        while True:
            await asyncio.sleep(engine.ping_every_s / LOOKS)
            looks = looks + 1 if engine.pings_heard == heard else 0
            heard = engine.pings_heard
            if looks == LOOKS + LATE_LOOKS:
                self.missed_pings += 1
                looks = LATE_LOOKS  # the next one is owed an interval later, and may be as late

    def _make_response(self, *arguments: Any, **options: Any) -> aiohttp.ClientResponse:
        response = BoundedResponse(*arguments, **options)
        self._responses.append(response)
        return response

    def _stay_here(self) -> aiohttp.TraceConfig:
        """The library follows redirects and cannot be told not to: token, headers and joining would go elsewhere."""

        async def refuse(_session: object, _about: object, asked: aiohttp.TraceRequestRedirectParams) -> None:
            to = shorten(repr(asked.response.headers.get("Location", "")), 200)
            self._redirected = (
                f"{self.root} sends the {self.transport} handshake on to {to}, and no token goes where nobody "
                "named the address: connect to that one, if you trust it."
            )
            raise aiohttp.ClientConnectionError("redirected")

        watching = aiohttp.TraceConfig()
        watching.on_request_redirect.append(refuse)
        return watching

    def _hear(self, name: str, *arguments: object) -> None:
        argument: Argument | None = None
        match arguments:
            case (wire.Payload() as argument, *_):
                self.bytes_received += len(argument.text)
            case (bytes() as body, *_):
                argument = wire.Packed(body)
                self.bytes_received += len(body)
        self._on_event(name, argument)

    def _lost(self, reason: str = "") -> None:
        socket = self._client.eio.ws if self._client is not None else None
        why = _CLOSE_CODES.get(socket.close_code) if socket is not None else None
        self._end(f"The connection to {self.root} was lost ({why or reason or 'no reason given'}).")

    def _refuse(self, why: object = None) -> None:
        """The server's own no, to the handshake or later."""
        message = why.get("message") if isinstance(why, dict) else why
        self._refused = f"{self.root} refused the connection ({shorten(str(message), 200)})."
        self._end(self._refused)

    def _stopped_reading(self, reading: asyncio.Task[None]) -> None:
        """Whatever ended the library's reader, nothing is heard any more."""
        error = None if reading.cancelled() else reading.exception()
        self._lost(f"what came could not be read: {type(error).__name__}" if error else "transport error")

    def _end(self, sentence: str) -> None:
        if not self.ended.done():
            self.ended.set_result(sentence)


async def _within(timeout_s: float, work: Coroutine[Any, Any, object]) -> None:
    """Await `work`. Raises TimeoutError.

    It is a task of its own, because `wait_for` of Python 3.11, which the library uses, swallows a cancellation that
    comes together with its result.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=timeout_s)
        if not task.done():
            raise TimeoutError
        task.result()
    finally:
        for _ in range(CANCELLATIONS):  # one can be swallowed inside, too
            if task.done():
                break
            task.cancel()
            await asyncio.wait({task}, timeout=0.2)
        if task.done() and not task.cancelled():
            task.exception()  # nobody wants it any more


def _refusal(root: str, transport: str, error: BaseException) -> LinkError:
    """One sentence, found in the chain of exceptions: the library's own words hide the reason."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, aiohttp.WSServerHandshakeError):
            return LinkError(_no_socketio(root, transport, f"HTTP {at.status}"), mismatch=True)
        at = at.__cause__ or at.__context__
    text = str(error)
    status = re.search(r"Unexpected status code (\d+)", text)
    if status is not None:
        return LinkError(_no_socketio(root, transport, f"HTTP {status[1]}"), mismatch=True)
    if (
        "Unexpected response" in text
        or "OPEN packet" in text
        or isinstance(error, ValueError | IndexError | KeyError)
    ):
        return LinkError(_no_socketio(root, transport, "something else"), mismatch=True)
    return LinkError(f"The {transport} handshake with {root} failed ({text or type(error).__name__}).")


def _no_socketio(root: str, transport: str, came_back: str) -> str:
    return f"{root} is no socket.io server: its answer to the {transport} handshake was {came_back}."
