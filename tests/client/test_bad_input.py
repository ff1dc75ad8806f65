"""Addresses that make no sense, and servers that send what no ROMA server should.

Of each bad packet three things are wanted: the good tasks are shown, one bounded sentence says what was wrong, and
the next good frame clears it while the connection stays.
"""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from client.servers import SAFE, WireServer, eventually, frame, node, packet

import roma_widget as roma
from roma_widget.client import socket
from roma_widget.client.rest import SMALL_BODY
from roma_widget.core import reconnect
from roma_widget.core.address import server_url

pytestmark = pytest.mark.usefixtures("quick")

Connect = Callable[..., roma.Monitor]
Wire = Callable[..., WireServer]

SAFE_SERVER = {"/api/health": SAFE}
ROOT = node("root")
GOOD = json.dumps({"root": ROOT})[1:-1]
DEEP = "[" * 10_000 + "]" * 10_000
LONG = "x" * 10_000
MANY = "y" * 30_000
UPDATE = "task_graph_update"


def frame_text(all_nodes: str, more: str = "") -> str:
    """A frame as text, for what no encoder would write."""
    project = '{"id": "p1", "goal": "g", "status": "running"}'
    return (
        f'42["{UPDATE}",{{"project_id": "p1", "current_project": {project}, {more}"all_nodes": {all_nodes}}}]'
    )


def with_bad(key: str, value: str) -> str:
    """A frame of one good task and `key: value` beside it."""
    return frame_text(f'{{{GOOD}, "{key}": {value}}}')


# -- addresses


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("127.0.0.1:5000", "has no scheme: write http://127.0.0.1:5000"),
        ("localhost", "has no scheme"),
        ("", "is empty"),
        ("   ", "is empty"),
        ("http://", "names no host"),
        ("http:///x", "names no host"),
        ("http://127.0.0.1:5000/api", "leave out everything after http://127.0.0.1:5000"),
        ("http://127.0.0.1:5000/api/health", "leave out everything after http://127.0.0.1:5000."),
        ("https://host/roma/api/projects/x", "leave out everything after https://host/roma."),
        ("https://host/roma/socket.io/", "leave out everything after https://host/roma."),
        ("https://host/roma?a=1", "leave out everything after https://host/roma."),
        ("https://host/a/../b", "has a path that no server is under"),
        ("https://host//a", "has a path that no server is under"),
        ("https://host/caf\u00e9", "has a path that no server is under"),
        ("https://host/a%2", "has a path that no server is under"),
        ("http://127.0.0.1:5000?a=1", "leave out everything after http://127.0.0.1:5000"),
        ("http://127.0.0.1:5000#x", "leave out everything after http://127.0.0.1:5000"),
        ("http://127.0.0.1 :5000", "has a space"),
        ("http://a b", "has a space"),
        ("http://a\u2028b", "has a space"),
        ("http://a\x00b", "has a space"),
        ("ftp://127.0.0.1", "starts with ftp://"),
        ("ws://127.0.0.1:5000", "starts with ws://"),
        ("file:///etc/passwd", "starts with file://"),
        ("http://user:s3cret@127.0.0.1", "user name or password"),
        ("http://127.0.0.1:0", "no port from 1 to 65535"),
        ("http://127.0.0.1:65536", "no port from 1 to 65535"),
        ("http://127.0.0.1:-1", "no port from 1 to 65535"),
        ("http://127.0.0.1:five", "no port from 1 to 65535"),
        ("http://[::1", "is no address"),
        ("http://" + "a" * 100_000, "has 100,007 characters"),
        (None, "is text, not NoneType"),
        (5000, "is text, not int"),
        (b"http://127.0.0.1:5000", "is text, not bytes"),
    ],
)
def test_an_address_that_makes_no_sense_is_refused_at_once(url: Any, said: str) -> None:
    with pytest.raises(roma.ConnectError) as refused:
        roma.connect(url)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    "url",
    [
        "http://user:s3cret@host",
        "user:s3cret@host:5000",
        "http://user:s3cret@host:99999",
        "http://user:s3cret @host",
        "http://user:s3cr/s3cret@host",
        "http://user:?s3cret@host",
        "http://user:#s3cret@host",
        "ftp://user:s3cret@host",
        "http://user:s3cret@[host",
        "http://user/s3cret@host",
        "http://:s3cret@",
        "http://host:8888/?token=s3cret",
        "http://host:8888#s3cret",
        "host?token=s3cret",
    ],
)
def test_a_refused_address_does_not_repeat_its_secrets(url: str) -> None:
    with pytest.raises(roma.ConnectError) as refused:
        roma.connect(url)
    assert "s3cr" not in str(refused.value)
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        (" http://127.0.0.1:5000/\n", "http://127.0.0.1:5000"),
        ("HTTPS://Roma.Example", "https://roma.example"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("https://Host/Roma/alice/", "https://host/Roma/alice"),
        ("https://hub/user/a%40b/proxy/8001/", "https://hub/user/a%40b/proxy/8001"),
        ("https://host/api/roma", "https://host/api/roma"),
    ],
)
def test_an_address_is_written_in_one_way(url: str, root: str) -> None:
    assert server_url(url) == root


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70 + ".invalid", "..", "x_-"])
def test_a_host_that_cannot_be_found_is_said(connect: Connect, host: str) -> None:
    m = connect(f"http://{host}:5000", timeout=5)
    error = eventually(lambda: m.connection["error"])
    assert host in error
    assert len(error) < 300
    assert m.connection["state"] == "reconnecting"


