"""What `m.graph()` gives: kinds, directions, attributes."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pytest
from analysis.snapshots import START, of, report, stage, task, trace, traces, usage

from roma_widget.analysis.frames import tasks
from roma_widget.analysis.graphs import Link, breaking_edges, graph, portable
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


def test_nodes_have_every_column_of_the_frame() -> None:
    fetched = traces(trace("root", stage(**usage(3, 4, 0.5)), stage()))
    made = graph(report(), "child", fetched).nodes
    assert set(tasks(report()).columns) <= set(made["root"])
    root = made["root"]
    assert (root["n_stages"], root["retries"], root["prompt_tokens"], root["cost_usd"]) == (2, 1, 3, 0.5)
    assert (root["parent_id"], root["n_children"]) == (None, 3)
    assert made["root.1"]["n_stages"] is None


def test_a_run_in_order_has_no_breaking_edges() -> None:
    assert breaking_edges(report()) == []
    assert breaking_edges(Snapshot()) == []


def test_the_edges_that_break_the_order_are_named() -> None:
    snapshot = of(
        task("root", child_ids=("a", "b", "c")),
        task("a", depends_on=("c",)),
        task("b", depends_on=("a",)),
        task("c", depends_on=("b", "c")),
    )
    broken = breaking_edges(snapshot)
    assert broken == [Link("c", "a", "depends_on"), Link("c", "c", "depends_on")]
    made = graph(snapshot, "depends_on")
    made.remove_edges_from((link.source, link.target) for link in broken)
    assert nx.is_directed_acyclic_graph(made)


def test_a_parent_that_needs_its_own_sub_task_is_a_circle() -> None:
    snapshot = of(task("root", child_ids=("a",), depends_on=("a",)), task("a"))
    assert breaking_edges(snapshot) == [Link("a", "root", "depends_on")]
    assert breaking_edges(snapshot, ["child"]) == []


def test_a_chain_as_long_as_the_run_is_walked() -> None:
    chain = [task(f"t{n}", depends_on=(f"t{n - 1}",)) for n in range(5000)]
    assert breaking_edges(of(*chain)) == []


@pytest.mark.parametrize("kind", [None, "child"])
def test_graphml_gives_the_same_graph_back(kind: str | None, tmp_path: Path) -> None:
    made = portable(graph(report(), kind, traces(trace("root", stage(**usage(3, 4, 0.5))))))
    assert not any(value is None for _, node in made.nodes(data=True) for value in node.values())
    nx.write_graphml(made, tmp_path / "run.graphml")
    back = nx.read_graphml(tmp_path / "run.graphml", force_multigraph=kind is None)
    assert dict(back.nodes(data=True)) == dict(made.nodes(data=True))
    assert set(back.edges) == set(made.edges)


@pytest.mark.parametrize("kind", [None, "depends_on"])
def test_node_link_json_gives_the_same_graph_back(kind: str | None) -> None:
    made = portable(graph(report(), kind))
    back = nx.node_link_graph(json.loads(json.dumps(nx.node_link_data(made))))
    assert nx.utils.graphs_equal(back, made)


def test_text_that_xml_has_not_can_be_written(tmp_path: Path) -> None:
    made = graph(of(task("a", goal="bell \x07, half \ud83d, \t tab")))
    nx.write_graphml(portable(made), tmp_path / "run.graphml")
    (node,) = nx.read_graphml(tmp_path / "run.graphml").nodes.values()
    assert node["goal"] == "bell \ufffd, half \ufffd, \t tab"
    assert made.nodes["a"]["goal"].startswith("bell \x07")
