"""`failure`: a leaf fails and a replan rescues it; another branch stays failed, and the report says what it lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from roma_widget.server.scenarios.jobs import Job
from roma_widget.server.scenarios.perform import perform
from roma_widget.server.scenarios.play import Play
from roma_widget.server.scenarios.texts import seeded
from roma_widget.server.scenarios.topics.topic import Topic
from roma_widget.server.scenarios.words import capitalized

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project


PACE = 0.72


def goal(topic: Topic) -> str:
    return f"Check the evidence on {topic.subject}, and say what is missing"


async def run(play: Play, project: Project, goal: str, options: Mapping[str, Any]) -> None:
    job = check(play.topic, play.seed, goal)
    await perform(replace(play, pace=PACE), project.task(goal, task_type=job.task_type, parent=None), job)


def check(topic: Topic, seed: int, goal: str) -> Job:
    """Its first branch has the leaf that is rescued, its third is the one that stays failed."""
    rng = seeded(seed, "failure")
    first, second = rng.sample(topic.strands, 2)
    goals = [capitalized(f"find {question}") for question in rng.sample(topic.questions, 5)]
    return Job(
        goal,
        "WRITE",
        parts=(
            Job(
                f"Gather the evidence on {first}",
                "SEARCH",
                parts=(
                    Job(goals[0], "SEARCH", chars=2_400),
                    Job(goals[1], "SEARCH", chars=2_600, mishap="replan"),
                    Job(goals[2], "SEARCH", chars=2_000),
                ),
                chars=3_000,
            ),
            Job(
                f"Judge the evidence on {second}",
                "THINK",
                parts=(
                    Job(goals[3], "SEARCH", chars=2_200),
                    Job(f"Rate the sources on {second}", "THINK", after=(0,), chars=2_000),
                ),
                chars=2_400,
            ),
            Job(goals[4], "SEARCH", mishap="fail"),
            Job(
                "Write down what is known and what is not",
                "WRITE",
                after=(0, 1),
                parts=(
                    Job("Write what is known", "WRITE", chars=3_200),
                    Job("List what is missing, and who might have it", "WRITE", after=(0,), chars=1_800),
                ),
                chars=4_000,
            ),
        ),
        chars=5_000,
    )
