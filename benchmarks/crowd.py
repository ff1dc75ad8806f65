"""Child process: many watchers of one address. `python -m benchmarks.crowd URL COUNT plain|extension`.

Ordered `begin`, it counts from now on; given `stamps` and `tasks`, which the server wrote meanwhile, it waits until
everyone has them, or for `patience_s`, and tells what was seen. See `children.py` for how it is spoken to.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

from roma_widget.server.network.files import allow_many_files

from .watcher import Seen, Watcher, watch


def behind(watchers: list[Watcher], stamps: list[str], tasks: dict[str, Any], *, plain: bool) -> int:
    """How many watchers have another last word on one of `tasks` than the server; plain ones: lack the last stamp."""
    if plain:
        return sum(stamps[-1] not in watcher.stamps for watcher in watchers)
    last = {key: summary for key, (_, summary) in tasks.items() if summary}
    return sum(watcher.written != last for watcher in watchers)


def skipped(watchers: list[Watcher], stamps: list[str]) -> int:
    """Changes that watchers never saw by themselves: all of their tasks had changed again when they were told."""
    return sum(len(set(stamps) - watcher.stamps) for watcher in watchers)


async def main() -> None:
    allow_many_files()
    plain = sys.argv[3] == "plain"
    seen = Seen()
    watchers = await watch(sys.argv[1], int(sys.argv[2]), seen, plain=plain)
    print(json.dumps({"watchers": len(watchers)}), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        order = json.loads(line)
        if order.get("begin"):
            seen.is_counted = True
            print("{}", flush=True)
            continue
        deadline_s = time.monotonic() + order["patience_s"]
        while late := behind(watchers, order["stamps"], order["tasks"], plain=plain):
            if time.monotonic() > deadline_s:
                break
            await asyncio.sleep(0.2)
        numbers = {
            "bytes_down": seen.bytes_down,
            "messages": seen.messages,
            "lost": seen.lost,
            "behind": late,
            "skipped": skipped(watchers, order["stamps"]),
            "delays_ms": sorted(seen.delays_ms.items()),
        }
        print(json.dumps(numbers), flush=True)
    for watcher in watchers:
        watcher.close()


if __name__ == "__main__":
    asyncio.run(main())
