"""What a monitor's methods do with what its session answers, without a server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from roma_widget.core.model import Task
from roma_widget.core.traces import Fetching
from roma_widget.errors import ConnectError
from roma_widget.widget.acting import Acting


class Actions:
    """Of three traces the first comes, and then what is `said`: a number, or what is raised instead."""

    def __init__(self, said: object = 3) -> None:
        self.said = said
        self.asked: list[str] = []

    async def fetch_traces(self, task_ids: Any, timeout_s: float, fetching: Fetching) -> int:
        self.asked = list(task_ids or ())
        fetching.total, fetching.asked, fetching.fetched = 3, 2, 1
        if isinstance(self.said, BaseException):
            raise self.said
        return int(str(self.said))

    async def stop(self, project_id: str | None, timeout_s: float) -> None:
        self.asked.append(str(project_id))


class Monitor(Acting):
    def __init__(self, actions: Actions) -> None:
        self.actions = actions

    def task(self, task_id: str) -> Task:
        return Task(task_id, "g", "DONE", raw_json='{"full_result": {"output_text": "found"}}')

    def _act(self, work: Any, meanwhile: Any = None) -> Any:
        coroutine = work(self.actions)
        try:
            coroutine.send(None)
        except StopIteration as ended:
            return ended.value
        raise AssertionError("it waited")


@pytest.mark.parametrize("said", [1, ConnectError("lost"), KeyboardInterrupt()])
def test_a_fetching_ends_with_a_whole_line_however_it_ends(
    said: object, capsys: pytest.CaptureFixture[str]
) -> None:
    actions = Actions(said)
    with suppress(ConnectError, KeyboardInterrupt):
        assert Monitor(actions).fetch_traces(iter("ab")) == said
    assert actions.asked == ["a", "b"]
    assert capsys.readouterr().out == "\rTraces: 2 of 3, 1 task without one\n"


def test_a_fetching_says_nothing_unless_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    assert Monitor(Actions()).fetch_traces(progress=False) == 3
    assert capsys.readouterr().out == ""


def test_a_result_is_the_tasks() -> None:
    assert Monitor(Actions()).result("root") == {"output_text": "found"}


def test_without_an_id_the_shown_run_is_stopped() -> None:
    actions = Actions()
    Monitor(actions).stop()
    Monitor(actions).stop("p2")
    assert actions.asked == ["None", "p2"]
    with pytest.raises(ValueError, match="project_id takes"):
        Monitor(actions).stop(7)  # type: ignore[arg-type]
