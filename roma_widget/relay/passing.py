"""What the server above says to everybody and is no part of its projects' state: passed on as it came, once, in order.

What is the reply to one asker never is. Each argument has to be JSON, and there are bounds, so that a server that
floods costs its own events and no client of ours.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import msgspec

from ..client.feed import Feed
from ..client.socket import Argument
from ..core import wire
from ..core.reading import shorten
from ..server.live.audience import Audience
from ..server.live.control import cleared_news

LARGEST = 2**20
"""Bytes of one event."""
MOST_A_SECOND = 200
LARGEST_SECOND = 4 * 2**20
_PASSED_ON = frozenset(
    {
        "simple_execution_started",
        "simple_execution_update",
        "simple_execution_error",
        "project_status_update",
        "project_started",
    }
)
_OURS = frozenset(
    {
        "extension",
        "relay",
        "snapshot",
        "delta",
        "stages",
        "task_result_data",
        "task_watched",
        "task_unwatched",
        "history_data",
        "hitl_queued",
        "hitl_answered",
        "hitl_closed",
    }
)
"""What a relay says itself, and nobody through it."""
_RESERVED = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""By Socket.IO: no server can mean an event of such a name."""
_arguments = msgspec.json.Decoder(list[msgspec.Raw])
_log = logging.getLogger("roma_widget.relay")


class Passing:
    """See the module. `on_traces_cleared` hears of a project whose traces are gone. On the loop of `roma-io`."""

    def __init__(self, feed: Feed, audience: Audience, on_traces_cleared: Callable[[str], None]) -> None:
        self._hearing = feed.hearing
        self._audience = audience
        self._on_traces_cleared = on_traces_cleared
        self._second = (0, 0, 0)
        """Which one it is, and how many events and bytes of it were passed on."""
        self._hearing.unasked_listeners.append(self._hear)

    def close(self) -> None:
        self._hearing.unasked_listeners.remove(self._hear)

    def _hear(self, name: str, argument: Argument | None, event: wire.Event) -> None:
        if isinstance(event, wire.TracesCleared):
            self._on_traces_cleared(event.project_id)
            self._audience.extended("traces_cleared", cleared_news(event.project_id))
        elif is_for_everybody(name, event):
            text = _text_of(argument)
            if text is None:
                _log.info("%s was not passed on: it is no JSON, or too large", shorten(name, 80))
            elif self._has_room(len(text)):
                self._audience.everyone(name, text)

    def _has_room(self, n_bytes: int) -> bool:
        second, n_passed, n_bytes_passed = self._second
        if second != int(time.monotonic()):
            second, n_passed, n_bytes_passed = int(time.monotonic()), 0, 0
        if n_passed >= MOST_A_SECOND or n_bytes_passed + n_bytes > LARGEST_SECOND:
            self._hearing.complain(
                f"The server sends more than {MOST_A_SECOND} other events a second, or more than "
                f"{LARGEST_SECOND // 2**20} MiB of them: not all are passed on."
            )
            return False
        self._second = second, n_passed + 1, n_bytes_passed + n_bytes
        return True


def is_for_everybody(name: str, event: wire.Event) -> bool:
    """Of an event that nobody asked for."""
    return name in _PASSED_ON or (isinstance(event, wire.Unhandled) and name not in _OURS | _RESERVED)


def _text_of(argument: Argument | None) -> bytes | None:
    """The arguments as they stood in the packet; None where that is nothing that clients can be sent."""
    if not isinstance(argument, wire.Payload) or len(argument.text) - argument.start > LARGEST:
        return None
    end = argument.text.rfind("]")
    try:
        text = argument.text[argument.start : end].encode()
        _arguments.decode(b"[" + text + b"]")
    except (ValueError, RecursionError):
        return None
    return text if len(text) <= LARGEST else None
