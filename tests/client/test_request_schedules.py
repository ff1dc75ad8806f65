"""Requests of several kinds under random schedules of a server: everybody gets what was said to them, or silence."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from typing import Any

import pytest

from roma_widget.client import requests
from roma_widget.client.library import LinkError
from roma_widget.client.requests import Requests
from roma_widget.core import wire
from roma_widget.errors import ConnectError, NotLive, ServerError


def event(name: str, payload: Any) -> wire.Event:
    return wire.read_event(name, wire.Payload(json.dumps(payload)))


class Server:
    """A link whose server takes each request in a task of its own, as ROMA does, and is heard through a queue.

    What it does to each request (reply, refuse, twice, silence, no acknowledgement) is drawn; `told` keeps it.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.requests = Requests(self.caught_up, silence_s=0.01, behind_reply_s=0.01, given_up_s=0.02)
        self.requests.link = self  # type: ignore[assignment]
        self.told: dict[str, str] = {}
        self.under_way: dict[str, int] = {}
        self.most_under_way = 0
        self._arrived: deque[wire.Event | asyncio.Future[None]] = deque()
        self._reader = asyncio.create_task(self._read())

    async def request(self, name: str, fields: dict[str, str], *, timeout_s: float) -> None:
        """`Link.request`: returns with the acknowledgement."""
        reply, refusal, of = (
            ("node_trace_data", "node_trace_error", fields["node_id"])
            if name == "request_node_trace"
            else ("save_success", "save_error", fields["project_id"])
        )
        self.under_way[name] = self.under_way.get(name, 0) + 1
        self.most_under_way = max(self.most_under_way, self.under_way[name])
        try:
            await self._dawdle()
            what = self.told[of] = self.dice.choice(["reply"] * 4 + ["refusal", "twice", "silence", "deaf"])
            if what in ("reply", "twice"):
                about = {"node_id": of, "trace": {"trace_id": of, "stages": []}, "project_id": of}
                self._arrived.extend([event(reply, about)] * (2 if what == "twice" else 1))
            elif what == "refusal":
                self._arrived.append(event(refusal, {"error": f"no {of}"}))
            if what == "deaf":
                await asyncio.wait({self.ended}, timeout=timeout_s)
            if self.ended.done():
                raise LinkError("gone")
            await self._dawdle()
        finally:
            self.under_way[name] -= 1

    async def caught_up(self) -> None:
        mark: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrived.append(mark)
        await mark

    async def _read(self) -> None:
        while True:
            await self._dawdle()
            if self._arrived:
                one = self._arrived.popleft()
                if isinstance(one, asyncio.Future):
                    one.set_result(None)
                else:
                    self.requests.hear(one)

    async def _dawdle(self) -> None:
        for _ in range(self.dice.randrange(1, 6)):
            await asyncio.sleep(0)

    async def close(self) -> None:
        self.ended.set_result("gone")
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


async def ask(server: Server, of: str) -> str:
    """What came back, in the words of `Server.told`."""
    question = (
        requests.save(of)
        if of.startswith("p")
        else requests.node_trace("p", of, lambda trace_id: trace_id != of)
    )
    try:
        reply = await server.requests.ask(question, timeout_s=0.3)
    except ServerError as error:
        if "said nothing" in str(error):
            return "silence"
        return "refusal" if str(error) == f"no {of}" else f"somebody else's {error}"
    except ConnectError:
        return "deaf"
    assert of in (getattr(reply, "task_id", None), getattr(reply, "project_id", None))
    return "reply"


@pytest.mark.parametrize("block", range(4))
async def test_everybody_gets_what_was_said_to_them(block: int) -> None:
    for seed in range(block * 15, block * 15 + 15):
        server = Server(seed)
        wanted = [f"root.{n}" for n in range(4)] + [f"p{n}" for n in range(3)]
        server.dice.shuffle(wanted)
        for batch in (wanted[:4], wanted[4:]):
            got = await asyncio.gather(*[ask(server, of) for of in batch], return_exceptions=True)
            for of, came in zip(batch, got, strict=True):
                if isinstance(came, BaseException) and type(came).__name__ == "WaitTimeout":
                    continue  # deaf requests before it took all the time
                told = server.told[of].replace("twice", "reply")
                assert came == told, f"seed {seed}: {of} was told {told}"
        assert server.most_under_way <= 2, "the one given up and the one after it"
        await server.close()


async def test_a_link_that_ends_ends_all_waiting() -> None:
    for seed in range(20):
        server = Server(seed)
        waiting = [asyncio.create_task(ask(server, f"root.{n}")) for n in range(3)]
        for _ in range(server.dice.randrange(20)):
            await asyncio.sleep(0)
        await server.close()
        server._reader = asyncio.create_task(server._read())
        for came in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(came, NotLive | str), repr(came)
        server._reader.cancel()
        await asyncio.gather(server._reader, return_exceptions=True)
