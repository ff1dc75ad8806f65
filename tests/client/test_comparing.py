"""Two runs side by side that are live, or were saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import roma_widget as roma
from roma_widget.analysis.comparing.compared import Compared
from roma_widget.archive.saved import open_run

pytestmark = pytest.mark.usefixtures("quick")
Connect = Callable[..., roma.Monitor]


def run_once(server: roma.Server, *, answer: str, tokens: int) -> None:
    with server.project("How tall is it?") as project, project.task("How tall is it?") as root:
        with root.task("Measure it") as leaf, leaf.stage("execution") as stage:
            stage.record(usage={"prompt_tokens": tokens, "completion_tokens": 1}, response=answer)
            leaf.finish(answer)
        root.finish("x" * 2000)


def test_a_live_run_and_a_saved_one(connect: Connect, tmp_path: Path) -> None:
    with roma.Server() as server:
        run_once(server, answer="12 m", tokens=3)
        m = connect(server.url)
        m.wait("done", timeout=10)
        m.fetch_traces(progress=False)
        m.save(tmp_path / "first.roma")
        run_once(server, answer="13 m", tokens=5)
        m.wait(lambda now: now.tasks and now.task("root.1").result == "13 m", timeout=10)
        m.fetch_traces(progress=False)
        with open_run(tmp_path / "first.roma") as first:
            c = Compared(first, m, ("first", "now"))
        assert c.tasks["rule"].to_list() == ["id", "id"]
        assert c.tasks["result_changed"].to_list() == [False, True]
        assert c.tasks["prompt_tokens_change"].sum() == 2
        assert c.stages["response_changed"].fillna(False).sum() == 1
        assert "-12 m\n+13 m\n" in str(c.text_diff("root.1"))
        assert "-12 m\n+13 m\n" in str(c.text_diff("root.1", "responses"))
