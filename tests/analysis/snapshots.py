"""Runs built by hand: the report of the pictures (15 tasks, one failed) and trees of any size."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from roma_widget.core.events import NodeTrace, Payload
from roma_widget.core.model import Project, Snapshot, Status, Task, Trace
from roma_widget.core.traces import read_node_trace

START = datetime(2026, 11, 22, 20, 50, 56, tzinfo=UTC)
END = START + timedelta(seconds=73)

# id, goal, type, agent, seconds from the run's start to the task's, seconds it took
REPORT = """
root|Write a short briefing on urban rooftop farming|WRITE|RootGeneralAggregator|0|73
root.1|Collect facts on yields and costs of rooftop farms|SEARCH|SearchAggregator|2|16
root.1.1|Find vegetable yield figures per square metre of roof|SEARCH|OpenAICustomSearcher|4|3.5
root.1.2|Find installation cost ranges for green roofs|SEARCH|OpenAICustomSearcher|4|2.3
root.1.3|Compare yield figures with installation costs|THINK|BasicReasoningExecutor|9|5.3
root.2|Assess structural and water constraints of city roofs|THINK|ThinkAggregator|2|38
root.2.1|Find load limits of common roof types|SEARCH|OpenAICustomSearcher|4|3.4
root.2.2|Work out the water demand of a model roof|THINK|ThinkAggregator|4|30
root.2.2.1|Find irrigation rates for leafy vegetables|SEARCH|OpenAICustomSearcher|7|2.1
root.2.2.2|Compute litres per week for a 200 square metre roof|THINK|BasicReasoningExecutor|14|17
root.2.3|Summarise the constraints in plain words|WRITE|BasicReportWriter|35|2.1
root.3|Draft the council briefing from the collected facts|WRITE|WriteAggregator|40|27
root.3.1|Write the introduction of the briefing|WRITE|BasicReportWriter|43|6.2
root.3.2|Write the recommendations of the briefing|WRITE|BasicReportWriter|43|15
root.3.3|Check the briefing for unsupported claims|THINK|BasicReasoningExecutor|62|3.8
""".strip()


def report() -> Snapshot:
    """The finished run of the pictures."""
    tasks: dict[str, Task] = {}
    for line in REPORT.splitlines():
        task_id, goal, task_type, agent, after_s, took_s = line.split("|")
        started = START + timedelta(seconds=float(after_s))
        parent_id = task_id.rpartition(".")[0] or None
        tasks[task_id] = Task(
            task_id=task_id,
            goal=goal,
            status=Status.FAILED if task_id == "root.2.2.2" else Status.DONE,
            task_type=task_type,
            agent=agent,
            depth=task_id.count("."),
            layer=task_id.count("."),
            parent_id=parent_id,
            created=started - timedelta(seconds=2 if parent_id else 0),
            started=started,
            updated=started,
            completed=started + timedelta(seconds=float(took_s)),
            error="the model gave no answer" if task_id == "root.2.2.2" else None,
        )
    children: dict[str, list[str]] = {}
    for task_id, task in tasks.items():
        if task.parent_id is not None:
            children.setdefault(task.parent_id, []).append(task_id)
    for task_id, child_ids in children.items():
        tasks[task_id] = replace(tasks[task_id], child_ids=tuple(child_ids))
        for index, child_id in enumerate(child_ids):
            tasks[child_id] = replace(tasks[child_id], plan_index=index)
    tasks["root.1.3"] = replace(tasks["root.1.3"], depends_on=("root.1.1", "root.1.2"))
    tasks["root.3"] = replace(
        tasks["root.3"], context_ids=("root.1", "root.2"), depends_on=("root.1", "gone")
    )
    project = Project("p", title="Write A Short", goal=tasks["root"].goal)
    return Snapshot(tasks, project, 7, END, "with_failures", "1 failed: root.2.2.2")


def of(*tasks: Task, **fields: Any) -> Snapshot:
    return Snapshot({task.task_id: task for task in tasks}, **fields)


def task(task_id: str = "root", status: Status | str = Status.RUNNING, **fields: Any) -> Task:
    return Task(**({"task_id": task_id, "goal": f"Goal of {task_id}", "status": status} | fields))


def tree(n: int, *, goal: str = "Find out what is known", failed_every: int = 50) -> Snapshot:
    """A finished run of `n` tasks: a root, plans of twenty under it, their leaves."""
    tasks = {"root": task("root", Status.DONE, goal=goal, created=START, started=START, completed=END)}
    plan = 0
    while len(tasks) < n:
        plan += 1
        for leaf in range(min(20, n - len(tasks))):
            task_id = f"root.{plan}.{leaf}" if leaf else f"root.{plan}"
            fails = bool(leaf) and len(tasks) % failed_every == 0
            tasks[task_id] = task(
                task_id,
                Status.FAILED if fails else Status.DONE,
                goal=goal,
                task_type="SEARCH",
                node_type="EXECUTE" if leaf else "PLAN",
                agent="OpenAICustomSearcher",
                layer=2 if leaf else 1,
                depth=2 if leaf else 1,
                parent_id=f"root.{plan}" if leaf else "root",
                plan_index=leaf - 1 if leaf else plan - 1,
                created=START,
                started=START + timedelta(seconds=leaf),
                updated=START,
                completed=END,
                result_summary="Completed with dict",
            )
    return Snapshot(tasks, None, 1, END, "with_failures")


STAGE: dict[str, Any] = {
    "stage_name": "execution",
    "stage_id": "s",
    "started_at": "2026-11-22T20:51:00.000000",
    "completed_at": "2026-11-22T20:51:02.500000",
    "status": "completed",
    "agent_name": "BasicReasoningExecutor",
    "adapter_name": "ExecutorAdapter",
    "model_info": {"model_id": "small-1"},
    "system_prompt": "You think.",
    "user_input": "How much water?",
    "llm_response": "Enough.",
    "tool_calls": None,
    "output_data": {"litres": 12},
    "error_message": None,
    "duration_ms": 2400,
}


def stage(name: str = "execution", **fields: Any) -> dict[str, Any]:
    """A stage as ROMA's wire has it."""
    return {**STAGE, "stage_name": name, **fields}


def usage(prompt: int | None, completion: int | None, cost_usd: float | None = None) -> dict[str, Any]:
    """What a server that counts says of a stage."""
    said = {"prompt_tokens": prompt, "completion_tokens": completion, "cost_usd": cost_usd}
    return {"additional_data": {"usage": {name: n for name, n in said.items() if n is not None}}}


def trace(task_id: str, *stages: Any, trace_id: str = "t") -> Trace:
    """A trace as it is read from the wire: stages may also be JSON texts."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in stages]
    head = json.dumps({"node_id": task_id, "trace_id": trace_id})[:-1]
    text = f'{{"node_id": {json.dumps(task_id)}, "trace": {head}, "stages": [{", ".join(texts)}]}}}}'
    read = read_node_trace("node_trace_data", Payload(text, 0))
    assert isinstance(read, NodeTrace), read
    return read.trace


def traces(*of: Trace) -> dict[str, Trace]:
    return {each.task_id: each for each in of}
