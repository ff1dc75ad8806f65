"""The store: what was saved is there again, a batch is whole or not there at all, and nothing else is touched."""

from __future__ import annotations

import gc
import json
import os
import random
import select
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import roma_widget
from roma_widget.errors import RomaError
from roma_widget.server.state.store import Batch, Store, StoreError
from roma_widget.server.state.store_file import APPLICATION_ID, FILE_NAME

DEADLINE_S = 20.0
KILLS = 50
POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="signals, modes and forks")
PACKAGE_PARENT = str(Path(roma_widget.__file__).parents[1])

ODD_IDS = [
    "../../outside",
    "/etc/passwd",
    "..",
    "",
    "a\\b\\..",
    "nul\0inside",
    "nul\0other",
    "\ud83d lone",
    "\udc80",
    "\ud83d\ude00",  # two lone surrogates, not the emoji
    "😀",
    "'; DROP TABLE nodes; --",
    "x" * 100_000,
    "x" * 99_999 + "y",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    store = Store(folder)
    yield store
    store.close()


def _python(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A child that has imported nothing but what its script names; it says `ready` and the like on stdout."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", script, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,  # `communicate` does not see what a buffered `readline` has read ahead
        env={**os.environ, "PYTHONPATH": PACKAGE_PARENT},
    )


def _said(script: str, *arguments: str) -> str:
    child = _python(script, *arguments)
    output, _ = child.communicate(timeout=DEADLINE_S)
    return output.decode().strip()


def _everything(store: Store) -> dict[str, object]:
    projects = store.projects()
    return {
        "projects": projects,
        "current": store.current_id(),
        "nodes": {each: store.nodes(each) for each in projects},
        "traces": {
            each: {node: store.trace(each, node) for node in store.traces_of(each)} for each in projects
        },
        "prompts": store.prompts(),
    }


def _numbered(counter: int, size: int = 3000) -> bytes:
    return json.dumps({"counter": counter, "text": "x" * size}).encode()


# --- what was saved is there again ---------------------------------------------------------------------------------


def test_a_batch_is_there_after_reopening(folder: Path) -> None:
    store = Store(folder)
    store.save(
        Batch(
            projects={"p": b"1", "q": b"2"},
            nodes={("p", "root"): b"3", ("p", "root.1"): b"4", ("q", "root"): b"5"},
            traces={("p", "root"): b"6"},
            prompts={"r": b"7"},
            current_id="q",
        )
    )
    saved = _everything(store)
    store.close()
    again = Store(str(folder))
    assert _everything(again) == saved
    assert saved == {
        "projects": {"p": b"1", "q": b"2"},
        "current": "q",
        "nodes": {"p": {"root": b"3", "root.1": b"4"}, "q": {"root": b"5"}},
        "traces": {"p": {"root": b"6"}, "q": {}},
        "prompts": {"r": b"7"},
    }
    again.close()


def test_a_new_store_is_empty(store: Store) -> None:
    assert (store.projects(), store.prompts(), store.current_id()) == ({}, {}, None)
    assert (store.nodes("p"), store.traces_of("p"), store.trace("p", "root")) == ({}, [], None)


def test_rows_keep_their_place_when_they_are_updated(store: Store) -> None:
    order = ["root.10", "root", "root.9", "a", "z"]
    store.save(
        Batch(
            projects=dict.fromkeys(order, b"1"),
            nodes={("p", each): b"1" for each in order},
            traces={("p", each): b"1" for each in order},
            prompts=dict.fromkeys(order, b"1"),
        )
    )
    store.save(Batch(nodes={("p", "a"): b"2", ("p", "root.10"): b"2"}, traces={("p", "z"): b"2"}))
    store.save(Batch(projects={"z": b"2"}, prompts={"z": b"2"}, nodes={("p", "b"): b"1"}))
    assert list(store.nodes("p")) == [*order, "b"]
    assert store.nodes("p")["a"] == b"2"
    assert list(store.projects()) == store.traces_of("p") == list(store.prompts()) == order


def test_clearing_comes_before_what_is_new(store: Store) -> None:
    store.save(Batch(nodes={("p", "a"): b"1", ("p", "b"): b"1", ("q", "a"): b"1"}, traces={("p", "a"): b"1"}))
    store.save(Batch(cleared_nodes={"p"}, nodes={("p", "b"): b"2", ("p", "a"): b"2"}))
    assert list(store.nodes("p").items()) == [("b", b"2"), ("a", b"2")]
    assert store.traces_of("p") == ["a"]
    store.save(Batch(cleared_traces={"p"}, traces={("p", "c"): b"1"}))
    assert store.traces_of("p") == ["c"]
    assert store.nodes("q") == {"a": b"1"}


def test_a_deleted_project_leaves_nothing(store: Store) -> None:
    for project in "p", "q":
        store.save(
            Batch(
                projects={project: b"1"},
                nodes={(project, "root"): b"1"},
                traces={(project, "root"): b"1"},
                current_id=project,
            )
        )
    store.save(Batch(deleted_projects={"q"}))
    assert (list(store.projects()), store.nodes("q"), store.traces_of("q")) == (["p"], {}, [])
    assert store.current_id() is None
    assert (store.nodes("p"), store.traces_of("p")) == ({"root": b"1"}, ["root"])
    store.save(Batch(deleted_projects={"p"}, projects={"p": b"2"}, current_id="p"))  # made again
    assert (store.projects(), store.nodes("p"), store.current_id()) == ({"p": b"2"}, {}, "p")


def test_none_removes_a_node_and_a_prompt_and_keeps_the_current_project(store: Store) -> None:
    store.save(Batch(nodes={("p", "a"): b"1", ("p", "b"): b"1"}, prompts={"r": b"1"}, current_id="p"))
    store.save(Batch(nodes={("p", "a"): None, ("p", "never"): None}, prompts={"r": None}))
    assert (store.nodes("p"), store.prompts(), store.current_id()) == ({"b": b"1"}, {}, "p")


def test_odd_ids_are_ids_and_never_paths(tmp_path: Path) -> None:
    store = Store(tmp_path / "deep" / "data")
    above = sorted(tmp_path.rglob("*"))
    store.save(
        Batch(
            projects={each: _numbered(i) for i, each in enumerate(ODD_IDS)},
            nodes={(each, other): b"1" for each in ODD_IDS for other in ODD_IDS[-3:]},
            traces={(each, each): _numbered(i) for i, each in enumerate(ODD_IDS)},
            prompts=dict.fromkeys(ODD_IDS, b"1"),
            current_id=ODD_IDS[7],
        )
    )
    saved = _everything(store)
    assert sorted(tmp_path.rglob("*")) == above
    store.close()
    store = Store(tmp_path / "deep" / "data")
    assert _everything(store) == saved
    assert list(store.projects()) == list(store.prompts()) == ODD_IDS
    assert [json.loads(store.trace(each, each) or b"")["counter"] for each in ODD_IDS] == [
        *range(len(ODD_IDS))
    ]
    assert store.current_id() == ODD_IDS[7]
    store.save(Batch(deleted_projects=set(ODD_IDS)))
    assert (store.projects(), store.nodes(ODD_IDS[0])) == ({}, {})
    store.close()
    assert {path.name for path in tmp_path.rglob("*")} == {"deep", "data", FILE_NAME}


def test_many_threads_save_and_read_at_once(store: Store) -> None:
    def work(name: str) -> None:
        try:
            for counter in range(20):
                store.save(
                    Batch(projects={name: _numbered(counter)}, nodes={(name, "root"): _numbered(counter)})
                )
                assert store.nodes(name) == {"root": store.projects()[name]}
        except Exception as error:
            failures.append(error)

    failures: list[Exception] = []
    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert not failures
    assert list(store.projects().values()) == [_numbered(19)] * 6


# --- the folder and the file ---------------------------------------------------------------------------------------


@POSIX_ONLY
def test_what_is_made_is_for_the_user_alone(tmp_path: Path) -> None:
    folder = tmp_path / "with space ? # %41 é" / "data"
    store = Store(folder)
    store.save(Batch(projects={"p": b"1"}))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        FILE_NAME: 0o600,
        FILE_NAME + "-journal": 0o600,
    }
    store.close()
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    store = Store("~/data")
    assert store.path == tmp_path / "data" / FILE_NAME
    store.close()


