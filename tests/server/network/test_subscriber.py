from __future__ import annotations

import asyncio
import logging

import pytest

from roma_widget.server.network.subscriber import MAX_WAITING_SNAPSHOTS, Backlog, Message, Subscriber


def _message(text: str) -> Message:
    return text, b"{}", False


def test_a_burst_passes_whole_and_prompts_are_never_skipped() -> None:
    backlog = Backlog()
    for number in range(MAX_WAITING_SNAPSHOTS):
        backlog.put(_message(f"frame {number}"), is_snapshot=True)
    backlog.put(_message("prompt"), is_snapshot=False)
    assert backlog.skipped == 0
    backlog.put(_message("newest"), is_snapshot=True)
    assert (len(backlog), backlog.skipped) == (2, MAX_WAITING_SNAPSHOTS)
    assert [backlog.take(), backlog.take(), backlog.take()] == [_message("prompt"), _message("newest"), None]


class Reader:
    """A client that takes what it is sent when the test says so."""

    def __init__(self) -> None:
        self.state = 0
        self.sent: list[Message] = []
        self.has_read = asyncio.Event()
        self.arrived = asyncio.Event()
        self.failed = asyncio.Event()

    def newest(self) -> Message | None:
        if self.state == 13:
            self.failed.set()
            raise ValueError("no such state")
        return _message(f"state {self.state}") if self.state else None

    def send(self, message: Message) -> None:
        self.sent.append(message)
        self.has_read.clear()
        self.arrived.set()

    async def drained(self) -> None:
        await self.has_read.wait()

    async def next(self) -> Message:
        self.has_read.set()
        await asyncio.wait_for(self.arrived.wait(), 5)
        self.arrived.clear()
        return self.sent[-1]


def test_a_busy_client_skips_to_the_newest(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        reader = Reader()
        subscriber = Subscriber(reader.newest, reader.send, reader.drained)
        running = asyncio.create_task(subscriber.run())
        for reader.state in range(1, 8):
            subscriber.refresh()
            await asyncio.sleep(0)
        assert await reader.next() == _message("state 7")
        reader.state = 13
        subscriber.refresh()
        reader.has_read.set()
        await reader.failed.wait()
        reader.state = 14
        subscriber.refresh()
        assert await reader.next() == _message("state 14")
        assert len(reader.sent) == 2
        running.cancel()

    with caplog.at_level(logging.ERROR):
        asyncio.run(asyncio.wait_for(scenario(), 10))
    assert "could not be told" in caplog.text
