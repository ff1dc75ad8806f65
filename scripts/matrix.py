"""Runs tests in environments of old and new versions (`make matrix`), and writes into README.md what came of it.

    python scripts/matrix.py                    # all of them, and the table in README.md
    python scripts/matrix.py --print            # all of them, README.md stays as it is
    python scripts/matrix.py "pandas 2.2"       # only that one, with what failed

What is tried stands in scripts/supported.py. Everything made stays in build/matrix; the newest are looked up each time.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from supported import SHOWN, Environment, Result, environments, table, with_table

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "matrix"
README = ROOT / "README.md"
TOOLS = ("hypothesis", "psutil", "pytest", "pytest-asyncio", "pytest-timeout")
NO_STOPWATCH = "not quick"  # what is promised of speed is promised of the newest
LONGEST_S = 600  # on a busy machine; alone it is a minute or two
ASK_VERSIONS = (
    "import json, platform, sys; from importlib.metadata import version; "
    "print(json.dumps([platform.python_version(), {name: version(name) for name in sys.argv[1:]}]))"
)


class NotTried(Exception):
    """The message is what the table says of the environment; `counts` where that is a failure."""

    def __init__(self, reason: str, *, counts: bool) -> None:
        super().__init__(reason)
        self.counts = counts


def tried(environment: Environment) -> Result:
    """The environment made, and its tests run in it."""
    try:
        python = made(environment)
    except NotTried as reason:
        return Result(environment, f"not tried: {reason}", passed=not reason.counts)
    exact, versions = json.loads(output_of([str(python), "-c", ASK_VERSIONS, *SHOWN]))
    began = time.monotonic()
    pytest = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-k", NO_STOPWATCH]
    try:
        done = subprocess.run(
            [*pytest, *environment.tests],
            cwd=ROOT,
            env=own(),
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Result(environment, f"**failed**: no end after {LONGEST_S} s", False, exact, versions)
    log_of(environment).write_text(done.stdout + done.stderr, "utf-8")
    counted = ", ".join(
        re.findall(
            r"\d+ (?:passed|failed|errors?|skipped|deselected)\b", done.stdout.strip().rpartition("\n")[2]
        )
    )
    took_s = time.monotonic() - began
    if done.returncode:
        print(done.stdout[-8_000:], done.stderr[-2_000:], file=sys.stderr)
        return Result(environment, f"**{counted or 'failed'}**", False, exact, versions)
    print(f"matrix: {environment.name}, Python {exact}: {counted} in {took_s:.0f} s", flush=True)
    return Result(environment, counted, True, exact, versions)


def made(environment: Environment) -> Path:
    """Path of its Python. It is made anew each time: uv's cache makes that a matter of seconds."""
    folder = BUILD / slug(environment)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not uv("venv", "--clear", "--no-project", "--python", interpreter(environment.python), str(folder)):
        raise NotTried(f"no Python {environment.python} is installable here", counts=False)
    pins = [f"{name}=={version}" for name, version in environment.pins.items()]
    wanted = ["-e", f"{ROOT}[parquet]", *{"ipykernel", *TOOLS} - environment.pins.keys(), *pins]
    if not uv("pip", "install", "--python", str(python), *wanted):
        raise NotTried("**these versions cannot be installed together**", counts=True)
    return python


def interpreter(version: str) -> str:
    """Path of a Python of this version that runs, or the version: uv may know where to get one."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *sorted(map(str, pyenv.glob(f"{version}.*/bin/python")))]
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    return next((each for each in candidates if each and output_of([each, "-c", asked]) == version), version)


def uv(*arguments: str) -> bool:
    """Whether it did that; what it said of a failure is shown."""
    command = [uv_path(), "--quiet", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=own(), capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr, file=sys.stderr)
    return done.returncode == 0


@cache
def uv_path() -> str:
    """The one that is installed, or one from the package index in build/."""
    found = shutil.which("uv")
    if found:
        return found
    own_uv = BUILD / "uv"
    inside = own_uv / ("Scripts/uv.exe" if os.name == "nt" else "bin/uv")
    if not inside.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(own_uv)], check=True)
        python = inside.with_name("python.exe" if os.name == "nt" else "python")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "uv"], check=True)
    return str(inside)


def own() -> dict[str, str]:
    """Nothing of the environment from which this was started leads into those that are made."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {"UV_CACHE_DIR": str(BUILD / "cache"), **kept}


def output_of(command: list[str]) -> str:
    done = subprocess.run(command, env=own(), capture_output=True, text=True, timeout=60, check=False)
    return done.stdout.strip()


def slug(environment: Environment) -> str:
    return re.sub(r"\W+", "-", f"{environment.name} {environment.python}")


def log_of(environment: Environment) -> Path:
    return BUILD / f"{slug(environment)}.log"


def main() -> None:
    parser = argparse.ArgumentParser(description="Run tests in environments of old and new versions.")
    parser.add_argument("names", nargs="*", help="only these environments; README.md then stays as it is")
    parser.add_argument("--print", action="store_true", help="leave README.md as it is")
    chosen = parser.parse_args()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    known = environments(project)
    unknown = set(chosen.names) - {each.name for each in known}
    if unknown:
        sys.exit(f"matrix: there is no {sorted(unknown)}; there are {sorted({each.name for each in known})}.")
    BUILD.mkdir(parents=True, exist_ok=True)
    results = [tried(each) for each in known if not chosen.names or each.name in chosen.names]
    print(table(results))
    made_from = (
        f"Tried on {datetime.now(UTC):%Y-%m-%d} at {output_of(['git', 'rev-parse', '--short', 'HEAD'])}."
    )
    if not chosen.names and not chosen.print:
        README.write_text(with_table(README.read_text("utf-8"), f"{made_from}\n\n{table(results)}"), "utf-8")
    sys.exit(0 if all(each.passed for each in results) else 1)


if __name__ == "__main__":
    main()
