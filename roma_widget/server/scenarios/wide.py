"""`wide`: as many tasks as you like in three levels, for load. 1,000 take about half a minute, 10,000 a minute."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from roma_widget.server.scenarios.cast import AGGREGATORS, PLANNERS
from roma_widget.server.scenarios.execute import execute
from roma_widget.server.scenarios.jobs import Job, plan_of
from roma_widget.server.scenarios.perform import all_or_none
from roma_widget.server.scenarios.play import Actor, Play
from roma_widget.server.scenarios.topics.topic import Topic
from roma_widget.server.scenarios.words import capitalized

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project, Task

GROUP = 25
"""About how many leaves a group has."""
IN_FLIGHT = 64
"""Leaves that run at the same time."""
GROUPS_AT_ONCE = 12
MOST = 50_000
THOUSAND_S, TEN_THOUSAND_S = 29.0, 58.0
"""How long the leaves of so many tasks take together; planning and joining come on top."""


def goal(topic: Topic) -> str:
    return f"Catalogue everything that is known on {topic.subject}"


def checked(n: object) -> int:
    """`n` as a number of tasks. Raises ValueError."""
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MOST:
        raise ValueError(f"n is the number of tasks, 1 to {MOST:,}, not {n!r}.")
    return n


async def run(play: Play, project: Project, goal: str, options: Mapping[str, Any]) -> None:
    """`options["n"]`, where given, is the number of tasks."""
    n = checked(options.get("n", play.n))
    sizes = group_sizes(n)
    pace = Pace(sum(sizes))
    job = Job(goal, "WRITE", parts=tuple(_group_job(play, number) for number in range(len(sizes))))
    with project.task(goal, task_type=job.task_type, parent=None) as root:
        actor = Actor(play, root, job, "root")
        if sizes:
            await _plan(actor, job.parts)
            groups = _children(root, job.parts)
            runs = (_run_group(play, group, pace, place, sizes[place]) for place, group in enumerate(groups))
            await all_or_none(runs)
        await _join(actor, f"{len(sizes)} groups, {sum(sizes)} entries")


def group_sizes(n: int) -> list[int]:
    """How many leaves each group gets, so that there are `n` tasks with the root and the groups."""
    if n == 1:
        return []
    groups = max(1, round((n - 1) / (GROUP + 1)))
    leaves, more = divmod(n - 1 - groups, groups)
    return [leaves + (place < more) for place in range(groups)]


class Pace:
    """How many run at once, and how long each takes, for so many leaves."""

    def __init__(self, leaves: int) -> None:
        growth = math.log10(max(leaves, 1) / 1000)
        whole_s = THOUSAND_S * (TEN_THOUSAND_S / THOUSAND_S) ** growth
        self.leaf_s = min(2.0, whole_s * IN_FLIGHT / max(leaves, 1))
        self.leaves = asyncio.Semaphore(IN_FLIGHT)
        self.groups = asyncio.Semaphore(GROUPS_AT_ONCE)


async def _run_group(play: Play, task: Task, pace: Pace, place: int, size: int) -> None:
    async with pace.groups:
        with task:
            path = f"root.{place + 1}"
            jobs = tuple(_leaf_job(play, f"{path}.{number + 1}", pace) for number in range(size))
            actor = Actor(play, task, Job(task.goal, "SEARCH", parts=jobs), path)
            await _plan(actor, jobs)
            leaves = _children(task, jobs)
            await all_or_none(
                _run_leaf(Actor(play, leaf, job, f"{path}.{number + 1}"), pace)
                for number, (leaf, job) in enumerate(zip(leaves, jobs, strict=True))
            )
            await _join(actor, f"{size} entries")


async def _run_leaf(actor: Actor, pace: Pace) -> None:
    async with pace.leaves:
        with actor.task:
            await execute(actor, "")


def _children(task: Task, jobs: tuple[Job, ...]) -> list[Task]:
    return [task.task(job.goal, task_type=job.task_type) for job in jobs]


async def _plan(actor: Actor, parts: tuple[Job, ...]) -> None:
    def answer() -> tuple[str, Any]:
        plan = plan_of(parts)
        return json.dumps(plan, ensure_ascii=False), plan

    role = PLANNERS[actor.job.task_type]
    await actor.call("planning", role, f"Split: {actor.job.goal}", answer, (0.2, 0.6))


async def _join(actor: Actor, what: str) -> None:
    def answer() -> tuple[str, Any]:
        return actor.writer.markdown(actor.job.goal, 2_400), what

    role = AGGREGATORS[actor.job.task_type]
    prompt = f"Join {what}: {actor.job.goal}"
    await actor.call("aggregation", role, prompt, answer, (0.2, 0.6), is_last=True)


def _group_job(play: Play, place: int) -> Job:
    """A group's plan comes when it runs; its goal is there from the start."""
    topic = play.topic
    strand = topic.strands[place % len(topic.strands)]
    where = topic.places[place // len(topic.strands) % len(topic.places)]
    return Job(f"Volume {place + 1}: {strand} in {where}", "SEARCH", parts=(Job("...", "SEARCH"),))


def _leaf_job(play: Play, path: str, pace: Pace) -> Job:
    rng = play.writer(f"{path}:job").rng
    topic = play.topic
    kinds: tuple[Literal["SEARCH", "WRITE", "THINK"], ...] = ("SEARCH", "WRITE", "THINK")
    kind = rng.choices(kinds, weights=(5, 3, 2))[0]
    match kind:
        case "SEARCH":
            about = f"find {rng.choice(topic.questions)}, {rng.choice(topic.places)}"
        case "WRITE":
            about = f"write the entry on {rng.choice(topic.things)} in {rng.choice(topic.places)}"
        case "THINK":
            about = f"weigh {rng.choice(topic.effects)} against {rng.choice(topic.causes)}"
    chars = rng.randrange(1_500, 2_800) if kind == "SEARCH" else rng.randrange(1_800, 3_800)
    seconds = (0.5 * pace.leaf_s, 1.5 * pace.leaf_s)
    return Job(capitalized(about), kind, chars=chars, seconds=seconds)
