"""A relay in a process of its own, to be killed: python a_relay.py ADDRESS_ABOVE DATA_DIR [RECORD_DIR]."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from roma_widget.client.feed import FeedOptions
from roma_widget.client.loop import io_thread
from roma_widget.core import reconnect
from roma_widget.relay import asking
from roma_widget.relay.relay import Relay, RelayOptions


async def started(url: str, data_dir: str, record: str | None = None) -> Relay:
    folder = None if record is None else Path(record)
    relay = Relay(RelayOptions(FeedOptions(url), data_dir=Path(data_dir), record=folder))
    await relay.start()
    return relay


if __name__ == "__main__":
    asking.PATIENCE_S = 0.3
    reconnect.LONGEST_DELAY_S = 0.2
    print(io_thread().result(started(*sys.argv[1:])).url, flush=True)
    threading.Event().wait()
