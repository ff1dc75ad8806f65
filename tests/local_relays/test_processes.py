"""Relays as processes: they outlive who started them, are one for all, and end in order."""

from __future__ import annotations

import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

import roma_widget as roma
from roma_widget import cli
from roma_widget.client.feed import FeedOptions
from roma_widget.errors import RomaError
from roma_widget.local_relays import finding
from roma_widget.local_relays.entry import process_start
from roma_widget.local_relays.finding import find, find_or_start, listed, stop
from roma_widget.local_relays.lock import is_held
from roma_widget.local_relays.place import place_of
from roma_widget.server.embedded import Server

from .conftest import relay_command

SECRET = "the-server's-own-secret"
# the options are spelled out, because eight processes that import a socket library take their time
START = """
import sys
from types import SimpleNamespace
from roma_widget.local_relays.finding import find_or_start
options = dict(root=sys.argv[1], token=None, headers=(), transports=("websocket",), timeout_s=20.0, always_join=False)
found = find_or_start(SimpleNamespace(**options), timeout_s=90)
print(found.pid, found.url, flush=True)
sys.stdin.read()
"""


def _starter(url: str) -> subprocess.Popen[str]:
    """A process that finds or starts a relay, says which, and then waits."""
    return subprocess.Popen(
        [sys.executable, "-c", START, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _end(process: subprocess.Popen[str]) -> None:
    with process:
        process.kill()


def _until(so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _status(url: str, token: str | None) -> int:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/api/projects", headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_eight_starts_at_the_same_moment_end_in_one_relay(server: Server, options: FeedOptions) -> None:
    starters = [_starter(server.url) for _ in range(8)]
    try:
        said = {starter.stdout.readline() for starter in starters if starter.stdout}
    finally:
        for starter in starters:
            _end(starter)
    found = find(options)
    assert found is not None
    assert said == {f"{found.pid} {found.url}\n"}
    assert listed() == [found]


def test_a_relay_outlives_the_kernel_that_started_it(server: Server, options: FeedOptions) -> None:
    starter = _starter(server.url)
    assert starter.stdout is not None
    pid = int(starter.stdout.readline().split()[0])
    assert os.getsid(pid) not in (os.getsid(0), pid)  # no terminal, and never one
    _end(starter)
    found = find_or_start(options)
    assert found.pid == pid
    assert _status(found.url, found.token) == 200
    assert _status(found.url, None) == 401


def _killed(process: int, options: FeedOptions) -> None:
    os.kill(process, signal.SIGKILL)
    _until(lambda: not is_held(place_of(options).lock))


def test_a_killed_relay_is_followed_by_one_that_is_told_the_same(
    tmp_path: Path, options: FeedOptions
) -> None:
    killed = find_or_start(options, record=tmp_path / "runs")
    _killed(killed.pid, options)
    assert find(options) is None
    assert listed() == []  # looking takes nothing away
    again = find_or_start(options)
    assert again.pid != killed.pid
    assert (again.url, again.token, again.record) == (killed.url, killed.token, killed.record)
    _killed(again.pid, options)
    with socket.socket() as somebody_else:
        somebody_else.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        somebody_else.bind(("127.0.0.1", int(again.url.rpartition(":")[2])))
        somebody_else.listen()
        third = find_or_start(options)
    assert third.url != again.url
    assert (third.token, third.record) == (killed.token, killed.record)


def test_one_of_a_terminal_is_followed_when_nobody_brings_it_back(
    tmp_path: Path, server: Server, options: FeedOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SUPERVISED_S", 0.1)
    token, runs = tmp_path / "token", tmp_path / "runs"
    token.write_text("what-clients-need")
    with relay_command(
        server.url, "--record", str(runs), "--token-file", str(token), "--idle", "inf"
    ) as relay:
        assert relay.stdout is not None
        assert f"with the token in {token}" in "".join(relay.stdout.readline() for _ in range(3))
        _killed(relay.pid, options)
    again = find_or_start(options)
    assert (again.token, again.record, again.idle_s) == ("what-clients-need", str(runs), math.inf)
    assert again.is_detached


def test_what_brings_a_relay_back_comes_first(
    server: Server, options: FeedOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "SUPERVISED_S", 20.0)
    with relay_command(server.url) as relay:
        assert relay.stdout is not None
        relay.stdout.readline()
        _killed(relay.pid, options)
    waits = _starter(server.url)
    with relay_command(server.url) as relay:
        try:
            assert waits.stdout is not None
            assert int(waits.stdout.readline().split()[0]) == relay.pid
        finally:
            _end(waits)
            relay.terminate()


def test_what_could_not_take_a_killed_relays_place_leaves_it_as_it_was(
    tmp_path: Path, options: FeedOptions
) -> None:
    killed = find_or_start(options, record=tmp_path / "runs")
    _killed(killed.pid, options)
    (tmp_path / "runs").rmdir()
    (tmp_path / "runs").touch()
    with pytest.raises(RomaError, match="runs"):
        find_or_start(options)
    (tmp_path / "runs").unlink()
    assert find_or_start(options).token == killed.token


def test_stop_returns_when_it_is_gone_and_leaves_only_its_log(runtime: Path, options: FeedOptions) -> None:
    found = find_or_start(options)
    stop(found)
    assert process_start(found.pid) == ""
    assert not is_held(place_of(options).lock)
    assert {path.name for path in runtime.iterdir()} == {place_of(options).log.name}
    stop(found)  # gone already


def test_kernels_start_none_where_a_person_has_ended_it(server: Server, options: FeedOptions) -> None:
    m = roma.connect(server.url, relay=True)
    try:
        _until(lambda: m.connection["state"] == "live")
        relay = find(options)
        assert relay is not None
        stop(relay)
        _until(lambda: m.connection["state"] == "polling")
        assert m.connection["reason"].startswith("The relay was ended; ")
        assert find(options) is None
        m.reconnect()
        _until(lambda: m.connection["state"] == "live")
    finally:
        m.disconnect()
    assert find(options) is not None


def test_secrets_are_in_no_arguments_no_log_and_no_repr(server: Server) -> None:
    options = FeedOptions(server.url, token=SECRET, headers=(("X-Pass", SECRET[::-1]),))
    found = find_or_start(options)
    place = place_of(options)
    shown = Path(f"/proc/{found.pid}/cmdline").read_bytes() + Path(f"/proc/{found.pid}/environ").read_bytes()
    shown += place.log.read_bytes() + repr(found).encode()
    for secret in (SECRET, SECRET[::-1], found.token):
        assert secret.encode() not in shown
    assert server.url.encode() in shown
    files = [path for path in place.folder.iterdir() if path.is_file()]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in files)
    assert SECRET.encode() not in place.entry.read_bytes()


def test_other_credentials_have_another_relay(options: FeedOptions) -> None:
    places = {
        place_of(options),
        place_of(FeedOptions(options.root, token="a")),
        place_of(FeedOptions(options.root, headers=(("a", "b"),))),
        place_of(FeedOptions("http://127.0.0.1:1")),
    }
    assert len(places) == 4


def test_in_a_terminal_it_says_how_to_connect_and_ends_when_idle(
    server: Server, options: FeedOptions
) -> None:
    with relay_command(server.url, "--idle", "1") as relay:
        assert relay.stdout is not None
        said = relay.stdout.readline() + relay.stdout.readline() + relay.stdout.readline()
        found = find(options)
        assert found is not None
        assert relay.wait(20) == 0
        rest = relay.stdout.read()
        assert relay.stderr is not None
        assert relay.stderr.read() == ""
    assert f"Relaying {server.url} at {found.url} (Ctrl+C ends it)\n" in said
    assert f'roma.connect("{server.url}", relay=True)' in said
    assert str(place_of(options).entry) in said
    assert found.token not in said
    assert rest == "Ended: nobody was here for 1 s.\n"
    assert find(options) is None


def test_list_and_stop_at_the_command_line(
    server: Server, options: FeedOptions, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["relay", "--list"]) == 0
    assert capsys.readouterr().out == "No relay of yours runs on this machine.\n"
    found = find_or_start(options)
    assert cli.main(["relay", "--list"]) == 0
    assert capsys.readouterr().out.startswith(f"{server.url} at {found.url}: process {found.pid}, since 20")
    assert cli.main(["relay", "--list", "http://127.0.0.1:1"]) == 0
    assert capsys.readouterr().out == "No relay of http://127.0.0.1:1 of yours runs on this machine.\n"
    assert cli.main(["relay", server.url]) == 3
    assert f"runs already: process {found.pid}" in capsys.readouterr().err
    assert cli.main(["relay", "--stop", "http://127.0.0.1:1"]) == 2
    assert "No relay of http://127.0.0.1:1 of yours runs" in capsys.readouterr().err
    assert cli.main(["relay", "--stop", f"{server.url}/"]) == 0
    assert capsys.readouterr().out == f"Ended: {server.url} at {found.url}\n"
    assert cli.main(["relay", "--stop"]) == 2
    assert "No relay of yours runs" in capsys.readouterr().err


def test_a_relay_writes_its_file_again_when_it_was_tidied_away(
    server: Server, options: FeedOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = find_or_start(options)
    place = place_of(options)
    place.entry.unlink()
    place.lock.unlink()
    _until(lambda: find(options) is not None)
    assert find(options) == found


def test_a_runtime_folder_that_is_named_from_here(
    runtime: Path, options: FeedOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(runtime.parent)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", runtime.name)
    found = find_or_start(options)
    assert listed() == [found]


def test_a_relay_that_records_elsewhere_is_not_taken_for_one_that_does_not(
    tmp_path: Path, options: FeedOptions
) -> None:
    find_or_start(options)
    with pytest.raises(RomaError, match=r"already does not record: .* end it first"):
        find_or_start(options, record=tmp_path)


class _NoRoma(BaseHTTPRequestHandler):
    status = 404

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *_: object) -> None:
        pass


@pytest.mark.parametrize("status", [200, 404])
def test_an_address_that_is_no_roma_server(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_NoRoma, "status", status)
    with HTTPServer(("127.0.0.1", 0), _NoRoma) as site:
        thread = Thread(target=site.serve_forever, args=(0.01,))
        thread.start()
        try:
            url = f"http://127.0.0.1:{site.server_port}"
            with pytest.raises(RomaError, match=rf"{url} is no ROMA server: .* Give the address that"):
                find_or_start(FeedOptions(url))
        finally:
            site.shutdown()
            thread.join()


def test_what_hinders_it_is_said_in_one_sentence(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = server.url.rpartition(":")[2]
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    token = tmp_path / "token"
    token.write_text("two words")
    for arguments, says in [
        (["--port", taken], f"Port {taken} of 127.0.0.1 is taken: choose another"),
        (["--port", "70000"], "--port must be between 0"),
        (
            ["--host", "0.0.0.0"],
            "reachable from other machines and there is no token: give one with --token-file",
        ),
        (["--idle", "0"], "--idle must be a number of seconds above 0"),
        (["--token-file", "/no/such"], "the token file /no/such cannot be read"),
        (["--token-file", str(token)], "choose another"),
        (["--record", str(in_the_way)], str(in_the_way)),
    ]:
        assert cli.main(["relay", server.url, "--idle", "1", *arguments]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert re.fullmatch(r"roma-widget: [^\n]+\n", err), err
        assert says in err
    with Server(token=SECRET) as wants_a_token:
        assert cli.main(["relay", wants_a_token.url]) == 2
    assert "--server-token-file" in capsys.readouterr().err
    assert cli.main(["relay", "nonsense"]) == 2
    assert "has no scheme" in capsys.readouterr().err
    assert cli.main(["relay"]) == 2
    assert "say of which server" in capsys.readouterr().err
