"""Who plays: the agents, their models and prompts, and what a call is said to have used and cost."""

from __future__ import annotations

import random
from dataclasses import dataclass

from roma_widget.server.scenarios.topics.topic import Topic

CLAUDE, GPT, GPT_MINI, GEMINI, LLAMA, QWEN = MODELS = (
    "openrouter/anthropic/claude-sonnet",
    "openai/gpt-4.1",
    "openai/gpt-4.1-mini",
    "openrouter/google/gemini-flash",
    "groq/meta/llama-3-70b",
    "ollama/qwen-14b",
)
PRICES = {CLAUDE: (3.0, 15.0), GPT: (2.0, 8.0), GPT_MINI: (0.4, 1.6), GEMINI: (0.3, 2.5)}
"""US dollars for a million prompt and completion tokens; where a model is missing its provider names no price."""
CHARS_PER_TOKEN = 4


@dataclass(frozen=True)
class Role:
    """An agent. `system_prompt` may name the `{subject}` and the `{reader}`."""

    agent: str
    adapter: str
    models: tuple[str, ...]
    system_prompt: str
    temperature: float = 0.2

    def instructed(self, topic: Topic) -> str:
        return self.system_prompt.format(subject=topic.subject, reader=topic.reader)


_HOUSE = (
    "You are one of several agents that work on one question: {subject}. The result is for {reader}.\n\n"
    "Rules of the house:\n"
    "- Say what is known, from where, and how sure it is. A figure without a source is left out.\n"
    "- Where sources disagree, name both and say which one you follow.\n"
    "- Plain sentences. No promises, no exclamation marks.\n\n"
)
ATOMIZER = Role(
    "DefaultAtomizer",
    "AtomizerAdapter",
    (GEMINI, GPT_MINI),
    _HOUSE + "Your part: decide whether the task can be done in one go. Answer with JSON:\n"
    '`{{"is_atomic": true | false, "updated_goal": "..."}}`. A task is atomic when one search, one calculation '
    "or one text of a few pages answers it.",
    temperature=0.0,
)
PLANNERS = {
    "SEARCH": Role(
        "EnhancedSearchPlanner",
        "PlannerAdapter",
        (CLAUDE, GPT),
        _HOUSE + "Your part: split a question into searches that can run side by side. Each names what it "
        "looks for and where. Add a THINK task that compares what they bring. Answer with JSON (`sub_tasks`).",
    ),
    "THINK": Role(
        "EnhancedThinkPlanner",
        "PlannerAdapter",
        (CLAUDE, GPT),
        _HOUSE + "Your part: split a judgement into the facts it needs and the reasoning that follows. "
        "Answer with JSON (`sub_tasks`); `depends_on_indices` count from 0.",
    ),
    "WRITE": Role(
        "EnhancedWritePlanner",
        "PlannerAdapter",
        (CLAUDE, GPT),
        _HOUSE + "Your part: plan a text. Who reads it, which sections, which sources for each. The last "
        "task joins them. Answer with JSON (`sub_tasks`); `depends_on_indices` count from 0.",
        temperature=0.4,
    ),
}
EXECUTORS = {
    "SEARCH": Role(
        "WebSearcher",
        "CustomSearchAdapter",
        (GPT_MINI, GEMINI),
        _HOUSE + "Your part: search, read what is found, and report findings with their sources.",
    ),
    "THINK": Role(
        "SearchSynthesizer",
        "ExecutorAdapter",
        (CLAUDE, LLAMA, QWEN),
        _HOUSE + "Your part: weigh what the other agents found. Calculate where figures allow it. Say what "
        "would change your mind.",
    ),
    "WRITE": Role(
        "BasicReportWriter",
        "ExecutorAdapter",
        (CLAUDE, GPT, LLAMA),
        _HOUSE + "Your part: write the section named in the goal, in markdown, with headings, and a table "
        "where three or more figures are compared. End with the sources you used.",
        temperature=0.6,
    ),
}
AGGREGATORS = {
    "SEARCH": Role(
        "SearchAggregator",
        "AggregatorAdapter",
        (GPT, GEMINI),
        _HOUSE + "Your part: merge the findings of the sub-tasks. Drop repetitions, keep every source.",
    ),
    "THINK": Role(
        "ThinkAggregator",
        "AggregatorAdapter",
        (CLAUDE, GPT),
        _HOUSE + "Your part: draw the conclusion that the sub-tasks support, and say how strongly.",
    ),
    "WRITE": Role(
        "WriteAggregator",
        "AggregatorAdapter",
        (CLAUDE, GPT),
        _HOUSE + "Your part: join the sections into one text with one voice. Do not add facts.",
        temperature=0.4,
    ),
}
REPLANNER = Role(
    "PlanModifier",
    "PlanModifierAdapter",
    (CLAUDE, GPT),
    _HOUSE
    + "Your part: a plan has to change. Keep what is still right, change as little as needed, and say what "
    "you changed. Answer with JSON (`sub_tasks`).",
)


def usage(rng: random.Random, model: str, prompt: str, response: str) -> dict[str, float]:
    """What the provider would have counted: from the lengths, with a little noise; a price where there is one."""
    counted: dict[str, float] = {
        "prompt_tokens": 1 + round(len(prompt) / CHARS_PER_TOKEN * rng.uniform(0.94, 1.06)),
        "completion_tokens": 1 + round(len(response) / CHARS_PER_TOKEN * rng.uniform(0.94, 1.06)),
    }
    if model in PRICES:
        per_prompt, per_completion = PRICES[model]
        cost = counted["prompt_tokens"] * per_prompt + counted["completion_tokens"] * per_completion
        counted["cost_usd"] = round(cost / 1_000_000, 6)
    return counted
