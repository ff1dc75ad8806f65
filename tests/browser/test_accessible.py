"""Each state of the view is read by assistive technology: axe-core finds nothing serious, in light and in dark."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from browser.axe import serious
from browser.stage import dev_page
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.browser

NARROW = {"width": 420, "height": 900}


def turned_dark(page: Page) -> None:
    """As JupyterLab does when a person chooses another theme."""
    page.evaluate("document.body.dataset.jpThemeLight = 'false'; document.body.style.background = '#111'")


def nothing(page: Page) -> None:
    """As it opens."""


def tab(name: str) -> Callable[[Page], None]:
    def show(page: Page) -> None:
        page.get_by_role("tab", name=name).click()
        expect(page.get_by_role("tabpanel", name=name)).to_be_visible()

    return show


def stage_opened(page: Page) -> None:
    tab("Trace")(page)
    page.locator(".rw-waterfall button.rw-stage-row").last.click()


def projects(page: Page) -> None:
    page.locator(".rw-title-button").click()
    expect(page.get_by_role("dialog", name="Projects")).to_be_visible()


def connection(page: Page) -> None:
    page.locator("button.rw-state").click()
    expect(page.get_by_role("dialog", name="Connection")).to_be_visible()


def past(page: Page) -> None:
    page.get_by_role("slider").press("Home")
    expect(page.get_by_text("You are looking at")).to_be_visible()


def edited_plan(page: Page) -> None:
    page.locator("button.rw-step-goal").first.click()
    page.get_by_role("button", name="Done", exact=True).click()


def second_question(page: Page) -> None:
    page.get_by_role("button", name="Next question").click()


def third_question(page: Page) -> None:
    second_question(page)
    second_question(page)


def menu(page: Page) -> None:
    page.locator("[aria-haspopup=dialog]").last.click()
    expect(page.get_by_role("dialog").last).to_be_visible()


def keys(page: Page) -> None:
    page.get_by_role("row").first.focus()
    page.keyboard.press("?")


def searching(page: Page) -> None:
    page.get_by_role("searchbox").or_(page.get_by_role("textbox")).first.fill("roof")


STATES: dict[str, tuple[str, Callable[[Page], None], dict[str, Any]]] = {
    "running": ("n=15", nothing, {}),
    "ended": ("n=15&state=archive&outcome=with_failures", nothing, {}),
    "stalled": ("n=15&outcome=stalled", nothing, {}),
    "connection failed": ("n=15&state=failed", nothing, {}),
    "over HTTP": ("n=15&state=polling&questions=2", nothing, {}),
    "reconnecting": ("n=15&state=reconnecting", nothing, {}),
    "kernel gone": ("n=15&gone=1", nothing, {}),
    "no tasks": ("n=0", nothing, {}),
    "a thousand tasks": ("n=1000", nothing, {}),
    "overview": ("n=15&select=root.1.3", tab("Overview"), {}),
    "overview of a failed task": ("n=15&select=root.2.2.2", tab("Overview"), {}),
    "trace": ("n=15&select=root.1.3", tab("Trace"), {}),
    "an open stage": ("n=15&select=root.1.3", stage_opened, {}),
    "a sample trace": ("n=15&select=root.1.3&trace=sample", tab("Trace"), {}),
    "result": ("n=15&select=root.1.3", tab("Result"), {}),
    "a result as a tree": ("n=15&select=root.1.2", tab("Result"), {}),
    "context": ("n=15&select=root.1.3", tab("Context"), {}),
    "raw": ("n=15&select=root.1.3", tab("Raw"), {}),
    "a plan asked": ("n=15&asks=3", nothing, {}),
    "a plan edited": ("n=15&asks=3", edited_plan, {}),
    "a text asked": ("n=15&asks=3", second_question, {}),
    "data asked": ("n=15&asks=3", third_question, {}),
    "projects": ("n=15&projects=12", projects, {}),
    "connection": ("n=15", connection, {}),
    "the past": ("n=15", past, {}),
    "menu": ("n=15", menu, {}),
    "keys": ("n=15", keys, {}),
    "searching": ("n=15", searching, {}),
    "narrow": ("n=15&select=root.1.3", nothing, {"viewport": NARROW}),
    "narrow and asked": ("n=15&asks=3", nothing, {"viewport": NARROW}),
    "stacked": ("n=15&select=root.1.3", nothing, {"viewport": {"width": 800, "height": 900}}),
}


def focused(page: Page) -> Any:
    """What has the focus: a task's id, or the words of anything else."""
    return page.evaluate("""() => document.activeElement.dataset.taskId
        ?? document.activeElement.ariaLabel ?? document.activeElement.textContent""")


