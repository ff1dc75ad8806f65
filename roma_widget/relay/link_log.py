"""What the relay's log and its terminal say of the link to the server above: lost and regained, with why, each once."""

from __future__ import annotations

import logging

from ..core.model import Connection
from ..core.server_status import GIVE_TOKEN

_log = logging.getLogger("roma_widget.relay.link")
_log.setLevel(logging.INFO)  # also in a terminal, which else shows only what is wrong


class LinkLog:
    """See the module. It is told each connection of the feed."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._was_heard: bool | None = None
        self._is_waiting = False

    def moved(self, connection: Connection) -> None:
        match connection.state:
            case "live" | "polling":
                if self._is_waiting:
                    how = "is there again" if self._was_heard else "is there"
                    _log.info("%s %s (%s)", self._root, how, connection.state)
                self._was_heard, self._is_waiting = True, False
            case "reconnecting" | "failed" if not self._is_waiting:
                self._is_waiting = True
                why = connection.error or connection.reason or "no reason is known"
                if self._was_heard:
                    _log.info("the link to %s was lost: %s", self._root, at_command_line(why))
                else:
                    _log.info("%s is waited for: %s", self._root, at_command_line(why))
            case _:
                pass


def at_command_line(sentence: str) -> str:
    """What a server without the right token says, with how a relay is given one."""
    return sentence.replace(GIVE_TOKEN, f"{GIVE_TOKEN}, at the command line with --server-token-file")
