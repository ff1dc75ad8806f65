"""The requests of the recordings, played against our server: the same events answer, with payloads of the same shape.

Every difference stands in a table here and, in words, in docs/protocol.md. The tables are exact: what is no difference
any more must leave them.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from server.live_server import DEADLINE_S, FRAME
from server.shapes import Shapes, differences

from roma_widget.server.agents.instrument import Project, Task
from roma_widget.server.embedded import Server
from roma_widget.server.state.project_records import ProjectRecord

PLAYED = ("a_complete", "b_hitl", "d_failed", "f_two_projects", "g_kill_restart", "h_rest")
PREPARED = "d_failed"
"""The project that the server of h_rest had from before."""
SELF_MOVING = {FRAME, "hitl_request", "project_switched"}
"""Broadcasts that no request calls for at once. Their shapes are compared, not their order."""

BY_THEMSELVES = (FRAME, "hitl_request", "project_switched", "projects_list")

REPLY_DIFFERENCES = {
    ("a_complete", "request_node_trace"): (["node_trace_data"], ["node_trace_error"]),  # the invented sample
    ("b_hitl", "hitl_response"): ([], ["hitl_error"]),  # a second answer, an unknown action
}
"""(recording, request) -> the events that sometimes answer there, and those that then answer here."""

NODE = "all_nodes.*."
SHAPE_DIFFERENCES = {
    # prompts stand in traces, not in every frame; what is not known yet is not there, as on ROMA
    "a task": {
        "- execution_details.final_llm_input",
        "- execution_details.system_prompt",
        "- execution_details.processing_completed",
        "- execution_details.success",
        "- aux_data.execution_details",
        "+ execution_details.error",
    },
    "GET /api/health 200": {"+ safe_to_join"},
    "GET /api/task-graph 200": {"+ current_project", "+ project_id", "+ timestamp"},
    "GET /api/system-info 200": {
        "+ components.hitl.pending",
        "+ components.scheduler.cancelled",
        "- components.agent_selector",
        "- components.context_builder",
        "- components.hitl.approved",
        "- components.hitl.average_response_time",
        "- components.hitl.modified",
        "- components.hitl.rejected",
        "- components.hitl.timeouts",
        "- components.hitl.total_reviews",
    },
}
"""Message -> `- key` that ours lacks, `+ key` that only ours has, `! path` of another type."""

HTTP_DIFFERENCES: dict[tuple[str, str], int] = {
    # broken there, works here
    ("GET", "/readiness"): 200,
    ("GET", "/api/readiness"): 200,
    ("GET", "ID/download-report"): 200,
    ("POST", "ID/save-results"): 200,
    # a project that a force_save made up
    ("GET", "NOBODY/load-results"): 404,
    # the client's fault, not the server's
    ("POST", "NOBODY/switch"): 404,
    # not here
    ("GET", "/api/project/details"): 404,
    ("GET", "/api/project/ID/details"): 404,
    ("GET", "/api/project/NOBODY/details"): 404,
    ("POST", "/api/system/hitl-test"): 404,
    ("POST", "/api/system/hitl-request"): 404,
    ("POST", "/api/system/create-sample-traces"): 404,
    ("GET", "/api/simple/status"): 404,
}
"""(method, path with ids named) -> our status."""


class Mirror:
    """A `run` that does what a recorded run did: the same tasks, stages and results, then waits to be let go."""

    def __init__(self, lines: list[dict[str, Any]]) -> None:
        self.frames: dict[str, dict[str, Any]] = {}
        self.traces: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.prompts: list[dict[str, Any]] = []
        self._go: dict[str, threading.Event] = defaultdict(threading.Event)
        asked_project = ""
        for line in lines:
            payload = line["args"][0] if line["args"] else None
            if line["event"] == FRAME and payload["current_project"]:
                self.frames[payload["current_project"]["goal"]] = payload
            elif line["event"] == "request_node_trace":
                asked_project = payload["project_id"]
            elif line["event"] == "node_trace_data" and not payload["trace"]["trace_id"].startswith(
                "sample-"
            ):
                self.traces[asked_project, payload["node_id"]] = payload["trace"]["stages"]
            elif line["event"] == "hitl_request" and payload not in self.prompts:
                self.prompts.append(payload)

    def let_go(self, goal: str) -> None:
        self._go[goal].set()

    def __call__(self, project: Project, goal: str, options: Mapping[str, Any]) -> None:
        self.build(project, self.frames[goal], hold=self._go[goal])

    def build(self, project: Project, frame: dict[str, Any], hold: threading.Event | None = None) -> None:
        nodes: dict[str, dict[str, Any]] = frame["all_nodes"]
        project_id = frame["current_project"]["id"]
        made: dict[str, Task] = {}

        def perform(node_id: str) -> None:
            node, task = nodes[node_id], made[node_id]
            with task:
                for stage in self.traces.get((project_id, node_id), []):
                    self._stage(task, stage)
                self._ask(task, node_id)
                children = sorted(key for key in nodes if nodes[key]["parent_node_id"] == node_id)
                for child in children:
                    make(child, task)
                for child in children:
                    perform(child)
                if hold is not None and node_id == "root":
                    while not hold.wait(0.01):
                        if project.is_stopped:
                            return
                if node["status"] == "FAILED":
                    task.fail(node["error"])
                else:
                    task.finish(node["full_result"], summary=node["output_summary"])

        def make(node_id: str, parent: Task | None) -> None:
            node = nodes[node_id]
            sources = [source["source_task_id"] for source in node["input_context_sources"]]
            needed = [
                made[source] for source in sources if source in made and source != node["parent_node_id"]
            ]
            made[node_id] = project.task(
                node["goal"],
                task_type=node["task_type"],
                agent=node["agent_name"],
                model=(node["model_info"] or {}).get("model_id"),
                parent=parent,
                depends_on=needed,
                context=needed,
            )
            assert made[node_id].id == node_id

        make("root", None)
        perform("root")

    def _stage(self, task: Task, recorded: dict[str, Any]) -> None:
        model = (recorded["model_info"] or {}).get("model_id", "a/b")
        stage = task.stage(
            recorded["stage_name"],
            agent=recorded["agent_name"],
            model=model,
            adapter=recorded["adapter_name"],
        )
        with stage:
            stage.record(
                system_prompt=recorded["system_prompt"],
                prompt=recorded["user_input"],
                response=recorded["llm_response"],
                messages=recorded.get("llm_input_messages"),
                parameters=recorded["processing_parameters"],
                context=recorded["input_context"],
                output=recorded["output_data"],
            )
            for call in recorded.get("tool_calls") or ():
                stage.tool_call(call["tool_name"], call["tool_args"], call["result"], duration_s=0.1)

    def _ask(self, task: Task, node_id: str) -> None:
        """As often as the recorded run asked at this task."""
        for prompt in self.prompts:
            if prompt["node_id"] == node_id:
                task.ask(prompt["checkpoint_name"], prompt["context_message"], data=prompt["data_for_review"])


class Player:
    """Walks through a recording's lines and does to our server what was done to the real one."""

    def __init__(self, name: str, lines: list[dict[str, Any]], client: Any, data_dir: Path) -> None:
        self.name = name
        self.lines = lines
        self.mirror = Mirror(lines)
        self.client = client
        self.clients: dict[str, Any] = {}
        self.ours: dict[str, str] = {}
        """Recorded id -> the id in our server, of projects, stages and prompts."""
        self.server = Server(run=self.mirror, data_dir=data_dir, interval_s=0.01)
        self.events: list[tuple[str, str, str, Any]] = []
        """(whose, request, event, payload) of every reply; whose is "theirs" or "ours"."""
        self.answered_otherwise: set[tuple[str, str]] = set()
        self.http: list[tuple[str, str, int, Any, int, Any]] = []
        """(method, named path, their status, their body, our status, our body)."""

    async def play(self) -> None:
        self.server.start()
        try:
            for place, line in enumerate(self.lines):
                await self._step(place, line)
            for goal in self.mirror.frames:
                self.mirror.let_go(goal)
        finally:
            for whose in tuple(self.clients):
                await self._leave(whose)
            await asyncio.to_thread(self.server.stop)

    async def _step(self, place: int, line: dict[str, Any]) -> None:
        event, payload = line["event"], line["args"][0] if line["args"] else None
        if event in BY_THEMSELVES:
            self.events.append(("theirs", "", event, payload))
        if line["dir"] == "out":
            await self._request(place, line)
        elif event == "connect":
            self.clients[line["client"]] = await self.client(self.server.url).__aenter__()
        elif event == "disconnect":
            await self._leave(line["client"])
        elif event == "note" and "SIGKILL" in payload:
            await self._restart()
        elif event == FRAME and payload["current_project"]:
            await self._follow(payload)
        elif event == "hitl_request":
            await self._wait_for_prompt(payload)
        elif event == "http":
            await self._http(payload)

    async def _leave(self, whose: str) -> None:
        joined = self.clients.pop(whose)
        await joined.__aexit__(None, None, None)
        for name in BY_THEMSELVES:
            self.events += [("ours", "", name, payload) for payload in joined.payloads(name)]

    async def _restart(self) -> None:
        await asyncio.to_thread(self.server.state.save)
        self.server.state.store.save = lambda batch: None  # type: ignore[method-assign] # what follows never happens
        await asyncio.to_thread(self.server.stop)
        self.server.start()

    async def _follow(self, frame: dict[str, Any]) -> None:
        if frame["current_project"]["status"] == "completed":
            await self._end(frame["current_project"]["goal"])

    async def _end(self, goal: str) -> None:
        self.mirror.let_go(goal)
        for project_id in self.ours.values():
            if project_id in self.server.state.projects:
                record = self.server.state.projects.get(project_id)
                await asyncio.to_thread(ended, record, goal)

    async def _wait_for_prompt(self, prompt: dict[str, Any]) -> None:
        """Ours that stands for the recorded one: they are asked in the same order."""
        if prompt["request_id"] in self.ours or prompt["checkpoint_name"].startswith("ServerAPI"):
            return
        (joined, *_) = self.clients.values()

        def new() -> list[str]:
            known = set(self.ours.values())
            ids = [each["request_id"] for each in joined.payloads("hitl_request")]
            return [each for each in ids if each not in known]

        if prompt["node_id"] in ("root", "root.3"):
            await joined.until(lambda: bool(new()))
            self.ours[prompt["request_id"]] = new()[0]

    async def _request(self, place: int, line: dict[str, Any]) -> None:
        event, whose = line["event"], line["client"]
        if event == "hitl_response" and line["args"][0]["request_id"] not in self.ours:
            return  # to a prompt of hitl-test, which ours has not
        recorded = []
        for later in self.lines[place + 1 :]:
            if later["dir"] == "out" or later["event"] == "disconnect":
                break
            if later["dir"] == "in" and later.get("client") == whose and later["event"] not in SELF_MOVING:
                recorded.append((later["event"], later["args"][0]))
        joined = self.clients[whose]
        replies, ack = await joined.ask(event, *self._translated(line["args"]))
        assert ack == []
        replies = [reply for reply in replies if reply[0] not in SELF_MOVING]
        for name, payload in recorded:
            self.events.append(("theirs", event, name, payload))
        for name, payload in replies:
            self.events.append(("ours", event, name, payload))
        self._compare_names(event, recorded, replies)
        self._learn(recorded, replies)
        if event == "hitl_response" and line["args"][0]["action"] == "frobnicate":
            await joined.ask(event, {**self._translated(line["args"])[0], "action": "approve"})

    def _compare_names(
        self, event: str, recorded: list[tuple[str, Any]], replies: list[tuple[str, Any]]
    ) -> None:
        theirs, ours = sorted({name for name, _ in recorded}), sorted({name for name, _ in replies})
        if theirs != ours:
            assert REPLY_DIFFERENCES.get((self.name, event)) == (theirs, ours), (
                self.name,
                event,
                theirs,
                ours,
            )
            self.answered_otherwise.add((self.name, event))

    def _learn(self, recorded: list[tuple[str, Any]], replies: list[tuple[str, Any]]) -> None:
        for (name, theirs), (_, ours) in zip(recorded, replies, strict=False):
            if name == "project_started":
                self.ours[theirs["project"]["id"]] = ours["project"]["id"]
            elif name == "node_trace_data" and "trace" in ours:
                for mine, stage in zip(ours["trace"]["stages"], theirs["trace"]["stages"], strict=False):
                    self.ours[stage["stage_id"]] = mine["stage_id"]

    def _translated(self, value: Any) -> Any:
        text = json.dumps(value)
        for theirs, ours in self.ours.items():
            text = text.replace(theirs, ours)
        return json.loads(text)

    async def _http(self, recorded: dict[str, Any]) -> None:
        method, path, body = recorded["method"], recorded["path"], recorded["request_body"]
        if path == "/api/executions":
            for goal in self.mirror.frames.keys() - goals_of(recorded["body"]):
                await self._end(goal)
        options: dict[str, Any] = {}
        if isinstance(body, str):
            kind = "application/x-www-form-urlencoded" if "=" in body else "application/json"
            options = {"data": body, "headers": {"Content-Type": kind}}
        elif body is not None:
            options = {"json": body}
        url = aiohttp.client.URL(self.server.url + self._translated(path), encoded=True)
        async with aiohttp.ClientSession() as http, http.request(method, url, **options) as response:
            text = await response.text()
        ours = json.loads(text) if response.content_type == "application/json" else text
        if path.startswith("/api/projects") and method == "POST" and response.status == 201:
            self.ours[recorded["body"]["project"]["id"]] = ours["project"]["id"]
        self.http.append((method, named(path), recorded["status"], recorded["body"], response.status, ours))


