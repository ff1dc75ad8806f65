"""`m.link()` on real feeds. What the numbers mean is tested beside `core.link`; here that they are told, and once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable

import pytest
from client.conftest import tasks_of_roma_io
from client.servers import OPEN, ROMA_V1, RUNNING, SAFE, WireServer, eventually, node, projects_list

import roma_widget as roma
from roma_widget.client import sampling
from roma_widget.client.hearing import Hearing
from roma_widget.client.loop import io_thread
from roma_widget.client.rest import Answer, Rest, Unreachable
from roma_widget.core import link

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
SAFE_SERVER = {"/api/health": SAFE}
KEYS = (
    "round_trip_s jitter_s missed_pings frames frames_per_s bytes_received bytes_per_s skipped_frames lost_deltas "
    "age_s extension history reconnects unasked_replies relay"
).split()

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(autouse=True)
def quick_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "LOOK_S", 0.01)
    monkeypatch.setattr(sampling, "HEALTH_EVERY_S", 0.03)
    monkeypatch.setattr(link, "STEP_S", 0.05)
    monkeypatch.setattr(link, "LEAST_RATE_S", 0.05)


def pinging_every(interval_ms: int) -> str:
    return "0" + json.dumps(json.loads(OPEN[1:]) | {"pingInterval": interval_ms})


def test_an_open_socket_is_timed_and_has_a_history(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root")])
    eventually(lambda: any(point["frames"] and point["bytes"] for point in m.link()["history"]))
    eventually(lambda: sum(point["round_trip_s"] is not None for point in m.link()["history"]) > 2)
    now = m.link()
    assert list(now) == KEYS
    assert json.loads(json.dumps(now, allow_nan=False)) == now
    assert now["round_trip_s"] > 0
    assert now["jitter_s"] >= 0
    assert now["frames_per_s"] > 0
    assert now["bytes_per_s"] > 0
    assert (now["frames"], now["missed_pings"], now["lost_deltas"], now["extension"]) == (1, 0, 0, False)
    ago = [point["ago_s"] for point in now["history"]]
    assert ago == sorted(ago, reverse=True)
    assert now["history"][-1]["state"] == "live"


def test_a_lost_connection_is_in_the_history_and_has_no_rates(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    server.close()
    eventually(lambda: [p for p in m.link()["history"] if p["state"] == "reconnecting"])
    assert m.link()["frames_per_s"] is m.link()["bytes_per_s"] is None
    eventually(lambda: m.link()["history"][-1]["round_trip_s"] is None)


def test_while_polling_the_looks_at_the_server_are_timed(connect: Connect, wire: Wire) -> None:
    server = wire({"/api/health": ROMA_V1, "/api/executions": RUNNING, "/api/projects": projects_list(None)})
    m = connect(server.url)
    eventually(lambda: m.link()["jitter_s"] is not None)
    eventually(lambda: [p for p in m.link()["history"] if p["state"] == "polling" and p["round_trip_s"]])
    assert not any("roma-feed-health" in task for task in tasks_of_roma_io())


def test_monitors_of_a_server_share_one_sampling(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    first, second = connect(server.url), connect(server.url, project="p2")
    first.wait("connected", timeout=5)
    for name in ("roma-feed-health", "roma-feed-sampling"):
        assert sum(name in task for task in tasks_of_roma_io()) == 1
    eventually(lambda: first.link()["history"])
    assert second.link()["history"][0]["state"] == first.link()["history"][0]["state"]


def test_an_answer_that_does_not_come_is_no_round_trip_and_no_end() -> None:
    class Faulty(Rest):
        asked = 0

        async def get(self, path: str, limit: int = 0) -> Answer:
            self.asked += 1
            if self.asked % 2:
                raise Unreachable("no")
            if self.asked == 6:
                done.set()
            return Answer(200, "{}", 0.5)

    async def sampled() -> Hearing:
        timing = asyncio.create_task(sampling.Sampling(hearing).time_health(rest))
        await done.wait()
        timing.cancel()
        return hearing

    done = asyncio.Event()
    hearing = Hearing(())
    rest = Faulty.__new__(Faulty)
    asyncio.run(sampled())
    assert hearing.numbers.round_trip_s == 0.5
    assert hearing.connection.error is None


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_ping_that_does_not_come_is_missed_also_where_frames_do(
    connect: Connect, wire: Wire, transport: str
) -> None:
    server = wire(SAFE_SERVER, opening=pinging_every(200))
    m = connect(server.url, transports=(transport,))
    eventually(lambda: server.clients_now)
    began = time.monotonic()
    server.send_frame([node("root")])
    eventually(lambda: m.link()["missed_pings"] == 2)
    assert time.monotonic() - began > 0.35  # 0.25 and 0.2 after the welcome, which came a little earlier
    missed = m.link()["missed_pings"]
    server.cut()
    eventually(lambda: m.connection["reconnects"] == 1)
    assert m.link()["missed_pings"] >= missed  # of all sockets of this connection


def test_pings_in_time_and_pauses_of_this_process_are_not_missed(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER, opening=pinging_every(400))
    m = connect(server.url)
    eventually(lambda: server.clients_now)
    for step in range(15):
        if step == 5:
            io_thread().post(time.sleep, 1.2)  # three intervals in which nothing of ours runs
        time.sleep(0.1)  # the passing of time is what is tested
        server.send("2")
    answers = server.pongs
    server.send("2")
    eventually(lambda: server.pongs > answers)
    assert m.link()["missed_pings"] == 0
