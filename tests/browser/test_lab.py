"""What a person sees and does in a real JupyterLab: the view lives, keeps up, survives, and says when it cannot."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from browser.lab import CONTRAST, DARK, OpenInLab, OpenNotebook, notebook_of

import roma_widget as roma
from roma_widget.server.child import ChildServer, start_child

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

AT_ONCE = 0.0  # a replay's speed: as fast as possible
ALL_FITS = """() => [...document.querySelectorAll('.rw-link-facts :is(dt, dd)')].every(
    (part) => part.scrollWidth <= part.clientWidth)"""
FACTS_STAND_IN_TWO_COLUMNS = """() => new Set(
    [...document.querySelectorAll('.rw-kv > div')].map((fact) => fact.getBoundingClientRect().left)).size === 2"""
TASK, OTHER_TASK = "root.1.3", "root.2.2.1"


@pytest.fixture
def ended_run(captures: Path) -> Iterator[ChildServer]:
    """A server that has played its recording to the end."""
    server = start_child(["replay", f"--speed={AT_ONCE}", str(captures / "a_complete.jsonl.xz")])
    yield server
    server.close()


def connect_cell(server: ChildServer) -> str:
    return f"import roma_widget as roma\nm = roma.connect({server.url!r})\nm"


def shows_ended_run(open_in_lab: OpenInLab, server: ChildServer, *more_cells: str) -> OpenNotebook:
    lab = open_in_lab(notebook_of(connect_cell(server), *more_cells))
    lab.run_cell(0)
    lab.execute("m.wait(timeout=30)")
    lab.until_like_the_kernel()
    return lab


# -- the run


def test_the_first_notebook_shows_the_run_from_its_beginning_to_its_end(
    open_in_lab: OpenInLab, live_run: dict[str, Any], demo_statuses: dict[str, str]
) -> None:
    lab = open_in_lab(live_run)
    lab.start_all()
    early = lab.until_revision(above=0)
    seen = lab.until_revision(above=early)
    lab.finish()
    lab.until_like_the_kernel()
    assert lab.statuses() == demo_statuses
    assert lab.revision() > seen
    assert lab.root.get_attribute("data-state") == "live"
    assert lab.root.evaluate("(root) => root.getBoundingClientRect().height") in (
        680,
        900,
    )  # its styles are there
    assert lab.root.get_by_role("progressbar").get_attribute("aria-valuenow") == str(len(demo_statuses))
    assert lab.page_errors == []

    # ... and it is saved small, with a picture of all tasks in it.
    path = lab.save()
    saved = json.loads(path.read_text("utf-8"))
    pictures = [
        "".join(output["data"]["text/html"])
        for cell in saved["cells"]
        for output in cell.get("outputs", [])
        if "data-static" in "".join(output.get("data", {}).get("text/html", ""))
    ]
    assert [all(task in picture for task in demo_statuses) for picture in pictures] == [True]
    assert "widgets" not in saved["metadata"]
    print(f"saved notebook {path.stat().st_size:,} B, static picture {len(pictures[0].encode()):,} B")
    assert path.stat().st_size < 400_000
    assert len(pictures[0].encode()) <= 100_000


def test_a_reload_during_the_run_brings_the_view_back_and_it_goes_on(open_in_lab: OpenInLab) -> None:
    lab = open_in_lab(notebook_of("import roma_widget as roma\nm = roma.demo(speed=1, hitl=False)\nm"))
    lab.run_cell(0)
    before = lab.until_revision(above=2)
    tasks_before = set(lab.statuses())
    lab.save()
    lab.reload()
    after = lab.until_revision(above=0)
    assert after >= before
    assert set(lab.statuses()) >= tasks_before > set()
    lab.until_revision(above=after)
    lab.until_revision(above=lab.revision())
    assert lab.root.count() == 1
    assert lab.root.get_attribute("data-state") == "live"
    assert lab.value("m.progress['outcome']") == "running"
    assert lab.picture.is_hidden()
    assert lab.page_errors == []


def test_every_third_delta_lost_and_yet_the_browser_ends_up_where_the_kernel_is(
    open_in_lab: OpenInLab, demo_statuses: dict[str, str]
) -> None:
    lossy = """
import roma_widget as roma
m = roma.demo(speed=6, hitl=False)
send, deltas, lost = m.send, [], []
def lossy(content, buffers=None):
    if content["type"] == "delta":
        deltas.append(content["rev"])
        if len(deltas) % 3 == 0:
            return lost.append(content["rev"])
    send(content, buffers)
