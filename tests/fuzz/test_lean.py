"""Whatever a server packs for the extension: it is read or refused, and a bomb stays small."""

from __future__ import annotations

import json
import random
import time
import tracemalloc
import zlib
from functools import cache
from typing import Any

import msgspec
import pytest
from fuzz.test_wire import recorded
from fuzzing import fuzzed, json_values, seeds, spoiled
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.core import lean
from roma_widget.core.events import DeltaLost, Event, GraphUpdate, Packed, StagesPushed, Unreadable
from roma_widget.core.lean import LeanMirror
from roma_widget.core.state import State, apply

NAMES = ["snapshot", "delta", "stages", "task_result_data", "history_data", "task_graph_update"]
LONGEST_S = 2.0


def mirror() -> LeanMirror:
    return LeanMirror(lambda project_id: lambda task: {})


@cache
def messages() -> dict[str, bytes]:
    """Of a real run: what a server of ours would say of it."""
    nodes = json.loads(recorded()["task_graph_update"][-1])["all_nodes"]
    whole = {
        task_id: {
            **{key: value for key, value in node.items() if key != "full_result"},
            "result_size": 3,
            "needs": [],
        }
        for task_id, node in nodes.items()
    }
    place = {"epoch": 1, "time": "2026-01-01T00:00:00Z"}
    project = {"id": "p", "title": "t", "goal": "g", "status": "running"}
    stages = [{"task_id": "root", "stage": {"stage_id": "s", "status": "running"}}]
    said = {
        "snapshot": {**place, "seq": 1, "project": project, "nodes": whole},
        "delta": {**place, "seq": 2, "base": 1, "nodes": {"root": {"status": "DONE", "output_summary": "x"}}},
        "stages": {**place, "project_id": "p", "stages": stages},
        "task_result_data": {
            "project_id": "p",
            "node_id": "root",
            "rid": "1",
            "result": {"output_text": "x"},
        },
        "history_data": {"project_id": "p", "rid": "1", "history": b"SQLite format 3"},
    }
    return {name: msgspec.msgpack.encode(message) for name, message in said.items()}


def zipped(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(body) + packer.flush()


def read(one: LeanMirror, name: str, body: bytes) -> Event:
    began_s = time.process_time()
    event = one.read(name, Packed(body))
    assert time.process_time() - began_s < LONGEST_S
    said = getattr(event, "problems", ())
    assert sum(map(len, said)) < 100_000
    assert all(sentence.encode() for sentence in said)
    assert apply(State(), event, 0.0)
    return event


def assert_mends(one: LeanMirror) -> None:
    """A whole snapshot is read behind anything, and says what it says to a new one."""
    after, alone = (read(each, "snapshot", messages()["snapshot"]) for each in (one, mirror()))
    assert isinstance(after, GraphUpdate)
    assert isinstance(alone, GraphUpdate)
    is_same = {**after.nodes} == {**alone.nodes}
    assert is_same


@fuzzed(80)
@given(seeds)
def test_messages_that_were_spoiled_on_their_way(seed: int) -> None:
    rng = random.Random(seed)
    one, other = mirror(), mirror()
    for number in range(4):
        name = rng.choice(NAMES[:5])
        body = messages()[name]
        if rng.random() < 0.7:
            body = spoiled(seed + number, zipped(body) if rng.random() < 0.3 else body)
        event, again = read(one, name, body), read(other, name, body)
        assert repr(event) == repr(again)
    assert_mends(one)


@fuzzed(80)
@given(st.sampled_from(NAMES), st.binary() | json_values(), st.booleans())
def test_anything_packed_as_any_event(name: str, message: Any, is_zipped: bool) -> None:
    try:
        body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    except (OverflowError, UnicodeEncodeError):
        return  # MessagePack cannot say it
    one = mirror()
    read(one, "snapshot", messages()["snapshot"])
    read(one, name, zipped(body) if is_zipped else body)
    assert_mends(one)


@fuzzed(60)
@given(st.data())
def test_a_bad_task_hides_no_good_one(data: Any) -> None:
    message = msgspec.msgpack.decode(messages()["snapshot"])
    right = read(mirror(), "snapshot", messages()["snapshot"])
    assert isinstance(right, GraphUpdate)
    bad = data.draw(st.sampled_from(sorted(message["nodes"])))
    worse = data.draw(
        st.none()
        | st.integers(0, 9)
        | st.text()
        | st.lists(st.none())
        | st.dictionaries(st.text(), st.none())
    )
    message["nodes"][bad] = data.draw(
        st.sampled_from([worse, {**message["nodes"][bad], "goal": worse, "layer": worse}])
    )
    got = read(mirror(), "snapshot", msgspec.msgpack.encode(message))
    assert isinstance(got, GraphUpdate)
    for task_id in message["nodes"].keys() - {bad}:
        assert got.nodes[task_id] == right.nodes[task_id]


BOMBS = {
    "zeros": zipped(bytes(300 * 2**20)),
    "nested": zipped(b"\x91" * 10_000_000),
    "a list that says it is long": b"\xdd\xff\xff\xff\xff",
    "a map that says it is long": b"\xdf\xff\xff\xff\xff",
    "bytes that say they are long": b"\xc6\xff\xff\xff\xff",
    "an object of lists": zipped(b"\x81\xa5nodes\xdc\xff\xff" + b"\x90" * 65_535),
    "gzip in gzip": zipped(zipped(bytes(2**20))),
    "gzip without an end": zipped(bytes(2**20))[:-12],
    "two gzips": zipped(b"\x80") + zipped(b"\x80"),
    "a head of gzip": lean.GZIP,
}


@pytest.mark.parametrize("name", NAMES[:5])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_and_stays_small(name: str, bomb: str) -> None:
    one = mirror()
    tracemalloc.start()
    try:
        event = read(one, name, BOMBS[bomb])
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(event, Unreadable | DeltaLost) or event == StagesPushed((), ())
    assert most < lean.LARGEST * 2.5
    assert_mends(one)
