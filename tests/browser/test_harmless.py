"""Whatever a model wrote: no script of it runs, nothing of it asks the network, and it breaks no layout."""

from __future__ import annotations

import json
import lzma
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from browser.hostile import hostile
from browser.lab import VIEWPORT, OpenInLab, notebook_of
from browser.stage import NOW_MS, Stage, staged, told
from playwright.sync_api import Browser, Page

import roma_widget as roma

pytestmark = pytest.mark.browser

TEXTS = hostile()
LONGEST_WORD = 300  # what the kernel tells of an agent, a model, a title


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
    texts = {"goal": text, "error": text, "result": result, "result_kind": kind}
    return {"task": text[:LONGEST_WORD], **texts, "history": [{"time": NOW_MS, "status": text[:80]}]}


def notes() -> dict[str, Any]:
    """Each text is written beside its task, and is a tag of it."""
    newest = [
        {"time": NOW_MS, "task": name, "text": text[:1000], "tags": [text[:80] or "x"]}
        for name, text in zip(ids(), TEXTS, strict=True)
    ]
    return {"n": len(newest), "newest": newest}


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


def hurried(browser: Browser, told: Any, **context: Any) -> AbstractContextManager[Stage]:
    """Nobody looks: its frames wait for no screen."""
    return staged(browser, {**told, "isHurried": True}, **context)


SHOW = """async () => {
    %s
    const root = document.querySelector('.roma-widget')
    return JSON.stringify(await walk(root, (%s)(root, window.stage)))
}"""
WATCHED = Path(__file__).with_name("harmless.js").read_text("utf-8").replace("export ", "")


def looked_at(page: Page, states: str, at_least: int) -> None:
    """Look at each state that the JavaScript generator `states` brings about."""
    seen = json.loads(page.evaluate(SHOW % (WATCHED, states)))
    assert not seen["faults"], "\n".join(seen["faults"])
    assert seen["seen"] >= at_least


def walk(stage: Stage, states: str, at_least: int) -> None:
    looked_at(stage.page, states, at_least)
    assert (stage.left, stage.complaints) == ([], [])


