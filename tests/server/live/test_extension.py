"""The extension: snapshots and deltas that end in the server's own state, lean tasks, results on request, stages."""

from __future__ import annotations

import asyncio
import json
import math
import random
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from server.extension_client import GZIP, Lost, Mirror, unpack
from server.reporting import Desk, desk

from roma_widget.server.agents.instrument import Project, Stage, Task
from roma_widget.server.live import delta
from roma_widget.server.live.extension import Extension
from roma_widget.server.live.packing import GZIP_ABOVE, pack, plain
from roma_widget.server.live.watching import MOST_PUSHED, MOST_WATCHED
from roma_widget.server.wire.records import NODE_KEYS, encode
from roma_widget.server.wire.requests import Refused

DEADLINE_S = 10.0
NOT_SENT = ("task_id", "aux_data", "full_result", "execution_details")
LONG = "Ω" * 1500
TEXTS = (
    "goal",
    "overall_objective",
    "output_summary",
    "error",
    "input_payload_summary",
    "agent_name",
    "model_display",
)


class Reader:
    """A client's end: applies what it is told, unless a message is lost on the way."""

    def __init__(self, extension: Extension, sid: str = "a") -> None:
        self.sid = sid
        self.mirror = Mirror()
        self.moved = asyncio.Event()
        self.messages: list[tuple[str, bytes]] = []
        self._extension = extension
        assert extension.welcome(self)[0][0] == "extension"
        self.moved.set()

    def refresh(self) -> None:
        self.moved.set()

    def read(self, *, lose: bool = False) -> bool:
        """Asks once, and says whether there was something."""
        self.moved.clear()
        message = self._extension.newest(self)
        if message is None:
            return False
        event, body, is_binary = message
        assert is_binary
        self.messages.append((event, body))
        if not lose:
            self.mirror.apply(event, body)
        return True

    async def read_all(self) -> None:
        """As the shell does it: asks while there is a refresh."""
        while self.moved.is_set():
            self.read()

    async def ask(self, event: str, **fields: Any) -> dict[str, Any] | None:
        replies = await self._extension.request(self, event, fields)
        return unpack(replies[0][1]) if replies else None


@pytest.fixture
def host() -> Iterator[Desk]:
    with desk() as host:
        yield host


@pytest.fixture
def extension(host: Desk) -> Extension:
    return extension_of(host)


def extension_of(host: Desk) -> Extension:
    extension = Extension(host.state)

    def stage_changed(*stage: Any) -> None:
        extension.stage_changed(*stage)

    host.state.stage_changed = stage_changed
    return extension


def change(host: Desk, task: Task, **changes: Any) -> None:
    """Sets fields of a task behind the back of its agent."""
    record = host.state.projects.get(task.project.id)
    with host.state.lock:
        host.state.projects.change_node(record, host.state.projects.nodes(record)[task.id], **changes)


def expected_nodes(host: Desk) -> dict[str, dict[str, Any]]:
    """Lean nodes, made in another way than the server's: from the frame that plain clients get."""
    record = host.state.projects.current()
    frame = json.loads(host.state.projects.frame(record.project_id if record is not None else None))
    return (
        {
            node_id: expected_node(node, record.nodes[node_id].needs, record.goal)
            for node_id, node in frame["all_nodes"].items()
        }
        if record is not None and record.nodes is not None
        else {}
    )


def expected_node(node: dict[str, Any], needs: tuple[str, ...], goal: str) -> dict[str, Any]:
    lean = {
        key: node[key]
        for key in NODE_KEYS
        if key not in ("task_id", "aux_data", "full_result", "execution_details")
    }
    lean["result_size"] = len(encode(node["full_result"])) if node["full_result"] is not None else 0
    lean["started"] = (node["execution_details"] or {}).get("processing_started")
    lean["needs"] = list(needs)
    lean["cut"] = []
    for key in TEXTS:
        limit = 200 if key == "output_summary" else 1000
        is_known = key == "overall_objective" and node[key] == goal
        if node[key] is not None and len(node[key]) > limit and not is_known:
            lean[key] = node[key][:limit]
            lean["cut"].append(key)
    return lean


def expected_project(host: Desk) -> dict[str, Any] | None:
    record = host.state.projects.current()
    return record.plain_entry() if record is not None else None


def is_current(reader: Reader, host: Desk) -> bool:
    return reader.mirror.nodes == expected_nodes(host) and reader.mirror.project == expected_project(host)


