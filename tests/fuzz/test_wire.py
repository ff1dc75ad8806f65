"""Whatever a server sends: an event comes of it, soon and small, always the same; and a bad part hides no good one."""

from __future__ import annotations

import json
import lzma
import random
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fuzzing import fuzzed, json_values, odd_texts, scalars, seeds, spoiled
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.core import wire
from roma_widget.core.events import NO_FRAME, GraphUpdate, Payload, Unreadable
from roma_widget.core.replies import SMALL_EVENTS
from roma_widget.core.split import Malformed
from roma_widget.core.state import State, apply

CAPTURES = Path(__file__).resolve().parent.parent / "captures"
EVENTS = sorted(
    {
        *SMALL_EVENTS,
        *("task_graph_update", "project_restored", "project_switched", "project_switch_success"),
        *("projects_list", "project_started", "node_trace_data", "stage_details_data"),
        *("error", "execution_error", "no_such_event"),
    }
)
PROJECT_BODY = b'{"project": {"id": "p", "goal": "g"}, "state": {"all_nodes": {"root": {}}}}'
PACKET = b'42["task_graph_update", {"all_nodes": {"a\\u00e4": {"goal": "x"}}}]'
MOST_COMPLAINED = 100_000
LONGEST_S = 2.0
"""For texts of some 100 kB; a hang, or what grows with the square, takes longer."""


@cache
def recorded() -> dict[str, list[bytes]]:
    """Real payloads of each event: the smallest, the largest, and some between."""
    found: dict[str, set[bytes]] = {}
    for path in sorted(CAPTURES.glob("*.jsonl.xz")):
        with lzma.open(path, "rt") as lines:
            for entry in map(json.loads, lines):
                if entry["dir"] == "in" and entry.get("args"):
                    found.setdefault(entry["event"], set()).add(json.dumps(entry["args"][0]).encode())
    return {name: _some(sorted(payloads, key=len)) for name, payloads in found.items()}


def _some(payloads: list[bytes]) -> list[bytes]:
    return payloads[:: max(1, len(payloads) // 8)][:8] + payloads[-1:]


KEYS = st.sampled_from(
    "all_nodes graphs project_id current_project projects current_project_id project project_data state status "
    "task_id goal id title request_id node_id trace stages stage message error rid timestamp result layer "
    "planned_sub_task_ids input_context_sources parent_node_id timestamp_created execution_details "
    "full_result".split()
)


def read(name: str, text: str, last: wire.FrameTexts = NO_FRAME) -> wire.Event:
    began_s = time.process_time()
    event = wire.read_event(name, Payload(text), last)
    assert time.process_time() - began_s < LONGEST_S
    said = getattr(event, "problems", ())
    assert sum(map(len, said)) < MOST_COMPLAINED
    assert all(sentence.encode() for sentence in said)
    state, _ = apply(State(), event, 0.0)
    assert apply(state, event, 1.0)
    return event


def assert_same(event: wire.Event, again: wire.Event) -> None:
    one, other = repr(event), repr(again)
    assert one == other
    if isinstance(event, GraphUpdate) and isinstance(again, GraphUpdate):
        is_same = {**event.nodes} == {**again.nodes}
        assert is_same


def drawn(seed: int, name: str) -> str:
    """A recorded payload of the event, spoiled."""
    original = random.Random(seed).choice(recorded()[name])
    return spoiled(seed, original).decode("utf-8", "surrogateescape")


@fuzzed(200)
@given(seeds)
def test_a_recorded_event_that_was_spoiled_on_its_way(seed: int) -> None:
    name = random.Random(seed).choice(sorted(recorded()))
    text = drawn(seed, name)
    assert_same(read(name, text), read(name, text))


@fuzzed(200)
@given(st.sampled_from(EVENTS), json_values(KEYS))
def test_any_json_as_any_event(name: str, value: Any) -> None:
    text = json.dumps(value)
    assert_same(read(name, text), read(name, text))


@fuzzed(100)
@given(st.sampled_from(EVENTS), st.text() | odd_texts)
def test_any_text_as_any_event(name: str, text: str) -> None:
    read(name, text)


@fuzzed(100)
@given(seeds, seeds)
def test_a_frame_says_the_same_whatever_frame_came_before(first: int, second: int) -> None:
    before = read("task_graph_update", drawn(first, "task_graph_update"))
    last = before.texts if isinstance(before, GraphUpdate) else NO_FRAME
    text = drawn(second, "task_graph_update")
    assert_same(read("task_graph_update", text, last), read("task_graph_update", text))


@fuzzed(100)
@given(st.data())
def test_a_bad_task_hides_no_good_one(data: Any) -> None:
    frame = json.loads(recorded()["task_graph_update"][-1])
    nodes = frame["all_nodes"]
    right = read("task_graph_update", json.dumps(frame))
    assert isinstance(right, GraphUpdate)
    bad = data.draw(st.sampled_from(sorted(nodes)))
    if data.draw(st.booleans()):
        nodes[bad] = data.draw(json_values())
    else:
        nodes[bad][data.draw(st.sampled_from(sorted(nodes[bad])))] = data.draw(json_values())
    got = read("task_graph_update", json.dumps(frame))
    assert isinstance(got, GraphUpdate)
    for task_id in nodes.keys() - {bad}:
        assert got.nodes[task_id] == right.nodes[task_id]


@fuzzed(100)
@given(json_values(KEYS), seeds)
def test_any_body_of_an_http_answer(said: Any, seed: int) -> None:
    body = json.dumps(said) if seed % 2 else spoiled(seed, PROJECT_BODY).decode("latin-1")
    for reader in (
        wire.read_project,
        wire.read_projects,
        wire.read_created,
        wire.read_error,
        wire.read_health,
        wire.read_executions,
    ):
        assert repr(reader(body)) == repr(reader(body))


@fuzzed(100)
@given(seeds, st.integers(0, 6))
def test_any_packet_is_an_event_or_malformed(seed: int, start: int) -> None:
    with suppress(Malformed):
        name, payload = wire.read_packet(spoiled(seed, PACKET).decode("latin-1"), start)
        wire.read_event(name, payload)


@pytest.mark.parametrize("name", EVENTS)
@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, '{"all_nodes":' + "[" * 100_000, "9" * 100_000]
)
def test_what_is_nested_without_end_is_unreadable_and_no_more(name: str, text: str) -> None:
    event = read(name, text)
    assert isinstance(
        event, Unreadable | GraphUpdate | wire.Unhandled | wire.ServerRefused | wire.SimpleExecution
    )


@fuzzed(100)
@given(st.dictionaries(st.text(max_size=5), scalars, max_size=4))
def test_small_objects_as_small_events(fields: dict[str, Any]) -> None:
    for name in SMALL_EVENTS:
        read(name, json.dumps(fields))
