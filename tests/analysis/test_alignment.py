"""Which task of one run is which of another: by id, by goal, and never twice."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from analysis.snapshots import of, report, task, tree
from hypothesis import given, settings
from hypothesis import strategies as st

from roma_widget.analysis.comparing import similarity as module
from roma_widget.analysis.comparing.alignment import Pair, align
from roma_widget.analysis.comparing.similarity import alike, similarity, words_of
from roma_widget.core.model import Snapshot


def plan(*goals: str, goal: str = "Write a report") -> Snapshot:
    """A root and its sub-tasks, root.1 and so on."""
    subtasks = [task(f"root.{n}", goal=each, parent_id="root") for n, each in enumerate(goals, 1)]
    return of(task("root", goal=goal), *subtasks)


def ids(pairs: tuple[Pair, ...]) -> list[tuple[str | None, str | None]]:
    return [(pair.a and pair.a.task_id, pair.b and pair.b.task_id) for pair in pairs]


def test_a_run_and_itself() -> None:
    pairs = align(report(), report())
    assert ids(pairs) == [(each, each) for each in report().tasks]
    assert {(pair.rule, pair.why, pair.similarity) for pair in pairs} == {("id", "same id", 1.0)}
    assert [pair.depth for pair in pairs] == [each.depth for each in report().tasks.values()]


def test_an_id_that_is_other_work_is_no_match() -> None:
    pairs = align(plan("Find yields of rooftop farms"), plan("Draft an introduction"))
    assert ids(pairs) == [("root", "root"), ("root.1", None), (None, "root.1")]
    assert pairs[1].why == "only in a: its id is other work in b, and no sibling left resembles it"


def test_what_moved_is_found_by_its_goal_though_the_ids_look_alike() -> None:
    a = plan("Find water needs of roofs", "Find load limits of roofs", "Find costs of roofs")
    b = plan("Find load limits of roofs", "Find water needs of roofs", "Find the costs of roofs")
    pairs = align(a, b)
    assert ids(pairs)[1:] == [("root.1", "root.2"), ("root.2", "root.1"), ("root.3", "root.3")]
    assert [pair.rule for pair in pairs[1:]] == ["goal", "goal", "id"]
    assert pairs[1].why == "goals are 100 % alike under matched parents"
    assert pairs[3].why == "same id, goals 88 % alike"


def test_the_most_alike_are_paired_first() -> None:
    a = of(task("root"), task("x", goal="Find yields of farms on roofs", parent_id="root"))
    b = of(
        task("root"),
        task("y", goal="Find yields of farms", parent_id="root"),
        task("z", goal="Find yields of farms on roofs now", parent_id="root"),
    )
    assert ids(align(a, b)) == [("root", "root"), (None, "y"), ("x", "z")]


def test_what_only_one_run_has_stands_where_it_has_it() -> None:
    a = plan("alpha one", "beta two", "gamma three")
    b = plan("alpha one", "new four", "newer five")
    assert ids(align(a, b))[1:] == [
        ("root.1", "root.1"),
        ("root.2", None),
        ("root.3", None),
        (None, "root.2"),
        (None, "root.3"),
    ]


def test_under_what_has_no_match_nothing_matches() -> None:
    a = of(task("root"), task("x", goal="one", parent_id="root"), task("x.1", goal="same", parent_id="x"))
    b = of(task("root"), task("y", goal="two", parent_id="root"), task("y.1", goal="same", parent_id="y"))
    pairs = align(a, b)
    assert ids(pairs) == [("root", "root"), ("x", None), ("x.1", None), (None, "y"), (None, "y.1")]
    assert pairs[2].why == "only in a, as its parent is"


def test_roots_are_a_pair_whatever_they_are_called() -> None:
    (pair,) = align(of(task("one", goal="Write")), of(task("two", goal="Paint")))
    assert (pair.match, pair.rule, pair.why) == ("both", None, "both are the root; their goals are 0 % alike")


def test_an_empty_run_has_nothing_in_common() -> None:
    assert align(Snapshot(), Snapshot()) == ()
    pairs = align(Snapshot(), report())
    assert len(pairs) == 15
    assert {pair.match for pair in pairs} == {"b"}
    assert pairs[0].why == "only in b: nothing stands there in a"


def test_words_are_compared_and_not_letters_or_their_case() -> None:
    def degree(one: str, other: str) -> float:
        return similarity(words_of(one), words_of(other))

    assert degree("Find costs, now!", "find COSTS now") == 1.0
    assert degree("the the", "the") == 2 / 3
    assert degree("Caf\u00e9 prices", "Cafe\u0301 prices") == 1.0  # the same letters, written otherwise
    assert degree("屋上農園の収量", "屋上農園の費用") > 0.5
    assert degree("", "") == degree("?!", "?!") == 1.0
    assert degree("", "?!") == degree("one", "two") == 0.0


def test_siblings_of_any_number_are_compared_near_to_where_they_stand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "COMPARED_FOR_EACH", 10)
    a = [words_of(f"Read page {n}") for n in range(300)]
    b = [words_of(f"Read page {n}") for n in range(5, 200)]
    found, mirrored = alike(a, b, 0.5), alike(b, a, 0.5)
    assert len(found) < 1.1 * 10 * (len(a) + len(b)) < len(a) * len(b)
    assert (5, 0, 1.0) in found
    assert sorted((i, j) for i, j, _ in found) == sorted((j, i) for i, j, _ in mirrored)


def test_1000_siblings_against_1000_are_quick() -> None:
    a, b = (plan(*(f"Find what is known of topic {n * step}" for n in range(1000))) for step in (3, 7))
    start = time.perf_counter()
    pairs = align(a, b)
    took_s = time.perf_counter() - start
    print(f"1,000 siblings against 1,000: {took_s * 1000:.0f} ms")
    assert sum(pair.match == "both" for pair in pairs) == 1001
    assert took_s <= 2.0


def test_a_chain_of_any_depth() -> None:
    chain = [task("0"), *(task(str(n), parent_id=str(n - 1)) for n in range(1, 5_000))]
    assert {pair.match for pair in align(of(*chain), of(*chain))} == {"both"}


WORDS = ["find", "costs", "of", "roofs", "write", "屋", ""]


@st.composite
def runs(draw: st.DrawFn) -> Snapshot:
    """Forests of any shape: known ids at other places, goals that repeat, parents that do not exist or come later."""
    names = draw(st.lists(st.sampled_from("abcdefghij"), unique=True, max_size=10))
    goals = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
    parents = st.sampled_from([None, "root", "gone", *names])
    return of(
        *(
            task(name, goal=draw(goals), parent_id=draw(parents))
            for name in ["root", *names][draw(st.integers(0, 1)) :]
        )
    )


@given(runs(), runs())
@settings(max_examples=300, deadline=None)
def test_each_task_once_parents_before_children_and_the_same_from_either_side(
    a: Snapshot, b: Snapshot
) -> None:
    pairs = align(a, b)
    for side, run in (("a", a), ("b", b)):
        tasks = [each for pair in pairs if (each := getattr(pair, side)) is not None]
        assert sorted(each.task_id for each in tasks) == sorted(run.tasks)
        assert {id(each) for each in tasks} == {id(each) for each in run.tasks.values()}
    above: list[Pair] = []
    for pair in pairs:
        assert pair.depth <= len(above)
        del above[pair.depth :]
        if pair.depth:
            assert above[-1].match in ("both", pair.match)
            for one, parent in ((pair.a, above[-1].a), (pair.b, above[-1].b)):
                assert one is None or (parent is not None and one.parent_id == parent.task_id)
        above.append(pair)
    mirrored = align(b, a)
    assert {(y, x) for x, y in ids(mirrored)} == set(ids(pairs))
    assert {
        (pair.shown.task_id, pair.rule, pair.similarity) for pair in mirrored if pair.match == "both"
    } == {(pair.a.task_id, pair.rule, pair.similarity) for pair in pairs if pair.a and pair.b}
    assert align(replace(a), replace(b)) == pairs


@given(runs())
@settings(max_examples=100, deadline=None)
def test_of_a_run_and_itself_nothing_is_left_over(run: Snapshot) -> None:
    assert [(pair.a, pair.b) for pair in align(run, run)] == [(pair.a, pair.a) for pair in align(run, run)]


def test_two_runs_of_1000_tasks_are_quick() -> None:
    a, b = tree(1000, goal="Find yields of roofs"), tree(1000, goal="Find the yields of all roofs")
    start = time.perf_counter()
    pairs = align(a, b)
    took_s = time.perf_counter() - start
    print(f"1,000 tasks against 1,000: {took_s * 1000:.0f} ms")
    assert {pair.match for pair in pairs} == {"both"}
    assert took_s <= 2.0
