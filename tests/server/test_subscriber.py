from __future__ import annotations

import asyncio

from roma_widget.server.subscriber import MAX_WAITING_SNAPSHOTS, Subscriber


def test_a_burst_passes_whole_and_prompts_are_never_skipped() -> None:
    async def scenario() -> None:
        may_go_on = asyncio.Event()
        sent: list[str] = []

        async def drained() -> None:
            await may_go_on.wait()

        async def send(packet: str) -> bool:
            sent.append(packet)
            return packet != "newest"  # the client is gone after that, and `run` ends

        subscriber = Subscriber(send, drained)
        for number in range(MAX_WAITING_SNAPSHOTS):
            subscriber.put(f"frame {number}", is_snapshot=True)
        subscriber.put("prompt", is_snapshot=False)
        assert subscriber.skipped == 0
        subscriber.put("newest", is_snapshot=True)
        assert (subscriber.waiting, subscriber.skipped) == (2, MAX_WAITING_SNAPSHOTS)
        may_go_on.set()
        await asyncio.wait_for(subscriber.run(), 5)
        assert sent == ["prompt", "newest"]

    asyncio.run(scenario())


def test_ends_when_the_client_is_gone() -> None:
    async def scenario() -> None:
        async def send(packet: str) -> bool:
            return False

        async def drained() -> None:
            return None

        subscriber = Subscriber(send, drained)
        subscriber.put("frame", is_snapshot=True)
        await asyncio.wait_for(subscriber.run(), 5)

    asyncio.run(scenario())
