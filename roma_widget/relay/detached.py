"""`roma-widget relay URL --detached`: a relay that no terminal and no kernel holds.

The other side is `local_relays.starting`: a JSON wish comes over stdin, one JSON line goes back over stdout, and
stderr is the log from the start.
"""

from __future__ import annotations

import json
import logging
import math
import os
import socket
import sys
from pathlib import Path
from typing import Any, Final

from ..local_relays.claim import AlreadyRuns
from ..local_relays.entry import IDLE_S, LOOPBACK, Found
from .log import logging_to
from .process import Wish, asked_to_end, run_relay, sentence, with_token

_LARGEST_WISH: Final = 4 * 2**20
_LARGEST_LOG: Final = 2**20
_log = logging.getLogger("roma_widget.relay")


def run_detached() -> int:
    """Is the relay that stdin asks for; returns the exit code when it has ended."""
    _leave_parent()
    wish, wait_s = _wish(sys.stdin.buffer.read(_LARGEST_WISH))
    _close(0)
    with logging_to(2, _LARGEST_LOG, _secrets_of(wish)), asked_to_end() as asked:
        answer = _Answer()
        try:
            was_idle = run_relay(wish, asked, answer.ready, wait_s=wait_s)
        except AlreadyRuns:
            answer.say({"ready": True})
            return 0
        except Exception as error:
            _log.error("%s", sentence(error), exc_info=error)
            answer.say({"error": sentence(error)})
            return 2
        _log.info("ended: %s", "nobody was here" if was_idle else "asked to")
        return 0


class _Answer:
    """What is said over stdout, once: whoever reads it may be gone, and reads no further."""

    def __init__(self) -> None:
        self._said = False

    def ready(self, found: Found) -> None:
        _log.info("serving %s at %s", found.of, found.url)
        self.say({"ready": True})

    def say(self, said: dict[str, Any]) -> None:
        if self._said:
            return
        self._said = True
        try:
            os.write(1, json.dumps(said).encode() + b"\n")
        except OSError:  # the kernel that asked was killed; others will come
            _log.info("who asked for this relay is gone")
        os.dup2(2, 1)


def _leave_parent() -> None:
    """Whoever starts us has nothing to wait for, and what ends its children does not find us."""
    if hasattr(os, "fork") and os.fork():
        os._exit(0)


def _wish(text: bytes) -> tuple[Wish, float]:
    said = json.loads(text)
    host, idle_s = said.get("host", LOOPBACK), said.get("idle_s", IDLE_S)
    wish = Wish(
        root=said["root"],
        server_token=said["token"],
        headers=tuple((name, value) for name, value in said["headers"]),
        upstream={
            "transports": tuple(said["transports"]),
            "timeout_s": said["timeout_s"],
            "always_join": said["always_join"],
        },
        record=None if said["record"] is None else Path(said["record"]),
        host=host,
        port=_port_or_any(host, said.get("port", 0)),
        token=said.get("relay_token"),
        idle_s=math.inf if idle_s is None else idle_s,
        is_detached=True,
    )
    return with_token(wish), float(said["wait_s"])


def _port_or_any(host: str, port: int) -> int:
    """The port of the relay before this one; 0, which is any, where somebody else has it."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            if os.name == "posix":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        return 0
    return port


def _secrets_of(wish: Wish) -> list[str]:
    return [text for text in (wish.token, wish.server_token, *(value for _, value in wish.headers)) if text]


def _close(fd: int) -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, fd)
    os.close(nothing)