# -- packets


BAD_PACKETS = {
    "no argument": (f'42["{UPDATE}"]', "came without its argument"),
    "a list": (f'42["{UPDATE}",[1,2]]', "expected an object"),
    "a text": (f'42["{UPDATE}","hello"]', "expected an object"),
    "a number": (f'42["{UPDATE}",17]', "expected an object"),
    "null": (f'42["{UPDATE}",null]', "expected an object"),
    "no end": (f'42["{UPDATE}",{{"all_nodes": {{"root": {{"a": ', UPDATE),
    "no JSON": (f'42["{UPDATE}",{{all_nodes}}]', UPDATE),
    "deep": (f'42["{UPDATE}",{DEEP}]', "expected an object"),
    "a list of projects that is none": (
        '42["projects_list",{"projects": 5}]',
        "expected a list, got the number 5",
    ),
    "a list of projects as a list": ('42["projects_list",[]]', "expected an object, got a list"),
    "a list of projects, deep": (f'42["projects_list",{DEEP}]', "nested too deep"),
    "projects without ids": ('42["projects_list",{"projects": [{}, null, 3]}]', "project without an id"),
    "a project that is null": ('42["project_started",{"project": null}]', "names no project"),
    "an error without words": ('42["error",{}]', "the server gave no reason"),
    "an error of 1 MB": (packet("error", {"message": "e" * 1_000_000}), "The server said error: eeee"),
    "a name of 1 MB": (f'42["{"n" * 1_000_000}",{{}}]', "a name of 1,000,000 characters"),
    "a name of 1 MB alone": (f'42["{"n" * 1_000_000}"]', "a name of 1,000,000 characters"),
    "an object for an event": ("42{}", "a packet was skipped"),
    "an object with a name": ('42{"task_graph_update": {}}', "a packet was skipped"),
    "a number for an event": ("42[3]", "a packet was skipped"),
    "an empty event": ("42[]", "a packet was skipped"),
    "an event of nothing": ("42", "a packet was skipped"),
    "nothing": ("4", "a packet was skipped"),
    "no packet type": ("49", "a packet was skipped"),
    "no packet type, text": ("4hello", "a packet was skipped"),
    "no packet but JSON": ('4{"a": 1}', "a packet was skipped"),
    "an id of 5,000 digits": (f'42{"7" * 5_000}["{UPDATE}",{{}}]', "a packet was skipped"),
    "an event with an attachment": (f'451-["{UPDATE}",{{"_placeholder":true,"num":0}}]', "binary data"),
    "an event with many attachments": (f'459999999999-["{UPDATE}"]', "binary data"),
    "an attachment": (b"\x00\xff\xfe binary", "binary data"),
    "an event named disconnect": ('42["disconnect",{}]', "an event named 'disconnect'"),
    "an event named connect_error": ('42["connect_error",{}]', "an event named 'connect_error'"),
    "an event with our own mark": ('42["\\u0000unreadable","' + "z" * 10_000 + '"]', "which socket.io keeps"),
}


