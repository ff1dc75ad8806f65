"""`wire` on real frames and on malformed ones: bad values are reported and skipped, good ones are shown."""

from __future__ import annotations

import json
import time
import tracemalloc
from datetime import datetime
from typing import Any

import pytest

from roma_widget.core import wire
from roma_widget.core.model import Status
from roma_widget.core.split import Malformed
from roma_widget.core.wire import GraphUpdate, Payload, ProjectsListed, ServerRefused, Unhandled, Unreadable


def node(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"task_id": task_id, "goal": f"Goal of {task_id}", "status": "RUNNING", "layer": 0, **fields}


def frame(nodes: dict[str, Any], **fields: Any) -> str:
    return json.dumps({"all_nodes": nodes, "graphs": {}, "project_id": "p", **fields})


def read(text: str, last: wire.FrameTexts = wire.NO_FRAME) -> GraphUpdate:
    event = wire.read_event("task_graph_update", Payload(text), last)
    assert isinstance(event, GraphUpdate), event
    return event


CAPTURES_WITH_FRAMES = (
    "a_complete",
    "b_hitl",
    "d_failed",
    "f_two_projects",
    "g_kill_restart",
    "h_rest",
    "m_midrun_connect",
)


@pytest.mark.parametrize("name", CAPTURES_WITH_FRAMES)
def test_every_recorded_frame_reads_without_a_complaint_and_as_if_read_alone(
    recorded_frames: Any, name: str
) -> None:
    last = wire.NO_FRAME
    for text in recorded_frames(name):
        event = read(text, last)
        last = event.texts
        assert event.problems == ()
        expected = json.loads(text)
        assert event.nodes.keys() == (expected["all_nodes"] or {}).keys()
    assert dict(event.nodes) == dict(read(text).nodes)
    assert event.edges == read(text).edges


@pytest.mark.parametrize("name", ["a_complete", "d_failed"])
def test_fields_are_what_the_server_said(recorded_frames: Any, name: str) -> None:
    *_, text = recorded_frames(name)
    raw = json.loads(text)["all_nodes"]
    for task_id, got in read(text).nodes.items():
        said = raw[task_id]
        assert (got.goal, got.status, got.agent, got.error) == (
            said["goal"],
            said["status"],
            said["agent_name"],
            said["error"],
        )
        assert got.created == datetime.fromisoformat(said["timestamp_created"])
        assert json.loads(got.raw_json) == said


def test_what_did_not_change_is_not_read_again() -> None:
    nodes = {f"t{place}": node(f"t{place}") for place in range(5)}
    first = read(frame(nodes))
    nodes["t3"]["status"] = "DONE"
    second = read(frame(nodes), first.texts)
    assert [second.nodes[key] is first.nodes[key] for key in nodes] == [True, True, True, False, True]
    assert second.nodes["t3"].status is Status.DONE
    assert read(frame(nodes, timestamp="2026-01-01T00:00:00"), second.texts).nodes is second.nodes


def test_a_number_that_begins_like_the_last_one_is_another_number() -> None:
    first = read(frame({"a": 1, "b": node("b")}))
    second = read(frame({"a": 12, "b": node("b")}), first.texts)
    assert "the number 12" in second.problems[0]


def test_what_cannot_be_read_is_missing_and_not_what_the_last_frame_said() -> None:
    first = read(
        frame(
            {"a": node("a"), "b": node("b")},
            graphs={"g": {"edges": [{"source": "a", "target": "b"}]}},
            current_project={"id": "p", "title": "the first"},
        )
    )
    torn = '{"all_nodes": {}, "graphs": {"g" 1}, "current_project": {"id" "q"}}'
    second = read(torn, first.texts)
    assert (second.edges, second.project, second.project_id) == ((), None, None)
    assert len(second.problems) == 2


def test_the_name_of_an_event_may_be_badly_written() -> None:
    assert wire.read_packet('["a\x00b",{}]', 0)[0] == "a\x00b"
    with pytest.raises(Malformed, match="name of an event is not JSON"):
        wire.read_packet(r'["a\q",{}]', 0)


BAD_TASKS = [
    (None, "null"),
    ([], "a list"),
    ("text", "the text"),
    (7, "the number 7"),
    (True, "true"),
]


@pytest.mark.parametrize(("bad", "word"), BAD_TASKS)
def test_a_task_that_is_no_object_is_reported_and_hides_no_other(bad: object, word: str) -> None:
    got = read(frame({"bad": bad, "good": node("good")}))
    assert list(got.nodes) == ["good"]
    assert "all_nodes.bad" in got.problems[0]
    assert word in got.problems[0]
    again = read(frame({"bad": bad, "good": node("good")}), got.texts)
    assert again.problems == got.problems, "what is still wrong is still said"


BAD_FIELDS = [
    ("goal", ["a"], "goal"),
    ("status", 4, None),
    ("layer", float("nan"), "layer"),
    ("layer", 10**400, "layer"),
    ("layer", 1e308, "layer"),
    ("timestamp_created", "yesterday", "created"),
    ("timestamp_created", 12, "created"),
    ("timestamp_created", {"a": 1}, "created"),
    ("parent_node_id", 5, "parent_id"),
    ("parent_node_id", "x" * 30_000, "parent_id"),
    ("execution_details", "none", None),
]