m.send = lossy
m
"""
    lab = open_in_lab(notebook_of(lossy))
    lab.run_cell(0)
    lab.execute("m.wait(timeout=60)")
    lab.until_like_the_kernel()
    assert lab.statuses() == demo_statuses
    deltas, lost = lab.value("[len(deltas), len(lost)]")
    print(f"{lost} of {deltas} deltas lost")
    assert lost >= 5
    assert lab.page_errors == []


# -- the past


PLACES_OF_CARDS = """() => Object.fromEntries([...document.querySelectorAll('.rw-card[data-card]')].map(
    (card) => [card.dataset.card, card.getBoundingClientRect().top]))"""
SHOWS_TASKS_OF_THE_PAST = """() => document.querySelector('.roma-widget').dataset.time === 'past'
    && document.querySelector('.roma-widget [role=row]') !== null"""
# The expression that gives in Python what is shown, when it has been the same for a while.
STILL_SHOWN = """() => {
    const said = document.querySelector('.rw-inspector-foot code').textContent
    const isSame = said.startsWith('m.at(') && said === window.romaTestSaid
    window.romaTestSaid = said
    return isSame && said.replace('.tasks()', '')
}"""


def test_a_person_goes_back_in_time_while_the_run_goes_on(
    open_in_lab: OpenInLab, demo_statuses: dict[str, str]
) -> None:
    lab = open_in_lab(notebook_of("import roma_widget as roma\nm = roma.demo(speed=6, hitl=False)\nm"))
    lab.run_cell(0)
    lab.until("() => document.querySelectorAll('.roma-widget [role=row]').length > 8")
    slider = lab.root.get_by_role("slider", name="Moment of the run")
    slider.focus()
    for _ in range(2):
        lab.page.keyboard.press("PageDown")
    banner = lab.root.get_by_text("You are looking at")
    banner.wait_for()
    lab.until(SHOWS_TASKS_OF_THE_PAST)
    lab.page.wait_for_function(STILL_SHOWN, polling=300)
    clock_time = slider.get_attribute("aria-valuetext")
    assert clock_time is not None
    assert clock_time.count(":") == 2
    assert clock_time in banner.inner_text()
    begin = lab.statuses()
    assert 0 < len(begin) < len(demo_statuses)

    # What arrives meanwhile is kept, and the past stays what it was.
    lab.execute("m.wait(timeout=60)")
    assert lab.root.get_attribute("data-time") == "past"
    assert lab.statuses() == begin
    lab.root.get_by_role("button", name="Back to").click()
    banner.wait_for(state="detached")
    lab.until_like_the_kernel()
    assert lab.statuses() == demo_statuses

    places = lab.page.evaluate(PLACES_OF_CARDS)

    # The mouse leads to a moment, too, and what is shown is what Python says of it.
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    lab.page.mouse.move(box["x"] + box["width"] - 60, middle)
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + box["width"] * 0.5, middle, steps=10)
    lab.page.mouse.up()
    banner.wait_for()
    moment = lab.page.wait_for_function(STILL_SHOWN, polling=300).json_value()
    told = lab.value(f"{{t.task_id: str(t.status) for t in {moment}.snapshot.tasks.values()}}")
    assert lab.statuses() == told
    assert told != demo_statuses
    then = lab.page.evaluate(PLACES_OF_CARDS)
    assert any(then[task] == places.get(task) for task in then), "what was looked at has stayed where it was"
    slider.press("Escape")
    banner.wait_for(state="detached")
    lab.until_like_the_kernel()
    assert lab.page.evaluate(PLACES_OF_CARDS) == places
    assert lab.page_errors == []


def test_a_saved_run_says_so_and_goes_back_in_time(
    open_in_lab: OpenInLab, demo_statuses: dict[str, str]
) -> None:
    saved = """
