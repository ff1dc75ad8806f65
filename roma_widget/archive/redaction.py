"""What must not leave with a saved run: by field, by pattern, by function; and the report of what was taken out.

Everything here gives the same object back when nothing changed. What is promised and what cannot be:
docs/redaction.md.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from ..core.annotations import Annotation
from ..core.events import NodeTrace, Payload, TaskRest
from ..core.hitl import HitlRequest
from ..core.log import Row
from ..core.model import Project, Task, Trace
from ..core.reading import hide, shorten
from ..core.text import GONE
from ..core.traces import read_node_trace
from ..errors import RomaError
from .assigned_secrets import names_a_secret
from .fields import FIELD_RULES, ROW_FIELDS, STRUCTURE, FieldRule, Holds, held_by, without
from .rewriting import UNREADABLE, rewritten, rewritten_object
from .secrets_in_text import may_hold_secrets, without_secrets

SECRETS = "secrets"
Hook = Callable[[str, str], str | None]
Rewritten = tuple[str | None, tuple[str, ...]]
"""A text as a rule leaves it, None where it removes it, and the kinds of what it found."""

_REMEMBERED = 64
_MOST_REMEMBERED = 32_000_000
"""Texts from so many characters on are remembered, of so many in all: ROMA repeats the same prompts in every stage."""
_WIRE_NAMES = {
    "goal": "goal",
    "agent": "agent_name",
    "model": "model_display",
    "error": "error",
    "result_summary": "output_summary",
    "overall_objective": "overall_objective",
}
"""A task's own texts, and what ROMA calls them."""
_OWN_NAMES = {wire: own for own, wire in _WIRE_NAMES.items()}
_TASK_TEXTS = tuple(
    each.name
    for each in fields(Task)
    if each.name not in (*_WIRE_NAMES, "raw_json") and not each.name.startswith("_")
)
_PROJECT_TEXTS = ("title", "goal")


class _TextRule:
    """Changes texts wherever they stand. `found` counts what it found by kind, `changed` its texts by place."""

    def __init__(self, name: str, apply: Callable[[str, str], Rewritten], knows_places: bool = False) -> None:
        self.name = name
        self.apply = apply
        self.knows_places = knows_places
        self.changed: Counter[str] = Counter()
        self.found: Counter[str] = Counter()

    def report(self) -> dict[str, Any]:
        found = {"found": dict(self.found)} if self.found else {}
        return {"rule": self.name, "changed": dict(self.changed), **found}


def redaction(redact: object, hidden: Iterable[str] = ()) -> Redaction:
    """What `redact=` of `m.save` asks for, and `hidden`: strings that are always replaced.

    `redact` is None, "prompts", "responses", "results", "secrets" (or True), a compiled `re.Pattern` of text, a
    function of (where, text) that gives the new text or None, or a list of these. Raises ValueError. Example:
    `redaction(["prompts", "secrets", re.compile("ACME")])`
    """
    asked = (
        redact if isinstance(redact, list | tuple | set | frozenset) else () if redact is None else (redact,)
    )
    field_rules: list[FieldRule] = []
    text_rules: list[_TextRule] = []
    for place, each in enumerate(asked, 1):
        match each:
            case True | "secrets":
                text_rules.append(_TextRule(SECRETS, lambda _, text: without_secrets(text)))
            case str() if each in FIELD_RULES:
                field_rules += [rule for rule in FIELD_RULES if rule == each]
            case re.Pattern() if isinstance(each.pattern, str):
                text_rules.append(_TextRule(f"pattern {place}", partial(_without_matches, each)))
            case _ if callable(each):
                name = f"function {shorten(getattr(each, '__name__', type(each).__name__), 80)}"
                text_rules.append(_TextRule(name, partial(_by_function, each), knows_places=True))
            case _:
                raise ValueError(
                    'redact takes "prompts", "responses", "results", "secrets", a compiled pattern of text, a '
                    f"function (where, text), or a list of these, not {shorten(repr(each), 60)}."
                )
    return Redaction(tuple(dict.fromkeys(field_rules)), tuple(text_rules), hidden)