@pytest.mark.parametrize(("bad", "said"), BAD_PACKETS.values(), ids=BAD_PACKETS)
def test_a_bad_packet_is_said_and_forgotten(
    connect: Connect, wire: Wire, caplog: pytest.LogCaptureFixture, bad: str | bytes, said: str
) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([ROOT])
    m.wait(lambda s: "root" in s.tasks, timeout=5)
    server.send(bad)
    error = eventually(lambda: m.connection["error"])
    assert said in error
    assert len(error) < 700
    assert list(m.snapshot.tasks) == ["root"]
    server.send_frame([ROOT, node("root.1")])
    m.wait(lambda s: "root.1" in s.tasks, timeout=5)
    eventually(lambda: m.connection["error"] is None)
    assert m.connection["state"] == "live"
    assert m.connection["reconnects"] == 0
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


BAD_FRAMES = {
    "all_nodes as a list": (frame_text(f"[{json.dumps(ROOT)}]"), "all_nodes: expected an object", []),
    "all_nodes as a text": (frame_text('"none"'), "all_nodes: expected an object", []),
    "a task that is null": (with_bad("b", "null"), "all_nodes.b: expected a task, got null", ["root"]),
    "a task that is a list": (with_bad("b", "[]"), "all_nodes.b: expected a task, got a list", ["root"]),
    "a status that is a number": (with_bad("b", '{"status": 7}'), "all_nodes.b.status", ["b", "root"]),
    "an id of 30,000 characters": (with_bad(MANY, "{}"), "an id of 30,000 characters", ["root"]),
    "an empty id": (with_bad("", "{}"), "an id of 0 characters", ["root"]),
    "another id inside": (with_bad("b", '{"task_id": "c"}'), "the key counts", ["b", "root"]),
    "duplicate ids": (with_bad("root", json.dumps(ROOT)), "this id came twice", ["root"]),
    "a parent that is a number": (with_bad("b", '{"parent_node_id": 5}'), "parent_node_id", ["b", "root"]),
    "a task nested 10,000 deep": (with_bad("b", f'{{"x": {DEEP}}}'), "nested too deep", ["root"]),
    "a number of 5,000 digits": (with_bad("b", f'{{"x": {"9" * 5_000}}}'), "cannot be read", ["root"]),
    "a layer that is NaN": (with_bad("b", '{"layer": NaN}'), "all_nodes.b.layer", ["b", "root"]),
    "a layer that is huge": (with_bad("b", '{"layer": 1e400}'), "all_nodes.b.layer", ["b", "root"]),
    "a layer beyond numbers": (
        with_bad("b", f'{{"layer": {10**40}}}'),
        "got the number a huge one",
        ["b", "root"],
    ),
    "a time that is text": (
        with_bad("b", '{"timestamp_created": "yesterday"}'),
        "expected a time",
        ["b", "root"],
    ),
    "a time that is a list": (
        with_bad("b", '{"timestamp_created": [2025]}'),
        "expected a time",
        ["b", "root"],
    ),
    "a time that is NaN": (with_bad("b", '{"timestamp_created": NaN}'), "expected a time", ["b", "root"]),
    "a time that is huge": (with_bad("b", '{"timestamp_created": 1e300}'), "expected a time", ["b", "root"]),
    "a time of the year 0": (
        with_bad("b", '{"timestamp_created": "0000-01-01"}'),
        "expected a time",
        ["b", "root"],
    ),
    "a frame's time that is a list": (
        frame_text(f"{{{GOOD}}}", '"timestamp": [], '),
        "timestamp: expected",
        ["root"],
    ),
    "graphs that are a list": (
        frame_text(f"{{{GOOD}}}", '"graphs": [1], '),
        "graphs: expected an object",
        ["root"],
    ),
    "an edge that is null": (
        frame_text(f"{{{GOOD}}}", '"graphs": {"g": {"edges": [null]}}, '),
        "expected source and target",
        ["root"],
    ),
    "a thousand bad tasks": (
        frame_text("{" + GOOD + "".join(f', "b{i}": null' for i in range(1_000)) + "}"),
        "more",
        ["root"],
    ),
}


