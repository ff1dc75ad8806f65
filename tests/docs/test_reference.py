"""docs/reference/ is what the docstrings say, and each example in them runs.

What reads runs on one run that has ended; what asks, answers or ends something on a server of its own, where an agent
waits for an answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import reference
from docs.running import run

import roma_widget as roma
from roma_widget.server.scenarios import scenario

PUBLIC = [entry for page in reference.PAGES for entry in reference.entries(page)]
WITH_EXAMPLE = [entry for entry in PUBLIC if entry.examples]
ON_A_LIVING_RUN = {
    *(
        "HitlRequest",
        "hitl",
        "start",
        "switch",
        "stop",
        "watch",
        "watch_for",
        "on",
        "save_on_server",
        "refresh",
    ),
    *("reconnect", "close", "disconnect", "execution_status"),
}
OWNERS_ON_A_LIVING_RUN = ("m.hitl", "question", "roma.Server", "project", "task", "stage")
ON_PAPER = "http://127.0.0.1:5000"
SAVED = ("run.roma", "monday.roma", "runs/monday.roma", "runs/tuesday.roma")


def needs_a_living_run(entry: reference.Entry) -> bool:
    return entry.name.startswith(OWNERS_ON_A_LIVING_RUN) or entry.name.rpartition(".")[2] in ON_A_LIVING_RUN


def test_the_pages_are_what_the_docstrings_say() -> None:
    there = {path.name: path.read_text("utf-8") for path in reference.FOLDER.glob("*.md")}
    assert there == reference.rendered(), "run `make docs`"


def test_each_public_name_is_documented_and_what_is_called_has_an_example() -> None:
    assert [entry.name for entry in PUBLIC if not entry.doc] == []
    assert [entry.name for entry in PUBLIC if entry.is_called and not entry.examples] == []


def test_nothing_is_left_out_that_is_not_there() -> None:
    owners = {name: value for page in reference.PAGES for name, value in page.entries.items()}
    for name in reference.INNER:
        owner, _, member = name.rpartition(".")
        assert hasattr(owners[owner], member), name


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A run that has ended, everything fetched, and saved runs in the working directory."""
    folder = tmp_path_factory.mktemp("ended")
    (folder / "runs").mkdir()
    with roma.Server() as server, roma.demo(speed=60, hitl=False) as m:
        m.wait(timeout=60)
        m.fetch_traces(progress=False)
        for name in SAVED:
            m.save(folder / name)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            yield {
                **everywhere(),
                "m": m,
                "s": m.snapshot,
                "runs": roma.runs("runs/*.roma"),
                "address": server.url,
            }


@pytest.fixture
def living() -> Iterator[dict[str, Any]]:
    """A server with two projects; in the current one an agent asks."""
    with roma.Server(run=scenario("report", speed=100, hitl=False)) as server:
        with server.project("Tides") as project, project.task("Tides") as task:
            task.finish("twice a day")
        project = server.project("Survey of X").__enter__()
        root = project.task("Survey of X").__enter__()
        stage = root.stage("execution").__enter__()
        plan = {"sub_tasks": [{"goal": "Find sources", "task_type": "SEARCH", "node_type": "EXECUTE"}]}
        asking = threading.Thread(target=ask, args=(root, plan))
        asking.start()
        with roma.connect(server.url) as m:
            m.wait("hitl", timeout=20)
            m.wait(lambda snapshot: snapshot.tasks and len(m.projects) > 1, timeout=20)
            yield {
                **everywhere(),
                **{"m": m, "server": server, "project": project, "root": root, "stage": stage, "plan": plan},
            }
        if project.status == "running":
            with suppress(roma.RomaError):
                project.end()
        server.stop()
        asking.join(20)
    assert not asking.is_alive()


def ask(root: Any, plan: Any) -> None:
    with suppress(roma.RomaError):
        root.ask("PlanReview", "Is this plan good?", data={"proposed_plan": plan}, timeout=60)


def everywhere() -> dict[str, Any]:
    import networkx

    return {"roma": roma, "networkx": networkx, **{name: getattr(roma, name) for name in roma.__all__}}


@pytest.mark.parametrize("entry", WITH_EXAMPLE, ids=lambda entry: entry.name)
def test_an_example_runs(entry: reference.Entry, request: pytest.FixtureRequest) -> None:
    namespace = dict(request.getfixturevalue("living" if needs_a_living_run(entry) else "ended"))
    if entry.name.startswith("task.ask"):
        namespace["m"].hitl.policy(lambda question: "approve")
    if entry.name.startswith("roma.Comparison"):
        namespace["c"] = roma.compare("monday.roma", namespace["m"])
    m = namespace["m"]
    for code in entry.examples:
        run(code.replace(ON_PAPER, namespace.get("address", "")), entry.name, namespace)
    if namespace["m"] is not m:
        namespace["m"].close()
    if "c" in namespace:
        namespace["c"].close()
