"""Installs the npm packages of benchmarks/peers and bundles the peers; nothing is done twice."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .driver import CLONE

FOLDER = Path(__file__).resolve().parent / "peers"
STAMP = FOLDER / "built" / ".made-from"


def build_peers() -> None:
    """Raises RuntimeError, with what npm said, where that does not work."""
    sys.path[:0] = [str(CLONE / "scripts")]
    import frontend

    made_from = frontend.digest(path for path in sorted(FOLDER.iterdir()) if path.is_file())
    if STAMP.exists() and STAMP.read_text() == made_from:
        return
    npm = frontend.npm_or_fail()
    for arguments in (["ci", "--no-audit", "--no-fund", "--loglevel=error"], ["run", "--silent", "build"]):
        done = subprocess.run(
            [*npm.command, *arguments],
            cwd=FOLDER,
            env={**os.environ, "PATH": npm.path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"`npm {arguments[0]}` in benchmarks/peers failed:\n{done.stdout}")
    STAMP.write_text(made_from)