def test_a_folder_that_cannot_be_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "taken" / FILE_NAME).mkdir(parents=True)
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "a\0b", tmp_path / "taken"):
        with pytest.raises(StoreError, match="data_dir") as caught:
            Store(folder)
        assert repr(str(folder))[1:-1] in str(caught.value)
        assert str(caught.value).count("\n") == 0
    assert (tmp_path / "file").read_text() == "mine"
    assert issubclass(StoreError, RomaError)


UNPRIVILEGED = """
import os, sys
from roma_widget.server.state.store import Store, StoreError
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write everywhere
for folder in sys.argv[1:]:
    try:
        Store(folder).close()
        print("opened")
    except StoreError as error:
        print("refused" if "writ" in str(error) or "Permission" in str(error) else error)
"""


@POSIX_ONLY
def test_an_unwritable_folder_or_file_is_said_at_start() -> None:
    with tempfile.TemporaryDirectory() as base:  # not tmp_path, which only its owner may enter
        os.chmod(base, 0o755)
        cases = [Path(base, name) for name in ("folder", "file", "fine")]
        for case in cases:
            case.mkdir(mode=0o777)
            Store(case).close()
            os.chmod(case, 0o777)
            os.chmod(case / FILE_NAME, 0o666)
        os.chmod(cases[0], 0o555)  # the journal cannot be made
        os.chmod(cases[1] / FILE_NAME, 0o444)
        below = cases[0] / "new"
        assert _said(UNPRIVILEGED, *map(str, cases), str(below)).split() == [
            "refused",
            "refused",
            "opened",
            "refused",
        ]


