"""The package as a user gets it: built from the sources of a clean clone, opened, installed, imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from setup.sources import copy_sources

BUNDLE = {
    f"roma_widget/static/{name}"
    for name in ("widget.js", "widget.css", "comparison.js", "comparison.css", "page.js")
}

# Building runs npm and pip in empty environments, installing takes all dependencies.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def clone(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources as a clean clone holds them."""
    return copy_sources(root, tmp_path_factory.mktemp("clone") / "roma-widget")


@pytest.fixture(scope="module")
def sdist(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("--sdist", clone, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("--wheel", clone, tmp_path_factory.mktemp("wheel"))


def build(kind: str, source: Path, out: Path) -> Path:
    run([sys.executable, "-m", "build", kind, "--outdir", str(out), str(source)])
    (built,) = out.iterdir()
    return built


def run(
    command: list[str], environment: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        assert archive.testzip() is None
        return set(archive.namelist())


def test_the_wheel_holds_what_runs(wheel: Path, clone: Path) -> None:
    held = names(wheel)
    package = {
        path.relative_to(clone).as_posix()
        for path in (clone / "roma_widget").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and "static" not in path.parts
    }
    assert package | BUNDLE <= held
    assert "roma_widget/py.typed" in held
    assert {name for name in package if name.endswith(".xz")} <= held


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    folders = {name.split("/")[0] for name in names(wheel)}
    assert folders == {"roma_widget", "roma_widget-0.1.0.dist-info"}
    assert {name for name in names(wheel) if name.startswith("roma_widget/static/")} == BUNDLE


def test_the_metadata_says_licence_and_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read("roma_widget-0.1.0.dist-info/METADATA").decode()
        assert "roma_widget-0.1.0.dist-info/licenses/LICENSE" in archive.namelist()
    assert "License-Expression: BSD-3-Clause" in metadata
    needs = [
        line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    libraries = {need.removeprefix("Requires-Dist: ").split(">")[0].split("[")[0] for need in needs}
    assert libraries == {
        "aiohttp",
        "anywidget",
        "ipywidgets",
        "msgspec",
        "networkx",
        "pandas",
        "plotly",
        "python-socketio",
    }


def test_an_empty_environment_imports_it(wheel: Path, root: Path, tmp_path: Path) -> None:
    run([sys.executable, "-m", "venv", str(tmp_path / "venv")])
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(scripts / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-c", str(root / "constraints.txt"), str(wheel)])
    look = """
import json
from importlib.resources import files
import roma_widget
package = files("roma_widget")
bundle = [part for part in (package / "static").iterdir() if part.suffix in (".js", ".css")]
print(json.dumps({"file": roma_widget.__file__, "bytes": [len(part.read_bytes()) for part in bundle]}))
"""
    found = json.loads(run([str(scripts / "python"), "-c", look], cwd=tmp_path).stdout)
    assert Path(found["file"]).is_relative_to(tmp_path / "venv")
    assert all(size > 0 for size in found["bytes"])
    assert "usage" in run([str(scripts / "roma-widget"), "--help"], cwd=tmp_path).stdout.lower()


def test_a_wheel_comes_out_of_the_sdist_without_node(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as archive:
        held = set(archive.getnames())
    assert "roma_widget-0.1.0/js/src/index.ts" in held
    assert not {name for name in held if "/node_modules" in name or "/tests" in name}
    no_node = tmp_path / "bin"
    no_node.mkdir()
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--verbose",
        "--no-deps",
        "--wheel-dir",
        str(tmp_path / "out"),
    ]
    said = run([*pip, str(sdist)], {**os.environ, "PATH": str(no_node)}).stderr
    assert "the bundle is up to date" in said
    (again,) = (tmp_path / "out").iterdir()
    assert names(again) == names(wheel)
