"""Makes `.venv`: a virtual environment, the built front end, and the package installed from this clone.

Run by `make setup` with any Python ≥ 3.11. Repeating it costs a second and changes nothing; it redoes what no
longer fits: the environment when the clone was moved or its Python is gone, the installation when pyproject.toml
or constraints.txt changed, the front end as scripts/frontend.py sees fit.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import debian

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
CREATED_STAMP = VENV / ".created"
INSTALLED_STAMP = VENV / ".installed"
EXTRAS = "dev"


def create() -> None:
    """The environment itself. Its scripts hold the clone's path: one that was moved is made anew."""
    if CREATED_STAMP.exists() and CREATED_STAMP.read_text().strip() == str(ROOT) and works():
        return
    say(f"making .venv with Python {sys.version.split()[0]}")
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        debian.install(package, purpose="This Python has no venv module")
    base_python = getattr(sys, "_base_executable", None) or sys.executable
    run([base_python, "-m", "venv", "--clear", str(VENV)], "making .venv")
    CREATED_STAMP.write_text(f"{ROOT}\n")


def works() -> bool:
    test = "import sys, pip; sys.exit(sys.version_info < (3, 11))"
    try:
        return (
            subprocess.run([PYTHON, "-c", test], capture_output=True, timeout=60, check=False).returncode == 0
        )
    except (OSError, subprocess.SubprocessError):
        return False


def build_front_end() -> None:
    """Before the installation, which then finds a current bundle and needs no Node of its own."""
    run([str(PYTHON), str(ROOT / "scripts" / "frontend.py"), "build"], None)


def install() -> None:
    inputs = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt"))
    made_from = hashlib.sha256(inputs).hexdigest()
    if INSTALLED_STAMP.exists() and INSTALLED_STAMP.read_text().strip() == made_from:
        say(".venv is up to date")
        return
    say("installing roma-widget and its tools as pinned in constraints.txt (a minute or two)")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-c", str(ROOT / "constraints.txt"), "-e", f"{ROOT}[{EXTRAS}]"], "pip install")
    INSTALLED_STAMP.write_text(f"{made_from}\n")


def run(command: list[str], name: str | None) -> None:
    """Run it with its output shown; end with its failure. A step without `name` says itself what went wrong."""
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(f"setup: {name} failed; it says why above" if name else done.returncode)


def say(sentence: str) -> None:
    print(f"setup: {sentence}", flush=True)


def main() -> None:
    try:
        create()
    except debian.CannotInstall as reason:
        sys.exit(f"setup: {reason}")
    build_front_end()
    install()


if __name__ == "__main__":
    main()