@pytest.mark.parametrize(("name", "value", "attribute"), BAD_FIELDS)
def test_a_field_of_the_wrong_type_is_missing_and_reported_with_its_path(
    name: str, value: object, attribute: str | None
) -> None:
    got = read(frame({"root": node("root", **{name: value})}))
    assert f"all_nodes.root.{name}" in got.problems[0]
    if attribute:
        assert getattr(got.nodes["root"], attribute) in (None, "")


def test_lists_of_ids_keep_their_good_members() -> None:
    got = read(
        frame(
            {
                "root": node(
                    "root",
                    planned_sub_task_ids=["a", None, 3, "b"],
                    input_context_sources=[1, {"source_task_id": "a"}],
                )
            }
        )
    )
    assert got.nodes["root"].planned_ids == ("a", "b")
    assert got.nodes["root"].context_ids == ("a",)
    assert len(got.problems) == 3


def test_an_unknown_status_is_the_servers_own_word() -> None:
    assert read(frame({"root": node("root", status="ON_HOLD")})).nodes["root"].status == "ON_HOLD"


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        ("2026-11-22T20:51:10.497734", "2026-11-22T20:51:10.497734"),
        ("2026-11-22T20:51:10Z", "2026-11-22T20:51:10+00:00"),
        ("2026-11-22 20:51:10+02:00", "2026-11-22T20:51:10+02:00"),
        (1795380670, "2026-11-22T20:51:10+00:00"),
        (1795380670000.0, "2026-11-22T20:51:10+00:00"),
    ],
)
def test_times_come_in_odd_forms(stamp: object, expected: str) -> None:
    got = read(frame({"root": node("root", timestamp_updated=stamp)}))
    assert got.problems == ()
    assert got.nodes["root"].updated == datetime.fromisoformat(expected)


@pytest.mark.parametrize("all_nodes", [[], "nodes", 3, True])
def test_all_nodes_of_the_wrong_type_is_an_empty_reported_frame(all_nodes: object) -> None:
    got = read(json.dumps({"all_nodes": all_nodes, "project_id": "p"}))
    assert not got.nodes
    assert "all_nodes: expected an object" in got.problems[0]


def test_a_null_all_nodes_is_the_servers_empty_state() -> None:
    got = read(json.dumps({"all_nodes": None, "graphs": None, "project_id": None, "current_project": None}))
    assert got.is_empty
    assert got.problems == ()


def test_nesting_of_10_000_hides_only_its_own_task() -> None:
    deep = "[" * 10_000 + "]" * 10_000
    text = (
        '{"all_nodes": {"deep": {"goal": "x", "aux_data": '
        + deep
        + '}, "good": '
        + json.dumps(node("good"))
        + '}, "project_id": "p"}'
    )
    got = read(text)
    assert list(got.nodes) == ["good"]
    assert "nested too deep" in got.problems[0]


def test_a_number_of_5_000_digits_hides_only_its_own_task() -> None:
    text = '{"all_nodes": {"big": {"layer": ' + "9" * 5000 + '}, "good": ' + json.dumps(node("good")) + "}}"
    got = read(text)
    assert list(got.nodes) == ["good"]
    assert "all_nodes.big" in got.problems[0]


def test_duplicate_ids_are_reported_and_the_last_counts() -> None:
    one, two = json.dumps(node("a", goal="first")), json.dumps(node("a", goal="second"))
    got = read(f'{{"all_nodes": {{"a": {one}, "a": {two}}}, "project_id": "p"}}')
    assert got.nodes["a"].goal == "second"
    assert "came twice" in got.problems[0]
    other_name = read(frame({"a": node("b")}))
    assert "the key counts" in other_name.problems[0]


def test_ids_of_10_000_characters_pass_and_longer_ones_are_refused() -> None:
    long_id, longer_id = "x" * 10_000, "x" * 50_000
    got = read(frame({long_id: node(long_id), longer_id: node(longer_id)}))
    assert list(got.nodes) == [long_id]
    assert "50,000 characters" in got.problems[0]
    assert len(got.problems[0]) < 300


def test_lone_surrogates_and_control_characters_are_text_that_can_be_encoded() -> None:
    text = '{"all_nodes": {"a\\ud800": {"goal": "x\\udfffy", "status": "RUN\u0001NING"}}}'
    got = read(text)
    for value in (*got.nodes, *(each.goal for each in got.nodes.values())):
        value.encode()


@pytest.mark.parametrize(
    "text", ["", "[]", '"x"', "3", "null", "{", '{"a"', '{"a":1', '{"a":1,}', "{'a':1}", '{"all_nodes":{"a":']
)
def test_what_is_no_object_is_unreadable_with_one_sentence(text: str) -> None:
    event = wire.read_event("task_graph_update", Payload(text))
    assert isinstance(event, Unreadable)
    assert event.problems[0].startswith("task_graph_update: ")


