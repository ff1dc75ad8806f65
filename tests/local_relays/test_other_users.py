"""Two users of one machine cannot reach each other's relay. Needs root, which can be anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from roma_widget.client.feed import FeedOptions
from roma_widget.local_relays.finding import find_or_start
from roma_widget.local_relays.place import place_of

NOBODY = 65534
# What a curious neighbour tries. Imports come first: that user may not read this Python's folder.
TRY = """
import encodings.idna, json, os, sys, urllib.error, urllib.request
from roma_widget.client.feed import FeedOptions
from roma_widget.errors import RomaError
from roma_widget.local_relays.finding import find
user, entry, process, url, of = sys.argv[1:]
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
said = {}
for name, path in (("entry", entry), ("environment", process + "/environ")):
    try:
        said[name] = len(open(path, "rb").read())
    except OSError as error:
        said[name] = type(error).__name__
for path in ("/api/projects", "/api/health"):
    try:
        said[path] = urllib.request.urlopen(url + path, timeout=10).read().decode()
    except urllib.error.HTTPError as error:
        said[path] = error.code
try:
    said["find"] = repr(find(FeedOptions(of)))
except RomaError as error:
    said["find"] = str(error)
print(json.dumps(said))
"""


@pytest.fixture
def open_folders(runtime: Path) -> Iterator[None]:
    """Anybody may enter the runtime folder: it is the file's own mode that must hold."""
    folders = [runtime, *runtime.parents[:3]]
    before = [folder.stat().st_mode for folder in folders]
    for folder in folders:
        folder.chmod(0o755)
    yield
    for folder, mode in zip(folders, before, strict=True):
        folder.chmod(mode)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can act as a second user"
)
@pytest.mark.usefixtures("open_folders")
def test_another_user_gets_neither_the_token_nor_in(options: FeedOptions) -> None:
    found = find_or_start(options)
    place = place_of(options)
    tried = subprocess.run(
        [sys.executable, "-c", TRY, str(NOBODY), str(place.entry), f"/proc/{found.pid}", found.url, found.of],
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    said = json.loads(tried.stdout)
    assert (said["entry"], said["environment"]) == ("PermissionError", "PermissionError")
    assert (said["/api/projects"], said["/api/health"]) == (401, 401)
    assert "belongs to another user" in said["find"]
    assert found.token not in tried.stdout
