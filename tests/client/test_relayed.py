"""`connect(relay=True)`: through a relay while there is one, else over HTTP, and never by a socket of our own.

The relays here are stand-ins: servers that speak the extension and need a token.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp import web
from client.freezing import FreezingServer
from client.servers import (
    HTML,
    SAFE,
    Hangs,
    ServerThread,
    WireServer,
    eventually,
    node,
    packet,
    projects_list,
)

import roma_widget as roma
from roma_widget import opening
from roma_widget.client import relayed, sampling
from roma_widget.client.feed import FeedOptions, Target
from roma_widget.client.loop import io_thread
from roma_widget.core import outcome

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]
TOKEN = "only-for-this-user"


class Relays:
    """In the place of `local_relays`: gives the relay that the test has put there, or says why there is none."""

    def __init__(self) -> None:
        self.here: roma.Server | WireServer | None = None
        self.lack = "The runtime folder cannot be written."
        self.asked: list[FeedOptions] = []
        self.may_answer = threading.Event()
        self.may_answer.set()

    def find_or_start(self, options: FeedOptions) -> Target:
        self.asked.append(options)
        assert self.may_answer.wait(20)
        if self.here is None:
            raise roma.RomaError(self.lack)
        return Target(self.here.url, TOKEN)

    def find(self, options: FeedOptions) -> Target | None:
        return None if self.here is None else Target(self.here.url, TOKEN)


@pytest.fixture
def relays(monkeypatch: pytest.MonkeyPatch) -> Iterator[Relays]:
    relays = Relays()
    monkeypatch.setattr(opening, "relay_of", relays.find_or_start)
    monkeypatch.setattr(opening, "running_relay_of", relays.find)
    monkeypatch.setattr(relayed, "FIND_EVERY_S", 0.05)
    monkeypatch.setattr(relayed, "STARTING_S", 0.1)
    yield relays
    relays.may_answer.set()
    if isinstance(relays.here, roma.Server):
        relays.here.stop()


@pytest.fixture
def above(servers: ServerThread, closing: Callable[[Any], Any]) -> FreezingServer:
    """The server itself, which anybody's socket freezes."""
    server: FreezingServer = closing(FreezingServer(servers))
    return server


def a_relay(goal: str = "seen by the relay") -> roma.Server:
    server = roma.Server(token=TOKEN, interval_s=0.02).start()
    with server.project(goal) as project, project.task("root") as root, root.stage("execution"):
        pass
    return server


def reason(m: roma.Monitor) -> str:
    return m.connection["reason"] or ""


def test_all_goes_through_the_relay_and_nothing_to_the_server(
    connect: Connect, relays: Relays, above: FreezingServer
) -> None:
    relays.here = a_relay()
    above.start_run()
    m = connect(above.url, relay=True, token="of the server above")
    m.wait(lambda s: s.tasks, timeout=10)
    assert m.project["goal"] == "seen by the relay"
    assert m.address == above.url.removeprefix("http://")
    assert [stage.stage for stage in m.trace("root").stages] == ["execution"]
    assert relays.asked == [FeedOptions(above.url, token="of the server above")]
    assert (above.handshakes, above.asked) == ([], [])


def test_the_run_is_followed_over_http_while_there_is_no_relay(
    connect: Connect, relays: Relays, above: FreezingServer
) -> None:
    run = above.start_run()
    m = connect(above.url, relay=True)
    m.wait(lambda s: s.tasks, timeout=10)
    eventually(lambda: relays.lack[:-1] in reason(m))
    assert m.connection["state"] == "polling"
    assert m.connection["relay"]["state"] == "absent"
    with pytest.raises(roma.NotLive, match="opens no socket to the server itself"):
        m.reconnect(force=True)
    with pytest.raises(roma.NotLive, match="opens no socket to the server itself"):
        io_thread().result(m.connect_anyway())  # what the browser's button does
    with pytest.raises(roma.NotLive, match="there is no relay at this moment"):
        m.trace("root")
    m.reconnect()
    m.wait("done", timeout=10)
    assert (above.handshakes, above.ended) == ([], [run])
    relays.here = a_relay()
    eventually(lambda: m.connection["state"] == "live")
    assert above.handshakes == []


