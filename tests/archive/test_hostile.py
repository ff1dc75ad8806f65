"""Files that are damaged, cut short, another program's, or made to harm: each loads and is read, or is refused in a
sentence that names it; none hangs, fills the memory or raises anything else.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import sqlite3
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from archive.runs import journal_is_hot, saved, spill, tree, writer
from archive.spoiling import read_all, spoiled

from roma_widget.archive.format import LARGEST_BODY, pack
from roma_widget.archive.reading import ArchiveReader
from roma_widget.archive.saved import open_run
from roma_widget.archive.versions import record_of
from roma_widget.errors import ArchiveError

LONGEST_S = 10.0
MOST_MEMORY = 600 * 2**20


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("original") / "run.roma", n_steps=30)


def assert_reads_or_refuses(path: Path, again: Path | None = None) -> str | None:
    began_s = time.monotonic()
    said = read_all(path, again=again)
    assert time.monotonic() - began_s < LONGEST_S
    assert said is None or (path.name in said and "\n" not in said and said.endswith("."))
    return said


def spoil(seeds: range, original: Path, folder: Path) -> int:
    """How many could be read. A seed that fails is in the path of the traceback's file."""
    n_read = 0
    for seed in seeds:
        path = spoiled(seed, original, folder)
        n_read += assert_reads_or_refuses(path, folder / "again.roma" if seed % 10 == 0 else None) is None
        path.unlink()
    return n_read


def test_a_file_is_only_read_even_where_its_journal_has_to_be_played_back(original: Path) -> None:
    with ArchiveReader(original) as reader, closing(reader._connected(original, "rw")) as db:
        for change in ("DELETE FROM meta", "CREATE TABLE more (a)", "PRAGMA user_version = 7"):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                db.execute(change)


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (f"SELECT zeroblob({LARGEST_BODY + 1})", "too big"),
        ("ATTACH ':memory:' AS other", "too many attached"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000000) SELECT max(i) FROM n",
            "interrupted",
        ),
    ],
    ids=["size", "other files", "time"],
)
def test_a_question_to_a_file_has_its_limits(original: Path, question: str, why: str) -> None:
    with ArchiveReader(original) as reader:
        reader._deadline_s = time.monotonic() + 0.05
        with pytest.raises(sqlite3.Error, match=why):
            reader._db.execute(question).fetchall()


def test_a_file_is_no_schema_to_be_trusted(original: Path) -> None:
    with ArchiveReader(original) as reader:
        asked = {
            name: reader._db.execute(f"PRAGMA {name}").fetchone()
            for name in ("trusted_schema", "cell_size_check", "mmap_size")
        }
    assert asked == {"trusted_schema": (0,), "cell_size_check": (1,), "mmap_size": (0,)}


@pytest.mark.parametrize("hundred", range(5))
def test_500_spoiled_files_are_read_or_refused(original: Path, tmp_path: Path, hundred: int) -> None:
    n_read = spoil(range(100 * hundred, 100 * hundred + 100), original, tmp_path)
    assert 0 < n_read < 90  # else they are spoiled too much, or too little


@pytest.mark.long
@pytest.mark.timeout(600)
def test_5_000_more(original: Path, tmp_path: Path) -> None:
    spoil(range(1_000, 6_000), original, tmp_path)


def test_a_file_cut_at_any_page_is_refused(original: Path, tmp_path: Path) -> None:
    whole = original.read_bytes()
    path = tmp_path / "cut.roma"
    for size in range(0, len(whole), 1024):
        path.write_bytes(whole[:size])
        assert assert_reads_or_refuses(path) is not None


# -- what is no file of ours at all


def _folder(path: Path) -> None:
    path.mkdir()


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _circle(path: Path) -> None:
    path.symlink_to(path.name)


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _empty(path: Path) -> None:
    path.touch()


def _text(path: Path) -> None:
    path.write_text("my notes " * 100)


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")


