"""Runs that are played through the same instrumentation as anybody's agents: for the demo, for load, for tests.

The same seed and goal give the same tasks, texts and statuses, whatever the speed; only times and the ids that the
server draws differ.

    server = Server(run=scenario("report", seed=7))
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from roma_widget.server.scenarios import chat, failure, report, wide
from roma_widget.server.scenarios.play import Play, Sleep
from roma_widget.server.scenarios.topics import topic_for, topic_of
from roma_widget.server.scenarios.topics.topic import Topic

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project

Run = Callable[["Project", str, Mapping[str, Any]], Awaitable[None]]
Scenario = Callable[[Play, "Project", str, Mapping[str, Any]], Awaitable[None]]

ANSWERS_WITHIN_S = 120.0
"""How long a person has to answer, at speed 1; then the run goes on by itself, and its trace says so."""
SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {"report": report.run, "failure": failure.run, "wide": wide.run, "chat": chat.run}
)
_GOALS: Mapping[str, Callable[[Topic], str]] = {
    "report": report.goal,
    "failure": failure.goal,
    "wide": wide.goal,
    "chat": chat.goal,
}


def scenario(
    name: str,
    *,
    seed: int = 0,
    speed: float = 1.0,
    hitl: bool = True,
    n: int = 1_000,
    sleep: Sleep | None = None,
) -> Run:
    """What `Server(run=...)` takes to play the scenario `name`: report, failure, wide or chat.

    `speed` 2.0 plays it twice as fast, infinity without waiting; `hitl` False asks nobody; `n` is the number of tasks
    of `wide` (a run's `options["n"]` goes before it). `sleep` takes the place of waiting: it is awaited with seconds
    at speed 1. Raises ValueError.

    >>> server = Server(run=scenario("wide", n=10_000))
    """
    if name not in SCENARIOS:
        raise ValueError(f"There is no scenario {name!r}; there are {', '.join(SCENARIOS)}.")
    if not speed > 0:
        raise ValueError(f"speed takes a number above 0, not {speed!r}.")
    wide.checked(n)

    async def paced(seconds: float) -> None:
        await asyncio.sleep(seconds / speed)

    async def run(project: Project, goal: str, options: Mapping[str, Any]) -> None:
        within_s = ANSWERS_WITHIN_S / speed if hitl else None
        play = Play(seed, topic_for(goal, seed), sleep or paced, within_s, n)
        await SCENARIOS[name](play, project, goal, options)

    return run


def goal_of(name: str, seed: int = 0) -> str:
    """The goal to start the scenario with. Raises ValueError."""
    if name not in _GOALS:
        raise ValueError(f"There is no scenario {name!r}; there are {', '.join(_GOALS)}.")
    return _GOALS[name](topic_of(seed))
