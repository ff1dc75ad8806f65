"""Runtime files that no relay of this user wrote: told in one sentence, never trusted, never overwritten if foreign."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from roma_widget import cli
from roma_widget.client.feed import FeedOptions
from roma_widget.errors import RomaError
from roma_widget.local_relays import private
from roma_widget.local_relays.claim import AlreadyRuns, Claim
from roma_widget.local_relays.entry import Found, entry_text
from roma_widget.local_relays.finding import find, listed, look, stop
from roma_widget.local_relays.lock import Lock, is_held
from roma_widget.local_relays.place import Place, machine, place_of, runtime_folder

OF = "http://127.0.0.1:5000"
OPTIONS = FeedOptions(OF)
NOBODY = 65534


@pytest.fixture
def place() -> Place:
    return place_of(OPTIONS)


@pytest.fixture
def lives(place: Place) -> Iterator[None]:
    """Some process holds the place's lock."""
    lock = Lock(place.lock)
    assert lock.take()
    yield
    lock.let_go()


def entry(place: Place, **changes: object) -> bytes:
    found = Found(
        url="http://127.0.0.1:4321",
        token="t" * 43,
        pid=4321,
        of=OF,
        started_at="2026-01-01T00:00:00+00:00",
        machine=machine(),
        place=place,
    )
    return json.dumps({**json.loads(entry_text(found)), **changes}).encode()


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


GARBAGE = [
    (b"", "it is no JSON"),
    (b"\xff\x00{", "it is no JSON"),
    (b"[" * 60_000, "it is no JSON"),
    (b"[]", "it is no JSON object"),
    ({"version": 2}, "is of another version of roma-widget"),
    ({"version": True}, "is of another version of roma-widget"),
    ({"url": 5}, "url is no text"),
    ({"url": "file:///etc/passwd"}, "no server's address"),
    ({"of": "http://a b"}, "no server's address"),
    ({"token": "two\r\nHost: lines"}, "token is none"),
    ({"token": ""}, "token is none"),
    ({"pid": 1}, "pid is no process"),
    ({"pid": -1}, "pid is no process"),
    ({"pid": 10**30}, "pid is no process"),
    ({"pid": True}, "pid is no process"),
    ({"record": 1}, "record is no text"),
    (b" " * (64 * 1024 + 1), "larger than 64 kB"),
]


@pytest.mark.usefixtures("lives")
@pytest.mark.parametrize(("content", "says"), GARBAGE)
def test_garbage_of_a_living_relay_is_told(
    place: Place, content: bytes | dict[str, object], says: str
) -> None:
    write(place.entry, content if isinstance(content, bytes) else entry(place, **content))
    with pytest.raises(RomaError) as told:
        find(OPTIONS)
    assert re.fullmatch(r"[^\n]+ delete (it and try again|the file)\.", str(told.value))
    assert says in str(told.value)
    assert str(place.entry) in str(told.value)
    assert listed() == []


def test_garbage_where_none_lives_is_told_by_list_and_replaced_by_the_next(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place.entry, b"garbage")
    assert find(OPTIONS) is None
    assert cli.main(["relay", "--list"]) == 0
    assert re.fullmatch(r"roma-widget: [^\n]+ delete it and try again\.\n", capsys.readouterr().err)
    claim = Claim(place)
    claim.take(0)
    assert not place.entry.exists()
    claim.let_go()


@pytest.mark.usefixtures("lives")
def test_what_is_right_is_found(place: Place) -> None:
    write(place.entry, entry(place))
    found = find(OPTIONS)
    assert found is not None
    assert (found.url, found.pid, found.of) == ("http://127.0.0.1:4321", 4321, OF)
    assert listed() == [found]
    with pytest.raises(AlreadyRuns, match="process 4321"):
        Claim(place).take(0)


@pytest.mark.usefixtures("lives")
def test_a_relay_of_another_machine_in_a_shared_home_is_none_of_ours(place: Place) -> None:
    write(place.entry, entry(place, machine="elsewhere"))
    assert find(OPTIONS) is None
    assert look() == ([], [])
    assert place.entry.exists()