def _ours_by_name(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA application_id = 0x524F4D41")
        db.execute("PRAGMA user_version = 1")
        db.execute("CREATE TABLE notes (text)")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (_folder, "is no file"),
        (_pipe, "is no file"),
        (_circle, "cannot be read: "),
        (_device, "is no file"),
        (_empty, "it is empty"),
        (_text, "it is no saved run"),
        (_foreign, "it is an SQLite database, but no saved run"),
        (_ours_by_name, "its tables are not those of a saved run"),
    ],
)
def test_what_is_no_archive_is_told_so(tmp_path: Path, make: Callable[[Path], None], why: str) -> None:
    path = tmp_path / "run.roma"
    make(path)
    said = assert_reads_or_refuses(path)
    assert said is not None
    assert why in said
    if make is not _empty:  # which may be begun
        with pytest.raises(ArchiveError, match=r"run\.roma"):
            writer(path, append=True)


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    assert assert_reads_or_refuses(tmp_path / "none.roma") == f"There is no file {tmp_path / 'none.roma'}."


def header_changed(path: Path, at: int, value: bytes) -> Path:
    body = bytearray(path.read_bytes())
    body[at : at + len(value)] = value
    path.write_bytes(body)
    return path


@pytest.mark.parametrize(
    ("version", "why"),
    [
        (0, "ended before it began"),
        (2, "is of version 2.*install a newer one"),
        (2**31, "is of version 2147483648"),
    ],
)
def test_other_versions_are_told_apart(tmp_path: Path, version: int, why: str) -> None:
    path = header_changed(saved(tmp_path / "run.roma"), 60, version.to_bytes(4, "big"))
    with pytest.raises(ArchiveError, match=why):
        open_run(path)


def test_a_write_ahead_log_is_not_looked_at(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma")
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("UPDATE tasks SET goal = 'other'")
        db.commit()
    with pytest.raises(ArchiveError, match="kept in another way"):
        open_run(path)
    assert not path.with_name("run.roma-shm").exists()


def test_a_text_encoding_of_another_kind_is_read(tmp_path: Path, original: Path) -> None:
    path = tmp_path / "utf16.roma"
    with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(original)) as of:
        db.execute("PRAGMA encoding = 'UTF-16'")
        db.execute("PRAGMA page_size = 65536")
        db.executescript("\n".join(of.iterdump()))
        db.execute("PRAGMA application_id = 0x524F4D41")
        db.execute("PRAGMA user_version = 1")
    assert assert_reads_or_refuses(path) is None


# -- what lies beside


@pytest.mark.parametrize("ending", ["-journal", "-wal"])
def test_a_pipe_beside_the_file_is_not_waited_for(tmp_path: Path, ending: str) -> None:
    path = saved(tmp_path / "run.roma")
    os.mkfifo(f"{path}{ending}")
    with pytest.raises(ArchiveError, match=rf"run\.roma cannot be read: run\.roma{ending} is no file"):
        open_run(path)


@pytest.mark.parametrize("journal", [b"", bytes(2_000), random.Random(0).randbytes(5_000)])
def test_a_journal_of_nothing_does_no_harm(tmp_path: Path, journal: bytes) -> None:
    path = saved(tmp_path / "run.roma")
    Path(f"{path}-journal").write_bytes(journal)
    assert assert_reads_or_refuses(path) is None


def test_a_journal_of_another_file_is_refused_or_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "run.roma")
    journal = hot_journal(saved(tmp_path / "other.roma", n_steps=90))
    Path(f"{path}-journal").write_bytes(journal)
    assert_reads_or_refuses(path)


