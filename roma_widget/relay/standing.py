"""How a relay stands with the server above it, in the words of its event `relay` and of its health."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from ..client.feed import Feed
from ..core.model import Connection
from ..core.reading import cut
from ..server.live.audience import Audience
from ..server.wire.records import encode

LONGEST = 1_000
EVENT = "relay"
ENDED = "ended"


class Standing:
    """See the module. `complaint` is what is wrong with the relay itself."""

    def __init__(self, feed: Feed, complaint: Callable[[], str | None]) -> None:
        self._feed = feed
        self._complaint = complaint
        self._told: dict[str, Any] | None = None
        self._was_supplied = False
        self._stood_until_s: float | None = None
        """A quiet server is heard as long as the link to it stands."""
        self.audience: Audience | None = None

    def words(self) -> dict[str, Any]:
        """`of`, `state`, `reason`, `error`, `heard_at` (ISO 8601, UTC): until when it was heard from above, now while
        it is; None: nothing was heard yet.
        """
        heard_at = self._heard_at()
        return {**self._state(), "heard_at": None if heard_at is None else heard_at.isoformat()}

    def _heard_at(self) -> datetime | None:
        connection = self._feed.connection
        news = connection.relay
        if connection.is_supplied:
            return datetime.now(UTC)
        if connection.state == "live" and news is not None and news.heard_at is not None:
            return news.heard_at
        heard_s = max(filter(None, (self._feed.numbers.heard_at, self._stood_until_s)), default=None)
        return None if heard_s is None else datetime.now(UTC) - timedelta(seconds=time.monotonic() - heard_s)

    def moved(self, connection: Connection) -> None:
        """Clients of the extension hear of it when it is another than they were told."""
        if self._was_supplied and not connection.is_supplied:
            self._stood_until_s = time.monotonic()
        self._was_supplied = connection.is_supplied
        state = self._state()
        if state != self._told and self.audience is not None and connection.state != "closed":
            self._told = state
            self.audience.extended(EVENT, encode(self.words()))

    def ended(self) -> None:
        """Clients of the extension hear that a person has ended this relay, so that they do not bring it back."""
        if self.audience is not None:
            self.audience.extended(EVENT, encode({**self.words(), "state": ENDED}))

    def _state(self) -> dict[str, Any]:
        """Below another relay, how that one stands."""
        connection = self._feed.connection
        news = connection.relay
        is_heard = news is None or not news.lacks_socket or connection.state != "live"
        above = connection if is_heard or news is None else news
        return {
            "of": self._feed.options.root,
            # that the one above ends is no end of this one
            "state": "reconnecting" if above.state == ENDED else above.state,
            "reason": cut(above.reason, LONGEST),
            "error": cut(above.error or self._complaint(), LONGEST),
        }
