"""Whatever a model wrote: no script of it runs, nothing of it asks the network, and it breaks no layout."""

from __future__ import annotations

import json
from typing import Any

import pytest
from browser.hostile import hostile
from browser.stage import NOW_MS, Stage, staged, told
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

TEXTS = hostile()
LONGEST_WORD = 300  # what the kernel tells of an agent, a model, a title
PLACES = list(range(len(TEXTS)))


def ids() -> list[str]:
    """The texts as names of tasks."""
    return [text[:LONGEST_WORD] for text in TEXTS]


def task(at: int, text: str) -> dict[str, Any]:
    word = text[:LONGEST_WORD]
    return {
        "id": word, "parent": None, "index": at, "goal": text[:500], "status": word, "type": word, "node": word,
        "agent": word, "model": word, "layer": 1, "depends_on": [ids()[at - 1]], "context": [ids()[at - 2]],
        "created": NOW_MS - 9000, "started": NOW_MS - 8000, "updated": NOW_MS, "completed": NOW_MS - 1000,
        "error": text[:500], "summary": text[:500],
    }  # fmt: skip


def stage_of(at: int, text: str) -> dict[str, Any]:
    word, long = text[:500], text[:4000]
    names = ("system_prompt", "user_input", "llm_response", "output", "tool_calls", "messages", "error")
    words = dict.fromkeys(("stage", "status", "agent", "adapter", "model"), word)
    times = {"started": NOW_MS - 8000 + at, "completed": NOW_MS - 7900 + at, "duration_s": 0.1}
    sizes = {name: len(text) for name in names if len(text) > len(long)}
    return {"seq": at, "attempt": 1, **words, **times, **dict.fromkeys(names, long), "sizes": sizes}


def detail(at: int, text: str) -> dict[str, Any]:
    """Its result is Markdown, or JSON with the text as a name and a value."""
    result = json.dumps({text[:3000]: text, "list": [text[:3000]]}) if at % 2 else text
    kind = "json" if at % 2 else "text"
    return {"task": text[:LONGEST_WORD], "goal": text, "error": text, "result": result, "result_kind": kind}


def question(at: int, text: str) -> dict[str, Any]:
    goal, word = text[:10_000], text[:500]
    step = {"goal": goal, "task_type": word, "node_type": word, "depends_on": []}
    kinds: list[dict[str, Any]] = [
        {"kind": "plan", "plan": [step, step], "previous_plan": [{**step, "goal": goal + " x"}]},
        {"kind": "text", "text": text[:200_000]},
        {"kind": "data", "json": json.dumps({word: [text[:20_000], {word: word}]})},
    ]
    about = {word[:60] or "x": word, "reason": word}
    return {"request_id": f"q{at}", "about": about, "previous_instructions": text[:2000], **kinds[at % 3]}


def prompt(at: int, text: str) -> dict[str, Any]:
    said = {"checkpoint": text[:500], "message": text[:2000], "why": text[:500]}
    return {"request_id": f"q{at}", "task_id": text[:LONGEST_WORD], "attempt": 1, "state": "held", **said}


SHOW = """async (states) => {
    const {walk} = await import('/harmless.js')
    const root = document.querySelector('.roma-widget')
    return walk(root, (%s)(root, window.stage))
}"""


def walk(stage: Stage, states: str, at_least: int) -> None:
    """Look at each state that the JavaScript generator `states` brings about."""
    seen = stage.page.evaluate(SHOW % states)
    assert seen["faults"] == []
    assert seen["seen"] >= at_least
    assert (stage.left, stage.complaints) == ([], [])


TABS = """async function* (root, {model, tasks, drawn}) {
    for (const {id} of tasks) {
        model.set('selection', [id])
        await drawn()
        for (const tab of root.querySelectorAll('[role=tab]')) {
            tab.click()
            await drawn()
            yield `${tab.textContent} of ${JSON.stringify(id.slice(0, 60))}`
        }
    }
}"""


def test_each_tab_of_each_task(browser: Browser) -> None:
    tasks = [task(at, text) for at, text in enumerate(TEXTS)]
    answers = {
        "task": {text[:LONGEST_WORD]: detail(at, text) for at, text in enumerate(TEXTS)},
        "trace": {
            text[:LONGEST_WORD]: {"task": text[:LONGEST_WORD], "is_sample": False, "stages": [stage_of(0, text)]}
            for text in TEXTS
        },
    }
    with staged(browser, told(tasks, answers)) as stage:
        walk(stage, TABS, 5 * len(TEXTS))