@pytest.mark.parametrize(("bad", "said", "shown"), BAD_FRAMES.values(), ids=BAD_FRAMES)
@pytest.mark.parametrize("way", ["socket", "http"])
def test_of_a_bad_frame_the_good_tasks_are_shown(
    connect: Connect,
    wire: Wire,
    caplog: pytest.LogCaptureFixture,
    bad: str,
    said: str,
    shown: list[str],
    way: str,
) -> None:
    server = wire(SAFE_SERVER)
    body = bad[len(f'42["{UPDATE}",') : -1]
    if way == "http":
        server.answers.update(
            {"/api/health": {}, "/api/executions": 500},
            **{
                "/api/projects": {"projects": [], "current_project_id": "p1"},
                "/api/projects/p1": (
                    200,
                    f'{{"project": {{"id": "p1"}}, "state": {body}}}',
                    "application/json",
                ),
            },
        )
    m = connect(server.url)
    m.wait("connected", timeout=5)
    if way == "socket":
        eventually(lambda: server.clients_now)
        server.send(bad)
    error = eventually(lambda: m.connection["error"])
    assert said in error
    assert len(error) < 700
    if shown:
        m.wait(lambda s: s.tasks, timeout=5)
    assert sorted(m.snapshot.tasks) == shown
    good = frame([ROOT, node("root.1", status="SOMETHING_NEW", parent_node_id="root")])
    if way == "socket":
        server.emit(UPDATE, good)
    else:
        server.answers["/api/projects/p1"] = {"project": {"id": "p1"}, "state": good}
    m.wait(lambda s: set(s.tasks) == {"root", "root.1"}, timeout=5)
    assert m.task("root.1").status == "SOMETHING_NEW"
    eventually(lambda: m.connection["error"] is None)
    assert m.connection["state"] == ("live" if way == "socket" else "polling")
    assert m.connection["reconnects"] == 0
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


ODD_BUT_FINE = {
    "a status nobody knows": with_bad("b", '{"status": "DREAMING"}'),
    "an id of 10,000 characters": with_bad(LONG, "{}"),
    "a parent that does not exist": with_bad("b", '{"parent_node_id": "nobody"}'),
    "a circle of parents": with_bad("b", '{"parent_node_id": "c"}, "c": {"parent_node_id": "b"}'),
    "its own parent": with_bad("b", '{"parent_node_id": "b"}'),
    "a chain of 3,000 parents": frame_text(
        "{" + GOOD + "".join(f', "n{i}": {{"parent_node_id": "n{i - 1}"}}' for i in range(3_000)) + "}"
    ),
    "epoch seconds and milliseconds": with_bad(
        "b", '{"timestamp_created": 1758276000, "timestamp_updated": 1758276000123.5}'
    ),
    "times with zones": with_bad("b", '{"timestamp_created": "2025-09-19T10:00:00Z"}'),
    "times at the ends of time": with_bad(
        "b",
        '{"timestamp_created": "0001-01-01T00:00:00+14:00", "timestamp_updated": "9999-12-31T23:59:59-14:00"}',
    ),
    "numbers where nobody looks": with_bad("b", '{"aux_data": {"a": NaN, "b": -Infinity, "c": 1e999}}'),
    "half a surrogate": with_bad("b", '{"goal": "\\ud800 half"}'),
    "an event nobody knows": '42["weather",{"it": "rains"}]',
    "an acknowledgement nobody asked for": "4377[]",
    "an acknowledgement of nothing": "43",
    "another welcome": '40{"sid":"s2"}',
    "a ping": "2",
    "nothing to do": "6",
}