def test_problems_are_bounded_and_counted() -> None:
    got = read(frame({f"t{place}": None for place in range(500)}))
    assert len(got.problems) == 21
    assert got.problems[-1] == "and 480 more"


@pytest.mark.parametrize(
    "name", ["task_graph_update", "projects_list", "project_started", "project_switched", "error", "whatever"]
)
def test_an_event_without_arguments_is_unreadable(name: str) -> None:
    assert isinstance(wire.read_event(name, None), Unreadable)


@pytest.mark.parametrize("payload", ["[]", '"text"', "null", "12", "{", "[" * 20_000])
@pytest.mark.parametrize("name", ["projects_list", "project_started", "error", "save_error"])
def test_small_events_of_the_wrong_type_are_unreadable(name: str, payload: str) -> None:
    assert isinstance(wire.read_event(name, Payload(payload)), Unreadable)


def test_the_list_of_projects_keeps_its_good_members() -> None:
    event = wire.read_event(
        "projects_list",
        Payload(json.dumps({"projects": [None, {"id": "p", "title": 3}, {}], "current_project_id": "p"})),
    )
    assert isinstance(event, ProjectsListed)
    assert [project.project_id for project in event.projects] == ["p"]
    assert len(event.problems) == 3


def test_errors_come_in_two_shapes() -> None:
    for payload in ('{"message": "no"}', '{"error": "no"}'):
        assert wire.read_event("project_switch_error", Payload(payload)) == ServerRefused(
            "project_switch_error", "no"
        )


def test_an_event_nobody_knows_is_kept_by_name_and_size() -> None:
    assert wire.read_event("news", Payload('["x"]')) == Unhandled("news", 5)


def test_switched_projects_carry_their_frame() -> None:
    event = wire.read_event(
        "project_switched",
        Payload('{"project_id": "p", "project_data": ' + frame({"root": node("root")}) + "}"),
    )
    assert isinstance(event, GraphUpdate)
    assert list(event.nodes) == ["root"]


@pytest.mark.parametrize(
    ("text", "name", "payload"),
    [
        ('["a",{"b":1}]', "a", '{"b":1}]'),
        ('[ "a" , 3 ]', "a", "3 ]"),
        ('["a"]', "a", None),
        ('["\\u0061"]', "a", None),
    ],
)
def test_packets_are_a_name_and_a_pointer_into_the_text(text: str, name: str, payload: str | None) -> None:
    got_name, got = wire.read_packet(text, 0)
    assert got_name == name
    assert (got.text[got.start :] if got else None) == payload


@pytest.mark.parametrize("text", ["", "{}", "[]", "[3]", "[null]", '["a"', '["a'])
def test_a_packet_that_is_no_event_is_malformed(text: str) -> None:
    with pytest.raises(Malformed, match=r"not a socket\.io event"):
        wire.read_packet(text, 0)


def test_health_and_executions() -> None:
    assert wire.read_health('{"safe_to_join": true}') is True
    assert wire.read_health('{"safe_to_join": "yes"}') is False
    assert wire.read_health("<html>") is None
    assert wire.read_executions(
        '{"running_executions": {"p": {"is_alive": true}, "q": {"is_alive": false}}}'
    ) == ("p",)
    assert wire.read_executions('{"running_executions": []}') is None
    assert wire.read_executions("nope") is None


def test_a_saved_project_may_be_torn() -> None:
    project, saved, problems = wire.read_project('{"project": {"id": "p"}, "state": null}')
    assert project is not None
    assert saved is None
    assert problems == ()
    assert wire.read_project('{"project": {"id": "p"}, "sta')[2]


def test_a_long_string_costs_its_length_and_not_a_hundred_times_that() -> None:
    text = "x" * 4_000_000
    frame_text = json.dumps(
        {"project": {"id": "p"}, "state": {"all_nodes": {"root": node("root", goal=text)}}}
    )
    tracemalloc.start()
    try:
        project, saved, _ = wire.read_project(frame_text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert project is not None
    assert saved is not None
    assert len(saved.nodes["root"].goal) == len(text)
    assert peak < 60_000_000


def test_20_000_sources_of_context_are_read_in_a_moment() -> None:
    sources = [{"source_task_id": f"t{place}"} for place in range(20_000)]
    began = time.perf_counter()
    got = read(frame({"root": node("root", input_context_sources=sources)}))
    assert time.perf_counter() - began < 1.0
    assert len(got.nodes["root"].context_ids) == 20_000


@pytest.mark.parametrize(
    "bad",
    [
        {"all_nodes": ["a"]},
        {"graphs": {"g": {"edges": [3]}}},
        {"current_project": {"id": 4}},
        {"timestamp": "yesterday"},
        {"project_id": 7},
    ],
)
def test_what_stays_wrong_stays_said_in_the_same_words(bad: dict[str, Any]) -> None:
    text = json.dumps({"all_nodes": {"root": node("root")}, "graphs": {}, "project_id": "p", **bad})
    first = read(text)
    second = read(text, first.texts)
    assert first.problems
    assert second.problems == first.problems
