"""The public names load when used, and importing the package is cheap."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import roma_widget as roma
from roma_widget.server.agents.tasks import Task


def test_every_public_name_is_there_and_documented() -> None:
    for name in roma.__all__:
        assert getattr(roma, name).__doc__, name
    assert set(roma.__all__) <= set(dir(roma))


def test_the_readme_says_how_arguments_are_given(root: Path) -> None:
    """Those with a default: their names, and whether they take their place or their name."""
    checked = 0
    for owner, name, said in re.findall(
        r"\| `(?:(\w+)\.)?(\w+)\((\w[^`()]*=[^`…]*)\)`", (root / "README.md").read_text("utf-8")
    ):
        function = getattr({"": roma, "m": roma.Monitor, "task": Task}[owner], name)
        takes = inspect.signature(function).parameters
        for each in inspect.signature(eval(f"lambda {said}: None")).parameters.values():
            if each.default is not inspect.Parameter.empty:
                assert (name, each.name, takes[each.name].kind) == (name, each.name, each.kind)
                checked += 1
    assert checked > 20


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'conect'"):
        _ = roma.conect


@pytest.mark.parametrize("use", ["import roma_widget", "import roma_widget; roma_widget.connect"])
def test_pandas_plotly_and_networkx_wait_for_their_first_use(use: str) -> None:
    code = f"{use}\nimport sys\nprint(sorted({{'pandas', 'plotly', 'networkx'}} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert out.stdout.strip() == "[]"


def test_every_error_is_a_roma_error() -> None:
    for name in (
        "ConnectError",
        "NotLive",
        "RunStalled",
        "ServerError",
        "UnknownProject",
        "UnknownTask",
        "WaitTimeout",
    ):
        assert issubclass(getattr(roma, name), roma.RomaError)
    assert str(roma.UnknownTask("There is no task.")) == "There is no task."