def test_connecting_waits_for_no_relay(connect: Connect, relays: Relays, above: FreezingServer) -> None:
    relays.may_answer.clear()
    above.start_run()
    m = connect(above.url, relay=True)
    m.wait(lambda s: s.tasks, timeout=10)
    assert reason(m).startswith("A relay is being started")
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)  # an interrupted cell: whoever looks for a relay goes on
    relays.here = a_relay()
    relays.may_answer.set()
    eventually(lambda: m.connection["state"] == "live")


def test_when_the_relay_dies_it_is_http_until_a_new_one_is_here(
    connect: Connect, relays: Relays, above: FreezingServer
) -> None:
    above.start_run()
    relays.here = a_relay()
    m = connect(above.url, relay=True)
    eventually(lambda: m.connection["state"] == "live")
    relays.may_answer.clear()
    relays.here.stop()
    eventually(lambda: m.connection["state"] == "polling")
    ended = f"The relay ended; {above.url} is followed over HTTP until a new one is here."
    assert reason(m) == ended
    m.wait("done", timeout=10)
    relays.here = a_relay("seen by the new one")
    relays.may_answer.set()
    eventually(lambda: m.connection["state"] == "live" and m.project["goal"] == "seen by the new one")
    assert (reason(m), m.connection["relay"]["state"]) == ("", None)
    assert (above.handshakes, above.frozen) == ([], [])


def test_a_wish_that_contradicts_itself_is_refused(above: FreezingServer) -> None:
    with pytest.raises(ValueError, match="which relay=True never does"):
        roma.connect(above.url, relay=True, join="always")
    with pytest.raises(ValueError, match="relay takes True or False, not 'yes'"):
        roma.connect(above.url, relay="yes")  # type: ignore[arg-type]


def test_an_address_that_is_no_roma_server_is_said_at_once(
    connect: Connect, relays: Relays, wire: Wire
) -> None:
    server = wire({"*": HTML})
    m = connect(server.url, relay=True)
    with pytest.raises(roma.ConnectError, match="is no ROMA server"):
        m.wait("connected", timeout=5)
    assert server.handshakes == []


@pytest.mark.parametrize("health", [{"status": "healthy"}, 401, 404, {"safe_to_join": "yes"}])
def test_what_does_not_declare_itself_safe_is_taken_for_no_relay(
    connect: Connect, relays: Relays, above: FreezingServer, wire: Wire, health: Any
) -> None:
    relays.here = wire({"/api/health": health, "/api/executions": {"running_executions": {}}})
    m = connect(above.url, relay=True)
    eventually(lambda: "is no relay" in reason(m))
    assert relays.here.handshakes == above.handshakes == []


def test_direct_and_relayed_monitors_of_one_server_are_apart(
    connect: Connect, relays: Relays, above: FreezingServer
) -> None:
    relays.here = a_relay()
    direct, through = connect(above.url), connect(above.url, relay=True)
    eventually(lambda: direct.connection["state"] == through.connection["state"] == "live")
    assert above.handshakes == ["websocket"]
    through.wait(lambda s: s.tasks, timeout=5)
    assert direct.project != through.project


def relay_news(state: str, **more: Any) -> str:
    return packet("relay", {"of": "http://above:5000", "state": state, "heard_at": 1.8e9, **more})


def offer(version: int = 1) -> str:
    return packet("extension", {"version": version, "server": "roma-widget"})


@pytest.fixture
def spoken(wire: Wire, relays: Relays) -> Callable[..., WireServer]:
    """A relay that says what it is told to."""

    def made(*greeting: str, projects: Any = None, **health: Any) -> WireServer:
        listed = projects or projects_list("p1")
        answers = {"/api/health": {**SAFE, **health}, "/api/projects": listed}
        relays.here = wire(answers, greeting=[*greeting, packet("projects_list", listed)])
        return relays.here

    return made


