"""How a job is performed: the way ROMA works, recursively. Atomize; execute, or plan, run the parts, aggregate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from roma_widget.server.scenarios.cast import AGGREGATORS, ATOMIZER, EXECUTORS, PLANNERS
from roma_widget.server.scenarios.execute import execute
from roma_widget.server.scenarios.jobs import Job, plan_of
from roma_widget.server.scenarios.play import Actor, Given, ModelError, Play
from roma_widget.server.scenarios.review import reviewed

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Task

T = TypeVar("T")

CLIPPED = 1_600
"""Characters of a result that are shown to those who build upon it."""


async def perform(play: Play, task: Task, job: Job, path: str = "root", given: Sequence[Given] = ()) -> str:
    """Plays one task and all below it; its result as text. Raises what the instrumentation raises when stopped."""
    with task:
        actor = Actor(play, task, job, path, tuple(given))
        await actor.decide(
            ATOMIZER,
            f"Task: {job.goal}\nType: {job.task_type}\nDepth: {task.layer}\nIs it atomic?",
            {"is_atomic": not job.parts, "updated_goal": job.goal},
        )
        if not job.parts:
            text, parts = await execute(actor, context_of(actor.given, whole=job.sees_whole))
            if not parts:
                return text
            return await aggregate(actor, await perform_parts(actor, parts))
        await plan(actor)
        parts = await reviewed(actor, job.parts) if job.is_reviewed else job.parts
        return await aggregate(actor, await perform_parts(actor, parts))


async def plan(actor: Actor) -> None:
    """The planning stage."""
    job = actor.job
    prompt = (
        f"# Task\n\n{job.goal}\n\n# Overall goal\n\n{actor.task.project.goal}\n\n"
        f"# Results at hand\n\n{context_of(actor.given) or 'None yet.'}\n\nSplit the task into sub-tasks."
    )

    def answer() -> tuple[str, Any]:
        written = {**plan_of(job.parts), "reasoning_steps": actor.writer.reasoning(3)}
        return json.dumps(written, indent=2, ensure_ascii=False), written

    context = [{"goal": given.goal, "chars": len(given.text or "")} for given in actor.given]
    await actor.call("planning", PLANNERS[job.task_type], prompt, answer, (1.5, 2.6), context=context or None)


async def perform_parts(actor: Actor, parts: Sequence[Job]) -> list[Given]:
    """Makes the sub-tasks in their order, then runs each as soon as what it builds upon has ended."""
    children: list[Task] = []
    for part in parts:
        needed = [children[place] for place in part.after]
        role = PLANNERS[part.task_type] if part.parts else EXECUTORS[part.task_type]
        children.append(
            actor.task.task(
                part.goal, task_type=part.task_type, agent=role.agent, depends_on=needed, context=needed
            )
        )
    running: list[asyncio.Task[Given]] = []

    async def run(number: int, part: Job) -> Given:
        given = [await running[place] for place in part.after]
        try:
            text = await perform(actor.play, children[number], part, f"{actor.path}.{number + 1}", given)
        except ModelError as error:
            return Given(part.goal, None, str(error))  # the task is FAILED; its parent makes do without
        return Given(part.goal, text)

    running += [asyncio.ensure_future(run(number, part)) for number, part in enumerate(parts)]
    return await all_or_none(running)


async def all_or_none(running: Iterable[Awaitable[T]]) -> list[T]:
    """The results of all. The first exception ends the others, and goes on up once they have ended."""
    tasks = [asyncio.ensure_future(one) for one in running]
    try:
        return await asyncio.gather(*tasks)
    except BaseException as error:
        for task in tasks:
            task.cancel(f"Cancelled with its siblings: {error}")
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def aggregate(actor: Actor, results: Sequence[Given]) -> str:
    """The aggregation stage, and the end of a planned task."""
    job = actor.job
    missing = [f"- {given.goal}: {given.error}" for given in results if given.text is None]
    prompt = f"# Task\n\n{job.goal}\n\n# Results of the sub-tasks\n\n{context_of(results)}"
    if missing:
        prompt += "\n\n# Without a result\n\n" + "\n".join(missing)

    def answer() -> tuple[str, Any]:
        text = actor.article()
        if missing:
            text += "\n\n## What is missing\n\n" + "\n".join(missing)
        return text, {"sub_tasks": len(results), "without_result": len(missing), "chars": len(text)}

    role = AGGREGATORS[job.task_type]
    return await actor.call("aggregation", role, prompt, answer, (1.8, 3.0), is_last=True)


def context_of(results: Sequence[Given], *, whole: bool = False) -> str:
    """What a prompt says of earlier results."""
    return "\n\n".join(
        f"=== {given.goal} ===\n\n{given.text if whole else _clipped(given.text)}"
        for given in results
        if given.text is not None
    )


def _clipped(text: str) -> str:
    return text if len(text) <= CLIPPED else f"{text[:CLIPPED]}\n[... {len(text) - CLIPPED} more characters]"