async def caught_up(reader: Reader, host: Desk, extension: Extension) -> None:
    """Reads until all is known, as the tick after the last change has it; asks for a snapshot when it has to."""
    extension.tick()
    reader.refresh()
    async with asyncio.timeout(DEADLINE_S):
        while True:
            await reader.moved.wait()
            await asyncio.sleep(0)  # which an event that is set does not
            try:
                reader.read()
            except Lost:
                await reader.ask("request_snapshot")
            if not reader.moved.is_set() and is_current(reader, host):
                return


# --- packing -----------------------------------------------------------------------------------------------------


def test_a_message_is_compressed_only_above_a_kilobyte_and_says_so_by_its_first_bytes() -> None:
    small = {"a": "x" * (GZIP_ABOVE - 6)}
    large = {"a": "x" * (GZIP_ABOVE - 5)}
    assert len(msgspec.msgpack.encode(small)) == GZIP_ABOVE
    assert pack(small) == msgspec.msgpack.encode(small)
    assert pack(large)[:2] == GZIP
    assert unpack(pack(small)) == small
    assert unpack(pack(large)) == large
    assert zlib.decompress(pack(large), wbits=31) == msgspec.msgpack.encode(large)
    assert pack(large)[4:8] == bytes(4)  # no time stamp: equal messages are equal bytes
    for entries in (0, 1, 15, 16, 70_000):
        assert msgspec.msgpack.encode({str(n): n for n in range(entries)})[:2] != GZIP


@pytest.mark.parametrize(
    ("value", "carried"),
    [
        (msgspec.Raw(b'{"a":[1,null,"x"]}'), {"a": [1, None, "x"]}),
        ({"a": msgspec.Raw(b"[1]"), "b": (1, 2)}, {"a": [1], "b": [1, 2]}),
        (2**64 - 1, 2**64 - 1),
        (2**64, float(2**64)),
        (-(2**70), float(-(2**70))),
        (10**400, None),
        (msgspec.Raw(b"123456789012345678901234567890"), 1.2345678901234568e29),
        (math.nan, None),
        ({1: True}, {"1": True}),
    ],
)
def test_whatever_the_records_hold_can_be_packed(value: Any, carried: Any) -> None:
    assert unpack(pack({"value": plain(value)})) == {"value": carried}


def test_names_that_no_utf8_can_carry_are_told_all_the_same(host: Desk, extension: Extension) -> None:
    odd = "a\ud800"
    task = host.project(odd.replace("\ud800", "")).task(odd, task_type=odd, agent=odd, model=odd, task_id=odd)
    with task, task.stage(odd, agent=odd, model=odd, adapter=odd) as stage:
        stage.record(prompt=odd)
    reader = Reader(extension)
    reader.read()
    assert reader.mirror.nodes["a?"]["agent_name"] == "a?"
    assert is_current(reader, host)
    assert host.stages(task.project, "a?")[0]["stage_name"] == "a?"
    host.state.save()


# --- snapshots and deltas ----------------------------------------------------------------------------------------


def test_without_a_project_there_is_an_empty_snapshot(host: Desk, extension: Extension) -> None:
    reader = Reader(extension)
    assert reader.read()
    assert (reader.mirror.project, reader.mirror.nodes) == (None, {})
    assert not reader.read()


def test_a_snapshot_and_then_only_what_changed(host: Desk, extension: Extension) -> None:
    project = host.project("Survey of X")
    root = project.task("Survey of X", agent="planner", model="openai/gpt-4.1")
    reader = Reader(extension)
    assert reader.read()
    assert is_current(reader, host)
    with root:
        extension.tick()
        assert reader.read()
    event, body = reader.messages[-1]
    message = unpack(body)
    assert event == "delta"
    assert message["nodes"]["root"].keys() == {"status", "timestamp_updated", "started"}
    assert "project" not in message
    extension.tick()
    reader.read()
    assert is_current(reader, host)
    assert reader.mirror.nodes["root"]["status"] == "DONE"


def test_nothing_new_is_not_told(host: Desk, extension: Extension) -> None:
    project = host.project()
    task = project.task("a")
    reader = Reader(extension)
    assert reader.read()
    extension.tick()
    assert not reader.read()
    change(host, task, status="PENDING")  # as it was
    extension.tick()
    assert not reader.read()
    with host.state.lock:
        other = host.state.projects.create("Another one")  # not the current project
        host.state.projects.change(other, status="running")
    extension.tick()
    assert not reader.read()
    assert not reader.moved.is_set()