class RedactFailed(RomaError):
    """A function raised, or gave what is no text: `why` says which."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}; nothing was saved.")
        self.why = why


class Redaction:
    """See `redaction`. One is made for each file: it counts what it takes out of what it is given."""

    def __init__(
        self,
        field_rules: tuple[FieldRule, ...],
        text_rules: tuple[_TextRule, ...],
        hidden: Iterable[str] = (),
    ) -> None:
        secrets = dict.fromkeys(form for each in hidden if each for form in (each, quote(each, safe="")))
        self._hidden = tuple(sorted(secrets, key=len, reverse=True))
        self._hiding = _TextRule("hidden", lambda _, text: (_without(text, self._hidden), ()))
        self._fields = field_rules
        self._asked = text_rules
        self._rules = (*((self._hiding,) if self._hidden else ()), *text_rules)
        self._has_secrets = any(rule.name == SECRETS for rule in text_rules)
        self._removed: dict[FieldRule, Counter[str]] = {rule: Counter() for rule in field_rules}
        self._unreadable = 0
        self._is_counting = True
        self._remembers = not any(rule.knows_places for rule in text_rules)
        self._looks_first = (
            not field_rules
            and all(rule.name == SECRETS for rule in text_rules)
            and all(
                each.isascii() and each.isprintable() and not set(each) & set('"\\/') for each in self._hidden
            )
        )
        self._memory: dict[str, tuple[str | None, tuple[tuple[_TextRule, tuple[str, ...]], ...]]] = {}
        self._n_remembered = 0

    @property
    def is_empty(self) -> bool:
        """Can nothing change?"""
        return not self._fields and not self._rules

    def report(self) -> dict[str, Any]:
        """Which rules were asked for, and how many texts each changed, by place. JSON-able; no text of the run.

        A pattern is named by its place among the rules, because it may hold what it hides. Example:
        `{"rules": [{"rule": "secrets", "changed": {"task.goal": 1}, "found": {"e-mail": 1}}], "unreadable": 0}`
        """
        rules = [
            *({"rule": rule, "changed": dict(changed)} for rule, changed in self._removed.items()),
            *(rule.report() for rule in self._asked),
            *((self._hiding.report(),) if self._hiding.changed else ()),
        ]
        return {"rules": rules, "unreadable": self._unreadable}

    def words(self, where: str, text: str | None) -> str | None:
        """One text; None where there is none, or a function removed it. Raises RomaError when a function raises."""
        return None if text is None else self._text(where, where, text)

    def sentence(self, text: str) -> str | None:
        """What we say of the run, which may quote what a server said. None where a function removed it.

        Example: `redaction("secrets").sentence("Not all is here: ask a@b.org")`
        """
        return self._field("sentence", Holds.ERROR, text)

    def task_id(self, task_id: str) -> str:
        """An id as it stands in a redacted task: only what is always hidden is taken out."""
        return str(self._structural(task_id))

    def status(self, status: str) -> str:
        """A status as it stands in a redacted task."""
        return str(self._structural(status))

    def task(self, task: Task) -> Task:
        """A task: its fields, and the JSON that it came as. The part that a lean task left out is not touched."""
        if self.is_empty:
            return task
        raw_json = self._object(task.raw_json, "task")
        self._is_counting = False  # the same texts stand in its JSON
        new: dict[str, Any] = {
            name: self._field(f"task.{name}", held_by(wire, None), getattr(task, name))
            for name, wire in _WIRE_NAMES.items()
        }
        new["goal"] = new["goal"] or ""
        new |= {name: self._structural(getattr(task, name)) for name in _TASK_TEXTS if self._hidden}
        self._is_counting = True
        changed = {name: value for name, value in new.items() if value != getattr(task, name)}
        if raw_json is task.raw_json and not changed:
            return task
        return replace(task, raw_json=raw_json, **changed)

    def rest(self, rest: TaskRest) -> TaskRest:
        """What a lean task left out."""
        if self.is_empty:
            return rest
        texts = {name: self._member("task", name, text) or "" for name, text in rest.texts.items()}
        new = replace(
            rest,
            task_id=self._structural(rest.task_id),
            result_json=self._value(rest.result_json, "task", "full_result"),
            details_json=self._value(rest.details_json, "task", "execution_details"),
            aux_json=self._value(rest.aux_json, "task", "aux_data"),
            texts=rest.texts if texts == rest.texts else texts,
        )
        return rest if new == rest else new

    def trace(self, trace: Trace) -> Trace:
        """A trace with its stages, read anew from what is left of their JSON."""
        if self.is_empty:
            return trace
        head = tuple(
            (self._name("trace", name), self._value(text, "trace", name)) for name, text in trace._head
        )
        stages = tuple(self._object(text, "stage") for text in trace._stage_texts)
        task_id = self._structural(trace.task_id)
        if (head, stages, task_id) == (trace._head, trace._stage_texts, trace.task_id):
            return trace
        members = ", ".join(f"{json.dumps(name)}: {text}" for name, text in head)
        text = (
            f'{{"node_id": {json.dumps(task_id)}, "trace": {{{members}{", " if members else ""}'
            f'"stages": [{", ".join(stages)}]}}}}'
        )
        read = read_node_trace("saved trace", Payload(text))
        if not isinstance(read, NodeTrace):
            return Trace(task_id)
        new = read.trace
        if len(new.stages) != len(trace.stages):
            return new
        of_stages = zip(new.stages, trace.stages, strict=True)
        return replace(
            new,
            created=trace.created,  # times may have a zone here, which no text has
            stages=tuple(
                replace(stage, started=was.started, completed=was.completed, duration_s=was.duration_s)
                for stage, was in of_stages
            ),
        )

    def project(self, project: Project) -> Project:
        """A project's title and goal."""
        if self.is_empty:
            return project
        new: dict[str, Any] = {
            name: self.words(f"project.{name}", getattr(project, name)) for name in _PROJECT_TEXTS
        }
        new |= {name: self._structural(getattr(project, name)) for name in ("project_id", "status")}
        return (
            project
            if all(getattr(project, name) == text for name, text in new.items())
            else replace(project, **new)
        )

    def row(self, row: Row) -> Row:
        """A line of the log. Its values are called as in the task or project that they were of."""
        if self.is_empty:
            return row
        field, event = row.field, row.event
        match event:
            case "task_changed" | "project_changed" if field is not None:
                where = f"{event.partition('_')[0]}.{field}"
                is_text = field in _WIRE_NAMES or field in _PROJECT_TEXTS
                values = [
                    self._field(where, ROW_FIELDS.get(field, Holds.NAMES), text)
                    if is_text
                    else self._structural(text)
                    for text in (row.before, row.after)
                ]
            case "task_added" | "task_removed" | "connection":
                values = [self._structural(text) for text in (row.before, row.after)]
            case "annotation":
                values = [row.before, self.words("annotation.text", row.after)]
            case "watch":
                field, values = self.words("watch.name", field), [row.before, row.after]
            case (
                _
            ):  # complaints quote what they are about; events that nobody knows have names that a server made
                event, field = self.words("log.event", event) or GONE, self.words("log.event", field)
                values = [self._field("log.error", Holds.ERROR, text) for text in (row.before, row.after)]
        new = row._replace(
            event=event,
            field=field,
            before=values[0],
            after=values[1],
            task_id=self._structural(row.task_id),
            project_id=self._structural(row.project_id),
        )
        return row if new == row else new

    def annotation(self, annotation: Annotation) -> Annotation:
        """What a person wrote: no rule on fields is about it."""
        if self.is_empty:
            return annotation
        text = self.words("annotation.text", annotation.text) or GONE
        tags = tuple(tag for tag in (self.words("annotation.tag", tag) for tag in annotation.tags) if tag)
        new = replace(
            annotation,
            text=text,
            tags=tags,
            task_id=self._structural(annotation.task_id),
            project_id=self._structural(annotation.project_id),
        )
        return annotation if new == annotation else new

    def question(self, request: HitlRequest) -> HitlRequest:
        """What an agent asked, of what, and what a person told it: for the rules on fields a prompt."""
        if self.is_empty:
            return request
        answer = request.answer
        if answer is not None:
            told = self._field("question.instructions", Holds.PROMPT, answer.instructions)
            answer = replace(answer, instructions=told)
        new = replace(
            request,
            message=self._field("question.message", Holds.PROMPT, request.message),
            data_json=self._value(request.data_json, "question", "data_for_review"),
            answer=answer,
            why=self.words("question.why", request.why),
            **{
                name: self._structural(getattr(request, name))
                for name in ("request_id", "project_id", "checkpoint", "task_id", "previous_id")
            },
        )
        return request if new == request else new

    def _object(self, text: str, of: str) -> str:
        if self._looks_first and not self._may_concern(text):
            return text
        new, n_unreadable = rewritten_object(text, partial(self._member, of), partial(self._name, of))
        self._unreadable += n_unreadable
        return new

    def _may_concern(self, json_text: str) -> bool:
        """Where nothing but secrets is looked for, most texts need not be decoded."""
        return may_hold_secrets(json_text) or any(each[:4] in json_text for each in self._hidden)

    def _value(self, text: str, of: str, name: str) -> str:
        new = rewritten(text, partial(self._member, of, name))
        self._unreadable += new is UNREADABLE
        return new

    def _member(self, of: str, name: str, value: Any) -> Any:
        """A member of a task's, a stage's or a trace's JSON."""
        own = _OWN_NAMES.get(name) if of == "task" else None
        where = f"task.{own}" if own is not None else f"task.raw.{name}" if of == "task" else f"{of}.{name}"
        return self._walk(value, where, where, name, None, name)

    def _name(self, of: str, name: str) -> str:
        """A member's name; those that ROMA gives stay."""
        return name if held_by(name, None) is not Holds.ANYTHING else self._key(f"{of}.names", name)

    def _walk(self, value: Any, where: str, place: str, name: str, within: str | None, path: str) -> Any:
        """A member by what it holds. `where` is the way to it, `place` the part of that which the report names."""
        holds = held_by(name, within)
        value = self._without_fields(value, place, holds)
        if holds is Holds.MEMBERS and isinstance(value, dict | list):
            return self._walk_members(value, where, place, name, path)
        return self._texts(self._without_named(name, value, place), where, place, path)

    def _walk_members(self, value: Any, where: str, place: str, name: str, path: str) -> Any:
        if isinstance(value, list):
            each = [
                self._walk_members(one, where, place, name, path)
                if isinstance(one, dict | list)
                else self._texts(self._without_fields(one, place, Holds.ANYTHING), where, place, path)
                for one in value
            ]
            return value if _same(each, value) else each
        new = {
            key: self._walk(one, f"{where}.{key}", place, key, name, f"{path}.{key}")
            for key, one in value.items()
        }
        return self._renamed(value, new, place)

    def _without_fields(self, value: Any, place: str, holds: Holds) -> Any:
        for rule, changed in self._removed.items():
            new = without(value, rule, holds)
            if new is not value:
                changed[place] += self._is_counting
                value = new
        return value

    def _field(self, where: str, holds: Holds, text: str | None) -> str | None:
        value: str | None = self._without_fields(text, where, holds)
        return self.words(where, value)

    def _texts(self, value: Any, where: str, place: str, path: str) -> Any:
        """Every string in `value`, at any depth, as the rules on texts leave it."""
        if not self._rules:
            return value
        if isinstance(value, str):
            return self._structural(value) if path in STRUCTURE else self._text(where, place, value)
        if isinstance(value, list):
            each = [self._texts(one, where, place, path) for one in value]
            return value if _same(each, value) else each
        if not isinstance(value, dict):
            return value
        new = {
            key: self._texts(self._without_named(key, one, place), f"{where}.{key}", place, f"{path}.{key}")
            for key, one in value.items()
        }
        return self._renamed(value, new, place)

    def _renamed(self, old: dict[str, Any], new: dict[str, Any], place: str) -> dict[str, Any]:
        """`new` with its own names rewritten; `old` where nothing changed. No two become one."""
        names = [self._key(place, key) if held_by(key, None) is Holds.ANYTHING else key for key in new]
        if names == list(new):
            return old if _same(list(new.values()), list(old.values())) else new
        renamed: dict[str, Any] = {}
        for name, value in zip(names, new.values(), strict=True):
            unique, n = name, 1
            while unique in renamed:
                n += 1
                unique = f"{name} {n}"
            renamed[unique] = value
        return renamed

    def _key(self, place: str, key: str) -> str:
        """The name of a member. Functions are not asked: they are about texts."""
        for rule in self._rules:
            if not rule.knows_places:
                new, kinds = rule.apply(place, key)
                if new is not None and new != key:
                    self._count(rule, place, kinds)
                    key = new
        return key

    def _text(self, where: str, place: str, text: str) -> str | None:
        if not text or not self._rules:
            return text
        known = self._memory.get(text) if len(text) >= _REMEMBERED else None
        if known is not None:
            for rule, kinds in known[1]:
                self._count(rule, place, kinds)
            return known[0]
        new: str | None = text
        hits: list[tuple[_TextRule, tuple[str, ...]]] = []
        for rule in self._rules:
            if new is None:
                break
            after, kinds = rule.apply(where, new)
            if after != new:
                hits.append((rule, kinds))
                self._count(rule, place, kinds)
                new = after
        if self._remembers and len(text) >= _REMEMBERED and self._n_remembered < _MOST_REMEMBERED:
            self._n_remembered += len(text)
            self._memory[text] = new, tuple(hits)
        return new

    def _structural(self, value: Any) -> Any:
        """Ids, times and statuses: only what is hidden goes."""
        if not self._hidden:
            return value
        if isinstance(value, str):
            new = _without(value, self._hidden)
            if new == value:
                return value
            self._count(self._hiding, "ids")
            return new
        return tuple(map(self._structural, value)) if isinstance(value, tuple) else value

    def _without_named(self, name: str, value: Any, place: str) -> Any:
        """`value` without what is secret by its name."""
        if not self._has_secrets:
            return value
        if isinstance(value, str):
            return self._take_secret(place) if names_a_secret(name, value) else value
        if not isinstance(value, list):
            return value
        each = [
            self._take_secret(place)
            if isinstance(one, str) and names_a_secret(name, one, is_listed=True)
            else one
            for one in value
        ]
        return value if _same(each, value) else each

    def _take_secret(self, place: str) -> str:
        for rule in self._asked:
            if rule.name == SECRETS:
                self._count(rule, place, ("token",))
        return "[redacted: token]"

    def _count(self, rule: _TextRule, place: str, kinds: tuple[str, ...] = ()) -> None:
        if self._is_counting:
            rule.changed[place] += 1
            rule.found.update(kinds)


def _same(one: list[Any], other: list[Any]) -> bool:
    return all(map(_is, one, other))


def _is(one: object, other: object) -> bool:
    return one is other


def _without(text: str, hidden: tuple[str, ...]) -> str:
    """`text` without these strings, and without the beginning of one where the text was cut."""
    for secret in hidden:
        if secret in text:
            text = text.replace(secret, GONE)
    return hide(text, hidden) if "…" in text else text


def _without_matches(pattern: re.Pattern[str], _: str, text: str) -> Rewritten:
    new = pattern.sub(lambda match: GONE if match[0] and match[0] != GONE else match[0], text)
    return new, ()


def _by_function(hook: Hook, where: str, text: str) -> Rewritten:
    name = shorten(getattr(hook, "__name__", type(hook).__name__), 80)
    try:
        new = hook(where, text)
    except Exception as error:
        raise RedactFailed(
            f"The redact function {name} raised {type(error).__name__}: {shorten(str(error), 200)} at {where}"
        ) from error
    if new is not None and not isinstance(new, str):
        raise RedactFailed(
            f"The redact function {name} gave {shorten(repr(new), 60)} at {where}, where a text or None belongs"
        )
    return new, ()