def test_without_a_folder_it_is_temporary() -> None:
    store = Store(None)
    store.save(Batch(projects={"p": b"1"}))
    assert store.projects() == {"p": b"1"}
    folder = store.folder
    assert folder.parent == Path(tempfile.gettempdir())
    store.close()
    assert not folder.exists()
    forgotten = Store(None).folder
    gc.collect()
    assert not forgotten.exists()


def test_a_temporary_folder_goes_with_the_interpreter() -> None:
    script = "from roma_widget.server.state.store import Store; keep = Store(None); print(keep.folder)"
    folder = Path(_said(script))
    assert folder.name.startswith("roma-widget-")
    assert not folder.exists()


def test_a_closed_store_says_so(folder: Path) -> None:
    store = Store(folder)
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.save(Batch()),
        store.projects,
        store.current_id,
        store.prompts,
        lambda: store.nodes("p"),
        lambda: store.trace("p", "root"),
        lambda: store.traces_of("p"),
    ]
    for call in calls:
        with pytest.raises(StoreError, match="the store is closed"):
            call()


def test_opening_imports_nothing_heavy() -> None:
    heavy = "{'pandas', 'aiohttp', 'plotly', 'msgspec'}"
    script = f"import sys, roma_widget.server.state.store; print({heavy} & {{*sys.modules}})"
    assert _said(script) == "set()"


# --- one server at a time ------------------------------------------------------------------------------------------

HOLDER = """
import sys
from roma_widget.server.state.store import Store, StoreError
try:
    store = Store(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.read()
except StoreError as error:
    print("refused" if "another server" in str(error) else error)
"""


def test_a_second_server_is_refused_and_the_first_not_disturbed(store: Store, folder: Path) -> None:
    store.save(Batch(projects={"p": b"1"}))
    for _ in range(2):  # a refusal must not loosen the lock
        with pytest.raises(StoreError, match="another server"):
            Store(folder)
        assert _said(HOLDER, str(folder)) == "refused"
    store.save(Batch(projects={"p": b"2"}))
    assert store.projects() == {"p": b"2"}
    store.close()
    again = Store(folder)
    assert again.projects() == {"p": b"2"}
    again.close()


def test_of_several_that_start_at_once_one_gets_in(folder: Path) -> None:
    children = [_python(HOLDER, str(folder)) for _ in range(4)]
    said = []
    for child in children:
        assert child.stdout is not None
        said.append(child.stdout.readline().strip())
    for child in children:
        child.communicate(timeout=DEADLINE_S)
    assert sorted(said) == [b"ready", b"refused", b"refused", b"refused"]


@POSIX_ONLY
def test_the_lock_ends_with_a_killed_process(folder: Path) -> None:
    child = _python(HOLDER, str(folder))
    assert child.stdout is not None
    assert child.stdout.readline() == b"ready\n"
    with pytest.raises(StoreError, match="another server"):
        Store(folder)
    child.kill()
    child.communicate(timeout=DEADLINE_S)
    Store(folder).close()


