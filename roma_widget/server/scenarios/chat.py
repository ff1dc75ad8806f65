"""`chat`: a dozen short runs one after the other, each a project of its own, as a chat with agents makes them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from roma_widget.errors import RunStopped
from roma_widget.server.scenarios.jobs import Job
from roma_widget.server.scenarios.perform import perform
from roma_widget.server.scenarios.play import Play
from roma_widget.server.scenarios.texts import seeded
from roma_widget.server.scenarios.topics import TOPICS, topic_for
from roma_widget.server.scenarios.topics.topic import Topic
from roma_widget.server.scenarios.words import capitalized

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Project

RUNS = 12
PACE = 0.6
QUICK = (0.6, 1.4)


def goal(topic: Topic) -> str:
    return topic.chats[0]


async def run(play: Play, project: Project, goal: str, options: Mapping[str, Any]) -> None:
    """The started project is the first conversation; the others are made as they come."""
    await _answer(play, project, goal, 0)
    for number, question in enumerate(questions(goal, play.seed), 1):
        await play.wait(0.4)
        # a conversation that somebody stops ends alone: the chat goes on
        with contextlib.suppress(RunStopped), project.server.project(question) as other:
            await _answer(play, other, question, number)


def questions(goal: str, seed: int) -> list[str]:
    """What is asked after `goal`: of all topics, none twice."""
    known = [question for topic in TOPICS for question in topic.chats if question != goal]
    return seeded(seed, "chat").sample(known, RUNS - 1)


async def _answer(play: Play, project: Project, question: str, number: int) -> None:
    topic = topic_for(question, play.seed)
    job = conversation(topic, question, play.seed, number)
    own = replace(play, topic=topic, pace=PACE, prefix=f"chat{number}:")
    await perform(own, project.task(question, task_type=job.task_type, parent=None), job)


def conversation(topic: Topic, question: str, seed: int, number: int) -> Job:
    """One task that answers at once, or two or three that look things up first."""
    rng = seeded(seed, f"chat{number}")
    tasks = (1, 3, 4, 1, 2)[number % 5]
    if tasks == 1:
        return Job(question, "WRITE", chars=rng.randrange(500, 1_400), seconds=QUICK)
    looked_up = [
        Job(capitalized(f"look up {found}"), "SEARCH", chars=rng.randrange(700, 1_500), seconds=(0.3, 0.8))
        for found in rng.sample(topic.questions, tasks - 2 or 1)
    ]
    if tasks == 2:
        return Job(question, "WRITE", parts=(looked_up[0],), chars=900)
    after = tuple(range(len(looked_up)))
    answer = Job(f"Answer: {question}", "WRITE", after=after, chars=1_200, seconds=QUICK)
    return Job(question, "WRITE", parts=(*looked_up, answer), chars=800)
