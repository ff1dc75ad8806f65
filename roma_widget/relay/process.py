"""The process of a relay, whoever started it: it claims its place, serves, is found by others, and ends in order.

It ends by a signal, or by itself when it has been idle. What is heavy is imported once the claim is taken, so that
who comes too late costs little.
"""

from __future__ import annotations

import logging
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.reading import shorten
from ..errors import RomaError
from ..local_relays.claim import Claim
from ..local_relays.entry import IDLE_S, Found, own_process
from ..local_relays.place import Place, machine, place_for
from ..local_relays.private import private_folder

if TYPE_CHECKING:
    from .relay import Relay, RelayOptions

TEND_S: Final = 2.0
STOP_S: Final = 8.0
_log = logging.getLogger("roma_widget.relay")
_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)


@dataclass(frozen=True, slots=True)
class Wish:
    """What a relay is asked to be. `upstream` is what `FeedOptions` takes besides root, token and headers."""

    root: str
    server_token: str | None = field(default=None, repr=False)
    headers: Sequence[tuple[str, str]] = field(default=(), repr=False)
    upstream: dict[str, Any] = field(default_factory=dict)
    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = field(default=None, repr=False)
    """What clients need. A relay that other machines can reach does not begin without."""
    record: Path | None = None
    idle_s: float = IDLE_S
    is_detached: bool = False

    @property
    def place(self) -> Place:
        return place_for(self.root, self.server_token, self.headers)


def with_token(wish: Wish) -> Wish:
    """With a token made up where only this machine can reach the relay: its other users must not come in."""
    if wish.token is None and _is_this_machine(wish.host):
        return replace(wish, token=secrets.token_urlsafe(32))
    return wish


def run_relay(
    wish: Wish, asked: threading.Event, announce: Callable[[Found], None], *, wait_s: float = 0.0
) -> bool:
    """Is that relay until `asked` is set or it has been idle; calls `announce` once it can be reached.

    Returns whether it was idle.
    Raises `AlreadyRuns` when another is or becomes it within `wait_s`, RomaError when it cannot begin.
    """
    claim = Claim(wish.place)
    claim.take(wait_s)
    try:
        return _serve(wish, claim, asked, announce)
    except BaseException:
        claim.give_back()
        raise
    finally:
        with suppress(OSError):
            claim.place.questions.rmdir()  # unless there is something in it
        claim.let_go()


def _serve(wish: Wish, claim: Claim, asked: threading.Event, announce: Callable[[Found], None]) -> bool:
    from ..client.first_look import look_first
    from ..client.loop import io_thread
    from ..server.network.files import allow_many_files, too_few_for
    from .relay import LIMITS, Relay

    allow_many_files()
    too_few = too_few_for(LIMITS.connections)
    if too_few is not None:
        _log.warning("%s", too_few)
    io = io_thread()
    options = _options(wish)
    relay = Relay(options)
    try:
        io.result(look_first(options.upstream), meanwhile=lambda: _end_if(asked))
        io.result(relay.start(), meanwhile=lambda: _end_if(asked))
    except _EndedEarly:
        return False
    idle = io.submit(relay.ended())
    idle.add_done_callback(lambda _: asked.set())
    try:
        found = _found(wish, relay)
        claim.publish(found)
        announce(found)
        while not asked.wait(TEND_S):
            claim.tend()
        if idle.done():
            idle.result()  # a bug is raised
        else:
            io.result(relay.say_ended(), STOP_S)
        return idle.done()
    finally:
        idle.cancel()
        claim.withdraw()  # nobody is sent to one that ends
        with suppress(TimeoutError):
            io.result(relay.stop(), STOP_S)


def _options(wish: Wish) -> RelayOptions:
    from ..client.feed import FeedOptions
    from .recordings import checked_folder
    from .relay import RelayOptions

    private_folder(wish.place.questions)
    return RelayOptions(
        upstream=FeedOptions(
            root=wish.root, token=wish.server_token, headers=tuple(wish.headers), **wish.upstream
        ),
        host=wish.host,
        port=wish.port,
        token=wish.token,
        record=None if wish.record is None else checked_folder(wish.record),
        data_dir=wish.place.questions,
        idle_s=wish.idle_s,
    )


def _found(wish: Wish, relay: Relay) -> Found:
    pid, boot = own_process()
    return Found(
        url=relay.url,
        token=wish.token or "",
        pid=pid,
        of=wish.root,
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        boot=boot,
        machine=machine(),
        record=None if wish.record is None else str(wish.record),
        host=wish.host,
        idle_s=wish.idle_s,
        is_detached=wish.is_detached,
        place=wish.place,
    )


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def asked_to_end() -> Iterator[threading.Event]:
    """Set by Ctrl+C, SIGTERM and the end of the terminal, a second of which ends the process at once."""
    asked = threading.Event()

    def end(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        # from another thread: this one may hold the event's own lock at that moment
        threading.Thread(target=asked.set).start()

    before = {number: signal.signal(number, end) for number in _SIGNALS}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def sentence(error: BaseException) -> str:
    """What a person is told of it, in one line."""
    text = " ".join(str(error).split())
    if isinstance(error, RomaError) and text:
        return shorten(text, 2_000)
    return f"The relay has a bug and ended: {shorten(' '.join(repr(error).split()), 300)}."


class _EndedEarly(Exception):
    """Somebody ended it before it began."""


def _end_if(asked: threading.Event) -> None:
    if asked.is_set():
        raise _EndedEarly
