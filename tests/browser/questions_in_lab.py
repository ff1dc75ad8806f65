"""Questions as a person meets them in the view: where they are, how they are pressed, how long a click takes."""

from __future__ import annotations

from browser.agents_that_ask import Agents, Asked
from browser.lab import OpenNotebook
from playwright.sync_api import Locator

UNTIL_INTERRUPTED = "try:\n    {}\nexcept KeyboardInterrupt:\n    pass"
SLEEPS = "import time\n" + UNTIL_INTERRUPTED.format("time.sleep(20)")
COMPUTES = "n = 0\n" + UNTIL_INTERRUPTED.format("while True: n += 1")
AWAITS = "import asyncio\n" + UNTIL_INTERRUPTED.format("await asyncio.sleep(20)")
IN_PANDAS = (
    "import numpy as np, pandas as pd\n"
    "df = pd.DataFrame({'key': np.arange(300_000) % 9973, 'value': np.random.rand(300_000)})\n"
) + UNTIL_INTERRUPTED.format("while True: df.groupby('key').value.agg(['sum', 'std']).sort_values('std')")
SLEEPING, COMPUTING, AWAITING, ANALYSING = 1, 2, 3, 4
CELLS = (SLEEPS, COMPUTES, AWAITS, IN_PANDAS)
"""Behind the cell that connects."""
CLICKS = 7

NOTE_CLICKS = """() => window.addEventListener('click', (event) => {
    window.romaTestClicks = (window.romaTestClicks ?? 0) + 1
    window.romaTestWasOff = event.target.closest('[aria-disabled="true"]') !== null
    window.romaTestClicked = Date.now() - (performance.now() - event.timeStamp)
}, true)"""
WAS_OFF = "() => window.romaTestWasOff"
SHOWS = """(ids) => [...document.querySelectorAll('[aria-label="Questions"]')].length > 0
    && ids.every((id) => document.querySelector(`[data-request-id="${id}"]`))"""
INTERRUPT = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()"
# The kernel's own status is "idle" again when a subshell has taken a click.
RUNS = "(cell) => document.querySelectorAll('.jp-Cell .jp-InputPrompt')[cell].innerText.includes('*')"


def connect_cell(agents: Agents) -> str:
    return f"import roma_widget as roma\nm = roma.connect({agents.server.url!r})\nm"


def entry(lab: OpenNotebook, asked: Asked) -> Locator:
    return lab.root.first.locator(f'[data-request-id="{asked.request_id}"]')


def until_nothing_is_asked(lab: OpenNotebook) -> None:
    """What became of the last answers is shown for some seconds."""
    lab.until("() => document.querySelector('[data-request-id]') === null")


def press(lab: OpenNotebook, asked: Asked, name: str) -> None:
    entry(lab, asked).get_by_role("button", name=name, exact=True).click()


def until_state(lab: OpenNotebook, asked: Asked, *names: str) -> None:
    """Wait until the question is in one of these states."""
    lab.until(
        "([id, names]) => names.includes(document.querySelector(`[data-request-id='${id}']`)?.dataset.state)",
        [asked.request_id, names],
    )


def click_to_socket_ms(lab: OpenNotebook, agents: Agents, cell: int) -> list[float]:
    """For each of some clicks while the cell runs: how long until the server's socket has given the answer."""
    until_nothing_is_asked(lab)  # an old one that goes away would move the button under the mouse
    asked = [agents.ask(f"Is part {n} good?") for n in range(CLICKS)]
    lab.until(SHOWS, [one.request_id for one in asked])
    lab.page.evaluate(NOTE_CLICKS)
    lab.start_cell(cell)
    lab.until(RUNS, cell)
    lab.page.wait_for_timeout(500)  # well into the cell
    took_ms = []
    for one in asked:
        press(lab, one, "Approve")
        while lab.page.evaluate(WAS_OFF):  # an old one had just gone: a person clicks again
            press(lab, one, "Approve")
        try:
            at_ms = agents.received_at_ms(one.request_id)
        except AssertionError as error:
            clicks = lab.page.evaluate("() => window.romaTestClicks")
            seen = lab.root.first.locator('[aria-label="Questions"]').all_inner_texts()
            raise AssertionError(
                f"{len(took_ms)} of {CLICKS} came; clicks in the page: {clicks}; {seen}"
            ) from error
        took_ms.append(at_ms - lab.page.evaluate("() => window.romaTestClicked"))
    assert lab.page.evaluate(RUNS, cell)
    lab.page.evaluate(INTERRUPT)
    lab.finish()
    return took_ms
