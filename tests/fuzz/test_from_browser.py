"""Whatever a page in the browser sends: what wants a reply gets one, small and sayable, and the monitor lives on."""

from __future__ import annotations

import json
import logging
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from archive.runs import saved
from client.servers import eventually
from fuzzing import fuzzed, json_values, odd_texts, seeds
from hypothesis import given
from hypothesis import strategies as st

import roma_widget as roma
from roma_widget.client.loop import io_thread
from roma_widget.core.reading import clean
from roma_widget.widget.messages import LONGEST_ERROR

ACTIONS = "select connect_anyway retry watch switch answer export_page open_stage no_such_thing".split()
QUESTIONS = "task trace stage question link times moment no_such_thing".split()
FIELDS = "view rev tasks project request answer instructions task seq at".split()
values = json_values() | st.sampled_from(["t0", "t1", ["t0"], 0, 1, -1, "approve", "p"])
messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["do", "ask"]), "rid": odd_texts | st.text(max_size=5)},
    optional={
        "action": st.sampled_from(ACTIONS) | values,
        "what": st.sampled_from(QUESTIONS) | values,
        **dict.fromkeys(FIELDS, values),
    },
)
TASKS = ("t0", "t1", "t1", "t5", "no_such_task")
PROJECTS = ("p", "p", None, "no_such_project")
AT_MS = (1767268800000.0, 1767268805000, 1767272400000.0, 0, -1.5, 1e18)
DO: dict[str, dict[str, Sequence[Any]]] = {
    "select": {"tasks": (["t0"], ["t0", "t1"], []), "project": PROJECTS},
    "connect_anyway": {},
    "retry": {},
    "watch": {"project": PROJECTS},
    "switch": {"project": PROJECTS},
    "answer": {
        "request": ("r",),
        "answer": ("approve", "modify", "abort"),
        "instructions": (None, "shorter"),
    },
    "open_stage": {"project": PROJECTS, "task": TASKS, "seq": (0, 0, 1, 99)},
}
ASK: dict[str, dict[str, Sequence[Any]]] = {
    "task": {"task": TASKS},
    "trace": {"task": TASKS},
    "stage": {"task": TASKS, "seq": (0, 0, 1, 99)},
    "question": {"request": ("r",)},
    "link": {},
    "times": {},
    "moment": {"at": AT_MS},
}
LONGEST_REPLY = 2 * 2**20
CAN_BE_DONE = {"select", "watch", "open_stage", "task", "trace", "stage", "times", "moment"}
"""By a saved run; the rest is refused in words."""


class Page:
    """A browser's side that writes down what it hears."""

    def __init__(self, m: Any) -> None:
        self.heard: list[tuple[dict[str, Any], list[bytes]]] = []
        self._m = m
        m._channel._send = lambda content, buffers: self.heard.append((content, buffers))

    def says(self, content: object) -> None:
        """Raises what the kernel raises."""

        async def receive() -> None:
            self._m._receive(content)

        io_thread().result(receive(), 10.0)

    def replies_to(self, rid: str) -> list[dict[str, Any]]:
        return [
            content
            for content, _ in tuple(self.heard)
            if content["type"] == "reply" and content["rid"] == clean(rid)
        ]


@pytest.fixture(scope="module")
def m(tmp_path_factory: pytest.TempPathFactory) -> Iterator[roma.Monitor]:
    monitor = roma.load(saved(tmp_path_factory.mktemp("run") / "run.roma"))
    yield monitor
    monitor.close()


@pytest.fixture
def unbroken(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    """A crash that became an error in a reply is a crash. Pages that are asked for come into the working folder."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.ERROR)
    yield
    assert [record for record in caplog.get_records("call") if record.exc_info] == []


def message_of(seed: int, odd: Any) -> dict[str, Any]:
    """One that can be answered; every third has a field that is `odd`."""
    rng = random.Random(seed)
    kind, kinds, named = rng.choice([("do", DO, "action"), ("ask", ASK, "what"), ("ask", ASK, "what")])
    name = rng.choice([*kinds])
    fields = {key: rng.choice(values) for key, values in kinds[name].items()}
    if rng.randrange(3) == 0:
        fields[rng.choice([*fields, *FIELDS])] = odd
    return {"type": kind, "rid": f"r{seed}", named: name, **fields}


def assert_small(content: dict[str, Any], buffers: list[bytes]) -> None:
    assert len(content.get("error") or "") <= LONGEST_ERROR
    assert sum(map(len, buffers)) < LONGEST_REPLY
    json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    for buffer in buffers:
        json.loads(buffer)


def assert_answered(m: roma.Monitor, content: dict[str, Any]) -> bool:
    """Whether it was done."""
    page = Page(m)
    page.says(content)
    eventually(lambda: page.replies_to(content["rid"]))
    for message in page.heard:
        assert_small(*message)
    [reply] = page.replies_to(content["rid"])
    return bool(reply["ok"])


def test_what_wants_a_reply_gets_one(m: roma.Monitor, unbroken: None) -> None:
    @fuzzed(150)
    @given(messages)
    def any_message(content: dict[str, Any]) -> None:
        assert_answered(m, content)

    any_message()


def test_what_can_be_answered_is(m: roma.Monitor, unbroken: None) -> None:
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()

    @fuzzed(300)
    @given(seeds, values)
    def right_on_the_whole(seed: int, odd: Any) -> None:
        content = message_of(seed, odd)
        name = content.get("action") or content["what"]
        (done if assert_answered(m, content) else refused)[str(name)] += 1

    right_on_the_whole()
    assert done.total() > 0.25 * (done + refused).total(), (done, refused)
    assert done.keys() == CAN_BE_DONE, (done, refused)


@fuzzed(200)
@given(values | st.dictionaries(st.sampled_from(["type", "view", "rid"]), values) | messages)
def test_what_is_no_message_harms_nothing(m: roma.Monitor, unbroken: None, content: object) -> None:
    page = Page(m)
    page.says(content)
    page.says({"type": "hello", "view": "v", "rev": None})
    assert page.heard[-1][0]["type"] == "snapshot"
    page.says({"type": "bye", "view": "v"})
