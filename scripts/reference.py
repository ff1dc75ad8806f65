"""Writes docs/reference/ out of signatures and docstrings: what `make docs` runs.

No framework: docstrings are Markdown already, and `inspect` knows the rest. What is public is said in `PAGES`; of a
class it is all that has no underscore, but for `INNER`. tests/docs hold that the pages are current and that the
examples run.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import traitlets  # noqa: E402

import roma_widget as roma  # noqa: E402
from roma_widget.analysis.figures import Figures  # noqa: E402
from roma_widget.analysis.moments import Moment  # noqa: E402
from roma_widget.archive.many import Runs  # noqa: E402
from roma_widget.cli import _parser  # noqa: E402, TID251
from roma_widget.server.agents import instrument  # noqa: E402
from roma_widget.widget.hitl import Hitl  # noqa: E402
from roma_widget.widget.messages import Person  # noqa: E402
from roma_widget.widget.question import Question  # noqa: E402

FOLDER = ROOT / "docs" / "reference"
GENERATED = "<!-- Written by `make docs` out of the docstrings: change those. -->"


@dataclass(frozen=True)
class Page:
    """One file: `entries` are names as a person writes them, and what they are."""

    file: str
    title: str
    about: str
    entries: dict[str, Any]


def _of_roma(*names: str) -> dict[str, Any]:
    return {f"roma.{name}": getattr(roma, name) for name in names}


_STARS: Mapping[object, str] = {
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}
_CLASSES = {name: value for name in roma.__all__ if isinstance(value := getattr(roma, name), type)}
ERRORS = tuple(name for name, value in _CLASSES.items() if issubclass(value, Exception))
PAGES = (
    Page(
        "opening",
        "Opening a run",
        "Live, staged, saved, many, two.",
        _of_roma("connect", "demo", "load", "runs", "compare"),
    ),
    Page("monitor", "The monitor", "What `connect`, `demo` and `load` give: `m`.", _of_roma("Monitor")),
    Page(
        "questions",
        "Questions of agents",
        "`m.hitl` and what it gives out.",
        {"m.hitl": Hitl, "question": Question, **_of_roma("HitlRequest")},
    ),
    Page(
        "run",
        "A run as values",
        "Frozen: what `m.snapshot`, `m.task(id)`, `m.trace(id)` and `m.at(t)` give.",
        {
            **_of_roma("Snapshot", "Project", "Task", "Status", "Trace", "Stage", "StageStatus"),
            "moment": Moment,
        },
    ),
    Page(
        "figures", "Figures", "`m.figures`: plotly figures of the run as it stands.", {"m.figures": Figures}
    ),
    Page(
        "several",
        "Several runs",
        "What `roma.runs` and `roma.compare` give.",
        {"runs": Runs, **_of_roma("Comparison")},
    ),
    Page(
        "server",
        "The server and your agents",
        "`roma.Server`, and what agents report through.",
        {
            **_of_roma("Server"),
            "project": instrument.Project,
            "task": instrument.Task,
            "stage": instrument.Stage,
        },
    ),
    Page(
        "errors", "Errors", "Each message says what was wrong and what to do.", _of_roma("RomaError", *ERRORS)
    ),
)

# What other parts of ours call, or traitlets does.
_OF_MONITOR = """beat hear hear_error known_times link_quality move_to notify_change prompt_changed retire run_at show
    show_connection show_prompts static_key"""
INNER = frozenset(
    {f"roma.Monitor.{name}" for name in [*_OF_MONITOR.split(), *(n for n in vars(Person) if n[0] != "_")]}
    | {f"roma.Server.{name}" for name in "prompt_closed prompt_opened runs shell state".split()}
    | {f"m.hitl.{name}" for name in "awaited give latest shown".split()}
    | {f"{owner}.as_trait" for owner in ("question", "roma.HitlRequest")}
    | {f"roma.Task.{name}" for name in "n_left_out rest within".split()}
    | {f"project.{name}" for name in "leaving reporting".split()}
    | {f"task.{name}" for name in "adopt change settle".split()}
)


@dataclass(frozen=True)
class Entry:
    """One public name. `signature` is "" for what is read and not called."""

    name: str
    value: Any

    @cached_property
    def function(self) -> Any:
        value = self.value.fget if isinstance(self.value, property) else self.value
        return inspect.unwrap(value) if callable(value) else value

    @property
    def doc(self) -> str:
        if isinstance(self.value, traitlets.TraitType):
            return str(self.value.help)
        doc = inspect.getdoc(self.function) or ""
        is_made_up = dataclasses.is_dataclass(self.value) and doc.startswith(f"{self.function.__name__}(")
        return "" if is_made_up else doc

    @property
    def is_called(self) -> bool:
        return inspect.isfunction(self.function) and not isinstance(self.value, property)

    @property
    def signature(self) -> str:
        if isinstance(self.value, type):
            shown = self.name in ("roma.Server",)
            return _signature(self.value) if shown else ""
        return _signature(self.function) if self.is_called else ""

    @property
    def examples(self) -> list[str]:
        return examples(self.doc)


def entries(page: Page) -> Iterator[Entry]:
    """Each with its members behind it."""
    for name, value in page.entries.items():
        yield Entry(name, value)
        if isinstance(value, type) and not issubclass(value, Exception | enum.Enum):
            yield from _members(name, value)


def _members(owner: str, of: type) -> Iterator[Entry]:
    seen = {field.name for field in dataclasses.fields(of)} if dataclasses.is_dataclass(of) else set()
    for home in of.__mro__:
        if not home.__module__.startswith("roma_widget"):
            continue
        for name, value in vars(home).items():
            if name.startswith("_") or name in seen or f"{owner}.{name}" in INNER:
                continue
            seen.add(name)
            is_shown = inspect.isfunction(value) or isinstance(value, property | traitlets.TraitType)
            if is_shown and not getattr(value, "__isabstractmethod__", False):
                yield Entry(f"{owner}.{name}", value)


def examples(doc: str) -> list[str]:
    """The code that a docstring gives: behind "Example:", or after prompts."""
    prompted = re.findall(r"^>>> .*(?:\n\.\.\. .*)*", doc, re.MULTILINE)
    found = ["\n".join(line[4:] for line in block.splitlines()) for block in prompted]
    _, marker, tail = doc.rpartition("Example:") if "Example:" in doc else doc.rpartition("Examples:")
    return found + ([" ".join(code.split()) for code in re.findall(r"`([^`]+)`", tail)] if marker else [])


# --- Markdown ---------------------------------------------------------------------------------------------------------


def rendered() -> dict[str, str]:
    """The text of each file."""
    files = {f"{page.file}.md": _page(page) for page in PAGES}
    files["commands.md"] = _commands()
    index = [GENERATED, "# Reference", "", "Types, units, errors and an example of each public name.", ""]
    index += [f"- [{page.title}]({page.file}.md): {page.about}" for page in PAGES]
    index.append("- [Commands](commands.md): `roma-widget …` on the command line.")
    files["README.md"] = "\n".join(index) + "\n"
    return files


def _page(page: Page) -> str:
    parts = [GENERATED, f"# {page.title}", page.about]
    for entry in entries(page):
        level = "##" if entry.name in page.entries else "###"
        parts.append(f"{level} `{entry.name}`")
        if entry.signature:
            name = entry.name.rpartition(".")[2] if level == "###" else entry.name
            parts.append(f"```text\n{name}{entry.signature}\n```")
        parts.append(_markdown(entry.doc))
        if isinstance(entry.value, type) and "__dataclass_params__" in vars(entry.value):
            parts.append(_fields(entry.value))
        if isinstance(entry.value, type) and issubclass(entry.value, enum.Enum):
            parts.append(" ".join(f"`{each.name}`" for each in entry.value))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(doc: str) -> str:
    codes = examples(doc)
    if not codes:
        return doc
    words = re.split(r"\s*Examples?:|^>>> ", doc, maxsplit=1, flags=re.MULTILINE)[0].rstrip()
    return f"{words}\n\n```python\n" + "\n".join(codes) + "\n```"


def _fields(of: type) -> str:
    shown = [field for field in dataclasses.fields(of) if not field.name.startswith("_")]
    rows = [f"| `{field.name}` | `{_type(field.type).replace(' | ', ' or ')}` |" for field in shown]
    return "\n".join(["| field | type |", "|---|---|", *rows])


def _type(said: Any) -> str:
    return said if isinstance(said, str) else getattr(said, "__name__", str(said))


def _signature(function: Any) -> str:
    """As it is written: `(path: str | Path, *, redact: Any = None) -> None`."""
    signature = inspect.signature(function)
    parts, keyword_only = [], False
    for name, parameter in signature.parameters.items():
        if name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword_only:
            parts.append("*")
            keyword_only = True
        keyword_only = keyword_only or parameter.kind is parameter.VAR_POSITIONAL
        text = _STARS.get(parameter.kind, "") + name
        if parameter.annotation is not parameter.empty:
            text += f": {_type(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            default = repr(parameter.default)
            text += f" = {'…' if ' at 0x' in default else default}"
        parts.append(text)
    gives = signature.return_annotation
    back = "" if gives in (signature.empty, None, "None") else f" -> {_type(gives)}"
    inside = ", ".join(parts)
    if len(inside) > 90:
        inside = "\n" + "".join(f"    {part},\n" for part in parts)
    return f"({inside}){back}"


def _commands() -> str:
    parser = _parser()
    (choices,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    told = {choice.dest: choice.help for choice in choices._choices_actions}
    codes = (
        "Exit codes: 0 done, also when ended by Ctrl+C; 2 something to mend, said in one sentence; "
        "3 from `relay`: that relay runs already."
    )
    parts = [GENERATED, "# Commands", codes]
    for name, command in choices.choices.items():
        rows = [_option(action) for action in command._actions if action.dest != "help" and _is_told(action)]
        does = str(told[name])
        parts += [f"## `roma-widget {name}`", does[0].upper() + does[1:] + "."]
        parts.append("\n".join(["| argument | |", "|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"


def _is_told(action: argparse.Action) -> bool:
    return action.help not in (argparse.SUPPRESS, None)


def _option(action: argparse.Action) -> str:
    name = action.option_strings[0] if action.option_strings else str(action.metavar)
    if action.option_strings and action.nargs != 0:
        name += " " + (
            " or ".join(map(str, action.choices or ())) or str(action.metavar or action.dest.upper())
        )
    return f"| `{name}` | {action.help} |"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    files = rendered()
    for old in FOLDER.glob("*.md"):
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (FOLDER / name).write_text(text, "utf-8")
    print(f"docs: {len(files)} pages in {FOLDER.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