import roma_widget as roma
m = roma.demo(speed=20, hitl=False)
m.wait(timeout=60)
m.save("monday.roma")
m.close()
m = roma.load("monday.roma")
m
"""
    lab = open_in_lab(notebook_of(saved))
    lab.run_cell(0)
    lab.until_like_the_kernel()
    assert lab.root.get_attribute("data-state") == "archive"
    header = lab.root.locator(".rw-header")
    assert "Saved run" in header.inner_text()
    assert (
        header.get_by_text("Saved run").locator("xpath=..").get_attribute("title").startswith("monday.roma. ")
    )
    assert header.get_by_role("button").count() == 1  # the menu: there is no connection to offer
    slider = lab.root.get_by_role("slider", name="Moment of the run")
    slider.press("PageDown")
    slider.press("PageDown")
    lab.root.get_by_text("before the end").wait_for()
    moment = lab.page.wait_for_function(STILL_SHOWN, polling=300).json_value()
    told = lab.value(f"{{t.task_id: str(t.status) for t in {moment}.snapshot.tasks.values()}}")
    assert lab.statuses() == told
    assert told != demo_statuses
    lab.root.get_by_role("button", name="Back to the end").click()
    lab.until_like_the_kernel()
    assert lab.page_errors == []


# -- selecting


IN_SIGHT = """(id) => {
    const card = document.querySelector(`.rw-card[data-card="${id}"]`)?.getBoundingClientRect()
    const graph = document.querySelector('.roma-graph').getBoundingClientRect()
    return card !== undefined && card.left >= graph.left && card.right <= graph.right
        && card.top >= graph.top && card.bottom <= graph.bottom
}"""


def test_a_click_on_a_card_selects_in_python_and_python_selects_in_the_browser(
    open_in_lab: OpenInLab, ended_run: ChildServer, last_tasks: dict[str, Any]
) -> None:
    lab = shows_ended_run(open_in_lab, ended_run)
    lab.card(TASK).click()
    inspector = lab.root.get_by_role("region", name="Task")
    inspector.wait_for()
    assert lab.row(TASK).get_attribute("aria-selected") == "true"
    lab.until("() => !document.querySelector('.roma-widget').textContent.includes('Asking the kernel')")
    assert lab.value("m.selection") == [TASK]
    assert lab.page.evaluate(FACTS_STAND_IN_TWO_COLUMNS)
    told = last_tasks[TASK]
    text = " ".join(inspector.inner_text().split())
    assert told["goal"] in text
    assert " ".join(told["full_result"]["output_text"].split())[:300] in text

    for _ in range(3):
        lab.root.get_by_role("button", name="Zoom in").click()
    lab.until(f"() => !({IN_SIGHT})({OTHER_TASK!r})")
    lab.execute(f"m.selection = [{OTHER_TASK!r}]")
    lab.page.wait_for_selector(f'[data-task-id="{OTHER_TASK}"][aria-selected="true"]', state="attached")
    assert lab.row(TASK).get_attribute("aria-selected") == "false"
    lab.until(IN_SIGHT, OTHER_TASK)
    assert last_tasks[OTHER_TASK]["goal"] in inspector.inner_text()
    assert lab.page_errors == []


NOTES_OPENED_STAGES = """
import threading
heard, opened = threading.Event(), []
@m.on("stage_opened")
def note(task, stage):
    opened.append((task.task_id, stage.stage))
    heard.set()
