"""A condition on a run, written as text: "failed >= 3" -> a function of a Snapshot. docs/watching.md has the language.

The text looks like Python and is read by its parser, and never run as such: what is not in the tables below is refused
before anything is asked. Because every name, field and method has a kind, so is what could not be compared. What is
left to go wrong later is that a question takes too long.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from .condition import (
    NUMBER,
    TASK,
    TEXT,
    TRUTH,
    Asked,
    Condition,
    Part,
    all_or_any,
    children_of,
    compared,
    computed,
    field_of,
    length,
    lower,
    said,
    task_of,
    walked,
)
from .nearest import did_you_mean
from .reading import shorten

LONGEST = 2_000
DEEPEST = 30
LARGEST_NUMBER = 2**53

_ANY = (NUMBER, TEXT, TRUTH, TASK)
_COUNTABLE = (NUMBER, TRUTH)
_ORDERED = (NUMBER, TRUTH, TEXT)


def condition(text: str) -> Condition:
    """What `text` asks of a run.

    Raises ValueError, in one sentence with the place, for what is not in the language. Example:
    `condition("failed >= 3")(m.snapshot)`
    """
    if not 0 < len(text.strip()) <= LONGEST:
        raise ValueError(f"A condition takes 1 to {LONGEST:,} characters, not {len(text.strip()):,}.")
    lines = text.strip().replace("\r\n", "\n").replace("\r", "\n")  # as Python's parser counts them
    try:
        parsed = ast.parse(lines, mode="eval").body
    except SyntaxError as error:
        where = f" at character {error.offset}" if error.offset else ""
        raise ValueError(f"{shorten(text, 200)!r} cannot be read{where}: {error.msg}.") from None
    except ValueError:
        raise ValueError(f"{shorten(text, 200)!r} holds characters that cannot be read.") from None
    except (RecursionError, MemoryError):
        raise ValueError(f"{shorten(text, 200)!r} is nested too deeply.") from None
    return Condition(text, _Reader(lines).whole(parsed).value)


_NAMES = {
    **dict.fromkeys(("total", "done", "failed", "running", "waiting", "fraction"), NUMBER),
    **dict.fromkeys(("outcome", "reason"), TEXT),
}
_FIELDS = {
    **dict.fromkeys(("depth", "layer", "plan_index", "n_children", "duration_s"), NUMBER),
    **dict.fromkeys(
        "task_id goal status task_type node_type agent model parent_id error result_summary".split(), TEXT
    ),
}
_ID_FIELDS = ("child_ids", "depends_on", "context_ids")
_TASK_FIELDS = ("parent", "children")
_METHODS = ("lower", "startswith", "endswith")
_FUNCTIONS = ("any", "all", "len", "sum", "min", "max", "task")
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class _Reader:
    """Parsed text -> parts. `depth` is how deep a part is nested."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._variables: dict[str, str] = {}

    def whole(self, node: ast.expr) -> Part:
        return self._one(node, 0)

    def read(self, node: ast.expr, depth: int) -> Part:
        if depth > DEEPEST:
            self._refuse(node, f"is nested deeper than {DEEPEST} levels")
        below = depth + 1
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.Attribute():
                return self._field(node, below)
            case ast.Call():
                return self._call(node, below)
            case ast.Compare():
                return self._comparison(node, below)
            case ast.BoolOp(op, values):
                return all_or_any([self._one(each, below) for each in values], isinstance(op, ast.And))
            case ast.UnaryOp(ast.Not() | ast.USub()):
                return self._negated(node, below)
            case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
                return self._arithmetic(left, _ARITHMETIC[type(op)], right, below)
            case ast.GeneratorExp() | ast.ListComp():
                return self._each(node, below)
            case ast.Tuple(elts) | ast.List(elts) | ast.Set(elts) if elts:
                return self._listed(node, elts, below)
            case _:
                self._refuse(node, "is not in the language of conditions")

    # -- names and values

    def _constant(self, node: ast.Constant) -> Part:
        value = node.value
        match value:
            case bool():
                return Part(TRUTH, lambda _: value)
            case str():
                return Part(TEXT, lambda _: value)
            case int() | float() if abs(value) <= LARGEST_NUMBER:
                return Part(NUMBER, lambda _: value)
            case None:
                self._refuse(node, "stands only behind `is` and `is not`")
            case _:
                self._refuse(node, "is no text and no number of a usual size")

    def _name(self, node: ast.Name) -> Part:
        name = node.id
        if name in self._variables:
            return Part(self._variables[name], lambda asked: asked.variables[name])
        if name == "tasks":
            return Part(TASK, lambda asked: asked.snapshot.tasks.values(), is_many=True)
        if name in _NAMES:
            return Part(_NAMES[name], lambda asked: asked.numbers[name])
        if name in _FUNCTIONS:
            self._refuse(node, f"is a function: {name}(…)")
        known = (*self._variables, "tasks", *_NAMES, *_FUNCTIONS)
        self._refuse(node, f"is not known.{did_you_mean(name, known)}")

    def _field(self, node: ast.Attribute, depth: int) -> Part:
        of, name = self._one(node.value, depth, (TASK, TEXT)), node.attr
        if name in _METHODS:
            self._refuse(node, f"is a method: .{name}(…)")
        if of.kind == TASK and name == "children":
            return Part(TASK, lambda asked: children_of(asked, of.value(asked)), is_many=True)
        if of.kind == TASK and name == "parent":
            return Part(TASK, lambda asked: task_of(asked, field_of(of.value(asked), "parent_id")))
        if of.kind == TASK and name in _ID_FIELDS:
            return Part(TEXT, lambda asked: field_of(of.value(asked), name) or (), is_many=True)
        if of.kind == TASK and name in _FIELDS:
            return Part(_FIELDS[name], lambda asked: field_of(of.value(asked), name))
        known = (*_FIELDS, *_ID_FIELDS, *_TASK_FIELDS) if of.kind == TASK else _METHODS
        self._refuse(node, f"is not known: a {of.kind} has no {name!r}.{did_you_mean(name, known)}")

    # -- calls

    def _call(self, node: ast.Call, depth: int) -> Part:
        if node.keywords:
            self._refuse(node, "takes no named arguments")
        if isinstance(node.func, ast.Attribute):
            return self._method(node, node.func, depth)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS:
            self._refuse(node.func, f"is no function that is known.{did_you_mean(name, _FUNCTIONS)}")
        if len(node.args) != 1:
            self._refuse(node, "takes one argument")
        if name == "task":
            wanted = self._one(node.args[0], depth, (TEXT,))
            return Part(TASK, lambda asked: task_of(asked, wanted.value(asked)))
        part = self.read(node.args[0], depth)
        if name == "len" and part.kind == TEXT and not part.is_many:
            return Part(NUMBER, lambda asked: length(part.value(asked)))
        if not part.is_many:
            self._refuse(node.args[0], f"is a {part.words}, and {name} takes a list")
        if name in ("any", "all"):
            function = any if name == "any" else all
            return Part(TRUTH, lambda asked: function(walked(asked, part)))
        if name == "len":
            return Part(NUMBER, lambda asked: sum(1 for _ in walked(asked, part)))
        if part.kind not in _COUNTABLE:
            self._refuse(node.args[0], f"is a {part.words}, and {name} takes one of numbers")
        if name == "sum":
            return Part(NUMBER, lambda asked: sum(said(asked, part)))
        extreme: Callable[..., Any] = min if name == "min" else max
        return Part(NUMBER, lambda asked: extreme(said(asked, part), default=None))

    def _method(self, node: ast.Call, function: ast.Attribute, depth: int) -> Part:
        of, name = self._one(function.value, depth, (TEXT,)), function.attr
        if name not in _METHODS:
            self._refuse(function, f"is no method that is known.{did_you_mean(name, _METHODS)}")
        if len(node.args) != (0 if name == "lower" else 1):
            self._refuse(node, f"takes {'no argument' if name == 'lower' else 'one argument'}")
        if name == "lower":
            return Part(TEXT, lambda asked: lower(asked, of.value(asked)))
        end = self._one(node.args[0], depth, (TEXT,))
        test = str.startswith if name == "startswith" else str.endswith
        return Part(TRUTH, lambda asked: compared(asked, test, of.value(asked), end.value(asked)))

    # -- what is made of other parts

    def _negated(self, node: ast.UnaryOp, depth: int) -> Part:
        if isinstance(node.op, ast.Not):
            part = self._one(node.operand, depth)
            return Part(TRUTH, lambda asked: not part.value(asked))
        part = self._one(node.operand, depth, _COUNTABLE)
        return Part(NUMBER, lambda asked: computed(operator.sub, 0, part.value(asked)))

    def _arithmetic(
        self, left: ast.expr, compute: Callable[[Any, Any], Any], right: ast.expr, depth: int
    ) -> Part:
        one, other = self._one(left, depth, _COUNTABLE), self._one(right, depth, _COUNTABLE)
        return Part(NUMBER, lambda asked: computed(compute, one.value(asked), other.value(asked)))

    def _comparison(self, node: ast.Compare, depth: int) -> Part:
        sides = [node.left, *node.comparators]
        links = [
            self._compared(node, left, kind, right, depth)
            for left, kind, right in zip(sides, node.ops, sides[1:], strict=False)
        ]
        return links[0] if len(links) == 1 else all_or_any(links, is_and=True)

    def _compared(
        self, node: ast.Compare, left: ast.expr, comparison: ast.cmpop, right: ast.expr, depth: int
    ) -> Part:
        if isinstance(comparison, ast.Is | ast.IsNot):
            if not (isinstance(right, ast.Constant) and right.value is None):
                self._refuse(right, "cannot stand behind `is`: that takes None")
            part, is_missing = self._one(left, depth), isinstance(comparison, ast.Is)
            return Part(TRUTH, lambda asked: (part.value(asked) is None) is is_missing)
        if any(isinstance(side, ast.Constant) and side.value is None for side in (left, right)):
            self._refuse(node, "is never true: `is None` asks whether something is missing")
        if isinstance(comparison, ast.In | ast.NotIn):
            return self._contained(left, right, isinstance(comparison, ast.In), depth)
        one, other = self._one(left, depth, _ORDERED), self._one(right, depth, _ORDERED)
        if (one.kind == TEXT) != (other.kind == TEXT):
            self._refuse(node, f"compares a {one.kind} with a {other.kind}")
        compare = _COMPARISONS[type(comparison)]
        return Part(TRUTH, lambda asked: compared(asked, compare, one.value(asked), other.value(asked)))

    def _contained(self, left: ast.expr, right: ast.expr, is_in: bool, depth: int) -> Part:
        one, many = self._one(left, depth, _ORDERED), self.read(right, depth)
        could_be = (many.is_many and many.kind in _ORDERED) or many.kind == TEXT
        if not could_be or (one.kind == TEXT) != (many.kind == TEXT):
            self._refuse(right, f"is a {many.words}, in which there is no {one.kind}")

        def contained(asked: Asked) -> bool:
            wanted = one.value(asked)
            if many.is_many:
                return wanted is not None and (wanted in walked(asked, many)) is is_in
            return compared(asked, lambda part, whole: (part in whole) is is_in, wanted, many.value(asked))

        return Part(TRUTH, contained)

    def _listed(self, node: ast.expr, elements: list[ast.expr], depth: int) -> Part:
        parts = [self._one(each, depth, _ORDERED) for each in elements]
        if len({part.kind == TEXT for part in parts}) > 1:
            self._refuse(node, "mixes texts and numbers")
        kind = TEXT if parts[0].kind == TEXT else NUMBER
        return Part(kind, lambda asked: (part.value(asked) for part in parts), is_many=True)

    def _each(self, node: ast.GeneratorExp | ast.ListComp, depth: int) -> Part:
        loop = node.generators[0]
        if len(node.generators) > 1 or loop.is_async or not isinstance(loop.target, ast.Name):
            self._refuse(node, "takes one `for` with one variable")
        name = loop.target.id
        if name.startswith("_") or name in (*self._variables, "tasks", *_NAMES, *_FUNCTIONS):
            self._refuse(loop.target, "is no free name for a variable")
        source = self.read(loop.iter, depth)
        if not source.is_many:
            self._refuse(loop.iter, f"is a {source.words}, and `for` takes a list")
        self._variables[name] = source.kind
        tests = all_or_any([self._one(test, depth) for test in loop.ifs], is_and=True)
        element = self._one(node.elt, depth)
        del self._variables[name]

        def each(asked: Asked) -> Iterator[Any]:
            for value in walked(asked, source):
                asked.variables[name] = value
                if tests.value(asked):
                    yield element.value(asked)

        return Part(element.kind, each, is_many=True)

    def _one(self, node: ast.expr, depth: int, kinds: tuple[str, ...] = _ANY) -> Part:
        """A single value of one of these kinds."""
        part = self.read(node, depth)
        if part.is_many or part.kind not in kinds:
            wanted = "single value" if kinds is _ANY else " or ".join(kinds)
            self._refuse(node, f"is a {part.words}, where a {wanted} has to stand")
        return part

    def _refuse(self, node: ast.expr, why: str) -> NoReturn:
        before = self._text.encode().split(b"\n")[node.lineno - 1][: node.col_offset].decode()
        line = f"line {node.lineno}, " if node.lineno > 1 else ""
        what = shorten(ast.get_source_segment(self._text, node) or "", 60)
        sentence = f"{shorten(self._text, 200)!r}: {what!r} ({line}character {len(before) + 1}) {why}"
        raise ValueError(sentence if sentence.endswith("?") else f"{sentence.removesuffix('.')}.")
