"""Which versions of other people's software are promised, and the table that says whether each was seen to work.

Pure: scripts/matrix.py makes the environments and runs the tests in them. The oldest versions are the lower bounds of
pyproject.toml, so that a bound is a promise that is kept and not a guess.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

BEGIN, END = "<!-- made by `make matrix` -->", "<!-- end of what `make matrix` made -->"

# What a lower bound looks like; anything else in pyproject.toml is refused, for then "oldest" would have two meanings.
_BOUND = re.compile(r"(?P<name>[\w.-]+)(?P<extra>\[[\w,-]+\])?>=(?P<version>[\d.]+)")

# Quick tests that a library's version can break: without files of 150 MB and hundreds of spoiled files.
WIDGET = ("tests/widget",)  # one of them in a real kernel
CLIENT = (
    *(f"tests/core/test_{part}.py" for part in ("outcome", "replies", "text", "wire")),
    *(
        f"tests/client/test_{part}.py"
        for part in ("extension", "following", "heartbeat", "hitl", "reconnecting", "requests")
    ),
    "tests/server/live/test_requests.py",
    "tests/server/network/test_guard.py",
    "tests/server/network/test_http_log.py",
)
ANALYSIS = (
    *(f"tests/analysis/test_{part}.py" for part in ("charts", "compared", "figures", "frames", "graphs")),
    *(f"tests/archive/test_{part}.py" for part in ("kept_files", "many", "page")),
)
ALL = (*CLIENT, *WIDGET, *ANALYSIS)

# What the table says of an environment that pins nothing, and the order in which it says it.
SHOWN = (
    "anywidget",
    "ipywidgets",
    "ipykernel",
    "python-socketio",
    "aiohttp",
    "msgspec",
    "networkx",
    "pandas",
    "plotly",
    "pyarrow",
)


@dataclass(frozen=True)
class Environment:
    """`pins` are versions as pip takes them behind `==`; what is not pinned is the newest there is."""

    name: str
    python: str
    pins: Mapping[str, str] = field(default_factory=dict)
    tests: tuple[str, ...] = ALL


@dataclass(frozen=True)
class Result:
    """What came of an environment; `versions` and `python` are those that were installed."""

    environment: Environment
    outcome: str
    passed: bool
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)


def bounds(project: Mapping[str, Any]) -> dict[str, str]:
    """Lower bound of each dependency, and of those of the extra `parquet`; `project` is that table of pyproject.toml.

    Raises ValueError for a dependency without one.
    """
    found = {}
    for each in (*project["dependencies"], *project["optional-dependencies"]["parquet"]):
        bound = _BOUND.fullmatch(each)
        if bound is None:
            raise ValueError(
                f"{each!r} in pyproject.toml is no name with a lower bound such as 'pandas>=2.2'."
            )
        found[bound["name"]] = bound["version"]
    return found


def environments(project: Mapping[str, Any]) -> list[Environment]:
    """All that are tried, the two ends first."""
    oldest = bounds(project)
    oldest_python = project["requires-python"].removeprefix(">=")
    return [
        Environment("oldest of everything", oldest_python, {**oldest, "ipykernel": "6.29"}),
        *(Environment("newest of everything", python) for python in ("3.12", "3.13", "3.14")),
        Environment("ipykernel 6.29", oldest_python, {"ipykernel": "6.29.*"}, WIDGET),
        Environment("ipykernel 7.0", oldest_python, {"ipykernel": "7.0.*"}, WIDGET),
        Environment("ipykernel 7.4", oldest_python, {"ipykernel": "7.4.*"}, WIDGET),
        Environment("pandas 2.2", oldest_python, {"pandas": "2.2.*"}, ANALYSIS),
        Environment("plotly 5.24", oldest_python, {"plotly": "5.24.*"}, ANALYSIS),
        Environment(
            "oldest python-socketio", oldest_python, {"python-socketio": oldest["python-socketio"]}, CLIENT
        ),
    ]


def table(results: Iterable[Result]) -> str:
    """Markdown: a line an environment."""
    lines = ["| environment | Python | versions | result |", "|---|---|---|---|"]
    for each in results:
        named = set(each.environment.pins or SHOWN)
        versions = ", ".join(
            f"{name} {each.versions[name]}" for name in SHOWN if name in named & each.versions.keys()
        )
        lines.append(
            f"| {each.environment.name} | {each.python or each.environment.python} | {versions} | {each.outcome} |"
        )
    return "\n".join(lines)


def with_table(text: str, made: str) -> str:
    """`text` with `made` between the two markers; raises ValueError where they are not."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"There is no place for the table: a line {BEGIN} and below it a line {END}.")
    return f"{before}{BEGIN}\n\n{made}\n\n{END}{after}"
