"""Projects that are not current: looked at above when somebody below asks, started and stopped there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from client.servers import WireServer, eventually, frame, node, packet, projects_list
from relay.conftest import MakeRelay, Relay

import roma_widget as roma
from roma_widget.client.loop import io_thread
from roma_widget.relay import mirror, other_projects
from roma_widget.server.agents.instrument import Project

CONFIG = {"llm": {"model": "m"}, "execution": {}, "cache": {}}


async def get(url: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, json.loads(await answer.text())


async def post(url: str, body: Any = None) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        return answer.status, json.loads(await answer.text())


def project(status: str, *tasks: dict[str, Any]) -> dict[str, Any]:
    state = frame(tasks, "p2", status)
    return {"project": {"id": "p2", "goal": "p2", "status": status}, "state": state}


def test_another_project_is_looked_at_once_a_second_while_it_runs(
    roma_above: WireServer, beside_roma: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/projects/p2"
    roma_above.answers[path] = project("running", node("root"))

    async def statuses(n: int) -> list[str]:
        answers = await asyncio.gather(*(get(beside_roma.url + path) for _ in range(n)))
        return [body["state"]["all_nodes"]["root"]["status"] for _, body in answers]

    assert asyncio.run(statuses(20)) == ["RUNNING"] * 20
    assert roma_above.asked.count(path) == 1
    roma_above.answers[path] = project("completed", node("root", "DONE"))
    monkeypatch.setattr(other_projects, "FRESH_S", 0.0)
    assert asyncio.run(statuses(1)) == ["DONE"]
    assert asyncio.run(statuses(5)) == ["DONE"] * 5
    assert roma_above.asked.count(path) == 2, "what has ended is not looked at again"


def test_what_is_known_is_the_answer_while_the_server_above_is_away(
    roma_above: WireServer, beside_roma: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/api/projects/p2"
    roma_above.answers[path] = project("running", node("root"))
    roma_above.answers["/api/executions"] = {"running_executions": {"p2": {"goal": "g", "max_steps": 7}}}
    _, body = asyncio.run(get(beside_roma.url + "/api/executions"))
    assert body["running_executions"]["p2"]["max_steps"] == 7
    asyncio.run(get(beside_roma.url + path))
    roma_above.answers.pop(path), roma_above.answers.pop("/api/executions")
    roma_above.close()
    monkeypatch.setattr(other_projects, "FRESH_S", 0.0)
    status, body = asyncio.run(get(beside_roma.url + path))
    assert (status, list(body["state"]["all_nodes"])) == (200, ["root"])
    status, body = asyncio.run(get(beside_roma.url + "/api/executions"))
    assert (status, list(body["running_executions"])) == (200, ["p2"])


def test_ids_that_nobody_knows_are_asked_for_above_a_few_times_only(
    roma_above: WireServer, beside_roma: Relay
) -> None:
    async def ask() -> set[int]:
        answers = await asyncio.gather(*(get(f"{beside_roma.url}/api/projects/none-{n}") for n in range(100)))
        return {status for status, _ in answers}

    assert asyncio.run(ask()) == {404}
    looks = sum(path.startswith("/api/projects/none-") for path in roma_above.asked)
    assert looks <= other_projects.UNKNOWN_AT_ONCE + 10 * other_projects.UNKNOWN_A_SECOND


def test_what_the_server_above_refuses_is_refused_in_its_words(
    roma_above: WireServer, beside_roma: Relay, client: Any
) -> None:
    words = "Goal is not to my taste"
    roma_above.replies["start_project"] = lambda asked: [packet("error", {"message": words})]
    roma_above.replies["force_save_project"] = lambda asked: [packet("save_error", {"error": "No disk"})]
    roma_above.answers["POST /api/projects/configured"] = _refusal(400, "No such model")
    roma_above.answers["POST /api/projects/p1/stop"] = _refusal(409, "It is not running")
    roma_above.replies["switch_project"] = lambda asked: [packet("project_switch_error", {"error": "No"})]

    async def scenario() -> None:
        async with client(beside_roma.url) as below:
            replies, _ = await below.ask("start_project", {"project_goal": "a goal"})
            assert replies == [("error", {"message": words})]
            replies, _ = await below.ask("force_save_project", {"project_id": "p1"})
            assert replies == [("save_error", {"error": "No disk"})]
            replies, _ = await below.ask("switch_project", {"project_id": "p1"})
            assert replies == [("project_switch_error", {"error": "No"})]
            assert len(below.payloads("error")) == 1
        projects = f"{beside_roma.url}/api/projects"
        assert (await post(projects, {"goal": "a goal"}))[1] == {"error": words}
        assert (await post(f"{projects}/configured", {"goal": "a goal", "config": CONFIG}))[1] == {
            "error": "No such model"
        }
        assert (await post(f"{projects}/p1/stop"))[1] == {"error": "It is not running"}

    asyncio.run(scenario())


def _refusal(status: int, words: str) -> tuple[int, str, str]:
    return status, json.dumps({"error": words}), "application/json"


def test_runs_are_started_switched_and_stopped_above(
    relay_of: MakeRelay, gate: Callable[..., None], client: Any
) -> None:
    seen: list[Any] = []

    def run(project: Project, goal: str, options: Any) -> None:
        seen.append((goal, options.get("llm")))
        gate(project, goal, options)

    async def scenario(above: roma.Server, url: str) -> None:
        async with client(url, auth={"roma_widget": 1}) as below:
            replies, _ = await below.ask("start_project", {"project_goal": "the first"})
            (first,) = [payload["project"]["id"] for name, payload in replies if name == "project_started"]
            status, body = await post(
                f"{url}/api/projects/configured", {"goal": "the second", "config": CONFIG}
            )
            assert (status, seen) == (201, [("the first", None), ("the second", CONFIG["llm"])])
            second = body["project"]["id"]
            status, body = await get(f"{url}/api/projects/{first}")
            assert (status, list(body["state"]["all_nodes"])) == (200, ["root"])
            replies, _ = await below.ask("switch_project", {"project_id": first, "rid": 1})
            assert [p["project_id"] for name, p in replies if name == "project_switch_success"] == [first]
            assert above.state.projects.current_id == first
            status, _ = await post(f"{url}/api/projects/{second}/stop")
            assert (status, above.state.projects.get(second).fields["status"]) == (200, "stopped")

    with roma.Server(run=run) as above:
        asyncio.run(scenario(above, relay_of(above.url).url))


@pytest.mark.parametrize("projects", ["garbage", [7, {"id": "p2"}], None])
def test_nothing_is_gone_because_a_list_could_not_be_read(
    roma_above: WireServer, beside_roma: Relay, projects: Any
) -> None:
    roma_above.send_frame([node("root")])
    eventually(lambda: known(beside_roma)["p1"].node_count)
    roma_above.emit("projects_list", {"projects": projects, "current_project_id": "p1"})
    roma_above.emit("project_started", {"project": {"id": "p3"}})
    eventually(lambda: "p3" in known(beside_roma))
    assert known(beside_roma).keys() == {"p1", "p2", "p3"}
    assert known(beside_roma)["p1"].node_count == 1
    roma_above.emit("projects_list", projects_list("p1"))
    eventually(lambda: known(beside_roma).keys() == {"p1"})


def known(relay: Relay) -> dict[str, Any]:
    with relay._state.lock:
        return {record.project_id: record for record in relay._state.projects.records()}


def test_of_projects_that_clients_look_at_only_the_last_ones_are_remembered_twice(
    roma_above: WireServer, beside_roma: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror, "MOST_TOLD", 2)
    monkeypatch.setattr(other_projects, "FRESH_S", 0.0)
    ids = [f"q{n}" for n in range(20)]
    tasks = [node("root", "PLAN_DONE"), node("root.1")]
    roma_above.emit("projects_list", projects_list("p1", *ids))
    eventually(lambda: "q19" in known(beside_roma))

    async def look(each: str, *tasks: dict[str, Any]) -> Any:
        state = frame(tasks, each)
        roma_above.answers[f"/api/projects/{each}"] = {
            "project": {"id": each, "status": "running"},
            "state": state,
        }
        return (await get(f"{beside_roma.url}/api/projects/{each}"))[1]["state"]["all_nodes"].keys()

    for each in ids:
        assert asyncio.run(look(each, *tasks)) == {"root", "root.1"}
    assert beside_roma._mirror._told.keys() == {"q18", "q19"}
    assert asyncio.run(look("q0", tasks[0])) == {"root"}, "what was taken back is gone"
    assert asyncio.run(look("q1")) == {"root", "root.1"}, "a file that was being written"


def test_a_slow_word_on_what_runs_is_a_word(
    roma_above: WireServer, beside_roma: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = beside_roma._others
    ask = others._ask_running

    async def slowly() -> Any:
        await asyncio.sleep(0.2)
        return await ask()

    monkeypatch.setattr(others, "_ask_running", slowly)
    monkeypatch.setattr(other_projects, "FRESH_S", 0.1)
    assert io_thread().result(others.running()) == {}
