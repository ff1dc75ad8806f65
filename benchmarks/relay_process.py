"""Child process: a relay of the server at URL. It is told nothing: it ends with its stdin.

`python -m benchmarks.relay_process URL [PROFILE]`. Where its loop spends its time is written to the file PROFILE at
the end.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import sys

from roma_widget.client.feed import FeedOptions
from roma_widget.client.loop import io_thread
from roma_widget.relay.relay import Relay, RelayOptions
from roma_widget.server.network.files import allow_many_files
from roma_widget.server.network.limits import Limits

MOST = 100_000
PATIENCE_S = 60.0


async def started(url: str, profile: cProfile.Profile | None) -> Relay:
    relay = Relay(RelayOptions(FeedOptions(url), limits=Limits(connections=MOST)))
    await relay.start()
    async with asyncio.timeout(PATIENCE_S):
        while relay.session.connection.state != "live":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    if profile is not None:
        profile.enable()
    return relay


async def stopped(relay: Relay, profile: cProfile.Profile | None) -> None:
    if profile is not None:
        profile.disable()
    await relay.stop()


def main() -> None:
    allow_many_files()
    io = io_thread()
    profile = cProfile.Profile() if len(sys.argv) > 2 else None
    relay = io.result(started(sys.argv[1], profile))
    print(json.dumps({"url": relay.url}), flush=True)
    sys.stdin.read()
    io.result(stopped(relay, profile))
    if profile is not None:
        profile.dump_stats(sys.argv[2])


if __name__ == "__main__":
    main()
