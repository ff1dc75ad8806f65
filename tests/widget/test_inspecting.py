"""What a browser is told of a trace: bounded, encodable whatever an agent wrote, and the stage that a person means."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from analysis.snapshots import of, stage, task, trace

from roma_widget.analysis.trace_records import CUT_AT, LONGEST_TEXT, MOST_CHARACTERS, MOST_STAGES
from roma_widget.core.clock import ServerClock
from roma_widget.core.model import Snapshot, Trace
from roma_widget.core.traces import in_utc
from roma_widget.errors import RomaError, ServerError, UnknownTask
from roma_widget.widget.inspecting import KEPT, Inspecting


class Server:
    """Gives what it is told to give, and counts the questions."""

    def __init__(self, *stages: dict[str, Any]) -> None:
        self.stages = stages
        self.asked: list[str] = []
        self.refusal: str | None = None
        self.snapshot: Snapshot = of(*(task(f"t{number}") for number in range(KEPT + 2)))
        self.inspecting = Inspecting(lambda: self.snapshot, lambda: self)

    async def trace(self, task_id: str, timeout_s: float) -> Trace:
        self.asked.append(task_id)
        if self.refusal is not None:
            raise ServerError(self.refusal, "error")
        return in_utc(trace(task_id, *self.stages), ServerClock.of(0.0))

    def told(self, task_id: str = "t0") -> Any:
        return json.loads(bytes(asyncio.run(self.inspecting.trace(task_id, 1.0))))

    def texts(self, seq: int, task_id: str = "t0") -> Any:
        return json.loads(bytes(asyncio.run(self.inspecting.texts(task_id, seq, 1.0))))


def test_long_texts_come_when_they_are_asked_for() -> None:
    server = Server(stage(llm_response="y" * 14_000, user_input={"a": "x" * 5_000}), stage())
    told = server.told()
    first, second = told["stages"]
    assert (told["task"], first["seq"], second["attempt"], told["left_out"]) == ("t0", 0, 2, None)
    assert first["llm_response"] == "y" * CUT_AT
    assert first["sizes"] == {"llm_response": 14_000, "user_input": 5_008}
    assert second["sizes"] == {}
    whole = server.texts(0)
    assert len(whole["texts"]["llm_response"]) == 14_000
    assert json.loads(whole["texts"]["user_input"]) == {"a": "x" * 5_000}
    assert not whole["cut"]
    assert server.asked == ["t0"]


def test_the_answers_are_bounded_whatever_the_trace_is() -> None:
    server = Server(*(stage(llm_response="y" * 3_000) for _ in range(MOST_STAGES + 1)))
    told = server.told()
    assert told["left_out"] == "The first 2,000 of 2,001 stages are shown."
    assert sum(len(each["llm_response"]) for each in told["stages"]) < MOST_CHARACTERS
    assert told["stages"][-1]["llm_response"] == ""
    assert told["stages"][-1]["sizes"]["llm_response"] == 3_000
    server = Server(stage("x" * 10_000, llm_response="y" * (LONGEST_TEXT + 1)))
    assert len(server.told()["stages"][0]["stage"]) == 500
    assert (len(server.texts(0)["texts"]["llm_response"]), server.texts(0)["cut"]) == (LONGEST_TEXT, True)


def test_what_no_encoder_takes_is_told_all_the_same() -> None:
    server = Server(stage("a\ud800", llm_response="b\udfff", output_data=float("nan"), error_message="\0"))
    (told,) = server.told()["stages"]
    assert (told["stage"], told["llm_response"]) == ("a\ufffd", "b\ufffd")


def test_that_there_is_no_trace_is_no_failure() -> None:
    server = Server()
    server.refusal = "No trace found for node t0"
    assert server.told()["stages"] == []
    server.refusal = "The disk is full."
    with pytest.raises(ServerError, match="disk is full"):
        server.told()


def test_what_is_opened_is_of_the_trace_that_is_shown() -> None:
    server = Server(stage(), stage())
    server.told()
    server.stages = ()
    opened, its_stage = asyncio.run(server.inspecting.opened("t0", 1, 1.0))
    assert (opened.goal, its_stage.attempt, server.asked) == ("Goal of t0", 2, ["t0"])
    assert its_stage.started is not None
    with pytest.raises(RomaError, match="has no stage 7 any more"):
        server.texts(7)
    with pytest.raises(UnknownTask):
        server.texts(0, "gone")


def test_few_traces_are_kept() -> None:
    server = Server(stage())
    for number in range(KEPT + 1):
        server.told(f"t{number}")
    asked = len(server.asked)
    server.texts(0, f"t{KEPT}")
    assert len(server.asked) == asked
    server.texts(0, "t0")
    assert server.asked[asked:] == ["t0"]