def ended(record: ProjectRecord, goal: str) -> None:
    """Waits in a thread until a run of this goal has ended."""
    give_up_s = time.monotonic() + DEADLINE_S
    while record.goal == goal and record.alive:
        assert time.monotonic() < give_up_s
        time.sleep(0.005)


def goals_of(executions: dict[str, Any]) -> set[str]:
    return {run["goal"] for run in executions["running_executions"].values()}


def named(path: str) -> str:
    """The path with ids named, without its query."""
    parts = path.partition("?")[0].split("/")
    known = {"00000000-0000-4000-8000-000000000000": "NOBODY"}
    parts = [known.get(part, "ID" if len(part) == 36 and part.count("-") == 4 else part) for part in parts]
    return "/".join(parts).replace("/api/projects/", "")


def is_not_here(path: str) -> bool:
    return path.startswith(("/api/profiles", "/api/system/hitl-response"))


@pytest.fixture(scope="module")
def played(
    capture_lines: Callable[[str], list[dict[str, Any]]],
    client: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Player]:
    players = {}
    for name in PLAYED:
        player = Player(name, capture_lines(name), client, tmp_path_factory.mktemp(name))
        if name == "h_rest":
            prepare(player, capture_lines(PREPARED))
        asyncio.run(asyncio.wait_for(player.play(), 60))
        players[name] = player
    return players