def test_a_relay_that_a_person_has_ended_is_started_when_a_person_says_so(
    connect: Connect, spoken: Callable[..., WireServer], relays: Relays, above: FreezingServer
) -> None:
    def ended(relay: WireServer) -> None:
        eventually(lambda: m.connection["state"] == "live" and relay.clients_now)
        relays.here = None
        relay.send(relay_news("ended"))
        eventually(lambda: m.connection["relay"]["state"] == "ended")
        relay.close()
        eventually(lambda: reason(m).startswith("The relay was ended; "))
        looked = len(above.asked)
        eventually(lambda: len(above.asked) > looked + 9)

    relay = spoken(offer(), relay_news("live"))
    m = connect(above.url, relay=True)
    ended(relay)
    assert len(relays.asked) == 1
    ended(spoken(offer(), relay_news("live")))  # somebody else has started one
    assert len(relays.asked) == 1
    assert "m.reconnect() starts one" in reason(m)
    m.reconnect()
    eventually(lambda: len(relays.asked) == 2)
    assert above.handshakes == []


@pytest.mark.parametrize("is_gone", [True, False], ids=["ended", "ending"])
def test_who_connects_again_wants_a_relay_also_where_a_person_has_ended_one(
    connect: Connect, spoken: Callable[..., WireServer], relays: Relays, above: FreezingServer, is_gone: bool
) -> None:
    relay = spoken(offer(), relay_news("live"))
    m = connect(above.url, relay=True)
    eventually(lambda: m.connection["state"] == "live" and relay.clients_now)
    relays.here = None
    relay.send(relay_news("ended"))
    eventually(lambda: m.connection["relay"]["state"] == "ended")
    if is_gone:
        relay.close()
        eventually(lambda: reason(m).startswith("The relay was ended; "))
    assert len(relays.asked) == 1
    again = connect(above.url, relay=True)
    relay.close()
    eventually(lambda: len(relays.asked) > 1)
    spoken(offer(), relay_news("live"))
    m.reconnect()
    eventually(lambda: m.connection["state"] == again.connection["state"] == "live")
    assert above.handshakes == []


def test_who_has_the_port_of_a_killed_relay_is_told_no_token(
    connect: Connect, spoken: Callable[..., WireServer], relays: Relays, above: FreezingServer
) -> None:
    relay = spoken(offer(), relay_news("live"))
    m = connect(above.url, relay=True)
    eventually(lambda: m.connection["state"] == "live" and relay.clients_now)
    relays.here, asked = None, len(relay.asked)
    relay.cut()
    eventually(lambda: len(relays.asked) == 2)
    assert (len(relay.auths), len(relay.asked)) == (1, asked)


def test_how_the_relay_stands_is_told(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer
) -> None:
    relay = spoken(offer(), relay_news("polling", reason="A run is in progress."))
    m = connect(above.url, relay=True)
    eventually(lambda: m.connection["state"] == "live")
    told = m.connection["relay"]
    assert (told["of"], told["state"], told["reason"]) == (
        "http://above:5000",
        "polling",
        "A run is in progress.",
    )
    assert told["heard_at"] is None
    relay.send(relay_news("reconnecting", error="x" * 10_000))
    eventually(lambda: m.connection["relay"]["state"] == "reconnecting")
    assert m.connection["relay"]["heard_at"] == "2027-01-15T08:00:00+00:00"
    assert len(m.connection["relay"]["error"]) <= 500
    assert m.link()["relay"] == m.connection["relay"]
    with pytest.raises(roma.WaitTimeout, match="no task yet, the relay does not hear the server: xxx"):
        m.wait("connected", timeout=0.05)
    relay.send(relay_news("failed", error="Nothing listens there."))
    eventually(lambda: m.connection["relay"]["state"] == "failed")
    with pytest.raises(
        roma.WaitTimeout, match=r"the relay does not hear the server: Nothing listens there\.$"
    ):
        m.wait("connected", timeout=0.05)  # it tries on
    relay.send(relay_news("dancing"), packet("relay", ["no object"]))
    eventually(lambda: m.connection["relay"]["state"] is None)
    assert m.connection["state"] == "live"
    log = m.events()
    told = log[log.event == "relay_connection"].fillna("")
    assert told.after.tolist() == ["absent", "", "polling", "reconnecting", "failed", ""]
    assert told.field.tolist()[-2] == "Nothing listens there."
    assert relay.auths[0]["token"] == TOKEN


