"""aiohttp's own log of a server: what strangers send to the port is no error of ours, and no traceback of it is shown.

Port scanners, TLS hellos and cut requests come to every port. Anything else that aiohttp says passes as it is.
"""

from __future__ import annotations

import logging
from typing import Any

from aiohttp.http import HttpProcessingError

from roma_widget.core.text import one_line

_LONGEST_COMPLAINT = 200


class HttpLog(logging.LoggerAdapter[logging.Logger]):
    """Given to aiohttp as its logger."""

    def __init__(self) -> None:
        super().__init__(logging.getLogger("roma_widget.server.http"))

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As of every logger; of malformed HTTP one line for who debugs."""
        error = kwargs.get("exc_info")
        if isinstance(error, HttpProcessingError):
            why = one_line(f"{type(error).__name__}: {error}", _LONGEST_COMPLAINT)
            super().log(logging.DEBUG, "A connection is closed: what it sent is no HTTP (%s).", why)
        else:
            super().log(level, msg, *args, **kwargs)
