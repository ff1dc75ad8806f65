"""Which task of one run is which task of another. Pure; the rule is told in docs/compare.md and in each pair's `why`.

The two trees are walked from their roots down, and siblings are paired under parents that are a pair already:

1. Same id, and the goals have the same words.
2. Same id, and the goals are not entirely different. After a replan, ids are reused for other work: that makes no
   pair. Nor does it where one of the two has word for word the goal of another sibling that is still free.
3. Of those left over the goals that are most alike, the best first.

Two runs have at least their roots in common: where nothing pairs any, the first ones are a pair.
What is paired does not depend on which run is `a`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ...core.model import Snapshot, Task
from .similarity import Words, alike, similarity, words_of

ENTIRELY_DIFFERENT = 0.3
"""Goals of the same id that are less alike are other work."""
ALIKE = 0.5
"""Goals of different ids have to be alike by so much."""

Rule = Literal["id", "goal"]
Side = Literal["both", "a", "b"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A task of both runs, or of one: the other is None then.

    `rule` says what paired them: None where they are the roots and nothing else did. `similarity` of the goals is from
    0.0 to 1.0.
    """

    a: Task | None
    b: Task | None
    depth: int
    why: str
    rule: Rule | None = None
    similarity: float | None = None

    @property
    def match(self) -> Side:
        if self.a is None:
            return "b"
        return "a" if self.b is None else "both"

    @property
    def shown(self) -> Task:
        """The task of b where there is one: it is the later run."""
        task = self.b or self.a
        assert task is not None
        return task


def align(a: Snapshot, b: Snapshot) -> tuple[Pair, ...]:
    """Every task of both runs, once: a parent before its children, what only b has where b has it among its siblings.

    Example: `[pair.why for pair in align(m.snapshot, n.snapshot) if pair.match == "both"]`
    """
    in_a, in_b = _Tree(a), _Tree(b)
    found: list[Pair] = []
    # A stack and no recursion: a chain of tasks may be 10,000 deep.
    todo = _siblings(in_a, in_b, None, None, 0)[::-1]
    while todo:
        pair = todo.pop()
        found.append(pair)
        todo += _siblings(in_a, in_b, pair.a, pair.b, pair.depth + 1)[::-1]
    return tuple(found)


