"""Runs built by hand: the report of the pictures (15 tasks, one failed) and trees of any size."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from roma_widget.core.model import Project, Snapshot, Status, Task

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