def test_a_new_task_comes_whole_and_with_what_it_needs(host: Desk, extension: Extension) -> None:
    project = host.project()
    root = project.task("Survey of X")
    reader = Reader(extension)
    reader.read()
    a = root.task("find a", task_type="SEARCH")
    root.task("write b", depends_on=[a], context=[a])
    extension.tick()
    reader.read()
    message = unpack(reader.messages[-1][1])
    assert message["nodes"]["root.2"]["needs"] == ["root.1"]
    assert "overall_objective" not in message["nodes"]["root.2"]
    assert "needs" not in message["nodes"]["root"]
    assert message["project"] == {"node_count": 3}
    assert is_current(reader, host)


def test_large_parts_are_left_out_and_long_texts_cut(host: Desk, extension: Extension) -> None:
    with host.project("Survey of X" + LONG) as project, project.task("Survey" + LONG) as root:
        root.finish("result " * 10_000, summary="x" * 201)
    reader = Reader(extension)
    reader.read()
    node = reader.mirror.nodes["root"]
    assert node["goal"] == ("Survey" + LONG)[:1000]
    assert node["output_summary"] == "x" * 200
    assert node["cut"] == ["goal", "output_summary"]  # the objective is the project's goal
    assert node["overall_objective"] == "Survey of X" + LONG
    assert node["result_size"] == 70_002
    assert node.keys() & {"full_result", "aux_data", "execution_details", "task_id"} == set()
    assert is_current(reader, host)


def test_a_text_that_is_short_again_is_not_cut_any_more(host: Desk, extension: Extension) -> None:
    project = host.project()
    with project.task("a") as task:
        change(host, task, error=LONG)
        reader = Reader(extension)
        reader.read()
        assert reader.mirror.nodes["root"]["cut"] == ["error"]
        change(host, task, error="short")
        extension.tick()
        reader.read()
        assert reader.mirror.nodes["root"]["cut"] == []
        assert is_current(reader, host)


def test_a_delta_of_one_field_among_a_thousand_tasks_is_small(
    host: Desk, extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "LARGE", 10_000)
    project = host.project()
    root = project.task("wide")
    tasks = [root.task(f"task {n}") for n in range(1000)]
    reader = Reader(extension)
    reader.read()
    change(host, tasks[700], status="READY")
    extension.tick()
    reader.read()
    assert len(reader.messages[-1][1]) < 200
    assert unpack(reader.messages[-1][1])["nodes"].keys() == {"root.701"}
    assert is_current(reader, host)


def test_changes_between_two_readings_are_merged(host: Desk, extension: Extension) -> None:
    project = host.project()
    task = project.task("a")
    reader = Reader(extension)
    reader.read()
    for n in range(100):
        change(host, task, output_summary=f"step {n}")
        extension.tick()
    assert reader.read()
    assert not reader.read()
    assert len(reader.messages) == 2
    assert is_current(reader, host)


def test_a_client_is_told_once_in_a_period(host: Desk, extension: Extension) -> None:
    project = host.project()
    task = project.task("a")
    reader = Reader(extension)
    assert reader.read()
    change(host, task, status="READY")
    assert not reader.read()
    extension.tick()
    assert reader.read()


def test_clients_at_the_same_version_share_one_encoding(host: Desk, extension: Extension) -> None:
    project = host.project()
    task = project.task("a")
    readers = [Reader(extension, sid) for sid in "abc"]
    for reader in readers[:2]:
        reader.read()
    late = readers[2]
    for n in range(2):
        extension.tick()
        for reader in readers[:2]:  # it moves on while they are told
            change(host, task, output_summary=f"{n}{reader.sid}")
            reader.read()
    assert late.read()
    bodies = [[body for _, body in reader.messages] for reader in readers]
    for first, second in zip(*bodies[:2], strict=True):
        assert first is second
    extension.tick()
    for reader in readers:
        reader.read()
        assert is_current(reader, host)


def test_a_project_that_begins_anew_or_is_another_one_comes_as_a_snapshot(
    host: Desk, extension: Extension
) -> None:
    first = host.project("First")
    first.task("a")
    reader = Reader(extension)
    reader.read()
    with host.state.lock:
        host.state.projects.clear(host.state.projects.get(first.id))
    extension.tick()
    reader.read()
    assert reader.mirror.nodes == {}
    host.project("Second").task("b")
    extension.tick()
    reader.read()
    with host.state.lock:
        host.state.projects.delete(first.id)
        host.state.projects.make_current(host.state.projects.create("First again", project_id=first.id))
    extension.tick()
    reader.read()
    assert [event for event, _ in reader.messages] == ["snapshot"] * 4
    assert is_current(reader, host)