def test_an_outage_above_the_relay_is_no_stall_of_the_run(
    connect: Connect,
    spoken: Callable[..., WireServer],
    above: FreezingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outcome, "FROZEN_AFTER_S", 0.5)
    monkeypatch.setattr(sampling, "HEALTH_EVERY_S", 0.02)
    relay = spoken(relay={"of": above.url, "state": "reconnecting"})
    m = connect(above.url, relay=True)
    eventually(lambda: relay.clients_now)
    relay.send_frame([node("root")])
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    until_s = time.monotonic() + 0.8
    eventually(lambda: time.monotonic() > until_s)
    assert m.progress["outcome"] == "running"
    relay.answers["/api/health"]["relay"]["state"] = "live"
    eventually(lambda: m.progress["outcome"] == "stalled")


HEARD_AT = datetime(2027, 1, 15, 8, tzinfo=UTC)


def server_now_s(m: roma.Monitor) -> float:
    session: Any = m._session
    told_ms = session._server_now_ms()
    assert told_ms is not None
    return float(told_ms / 1000 - HEARD_AT.timestamp())


def test_time_stands_still_while_the_relay_does_not_hear_the_server(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer
) -> None:
    relay = spoken(offer(), relay_news("reconnecting", heard_at=HEARD_AT.isoformat()))
    m = connect(above.url, relay=True)
    eventually(lambda: relay.clients_now)
    made_before = (HEARD_AT - timedelta(seconds=600)).isoformat()
    relay.send_frame([node("root")], timestamp=made_before)
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    eventually(lambda: server_now_s(m) == 0)
    relay.send(relay_news("live", heard_at=(HEARD_AT + timedelta(seconds=60)).isoformat()))
    eventually(lambda: 60 < server_now_s(m) < 90)


def test_what_the_server_calls_a_state_is_not_asked_of_the_relay(
    connect: Connect, spoken: Callable[..., WireServer], relays: Relays, wire: Wire
) -> None:
    def tagged() -> web.Response:
        return web.json_response({"project": {"id": "p1"}, "state": None}, headers={"ETag": '"1"'})

    executions = {"running_executions": {"p1": {"is_alive": True}}}
    above = wire(
        {"/api/executions": executions, "/api/projects": projects_list("p1"), "/api/projects/p1": tagged}
    )
    m = connect(above.url, "p1", relay=True)
    eventually(lambda: any("If-None-Match" in headers for headers in above.http_headers))
    relay = spoken(projects=projects_list("p2", "p1"))
    m.reconnect()
    eventually(lambda: "/api/projects/p1" in relay.asked)
    assert not any("If-None-Match" in headers for headers in relay.http_headers)


def test_a_new_relay_that_knows_nothing_yet_is_no_word_of_the_server(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer
) -> None:
    run = above.start_run()
    first = spoken(relay={"state": "live"}, projects=projects_list(run))
    m = connect(above.url, relay=True)
    eventually(lambda: first.clients_now)
    first.send_frame([node("root")], project=run)
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    empty = {"projects": [], "current_project_id": None}
    second = spoken(offer(), relay_news("reconnecting"), projects=empty)
    first.close()
    eventually(lambda: m.connection["relay"]["state"] == "reconnecting")
    second.send(relay_news("live"))
    eventually(lambda: m.connection["relay"]["state"] == "live")
    assert (m.connection["error"], [project["id"] for project in m.projects]) == (None, [run])
    second.send(packet("projects_list", empty))
    eventually(lambda: "it was deleted" in (m.connection["error"] or ""))


