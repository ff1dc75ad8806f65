"""One socket.io connection from its handshake to its end; a new one for each attempt.

Events come out undecoded (`wire.Payload` points into the frame's text). What the library does in its own way and
we cannot use: it decodes every frame (hence `_LazyPacket`), what it cannot read dies unheard in a task (hence
`_Client`), its websocket handshake has no deadline, a list of transports that starts with websocket never falls
back (so the caller tries them one by one), a failed connect leaks its HTTP session (so it is ours), it sends
`headers` with the first request of a polling connection only (so they are the session's), and it stops writing when it
had nothing to write for a ping interval and five seconds, also where the next ping is only late (hence `_Engine`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import engineio
import socketio
from engineio.base_client import connected_clients
from socketio import packet as socketio_packet

from ..core import wire
from ..core.address import is_loopback
from ..core.reading import shorten
from ..core.split import Malformed

EXTENSION_VERSION = 1
LARGEST_FRAME = 256 * 1024 * 1024
PACKETS_PER_POLL = 10_000
WINDOW_BITS = 15
LAST_RESPONSES = 8
LEAST_SILENCE_S = 0.2
LONGEST_SILENCE_S = 120.0
"""What a server says of its pings is believed within these."""
LOOKS = 8
"""How often a silence is looked at before it counts: time in which this process did not run is one look, no silence."""
LATE_LOOKS = 2
"""A ping may be a quarter of its interval (of `LOOKS`) late before it counts as missed."""
CANCELLATIONS = 5
_FAR_S = 1e6

UNREADABLE = "\0unreadable"
"""The name under which a packet that could not be read is passed on; its payload is a sentence."""

_RESERVED = frozenset({*socketio.AsyncClient.reserved_events, UNREADABLE})
_BINARY = ("5", "6")  # the packet types of events and acknowledgements with attachments
_PACKED = re.compile(
    r'51-(?:/,)?\["(snapshot|delta|stages|task_result_data|task_watched|task_unwatched)",'
    r'\{"_placeholder":true,"num":0\}\]'
)
"""An event of the extension, whose one argument comes in the next message."""
_CLOSE_CODES = {
    1002: "it broke the websocket protocol",
    1007: "it sent text that is not UTF-8",
    1009: f"it sent a frame of more than {LARGEST_FRAME // 2**20} MiB",
}
_HEAD = re.compile(r"2(?:/[^,\[]*,)?(\d*)(?=\[)")
# the library keeps its counter where the callback of number 0 would be, and a server could pop it
_ACK_OF_NOTHING = re.compile(r"3(?:/[^,\[]*,)?0*\[")
_log = logging.getLogger("roma_widget.socket")
_library_log = logging.getLogger("roma_widget.socketio")
_library_log.setLevel(logging.CRITICAL)  # it logs whole frames, and what it calls errors we report ourselves

Argument = wire.Payload | wire.Packed
OnEvent = Callable[[str, Argument | None], None]
MayJoin = Callable[[], Awaitable[bool]]


class LinkError(Exception):
    """The handshake failed. `mismatch` says that an HTTP server answered that does not speak socket.io."""

    def __init__(self, message: str, *, mismatch: bool = False) -> None:
        super().__init__(message)
        self.mismatch = mismatch


class NotJoined(LinkError):
    """The transport's handshake went well, and `may_join` said no."""


class _LazyPacket(socketio_packet.Packet):  # type: ignore[misc]
    """Leaves an event's arguments as text. Given as `serializer=`: `json=` would change every client there is."""

    def decode(self, encoded_packet: Any) -> int:
        if not isinstance(encoded_packet, str) or encoded_packet.startswith(_BINARY):
            # an attachment that never comes would make the library take the next frame for it
            raise Malformed("binary data, which no ROMA server sends")
        match = _HEAD.match(encoded_packet)
        if match is None:
            if _ACK_OF_NOTHING.match(encoded_packet):
                raise Malformed("an acknowledgement of nothing")
            return int(super().decode(encoded_packet))
        self.packet_type = socketio_packet.EVENT
        self.namespace = None
        self.id = int(match[1]) if match[1] else None
        self.data: list[Any] = list(wire.read_packet(encoded_packet, match.end()))
        if self.data[0] in _RESERVED:
            raise Malformed(f"an event named {self.data[0]!r}, which socket.io keeps for itself")
        return 0


class _ExtendedPacket(_LazyPacket):
    """Takes the binary messages that a server was asked for, and no others."""

    def decode(self, encoded_packet: Any) -> int:
        match = _PACKED.fullmatch(encoded_packet) if isinstance(encoded_packet, str) else None
        if match is None:
            return super().decode(encoded_packet)
        self.packet_type = socketio_packet.BINARY_EVENT
        self.namespace = self.id = None
        self.data = [match[1], {"_placeholder": True, "num": 0}]
        return 1