def hot_journal(path: Path) -> bytes:
    """What a writer leaves beside `path` that is killed in the middle of a commit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        spill(db)
        assert journal_is_hot(path)
        return Path(f"{path}-journal").read_bytes()


def test_a_journal_that_would_have_sqlite_delete_a_file_is_not_played_back(tmp_path: Path) -> None:
    """SQLite deletes the file that a journal names as the one of a greater transaction: any file."""
    victim = tmp_path / "thesis.txt"
    victim.write_text("years of work")
    path = saved(tmp_path / "run.roma")
    name = os.fsencode(victim)
    tail = (
        name + len(name).to_bytes(4, "big") + sum(name).to_bytes(4, "big") + bytes.fromhex("d9d505f920a163d7")
    )
    journal = hot_journal(path)
    page_number = (2**30 // 1024 + 1).to_bytes(4, "big")
    Path(f"{path}-journal").write_bytes(journal + page_number + tail)
    for use in (lambda: open_run(path), lambda: writer(path, append=True), lambda: saved(path)):
        with pytest.raises(ArchiveError, match=r"run\.roma-journal is no journal of a saved run"):
            use()
    assert victim.exists()


# -- bombs: small files that stand for much. Read in a child process, whose memory is measured.


def changed_by_sql(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    with closing(sqlite3.connect(path)) as db:
        for sql, values in statements:
            db.execute(sql, values)
        db.commit()


def keyframe(path: Path, body: bytes) -> None:
    changed_by_sql(
        path,
        ("DELETE FROM blocks", ()),
        ("INSERT INTO blocks SELECT project_id, 0, 0, 1, ? FROM projects", (pack(body, level=1),)),
        ("DELETE FROM steps WHERE seq > 0", ()),
    )


def array(n: int, of: bytes) -> bytes:
    return b"\xdd" + n.to_bytes(4, "big") + of * n


def record(**fields: Any) -> bytes:
    """A task as it is packed."""
    (task,) = tree(1, **fields).values()
    return msgspec.msgpack.encode(record_of(task))


def _nested(path: Path) -> None:
    keyframe(path, b"\x91" * 5_000_000)


def _a_million_tasks(path: Path) -> None:
    keyframe(path, array(1_000_000, record()))


def _links_without_end(path: Path) -> None:
    whole = msgspec.msgpack.decode(record())
    before = b"".join(map(msgspec.msgpack.encode, whole[:11]))
    after = b"".join(map(msgspec.msgpack.encode, whole[12:]))
    keyframe(path, b"\x91\xdc" + len(whole).to_bytes(2, "big") + before + array(20_000_000, b"\xa1x") + after)


def _wide_texts(path: Path) -> None:
    keyframe(
        path,
        msgspec.msgpack.encode([record_of(*tree(1, raw_json="x" * 60_000_000 + "\U0001f600").values())]),
    )


def _zeros(path: Path) -> None:
    changed_by_sql(path, ("UPDATE blocks SET body = ?", (pack(bytes(128 * 2**20), level=1),)))


def changes(path: Path, body: bytes) -> None:
    changed_by_sql(path, ("UPDATE blocks SET body = ? WHERE is_keyframe = 0", (pack(body, level=1),)))


def _many_steps_in_a_block(path: Path) -> None:
    changes(path, array(20_000_000, b"\x92\x00\x90"))


def _many_changes_in_a_step(path: Path) -> None:
    changes(path, b"\x91\x92\x02" + array(20_000_000, b"\x91\xa0"))


def _differences_that_grow(path: Path) -> None:
    """Each version of a task is of 8 MB, and takes 8 kB."""
    steps, before = [], b"{}"
    for number in range(1, 100):
        text = json.dumps({"n": number, "x": "x" * 8_000_000}).encode()
        deflate = zlib.compressobj(1, zdict=before[-32_768:])
        steps.append((number, [("t1", {21: (len(text), deflate.compress(text) + deflate.flush())})]))
        before = text
    changed_by_sql(
        path,
        ("DELETE FROM blocks WHERE first_seq > 0", ()),
        (
            "UPDATE blocks SET body = ?",
            (pack(msgspec.msgpack.encode([record_of(t) for t in tree(12).values()])),),
        ),
        (
            "INSERT INTO blocks SELECT project_id, 1, 99, 0, ? FROM projects",
            (pack(msgspec.msgpack.encode(steps)),),
        ),
    )


def _many_stages(path: Path) -> None:
    text = '{"node_id": "t0", "trace": {"trace_id": "t", "stages": [' + ",".join(["{}"] * 10_000) + "]}}"
    body = pack(text.encode())
    rows = [(f"t{number}", body) for number in range(2_000)]
    with closing(sqlite3.connect(path)) as db:
        for task_id, packed in rows:
            sql = "INSERT OR REPLACE INTO traces SELECT project_id, ?, ? FROM projects"
            db.execute(sql, (task_id, bytes(packed)))
        db.commit()


def _brackets_in_a_trace(path: Path) -> None:
    text = '{"node_id": "t0", "trace": {"stages": [{"tool_calls": [' + "[]," * 10_000_000 + "[]]}]}}"
    changed_by_sql(path, ("UPDATE traces SET body = ?", (pack(text.encode(), level=1),)))


def _brackets_in_meta(path: Path) -> None:
    changed_by_sql(path, ("INSERT INTO meta VALUES ('more', ?)", ("[" + "[]," * 5_000_000 + "[]]",)))


def _brackets_in_a_task(path: Path) -> None:
    """What a task was given is decoded from its JSON."""
    sources = '{"input_context_sources": [' + "[]," * 5_000_000 + "[]]}"
    tasks = tree(2, raw_json="{}")
    records = [list(record_of(task)) for task in tasks.values()]
    records[1][13], records[1][21] = ["t0"], sources
    keyframe(path, msgspec.msgpack.encode(records))


def _pages_that_stand_for_more(path: Path) -> None:
    """All children of a page are one page, whose children are one page, ...: 60 rows to the power of 6."""
    with closing(sqlite3.connect(path)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'events'").fetchone()
        db.executemany(
            "INSERT INTO events VALUES (?, 1.0, NULL, 'x', NULL, NULL, NULL, NULL)",
            [(n,) for n in range(5_000)],
        )
        db.commit()
    body = bytearray(path.read_bytes())
    begin = 1024 * (root - 1)
    inner = body[begin : begin + 1024]
    assert inner[0] == 5
    n_cells = int.from_bytes(inner[3:5], "big")
    cells = [int.from_bytes(inner[12 + 2 * n : 14 + 2 * n], "big") for n in range(n_cells)]
    child = bytes(inner[8:12])  # a leaf
    for _ in range(6):
        for at in (8, *cells):
            inner[at : at + 4] = child
        body += inner
        child = (len(body) // 1024).to_bytes(4, "big")
    body[begin : begin + 1024] = inner
    body[28:32] = child
    path.write_bytes(body)


BOMBS: tuple[Callable[[Path], None], ...] = (
    _nested,
    _a_million_tasks,
    _links_without_end,
    _wide_texts,
    _zeros,
    _many_steps_in_a_block,
    _many_changes_in_a_step,
    _differences_that_grow,
    _many_stages,
    _brackets_in_a_trace,
    _brackets_in_meta,
    _brackets_in_a_task,
    _pages_that_stand_for_more,
)


def test_small_files_that_stand_for_much_stay_small(tmp_path: Path) -> None:
    paths = []
    for bomb in BOMBS:
        paths.append(saved(tmp_path / f"{bomb.__name__}.roma", n_steps=30))
        bomb(paths[-1])
    assert_bounded(*paths)


def assert_bounded(*paths: Path) -> None:
    """In a process of its own, whose memory is measured."""
    tests = Path(__file__).resolve().parent.parent
    found = subprocess.run(
        [sys.executable, "-m", "archive.spoiling", *map(str, paths)],
        cwd=tests,
        env={**os.environ, "PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2_000:]
    for path, line in zip(paths, found.stdout.splitlines(), strict=True):
        _, said, took_s, memory = json.loads(line)
        print(f"{path.name}: {str(said)[-70:]} ({took_s:.1f} s, {memory / 2**20:.0f} MiB)")
        assert said is None or path.name in said
        assert took_s < LONGEST_S, path
        assert memory < MOST_MEMORY, path


# -- raw recordings


def line(event: str = "task_graph_update", payload: Any = None, **fields: Any) -> str:
    return json.dumps({"t": 1.0, "dir": "in", "client": "A", "event": event, "args": [payload], **fields})


def frame(number: int, **fields: Any) -> dict[str, Any]:
    nodes = {
        f"root.{place}" if place else "root": {
            "goal": f"goal {place}",
            "status": "RUNNING" if (number + place) % 3 else "DONE",
            "parent_node_id": "root" if place else None,
            "full_result": {"n": number},
        }
        for place in range(6)
    }
    project = {"id": "p", "title": "Made by hand", "status": "running"}
    stamp = f"2026-01-01T12:00:{number:02}"
    return {
        "all_nodes": nodes,
        "graphs": {},
        "project_id": "p",
        "current_project": project,
        "timestamp": stamp,
        **fields,
    }


def recording() -> bytes:
    lines = [line(payload=frame(number), t=float(number)) for number in range(12)]
    lines.insert(3, line("request_node_trace", {"project_id": "p", "node_id": "root"}, dir="out"))
    lines.insert(
        4,
        line(
            "node_trace_data",
            {"node_id": "root", "trace": {"trace_id": "t", "stages": [{"stage_name": "x"}]}},
        ),
    )
    return "\n".join(lines).encode()


def test_100_spoiled_recordings_are_read_or_refused(tmp_path: Path) -> None:
    whole = recording()
    packed = lzma.compress(whole)
    n_read = 0
    for seed in range(100):
        rng = random.Random(seed)
        body = bytearray(packed if seed % 4 == 0 else whole)
        for _ in range(rng.choice((1, 3, 30))):
            at = rng.randrange(len(body))
            match rng.randrange(5):
                case 0:
                    body[at] = rng.randrange(256)
                case 1:
                    body[max(1, at) : at + rng.randrange(300)] = b""
                case 2:
                    body[at:at] = rng.choice(
                        (b"\xff", b"\n", b'"', b"[" * 3_000, b"}", b"NaN", b"1e999", b"9" * 5_000)
                    )
                case 3:
                    body = body.replace(*rng.choice(REPLACED))
                case 4 if rng.random() < 0.3:
                    del body[max(1, at) :]
        path = tmp_path / f"{seed}.jsonl{'.xz' if seed % 4 == 0 else ''}"
        path.write_bytes(body)
        n_read += assert_reads_or_refuses(path) is None
    assert 5 < n_read < 95


REPLACED = (
    (b'"t": 5.0', b'"t": NaN'),
    (b'"t": 5.0', b'"t": 1e308'),
    (b'"t": 5.0', b'"t": -1e300'),
    (b'"t": 5.0', b'"t": "5"'),
    (b"2026-01-01", b"9999-12-31"),
    (b"2026-01-01T12", b"0001-01-01T00"),
    (b'"id": "p"', b'"id": "\\ud800"'),
    (b'"id": "p"', b'"id": 7'),
    (b'"root.1"', b'"root"'),
    (b'"parent_node_id": null', b'"parent_node_id": "root.3"'),
    (b'"n": 4', b'"n": NaN'),
    (b'"dir": "in"', b'"dir": null'),
    (b'"client": "A"', b'"client": ["A"]'),
)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (b"", "is empty"),
        (b"\n\n\n", "is empty"),
        (b"\xff\xfe\n", "line 1 is not JSON"),
        (b"[" * 100_000, "line 1"),
        (line(payload=7).replace("7", "[" * 100_000).encode(), "line 1"),
        (line(payload=7).replace("7", "9" * 10_000).encode(), "no frames"),
        (b"{}", "line 1 is not what a recording holds"),
        (b"7", "line 1 is not what a recording holds"),
        (line("projects_list", {"projects": [7, {}]}).encode(), "no frames of a run"),
        (line(payload=frame(1), t=1e300).encode(), "line 1 is not what a recording holds"),
        (line(payload=float("nan"), t="1").encode(), "line 1 is not what a recording holds"),
    ],
)
def test_what_is_no_recording_is_told_so(tmp_path: Path, lines: bytes, why: str) -> None:
    path = tmp_path / "run.jsonl"
    path.write_bytes(lines)
    said = assert_reads_or_refuses(path)
    assert said is not None
    assert why in said


def _pipe_of_lines(path: Path) -> None:
    os.mkfifo(path)


def _folder_of_lines(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [_pipe_of_lines, _folder_of_lines])
def test_a_recording_that_is_no_file_is_told_so(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "run.jsonl")
    assert (
        assert_reads_or_refuses(tmp_path / "run.jsonl")
        == f"{tmp_path / 'run.jsonl'} cannot be read: it is no file."
    )


def test_small_recordings_that_stand_for_much_stay_small(tmp_path: Path) -> None:
    """An endless line, lines without end, and a frame of brackets, in a few kilobytes."""
    paths = []
    for name, part, times in (
        ("line", b"x" * 2**20, 140),
        ("blank", b"\n" * 2**20, 2),
        ("short", line(payload=None).encode() * 2**10 + b"\n", 100),
        ("lines", (line("x", None) + "\n").encode() * 2**13, 130),
    ):
        paths.append(tmp_path / f"{name}.jsonl.xz")
        with lzma.open(paths[-1], "wb", preset=0) as file:
            for _ in range(times):
                file.write(part)
    assert_bounded(*paths)
