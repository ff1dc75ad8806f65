"""A page of one run in a real Chromium: opened from the disk, offline, under its own policy, read by keyboard."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import pytest
from browser.axe import serious
from browser.lab import VIEWPORT
from playwright.sync_api import Browser, Page, expect

import roma_widget as roma

pytestmark = pytest.mark.browser

# Each of these would be an attack; the policy makes them errors, or nothing.
FORBIDDEN = """async () => {
    const tried = {
        html: () => { document.body.innerHTML = '<b>x</b>' },
        eval: () => new Promise((run, refuse) => setTimeout(() => {  // later: a debugger may evaluate anything
            try { run((0, eval)('1')) } catch (error) { refuse(error) }
        })),
        fetch: () => fetch('data:text/plain,x'),
        script: () => new Promise((run, refuse) => {
            const script = document.createElement('script')
            window.romaTestRan = run
            document.addEventListener('securitypolicyviolation', refuse, {once: true})
            script.append('window.romaTestRan()')
            document.body.append(script)
        }),
    }
    const went = []
    for (const [name, attempt] of Object.entries(tried)) {
        try { await attempt(); went.push(name) } catch {}
    }
    return went
}"""

CARD_W, CARD_H, MARGIN, TITLE_H = 200, 48, 10, 34
CARDS = """() => [...document.querySelectorAll('.rw-cards > .rw-card')].map((card) => {
    const at = new DOMMatrix(getComputedStyle(card).transform)
    return [at.e, at.f]
})"""
COLOURS = """async ([data, points]) => {
    const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0))
    const picture = await createImageBitmap(new Blob([bytes]))
    const ctx = new OffscreenCanvas(picture.width, picture.height).getContext('2d', {willReadFrequently: true})
    ctx.drawImage(picture, 0, 0)
    return points.map(([x, y]) => String(ctx.getImageData(x, y, 1, 1).data))
}"""


def the_picture_has_every_card(page: Page, n_cards: int) -> None:
    """All cards at 100 %, twice as sharp, whatever the screen shows; their status bars are where they stand."""
    page.get_by_role("button", name="100 %, zoom to 100 %").wait_for()
    cards = page.evaluate(CARDS)
    for _ in range(4):
        page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="View", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save the graph as PNG").click()
    picture = download.value.path().read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    assert len(cards) == n_cards
    assert (width, height) == (
        2 * (max(x for x, _ in cards) + CARD_W + 2 * MARGIN),
        2 * (max(y for _, y in cards) + CARD_H + 2 * MARGIN + TITLE_H),
    )
    bars = [[2 * (x + MARGIN) + 3, 2 * (y + MARGIN + TITLE_H + CARD_H // 2)] for x, y in cards]
    ground, *colours = page.evaluate(COLOURS, [base64.b64encode(picture).decode(), [[1, 1], *bars]])
    assert ground not in colours


def test_a_page_is_read_from_the_disk_by_keyboard(browser: Browser, tmp_path: Path, captures: Path) -> None:
    with roma.load(captures / "a_complete.jsonl.xz") as m:
        path = m.to_html(tmp_path / "run.html")
        n_first = len(m.at(m.times[0]).snapshot.tasks)
    context = browser.new_context(viewport=VIEWPORT, offline=True)
    page = context.new_page()
    complaints: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())

    rows = page.get_by_role("treegrid", name="Tasks").get_by_role("row")
    expect(rows).to_have_count(15)
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    task = page.get_by_role("region", name="Task")
    expect(task.get_by_role("heading").first).to_have_text(
        "Collect facts on yields and costs of rooftop farms"
    )

    expect(task.get_by_role("listitem").filter(has_text="created")).to_be_visible()
    task.get_by_role("tab", name="Trace").click()
    task.get_by_role("button", name="planning").click()
    expect(task).to_contain_text("Prompt")

    slider = page.get_by_role("slider", name="Moment of the run")
    slider.press("Home")
    expect(page.get_by_text("You are looking at")).to_be_visible()
    assert serious(page, "#roma-page") == []
    expect(rows).to_have_count(n_first)
    slider.press("End")
    expect(rows).to_have_count(15)

    rows.first.focus()
    page.keyboard.press("/")
    page.keyboard.type("irrigation")
    expect(page.get_by_role("search")).to_contain_text("1")
    page.keyboard.press("Enter")
    expect(task.get_by_role("heading").first).to_have_text("Find irrigation rates for leafy vegetables")

    the_picture_has_every_card(page, 15)
    expect(page.get_by_role("button", name="Save a page")).to_have_count(0)

    assert (complaints, asked) == ([], [path.as_uri()])
    assert page.evaluate(FORBIDDEN) == []
    context.close()


def test_a_page_without_scripts_shows_the_picture(browser: Browser, tmp_path: Path, captures: Path) -> None:
    with roma.load(captures / "d_failed.jsonl.xz") as m:
        path = m.to_html(tmp_path / "run.html")
    context = browser.new_context(viewport=VIEWPORT, java_script_enabled=False)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(path.as_uri())
    expect(page.get_by_role("row").filter(has_text="root.1").first).to_be_visible()
    expect(page.locator("[data-static]")).to_contain_text("made by roma-widget")
    assert complaints == []
    context.close()


def test_what_stands_in_the_rows_under_the_graph_reaches_assistive_technology(
    browser: Browser, tmp_path: Path, captures: Path
) -> None:
    with roma.load(captures / "a_complete.jsonl.xz") as m:
        path = m.to_html(tmp_path / "run.html")
    context = browser.new_context(viewport=VIEWPORT)
    page = context.new_page()
    page.goto(path.as_uri())
    expect(page.get_by_role("treegrid", name="Tasks").get_by_role("row")).to_have_count(15)
    # Chromium's own tree: Playwright's roles are read from the document, and would not miss what style takes away.
    nodes = context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    cells = [node for node in nodes if not node["ignored"] and node["role"]["value"] == "gridcell"]
    assert len(cells) >= 15
    context.close()