class _Engine(engineio.AsyncClient):  # type: ignore[misc]
    """Counts what is heard, and notes how long the server may be silent; the library's own deadlines are put off."""

    ping_interval: float
    packets_heard = 0
    pings_heard = 0
    ping_every_s = silent_s = LONGEST_SILENCE_S

    async def _trigger_event(self, event: str, *arguments: Any, **options: Any) -> Any:
        if event == "connect":  # the open packet has been read, and the library's loops have not begun
            said_s = self.ping_interval + self.ping_timeout
            self.silent_s = min(max(said_s, LEAST_SILENCE_S), LONGEST_SILENCE_S)
            self.ping_every_s = min(max(self.ping_interval, LEAST_SILENCE_S), LONGEST_SILENCE_S)
            self.ping_interval = _FAR_S
        return await super()._trigger_event(event, *arguments, **options)

    async def _send_request(self, *arguments: Any, **options: Any) -> Any:
        if (
            self.http is None or self.http.closed
        ):  # for a link that was closed it would make a session nobody closes
            return "the link is closed"
        return await super()._send_request(*arguments, **options)

    async def _connect_websocket(self, *arguments: Any, **options: Any) -> Any:
        if self.http is None or self.http.closed:  # the same, for a handshake that was given up
            raise engineio.exceptions.ConnectionError("the link is closed")
        return await super()._connect_websocket(*arguments, **options)

    async def _receive_packet(self, packet: Any) -> None:
        self.packets_heard += 1
        self.pings_heard += packet.packet_type == engineio.packet.PING
        await super()._receive_packet(packet)


class _Client(socketio.AsyncClient):  # type: ignore[misc]
    """Passes on what the library would let die in a task of its own. Asks `may_join` before it joins."""

    _binary_packet: _LazyPacket | None
    may_join: MayJoin | None = None
    has_refrained = False

    def _engineio_client_class(self) -> type[_Engine]:
        return _Engine

    async def _handle_eio_connect(self) -> None:
        if self.may_join is not None and not await self.may_join():
            self.has_refrained = True
            raise NotJoined("a run may have begun")
        await super()._handle_eio_connect()

    async def _handle_eio_message(self, data: Any) -> None:
        if self._binary_packet is not None and not isinstance(data, bytes):
            # the library would take this message for the attachment that did not come
            self._binary_packet = None
            sentence = "a packet was skipped: its binary part did not come"
            await self._trigger_event(UNREADABLE, "/", wire.Payload(sentence))
        try:
            await super()._handle_eio_message(data)
        except Malformed as error:
            await self._trigger_event(UNREADABLE, "/", wire.Payload(f"a packet was skipped: {error}"))
        except Exception:  # whatever the library trips over
            text = f" ({shorten(data[:50], 40)!r})" if isinstance(data, str) else ""
            sentence = f"a packet was skipped: it is not in socket.io's form{text}"
            await self._trigger_event(UNREADABLE, "/", wire.Payload(sentence))

    async def _handle_disconnect(self, namespace: str | None) -> None:
        if self.connected:
            await super()._handle_disconnect(namespace)
        else:  # the library overlooks a goodbye that comes right behind the welcome
            await self._handle_error(namespace, "it said goodbye at once")


class Link:
    """A socket to `root`. `ended` resolves with a sentence once an open link is gone.

    With `extended` the server is asked for its extension: binary messages, and less to send. Only of a server of ours.
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
        self._is_silent = False
        self._listening: tuple[asyncio.Task[None], ...] = ()
        self._http: aiohttp.ClientSession | None = None
        self._client: _Client | None = None
        self._refused: str | None = None
        self._responses: deque[aiohttp.ClientResponse] = deque(maxlen=LAST_RESPONSES)

    async def open(self) -> None:
        """Shake hands. Raises `LinkError`, and then nothing is left open."""
        # a class attribute of the library, 16 by default: a burst of frames over polling would end the connection
        payload = engineio.payload.Payload
        payload.max_decode_packets = max(payload.max_decode_packets, PACKETS_PER_POLL)
        self._http = aiohttp.ClientSession(
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=self._make_response,  # type: ignore[arg-type]
        )
        client = self._client = _Client(
            reconnection=False,
            handle_sigint=False,
            logger=_library_log,
            engineio_logger=_library_log,
            serializer=_ExtendedPacket if self._extended else _LazyPacket,
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
        extension = {"roma_widget": EXTENSION_VERSION} if self._extended else {}
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
        """Close the socket and everything under it; safe to call twice."""
        client, self._client = self._client, None
        http, self._http = self._http, None
        listening, self._listening = self._listening, ()
        for task in listening:
            task.cancel()
        try:
            if client is not None and not self._is_silent:
                await self._say_goodbye(client)
        finally:  # also when this is cancelled
            if client is not None:
                await self._let_go(client)
            if http is not None:
                await http.close()
            self._end("closed by us")

    async def _say_goodbye(self, client: _Client) -> None:
        try:
            async with asyncio.timeout(2.0):
                if client.eio.state == "connected":
                    # behind a request that is under way the library would not send a goodbye
                    with contextlib.suppress(TimeoutError):
                        await _within(1.0, client.eio.queue.join())
                await client.disconnect()
        except Exception as error:  # a link that is already broken may fail to say goodbye
            _log.debug("closing the link to %s: %s", self.root, error)

    async def _let_go(self, client: _Client) -> None:
        """The library's tasks end before their HTTP session is closed: else it makes one of its own."""
        loops = {task for task in (client.eio.read_loop_task, client.eio.write_loop_task) if task}
        for task in loops:
            task.cancel()
        if loops:
            await asyncio.wait(loops, timeout=0.5)
        for response in self._responses:
            response.close()  # the library drops some unread, and a websocket that did not say hello as it should
        if client.eio in connected_clients:  # the library forgets it only after a polite goodbye
            connected_clients.remove(client.eio)

    async def _end_when_silent(self, engine: _Engine) -> None:
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

    async def _count_missed_pings(self, engine: _Engine) -> None:
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
        response = aiohttp.ClientResponse(*arguments, **options)
        self._responses.append(response)
        return response

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