def test_a_relay_that_hangs_is_waited_for_over_http(
    connect: Connect,
    spoken: Callable[..., WireServer],
    above: FreezingServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(relayed, "ANSWERS_WITHIN_S", 0.1)
    relay = spoken(offer())
    above.start_run()
    m = connect(above.url, relay=True)
    eventually(lambda: relay.clients_now)
    healthy, relay.answers["/api/health"] = relay.answers["/api/health"], Hangs
    relay.cut()
    eventually(lambda: reason(m).startswith("The relay does not answer"))
    m.wait("done", timeout=10)
    relay.answers["/api/health"] = healthy
    eventually(lambda: m.connection["state"] == "live")
    assert above.handshakes == []


@pytest.mark.parametrize("version", [0, 2])
def test_a_relay_of_another_version_is_served_plainly_and_that_is_said(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer, version: int
) -> None:
    relay = spoken(offer(version), relay={"of": above.url, "state": "live", "reason": None, "error": None})
    m = connect(above.url, relay=True)
    eventually(lambda: "another version of roma-widget" in reason(m))
    assert m.connection["state"] == "live"
    assert m.connection["relay"]["state"] == "live"
    assert "roma_widget" not in relay.auths[-1]
    newer = spoken(offer())
    relay.close()
    eventually(lambda: newer.clients_now)
    assert newer.auths[0]["roma_widget"] == 1
    eventually(lambda: m.connection["state"] == "live" and reason(m) == "")


QUESTION = {"request_id": "r1", "node_id": "root", "project_id": "p1", "checkpoint_name": "PlanReview"}


def test_a_question_to_which_the_relay_keeps_anothers_answer_asks_nobody_here(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer
) -> None:
    relay = spoken(offer(), relay_news("reconnecting"), packet("hitl_request", QUESTION))
    relay.greeting.append(
        packet("hitl_queued", {**QUESTION, "action": "abort", "answered_by": "Ann", "note": "Later."})
    )
    m = connect(above.url, relay=True)
    (pending,) = eventually(lambda: [each for each in m.pending if each["state"] != "open"])
    assert (pending["state"], pending["why"]) == ("waiting_link", "Ann answered: abort. Later.")
    assert [project["questions"] for project in m.projects] == [0]
    with pytest.raises(roma.WaitTimeout):
        m.hitl.next(timeout=0.05)
    with pytest.raises(roma.AnswerError, match="Ann answered: abort"):
        m.hitl.pending[0].approve()
    assert "hitl_response" not in [name for name, _ in relay.emitted]


def test_an_answer_that_the_relay_keeps_is_not_sent_again(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer
) -> None:
    relay = spoken(offer(), relay_news("reconnecting"))
    note = "http://above:5000 cannot be reached."
    relay.replies["hitl_response"] = lambda sent: [
        packet("hitl_queued", {"request_id": "r1", "note": note, "rid": sent["rid"]})
    ]
    m = connect(above.url, relay=True)
    eventually(lambda: m.connection["state"] == "live")
    relay.send(packet("hitl_request", QUESTION))
    answered = m.hitl.next(timeout=5).approve()
    eventually(lambda: answered.why == f"The relay keeps it: {note}")
    assert answered.state == "waiting_link"
    with pytest.raises(roma.AnswerError, match="The relay keeps it"):
        answered.abort()
    (auth,) = relay.auths
    relay.greeting += [
        packet("hitl_request", QUESTION),
        packet("hitl_queued", {**QUESTION, "answered_by": auth["label"]}),
    ]
    relay.cut()
    eventually(lambda: len(relay.auths) == 2)
    relay.send(
        packet("hitl_answered", {"request_id": "r1", "action": "approve", "answered_by": auth["label"]})
    )
    eventually(lambda: answered.state == "confirmed")
    assert [name for name, _ in relay.emitted].count("hitl_response") == 1


def test_an_answer_that_was_lost_is_told_among_the_events(
    connect: Connect, spoken: Callable[..., WireServer], above: FreezingServer
) -> None:
    relay = spoken(offer(), relay_news("reconnecting"))
    relay.replies["hitl_response"] = lambda sent: [
        packet("hitl_queued", {"request_id": "r1", "note": "Later.", "rid": sent["rid"]})
    ]
    m = connect(above.url, relay=True)
    eventually(lambda: m.connection["state"] == "live")
    relay.send(packet("hitl_request", QUESTION))
    answered = m.hitl.next(timeout=5).approve()
    eventually(lambda: answered.state == "waiting_link")
    relay.send(packet("hitl_closed", {**QUESTION, "state": "lost", "reason": "The state was lost."}))
    eventually(lambda: answered.state == "lost")
    (row,) = eventually(lambda: list(m.events().query("event == 'error'")["after"]))
    assert row == "The answer to root was lost: The server asks no more: The state was lost."
