"""What was said to a client outlives the relay that said it, whatever ends it."""

from __future__ import annotations

import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from client.conftest import proxy, wire
from client.proxy import Fault, Proxy
from client.servers import WireServer, eventually, packet
from relay.below import TIMEOUT_S
from relay.conftest import MakeRelay
from relay.test_asking import Join, Question, above, join, live, prompt, responses, roma_above

import roma_widget as roma
from roma_widget.errors import RomaError
from roma_widget.server.state.store import Batch, Store, StoreError
from roma_widget.server.state.store_file import FILE_NAME

__all__ = ["above", "join", "proxy", "roma_above", "wire"]
pytestmark = pytest.mark.usefixtures("quick")

HERE = Path(__file__).parent
Start = Callable[[str], tuple[subprocess.Popen[str], str]]


@pytest.fixture
def process_of(tmp_path: Path) -> Iterator[Start]:
    """`process_of(url)` is a relay of that server in a process of its own, and its address; all share a data_dir."""
    started: list[subprocess.Popen[str]] = []

    def start(url: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, str(HERE / "a_relay.py"), url, str(tmp_path / "kept")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, process.stdout.readline().strip()

    yield start
    for process in started:
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def killed_with_a_queued_answer(roma_above: WireServer, process_of: Start, join: Join) -> None:
    """A relay that has sent Ann's answer to "r1", and has not heard that it came; the next answer is acknowledged."""
    roma_above.acknowledge = False
    process, url = process_of(roma_above.url)
    ann = join(url, "Ann")
    eventually(lambda: roma_above.clients_now, TIMEOUT_S)
    roma_above.emit("hitl_request", prompt())
    ann.hears("hitl_request")
    assert ann.answer("r1")[0] == "hitl_queued"
    assert len(responses(roma_above)) == 1
    kill(process)
    roma_above.acknowledge = True


def test_a_relay_that_is_killed_has_open_questions_and_a_queued_answer(
    above: roma.Server, process_of: Start, join: Join, proxy: Callable[[int], Proxy]
) -> None:
    between = proxy(above.port)
    process, url = process_of(between.url)
    ann = join(url, "Ann")
    question = Question(above, n_tasks=3)
    asked = {each["request_id"]: each for each in ann.hears("hitl_request", 3)}
    first, *others = asked
    between.now(Fault("cut"))
    eventually(lambda: ann.all("relay")[-1]["state"] == "reconnecting", TIMEOUT_S)
    assert ann.answer(first, "modify", "Shorter.")[0] == "hitl_queued"
    kill(process)

    _, url = process_of(between.url)  # the server above cannot be reached
    bob = join(url, "Bob")
    assert {each["request_id"]: each for each in bob.hears("hitl_request", 3)} == asked
    (queued,) = bob.hears("hitl_queued")
    assert (queued["request_id"], queued["answered_by"]) == (first, "Ann")
    assert "it was answered (modify by Ann)" in bob.answer(first)[1]["message"]
    between.clear()
    (answered,) = bob.hears("hitl_answered")
    assert (answered["request_id"], answered["action"], answered["answered_by"]) == (first, "modify", "Ann")
    for request_id in others:
        assert bob.answer(request_id)[0] == "hitl_answered"
    assert sorted(question.end()) == [("approve", None), ("approve", None), ("modify", "Shorter.")]


def test_an_answer_that_perhaps_went_out_goes_out_again_only_when_it_is_asked_again(
    roma_above: WireServer, process_of: Start, join: Join
) -> None:
    killed_with_a_queued_answer(roma_above, process_of, join)
    _, url = process_of(roma_above.url)
    bob = join(url, "Bob")
    (_queued,) = bob.hears("hitl_queued")
    eventually(lambda: bob.all("relay")[-1]["state"] == "live", TIMEOUT_S)
    bob.answer("unknown")  # a way up and down
    assert len(responses(roma_above)) == 1
    roma_above.emit("hitl_request", prompt())
    assert [each["answered_by"] for each in bob.hears("hitl_answered")] == ["Ann"]
    assert len(responses(roma_above)) == 2


@pytest.mark.long
@pytest.mark.parametrize("seed", range(12))
def test_whenever_it_is_killed_nothing_that_was_said_is_lost_and_nothing_goes_out_twice(
    roma_above: WireServer, process_of: Start, join: Join, proxy: Callable[[int], Proxy], seed: int
) -> None:
    rng = random.Random(seed)
    between = proxy(roma_above.port)
    process, url = process_of(between.url)
    ann = join(url, "Ann")
    eventually(lambda: roma_above.clients_now, TIMEOUT_S)
    ids = [f"r{number}" for number in range(20)]
    roma_above.send(*(packet("hitl_request", prompt(each, node_id=each)) for each in ids))
    ann.hears("hitl_request", rng.randrange(1, len(ids)))
    if rng.random() < 0.5:
        between.now(Fault("cut"))
        eventually(lambda: ann.all("relay")[-1]["state"] == "reconnecting", TIMEOUT_S)
    for request_id in rng.sample([each["request_id"] for each in ann.all("hitl_request")], 1):
        ann.says(request_id)
    for request_id in ids[:10]:
        ann.says(request_id)
    time.sleep(rng.uniform(0, 0.05))  # the moment of its death is what is played here
    kill(process)
    ann.is_gone()
    asked = {each["request_id"]: each for each in ann.all("hitl_request")}
    taken = {each["request_id"] for event in ("hitl_queued", "hitl_answered") for each in ann.all(event)}
    before = [each["request_id"] for each in responses(roma_above)]

    between.clear()
    _, url = process_of(between.url)
    bob = join(url, "Bob")
    acknowledged = {each["request_id"] for each in ann.all("hitl_answered")}
    eventually(
        lambda: {each["request_id"] for each in bob.all("hitl_request")} >= asked.keys() - acknowledged,
        TIMEOUT_S,
    )
    for each in bob.all("hitl_request"):
        assert each == asked.get(each["request_id"], each)
    eventually(lambda: bob.all("relay")[-1]["state"] == "live", TIMEOUT_S)
    never_sent = taken - set(before)
    eventually(lambda: {each["request_id"] for each in bob.all("hitl_answered")} >= never_sent, TIMEOUT_S)
    after = Counter(each["request_id"] for each in responses(roma_above))
    assert max(after.values(), default=0) <= 1
    assert after.keys() >= never_sent


def test_questions_outlive_the_kernel_that_showed_them(above: roma.Server, relay_of: MakeRelay) -> None:
    relay = live(relay_of(above.url))
    question = Question(above, n_tasks=2)
    script = (
        "import sys, time, roma_widget as roma\n"
        "m = roma.connect(sys.argv[1])\n"
        "while len(m.hitl.pending) < 2: time.sleep(0.01)\n"
        "print('both', flush=True)\n"
        "time.sleep(600)\n"
    )
    kernel = subprocess.Popen([sys.executable, "-c", script, relay.url], stdout=subprocess.PIPE, text=True)
    assert kernel.stdout is not None
    assert kernel.stdout.readline() == "both\n"
    kill(kernel)
    m = roma.connect(relay.url)
    try:
        eventually(lambda: len(m.hitl.pending) == 2, TIMEOUT_S)
        for request in m.hitl.pending:
            request.approve()
        assert question.end() == [("approve", None)] * 2
    finally:
        m.disconnect()


class TestTheFile:
    def test_is_private_and_goes_when_nothing_is_pending(
        self, above: roma.Server, relay_of: MakeRelay, join: Join, tmp_path: Path
    ) -> None:
        relay = live(relay_of(above.url, data_dir=tmp_path / "kept"))
        path = tmp_path / "kept" / FILE_NAME
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        ann = join(relay.url, "Ann")
        question = Question(above)
        ann.answer(ann.hears("hitl_request")[0]["request_id"])
        question.end()
        stop(relay)
        assert list(path.parent.iterdir()) == []

    def test_says_that_an_answer_went_out_before_it_does(
        self,
        roma_above: WireServer,
        relay_of: MakeRelay,
        join: Join,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        relay = live(relay_of(roma_above.url, data_dir=tmp_path))
        ann = join(relay.url, "Ann")
        roma_above.emit("hitl_request", prompt())
        ann.hears("hitl_request")
        is_saving, may_save = held_saves(monkeypatch)
        ann.says("r1")
        assert is_saving.wait(TIMEOUT_S)
        join(relay.url, "Bob").asks("request_node_trace", {"project_id": "p1", "node_id": "root"})
        eventually(lambda: "request_node_trace" in dict(roma_above.emitted), TIMEOUT_S)
        assert responses(roma_above) == []
        assert ann.all("hitl_answered") == []
        may_save.set()
        ann.hears("hitl_answered")
        assert len(responses(roma_above)) == 1

    def test_tells_whoever_came_before_it_was_told_of_the_question_too_and_not_of_the_answer_alone(
        self,
        roma_above: WireServer,
        relay_of: MakeRelay,
        join: Join,
        proxy: Callable[[int], Proxy],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        between = proxy(roma_above.port)
        relay = live(relay_of(between.url, data_dir=tmp_path))
        ann = join(relay.url, "Ann")
        roma_above.emit("hitl_request", prompt())
        asked = ann.hears("hitl_request")
        between.now(Fault("cut"))
        eventually(lambda: ann.all("relay")[-1]["state"] == "reconnecting", TIMEOUT_S)
        assert ann.answer("r1")[0] == "hitl_queued"
        stop(relay)
        is_saving, may_save = held_saves(monkeypatch)

        again = relay_of(between.url, data_dir=tmp_path)
        assert is_saving.wait(TIMEOUT_S)
        bob = join(again.url, "Bob")
        bob.hears("relay")
        assert bob.all("hitl_request") == []
        may_save.set()
        bob.hears("hitl_queued")
        assert bob.all("hitl_request") == asked

    def test_that_cannot_be_written_is_said_and_answers_go_up_all_the_same(
        self,
        roma_above: WireServer,
        relay_of: MakeRelay,
        join: Join,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def full(store: Store, batch: Batch) -> None:
            raise StoreError("Cannot save to the store: the disk is full; free some space.")

        relay = live(relay_of(roma_above.url, data_dir=tmp_path))
        ann = join(relay.url, "Ann")
        with monkeypatch.context() as patched:
            patched.setattr(Store, "save", full)
            roma_above.emit("hitl_request", prompt())
            ann.hears("hitl_request")
            assert "the disk is full" in ann.all("relay")[-1]["error"]
            assert ann.answer("r1")[0] == "hitl_answered"
        roma_above.emit("hitl_request", prompt("r2"))
        ann.hears("hitl_request", 2)
        eventually(lambda: ann.all("relay")[-1]["error"] is None, TIMEOUT_S)

    @pytest.mark.parametrize("garbage", [b"garbage" * 1_000, b"SQLite format 3\0" + b"\xff" * 5_000])
    def test_that_is_garbage_is_set_aside_and_said(
        self, roma_above: WireServer, relay_of: MakeRelay, join: Join, tmp_path: Path, garbage: bytes
    ) -> None:
        (tmp_path / FILE_NAME).write_bytes(garbage)
        relay = live(relay_of(roma_above.url, data_dir=tmp_path))
        (aside,) = tmp_path.glob(f"{FILE_NAME}.unread-*")
        assert aside.read_bytes() == garbage
        ann = join(relay.url, "Ann")
        said = ann.hears("relay")[0]["error"]
        assert aside.name in said
        roma_above.emit("hitl_request", prompt())
        ann.hears("hitl_request")

    @pytest.mark.parametrize("spoil", ["crc = crc + 1", "value = 'no bytes'", "no question"])
    @pytest.mark.parametrize("spoilt", ["r2", ""], ids=["question", "label"])
    def test_of_which_one_row_is_bad_keeps_the_others(
        self,
        roma_above: WireServer,
        relay_of: MakeRelay,
        join: Join,
        tmp_path: Path,
        spoil: str,
        spoilt: str,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        relay = live(relay_of(roma_above.url, data_dir=tmp_path))
        for request_id in ("r1", "r2", "r3"):
            roma_above.emit("hitl_request", prompt(request_id, node_id=request_id))
        join(relay.url, "Ann").hears("hitl_request", 3)
        stop(relay)
        if spoil == "no question":
            with closing(Store(tmp_path)) as store:
                store.save(Batch(prompts={spoilt: b"[]"}))
        else:
            with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as file:
                spoiling = file.execute(f"UPDATE prompts SET {spoil} WHERE prompt = ?", (spoilt.encode(),))
                assert spoiling.rowcount == 1

        again = live(relay_of(roma_above.url, data_dir=tmp_path))
        bob = join(again.url, "Bob")
        kept = {"r1", "r2", "r3"} - {spoilt}
        assert {each["request_id"] for each in bob.hears("hitl_request", len(kept))} == kept
        (aside,) = tmp_path.glob(f"{FILE_NAME}.unread-*")
        assert stat.S_IMODE(aside.stat().st_mode) == 0o600
        said = bob.hears("relay")[0]["error"]
        assert said.startswith("1 row of ")
        assert aside.name in said
        assert said in caplog.messages
        stop(again)
        live(relay_of(roma_above.url, data_dir=tmp_path))
        assert list(tmp_path.glob(f"{FILE_NAME}.unread-*")) == [aside]

    def test_of_another_relay_that_runs_is_left_alone(
        self, roma_above: WireServer, relay_of: MakeRelay, tmp_path: Path
    ) -> None:
        relay_of(roma_above.url, data_dir=tmp_path)
        with pytest.raises(RomaError, match="in use"):
            relay_of(roma_above.url, data_dir=tmp_path)

    def test_takes_questions_as_hostile_as_they_come(
        self, roma_above: WireServer, relay_of: MakeRelay, join: Join, tmp_path: Path
    ) -> None:
        relay = live(relay_of(roma_above.url, data_dir=tmp_path))
        hostile = {
            "request_id": "\ud800<script>'\"\0",
            "context_message": "\udfff\u202e" * 10,
            "current_attempt": 10**30,
            "checkpoint_name": "x" * 100_000,
            "data_for_review": {"deep": [[[float("nan")]]], "\ud800": 1e400},
            "node_id": "\0",
            "timestamp": "0001-01-01T00:00:00",
        }
        roma_above.emit("hitl_request", hostile)
        roma_above.emit("hitl_request", prompt())
        ann = join(relay.url, "Ann\ud800" * 100)
        asked = ann.hears("hitl_request", 2)
        ann.answer(asked[1]["request_id"])
        stop(relay)
        again = live(relay_of(roma_above.url, data_dir=tmp_path))
        assert not list(tmp_path.glob("*.unread-*"))
        assert join(again.url, "Bob").hears("hitl_request")[0] == asked[0]


def held_saves(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, threading.Event]:
    """Those of questions: (one has begun, they may go on)."""
    is_saving, may_save, save = threading.Event(), threading.Event(), Store.save

    def held(store: Store, batch: Batch) -> None:
        if batch.prompts:
            is_saving.set()
            assert may_save.wait(TIMEOUT_S)
        save(store, batch)

    monkeypatch.setattr(Store, "save", held)
    return is_saving, may_save


def stop(relay: Any) -> None:
    from roma_widget.client.loop import io_thread

    io_thread().result(relay.stop(), 15)
