"""What `make dist` looks for in a release is found when it is there."""

from __future__ import annotations

import tomllib
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import release_checks as checks

PACKAGE = ["roma_widget/__init__.py", "roma_widget/py.typed"]
DIST_INFO = "roma_widget-1.2.dist-info"
WHEEL = [
    *(*PACKAGE, *checks.BUNDLE),
    *(f"{DIST_INFO}/{name}" for name in ("METADATA", "licenses/LICENSE", "licenses/licenses/preact.txt")),
]
SDIST = [
    f"roma_widget-1.2/{name}"
    for name in (
        *PACKAGE,
        *checks.BUNDLE,
        "LICENSE",
        "licenses/preact.txt",
        "README.md",
        "js/package-lock.json",
        "PKG-INFO",
    )
]


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def metadata(project: dict[str, Any], readme: str = "# A title\n", **changed: str) -> EmailMessage:
    """As the wheel of this project has it, but for the fields that are `changed` ("" for none)."""
    told = EmailMessage()
    fields = [
        ("Name", project["name"]),
        ("Version", project["version"]),
        ("Summary", project["description"]),
        ("Requires-Python", project["requires-python"]),
        ("License-Expression", "BSD-3-Clause"),
        ("Description-Content-Type", "text/markdown"),
        ("License-File", "LICENSE"),
        ("License-File", "licenses/preact.txt"),
        *(("Classifier", each) for each in project["classifiers"]),
        *(("Provides-Extra", each) for each in project["optional-dependencies"]),
        *(("Requires-Dist", each) for each in project["dependencies"]),
        ("Requires-Dist", "pyarrow>=15; extra == 'parquet'"),
    ]
    for name, text in fields:
        if (said := changed.get(name.replace("-", "_"), text)) != "":
            told[name] = said
    told.set_payload(readme.encode())
    return told


def test_a_good_release_passes(project: dict[str, Any]) -> None:
    assert checks.wheel_problems(WHEEL, PACKAGE, "1.2") == []
    assert checks.sdist_problems(SDIST, PACKAGE, "1.2") == []
    assert checks.metadata_problems(metadata(project), project) == []


@pytest.mark.parametrize(
    "missing", [*PACKAGE, "roma_widget/static/widget.js", f"{DIST_INFO}/licenses/LICENSE"]
)
def test_what_a_wheel_lacks(missing: str) -> None:
    held = [name for name in WHEEL if name != missing]
    assert checks.wheel_problems(held, PACKAGE, "1.2") == [f"the wheel has no {missing}"]


@pytest.mark.parametrize(
    "stray",
    [
        "tests/test_a.py",
        "captures/a.jsonl.xz",
        "roma_widget/static/widget.js.map",
        "roma_widget/__pycache__/a.pyc",
    ],
)
def test_what_a_wheel_has_too_much(stray: str) -> None:
    assert checks.wheel_problems([*WHEEL, stray], PACKAGE, "1.2")


@pytest.mark.parametrize(
    "stray", ["tests/test_a.py", "js/node_modules/a.js", "js/tests/a.ts", "notes.md", "a.key"]
)
def test_what_an_sdist_has_too_much(stray: str) -> None:
    assert checks.sdist_problems([*SDIST, f"roma_widget-1.2/{stray}"], PACKAGE, "1.2")


@pytest.mark.parametrize(
    "changed",
    [
        {"Version": "0.0.0"},
        {"License_Expression": ""},
        {"License_File": ""},
        {"Provides_Extra": ""},
        {"Requires_Dist": "aiohttp"},
        {"Description_Content_Type": "text/plain"},
        {"Classifier": "License :: OSI Approved :: BSD License"},
    ],
)
def test_metadata_that_says_something_else(project: dict[str, Any], changed: dict[str, str]) -> None:
    assert checks.metadata_problems(metadata(project, **changed), project)


@pytest.mark.parametrize(
    "readme", ["no title\n", "# T\n\ntext\n| a | b |\n|---|---|---|\n| 1 | 2 |\n", "# T\n\nbroken \ufffd\n"]
)
def test_a_readme_that_is_not_read_as_it_is_meant(project: dict[str, Any], readme: str) -> None:
    assert checks.metadata_problems(metadata(project, readme), project)


def test_our_readme_is_read_as_it_is_meant(root: Path) -> None:
    assert checks.readme_problems((root / "README.md").read_text(encoding="utf-8")) == []
