"""Whatever is sent to a server of ours, or to a relay: nothing breaks, and it answers the next one."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import logging
import random
import re
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import pytest
from fuzzing import fuzzed, json_values, odd_texts, seeds, spoiled
from hypothesis import given
from hypothesis import strategies as st

from roma_widget.client.feed import FeedOptions
from roma_widget.client.loop import io_thread
from roma_widget.relay import link_above
from roma_widget.relay.relay import Relay, RelayOptions
from roma_widget.server.embedded import Server
from roma_widget.server.wire.requests import ACTIONS, ERRORS

KEYS = st.sampled_from(
    "project_id node_id stage_id request_id goal project_goal max_steps options action modification_instructions "
    "rid config basic_state results name n seq epoch since".split()
)
ROUTES = [
    *(("GET", f"/api/{path}") for path in ("health", "task-graph", "executions", "projects", "system-info")),
    *(("POST", path) for path in ("/api/projects", "/api/projects/configured", "/no/such/path")),
    *(
        (method, f"/api/projects/{{}}{rest}")
        for method, rest in [
            ("GET", ""),
            ("DELETE", ""),
            ("POST", "/switch"),
            ("POST", "/stop"),
            ("GET", "/config"),
        ]
    ),
    *(
        (method, f"/api/projects/{{}}/{rest}")
        for method, rest in [
            ("POST", "save-results"),
            ("GET", "load-results"),
            ("GET", "download-report?format=x"),
        ]
    ),
]
DEADLINE_S = 10.0
N_QUESTIONS = 20
PROJECTS = ("p", "p", "p", "q", "none")
TASKS = ("root", "root", "root", "none")
GOALS = ("a goal", " another goal ", "\u202egoal\0goal", "x" * 1_000)
STEPS = (1, "7", 10_000)
OF_PROJECT = {"project_id": PROJECTS}
OF_TASK = {**OF_PROJECT, "node_id": TASKS}
OF_Q = {"project_id": ("q",)}  # which loses its tasks; the others ask for those of p
FIELDS: dict[str, dict[str, Sequence[Any]]] = {
    "request_initial_state": {},
    "start_project": {"project_goal": GOALS, "max_steps": STEPS},
    "simple_execute_stream": {"goal": GOALS, "options": ({}, {"max_steps": 3})},
    "switch_project": OF_PROJECT,
    "restore_project_state": OF_PROJECT,
    "request_project_restore": OF_PROJECT,
    "auto_save_project": OF_PROJECT,
    "force_save_project": OF_PROJECT,
    "start_project_execution": {**OF_Q, "goal": GOALS, "max_steps": STEPS},
    "request_node_trace": OF_TASK,
    "request_stage_details": {**OF_TASK, "stage_id": ("@stage",)},
    "clear_traces": OF_Q,
    "hitl_response": {
        "request_id": tuple(f"@question{number}" for number in range(N_QUESTIONS)),
        "action": sorted(ACTIONS),
        "modification_instructions": ("shorter", "\ud800", "x" * 10_000),
        "answered_by": ("Ann", "\u202e<b>"),
    },
    "stop_project": OF_PROJECT,
    "request_snapshot": {},
    "watch_task": OF_TASK,
    "unwatch_task": OF_TASK,
    "request_task_result": OF_TASK,
    "request_history": OF_PROJECT,
    "reconnect_above": {"force": (False,)},
}
"""What each request takes, as docs/protocol.md has it; `@` stands before what only the running server knows."""
ERROR_EVENTS = {reply.event for reply in ERRORS.values()}
GOOD = b'42["request_node_trace",{"project_id":"p","node_id":"root","rid":"7"}]'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    def run(project: Any, goal: str, options: Any) -> None:
        """Ends at once, whatever it is asked."""

    with Server(run=run) as running:
        for project_id in ("p", "q"):
            with running.project("a goal", project_id=project_id) as project, project.task("a task") as task:
                with task.stage("planning") as stage:
                    stage.record(response="so")
                task.finish("done")
        yield running


@pytest.fixture
def real_ids(server: Server) -> dict[str, str]:
    """What stands for the names with `@`."""
    state = server.state
    with state.lock:
        trace = state.traces.read("p", "root")
        asked = [
            state.prompts.ask("p", "root", "plan", "so?", None, time.monotonic()) for _ in range(N_QUESTIONS)
        ]
    assert trace is not None
    return {
        "@stage": trace.stages[0].stage_id,
        **{f"@question{number}": prompt.request_id for number, prompt in enumerate(asked)},
    }


@pytest.fixture(scope="module")
def relay_url(server: Server) -> Iterator[str]:
    async def started() -> Relay:
        relay = Relay(RelayOptions(FeedOptions(server.url)))
        await relay.start()
        return relay

    relay = io_thread().result(started(), DEADLINE_S)
    yield relay.url
    io_thread().result(relay.stop(), DEADLINE_S)


@pytest.fixture(params=["server", "relay"])
def url(
    request: pytest.FixtureRequest,
    server: Server,
    relay_url: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    caplog.set_level(logging.ERROR)
    monkeypatch.setattr(link_above, "BETWEEN_S", 0.0)
    yield server.url if request.param == "server" else relay_url
    broken = [
        record
        for record in caplog.get_records("call")
        if record.name.startswith("roma_widget") and record.exc_info
    ]
    assert not broken, broken


def ask(url: str, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=DEADLINE_S)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@fuzzed(150)
@given(st.sampled_from(ROUTES), json_values(KEYS), odd_texts, seeds)
def test_any_body_and_any_path(url: str, route: tuple[str, str], value: Any, name: str, seed: int) -> None:
    method, path = route
    body = json.dumps(value).encode()
    if seed % 3 == 0:
        body = spoiled(seed, body)
    quoted = urllib.request.quote(name.encode("utf-8", "surrogatepass")[:500], safe="")
    kind = random.Random(seed).choice(["application/json", "application/json", "text/plain", "x"])
    status, said = ask(
        url, method, path.format(quoted), body if method == "POST" else None, {"Content-Type": kind}
    )
    assert status < 500 or status in (501, 503), (status, said)
    assert len(said) < 100_000
    if status != 200:
        assert isinstance(json.loads(said), dict)


async def hears(url: str, packets: list[str | bytes]) -> None:
    """A client that says these, and then, as another one, what is answered."""
    async with aiohttp.ClientSession() as http_client:
        address = f"{url}/socket.io/?EIO=4&transport=websocket"
        async with http_client.ws_connect(address, max_msg_size=0) as rude:
            await rude.send_str("40")
            for packet in packets:
                try:
                    await (rude.send_str(packet) if isinstance(packet, str) else rude.send_bytes(packet))
                except ConnectionError:
                    break  # it has been shown the door
        async with http_client.ws_connect(address, max_msg_size=0) as polite:
            await polite.send_str("40")
            await polite.send_str(GOOD.decode())
            async with asyncio.timeout(DEADLINE_S):
                while "node_trace" not in (said := await polite.receive_str()):
                    assert said


def request_of(seed: int, odd: Any) -> tuple[str, Any]:
    """One that can be answered; of seven two have a field that is `odd`, and one is nothing else."""
    rng = random.Random(seed)
    name = rng.choice([*FIELDS])
    fields = {key: rng.choice(values) for key, values in FIELDS[name].items()}
    match rng.randrange(7):
        case 0:
            return rng.choice([name, "no_such_request"]), odd
        case 1 | 2:
            return name, fields | {rng.choice([*fields, "rid"]): odd}
    return name, fields


def test_what_is_fuzzed_is_all_that_can_be_asked() -> None:
    assert FIELDS.keys() == ERRORS.keys()


def test_any_request_over_the_socket(server: Server, url: str, real_ids: dict[str, str]) -> None:
    done: Counter[str] = Counter()
    refused: Counter[str] = Counter()

    @fuzzed(100)
    @given(
        st.lists(st.tuples(seeds, json_values(KEYS)), min_size=1, max_size=8),
        st.sampled_from([True, True, True, False]),
    )
    def asked(drawn: list[tuple[int, Any]], is_extended: bool) -> None:
        several = [request_of(*each) for each in drawn]
        said = [with_real(real_ids, each) for each in several]
        for place, is_refused in asyncio.run(refusals(url, said, is_extended)).items():
            (refused if is_refused else done)[several[place][0]] += 1

    asked()
    least = 0.35 if url == server.url else 0.2  # a relay passes not everything up
    assert done.total() > least * (done + refused).total(), (done, refused)
    assert len(done) >= 12, done


def test_each_field_of_each_request_may_be_anything(url: str, real_ids: dict[str, str]) -> None:
    odd = (None, True, 3, -1.5, "", "\ud800", "x" * 10_000, [], [["p"]], {}, {"p": None})
    for name, fields in FIELDS.items():
        right = {key: values[0] for key, values in fields.items()}
        spoiled_ones = [(name, right | {field: value}) for field in [*fields, "rid"] for value in odd]
        said = [with_real(real_ids, each) for each in spoiled_ones]
        answered = asyncio.run(refusals(url, said, is_extended=True))
        assert answered.keys() == set(range(len(said))), name


def with_real(real_ids: dict[str, str], request: tuple[str, Any]) -> str:
    """As JSON."""
    return re.sub(r'"(@\w+)"', lambda mark: json.dumps(real_ids.get(mark[1], mark[1])), json.dumps(request))


async def refusals(url: str, requests: list[str], is_extended: bool) -> dict[int, bool]:
    """By place, whether a request was refused: an error comes before the acknowledgement.

    Nobody acknowledges what there is not; and who is shown the door hears no more.
    """
    last = len(requests)
    found: dict[int, bool] = {}
    is_refused = False
    async with aiohttp.ClientSession() as http_client, asyncio.timeout(DEADLINE_S):
        address = f"{url}/socket.io/?EIO=4&transport=websocket"
        async with http_client.ws_connect(address, max_msg_size=0) as client:
            await client.send_str('40{"roma_widget":1}' if is_extended else "40")
            while not str((await client.receive()).data).startswith("40"):
                pass  # who has not joined may say little
            for number, request in enumerate([*requests, '["request_initial_state"]']):
                with contextlib.suppress(ConnectionError):
                    await client.send_str(f"42{number}{request}")
            async for said in client:
                if said.type is not aiohttp.WSMsgType.TEXT:
                    continue
                if acknowledged := re.match(r"43(\d+)", said.data):
                    found[int(acknowledged[1])] = is_refused
                    is_refused = False
                elif event := re.match(r'42\["(\w+)"', said.data):
                    is_refused |= event[1] in ERROR_EVENTS
                if last in found:
                    break
    return {place: is_refused for place, is_refused in found.items() if place != last}


@fuzzed(40)
@given(st.lists(seeds, min_size=1, max_size=6), st.booleans())
def test_packets_that_were_spoiled_on_their_way(url: str, seeds: list[int], is_binary: bool) -> None:
    packets = [spoiled(seed, GOOD) for seed in seeds]
    said: list[str | bytes] = [one if is_binary else one.decode("latin-1") for one in packets]
    asyncio.run(hears(url, said))
