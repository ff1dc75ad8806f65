"""`roma-widget relay`: in a terminal, `--list` and `--stop`. Each returns when it is done, or raises RomaError."""

from __future__ import annotations

import sys

from ..core.address import server_url
from ..core.reading import shorten
from ..errors import ConnectError, RomaError
from ..local_relays.entry import Found, checked_relay_token
from ..local_relays.finding import forget_killed, look, stop
from .link_log import at_command_line
from .log import logging_to
from .process import Wish, asked_to_end, run_relay, sentence, with_token


def run_in_terminal(wish: Wish, token_file: str | None) -> None:
    """Relays until Ctrl+C, SIGTERM, or the idle end; says how to connect. `token_file` is where its token is from."""
    if wish.token is not None:
        checked_relay_token(wish.token)
    if not 0 <= wish.port <= 65535:
        raise RomaError(f"--port must be between 0 (any free one) and 65535, not {wish.port}.")
    if not wish.idle_s > 0:
        raise RomaError(f"--idle must be a number of seconds above 0, not {wish.idle_s:g}.")
    wish = with_token(wish)
    if wish.token is None:
        raise RomaError(
            f"The host {wish.host!r} may be reachable from other machines and there is no token: give one with "
            "--token-file, or use 127.0.0.1."
        )
    needs_token = wish.server_token is not None
    secrets = [wish.server_token or "", wish.token or ""]
    with logging_to(2, None, secrets), asked_to_end() as asked:
        try:
            was_idle = run_relay(
                wish, asked, lambda found: _say_how(found, token_file, needs_token=needs_token)
            )
        except ConnectError as error:
            raise ConnectError(at_command_line(str(error))) from error
        except RomaError:
            raise
        except Exception as error:
            raise RomaError(sentence(error)) from error
    print(f"Ended: nobody was here for {wish.idle_s:g} s." if was_idle else "Ended.", flush=True)


def print_list(url: str | None) -> None:
    """The relays of this user on this machine, or the one of that server; what is wrong with files goes to stderr."""
    of = None if url is None else server_url(url)
    found, complaints = look()
    found = [relay for relay in found if of in (None, relay.of)]
    for complaint in complaints:
        print(f"roma-widget: {complaint}", file=sys.stderr)
    for relay in found:
        recording = "" if relay.record is None else f", records to {relay.record}"
        print(
            f"{relay.of} at {relay.url}: process {relay.pid}, since {shorten(relay.started_at, 40)}{recording}"
        )
    if not found:
        print(_none_of(of))


def stop_all(url: str | None) -> None:
    """Ends the relays of that server, of every server without an address."""
    of = None if url is None else server_url(url)
    found, complaints = look()
    forget_killed(of)
    wanted = [relay for relay in found if of in (None, relay.of)]
    if not wanted:
        also = "".join(f" {complaint}" for complaint in complaints)
        raise RomaError(f"{_none_of(of)}{also}")
    for relay in wanted:
        stop(relay)
        print(f"Ended: {relay.of} at {relay.url}")


def _none_of(of: str | None) -> str:
    return f"No relay{'' if of is None else f' of {of}'} of yours runs on this machine."


def _say_how(found: Found, token_file: str | None, *, needs_token: bool) -> None:
    token = ", token=…" if needs_token else ""
    where = token_file or ("" if found.place is None else str(found.place.entry))
    print(f"Relaying {found.of} at {found.url} (Ctrl+C ends it)")
    print(f'In your notebooks on this machine: roma.connect("{found.of}"{token}, relay=True)')
    print(f'Elsewhere: roma.connect("{found.url}", token=…), with the token in {where}', flush=True)
