"""docs/licences.md says what is installed and bundled now, and the wheel carries the notices of what is in it."""

from __future__ import annotations

import re
import sys
from email.message import Message
from pathlib import Path
from types import SimpleNamespace

import licences
import pytest


def test_the_page_is_current(root: Path) -> None:
    page = (root / "docs" / "licences.md").read_text(encoding="utf-8")
    pins = set((root / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-").split())
    parts = licences.project()
    assert parts["run"]
    assert [
        package.row
        for part in parts.values()
        for package in part
        # what is installed in another version than the pinned one may be under another licence, and want other things
        if (package in (*parts["bundle"], *parts["peers"]) or f"{package.name}=={package.version}" in pins)
        and is_missing(package, page)
    ] == []


def test_it_names_nothing_that_is_gone(root: Path) -> None:
    page = (root / "docs" / "licences.md").read_text(encoding="utf-8")
    pinned = re.findall(r"^([\w.-]+)==", (root / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE)
    npm = {each.name for each in (*licences.bundled(), *licences.compared_with())}
    known = {name.lower().replace("_", "-") for name in pinned} | npm
    named = re.findall(r"^\| ([\w.@/-]+) \| ", page, re.MULTILINE)
    assert set(named) - {"package"} - known == set()


def test_the_notices_of_what_is_bundled_are_there(root: Path) -> None:
    wanted = {f"{package.name.replace('/', '-')}.txt" for package in licences.bundled()}
    assert {path.name for path in (root / "licenses").iterdir()} == wanted == {"preact.txt"}
    assert "Permission is hereby granted" in (root / "licenses" / "preact.txt").read_text(encoding="utf-8")
    for script in (root / "roma_widget" / "static").glob("*.js"):
        assert script.read_text(encoding="utf-8").startswith("/* With preact, MIT, Copyright (c)"), (
            script.name
        )


@pytest.mark.parametrize(
    ("fields", "licence"),
    [
        (
            {"License": "MPL-2.0 AND MIT", "Classifier": "License :: OSI Approved :: MIT License"},
            "MPL-2.0 AND MIT",
        ),
        ({"License-Expression": "MIT OR Zlib", "License": "BSD"}, "MIT OR Zlib"),
        ({"License": "BSD 3-Clause License\n\nCopyright …"}, "BSD-3-Clause"),
        ({"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: ISC License (ISCL)"}, "ISC"),
        ({"Classifier": "License :: OSI Approved :: BSD License", "License": "BSD-3-Clause"}, "BSD-3-Clause"),
    ],
)
def test_what_a_package_says(fields: dict[str, str], licence: str) -> None:
    assert licences.licence_of(saying(fields)) == licence


def test_what_is_not_said_is_not_guessed() -> None:
    with pytest.raises(licences.Unsaid, match="add what that is"):
        licences.licence_of(saying({"Name": "mine", "License": "my own"}))


def is_missing(package: licences.Package, page: str) -> bool:
    """Who wants it may differ from one Python to another; the page is made with the oldest."""
    row = package.row if sys.version_info[:2] == (3, 11) else f"| {package.name} | {package.licence} |"
    return f"\n{row}" not in page


def saying(fields: dict[str, str]) -> SimpleNamespace:
    told = Message()
    for name, text in fields.items():
        told[name] = text
    return SimpleNamespace(metadata=told)