class _Tree:
    """Children in plan order. A task whose parent does not come before it stands as a root: no circle is walked."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._under: dict[str | None, list[Task]] = {}
        came: set[str] = set()
        for task in snapshot.tasks.values():
            parent_id = task.parent_id if task.parent_id in came else None
            self._under.setdefault(parent_id, []).append(task)
            came.add(task.task_id)

    def children(self, task: Task | None) -> list[Task]:
        """Of None: the roots."""
        return self._under.get(None if task is None else task.task_id, [])


def _siblings(in_a: _Tree, in_b: _Tree, a: Task | None, b: Task | None, depth: int) -> list[Pair]:
    """The next level, merged. Under a task of one run alone there are tasks of that run alone."""
    are_roots = depth == 0
    if not are_roots and (a is None or b is None):
        alone = in_a.children(a) if a is not None else in_b.children(b)
        side = "a" if a is not None else "b"
        return [_single(task, side, depth, f"only in {side}, as its parent is") for task in alone]
    of_a, of_b = in_a.children(a), in_b.children(b)
    partners = _partners(of_a, of_b)
    if are_roots and not partners and of_a and of_b:
        first = similarity(words_of(of_a[0].goal), words_of(of_b[0].goal))
        partners[0] = _Partner(0, None, first, f"both are the root; their goals are {_percent(first)} alike")
    return list(_merged(of_a, of_b, partners, depth))


@dataclass(frozen=True, slots=True)
class _Partner:
    place: int
    rule: Rule | None
    similarity: float
    why: str


def _partners(of_a: Sequence[Task], of_b: Sequence[Task]) -> dict[int, _Partner]:
    """For places among the siblings of a: which of b is the same task, and why."""
    words_a, words_b = ([words_of(task.goal) for task in each] for each in (of_a, of_b))
    place_in_b = {task.task_id: j for j, task in enumerate(of_b)}
    same_id = [(i, place_in_b[task.task_id]) for i, task in enumerate(of_a) if task.task_id in place_in_b]
    partners: dict[int, _Partner] = {}
    taken_b: set[int] = set()

    def take(i: int, j: int, rule: Rule, degree: float, why: str) -> None:
        partners[i] = _Partner(j, rule, degree, why)
        taken_b.add(j)

    for i, j in same_id:
        if words_a[i] == words_b[j]:
            take(i, j, "id", 1.0, "same id")
    free_a = {words for i, words in enumerate(words_a) if i not in partners}
    free_b = {words for j, words in enumerate(words_b) if j not in taken_b}
    for i, j in same_id:
        if i in partners or words_a[i] in free_b or words_b[j] in free_a:
            continue
        degree = similarity(words_a[i], words_b[j])
        if degree >= ENTIRELY_DIFFERENT:
            take(i, j, "id", degree, f"same id, goals {_percent(degree)} alike")
    for i, j, degree in _by_goal(words_a, words_b, partners, taken_b):
        take(i, j, "goal", degree, f"goals are {_percent(degree)} alike under matched parents")
    return partners


def _by_goal(
    words_a: Sequence[Words], words_b: Sequence[Words], not_a: Iterable[int], not_b: Iterable[int]
) -> Iterator[tuple[int, int, float]]:
    """Of those that are free the best pair, then the best of the rest, and so on."""
    free_a, free_b = (
        [place for place in range(len(words)) if place not in taken]
        for words, taken in ((words_a, set(not_a)), (words_b, set(not_b)))
    )
    taken_a: set[int] = set()
    taken_b: set[int] = set()
    for i, j, degree in alike([words_a[i] for i in free_a], [words_b[j] for j in free_b], ALIKE):
        if i not in taken_a and j not in taken_b:
            taken_a.add(i)
            taken_b.add(j)
            yield free_a[i], free_b[j], degree


def _merged(
    of_a: Sequence[Task], of_b: Sequence[Task], partners: dict[int, _Partner], depth: int
) -> Iterator[Pair]:
    """The order of a; tasks that only b has come behind the matched sibling that they come behind in b."""
    matched_b = {partner.place for partner in partners.values()}
    in_a = {task.task_id for task in of_a}
    in_b = {task.task_id for task in of_b}

    def only_in_b(after: int) -> Iterator[Pair]:
        for j in range(after + 1, len(of_b)):
            if j in matched_b:
                return
            yield _single(of_b[j], "b", depth, _why_alone("b", of_b[j].task_id in in_a, bool(of_a)))

    waiting = list(only_in_b(-1))  # what a alone has comes before what b alone has in its place
    for i, task in enumerate(of_a):
        if i not in partners:
            yield _single(task, "a", depth, _why_alone("a", task.task_id in in_b, bool(of_b)))
            continue
        yield from waiting
        partner = partners[i]
        yield Pair(task, of_b[partner.place], depth, partner.why, partner.rule, partner.similarity)
        waiting = list(only_in_b(partner.place))
    yield from waiting


def _single(task: Task, side: str, depth: int, why: str) -> Pair:
    return Pair(task, None, depth, why) if side == "a" else Pair(None, task, depth, why)


def _why_alone(side: str, id_is_elsewhere: bool, other_has_siblings: bool) -> str:
    other = "b" if side == "a" else "a"
    if not other_has_siblings:
        return f"only in {side}: nothing stands there in {other}"
    if id_is_elsewhere:
        return f"only in {side}: its id is other work in {other}, and no sibling left resembles it"
    return f"only in {side}: no sibling left resembles it"


def _percent(degree: float) -> str:
    """Never rounded up to "100 %": that is said of the same words alone."""
    return f"{int(degree * 100)} %"
