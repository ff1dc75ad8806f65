"""Proves the release in dist/: what `make dist` runs behind the build.

Looks into sdist and wheel, installs the wheel alone into an empty environment that finds no Node, asks it for its
version, then adds a kernel there and runs notebooks/01_live_run.ipynb in it. Everything happens in a temporary folder.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from email.policy import default
from pathlib import Path
from typing import NoReturn

import release_checks

ROOT = Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"
NOTEBOOK = "01_live_run.ipynb"
KERNEL = ("ipykernel", "nbclient")
INSTALL_TIMEOUT_S = 900
NOTEBOOK_TIMEOUT_S = 300


def main() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wheel, sdist = only("*.whl"), only("*.tar.gz")
    check_files(wheel, sdist, project["version"])
    found = release_checks.metadata_problems(metadata_of(wheel), project)
    end_with(found)
    say(f"metadata: {project['version']}, licence, {len(project['classifiers'])} classifiers, extras, readme")
    with tempfile.TemporaryDirectory(prefix="roma-widget-dist-") as own:
        python = empty_environment(Path(own), wheel, project["version"])
        run_notebook(python, Path(own))
    say(f"good: {wheel.name}, {sdist.name}")


def check_files(wheel: Path, sdist: Path, version: str) -> None:
    sources = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "roma_widget").rglob("*")
        if path.is_file() and not {"__pycache__", "static"} & set(path.parts)
    ]
    with zipfile.ZipFile(wheel) as held:
        in_wheel = held.namelist()
        unpacked = sum(entry.file_size for entry in held.infolist())
    with tarfile.open(sdist) as archive:
        in_sdist = [entry.name for entry in archive.getmembers() if entry.isfile()]
    found = release_checks.wheel_problems(in_wheel, sources, version)
    found += release_checks.sdist_problems(in_sdist, sources, version)
    if wheel.stat().st_size > release_checks.MOST_WHEEL_BYTES:
        found.append(f"the wheel has more than {release_checks.MOST_WHEEL_BYTES / 1e6:g} MB")
    end_with(found)
    say(f"wheel: {in_kb(wheel.stat().st_size)}, {len(in_wheel)} files, {in_kb(unpacked)} unpacked")
    say(f"sdist: {in_kb(sdist.stat().st_size)}, {len(in_sdist)} files")


def metadata_of(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as held:
        (name,) = [name for name in held.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(held.read(name), policy=default.clone(utf8=True))


def empty_environment(own: Path, wheel: Path, version: str) -> Path:
    """An environment with the wheel and what it needs, in which it has said its version. Gives its Python."""
    call([sys.executable, "-m", "venv", str(own / "venv")])
    scripts = own / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    began_s = time.monotonic()
    pip_install(python, str(wheel))
    environment = without_node(scripts)
    command = str(shutil.which("roma-widget", path=str(scripts)))
    said = call([command, "--version"], env=environment, cwd=own).strip()
    if said != f"roma-widget {version}":
        fail(f"`roma-widget --version` says {said!r}, not {version!r}")
    where = call(
        [str(python), "-c", "import roma_widget; print(roma_widget.__file__)"], env=environment, cwd=own
    )
    if not Path(where.strip()).is_relative_to(own):
        fail(f"the empty environment imports {where.strip()}")
    say(f"installed without Node in {time.monotonic() - began_s:.0f} s; `roma-widget --version`: {said}")
    return python


def run_notebook(python: Path, own: Path) -> None:
    """A person's environment: the wheel beside a kernel. Every cell must run, and the run's picture be there."""
    pip_install(python, *KERNEL)
    notebook = str(shutil.copy(ROOT / "notebooks" / NOTEBOOK, own / NOTEBOOK))
    began_s = time.monotonic()
    environment = without_node(python.parent) | {
        name: str(own / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    execute = str(shutil.which("jupyter-execute", path=str(python.parent)))
    run_cells = [execute, "--timeout", str(NOTEBOOK_TIMEOUT_S), "--inplace", notebook]
    call(run_cells, env=environment, cwd=own, timeout_s=NOTEBOOK_TIMEOUT_S + 60)
    cells = [
        each
        for each in json.loads(Path(notebook).read_text(encoding="utf-8"))["cells"]
        if each["cell_type"] == "code"
    ]
    if any(cell["execution_count"] is None for cell in cells):
        fail(f"{NOTEBOOK} was not run to its end")
    shown = json.dumps([cell["outputs"] for cell in cells])
    if "data-static" not in shown or "application/vnd.jupyter.widget-view+json" not in shown:
        fail(f"{NOTEBOOK} shows no run")
    say(f"{NOTEBOOK}: {len(cells)} cells ran in {time.monotonic() - began_s:.0f} s, and the run is shown")


def pip_install(python: Path, *what: str) -> None:
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    call([*pip, "-c", str(ROOT / "constraints.txt"), *what], timeout_s=INSTALL_TIMEOUT_S)


def without_node(scripts: Path) -> dict[str, str]:
    """This environment with nothing on its PATH but the new one's scripts."""
    if shutil.which("node", path=str(scripts)):
        fail("a dependency brought a Node into the empty environment")
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    return kept | {"PATH": str(scripts)}


def call(
    command: list[str], *, env: dict[str, str] | None = None, cwd: Path | None = None, timeout_s: float = 120
) -> str:
    """What it printed. Ends everything where it fails, with what it said."""
    done = subprocess.run(
        command, env=env, cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    if done.returncode:
        fail(f"`{' '.join(command)}` failed:\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def only(pattern: str) -> Path:
    found = sorted(DIST.glob(pattern))
    if len(found) != 1:
        fail(f"dist/ holds {len(found)} files {pattern}, not one: run `make dist`")
    return found[0]


def in_kb(n_bytes: int) -> str:
    return f"{n_bytes / 1000:,.0f} kB"


def end_with(problems: list[str]) -> None:
    if problems:
        fail("\n      ".join(problems))


def say(sentence: str) -> None:
    print(f"dist: {sentence}", flush=True)


def fail(sentence: str) -> NoReturn:
    sys.exit(f"dist: {sentence}")


if __name__ == "__main__":
    main()
