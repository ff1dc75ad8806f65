"""One performance of a scenario, and the actor who plays one task of it through the instrumentation."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roma_widget.server.scenarios.cast import Role, usage
from roma_widget.server.scenarios.jobs import Job, title_of
from roma_widget.server.scenarios.texts import Writer, seeded
from roma_widget.server.scenarios.topics.topic import Topic

if TYPE_CHECKING:
    from roma_widget.server.agents.instrument import Stage, Task

Sleep = Callable[[float], Awaitable[None]]

CACHED_SHARE = 0.2
"""The share of small decisions that come out of a cache, and so used no tokens."""
MESSAGES_SHARE = 0.35
"""The share of calls whose messages are written down one by one."""
LONGEST_MESSAGES = 20_000


class ModelError(RuntimeError):
    """What an agent meets: a rate limit, a refusal, an archive that does not answer."""


@dataclass(frozen=True)
class Given:
    """The result of a task, as those see it who build upon it."""

    goal: str
    text: str | None
    error: str | None = None


@dataclass(frozen=True)
class Play:
    """What all tasks of a performance share. `answers_within_s` is None where nobody is to be asked."""

    seed: int
    topic: Topic
    sleep: Sleep
    answers_within_s: float | None = None
    n: int = 1_000
    pace: float = 1.0
    """Stretches or shortens all waiting."""
    prefix: str = ""
    """Tells the runs of one performance apart (`chat`)."""

    async def wait(self, seconds: float) -> float:
        """Waits; how long it really took."""
        began_s = time.perf_counter()
        await self.sleep(seconds * self.pace)
        return time.perf_counter() - began_s

    def writer(self, path: str) -> Writer:
        """The writer of one task: the same for the same seed, in whatever order tasks run."""
        return Writer(self.topic, seeded(self.seed, f"{self.prefix}{path}"))


@dataclass
class Actor:
    """Plays one task: has its own randomness, writes its texts, reports its stages."""

    play: Play
    task: Task
    job: Job
    path: str
    given: tuple[Given, ...] = ()
    writer: Writer = field(init=False)

    def __post_init__(self) -> None:
        self.writer = self.play.writer(self.path)
        self.rng = self.writer.rng

    def article(self) -> str:
        """The task's text, as long as its job says."""
        return self.writer.markdown(title_of(self.job.goal), self.job.chars)

    async def pause(self, least_s: float, most_s: float) -> None:
        await self.play.wait(self.rng.uniform(least_s, most_s))

    def enter(self, name: str, role: Role, model: str) -> Stage:
        return self.task.stage(name, agent=role.agent, model=model, adapter=role.adapter)

    async def call(
        self,
        name: str,
        role: Role,
        prompt: str,
        answer: Callable[[], tuple[str, Any]],
        seconds: tuple[float, float],
        *,
        is_last: bool = False,
        **more: Any,
    ) -> str:
        """A stage that is one call of a model. `answer` gives its response and what the agent made of it.

        `is_last`: the response is the task's result.
        """
        model = self.rng.choice(role.models)
        with self.enter(name, role, model) as stage:
            system_prompt = self.ask_model(stage, role, prompt, **more)
            await self.pause(*seconds)
            response, output = answer()
            self.take_answer(stage, model, system_prompt + prompt, response, output)
            if is_last:
                self.task.finish(response, summary=first_line(response))
        return response

    def ask_model(self, stage: Stage, role: Role, prompt: str, **more: Any) -> str:
        """Records what goes into a call; the system prompt comes back."""
        system_prompt = role.instructed(self.play.topic)
        parameters = {"temperature": role.temperature, "max_tokens": 4096 if len(prompt) < 20_000 else 16_384}
        stage.record(system_prompt=system_prompt, prompt=prompt, parameters=parameters, **more)
        if len(prompt) < LONGEST_MESSAGES and self.rng.random() < MESSAGES_SHARE:
            stage.record(
                messages=[
                    {"role": "system", "content": system_prompt},
                    {"role": "user", "content": prompt},
                ]
            )
        return system_prompt

    def take_answer(self, stage: Stage, model: str, prompt: str, response: str, output: Any) -> None:
        """Records what came out of a call, and what it used."""
        stage.record(response=response, output=output, usage=usage(self.rng, model, prompt, response))

    async def decide(self, role: Role, prompt: str, decision: Mapping[str, Any]) -> None:
        """The atomizer's stage: a small decision, sometimes known from an earlier run and then free."""
        model = self.rng.choice(role.models)
        with self.enter("atomization", role, model) as stage:
            response = json.dumps(decision, ensure_ascii=False)
            if self.rng.random() < CACHED_SHARE:
                stage.record(prompt=prompt, parameters={"cache": "hit"}, response=response, output=decision)
                await self.pause(0.05, 0.15)
                return
            system_prompt = self.ask_model(stage, role, prompt)
            await self.pause(0.4, 0.9)
            self.take_answer(stage, model, system_prompt + prompt, response, decision)


def first_line(text: str) -> str:
    """A line that says what the text is about: its first one that is no heading."""
    lines = (line.strip("-*> ") for line in text.splitlines())
    return next((line for line in lines if len(line) > 20 and not line.startswith("#")), text)[:200]
