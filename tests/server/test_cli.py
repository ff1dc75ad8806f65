"""`roma-widget`: what a person at a terminal sees."""

from __future__ import annotations

import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import roma_widget as roma
from roma_widget import cli
from roma_widget.archive.saved import open_run

RUN = str(Path(__file__).parents[1] / "captures" / "g_kill_restart.jsonl.xz")


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
        (["replay", RUN, "--speed", "-1"], "--speed must be 0"),
        (["replay", RUN, "--speed", "nan"], "--speed must be 0"),
        (["replay", RUN, "--speed", "fast"], "invalid float value"),
        (["replay", RUN, "--port", "70000"], "--port must be between"),
        (["replay", RUN, "--port", "-1"], "--port must be between"),
        (["replay", RUN, "--host", "0.0.0.0"], "reachable from other machines"),
        (["replay", RUN, "--host", "no such host"], "is not known here"),
        (["replay", "nope"], "nope does not exist"),
        (["replay", os.curdir], "is no file"),
        (["serve", "--speed", "-1"], "--speed must be 0"),
        (["serve", "--port", "-1"], "--port must be between"),
        (["serve", "--host", "0.0.0.0"], "token"),
        (["serve", "--scenario", "nope"], "report, failure, wide, chat"),
        (["serve", "--scenario", "wide", "--tasks", "0"], "--tasks must be 1 or more"),
        (["serve", "--tasks", "5"], "--tasks is for --scenario wide"),
        (["serve", "--scenario", "report", "--tasks", "5"], "--tasks is for --scenario wide"),
        (["serve", "--start"], "--start needs a --scenario"),
        (["serve", "--token-file", "/no/such/file"], "/no/such/file cannot be read"),
        (["serve", "--data-dir", "/proc/nothing"], "/proc/nothing"),
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
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--token", "s3cret"], "--token-file"),
        (["serve", "--token=s3cret"], "--token-file"),
        (["record", "--token", "s3cret", "http://127.0.0.1:9", "x.roma"], "--token-file"),
        (["relay", "http://127.0.0.1:9", "--server-token=s3cret"], "--token-file"),
        (["serve", "--token-fil", "s3cret"], "there is no option --token-fil here"),
        (["serve", "--tokn=s3cret"], "there is no option --tokn here"),
        (["serve", "s3cret"], "more is given than this command takes"),
    ],
)
def test_what_may_be_a_secret_is_not_said_again(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert _is_one_sentence(err)
    assert says in err
    assert "s3cret" not in err


@pytest.mark.parametrize("source", ["file", "variable"])
def test_a_token_is_one_line(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, text = ["serve"], "s3cret\nand more\n"
    if source == "file":
        token = tmp_path / "token"
        token.write_text(text)
        command += ["--token-file", str(token)]
    else:
        monkeypatch.setenv(cli.TOKEN_VARIABLE, text)
    assert cli.main(command) == 2
    err = capsys.readouterr().err
    assert _is_one_sentence(err)
    assert source in err
    assert "it has more than one line" in err
    assert "s3cret" not in err


def test_a_taken_port_and_a_bad_file_as_a_process(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = _run("replay", RUN, "--port", str(taken.getsockname()[1]))
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


def test_a_token_from_a_file_is_demanded(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    command = [sys.executable, "-m", "roma_widget", "serve", "--token-file", str(token)]
    with subprocess.Popen(command, env=_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url + "/api/projects", timeout=5)
        asked = urllib.request.Request(url + "/api/projects", headers={"Authorization": "Bearer s3cret"})
        with urllib.request.urlopen(asked, timeout=5) as response:
            assert response.status == 200
        process.terminate()
        process.wait(10)


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments", [["replay", RUN, "--not-safe-to-join"], ["serve", "--scenario=report", "--start"]]
)
def test_serves_until_ctrl_c(arguments: list[str], number: signal.Signals) -> None:
    command = [sys.executable, "-X", "dev", "-m", "roma_widget", *arguments]
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = re.findall(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
        with urllib.request.urlopen(url + "/api/health", timeout=5) as response:
            assert (b"safe_to_join" in response.read()) == (arguments[0] == "serve")
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, out, err) == (0, "", "")


class _NothingHere(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None: ...


class TestRecord:
    def test_a_run_is_recorded_until_it_has_ended(self, tmp_path: Path) -> None:
        out = tmp_path / "run.roma"
        with roma.Server() as server:
            with server.project("Count to 42") as project, project.task("Count to 42") as root:
                root.finish(result="42")
            done = _run("record", server.url, str(out), "--until-done", "--project", project.id)
        assert (done.returncode, done.stdout) == (0, f"{out}: 1 of 1 task done, 0 failed, succeeded\n")
        with open_run(out) as run:
            assert run.result("root") == "42"

    def test_ctrl_c_ends_it_well(self, tmp_path: Path) -> None:
        out = tmp_path / "run.roma"
        command = [sys.executable, "-X", "dev", "-m", "roma_widget", "record"]
        with roma.Server() as server, server.project("Survey of X") as project:
            recording = subprocess.Popen(
                [*command, server.url, str(out)],
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            with recording, project.task("Survey of X"):
                assert recording.stderr is not None
                assert "live" in recording.stderr.readline()
                recording.send_signal(signal.SIGINT)
                said, _ = recording.communicate(timeout=30)
        assert (recording.returncode, "running" in said) == (0, True)
        with open_run(out) as run:
            assert run.meta["ended"] is True
            assert run.snapshot.outcome == "running"

    @pytest.mark.parametrize("token", [None, "wrong"])
    def test_a_server_that_lets_nobody_in_is_not_waited_for(
        self,
        token: str | None,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.delenv(cli.TOKEN_VARIABLE, raising=False)
        if token is not None:
            monkeypatch.setenv(cli.TOKEN_VARIABLE, token)
        with roma.Server(token="right") as server:
            code = cli.main(["record", server.url, str(tmp_path / "x.roma"), "--until-done"])
        err = capsys.readouterr().err
        assert code == 2
        assert _is_one_sentence(err)
        assert "lets nobody in without the right token: give one with --token-file" in err
        assert not list(tmp_path.iterdir())

    def test_what_is_no_roma_server_is_not_waited_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with (
            http.server.ThreadingHTTPServer(("127.0.0.1", 0), _NothingHere) as other,
            ThreadPoolExecutor(1) as thread,
        ):
            thread.submit(other.serve_forever, 0.05)
            try:
                url = f"http://127.0.0.1:{other.server_port}"
                code = cli.main(["record", url, str(tmp_path / "x.roma"), "--until-done"])
            finally:
                other.shutdown()
        err = capsys.readouterr().err
        assert code == 2
        assert _is_one_sentence(err)
        assert "is no ROMA server" in err
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["nonsense", "x.roma"], "has no scheme"),
            (["http://127.0.0.1:9", "no/such/folder/x.roma"], "There is no folder"),
            (["http://127.0.0.1:9", "x.roma", "--redact", "everything"], "everything"),
            (["http://127.0.0.1:9"], "required: OUT.roma"),
        ],
    )
    def test_what_cannot_be_recorded_is_one_sentence(
        self, arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        done = _run("record", *arguments)
        assert done.returncode == 2
        assert says in done.stderr
        assert _is_one_sentence(done.stderr)
        assert not list(tmp_path.iterdir())
