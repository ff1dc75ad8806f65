"""What a monitor's methods do with what its session answers, without a server."""

from __future__ import annotations

from typing import Any

import pytest

from roma_widget.core.model import Stage, Task, Trace
from roma_widget.errors import ConnectError, ServerError, UnknownTask
from roma_widget.widget.acting import REFUSED, Acting


class Actions:
    """Traces are `said`: a trace, or what is raised instead."""

    def __init__(self, **said: Any) -> None:
        self.said = said
        self.asked: list[str] = []

    async def traces_to_fetch(self, task_ids: Any, timeout_s: float) -> list[str]:
        return list(self.said) if task_ids is None else list(task_ids)

    async def trace(self, task_id: str, timeout_s: float) -> Trace:
        self.asked.append(task_id)
        said = self.said[task_id]
        if isinstance(said, BaseException):
            raise said
        return said if isinstance(said, Trace) else Trace(task_id)

    async def stop(self, project_id: str | None, timeout_s: float) -> None:
        self.asked.append(str(project_id))


class Monitor(Acting):
    def __init__(self, actions: Actions) -> None:
        self.actions = actions

    def task(self, task_id: str) -> Task:
        return Task(task_id, "g", "DONE", raw_json='{"full_result": {"output_text": "found"}}')

    def _act(self, work: Any) -> Any:
        coroutine = work(self.actions)
        try:
            coroutine.send(None)
        except StopIteration as ended:
            return ended.value
        raise AssertionError("it waited")


def test_traces_are_fetched_in_order_and_those_that_came_are_counted() -> None:
    actions = Actions(
        a=Trace("a", stages=(Stage("a", 0, "planning"),)),
        b=Trace("b", is_sample=True),
        c=ServerError("No trace found for node c", REFUSED),
        d=UnknownTask("gone meanwhile"),
        e=Trace("e"),
    )
    assert Monitor(actions).fetch_traces(progress=False) == 2
    assert actions.asked == ["a", "b", "c", "d", "e"]
    assert Monitor(actions).fetch_traces(iter(["e"]), progress=False) == 1


@pytest.mark.parametrize(
    "error", [ServerError("said nothing", "node_trace_data"), ConnectError("lost"), KeyboardInterrupt()]
)
def test_what_is_no_missing_trace_ends_the_fetching_with_a_whole_line(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    actions = Actions(a=Trace("a"), b=error, c=Trace("c"))
    with pytest.raises(type(error)):
        Monitor(actions).fetch_traces()
    assert actions.asked == ["a", "b"]
    assert capsys.readouterr().out.split("\r")[-1] == "Traces: 1 of 3\n"


def test_when_every_trace_is_refused_for_another_reason_the_first_is_raised() -> None:
    refused = ServerError("Project p1 not found", REFUSED)
    with pytest.raises(ServerError, match="Project p1 not found"):
        Monitor(Actions(a=refused, b=ServerError("No trace found", REFUSED))).fetch_traces(progress=False)
    assert Monitor(Actions(a=refused, b=Trace("b"))).fetch_traces(progress=False) == 1


def test_a_result_is_the_tasks() -> None:
    assert Monitor(Actions()).result("root") == {"output_text": "found"}


def test_without_an_id_the_shown_run_is_stopped() -> None:
    actions = Actions()
    Monitor(actions).stop()
    Monitor(actions).stop("p2")
    assert actions.asked == ["None", "p2"]
    with pytest.raises(ValueError, match="project_id takes"):
        Monitor(actions).stop(7)  # type: ignore[arg-type]
