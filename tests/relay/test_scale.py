"""A crowd behind relays, one of which follows the other: nobody misses a change, and the server sees one client.

`python -m benchmarks relay` is the same with a thousand watchers, and measures it.
"""

from __future__ import annotations

import asyncio

from relay.conftest import MakeRelay

from benchmarks.crowd import behind, skipped
from benchmarks.roma_like import RomaLike
from benchmarks.watcher import Seen, Watcher, watch

WATCHERS = 25
FRAMES, EVERY_S = 40, 0.1
CHANGED = 10
TASKS = 1 + FRAMES * CHANGED
"""No task changes twice, so that each change is seen by itself however many are told together."""
TIMEOUT_S = 30.0


async def test_a_crowd_behind_two_relays_misses_nothing(relay_of: MakeRelay) -> None:
    above = RomaLike(TASKS, 1000, CHANGED)
    url = await above.start()
    seen = Seen(is_counted=True)
    watchers: list[Watcher] = []
    try:
        async with asyncio.timeout(TIMEOUT_S):
            root = await asyncio.to_thread(relay_of, url)
            leaf = await asyncio.to_thread(relay_of, root.url)
            while leaf.session.connection.state != "live" or not above.handshakes:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            for relay in (root, leaf):
                watchers += await watch(relay.url, WATCHERS, seen, plain=False)
            played = await above.play(seconds=FRAMES * EVERY_S, every_s=EVERY_S)
            assert len(played["stamps"]) == FRAMES
            while behind(watchers, played["stamps"], played["tasks"], plain=False):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert (seen.lost, skipped(watchers, played["stamps"])) == (0, 0)
        assert seen.messages >= len(watchers)
        assert (above.handshakes, played["clients"]) == (1, 1)
        assert root.shell.connections_total == WATCHERS + 1
    finally:
        for watcher in watchers:
            watcher.close()
        await above.stop()
