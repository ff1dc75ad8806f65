"""What `m.graph()` gives: kinds, directions, attributes."""

from __future__ import annotations

import networkx as nx
import pytest
from analysis.snapshots import START, of, report, task

from roma_widget.analysis.graphs import graph
from roma_widget.core.model import Snapshot, Status


def test_all_kinds_make_a_multigraph_keyed_by_kind() -> None:
    made = graph(report())
    assert type(made) is nx.MultiDiGraph
    assert {key for _, _, key in made.edges(keys=True)} == {"child", "depends_on", "context"}
    assert set(made["root.1"]["root.3"]) == {"depends_on", "context"}
    assert made["root.1"]["root.3"]["context"] == {}


def test_one_kind_makes_a_plain_graph_of_it_alone() -> None:
    made = graph(report(), "child")
    assert type(made) is nx.DiGraph
    assert made.number_of_nodes() == 15
    assert made.number_of_edges() == 14
    assert nx.is_arborescence(made)
    assert nx.descendants(made, "root.1") == {"root.1.1", "root.1.2", "root.1.3"}


def test_links_point_the_way_things_flow() -> None:
    snapshot = report()
    assert ("root", "root.1") in graph(snapshot, "child").edges
    assert set(graph(snapshot, "depends_on").edges) == {
        ("root.1.1", "root.1.3"),
        ("root.1.2", "root.1.3"),
        ("root.1", "root.3"),
    }
    assert set(graph(snapshot, "context").edges) == {("root.1", "root.3"), ("root.2", "root.3")}


def test_links_to_nowhere_are_left_out() -> None:
    snapshot = of(task("a", child_ids=("x",), depends_on=("y",), context_ids=("z", "a2")), task("a2"))
    made = graph(snapshot)
    assert set(made.nodes) == {"a", "a2"}
    assert list(made.edges(keys=True)) == [("a2", "a", "context")]


def test_a_link_said_twice_is_one_link() -> None:
    assert graph(of(task("a"), task("b", depends_on=("a", "a")))).number_of_edges() == 1


def test_nodes_carry_the_task() -> None:
    made = graph(report())
    assert list(made.nodes) == list(report().tasks)
    node = made.nodes["root.2.2.2"]
    assert (node["status"], type(node["status"])) == ("FAILED", str)
    assert node["agent"] == "BasicReasoningExecutor"
    assert (node["depth"], node["layer"], node["plan_index"], node["duration_s"]) == (3, 3, 1, 17.0)
    assert (node["model"], node["node_type"]) == (None, None)
    assert made.nodes["root"]["created"] == START
    assert not {"raw_json", "child_ids", "_tasks"} & set(node)
    assert graph(of(task("a", Status.DONE)), "context").nodes["a"]["goal"] == "Goal of a"


def test_an_unknown_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r'"child", "depends_on", "context".*parents'):
        graph(report(), "parents")


def test_an_empty_run_is_an_empty_graph() -> None:
    assert graph(Snapshot()).number_of_nodes() == 0
    assert graph(Snapshot(), "child").number_of_edges() == 0