@pytest.mark.usefixtures("lives")
def test_a_process_that_is_another_by_now_is_not_ended(place: Place) -> None:
    write(place.entry, entry(place, pid=os.getpid(), boot="12"))
    (found,) = listed()
    with pytest.raises(RomaError, match=f"Process {os.getpid()} is not the relay"):
        stop(found)


def test_stop_forgets_what_a_killed_relay_was_told_and_list_does_not(place: Place) -> None:
    write(place.entry, entry(place))
    write(place.lock, b"")
    assert look() == ([], [])
    assert place.entry.exists()
    assert cli.main(["relay", "--stop"]) == 2
    assert not place.entry.exists()
    assert not place.lock.exists()


def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


def _foreign(path: Path) -> None:
    write(path, b"{}")
    os.chown(path, NOBODY, NOBODY)


def _foreign_by_word(path: Path) -> None:
    write(path, b"{}")


def _writable(path: Path) -> None:
    write(path, b"{}", 0o666)


def _folder(path: Path) -> None:
    path.mkdir()


def _foreign_folder(path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    path.mkdir()
    os.chown(path, NOBODY, NOBODY)


def _pipe(path: Path) -> None:
    os.mkfifo(path, 0o600)


@pytest.mark.parametrize("of_lock", [False, True], ids=["entry", "lock"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_link, "is a link, which no relay makes: delete it"),
        (_foreign, "belongs to another user"),
        (_writable, "is open to other users of this machine"),
        (_folder, "JUPYTER_RUNTIME_DIR|is no file"),
        (_pipe, "is no file, as a relay writes it: delete it"),
    ],
)
def test_a_file_that_is_not_ours_alone_is_told_and_stays(
    make: Callable[[Path], None],
    says: str,
    *,
    of_lock: bool,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if make is _foreign and os.geteuid() != 0:  # the same, seen from the other side
        make = _foreign_by_word
        own = os.geteuid()
        monkeypatch.setattr(private.os, "geteuid", lambda: own + 1)
    path = place.lock if of_lock else place.entry
    make(path)
    before = path.lstat()
    assert cli.main(["relay", OF, "--idle", "1"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"roma-widget: [^\n]+\n", err)
    assert re.search(says, err)
    assert str(path) in err
    after = path.lstat()
    assert (after.st_ino, after.st_mode, after.st_uid) == (before.st_ino, before.st_mode, before.st_uid)


@pytest.mark.usefixtures("lives")
def test_what_others_could_read_is_not_trusted(place: Place) -> None:
    write(place.entry, entry(place), 0o644)
    with pytest.raises(RomaError, match="is open to other users of this machine"):
        find(OPTIONS)


def test_a_runtime_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "file" / "runtime"))
    assert cli.main(["relay", OF]) == 2
    assert "set JUPYTER_RUNTIME_DIR to a folder of yours" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_link, "is a link"),
        (lambda path: path.mkdir(mode=0o777), "is open to other users"),
        (_foreign_folder, "belongs to another user"),
    ],
)
def test_questions_are_written_to_no_folder_that_others_made(
    make: Callable[[Path], None], says: str, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    make(place.questions)
    assert cli.main(["relay", OF, "--idle", "1"]) == 2
    assert says in capsys.readouterr().err
    assert not is_held(place.lock)


def test_two_who_look_do_not_take_each_other_for_a_relay(place: Place) -> None:
    write(place.lock, b"")
    with open(place.lock) as other:
        import fcntl

        fcntl.flock(other, fcntl.LOCK_SH)
        assert not is_held(place.lock)


def test_the_folder_is_jupyters_also_without_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jupyter_core.paths", None)
    assert runtime_folder() == Path(os.environ["JUPYTER_RUNTIME_DIR"])
    monkeypatch.delenv("JUPYTER_RUNTIME_DIR")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "runtime"


def test_looking_for_relays_needs_no_socket_library() -> None:
    """`roma-widget relay --list` is quick, and so is the process that comes too late to be the relay."""
    heavy = "{'aiohttp', 'socketio', 'ipywidgets', 'pandas'}"
    code = f"import sys, roma_widget.relay.detached, roma_widget.relay.command; print({heavy} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"
