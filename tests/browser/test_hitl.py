"""What a person does with questions in a real JupyterLab: nothing is missed, nothing goes out twice, also while a cell
runs. One JupyterLab page and one kernel for all; the server and its agents are in this process.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import pytest
from browser.agents_that_ask import Agents
from browser.lab import LabServer, OpenNotebook, notebook_of, opened
from browser.questions_in_lab import (
    ANALYSING,
    AWAITING,
    CELLS,
    COMPUTING,
    SHOWS,
    SLEEPING,
    click_to_socket_ms,
    connect_cell,
    entry,
    press,
    until_nothing_is_asked,
    until_state,
)
from playwright.sync_api import Browser

from roma_widget.errors import TaskAborted

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

CLICK_TO_SOCKET_MS = 200
SECOND_VIEW = len(CELLS) + 1
PLAN: dict[str, list[dict[str, Any]]] = {
    "sub_tasks": [
        {"goal": "List the exhibits", "task_type": "SEARCH", "node_type": "EXECUTE"},
        {"goal": "List the cafés", "task_type": "SEARCH", "node_type": "EXECUTE"},
        {"goal": "Score the museums", "task_type": "THINK", "depends_on_indices": [0, 1]},
    ]
}
# Of every view: two clicks on each question's "Approve", all in one moment.
CLICK_ALL_TWICE = """() => {
    const buttons = [...document.querySelectorAll('[data-state=open] .rw-answers button:first-child')]
    for (const button of [...buttons, ...buttons]) button.click()
    return buttons.length
}"""


@pytest.fixture(scope="module")
def agents() -> Iterator[Agents]:
    with Agents() as agents:
        yield agents


@pytest.fixture(scope="module")
def shared_lab(server: LabServer, browser: Browser, agents: Agents) -> Iterator[OpenNotebook]:
    with opened(browser, server, notebook_of(connect_cell(agents), *CELLS, "m"), "hitl") as lab:
        lab.run_cell(0)
        lab.execute("m.wait('connected', timeout=30)")
        yield lab


@pytest.fixture
def lab(shared_lab: OpenNotebook, agents: Agents) -> Iterator[OpenNotebook]:
    yield shared_lab
    agents.withdraw()
    assert shared_lab.page_errors == []


def test_open_questions_survive_a_reload_and_the_keyboard_alone_answers(
    lab: OpenNotebook, agents: Agents
) -> None:
    asked = [agents.ask(f"Is part {n} good?", task=n) for n in (1, 2, 3)]
    ids = [one.request_id for one in asked]
    lab.until(SHOWS, ids)
    lab.save()
    lab.reload()
    lab.until(SHOWS, ids)
    shown = lab.root.locator("[data-request-id]")
    assert [each.get_attribute("data-request-id") for each in shown.all()] == ids
    assert lab.root.get_by_role("button", name="3 questions").is_visible()
    for each in (lab.row("root.1"), lab.card("root.1")):
        assert "rw-waits" in (each.get_attribute("class") or "").split()

    cells = lab.page.locator(".jp-Notebook .jp-Cell")
    cells.nth(len(CELLS) + 1).wait_for(state="attached")  # the last one comes late after a reload
    before = cells.count()
    lab.row("root.1").focus()
    lab.page.keyboard.press("q")
    for one in asked:
        while lab.page.evaluate("() => document.activeElement.textContent") != "Approve":
            lab.page.keyboard.press("Tab")
        lab.page.keyboard.press("Enter")
        assert one.said() == ("approve", None)
        lab.page.keyboard.press("Tab")
    assert cells.count() == before


@pytest.mark.parametrize(
    "cell",
    [SLEEPING, COMPUTING, AWAITING, ANALYSING],
    ids=["sleeping", "computing", "awaiting", "in pandas"],
)
def test_a_click_is_at_the_socket_at_once_while_a_cell_runs(
    lab: OpenNotebook, agents: Agents, cell: int
) -> None:
    took_ms = click_to_socket_ms(lab, agents, cell)
    print(f"click to socket, ms: {', '.join(f'{ms:.0f}' for ms in took_ms)}")
    assert statistics.median(took_ms) <= CLICK_TO_SOCKET_MS


def test_an_edited_plan_is_seen_in_words_then_sent_and_the_next_attempt_shows_what_changed(
    lab: OpenNotebook, agents: Agents
) -> None:
    until_nothing_is_asked(lab)
    first = agents.ask("Is this plan good?", {"proposed_plan": PLAN})
    lab.until(SHOWS, [first.request_id])
    entry(lab, first).get_by_role("button", name="List the cafés", exact=True).click()
    goal = entry(lab, first).get_by_role("textbox", name="Goal of sub-task 2")
    goal.fill("List the cafés with high chairs")
    goal.press("Enter")
    words = "Reword sub-task 2 to “List the cafés with high chairs”."
    instructions = entry(lab, first).get_by_role("textbox", name="Instructions")
    assert instructions.input_value() == words
    assert not first.answer.done()
    press(lab, first, "Modify")
    assert first.said() == ("modify", words)

    reworded = [dict(step) for step in PLAN["sub_tasks"]]
    reworded[1]["goal"] = "List the cafés with high chairs"
    second = agents.ask("Is the changed plan good?", {"proposed_plan": {"sub_tasks": reworded}})
    entry(lab, second).get_by_text("1 reworded", exact=True).wait_for()
    assert entry(lab, second).locator("ins").all_inner_texts() == ["with high chairs"]
    assert words in entry(lab, second).inner_text()
    entry(lab, second).get_by_role("button", name="root.1", exact=True).click()
    lab.page.wait_for_selector('[data-task-id="root.1"][aria-selected="true"]', state="attached")
    press(lab, second, "Approve")
    assert second.said() == ("approve", None)


def test_abort_asks_once_more_and_a_held_answer_says_why(lab: OpenNotebook, agents: Agents) -> None:
    hold = "def hold(request, answer):\n    raise ValueError('Ask Ada first.')\nm.hitl.on_answer(hold)"
    asked = agents.ask()
    lab.until(SHOWS, [asked.request_id])
    lab.execute(hold)
    press(lab, asked, "Approve")
    until_state(lab, asked, "held")
    assert "Ask Ada first." in entry(lab, asked).inner_text()
    lab.execute("m.hitl.on_answer(None)")
    press(lab, asked, "Abort")
    entry(lab, asked).get_by_text("Abort?").wait_for()
    assert asked.request_id not in [one for one, _ in agents.received]
    assert not asked.answer.done()
    entry(lab, asked).get_by_role("textbox", name="Reason").fill("Too dear")
    press(lab, asked, "Abort")
    aborted = asked.answer.exception(20)
    assert isinstance(aborted, TaskAborted)
    assert "Too dear" in str(aborted)


HOSTILE = "</script><img src=x onerror='window.romaTestHacked = 1'>\u202e" + "x" * 3000
DATA: dict[str, Any] = {
    "much": {"text": "much " * 1_000_000},
    "hostile": {"proposed_plan": {"sub_tasks": [{"goal": HOSTILE, "task_type": HOSTILE}]}, HOSTILE: HOSTILE},
    "unexpected": {"proposed_plan": {"sub_tasks": "none"}, "plan": [None, [[]], 3]},
}


def test_whatever_is_under_review_the_question_can_be_answered(lab: OpenNotebook, agents: Agents) -> None:
    until_nothing_is_asked(lab)
    for what, data in DATA.items():
        asked = agents.ask(HOSTILE if what == "hostile" else "Is it good?", data)
        lab.until(SHOWS, [asked.request_id])
        if what != "much":
            entry(lab, asked).get_by_role("button", name="root.1", expanded=False).click()
        entry(lab, asked).get_by_text("Asking the kernel").wait_for(state="detached")
        tray, root = lab.root.locator(".rw-tray").bounding_box(), lab.root.bounding_box()
        assert tray is not None
        assert root is not None
        assert tray["width"] <= root["width"]
        assert tray["y"] + tray["height"] <= root["y"] + root["height"]
        assert lab.root.locator(".rw-tray-list").evaluate("(list) => list.scrollWidth <= list.clientWidth")
        press(lab, asked, "Approve")
        assert asked.said() == ("approve", None)
    assert lab.page.evaluate("() => window.romaTestHacked") is None


def test_fifty_questions_stay_fifty_and_two_views_with_double_clicks_answer_each_once(
    lab: OpenNotebook, agents: Agents
) -> None:
    lab.run_cell(SECOND_VIEW)
    asked = [agents.ask(f"Is part {n} good?", task=n % 4) for n in range(50)]
    lab.until("() => document.querySelectorAll('[data-request-id][data-state=open]').length === 100")
    answered = len(agents.received)
    first, *rest = asked
    entry(lab, first).get_by_role("button", name="Approve").dblclick()
    assert first.said() == ("approve", None)
    assert lab.page.evaluate(CLICK_ALL_TWICE) >= 98
    assert {one.said() for one in rest} == {("approve", None)}
    lab.until("() => document.querySelector('[data-state=open]') === null")
    assert sorted(one for one, _ in agents.received[answered:]) == sorted(one.request_id for one in asked)
    ledger = lab.value("list(m.hitl.ledger().tail(50).state)")
    assert set(ledger) == {"confirmed"}