def prepare(player: Player, lines: list[dict[str, Any]]) -> None:
    """The project from before, under its recorded id."""
    mirror = Mirror(lines)
    (frame,) = mirror.frames.values()
    project_id = frame["current_project"]["id"]
    with (
        player.server,
        player.server.project(frame["current_project"]["goal"], project_id=project_id) as project,
    ):
        mirror.build(project, frame)


@pytest.fixture(scope="module")
def capture_lines(recorded_lines: Any) -> Callable[[str], list[dict[str, Any]]]:
    return lambda name: list(recorded_lines(name))


def test_the_same_events_answer(played: dict[str, Player]) -> None:
    """`Player` has compared them; here only that the table has nothing else."""
    otherwise: set[tuple[str, str]] = set().union(*(player.answered_otherwise for player in played.values()))
    assert otherwise == REPLY_DIFFERENCES.keys()
    requests = {request for player in played.values() for _, request, _, _ in player.events}
    assert len(requests) > 10


def test_events_and_bodies_have_the_same_shape(played: dict[str, Player]) -> None:
    theirs: dict[str, Shapes] = defaultdict(Shapes)
    ours: dict[str, Shapes] = defaultdict(Shapes)
    for player in played.values():
        for whose, _, event, payload in player.events:
            (theirs if whose == "theirs" else ours)[event].add(payload)
        for method, path, their_status, their_body, our_status, our_body in player.http:
            if their_status == our_status and isinstance(their_body, dict) and not is_not_here(path):
                theirs[f"{method} {path} {our_status}"].add(their_body)
                ours[f"{method} {path} {our_status}"].add(our_body)
    assert theirs.keys() - ours.keys() == set()
    found: dict[str, set[str]] = defaultdict(set)
    for message, shapes in theirs.items():
        for difference in differences(shapes, ours[message]):
            sign, _, path = difference.partition(" ")
            if NODE in path:
                found["a task"].add(f"{sign} {path.partition(NODE)[2]}")
            else:
                found[message].add(difference)
    assert found == SHAPE_DIFFERENCES


def test_http_answers_with_the_same_statuses(played: dict[str, Player]) -> None:
    otherwise = {}
    for player in played.values():
        for method, path, their_status, _, our_status, our_body in player.http:
            if their_status != our_status and not is_not_here(path):
                otherwise[method, path] = our_status
            if our_status >= 400:
                assert set(our_body) == {"error"}, (method, path)
            if is_not_here(path):
                assert our_status == 404, (method, path)
    assert otherwise == HTTP_DIFFERENCES
