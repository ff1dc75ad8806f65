"""The public names load when used, and importing the package is cheap."""

from __future__ import annotations

import subprocess
import sys

import pytest

import roma_widget as roma


def test_every_public_name_is_there_and_documented() -> None:
    for name in roma.__all__:
        assert getattr(roma, name).__doc__, name
    assert set(roma.__all__) <= set(dir(roma))


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
