"""A process that is a server opens as many connections as the system lets it."""

from __future__ import annotations

import subprocess
import sys

import pytest

resource = pytest.importorskip("resource")

SCRIPT = """
import resource
from roma_widget.server.network.files import allow_many_files, open_files, too_few_for

resource.setrlimit(resource.RLIMIT_NOFILE, (200, 1000))
allow_many_files()
print(open_files(), resource.getrlimit(resource.RLIMIT_NOFILE))
print(too_few_for(750))
print(too_few_for(4096))
"""


def test_the_soft_limit_becomes_the_hard_one_and_what_is_too_few_is_said() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    limits, enough, too_few = said.stdout.splitlines()
    assert limits == "1000 (1000, 1000)"
    assert enough == "None"
    assert too_few.startswith("No more than 750 connections can be open at a time")
    assert "For 4,096 it takes a hard limit of 5,462" in too_few
