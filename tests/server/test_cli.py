"""`roma-widget`: what a person at a terminal sees."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from roma_widget import cli


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "dev", "-m", "roma_widget", *arguments]
    return subprocess.run(
        command,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _is_one_sentence(text: str) -> bool:
    return re.fullmatch(r"roma-widget: [^\n]+\n", text) is not None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "say what to do"),
        (["replay"], "required: CAPTURE"),
        (["frobnicate"], "invalid choice"),
        (["replay", "report", "--speed", "-1"], "--speed must be 0"),
        (["replay", "report", "--speed", "nan"], "--speed must be 0"),
        (["replay", "report", "--speed", "fast"], "invalid float value"),
        (["replay", "report", "--port", "70000"], "--port must be between"),
        (["replay", "report", "--port", "-1"], "--port must be between"),
        (["replay", "report", "--host", "0.0.0.0"], "reachable from other machines"),
        (["replay", "report", "--host", "no such host"], "is not known here"),
        (["replay", "nope"], "there are: report"),
        (["replay", os.curdir], "cannot be read"),
    ],
)
def test_what_is_wrong_in_one_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = cli.main(arguments)
    except SystemExit as exited:
        code = int(str(exited.code))
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert says in err


def test_a_taken_port_and_a_bad_file_as_a_process(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _run("replay", "report", "--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (2, "")
    assert _is_one_sentence(done.stderr)
    assert "is taken" in done.stderr
    bad = tmp_path / "bad.jsonl.xz"
    bad.write_bytes(b"no xz")
    done = _run("replay", str(bad))
    assert (done.returncode, done.stdout) == (2, "")
    assert _is_one_sentence(done.stderr)
    assert "bad.jsonl.xz is no whole xz file" in done.stderr


def test_version() -> None:
    done = _run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"roma-widget \d+\.\d+\S*\n", done.stdout)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serves_until_ctrl_c(number: signal.Signals) -> None:
    command = [sys.executable, "-X", "dev", "-m", "roma_widget", "replay", "report", "--not-safe-to-join"]
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
        with urllib.request.urlopen(url + "/api/health", timeout=5) as response:
            assert b"safe_to_join" not in response.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")
