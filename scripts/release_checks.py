"""What must be true of an sdist and a wheel, as sentences about what is not: pure functions of names and metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from pathlib import PurePosixPath
from typing import Any

import mistune
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MOST_WHEEL_BYTES = 1_500_000
LICENCE = "BSD-3-Clause"
BUNDLE = frozenset(
    f"roma_widget/static/{name}"
    for name in ("widget.js", "widget.css", "comparison.js", "comparison.css", "page.js")
)
# The beginnings of what a package may hold; tests, captures and the sources of the front end are no part of a wheel.
_IN_SDIST = (
    *(
        "CHANGELOG.md",
        "LICENSE",
        "PKG-INFO",
        "README.md",
        "SECURITY.md",
        "constraints.txt",
        "hatch_build.py",
        "pyproject.toml",
    ),
    *(".gitignore", "js/", "licenses/", "roma_widget/", "scripts/frontend.py"),
)
_NEVER = re.compile(
    r"(^|/)(tests?|captures|node_modules|__pycache__|\.git|\.venv|\.env)(/|$)|\.(pyc|pem|key|sqlite3)$"
)
_TABLE = re.compile(r"^\|[ :|-]+\|$", re.MULTILINE)


def wheel_problems(names: Iterable[str], sources: Iterable[str], version: str) -> list[str]:
    """`names` is what the wheel holds, `sources` the package's files in the clone; both as posix paths."""
    held = set(names)
    metadata = f"roma_widget-{version}.dist-info"
    folders = {PurePosixPath(name).parts[0] for name in held}
    wanted = {*sources, *BUNDLE, f"{metadata}/licenses/LICENSE", f"{metadata}/licenses/licenses/preact.txt"}
    found = [f"the wheel has no {name}" for name in sorted(wanted - held)]
    found += [f"the wheel holds {name}/" for name in sorted(folders - {"roma_widget", metadata})]
    extra = {name for name in held if name.startswith("roma_widget/")} - wanted
    return found + [f"the wheel holds {name}" for name in sorted(extra)] + _never(held, "wheel")


def sdist_problems(names: Iterable[str], sources: Iterable[str], version: str) -> list[str]:
    """`names` is what the sdist holds, all below `roma_widget-VERSION/`."""
    folder = f"roma_widget-{version}/"
    held = {name.removeprefix(folder) for name in names}
    wanted = {
        *sources,
        *BUNDLE,
        "LICENSE",
        "licenses/preact.txt",
        "README.md",
        "js/package-lock.json",
        "PKG-INFO",
    }
    found = [f"the sdist has no {name}" for name in sorted(wanted - held)]
    found += [f"the sdist holds {name}" for name in sorted(held) if not name.startswith(_IN_SDIST)]
    return found + _never(held, "sdist")


def metadata_problems(told: Message, project: Mapping[str, Any]) -> list[str]:
    """`told` is METADATA of the wheel, `project` the table of pyproject.toml that it was made from."""
    found = []
    said = {
        "Name": project["name"],
        "Version": project["version"],
        "Summary": project["description"],
        "Requires-Python": project["requires-python"],
        "License-Expression": LICENCE,
        "Description-Content-Type": "text/markdown",
    }
    found += [f"{name} is {told[name]!r}, not {text!r}" for name, text in said.items() if told[name] != text]
    for name, wanted in (
        ("Classifier", project["classifiers"]),
        ("Provides-Extra", project["optional-dependencies"]),
        ("License-File", ["LICENSE", "licenses/preact.txt"]),
    ):
        if set(told.get_all(name, [])) != set(wanted):
            found.append(f"{name} is {sorted(told.get_all(name, []))}, not {sorted(wanted)}")
    if any(text.startswith("License ::") for text in told.get_all("Classifier", [])):
        found.append("a classifier names the licence, which packaging forbids beside License-Expression")
    needs = {_wanted(text) for text in told.get_all("Requires-Dist", []) if "extra ==" not in text}
    if needs != set(map(_wanted, project["dependencies"])):
        found.append(f"Requires-Dist is {sorted(needs)}, not what pyproject.toml says")
    return found + readme_problems(_readme(told))


def readme_problems(text: str) -> list[str]:
    """Does it become headings and as many tables as it holds, with the title first?"""
    page = str(mistune.create_markdown(plugins=["table"])(text))
    found = [] if page.startswith("<h1>") else ["the README does not begin with its title"]
    if page.count("<table>") != len(_TABLE.findall(text)):
        found.append("a table of the README is not read as one")
    if "<script" in page or "\ufffd" in page:
        found.append("the README holds a script or a broken character")
    return found


def _readme(told: Message) -> str:
    body = told.get_payload(decode=True)  # as it stands: the header says nothing of its encoding
    return body.decode("utf-8", "replace") if isinstance(body, bytes) else str(body)


def _wanted(text: str) -> tuple[str, str, str]:
    needed = Requirement(text)
    return (
        canonicalize_name(needed.name),
        str(sorted(map(canonicalize_name, needed.extras))),
        str(needed.specifier),
    )


def _never(names: Iterable[str], what: str) -> list[str]:
    return [f"the {what} holds {name}" for name in sorted(names) if _NEVER.search(name)]