def test_tasks_are_read_by_keyboard(browser: Browser) -> None:
    with dev_page(browser, "n=15") as page:
        rows = page.get_by_role("treegrid", name="Tasks").get_by_role("row")
        assert rows.evaluate_all("(rows) => rows.filter((row) => row.tabIndex === 0).length") == 1
        rows.first.focus()
        for keys, there in [
            ("ArrowDown", "root.1"), ("ArrowRight", "root.1.1"), ("ArrowLeft", "root.1"), ("End", "root.3.3"),
            ("Home", "root"), ("PageDown", "root.2.3"), ("d", "root.3"), ("Home", "root"), ("ArrowUp", "root"),
        ]:  # fmt: skip
            page.keyboard.press(keys)
            page.wait_for_function("(there) => document.activeElement.dataset.taskId === there", arg=there)
        page.keyboard.press("ArrowLeft")
        expect(rows).to_have_count(1)
        expect(rows.first).to_have_attribute("aria-expanded", "false")
        page.keyboard.press("ArrowRight")
        expect(rows).to_have_count(15)
        page.keyboard.press("Enter")
        expect(page.get_by_role("region", name="Task")).to_be_visible()
        expect(rows.first).to_have_attribute("aria-selected", "true")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("first and last task")
        page.keyboard.press("Escape")
        assert focused(page) == "root"


CHANGED = """async ([changed, removed]) => {
    const rev = window.model.delta(changed, removed)
    const {dataset} = document.querySelector('.roma-widget')
    while (Number(dataset.revision) < rev) await new Promise(requestAnimationFrame)
    await new Promise(requestAnimationFrame)
}"""


@pytest.mark.parametrize(
    "what",
    ["[data-task-id='root.3.1']", "[role=tab]:nth-of-type(2)", ".rw-title-button", "[aria-label='Zoom in']"],
)
def test_an_update_takes_no_focus(browser: Browser, what: str) -> None:
    with dev_page(browser, "n=15&select=root.1.3&projects=3") as page:
        tab("Trace")(page)
        page.locator(what).first.focus()
        here = focused(page)
        new = {"parent": "root", "index": 0, "goal": "A new task", "status": "RUNNING"}
        page.evaluate(CHANGED, [{"root.3.1": {"status": "DONE"}, "new": new}, ["root.2.3"]])
        assert focused(page) == here


def test_what_is_gone_gives_the_focus_to_the_tasks(browser: Browser) -> None:
    with dev_page(browser, "n=15&select=root.3.3") as page:
        page.get_by_role("tab", name="Overview").focus()
        page.evaluate(CHANGED, [{}, ["root.3.3"]])
        page.wait_for_function("() => document.activeElement.dataset.taskId !== undefined")


def test_failures_and_questions_are_announced_and_nothing_else(browser: Browser) -> None:
    with dev_page(browser, "n=15") as page:
        said = page.locator(".roma-widget > [aria-live=polite]")
        page.evaluate(CHANGED, [{"root.3.1": {"status": "DONE"}}, []])
        expect(said).to_be_empty()
        page.evaluate(CHANGED, [{"root.3.2": {"status": "FAILED"}}, []])
        expect(said).to_have_text("Failed: Write the recommendations of the briefing")
        page.evaluate(
            "window.model.set('pending', [{request_id: 'q', state: 'open', task_id: 'root.3', message: 'May I?'}])"
        )
        expect(said).to_have_text("New question: May I?")


def test_nothing_moves_for_who_wants_no_motion(browser: Browser) -> None:
    with dev_page(browser, "n=15&asks=1", reduced_motion="reduce") as page:
        page.locator("[data-task-id='root.3.1']").focus()
        page.keyboard.press("Enter")
        lasting = "() => document.getAnimations().filter((each) => each.effect.getComputedTiming().duration > 1).length"
        assert page.evaluate(lasting) == 0


@pytest.mark.parametrize("state", STATES)
def test_axe_finds_nothing_serious(browser: Browser, state: str) -> None:
    query, act, context = STATES[state]
    with dev_page(browser, f"{query}&theme=light", **context) as page:
        act(page)
        assert serious(page) == []
        turned_dark(page)
        assert serious(page, rules=["color-contrast"]) == []