async def test_what_was_made_for_another_project_is_not_told(
    host: Desk, extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.project("First")
    Reader(extension, "first").read()
    host.project("Second")
    second = Reader(extension, "second")
    second.read()  # in the same period
    assert is_current(second, host)
    monkeypatch.setattr(delta, "LARGE", 0)
    for goal in ("Third", "Fourth"):  # the same with those made in a thread
        host.project(goal).task(goal)
        await caught_up(second, host, extension)


def test_tasks_that_were_read_from_disk_again_are_all_told_to_who_has_an_older_version(
    host: Desk, extension: Extension
) -> None:
    project = host.project()
    task = project.task("a")
    reader = Reader(extension)
    reader.read()
    change(host, task, output_summary="new")
    host.state.save()
    record = host.state.projects.get(project.id)
    record.nodes = None
    host.state.projects.nodes(record)
    extension.tick()
    reader.read()
    assert [event for event, _ in reader.messages] == ["snapshot", "delta"]
    assert is_current(reader, host)


def test_an_objective_other_than_the_projects_goal_is_told(host: Desk, extension: Extension) -> None:
    task = host.project("Survey of X").task("a")
    change(host, task, overall_objective="Another one")
    reader = Reader(extension)
    reader.read()
    assert is_current(reader, host)
    change(host, task, overall_objective="Survey of X")
    extension.tick()
    reader.read()
    assert is_current(reader, host)


async def test_who_lost_a_message_notices_with_the_next_delta_and_asks(
    host: Desk, extension: Extension
) -> None:
    project = host.project()
    task = project.task("a")
    reader = Reader(extension)
    reader.read()
    for status in ("READY", "RUNNING"):
        change(host, task, status=status)
        extension.tick()
        if status == "READY":
            reader.read(lose=True)
    with pytest.raises(Lost):
        reader.read()
    assert await reader.ask("request_snapshot") is None
    assert reader.moved.is_set()
    assert reader.read()
    assert is_current(reader, host)


async def test_a_large_snapshot_is_made_beside_the_loop_and_serves_all_who_come(
    host: Desk, extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "LARGE", 10)
    project = host.project()
    tasks = [project.task(f"task {n}", parent=None) for n in range(50)]
    readers = [Reader(extension, str(n)) for n in range(5)]
    for reader in readers:
        assert not reader.read()
    for reader in readers:
        await asyncio.wait_for(reader.moved.wait(), DEADLINE_S)
        assert reader.read()
        assert is_current(reader, host)
        assert not reader.moved.is_set()
    change(host, tasks[3], status="READY")
    extension.tick()
    late = Reader(extension, "late")
    assert late.read()  # the same snapshot, at once
    assert late.messages[0][1] is readers[0].messages[0][1]
    assert late.moved.is_set()  # and then what it lacks
    await late.read_all()
    assert is_current(late, host)
    for task in tasks:  # a delta too large for the loop: a snapshot instead
        change(host, task, status="RUNNING")
    await caught_up(late, host, extension)
    assert [event for event, _ in late.messages] == ["snapshot", "delta", "snapshot"]


async def test_a_client_never_misses_what_agents_change_while_it_is_told(
    host: Desk, extension: Extension, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "LARGE", 40)
    project = host.project()
    root = project.task("wide")
    moved = threading.Event()
    host.state.changed = lambda project_id: moved.set()

    def agent(number: int) -> None:
        for n in range(100):
            with root.task(f"{number} {n}") as task:
                task.finish("x" * n)

    agents = [threading.Thread(target=agent, args=(number,)) for number in range(4)]
    for thread in agents:
        thread.start()
    readers = [Reader(extension, str(n)) for n in range(3)]
    dice = random.Random(4)
    while any(thread.is_alive() for thread in agents):
        if moved.is_set():
            moved.clear()
            extension.tick()
            for reader in dice.sample(readers, 2):
                reader.refresh()
        for reader in readers:
            if reader.moved.is_set():
                reader.read()
        await asyncio.sleep(0)
    for reader in readers:
        await caught_up(reader, host, extension)
        assert len(reader.mirror.nodes) == 401


class Conversation(RuleBasedStateMachine):
    """Any run, any clients, any losses: who has read all has exactly the server's state."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(delta, "LARGE", 3)
        self.loop = asyncio.new_event_loop()
        self.host = Desk()
        self.state = self.host.state
        self.extension = extension_of(self.host)
        self.readers = [Reader(self.extension, sid) for sid in "ab"]
        self.has_lost = False

    def teardown(self) -> None:
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.host.state.close()
        self.patch.undo()

    @property
    def record(self) -> Any:
        return self.state.projects.current()

    def node(self, number: int) -> Any:
        nodes = list(self.state.projects.nodes(self.record).values())
        return nodes[number % len(nodes)] if nodes else None

    @rule(goal=st.sampled_from(["Survey of X", LONG]))
    def begin_project(self, goal: str) -> None:
        self.host.project(goal)

    @rule(number=st.integers(0, 3))
    def switch(self, number: int) -> None:
        records = list(self.state.projects.records())
        with self.state.lock:
            self.state.projects.make_current(([*records, None])[number % (len(records) + 1)])

    @precondition(lambda self: self.record is not None)
    @rule()
    def delete(self) -> None:
        with self.state.lock:
            self.state.projects.delete(self.record.project_id)

    @precondition(lambda self: self.record is not None)
    @rule()
    def run_anew(self) -> None:
        with self.state.lock:
            self.state.projects.clear(self.record)

    @rule(number=st.integers(0, 3))
    def forget(self, number: int) -> None:
        """The tasks of an ended project are read from disk again when it is looked at."""
        self.state.save()
        for record in list(self.state.projects.records())[number : number + 1]:
            if record.node_count:
                record.nodes = None

    @precondition(lambda self: self.record is not None)
    @rule(
        count=st.integers(1, 3),
        needed=st.integers(0, 9),
        goal=st.sampled_from(["Survey of X", "other", LONG]),
    )
    def add_tasks(self, count: int, needed: int, goal: str) -> None:
        project = Project(self.host, self.record)
        for _ in range(count):
            before = self.node(needed)
            task = project.task(goal, parent=None)
            if before is not None:
                self.state.projects.nodes(self.record)[task.id].needs = (before.node_id,)

    @precondition(lambda self: self.record is not None)
    @rule(
        number=st.integers(0, 9),
        key=st.sampled_from([*TEXTS, "status", "full_result", "aux_data", "execution_details", "model_info"]),
        value=st.integers(0, 4),
    )
    def change(self, number: int, key: str, value: int) -> None:
        node = self.node(number)
        if node is None:
            return
        structured: list[Any] = [None, msgspec.Raw(b'{"processing_started":"2026"}'), msgspec.Raw(b'{"a":1}')]
        texts: list[Any] = [None, "short", "x" * 201, LONG, self.record.goal]
        is_structured = key in ("full_result", "aux_data", "execution_details", "model_info")
        values = structured if is_structured else texts[1:] if key in ("goal", "status") else texts
        self.state.projects.change_node(self.record, node, **{key: values[value % len(values)]})

    @precondition(lambda self: self.record is not None)
    @rule(status=st.sampled_from(["running", "completed"]))
    def change_project(self, status: str) -> None:
        self.state.projects.change(self.record, status=status)

    @rule()
    def tick(self) -> None:
        self.extension.tick()
        for reader in self.readers:
            reader.refresh()

    @rule(who=st.integers(0, 1), lose=st.booleans())
    def read(self, who: int, lose: bool) -> None:
        async def read() -> None:
            if self.readers[who].moved.is_set():
                try:
                    told = self.readers[who].read(lose=lose)
                    self.has_lost |= lose and told
                except Lost:
                    await self.readers[who].ask("request_snapshot")

        self.loop.run_until_complete(read())

    @rule(who=st.integers(0, 1))
    def join_again(self, who: int) -> None:
        sid = self.readers[who].sid
        self.extension.left(self.readers[who])
        self.readers[who] = Reader(self.extension, sid)

    @rule(who=st.integers(0, 1))
    def read_all(self, who: int) -> None:
        if self.has_lost:  # the next message shows it
            self.change_project("running") if self.record is not None else self.begin_project("Survey of X")
        self.loop.run_until_complete(caught_up(self.readers[who], self.host, self.extension))

    @invariant()
    def keeps_little(self) -> None:
        assert len(self.extension._deltas._told) <= len(self.readers) + 1


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# --- requests ----------------------------------------------------------------------------------------------------


async def test_a_result_and_the_texts_that_were_cut_come_on_request(host: Desk, extension: Extension) -> None:
    with host.project() as project, project.task(LONG) as task:
        task.finish({"output_text": "x" * 2000, "n": 10**30}, summary="y" * 300)
    reader = Reader(extension)
    reply = await reader.ask("request_task_result", node_id="root", rid="r1")
    assert reply is not None
    assert (reply["project_id"], reply["node_id"], reply["rid"]) == (project.id, "root", "r1")
    assert json.loads(reply["result"]) == {"output_text": "x" * 2000, "n": 10**30}
    assert json.loads(reply["execution_details"])["success"] is True
    assert json.loads(reply["aux_data"]) == {"depends_on_indices": []}
    assert reply["texts"] == {"goal": LONG, "output_summary": "y" * 300}


async def test_a_result_may_be_asked_for_in_any_project_also_one_on_disk(
    host: Desk, extension: Extension
) -> None:
    first = host.project("First")
    with first.task("a") as task:
        task.finish("text")
    host.state.save()
    host.state.projects.get(first.id).nodes = None
    host.project("Second")
    reply = await Reader(extension).ask("request_task_result", node_id="root", project_id=first.id)
    assert reply is not None
    assert json.loads(reply["result"]) == "text"
    assert reply["rid"] is None


@pytest.mark.parametrize("event", ["watch_task", "unwatch_task", "request_task_result"])
@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "node_id is required"),
        ({"node_id": None}, "node_id is required"),
        ({"node_id": ""}, "node_id is required"),
        ({"node_id": 7}, "node_id must be text"),
        ({"node_id": ["root"]}, "node_id must be text"),
        ({"node_id": {"a": 1}}, "node_id must be text"),
        ({"node_id": b"root"}, "node_id must be text"),
        ({"node_id": "root", "project_id": 7}, "project_id must be text"),
        ({"node_id": "root", "project_id": []}, "project_id must be text"),
        ({"node_id": "root", "project_id": ""}, "project_id is required"),
    ],
)
async def test_what_is_no_request_is_refused(
    host: Desk, extension: Extension, event: str, fields: dict[str, Any], why: str
) -> None:
    host.project().task("a")
    with pytest.raises(Refused, match=f"^{why}$"):
        await Reader(extension).ask(event, **fields)


@pytest.mark.parametrize("event", ["watch_task", "request_task_result"])
async def test_a_task_or_project_that_is_not_there_is_refused(
    host: Desk, extension: Extension, event: str
) -> None:
    reader = Reader(extension)
    with pytest.raises(Refused, match=r"^project_id is required: there is no current project$"):
        await reader.ask(event, node_id="root")
    project = host.project()
    for node_id in ("root", "../../etc/passwd", "\0", "x" * 10_000_000):
        with pytest.raises(Refused) as refused:
            await reader.ask(event, node_id=node_id)
        assert str(refused.value).startswith(f"No task {node_id[:100]}")
        assert len(str(refused.value)) < 200
        with pytest.raises(Refused, match=r"^Project .* not found$"):
            await reader.ask(event, node_id="root", project_id=node_id)
    assert project.id not in extension._watching._watchers


async def test_unknown_fields_and_odd_request_ids_pass(host: Desk, extension: Extension) -> None:
    host.project().task("a")
    reader = Reader(extension)
    odd: list[Any] = ["x" * 101, [], {}, True, 1.5, 2**63, None]
    for rid in odd:
        reply = await reader.ask("request_task_result", node_id="root", rid=rid, unknown="x" * 1000)
        assert reply is not None
        assert reply["rid"] is None
    assert (await reader.ask("watch_task", node_id="root", rid=5) or {})["rid"] == 5
    assert await reader.ask("request_snapshot", anything=object()) is None


# --- pushed stages -----------------------------------------------------------------------------------------------


async def test_the_stages_of_a_watched_task_are_pushed_as_they_begin_and_change(
    host: Desk, extension: Extension
) -> None:
    project = host.project()
    with project.task("a") as task, project.task("b", parent=None) as other:
        with task.stage("atomization"):
            pass
        reader = Reader(extension)
        await reader.read_all()
        watched = await reader.ask("watch_task", node_id="root", rid=1)
        assert watched == {"project_id": project.id, "node_id": "root", "rid": 1}
        await reader.ask("watch_task", node_id="root")
        with task.stage("execution", agent="searcher", model="small-1") as stage, other.stage("execution"):
            stage.record(prompt="who?", usage={"prompt_tokens": 3})
            stage.tool_call("web_search", {"q": 1}, "found")
            extension.tick()
            reader.refresh()
            await reader.read_all()
            pushed = reader.mirror.stages
            assert pushed.keys() == {(project.id, "root")}
            assert pushed[project.id, "root"] == {1: host.stages(project, "root")[1]}
        extension.tick()
        reader.refresh()
        await reader.read_all()
        assert pushed[project.id, "root"] == {1: host.stages(project, "root")[1]}
        assert pushed[project.id, "root"][1]["status"] == "completed"
        messages = len(reader.messages)
        with task.stage("aggregation"):
            assert await reader.ask("unwatch_task", node_id="root") is not None
        extension.tick()
        reader.refresh()
        await reader.read_all()
        assert [event for event, _ in reader.messages[messages:]] == ["delta"]


async def test_a_stage_that_changes_often_is_pushed_once_in_a_period_and_in_its_newest_form(
    host: Desk, extension: Extension
) -> None:
    project = host.project()
    with project.task("a") as task, task.stage("execution") as stage:
        reader = Reader(extension)
        await reader.read_all()
        await reader.ask("watch_task", node_id="root")
        for n in range(100):
            stage.record(response=f"step {n}")
            reader.refresh()
            await reader.read_all()
        assert [event for event, _ in reader.messages] == ["snapshot"]
        extension.tick()
        reader.refresh()
        await reader.read_all()
        assert [event for event, _ in reader.messages] == ["snapshot", "stages"]
        assert reader.mirror.stages[project.id, "root"][0]["llm_response"] == "step 99"
        extension.tick()
        reader.refresh()
        await reader.read_all()
        assert len(reader.messages) == 2


async def test_a_watcher_that_does_not_read_costs_no_more_than_the_stages(
    host: Desk, extension: Extension
) -> None:
    project = host.project()
    reader = Reader(extension)
    await reader.read_all()
    stages: list[Stage] = []
    for n in range(MOST_WATCHED):
        task = project.task(str(n), parent=None).__enter__()
        await reader.ask("watch_task", node_id=task.id)
        stages.append(task.stage("execution").__enter__())
    for _ in range(50):
        for stage in stages:
            stage.record(response="x" * 1000)
        extension.tick()
    due = extension._watching._due[reader.sid]
    assert len(due) == MOST_WATCHED
    reader.refresh()
    await reader.read_all()
    events = [event for event, _ in reader.messages]
    assert events == ["snapshot", "delta", *["stages"] * (MOST_WATCHED // MOST_PUSHED)]
    assert len(reader.mirror.stages) == MOST_WATCHED
    extension.left(reader)
    watching = extension._watching
    assert [watching._watchers, watching._watched, watching._due, watching._changed] == [{}] * 4


async def test_a_client_watches_a_limited_number_of_tasks(host: Desk, extension: Extension) -> None:
    project = host.project()
    for n in range(MOST_WATCHED + 1):
        project.task(str(n), parent=None)
    node_ids = list(host.state.projects.get(project.id).nodes or {})
    reader = Reader(extension)
    for node_id in node_ids[:MOST_WATCHED]:
        await reader.ask("watch_task", node_id=node_id)
    with pytest.raises(Refused, match=f"at most|{MOST_WATCHED} tasks"):
        await reader.ask("watch_task", node_id=node_ids[-1])
    await reader.ask("watch_task", node_id=node_ids[0])  # it does already
    await reader.ask("unwatch_task", node_id=node_ids[0])
    with pytest.raises(Refused, match=f"^task {node_ids[0]} is not watched$"):
        await reader.ask("unwatch_task", node_id=node_ids[0])
    await reader.ask("watch_task", node_id=node_ids[-1])
    await Reader(extension, "another").ask("watch_task", node_id=node_ids[0])


def test_a_stage_nobody_watches_costs_nothing(host: Desk, extension: Extension) -> None:
    project = host.project()
    with project.task("a") as task, task.stage("execution") as stage:
        stage.record(response="x")
        trace = host.state.traces.read(project.id, "root")
        assert trace is not None
        assert not extension.stage_changed(project.id, "root", trace.stages[0])
    assert not extension._watching._changed
