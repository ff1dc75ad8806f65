"""A plan is shown to a person, who approves it, has it changed (and is asked again), or aborts the run."""

from __future__ import annotations

import json
from typing import Any

from roma_widget.errors import WaitTimeout
from roma_widget.server.scenarios.cast import REPLANNER
from roma_widget.server.scenarios.jobs import Job, plan_of, revised
from roma_widget.server.scenarios.play import Actor

MOST_REVISIONS = 5
"""After so many changes the plan is taken as it is: a client that always says "modify" must not keep a run for ever."""


async def reviewed(actor: Actor, parts: tuple[Job, ...]) -> tuple[Job, ...]:
    """The plan as the person wants it. Raises TaskAborted; nobody there: goes on with the plan as it is."""
    if actor.play.answers_within_s is None:
        return parts
    checkpoint = "PostInitialPlanGeneration"
    message = f"Review the plan for: {actor.job.goal}"
    question = _first_question(actor, parts)
    for attempt in range(MOST_REVISIONS + 1):
        try:
            answer = await actor.task.ask_async(
                checkpoint, message, data=question, timeout=actor.play.answers_within_s
            )
        except WaitTimeout as silence:
            note(actor, f"{silence} The run goes on with the plan as it is.")
            return parts
        if answer.action != "modify":
            return parts
        instructions = (
            answer.instructions or "Check the plan again: which sub-task rests on the weakest source?"
        )
        parts = await _revise(actor, parts, instructions, attempt)
        checkpoint = f"PostModifiedPlanReview_Attempt_{attempt}"
        message = f"Review the changed plan for: {actor.job.goal}"
        question = _next_question(actor, parts, instructions, attempt)
    note(actor, f"The plan was changed {MOST_REVISIONS + 1} times: the run goes on with the last one.")
    return parts


def note(actor: Actor, what: str) -> None:
    """A stage that says why nobody was waited for."""
    with actor.task.stage("hitl", agent=REPLANNER.agent) as stage:
        stage.record(output={"action": "approve", "answered_by": None, "reason": what}, response=what)


async def _revise(actor: Actor, parts: tuple[Job, ...], instructions: str, attempt: int) -> tuple[Job, ...]:
    """A replanning stage; the new plan."""
    changed = revised(parts, instructions)
    prompt = (
        f"# Task\n\n{actor.job.goal}\n\n# Plan so far\n\n```json\n{_pretty(plan_of(parts))}\n```\n\n"
        f"# What the reviewer wants changed\n\n{instructions}\n\nReturn the whole plan, changed as little as needed."
    )

    def answer() -> tuple[str, Any]:
        plan = {**plan_of(changed), "reasoning_steps": [f"The reviewer asked: {instructions}"]}
        return _pretty(plan), plan

    context = {"attempt": attempt, "user_modification_instructions": instructions}
    await actor.call("replanning", REPLANNER, prompt, answer, (1.4, 2.2), context=context)
    return changed


def _first_question(actor: Actor, parts: tuple[Job, ...]) -> dict[str, Any]:
    sources = ", ".join(given.goal for given in actor.given) or "none yet"
    return {
        "task_goal": actor.job.goal,
        "proposed_plan": plan_of(parts),
        "planner_input_summary": {
            "overall_objective": actor.task.project.goal,
            "current_task_summary": f"{actor.job.task_type} task at depth {actor.task.layer}: {actor.job.goal}",
            "context_summary": f"Results at hand: {sources}.",
        },
    }


def _next_question(actor: Actor, parts: tuple[Job, ...], instructions: str, attempt: int) -> dict[str, Any]:
    return {
        "task_id": actor.task.id,
        "task_goal": actor.job.goal,
        "replan_attempt_count": attempt + 1,
        "reason_for_current_replan": f"User requested modification: {instructions}",
        "original_user_modification_request_for_this_cycle": instructions,
        "proposed_modified_plan": plan_of(parts),
    }


def _pretty(plan: Any) -> str:
    return json.dumps(plan, indent=2, ensure_ascii=False)