TABS = """async function* (root, {model, tasks, drawn}) {
    for (const [at, {id}] of tasks.entries()) {
        model.snapshot(tasks.slice(Math.max(0, at - 2), at + 1))  // a few at a time: what is looked at is the inspector
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
    names = ids()
    details = {names[at]: detail(at, text) for at, text in enumerate(TEXTS)}
    traces = {
        names[at]: {"task": names[at], "is_sample": False, "stages": [stage_of(0, text)]}
        for at, text in enumerate(TEXTS)
    }
    with hurried(browser, told(tasks, {"task": details, "trace": traces}, notes=notes())) as stage:
        walk(stage, TABS, 5 * len(TEXTS))


STAGES = """async function* (root, {model, tasks, drawn}) {
    model.set('selection', [tasks[0].id])
    await drawn()
    root.querySelectorAll('[role=tab]')[1].click()
    await drawn()
    const rows = () => root.querySelectorAll('.rw-waterfall button.rw-stage-row')
    for (let at = 0; at < rows().length; at++) {
        rows()[at].click()
        await drawn()
        for (const fold of root.querySelectorAll('.rw-block-name[aria-expanded=false]')) fold.click()
        await drawn()
        for (const whole of root.querySelectorAll('.rw-block .rw-link')) whole.click()
        await drawn()
        yield `stage ${at}`
    }
}"""


def test_each_stage_of_a_trace(browser: Browser) -> None:
    stages = [stage_of(at, text) for at, text in enumerate(TEXTS)]
    trace = {"task": "root", "is_sample": True, "stages": stages, "left_out": TEXTS[0]}
    with hurried(browser, told([{**task(0, "x"), "id": "root"}], {"trace": {"root": trace}})) as stage:
        walk(stage, STAGES, 200)


QUESTIONS = """async function* (root, {model, drawn, answers}) {
    const waiting = model.get('pending')
    for (const [at, prompt] of waiting.entries()) {
        model.set('pending', [prompt, waiting[(at + 1) % waiting.length]])
        await drawn()
        const line = root.querySelector(`[data-request-id="${prompt.request_id}"] > .rw-q-head`)
        if (line?.localName === 'button') line.click()
        await drawn()
        for (const branch of root.querySelectorAll('.rw-data-branch[aria-expanded=false]')) branch.click()
        await drawn()
        yield prompt.request_id
        const goal = root.querySelector('button.rw-step-goal')
        if (goal === null) continue
        goal.click()  // it is edited
        await drawn()
        yield `${prompt.request_id}, edited`
    }
}"""


def test_each_question(browser: Browser) -> None:
    pending = [prompt(at, text) for at, text in enumerate(TEXTS)]
    questions = {f"q{at}": question(at, text) for at, text in enumerate(TEXTS)}
    tasks = [task(at, text) for at, text in enumerate(TEXTS[:20])]
    with hurried(browser, told(tasks, {"question": questions}, pending=pending)) as stage:
        walk(stage, QUESTIONS, len(TEXTS))


FRAME = """async function* (root, {model, answers, drawn}) {
    const texts = model.get('texts')
    const states = ['live', 'polling', 'reconnecting', 'failed', 'closed', 'archive']
    for (const [at, text] of texts.entries()) {
        const state = states[at % states.length]
        const note = {time: 0, task: model.get('project').id, text: text.slice(0, 1000), tags: [text.slice(0, 80)]}
        model.set('notes', {n: 1, newest: [note]})
        const line = text.slice(0, 300)
        const others = texts.slice(at, at + 3)
        answers.refusal = line
        model.set('connection', {...model.get('connection'), state, reason: line, error: line, transport: line})
        model.set('address', line)
        model.set('project', {id: line, title: text, goal: at % 2 ? null : text, status: line})
        model.set('projects', others.map((title) => ({id: title.slice(0, 300), title, status: title, created: title})))
        const counts = {by_status: {[line]: 3}, outcome: 'stalled', reason: text.slice(0, 500)}
        model.set('progress', {...model.get('progress'), ...counts})
        await drawn()
        yield `${state}: ${line.slice(0, 60)}`
        if (at % 3 !== 0) continue
        for (const button of root.querySelectorAll('[aria-haspopup=dialog]')) {
            button.click()
            await drawn()
            yield `${button.title}: ${line.slice(0, 60)}`
            button.click()
        }
    }
}"""


def test_the_frame_and_its_panels(browser: Browser) -> None:
    tasks = [task(at, text) for at, text in enumerate(TEXTS[:3])]
    with hurried(browser, told(tasks, texts=[text[:20_000] for text in TEXTS])) as stage:
        walk(stage, FRAME, len(TEXTS))


GRAPH = """async function* (root, {model, tasks, drawn}) {
    for (const name of ['Zoom in', 'Zoom out']) {
        for (let at = 0; at < 12; at++) {
            root.querySelector(`[aria-label="${name}"]`)?.click()  // an outline has none
            await drawn()
            yield `${name} ${at}`
        }
    }
    for (const {id} of tasks.filter((_, at) => at % 10 === 0)) {
        model.set('selection', [id])
        await drawn()
        yield id.slice(0, 60)
    }
}"""


@pytest.mark.parametrize("width", [1280, 700, 420])
def test_the_graph_or_the_outline_of_all(browser: Browser, width: int) -> None:
    tasks = [task(at, text) for at, text in enumerate(TEXTS)]
    with hurried(browser, told(tasks), viewport={"width": width, "height": 900}) as stage:
        walk(stage, GRAPH, 20)


@pytest.fixture(scope="module")
def hostile_run(captures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording whose tasks, project and results are the texts."""
    with lzma.open(captures / "d_failed.jsonl.xz", "rt", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    frames = [line for line in lines if line["event"] == "task_graph_update"]
    told = frames[-1]["args"][0]
    root, leaf = told["all_nodes"]["root"], told["all_nodes"]["root.2.2"]
    told["all_nodes"] = {"root": root}
    for at, text in enumerate(TEXTS):
        name = f"root.{at + 1}"
        words = dict.fromkeys(
            ("task_type", "agent_name", "model_display", "error", "output_summary"), text[:500]
        )
        result = {"output_text": text} if at % 2 else text
        told["all_nodes"][name] = {
            **leaf, **words, "task_id": name, "parent_node_id": "root", "goal": text, "full_result": result,
            "status": "FAILED" if at % 3 else text[:40],
        }  # fmt: skip
    told["current_project"] |= {"title": TEXTS[0], "goal": TEXTS[1]}
    path = tmp_path_factory.mktemp("hostile") / "run.jsonl"
    kept = [line for line in lines if line["event"] != "task_graph_update"]
    kept.insert(
        next(at for at, line in enumerate(kept) if line["event"] == "project_started") + 1, frames[-1]
    )
    path.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")
    return path


ROWS = """async function* (root) {
    const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
    const rows = root.querySelectorAll('[role=treegrid] [role=row][data-task-id]')
    for (let at = 1; at < rows.length; at += STEP) {
        rows[at].click()
        await drawn()
        for (const place of [0, 2]) {
            const tab = root.querySelectorAll('[role=tab]')[place]
            tab.click()
            await drawn()
            yield `${tab.textContent} of ${rows[at].dataset.taskId}`
        }
    }
}"""


def test_a_page_of_one_run(browser: Browser, hostile_run: Path, tmp_path: Path) -> None:
    with roma.load(hostile_run) as m:
        path = m.to_html(tmp_path / "run.html")
    asked: list[str] = []
    complaints: list[str] = []
    with browser.new_context(viewport=VIEWPORT, offline=True) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path.as_uri())
        page.wait_for_selector("[role=row][data-task-id]", state="attached")
        looked_at(page, ROWS.replace("STEP", "8"), 50)
        assert page.get_by_role("region", name="Task").is_visible()
    assert (asked, complaints) == ([path.as_uri()], [])


def test_a_notebook(open_in_lab: OpenInLab, hostile_run: Path) -> None:
    lab = open_in_lab(notebook_of(f"import roma_widget as roma\nm = roma.load({str(hostile_run)!r})\nm"))
    asked: list[str] = []
    lab.page.on("request", lambda request: asked.append(request.url))
    lab.run_cell(0)
    lab.until_revision(above=0)
    looked_at(lab.page, ROWS.replace("STEP", "16"), 26)
    assert not [address for address in asked if "evil" in address]
    assert lab.page_errors == []
