"""The files that make up the sources: what a clean clone of this working tree would hold."""

from __future__ import annotations

import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

# Where git does not answer (an unpacked archive), these are left out instead of what .gitignore says.
MADE = (".git", ".venv", "build", "dist", "node_modules", "static", "__pycache__", ".*_cache", ".hypothesis")


def source_files(root: Path) -> list[Path]:
    """Tracked files and new ones that git does not ignore, without those just deleted."""
    # safe.directory: the clone may belong to another user, as in a container.
    git = [
        "git",
        "-c",
        f"safe.directory={root}",
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]
    try:
        listed = subprocess.run(git, cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return sorted(
            path for path in root.rglob("*") if path.is_file() and not was_made(path.relative_to(root))
        )
    paths = {root / name for name in listed.decode().split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def was_made(path: Path) -> bool:
    return any(fnmatch(part, pattern) for part in path.parts for pattern in MADE)


def copy_sources(root: Path, target: Path) -> Path:
    """Copy the sources to the new folder `target` and return it."""
    for path in source_files(root):
        copy = target / path.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    return target
