"""Which relays run on this machine for this user: finding, starting, listing and stopping them. What a relay does is
`roma_widget.relay`, a process of its own that is known here by its files only (docs/relay.md).
"""

from __future__ import annotations

from .entry import Found
from .finding import find, find_or_start, listed, stop

__all__ = ["Found", "find", "find_or_start", "listed", "stop"]