"""


def test_a_trace_is_shown_its_stage_is_opened_in_python_and_its_texts_are_searched(
    open_in_lab: OpenInLab,
) -> None:
    lab = open_in_lab(notebook_of("import roma_widget as roma\nm = roma.demo(speed=30, hitl=False)\nm"))
    lab.run_cell(0)
    lab.execute(NOTES_OPENED_STAGES)
    lab.execute("m.wait(timeout=60); m.selection = ['root.1']")
    inspector = lab.root.get_by_role("region", name="Task")
    inspector.get_by_role("tab", name="Trace").click()
    stages = inspector.get_by_role("group", name="Stages").get_by_role("button")
    stages.first.wait_for()
    told = lab.value("[stage.stage for stage in m.trace('root.1').stages]")
    assert [text.split()[0] for text in stages.all_inner_texts()] == told
    stages.first.focus()
    lab.page.keyboard.press("End")
    lab.page.keyboard.press("Enter")
    lab.page.wait_for_selector('.rw-stage-row[aria-expanded="true"]')
    assert lab.value("(heard.wait(10), opened)[1]") == [["root.1", told[-1]]]

    # The last word of a text that came cut is found, so it was fetched whole.
    word = lab.value("m.trace('root.1').stages[-1].user_input[4100:4112]").strip()
    search = inspector.get_by_label("Search the texts of the trace")
    search.fill(word)
    search.press("Enter")
    marked = inspector.locator("mark[data-current]")
    marked.wait_for()
    assert marked.inner_text().lower() == word.lower()
    assert lab.page_errors == []


def test_the_menus_of_the_header_keep_their_keys_from_the_notebook(
    open_in_lab: OpenInLab, ended_run: ChildServer
) -> None:
    lab = shows_ended_run(open_in_lab, ended_run)
    keyboard, cells = lab.page.keyboard, lab.page.locator(".jp-Notebook .jp-Cell")
    before = cells.count()

    title = lab.root.get_by_role("heading", level=2).get_by_role("button")
    title.focus()
    keyboard.press("Enter")
    menu = lab.root.get_by_role("dialog", name="Projects")
    menu.get_by_role("row", name="Follow the server's current project").wait_for()
    for key in ("ArrowDown", "d", "d", "a", "b", "ArrowUp"):  # JupyterLab: delete, insert above, insert below
        keyboard.press(key)
    assert cells.count() == before
    keyboard.press("Escape")
    menu.wait_for(state="detached")
    assert title.evaluate("(button) => button === document.activeElement")

    lab.root.get_by_role("button", name="Live").click()
    link = lab.root.get_by_role("dialog", name="Connection")
    link.get_by_text("Reconnects").wait_for()
    frames = lab.value("m.link()['frames']")
    lab.until(
        "(frames) => document.querySelector('.rw-link-facts').textContent.includes(`· ${frames}`)",
        str(frames),
    )
    assert lab.page.evaluate(ALL_FITS), "JupyterLab's style for lists of facts is not ours"
    lab.card(TASK).click()
    link.wait_for(state="detached")
    assert lab.page_errors == []


@pytest.fixture
def two_runs() -> Iterator[ChildServer]:
    """A server whose second run is current."""
    options = ["--scenario", "report", "--speed", "60", "--no-hitl", "--start"]
    server = start_child(["serve", *options])
    with roma.connect(server.url) as m:
        m.wait(timeout=60)
        m.start("Another survey of rooftop farms")
        m.wait(timeout=60)
    yield server
    server.close()


def test_a_person_watches_another_project_and_makes_it_current_for_everyone(
    open_in_lab: OpenInLab, two_runs: ChildServer
) -> None:
    lab = open_in_lab(notebook_of(connect_cell(two_runs)))
    lab.run_cell(0)
    lab.execute("m.wait(timeout=30)")
    lab.until_like_the_kernel()
    second = lab.value("m.project['id']")
    title = lab.root.get_by_role("heading", level=2).get_by_role("button")
    menu = lab.root.get_by_role("dialog", name="Projects")

    title.click()
    menu.get_by_role("row", name="Write A Report").click()
    lab.root.get_by_text("not current").wait_for()
    first = lab.value("m.watching")
    assert first not in (None, second)
    assert lab.value("m.project['id']") == first
    lab.until_like_the_kernel()
    current = "[one['id'] for one in m.projects if one['is_current']]"
    assert lab.value(current) == [second], "nobody was switched"

    title.click()
    row = menu.get_by_role("row", name="Write A Report")
    row.hover()
    row.get_by_role("button", name="Make current for everyone").click()
    menu.get_by_role("button", name="Switch for everyone").click()
    lab.root.get_by_text("not current").wait_for(state="detached")
    assert lab.value(current) == [first]
    assert lab.page_errors == []


def test_a_click_arrives_while_a_cell_runs(open_in_lab: OpenInLab, ended_run: ChildServer) -> None:
    busy = """
import time
heard = []
m.observe(lambda change: heard.append([time.monotonic(), change["new"]]), "selection")
time.sleep(8)
ended = time.monotonic()
"""
    lab = shows_ended_run(open_in_lab, ended_run, busy)
    lab.start_cell(1)
    lab.until("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'")
    lab.page.wait_for_timeout(1000)  # well into the cell
    clicked = time.monotonic()  # the clock of the machine, so of the kernel, too
    lab.card(TASK).click()
    lab.finish()
    heard, ended = lab.value("[heard, ended]")
    (arrived, selection), *more = heard
    print(f"click to Python {(arrived - clicked) * 1000:.0f} ms, cell's end {ended - clicked:.1f} s after it")
    assert (selection, more) == ([TASK], [])
    assert ended - clicked > 5
    assert arrived - clicked < 2


# -- the notebook's own ways


def test_fifty_runs_of_the_connect_cell_cost_what_one_does(
    open_in_lab: OpenInLab, ended_run: ChildServer, final_statuses: dict[str, str]
) -> None:
    measure = """