FORKING = """
import gc, os, sys
from roma_widget.server.state.store import Batch, Store, StoreError
store = Store(sys.argv[1] or None)
store.save(Batch(projects={"p": b"1"}))
pid = os.fork()
if pid == 0:
    try:
        store.projects()
    except StoreError as error:
        print("a fork" if "fork" in str(error) else error, flush=True)
    store.close()
    del store
    gc.collect()
    sys.exit()  # with everything that runs at exit
os.waitpid(pid, 0)
store.save(Batch(projects={"p": b"2"}))
print(store.projects()["p"].decode(), os.path.exists(str(store.path) + "-journal"))
"""


@POSIX_ONLY
@pytest.mark.parametrize("private", [True, False])
def test_a_fork_leaves_the_store_to_its_owner(folder: Path, private: bool) -> None:
    assert _said(FORKING, "" if private else str(folder)).split("\n") == ["a fork", "2 True"]


# --- files that are not ours, damaged or newer ---------------------------------------------------------------------


def _foreign(path: Path) -> None:
    """Somebody's database whose last changes still stand in its write-ahead log."""
    origin = path.with_name("origin")
    connection = sqlite3.connect(origin)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE mine (x)")
    connection.commit()
    for ending in "", "-wal":
        path.with_name(path.name + ending).write_bytes(origin.with_name("origin" + ending).read_bytes())
    connection.close()
    origin.unlink()


def _altered(path: Path, statement: str) -> None:
    Store(path.parent).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(statement)
    connection.close()


