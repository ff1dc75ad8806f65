"""What a client of the extension puts together: the same as the server's side has, whatever comes."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roma_widget.core import lean
from roma_widget.core.events import DeltaLost, GraphUpdate, Node, Packed, StagesPushed, TaskRest, Unreadable
from roma_widget.core.lean import LeanMirror, whole_of
from roma_widget.core.model import Status, Task
from roma_widget.core.state import State, apply

PROJECT = {"id": "p", "title": "t", "goal": "the goal", "status": "running"}


def packed(message: Any) -> Packed:
    return Packed(msgspec.msgpack.encode(message))


def no_rest(_: Task) -> Mapping[str, Any]:
    raise AssertionError("nobody asked")


def mirror() -> LeanMirror:
    return LeanMirror(lambda project_id: no_rest)


def whole(**fields: Any) -> dict[str, Any]:
    return {
        "goal": "g",
        "status": "RUNNING",
        "needs": [],
        "result_size": 0,
        "started": None,
        "cut": [],
        **fields,
    }


def snapshot(seq: int = 1, epoch: int = 1, project: Any = PROJECT, **nodes: Any) -> Packed:
    return packed(
        {"epoch": epoch, "seq": seq, "project": project, "nodes": nodes, "time": "2026-01-01T00:00:00Z"}
    )


def delta(base: int, seq: int, epoch: int = 1, project: Any = None, **nodes: Any) -> Packed:
    more = {} if project is None else {"project": project}
    return packed({"epoch": epoch, "seq": seq, "base": base, "nodes": nodes, "time": None, **more})


def test_a_delta_changes_what_it_names_and_nothing_else() -> None:
    one = mirror()
    first = one.read("snapshot", snapshot(root=whole(), other=whole(status="PENDING", needs=["root"])))
    second = one.read("delta", delta(1, 2, project={"status": "completed"}, root={"status": "DONE"}))
    assert isinstance(first, GraphUpdate)
    assert isinstance(second, GraphUpdate)
    assert second.nodes["root"].status is Status.DONE
    assert second.nodes["other"] is first.nodes["other"]
    assert second.edges == (("root", "other"),)
    assert second.project is not None
    assert (second.project.status, second.project.goal) == ("completed", "the goal")
    assert second.nodes["root"].overall_objective == "the goal", "left out where it is the project's"


@pytest.mark.parametrize(
    "lost",
    [
        delta(0, 2, root={"status": "DONE"}),
        delta(1, 2, epoch=2, root={"status": "DONE"}),
        delta(1, 2, new={"status": "DONE"}),
        Packed(b"\xc1"),
        packed({"epoch": 1, "base": 1, "nodes": {}}),
    ],
    ids=["base", "epoch", "part of nothing", "unreadable", "no seq"],
)
def test_after_a_loss_nothing_is_believed_until_a_snapshot_comes(lost: Packed) -> None:
    one = mirror()
    one.read("snapshot", snapshot(root=whole()))
    assert isinstance(one.read("delta", lost), DeltaLost)
    assert isinstance(one.read("delta", delta(1, 2, root={"status": "DONE"})), DeltaLost)
    after = one.read("snapshot", snapshot(seq=7, root=whole(status="FAILED")))
    assert isinstance(after, GraphUpdate)
    assert after.nodes["root"].status is Status.FAILED
    assert isinstance(one.read("delta", delta(7, 8, root={"status": "DONE"})), GraphUpdate)


def test_no_current_project_is_said_as_on_roma() -> None:
    frame = mirror().read("snapshot", snapshot(project=None))
    assert isinstance(frame, GraphUpdate)
    assert (frame.is_empty, frame.is_current) == (True, True)


def test_one_bad_task_hides_no_other() -> None:
    frame = mirror().read("snapshot", snapshot(good=whole(), bad=3, worse=whole(goal=7)))
    assert isinstance(frame, GraphUpdate)
    assert set(frame.nodes) == {"good", "worse"}
    assert "nodes.bad: expected a task" in frame.problems[0]
    assert "nodes.worse.goal: expected a string" in frame.problems[1]


def test_a_cut_text_says_so_and_the_whole_has_all() -> None:
    frame = mirror().read("snapshot", snapshot(root=whole(error="because", cut=["error"], result_size=9)))
    assert isinstance(frame, GraphUpdate)
    state, _ = apply(State(), frame, 0.0)
    task = state.projects["p"].tasks["root"]
    assert task.error == "because…"
    assert not task.is_whole
    assert task.n_left_out == 9
    rest = TaskRest("p", "root", '{"output_text": "found"}', "null", "{}", {"error": "because of rain"})
    raw = whole_of("root", task.raw_json, rest)
    assert (raw["error"], raw["full_result"], raw["task_id"]) == (
        "because of rain",
        {"output_text": "found"},
        "root",
    )
    assert not {"needs", "cut", "started", "result_size"} & raw.keys()


def test_a_task_without_a_result_needs_no_server_to_say_so() -> None:
    frame = mirror().read("snapshot", snapshot(root=whole()))
    assert isinstance(frame, GraphUpdate)
    state, _ = apply(State(), frame, 0.0)
    assert state.projects["p"].tasks["root"].result is None


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "LARGEST", 1000)
    plain = snapshot(root=whole(goal="g" * 100_000))
    bomb = Packed(zlib.compress(plain.body, 9, 31))
    assert len(bomb.body) < lean.LARGEST
    assert isinstance(mirror().read("snapshot", bomb), Unreadable)
    assert isinstance(mirror().read("snapshot", plain), Unreadable)
    monkeypatch.undo()
    assert isinstance(mirror().read("snapshot", bomb), GraphUpdate)


def test_pushed_stages_are_typed() -> None:
    event = mirror().read(
        "stages",
        packed(
            {
                "stages": [
                    {"project_id": "p", "node_id": "root", "seq": 2, "stage": '{"stage_name": "planning"}'},
                    {"project_id": "p", "node_id": "root", "seq": 3, "stage": "no JSON"},
                    "nothing",
                ]
            }
        ),
    )
    assert isinstance(event, StagesPushed)
    assert [(project_id, stage.seq, stage.stage) for project_id, stage in event.stages] == [
        ("p", 2, "planning")
    ]
    assert len(event.problems) == 2


IDS = st.sampled_from(["root", "root.1", "root.2", "x"])
PARTS = st.dictionaries(
    st.sampled_from(["status", "goal", "error", "timestamp_updated", "layer"]),
    st.one_of(st.none(), st.sampled_from(["DONE", "RUNNING", "long " * 9]), st.integers(0, 3)),
)
STEPS = st.lists(st.tuples(st.booleans(), IDS, PARTS), max_size=12)


def in_any_order(frame: GraphUpdate) -> dict[str, tuple[Node, Any]]:
    """Its tasks, whatever order the keys of their JSON are in."""
    return {key: (replace(node, raw_json=""), json.loads(node.raw_json)) for key, node in frame.nodes.items()}


@given(STEPS)
def test_deltas_lead_to_what_a_snapshot_of_the_same_says(
    steps: list[tuple[bool, str, dict[str, Any]]],
) -> None:
    one = mirror()
    nodes: dict[str, dict[str, Any]] = {"root": whole()}
    frame = one.read("snapshot", snapshot(root=nodes["root"]))
    for seq, (is_whole, task_id, part) in enumerate(steps, start=1):
        is_new = is_whole or task_id not in nodes
        change = whole(**part) if is_new else part
        nodes[task_id] = change if is_new else {**nodes[task_id], **part}
        frame = one.read("delta", delta(seq, seq + 1, **{task_id: change}))
    at_once = mirror().read("snapshot", snapshot(**nodes))
    assert isinstance(frame, GraphUpdate)
    assert isinstance(at_once, GraphUpdate)
    assert (in_any_order(frame), frame.edges) == (in_any_order(at_once), at_once.edges)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(), st.integers(0, 9)), inner, max_size=4),
        st.fixed_dictionaries({"epoch": st.just(1), "seq": st.just(2), "base": st.just(1), "nodes": inner}),
    ),
    max_leaves=12,
)


@given(st.sampled_from(["snapshot", "delta", "stages", "task_result_data"]), st.one_of(st.binary(), ANYTHING))
@settings(max_examples=400)
def test_nothing_that_comes_makes_it_raise(name: str, message: Any) -> None:
    body = message if isinstance(message, bytes) else msgspec.msgpack.encode(message)
    one = mirror()
    one.read("snapshot", snapshot(root=whole()))
    event = one.read(name, Packed(body))
    assert not isinstance(event, GraphUpdate) or apply(State(), event, 0.0)


@pytest.mark.parametrize("bad", [{}, {"goal": "no needs"}, whole(goal="torn")])
def test_in_a_snapshot_a_bad_task_hides_no_good_one(bad: dict[str, Any]) -> None:
    body = snapshot(good=whole(), bad=bad).body.replace(b"torn", b"\xff\xfe\xfd\xfc")
    frame = mirror().read("snapshot", Packed(body))
    assert isinstance(frame, GraphUpdate)
    assert set(frame.nodes) == {"good"}
    assert "nodes.bad" in frame.problems[0]


def test_parts_of_a_task_that_was_skipped_lose_nothing() -> None:
    one = mirror()
    one.read("snapshot", snapshot(good=whole(), bad=3))
    frame = one.read("delta", delta(1, 2, good={"status": "DONE"}, bad={"status": "DONE"}))
    assert isinstance(frame, GraphUpdate)
    assert frame.nodes["good"].status is Status.DONE
    frame = one.read("delta", delta(2, 3, bad=whole()))
    assert isinstance(frame, GraphUpdate)
    assert set(frame.nodes) == {"good", "bad"}


def test_what_a_message_becomes_is_in_proportion_to_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "LARGEST_TASK", 1000)
    monkeypatch.setattr(lean, "LARGEST_MEMBER", 1000)
    bomb = [[] for _ in range(2000)]
    one = mirror()
    frame = one.read("snapshot", snapshot(bad=whole(goal=bomb), good=whole()))
    assert isinstance(frame, GraphUpdate)
    assert set(frame.nodes) == {"good"}
    assert "bytes are more than a task has" in frame.problems[0]
    assert isinstance(one.read("stages", packed({"stages": bomb})), Unreadable)
    rest = one.read("task_result_data", packed({"node_id": "root", "result": "x" * 5000}))
    assert isinstance(rest, TaskRest), "text is what it is"


def test_tasks_that_pile_up_are_not_put_together_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "LARGEST_STATE", 1000)
    one = mirror()
    assert isinstance(one.read("snapshot", snapshot(root=whole())), GraphUpdate)
    lost = one.read("delta", delta(1, 2, **{f"t{n}": whole(goal="x" * 100) for n in range(9)}))
    assert isinstance(lost, DeltaLost)
    assert "not put together" in lost.problems[0]


@pytest.mark.parametrize(
    ("then", "now", "same"),
    [
        (
            {"timestamp_created": "a", "result_size": 5},
            {"timestamp_created": "a", "result_size": 5, "x": 1},
            True,
        ),
        ({"timestamp_created": "a", "result_size": 0}, {"timestamp_created": "a", "result_size": 5}, True),
        ({"timestamp_created": "a", "result_size": 5}, {"timestamp_created": "a", "result_size": 6}, False),
        ({"timestamp_created": "a", "result_size": 5}, {"timestamp_created": "b", "result_size": 5}, False),
    ],
    ids=["moved otherwise", "none then", "another result", "made anew"],
)
def test_a_result_is_asked_for_only_while_it_is_the_one_that_was_meant(
    then: dict[str, Any], now: dict[str, Any], same: bool
) -> None:
    assert lean.same_result(json.dumps(then), json.dumps(now)) is same