@pytest.mark.parametrize("odd", ODD_BUT_FINE.values(), ids=ODD_BUT_FINE)
def test_what_is_odd_is_shown_as_it_is(
    connect: Connect, wire: Wire, caplog: pytest.LogCaptureFixture, odd: str
) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send(odd)
    if "all_nodes" in odd:
        m.wait(lambda s: len(s.tasks) > 1 and "root" in s.tasks, timeout=5)
    server.send_frame([ROOT, node("last")])
    m.wait(lambda s: set(s.tasks) == {"root", "last"}, timeout=5)
    assert m.connection["state"] == "live"
    assert m.connection["error"] is None
    assert m.connection["reconnects"] == 0
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_bad_name_of_a_parent_leaves_every_task_in_sight(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame(
        [ROOT, node("a", parent_node_id="b"), node("b", parent_node_id="a"), node("c", parent_node_id="?")]
    )
    m.wait(lambda s: len(s.tasks) == 4, timeout=5)
    top = {task.task_id for task in m.snapshot.tasks.values() if task.parent_id is None}
    assert top == {"root", "a", "c"}


def test_text_that_is_not_utf8_is_named_and_not_tried_again_without_a_pause(
    connect: Connect, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconnect, "FIRST_DELAY_S", 0.3)
    monkeypatch.setattr(reconnect, "LONGEST_DELAY_S", 30.0)
    server = wire({**SAFE_SERVER, "/api/projects": {"projects": [], "current_project_id": None}})
    m = connect(server.url)
    said: list[str] = []
    m.observe(lambda change: said.append(f"{change['new']['error']} {change['new']['reason']}"), "connection")
    for count in (1, 2, 3):
        eventually(lambda n=count: len(server.opened_s) == n and server.clients_now)
        server.send_bad_text()
    eventually(lambda: len(server.opened_s) == 4)
    assert f"The connection to {server.url} was lost (it sent text that is not UTF-8)." in " ".join(said)
    _, second, third, fourth = server.opened_s
    assert third - second > 0.3
    assert fourth - third > third - second


def test_a_server_that_closes_the_engine_is_heard_again(connect: Connect, wire: Wire) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url)
    for count, goodbye in enumerate(("1", "41", "44{}", "4" + "[" * 100_000, "zzz"), start=1):
        eventually(lambda: server.clients_now)
        eventually(lambda: m.connection["state"] == "live")
        server.send(goodbye)
        eventually(lambda n=count: m.connection["reconnects"] >= n)
    server.cut()
    eventually(lambda: m.connection["state"] == "live" and server.clients_now)
    server.send_frame([ROOT])
    m.wait(lambda s: s.tasks, timeout=5)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
def test_a_message_without_end_ends_that_connection_alone(
    connect: Connect, wire: Wire, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "LARGEST_FRAME", 100_000)
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports=(transport,))
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send_frame([node("root", goal="x" * 200_000)])
    eventually(lambda: len(server.handshakes) == 2 and server.clients_now and m.connection["state"] == "live")
    assert not m.snapshot.tasks
    server.send_frame([ROOT])
    m.wait(lambda s: s.tasks, timeout=5)


def test_an_answer_that_unpacks_without_end_is_not_read(connect: Connect, wire: Wire) -> None:
    bomb = gzip.compress(b" " * (SMALL_BODY + 1))
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    server = wire({"/api/health": lambda: web.Response(body=bomb, headers=packed)})
    m = connect(server.url)
    assert "larger than 4 MiB" in eventually(lambda: m.connection["error"])
    assert server.handshakes == []


@pytest.mark.parametrize("bad", ["zzz", "4" + "[" * 100_000, "bA", "\u00e9"], ids=["z", "deep", "b64", "e"])
def test_a_poll_that_cannot_be_read_ends_in_a_new_connection(connect: Connect, wire: Wire, bad: str) -> None:
    server = wire(SAFE_SERVER)
    m = connect(server.url, transports="polling")
    m.wait("connected", timeout=5)
    eventually(lambda: server.clients_now)
    server.send(bad)
    eventually(lambda: len(server.handshakes) == 2 or m.connection["error"])
    server.cut()
    eventually(lambda: server.clients_now and m.connection["state"] == "live")
    server.send_frame([ROOT])
    m.wait(lambda s: s.tasks, timeout=5)
