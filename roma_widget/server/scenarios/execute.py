"""How a leaf does its work: searching with tools, thinking with a calculation, writing; and how that goes wrong."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from roma_widget.server.scenarios.cast import EXECUTORS, REPLANNER
from roma_widget.server.scenarios.jobs import Job, plan_of
from roma_widget.server.scenarios.play import Actor, ModelError, first_line

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Stage

ATTEMPTS = 3
"""How often a leaf tries before it gives up."""
FIRST_RETRY_S = 1.0


async def execute(actor: Actor, context: str) -> tuple[str, tuple[Job, ...]]:
    """The result as text; or the parts that take the place of a leaf that could not do it alone.

    Raises ModelError from a leaf that failed for good.
    """
    mishap = actor.job.mishap
    if mishap == "fail":
        await _fail(actor, context)
    if mishap != "none":
        complaint = _rate_limited(actor) if mishap == "retry" else _nothing_found(actor)
        await _fail_once(actor, context, complaint)
    if mishap == "replan":
        return "", await _replan(actor)
    if mishap == "retry":
        await actor.play.wait(FIRST_RETRY_S)
    return await _execution(actor, context), ()


async def _execution(actor: Actor, context: str) -> str:
    """One execution stage that works, and the end of the task."""
    role = EXECUTORS[actor.job.task_type]
    model = actor.rng.choice(role.models)
    with actor.enter("execution", role, model) as stage:
        prompt = _prompt(actor, context)
        result: dict[str, Any] | str
        system_prompt = actor.ask_model(stage, role, prompt)
        match actor.job.task_type:
            case "SEARCH":
                result, text = await _search(actor, stage)
                stage.record(response=text, output=result)  # its provider does not say what it used
            case "THINK":
                result, text = await _think(actor, stage)
                actor.take_answer(stage, model, system_prompt + prompt, text, result)
            case "WRITE":
                text = await _write(actor)
                result = text
                actor.take_answer(stage, model, system_prompt + prompt, text, {"chars": len(text)})
    actor.task.finish(result, summary=first_line(text))
    return text


async def _search(actor: Actor, stage: Stage) -> tuple[dict[str, Any], str]:
    """Searches, reads one or two pages (now and then one does not answer), reports."""
    writer, rng, goal = actor.writer, actor.rng, actor.job.goal
    whole_s = rng.uniform(*actor.job.seconds)
    took_s = await actor.play.wait(whole_s * rng.uniform(0.15, 0.3))
    hits = writer.search_hits(goal, rng.randrange(4, 8))
    stage.tool_call("web_search", {"query": goal, "max_results": 8}, hits, duration_s=took_s)
    for hit in hits["hits"][: rng.randrange(1, 3)]:
        took_s = await actor.play.wait(whole_s * rng.uniform(0.1, 0.25))
        if rng.random() < 0.15:
            error = "TimeoutError: the page did not answer within 10 s"
            stage.tool_call("fetch_page", {"url": hit["url"]}, error=error, duration_s=took_s)
        else:
            page = writer.page(rng.randrange(900, 2_600)) | {"url": hit["url"], "title": hit["title"]}
            stage.tool_call("fetch_page", {"url": hit["url"]}, page, duration_s=took_s)
    await actor.play.wait(whole_s * 0.3)
    text = writer.notes(actor.job.chars)
    citations = [{key: hit[key] for key in ("title", "url", "snippet")} for hit in hits["hits"]]
    return {"query_used": goal, "output_text": text, "citations": citations}, text


async def _think(actor: Actor, stage: Stage) -> tuple[dict[str, Any], str]:
    """Weighs; half of the time it calculates first."""
    if actor.rng.random() < 0.5:
        took_s = await actor.play.wait(actor.job.seconds[0] * actor.rng.uniform(0.1, 0.3))
        code, printed = actor.writer.calculation()
        stage.tool_call("python", {"code": code}, {"stdout": printed, "exit_code": 0}, duration_s=took_s)
    await _work(actor)
    text = actor.article()
    return {"query_used": actor.job.goal, "output_text": text}, text


async def _write(actor: Actor) -> str:
    await _work(actor)
    return actor.article()


async def _work(actor: Actor) -> None:
    await actor.pause(*actor.job.seconds)


async def _fail_once(actor: Actor, context: str, complaint: str) -> None:
    """An execution stage that fails; the task goes on."""
    try:
        await _failing(actor, context, complaint)
    except ModelError:
        return


async def _failing(actor: Actor, context: str, complaint: str) -> None:
    role = EXECUTORS[actor.job.task_type]
    with actor.enter("execution", role, actor.rng.choice(role.models)) as stage:
        actor.ask_model(stage, role, _prompt(actor, context))
        took_s = await actor.play.wait(actor.rng.uniform(0.8, 1.6))
        if actor.job.task_type == "SEARCH" and actor.job.mishap != "retry":
            stage.tool_call("web_search", {"query": actor.job.goal}, error=complaint, duration_s=took_s)
        raise ModelError(complaint)


async def _fail(actor: Actor, context: str) -> None:
    """Every attempt fails, with longer and longer waits between them; the last error leaves the task FAILED."""
    for attempt in range(1, ATTEMPTS):
        complaint = f"Agent '{EXECUTORS[actor.job.task_type].agent}' (attempt {attempt}): {_refused(actor)}"
        await _fail_once(actor, context, complaint)
        await actor.play.wait(FIRST_RETRY_S * 2 ** (attempt - 1))
    await _failing(
        actor,
        context,
        f"Agent '{EXECUTORS[actor.job.task_type].agent}' failed to execute task '{actor.task.id}' "
        f"(attempt {ATTEMPTS}): {_refused(actor)}",
    )


async def _replan(actor: Actor) -> tuple[Job, ...]:
    """A replanning stage: what was too much for one search is cut into three."""
    goal, words = actor.job.goal, actor.writer.topic
    about = goal.removeprefix("Find ")
    parts = (
        Job(f"{goal}: what {words.places[0]} and {words.places[1]} publish", "SEARCH", chars=2_200),
        Job(f"{goal}: what {words.people[0]} report themselves", "SEARCH", chars=2_200),
        Job(f"Reconcile what was found on {about}", "THINK", after=(0, 1), chars=1_800),
    )
    prompt = (
        f"# Task\n\n{goal}\n\n# What went wrong\n\n{_nothing_found(actor)}\n\n"
        "Cut the task into smaller ones that can succeed."
    )

    def answer() -> tuple[str, Any]:
        plan = {**plan_of(parts), "reasoning_steps": actor.writer.reasoning(2)}
        return json.dumps(plan, indent=2, ensure_ascii=False), plan

    await actor.call("replanning", REPLANNER, prompt, answer, (1.6, 2.6))
    return parts


def _prompt(actor: Actor, context: str) -> str:
    return (
        f"# Task\n\n{actor.job.goal}\n\n# Overall goal\n\n{actor.task.project.goal}\n\n"
        f"# Context\n\n{context or 'None.'}\n\n"
        f"Length: about {actor.job.chars} characters. Answer in the language of the task."
    )


def _rate_limited(actor: Actor) -> str:
    model = EXECUTORS[actor.job.task_type].models[0]
    return f"RateLimitError: 429: {model} allows 40 requests a minute; retry after {FIRST_RETRY_S:g} s"


def _nothing_found(actor: Actor) -> str:
    return f"SearchError: no usable page for {actor.job.goal!r} (0 of 8 hits name a figure)"


def _refused(actor: Actor) -> str:
    return (
        f"PermissionError: 403 Forbidden: the archive of {actor.writer.topic.places[-1]} has withdrawn public access "
        f"to the records on {actor.job.goal!r}"
    )
