"""Runs all Python tests (`make test`): the soak beside those that no stopwatch is part of, then the rest alone.

The soak takes five minutes and little of the processor. Tests of delays, of real browsers and of the relay would feel
it; those of pure code do not, and take about as long. Every part runs, whatever came of the ones before.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOAK_LOG = ROOT / "build" / "soak.log"
SOAK_ENDS_WITHIN_S = 1500.0
STOPS_WITHIN_S = 30.0

NO_STOPWATCH = tuple(
    f"tests/{folder}" for folder in ("analysis", "archive", "core", "docs", "fuzz", "setup", "widget", "wire")
)
PYTEST = (sys.executable, "-m", "pytest")


def main() -> int:
    with begun(*PYTEST, "-m", "soak", "tests/soak") as soak:
        print(
            f"tests: a soak of five minutes runs beside the first ({SOAK_LOG.relative_to(ROOT)})", flush=True
        )
        passed = [run(*NO_STOPWATCH), soaked(soak)]
    rest = (f"--ignore={folder}" for folder in NO_STOPWATCH)
    passed.append(run("--nbval-lax", "--nbval-current-env", *rest, "tests", "notebooks"))
    return int(not all(passed))


def run(*chosen: str) -> bool:
    return subprocess.run([*PYTEST, *chosen], cwd=ROOT, check=False).returncode == 0


@contextmanager
def begun(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command that runs beside others and writes into the log; it ends with the `with`, or before."""
    SOAK_LOG.parent.mkdir(exist_ok=True)
    with SOAK_LOG.open("wb") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOPS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def soaked(soak: subprocess.Popen[bytes]) -> bool:
    """Whether it passed, which may take some more minutes. Prints what it said."""
    print("tests: waiting for the end of the soak", flush=True)
    try:
        soak.wait(SOAK_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        print(f"tests: the soak had no end within {SOAK_ENDS_WITHIN_S:.0f} s", flush=True)
    print(SOAK_LOG.read_text("utf-8", "replace"), flush=True)
    return soak.poll() == 0


if __name__ == "__main__":
    sys.exit(main())
