"""The matrix of versions (`make matrix`) is that of pyproject.toml, and README.md shows the matrix."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from supported import BEGIN, END, SHOWN, Environment, Result, bounds, environments, table, with_table


@pytest.fixture
def project(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def test_the_oldest_environment_has_the_lower_bound_of_every_dependency(project: dict[str, Any]) -> None:
    oldest = environments(project)[0]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["parquet"]]
    assert {f"{name}>={version}" for name, version in oldest.pins.items()} - {"ipykernel>=6.29"} == {
        each.replace("[asyncio-client]", "") for each in wanted
    }
    assert f">={oldest.python}" == project["requires-python"]
    assert set(bounds(project)) | {"ipykernel"} == set(SHOWN)


def test_every_python_that_is_promised_is_tried(project: dict[str, Any]) -> None:
    prefix = "Programming Language :: Python :: 3."
    promised = {
        f"3.{each.removeprefix(prefix)}" for each in project["classifiers"] if each.startswith(prefix)
    }
    assert promised <= {each.python for each in environments(project)}


def test_no_version_that_is_tried_alone_is_older_than_the_bound(project: dict[str, Any]) -> None:
    for each in environments(project):
        for name in each.pins.keys() & bounds(project).keys():
            assert as_numbers(each.pins[name]) >= as_numbers(bounds(project)[name]), (each.name, name)


def test_a_dependency_without_a_lower_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="no name with a lower bound"):
        bounds({"dependencies": ["pandas<4"], "optional-dependencies": {"parquet": []}})


def test_every_test_that_is_chosen_is_there(project: dict[str, Any], root: Path) -> None:
    chosen = {path for each in environments(project) for path in each.tests}
    assert [path for path in sorted(chosen) if not (root / path).exists()] == []


def test_readme_has_a_line_for_each_environment(project: dict[str, Any], root: Path) -> None:
    readme = (root / "README.md").read_text("utf-8")
    for each in environments(project):
        assert f"| {each.name} | {each.python}" in readme


def test_the_table_says_what_was_installed_and_what_came_of_it() -> None:
    old = Environment("pandas 2.2", "3.11", {"pandas": "2.2.*"})
    versions = {"pandas": "2.2.3", "plotly": "7.1.0"}
    made = table([Result(old, "9 passed", True, "3.11.7", versions)])
    assert made.splitlines()[2:] == ["| pandas 2.2 | 3.11.7 | pandas 2.2.3 | 9 passed |"]
    assert with_table(f"a\n{BEGIN}old{END}\nb", made) == f"a\n{BEGIN}\n\n{made}\n\n{END}\nb"


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removesuffix(".*").split("."))