WRONG_FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("my notes"), "move it away"),
    "long text": (lambda path: path.write_text("my notes\n" * 9999), "move it away"),
    "zeros": (lambda path: path.write_bytes(bytes(8192)), "move it away"),
    "foreign": (_foreign, "not a file of a roma-widget server: move it away"),
    "newer": (lambda path: _altered(path, "PRAGMA user_version = 2"), "newer.*update roma-widget"),
    "no version": (lambda path: _altered(path, "PRAGMA user_version = 0"), "damaged.*move it away"),
    "no table": (lambda path: _altered(path, "DROP TABLE traces"), "damaged.*move it away"),
    "no state": (lambda path: _altered(path, "DELETE FROM state"), "damaged.*move it away"),
    "other application": (lambda path: _altered(path, "PRAGMA application_id = 7"), "move it away"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file_is_named_and_left_alone(folder: Path, case: str) -> None:
    folder.mkdir()
    path = folder / FILE_NAME
    make, message = WRONG_FILES[case]
    make(path)
    before = {each.name: each.read_bytes() for each in folder.iterdir()}
    with pytest.raises(StoreError, match=message) as caught:
        Store(folder)
    assert str(path) in str(caught.value)
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == before
    folder.rename(folder.with_name("away"))
    Store(folder).close()  # what the message advises


def test_the_file_says_whose_it_is(folder: Path) -> None:
    Store(folder).close()
    header = (folder / FILE_NAME).read_bytes()[:100]
    assert int.from_bytes(header[68:72]) == APPLICATION_ID == int.from_bytes(b"ROMA")


def test_an_empty_file_is_a_start_that_was_killed(folder: Path) -> None:
    folder.mkdir()
    (folder / FILE_NAME).touch()
    store = Store(folder)
    store.save(Batch(projects={"p": b"1"}))
    store.close()


@pytest.mark.parametrize("seed", range(4))
def test_damage_anywhere_is_an_error_or_nothing_but_never_a_wrong_value(folder: Path, seed: int) -> None:
    store = Store(folder)
    store.save(
        Batch(
            projects={f"p{i}": _numbered(i) for i in range(20)},
            nodes={(f"p{i}", "root"): _numbered(i, 9000) for i in range(20)},
            traces={(f"p{i}", "root"): _numbered(i, 9000) for i in range(20)},
            prompts={"r": _numbered(0)},
        )
    )
    saved = _everything(store)
    store.close()
    path = folder / FILE_NAME
    whole = path.read_bytes()
    dice = random.Random(seed)
    said = 0
    for _ in range(40):
        damaged = bytearray(whole)
        start = dice.randrange(1, len(whole))
        damaged[start : start + 64] = dice.randbytes(min(64, len(whole) - start))
        path.write_bytes(damaged if dice.random() < 0.8 else whole[:start])
        try:
            store = Store(folder)
        except StoreError:
            said += 1
            path.with_name(FILE_NAME + "-journal").unlink(missing_ok=True)
            continue
        try:
            assert _everything(store) == saved
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017 - some damage hits free space
            said += 1
        finally:
            store.close()
    assert said > 20


def test_pages_that_do_not_fit_until_the_journal_is_played_are_no_damage(folder: Path) -> None:
    store = Store(folder)
    store.save(Batch(projects={"p": b"1"}))
    store.close()
    writer = sqlite3.connect(folder / FILE_NAME, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")  # so that what is not committed is in the file and the journal
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("PRAGMA user_version = 7")  # on the first page, which the journal has from here on
    writer.execute("UPDATE projects SET value = x'32'")
    for number in range(1_000):
        writer.execute("INSERT INTO prompts VALUES (?, ?, zeroblob(1000), 0)", (number, b"%d" % number))
    killed = folder.with_name("killed")
    shutil.copytree(folder, killed)
    writer.close()
    with (killed / FILE_NAME).open("r+b") as torn:  # the first page came to the disk, the last ones did not
        header = torn.read(100)
        torn.seek(28)
        torn.write((10_000).to_bytes(4, "big"))
        torn.seek(92)
        torn.write(header[24:28])
    assert (killed / f"{FILE_NAME}-journal").stat().st_size
    again = Store(killed)
    assert again.projects() == {"p": b"1"}
    again.close()


def test_one_damaged_row_leaves_the_others_readable(folder: Path) -> None:
    store = Store(folder)
    store.save(Batch(nodes={("p", "root"): _numbered(1, 9000), ("q", "root"): _numbered(2)}))
    store.close()
    path = folder / FILE_NAME
    content = path.read_bytes()
    middle = content.index(b"x" * 4000) + 2000  # inside a value, where SQLite itself does not look
    path.write_bytes(content[:middle] + b"y" + content[middle + 1 :])
    store = Store(folder)
    with pytest.raises(StoreError, match=r"damaged.*nodes.*move it away"):
        store.nodes("p")
    assert store.nodes("q") == {"root": _numbered(2)}
    store.save(Batch(nodes={("p", "root"): b"1"}))
    assert store.nodes("p") == {"root": b"1"}
    store.close()


# --- a full disk ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["pages", "file size"])
def fill(request: pytest.FixtureRequest, store: Store) -> Iterator[Callable[[bool], None]]:
    """`fill(True)`: the file may not grow. Once by SQLite's own limit, once by the operating system's."""

    def pages(full: bool) -> None:
        # the connection is the store's own affair; there is no gentler way to fill a disk without one
        store._connection.execute(f"PRAGMA max_page_count = {1 if full else 1_000_000}")

    def file_size(full: bool) -> None:
        resource = pytest.importorskip("resource")
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        soft = store.path.stat().st_size if full else hard
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    chosen = pages if request.param == "pages" else file_size
    yield chosen
    chosen(False)


def test_a_full_disk_stores_nothing_of_the_batch_and_later_all(
    store: Store, fill: Callable[[bool], None]
) -> None:
    store.save(
        Batch(projects={"p": b"1"}, nodes={("p", str(i)): _numbered(i) for i in range(50)}, current_id="p")
    )
    saved = _everything(store)
    big = Batch(
        projects={"p": b"2", "q": b"2"},
        nodes={("p", str(i)): _numbered(-i, 9000) for i in range(50)},
        traces={("q", "root"): _numbered(0, 100_000)},
        current_id="q",
        cleared_nodes={"p"},
    )
    for _ in range(2):
        fill(True)
        with pytest.raises(StoreError, match=r"Cannot save to .*(disk is full|disk I/O error).*nothing"):
            store.save(big)
        assert _everything(store) == saved
        fill(False)
    store.save(big)
    assert store.projects() == {"p": b"2", "q": b"2"}
    assert store.nodes("p")["49"] == _numbered(-49, 9000)


def test_a_disk_that_is_full_at_the_start_is_said(folder: Path) -> None:
    script = """
import resource, sys
from roma_widget.server.state.store import Store, StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    Store(sys.argv[1])
    print("opened")
except StoreError as error:
    print(error)
"""
    pytest.importorskip("resource")
    for _ in range(2):  # first a folder without a file, then with one
        for size in 0, 4000:
            said = _said(script, str(folder), str(size))
            assert said.startswith(f"Cannot open {folder / FILE_NAME}")
            assert "data_dir" in said
        Store(folder).close()
    assert _said(script, str(folder), "1000000") == "opened"


def test_an_error_in_the_middle_leaves_nothing_behind(store: Store) -> None:
    store.save(Batch(projects={"p": b"1"}))
    with pytest.raises(TypeError):
        store.save(Batch(projects={"p": b"2"}, nodes={("p", "root"): "text"}))  # type: ignore[dict-item]
    assert store.projects() == {"p": b"1"}
    store.save(Batch(projects={"p": b"3"}))
    assert store.projects() == {"p": b"3"}


@POSIX_ONLY
def test_a_file_that_was_taken_away_is_no_silent_loss(store: Store, tmp_path: Path) -> None:
    store.save(Batch(projects={"p": b"1"}))
    store.path.rename(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="moved or removed"):
        store.save(Batch(projects={"p": b"2"}))
    store.path.touch()
    with pytest.raises(StoreError, match="moved or removed"):
        store.save(Batch(projects={"p": b"2"}))


# --- SIGKILL -------------------------------------------------------------------------------------------------------

NODES = [f"root.{i}" for i in range(12)]
WRITER = """
import json, random, sys
from roma_widget.server.state.store import Batch, Store
store = Store(sys.argv[1])
last = store.projects().get("p")
counter = json.loads(last)["counter"] if last else 0
nodes = [f"root.{i}" for i in range(12)]
while True:
    counter += 1
    value = json.dumps({"counter": counter, "text": "x" * random.randrange(100, 20_000)}).encode()
    store.save(Batch(
        projects={"p": value},
        nodes={("p", node): value for node in nodes},
        traces={("p", "root"): value, ("p", f"root.{counter % 3}"): value},
        prompts={"r": value},
        cleared_nodes={"p"} if counter % 5 == 0 else set(),
        current_id=f"at {counter}",
    ))
    sys.stdout.write(f"{counter}\\n")
    sys.stdout.flush()
"""


def _run_and_kill(folder: Path, dice: random.Random) -> tuple[int, bool]:
    """The last counter the child acknowledged (0: none), and whether a transaction was under way."""
    child = _python(WRITER, str(folder))
    assert child.stdout is not None
    first = b""
    if dice.random() < 0.8:  # else also while it starts, opens and recovers
        first = child.stdout.readline()
    select.select([], [], [], dice.uniform(0, 0.12))  # the moment, by chance; nothing is waited for
    child.send_signal(signal.SIGKILL)
    rest, _ = child.communicate(timeout=DEADLINE_S)
    assert child.returncode == -signal.SIGKILL
    acknowledged = (first + rest).rpartition(b"\n")[0].split()
    journal = folder / (FILE_NAME + "-journal")
    hot = journal.exists() and journal.read_bytes()[:8].strip(b"\0") != b""
    return int(acknowledged[-1]) if acknowledged else 0, hot


@POSIX_ONLY
def test_killed_at_any_moment_it_holds_whole_batches_and_all_that_were_acknowledged(folder: Path) -> None:
    dice = random.Random(4)
    acknowledged = in_the_middle = 0
    for _ in range(KILLS):
        counter, hot = _run_and_kill(folder, dice)
        acknowledged = max(acknowledged, counter)
        in_the_middle += hot
        store = Store(folder)
        saved = json.loads(store.projects().get("p", b'{"counter": 0}'))["counter"]
        assert saved in (acknowledged, acknowledged + 1)
        if saved:
            nodes = store.nodes("p")
            assert list(nodes) == NODES
            last_trace = store.trace("p", f"root.{saved % 3}")
            values = [*nodes.values(), store.trace("p", "root"), last_trace, store.prompts()["r"]]
            assert {json.loads(value or b"")["counter"] for value in values} == {saved}
            assert store.current_id() == f"at {saved}"
            assert all(json.loads(store.trace("p", node) or b"") for node in store.traces_of("p"))
        acknowledged = saved  # the next child continues from what is there
        store.close()
    assert acknowledged > KILLS
    assert in_the_middle > 0, "no kill came while a batch was being written: the test tested nothing"
    assert sorted(os.listdir(folder.parent)) == ["data"]
    assert os.listdir(folder) == [FILE_NAME]
