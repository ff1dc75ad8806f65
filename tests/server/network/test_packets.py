"""What goes to many clients is made once, whichever way each of them gets it."""

from __future__ import annotations

import asyncio

import pytest

from roma_widget.server.network.outbox import MOST_AT_ONCE, Outbox
from roma_widget.server.network.packets import AttachedPacket, TextPacket


def test_a_text_and_its_attachment_are_two_frames_behind_each_other() -> None:
    assert AttachedPacket(b"51-[]", b"\x80").wire == b"\x81\x06451-[]" + b"\x82\x01\x80"
    assert TextPacket(b"x" * 199).wire[:4] == b"\x81\x7e\x00\xc8"
    assert TextPacket(b"x" * 70_000).wire[:10] == b"\x81\x7f" + (70_001).to_bytes(8)


def test_over_a_long_poll_they_are_two_packets() -> None:
    assert AttachedPacket(b"51-[]", b"\x80").encode(b64=True) == "451-[]\x1ebgA=="


async def test_an_answer_to_a_poll_holds_no_half_of_an_event() -> None:
    outbox = Outbox(100, 1000)
    for _ in range(MOST_AT_ONCE - 1):
        outbox.put_nowait(TextPacket(b""))
    event = AttachedPacket(b"51-[]", b"\x80")
    outbox.put_nowait(event)
    await outbox.get()
    for _ in range(MOST_AT_ONCE - 2):
        outbox.get_nowait()
    with pytest.raises(asyncio.QueueEmpty):
        outbox.get_nowait()
    assert await outbox.get() is event


async def test_nothing_overtakes_what_waits() -> None:
    outbox, sent = Outbox(100, 1000), []
    outbox.at_once = lambda packet: sent.append(packet) is None
    first, second, third = (TextPacket(b"%d" % number) for number in range(3))
    outbox.put_nowait(first)  # nobody has asked for anything yet
    assert await outbox.get() is first
    outbox.put_nowait(second)  # the first may still be on its way
    assert (outbox.qsize(), sent) == (1, [])
    assert await outbox.get() is second
    asking = asyncio.create_task(outbox.get())
    await outbox.drained()
    outbox.put_nowait(third)
    assert (outbox.qsize(), sent) == (0, [third])
    asking.cancel()
