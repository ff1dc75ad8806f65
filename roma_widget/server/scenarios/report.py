"""`report`: forty tasks in four levels, searches and writing, two questions to a person, one retry. About a minute."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from roma_widget.server.scenarios.jobs import Job
from roma_widget.server.scenarios.perform import perform
from roma_widget.server.scenarios.play import Play
from roma_widget.server.scenarios.texts import seeded
from roma_widget.server.scenarios.topics.topic import Topic
from roma_widget.server.scenarios.words import capitalized

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project

LONG = 50_000
"""Characters of the longest result, and so of the prompt of the task that checks it."""


def goal(topic: Topic) -> str:
    return f"Write a report for {topic.reader} on {topic.subject}"


async def run(play: Play, project: Project, goal: str, options: Mapping[str, Any]) -> None:
    job = report(play.topic, play.seed, goal)
    await perform(play, project.task(goal, task_type=job.task_type, parent=None), job)


def report(topic: Topic, seed: int, goal: str) -> Job:
    """The whole tree of jobs."""
    rng = seeded(seed, "report")
    first, second, third, fourth = rng.sample(topic.strands, 4)
    questions = rng.sample(topic.questions, 13)
    searches = [_search(question, rng.randrange(1_800, 3_600)) for question in questions]
    survey = Job(
        f"Find out what is known about {first}",
        "SEARCH",
        parts=(
            Job(f"Gather measurements on {first}", "SEARCH", parts=tuple(searches[:3]), chars=2_600),
            Job(f"Gather experience with {first}", "SEARCH", parts=tuple(searches[3:6]), chars=2_600),
            Job(f"Compare measurements and experience of {first}", "THINK", after=(0, 1), chars=2_200),
        ),
        chars=3_400,
    )
    flaky = Job(searches[7].goal, "SEARCH", chars=2_400, mishap="retry")
    contrast = Job(
        f"Set {second} against {first}",
        "SEARCH",
        parts=(
            Job(f"Collect cases of {second}", "SEARCH", parts=(searches[6], flaky, searches[8]), chars=2_800),
            searches[9],
            searches[10],
            Job(f"Say where {second} would do better than {first}", "THINK", after=(0, 1, 2), chars=2_400),
        ),
        chars=3_200,
    )
    outlook = Job(
        f"Judge what {third} will change",
        "THINK",
        after=(0,),
        parts=(
            searches[11],
            searches[12],
            Job(f"Weigh the evidence on {third}", "THINK", after=(0, 1), chars=2_600),
        ),
        chars=2_800,
    )
    draft, edit = _draft(topic, first, second, fourth), _edit(topic)
    return Job(goal, "WRITE", parts=(survey, contrast, outlook, draft, edit), chars=9_000, is_reviewed=True)


def _search(question: str, chars: int) -> Job:
    return Job(capitalized(f"find {question}"), "SEARCH", chars=chars)


def _draft(topic: Topic, first: str, second: str, third: str) -> Job:
    """The writing: two sections in parts, and a long annex that is checked line by line."""
    return Job(
        f"Draft the report for {topic.reader}",
        "WRITE",
        after=(0, 1),
        parts=(
            Job(f"Write the introduction: {topic.subject}", "WRITE", chars=2_400),
            _section(f"Write the section on {first}"),
            _section(f"Write the section on {second}"),
            Job("Write the annex: every source with what it says", "WRITE", chars=LONG, seconds=(3.2, 3.7)),
            Job(
                "Check the annex for claims without a source",
                "THINK",
                after=(3,),
                chars=2_000,
                sees_whole=True,
            ),
            Job(f"Write what follows for {third}", "WRITE", after=(0, 1, 2), chars=2_800),
        ),
        chars=6_000,
        is_reviewed=True,
    )


def _section(goal: str) -> Job:
    about = goal.removeprefix("Write the section on ")
    return Job(
        goal,
        "WRITE",
        parts=(
            Job(f"Draft the argument on {about}", "WRITE", chars=3_600),
            Job(f"Make the table of figures on {about}", "WRITE", chars=1_800),
            Job(f"Check draft and table on {about} against each other", "THINK", after=(0, 1), chars=1_500),
        ),
        chars=4_200,
    )


def _edit(topic: Topic) -> Job:
    return Job(
        "Edit the report into its final form",
        "WRITE",
        after=(2, 3),
        parts=(
            Job("List contradictions between draft and outlook", "THINK", chars=1_600),
            Job(f"Write a summary of one page for {topic.reader}", "WRITE", chars=2_200),
            Job("Write the final wording of the recommendations", "WRITE", after=(0, 1), chars=2_600),
        ),
        chars=5_000,
    )