import gc, psutil
def measure():
    gc.collect()
    me = psutil.Process()
    server = [c for c in me.net_connections("tcp") if c.raddr and c.raddr.port == PORT]
    return [me.num_threads(), len(server), me.num_fds(), len(me.children()), me.memory_info().rss]
""".replace("PORT", ended_run.url.rsplit(":", 1)[1])
    lab = shows_ended_run(open_in_lab, ended_run)
    lab.execute(measure)
    one = lab.value("measure()")
    started = time.monotonic()
    for _ in range(49):
        lab.run_cell(0)
    took_s = time.monotonic() - started
    lab.execute("m.wait('connected', timeout=30)")
    lab.until_like_the_kernel()
    fifty = lab.value("measure()")
    grown = fifty[-1] - one[-1]
    print(f"threads, sockets to the server, files, children: {one[:-1]} -> {fifty[:-1]}")
    print(f"memory {one[-1] / 1e6:.1f} MB -> {fifty[-1] / 1e6:.1f} MB in 49 runs of {took_s / 49:.2f} s")
    # Less is possible: an idle HTTP connection is closed after a while.
    assert fifty[0] == one[0]
    assert 1 <= fifty[1] <= one[1]
    assert fifty[2] <= one[2] + 3
    assert fifty[3] == one[3]
    assert grown < 4e6
    assert lab.statuses() == final_statuses
    lab.card(TASK).click()
    lab.page.wait_for_selector(f'[data-task-id="{TASK}"][aria-selected="true"]', state="attached")
    assert lab.value("m.selection") == [TASK]
    assert lab.page_errors == []


def test_after_a_restart_of_the_kernel_and_a_reload_the_static_picture_shows_all_tasks(
    open_in_lab: OpenInLab, ended_run: ChildServer, final_statuses: dict[str, str]
) -> None:
    lab = shows_ended_run(open_in_lab, ended_run)
    assert lab.root.is_visible()
    assert lab.picture.count() == 1
    assert lab.picture.is_hidden()
    lab.save()
    (session,) = lab.server.ask("GET", "/api/sessions")
    lab.server.ask("POST", f"/api/kernels/{session['kernel']['id']}/restart")
    lab.reload()
    lab.picture.wait_for()
    text = lab.picture.inner_text().split()
    assert [task for task in final_statuses if task not in text] == []
    assert lab.root.count() == 0


def test_a_killed_kernel_is_noticed_and_takes_the_demo_server_with_it(open_in_lab: OpenInLab) -> None:
    lab = open_in_lab(notebook_of("import roma_widget as roma\nm = roma.demo(speed=1, hitl=False)\nm"))
    lab.run_cell(0)
    lab.until_revision(above=2)
    tasks = lab.statuses()
    pid = lab.value("__import__('os').getpid()")
    (child,) = psutil.Process(pid).children()
    killed = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    _, alive = psutil.wait_procs([child], timeout=5)
    child_s = time.monotonic() - killed
    assert alive == []
    lab.until("() => document.querySelector('.roma-widget')?.dataset.kernel === 'gone'", timeout_s=15)
    noticed_s = time.monotonic() - killed
    print(f"demo server gone after {child_s:.2f} s, view knows after {noticed_s:.1f} s")
    assert noticed_s < 8.5
    assert lab.root.get_by_text("Kernel gone.").is_visible()
    assert lab.statuses().keys() >= tasks.keys()


# -- the looks

TEXTS = (
    ".rw-title",
    ".rw-progress-text",
    ".rw-card-goal",
    ".rw-card-id",
    ".rw-inspector-title",
    ".rw-count-word",
)


def test_a_switch_to_the_dark_theme_keeps_every_text_readable(
    open_in_lab: OpenInLab, ended_run: ChildServer
) -> None:
    lab = shows_ended_run(open_in_lab, ended_run)

    def looks() -> dict[str, dict[str, float]]:
        return {text: lab.root.locator(text).first.evaluate(CONTRAST) for text in TEXTS}

    light = looks()
    lab.command("apputils:change-theme", theme=DARK)
    lab.until("() => document.body.dataset.jpThemeLight === 'false'")
    dark = looks()
    print(*(f"{text} {light[text]['contrast']:.1f} {dark[text]['contrast']:.1f}" for text in TEXTS), sep="\n")
    for text in TEXTS:
        assert light[text]["ground"] > 0.8
        assert dark[text]["ground"] < 0.1
        assert min(light[text]["contrast"], dark[text]["contrast"]) >= 4.5
    lab.until_like_the_kernel()
