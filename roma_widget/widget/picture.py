"""A monitor's second output: the static picture, refreshed while the first one, the live view, lives or is gone."""

from __future__ import annotations

import contextvars
import logging
import time
from datetime import UTC, datetime
from typing import Any

from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Snapshot
from .fallback import static_html

EVERY_S = 30.0
_log = logging.getLogger("roma_widget.widget")


class Picture:
    """Nothing until it is displayed. A courtesy: where it fails that is logged, and the mirror goes on.

    Example: `picture.display(m.snapshot, m.static_key)`
    """

    def __init__(self) -> None:
        self._output: Any = None
        self._drawn: tuple[int, str] | None = None
        self._drawn_at = 0.0

    def display(self, snapshot: Snapshot, key: str) -> None:
        """In the running cell's output; `key` names it to the live view, which hides it."""
        from IPython.display import HTML, display

        try:
            html = html_of(snapshot, key)
        except Exception:
            _log.exception("the static picture could not be made")
            return
        self._output = display(HTML(html), display_id=True)
        self._note(snapshot)

    def refresh(self, snapshot: Snapshot, key: str) -> None:
        """At once when the run has come to its end, else at most every half a minute."""
        if self._output is None or self._drawn == _what_it_shows(snapshot):
            return
        ended_now = snapshot.outcome in OUTCOMES_OF_AN_ENDED_RUN and (
            self._drawn is None or self._drawn[1] != snapshot.outcome
        )
        if not ended_now and time.monotonic() - self._drawn_at < EVERY_S:
            return
        from IPython.display import HTML

        self._note(snapshot)
        try:
            # An empty context, so that the message counts as the running cell's: nbclient drops those of earlier cells.
            contextvars.Context().run(self._output.update, HTML(html_of(snapshot, key)))
        except Exception:
            _log.exception("the static picture could not be refreshed")

    def end(self) -> None:
        """Its output is gone."""
        self._output = None

    def _note(self, snapshot: Snapshot) -> None:
        self._drawn = _what_it_shows(snapshot)
        self._drawn_at = time.monotonic()


def html_of(snapshot: Snapshot, key: str) -> str:
    """The picture as it is now. Example: `html_of(m.snapshot, m.static_key)`"""
    return static_html(snapshot, key=key, now=datetime.now(UTC))


def _what_it_shows(snapshot: Snapshot) -> tuple[int, str]:
    return (snapshot.revision, snapshot.outcome)
