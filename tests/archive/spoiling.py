"""Archives that something, or somebody, has spoiled: by seed, so that each can be looked at again.

`python -m archive.spoiling FILE…` (in tests/) reads each as a person would and prints what came of it, with the most
memory that it took.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import msgspec

from roma_widget.archive.format import pack
from roma_widget.archive.redaction import redaction
from roma_widget.archive.saved import SavedRun, open_run
from roma_widget.archive.saving import save
from roma_widget.core.steps import as_time
from roma_widget.errors import ArchiveError, RomaError

MOST_MOMENTS = 12

# -- reading all of a file


def read_all(path: Path, *, again: Path | None = None) -> str | None:
    """Reads whatever there is in a saved run. Gives the sentence of its refusal, None where all went well."""
    try:
        with open_run(path) as run:
            _read_moments(run)
            for kept in run.projects[1:3]:
                with open_run(path, kept.project_id) as other:
                    _read_moments(other)
            if again is not None:
                save(again, run.source(), redaction(None))
    except ArchiveError as error:
        return str(error)
    return None


def _read_moments(run: SavedRun) -> None:
    times_us = run.times_us()
    places = {*range(min(len(times_us), 4)), len(times_us) - 1}
    places |= {len(times_us) * place // MOST_MOMENTS for place in range(MOST_MOMENTS)}
    for place in random.Random(0).sample(sorted(places), len(places)):
        moment = run.at(as_time(times_us[place]))
        moment.tasks()
        _ = moment.progress
    for frame in (run.tasks, run.stages, run.tool_calls, run.messages, run.context_edges, run.events):
        frame()
    run.annotations()
    run.graph()
    run.between(as_time(times_us[0]), as_time(times_us[-1]))
    for words in (run.times, run.progress, run.story, run.lack, repr(run), run.listed()):
        str(words).encode()
    for task_id, task in list(run.snapshot.tasks.items())[:20]:
        with suppress(RomaError):  # what cannot be decoded is said
            str(task.raw).encode()
        if task_id in run.traces():
            for stage in run.trace(task_id).stages:
                _ = stage.llm_response, stage.messages, stage.tool_calls


# -- spoiling one

Spoil = Callable[[random.Random, Path], None]


def spoiled(seed: int, original: Path, folder: Path) -> Path:
    """A copy of `original` that was spoiled in a way, or in several, that the seed says."""
    rng = random.Random(seed)
    path = folder / f"spoiled-{seed}.roma"
    path.write_bytes(original.read_bytes())
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        with suppress(sqlite3.Error, zlib.error, ValueError, IndexError, TypeError):  # nothing left to spoil
            rng.choice(SPOILS)(rng, path)
    return path


def _flip_bytes(rng: random.Random, path: Path) -> None:
    body = bytearray(path.read_bytes())
    begin = rng.choice((0, 0, 100, rng.randrange(len(body))))
    for _ in range(rng.choice((1, 3, 20, 200))):
        at = min(len(body) - 1, begin + rng.randrange(rng.choice((100, 1_000, 20_000))))
        body[at] = rng.choice((0, 255, body[at] ^ (1 << rng.randrange(8)), rng.randrange(256)))
    path.write_bytes(body)


def _truncate(rng: random.Random, path: Path) -> None:
    body = path.read_bytes()
    page = 1024 * rng.randrange(1 + len(body) // 1024)
    path.write_bytes(body[: rng.choice((0, 15, 16, 99, 100, page, page + 1, rng.randrange(len(body) + 1)))])


def _swap_pages(rng: random.Random, path: Path) -> None:
    body = bytearray(path.read_bytes())
    pages = len(body) // 1024
    for _ in range(rng.choice((1, 2, 10))):
        a, b = (1024 * rng.randrange(1, max(2, pages)) for _ in range(2))
        body[a : a + 1024], body[b : b + 1024] = body[b : b + 1024], body[a : a + 1024]
    path.write_bytes(body)


def _splice(rng: random.Random, path: Path) -> None:
    body = bytearray(path.read_bytes())
    at, begin = rng.randrange(len(body) + 1), rng.randrange(len(body) + 1)
    chunk = rng.choice((body[begin : begin + rng.randrange(4_000)], rng.randbytes(rng.randrange(4_000)), b""))
    body[at : at + rng.choice((0, len(chunk), rng.randrange(4_000)))] = chunk
    path.write_bytes(body)


def _point_elsewhere(rng: random.Random, path: Path) -> None:
    """Children and overflow pages of B-trees: in circles, too."""
    body = bytearray(path.read_bytes())
    pages = max(1, len(body) // 1024)
    for _ in range(rng.choice((1, 5, 30))):
        page = 1024 * rng.randrange(pages)
        at = page + rng.choice((0, 8, 1020, rng.randrange(0, 1020, 4)))
        body[at : at + 4] = rng.randrange(1, pages + 2).to_bytes(4, "big")
    path.write_bytes(body)


def _spoil_value(rng: random.Random, path: Path) -> None:
    """One value of one table, by SQL."""
    table = rng.choice(
        "meta projects steps steps blocks blocks traces results events annotations tasks stages".split()
    )
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        column = rng.choice(columns)
        value = rng.choice(VALUES)
        rows = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        where = rng.choice(("1", f"{columns[0]} = (SELECT {columns[0]} FROM {table} LIMIT 1)"))
        with suppress(sqlite3.Error):
            db.execute(f'UPDATE OR REPLACE {table} SET "{column}" = ? WHERE {where}', (value,))
        if rng.random() < 0.2 and rows:
            db.execute(f"DELETE FROM {table} WHERE {where}")
        db.commit()


def _spoil_meta(rng: random.Random, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        for key in (
            "exact_from",
            "has_forgotten",
            "rows_dropped",
            "missing",
            "ended",
            "written",
            "redaction",
            "address",
        ):
            if rng.random() < 0.5:
                value = rng.choice(
                    ('"\\ud800"', "[1, {}]", "1e999", "null", "{}", "-1", "[" * 5_000, "9" * 5_000, "x")
                )
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
        db.commit()


def _spoil_body(rng: random.Random, path: Path) -> None:
    """What is in a block, trace or result, packed again as it should be."""
    table = rng.choice(("blocks", "blocks", "blocks", "traces", "results"))
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute(f"SELECT rowid, body FROM {table}").fetchall()
        if not rows:
            db.execute(
                f"INSERT OR REPLACE INTO {table} SELECT project_id, 't0', ? FROM projects", (_body(rng, b""),)
            )
        else:
            rowid, packed = rng.choice(rows)
            body = zlib.decompress(packed[8:]) if len(packed) > 8 else b""
            db.execute(f"UPDATE {table} SET body = ? WHERE rowid = ?", (_body(rng, body), rowid))
        db.commit()


def _body(rng: random.Random, body: bytes) -> bytes:
    choice = rng.randrange(6)
    if choice == 0:
        return pack(
            rng.choice((b"", b"\xc1", b"\x90" * 5_000, b"\x91" * 100_000, b"{" * 10_000, rng.randbytes(500)))
        )
    if choice == 1 and body:
        spoiled = bytearray(body)
        for _ in range(rng.choice((1, 5, 50))):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        return pack(bytes(spoiled))
    if choice == 2:
        return rng.choice((2**63, 2**40, 5, 0)).to_bytes(8, "big") + zlib.compress(body)
    if choice == 3:
        return pack(body)[: rng.randrange(len(body) + 9)]
    try:
        value = msgspec.msgpack.decode(body)
    except ValueError:
        return pack(
            body.replace(b'"stages"', b'"stages": [[]], "x"').replace(b"null", rng.choice(JSON_WORDS))
        )
    for _ in range(rng.choice((1, 2, 6))):
        value = _changed(rng, value)
    return pack(msgspec.msgpack.encode(value))


def _changed(rng: random.Random, value: Any) -> Any:
    """The same structure with one place of it changed: mostly deep inside."""
    if isinstance(value, list) and value and rng.random() < 0.95:
        place = rng.randrange(len(value))
        return [_changed(rng, each) if at == place else each for at, each in enumerate(value)]
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        return {**value, key: _changed(rng, value[key])}
    return rng.choice(
        (*VALUES, [], ["t0"], ["t0", "t0"], ["t1", "no"], {}, {0: "t9"}, {21: [9, b"x"]}, {99: 1}, True)
    )


def _change_header(rng: random.Random, path: Path) -> None:
    body = bytearray(path.read_bytes())
    at, size = rng.choice(
        ((16, 2), (18, 1), (19, 1), (20, 1), (28, 4), (32, 4), (36, 4), (44, 4), (56, 4), (60, 4), (68, 4))
    )
    number = rng.choice((0, 1, 2, 3, 4, 512, 2**15, 2**31, 2**32 - 1)) % 256**size
    body[at : at + size] = number.to_bytes(size, "big")
    path.write_bytes(body)


def _change_schema(rng: random.Random, path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA writable_schema = ON")
        for statement in rng.choice(SCHEMAS):
            db.execute(statement)
        db.commit()


VALUES: tuple[Any, ...] = (
    *(None, 0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 1.5, float("inf"), float("-inf"), 1e300),
    *(
        "",
        "t0",
        "t1",
        "x\x00y",
        "\U0001f600",
        "9" * 5_000,
        "[" * 5_000,
        '"\\ud800"',
        "{}",
        "[]",
        "null",
        "NaN",
    ),
    *(
        '["a", "b"]',
        '[null, null, null, 99999999999999999999, "x"]',
        "[null, null, null, 9223372036854775807, null]",
    ),
    *(b"", b"\x00" * 9, b"\xff\xfe", pack(b"\x90"), pack(b"[]")),
)
JSON_WORDS = (b"NaN", b"1e999", b"[[[[", b'"\\ud800"', b"{}", b"9" * 5_000, b"")
SCHEMAS: tuple[tuple[str, ...], ...] = (
    ("CREATE TRIGGER evil AFTER INSERT ON steps BEGIN DELETE FROM blocks; END",),
    ("CREATE VIEW evil AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n",),
    (
        "ALTER TABLE steps RENAME TO kept",
        "CREATE VIEW steps AS WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
        "SELECT 'p' AS project_id, x AS seq, x AS time_us, 1.0 AS heard_s, '[]' AS project FROM n",
    ),
    ("ALTER TABLE steps ADD COLUMN more TEXT",),
    ("ALTER TABLE meta ADD COLUMN more TEXT GENERATED ALWAYS AS (upper(value))",),
    ("ALTER TABLE blocks RENAME COLUMN body TO bodies",),
    ("DROP TABLE traces", "CREATE VIRTUAL TABLE traces USING fts5(project_id, task_id, body)"),
    ("DROP TABLE events",),
    ("CREATE INDEX slow ON steps(project_id, randomblob(100))",),
    ("CREATE INDEX own ON steps(time_us)",),
    ("CREATE TABLE more (x)",),
    (
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'blocks') "
        "WHERE name = 'steps'",
    ),
    ("UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'steps'",),
    ("UPDATE sqlite_schema SET type = 'view' WHERE name = 'meta'",),
    ("UPDATE sqlite_schema SET sql = sql || ' ' WHERE name = 'steps'",),
    ("UPDATE sqlite_schema SET name = 'steps' WHERE name = 'meta'",),
    ("DELETE FROM sqlite_schema",),
)
SPOILS: tuple[Spoil, ...] = (
    *(_flip_bytes, _flip_bytes, _truncate, _swap_pages, _splice, _point_elsewhere, _point_elsewhere),
    *(
        _spoil_value,
        _spoil_value,
        _spoil_meta,
        _spoil_body,
        _spoil_body,
        _spoil_body,
        _change_header,
        _change_schema,
    ),
)


def _most_memory() -> int:
    """Bytes that this process held at most: what Python says of it includes its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this system does not say how much memory a process took")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        began_s = time.monotonic()
        said = read_all(Path(name))
        print(json.dumps([name, said, time.monotonic() - began_s, _most_memory()]), flush=True)
