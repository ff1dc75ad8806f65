"""From a click on "Approve" to the server's socket, in JupyterLab, while a cell runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from typing import Any

from .naive_cells import TUNED, naive_cell
from .promises import kept
from .size import Size
from .table import Row, Spread

BUSY_S = 8
SLEEPS = f"import time\ntime.sleep({BUSY_S})"
COMPUTES = f"import time\nend = time.monotonic() + {BUSY_S}\nwhile time.monotonic() < end: pass"
NAIVE_CLICKS = 5
# Not by the mouse: Playwright waits until what a figure's redraw moves stands still.
_PRESS = "(n) => document.querySelectorAll('.jp-OutputArea-output button.jupyter-button')[n].click()"
_SHOWN = (
    "(count) => document.querySelectorAll('.jp-OutputArea-output button.jupyter-button').length === count"
)
_CLICKED = "() => window.romaTestClicked"


def measure_in(lab: Any, browser: Any, size: Size) -> Iterator[Row]:
    from browser.agents_that_ask import Agents
    from browser.lab import notebook_of, opened
    from browser.questions_in_lab import CELLS, COMPUTING, SLEEPING, click_to_socket_ms, connect_cell

    taken_ms: list[float] = []
    with Agents() as agents, opened(browser, lab, notebook_of(connect_cell(agents), *CELLS)) as notebook:
        notebook.run_cell(0)
        notebook.execute("m.wait('connected', timeout=30)")
        for name, cell in (("sleeping", SLEEPING), ("computing", COMPUTING)):
            of_cell = click_to_socket_ms(notebook, agents, cell)
            yield Row(f"click: {name}, median", statistics.median(of_cell), "ms", None, Spread.of(of_cell))
            taken_ms += of_cell
    asleep, computing = _naive_ms(lab, browser, SLEEPS, NAIVE_CLICKS), _naive_ms(lab, browser, COMPUTES, 1)
    yield Row("click: naive, asleep", statistics.median(asleep), "ms", None, Spread.of(asleep))
    naive = {
        f"{TUNED}, asleep": statistics.median(asleep),
        f"{TUNED}, computing for {BUSY_S} s": computing[0],
    }
    yield kept("click", statistics.median(taken_ms), taken_ms, naive, size.words)


def _naive_ms(lab: Any, browser: Any, busy: str, clicks: int) -> list[float]:
    """Buttons of ipywidgets, pressed one after the other from half a second into the busy cell on."""
    from browser.agents_that_ask import Agents
    from browser.lab import notebook_of, opened
    from browser.questions_in_lab import NOTE_CLICKS, RUNS

    with Agents() as agents:
        notebook_ = notebook_of(naive_cell(agents.server.url, tuned=True), busy)
        with opened(browser, lab, notebook_) as notebook:
            notebook.run_cell(0)
            notebook.page.wait_for_selector(".js-plotly-plot")
            asked = []
            for place in range(clicks):  # its buttons stand in the order in which they were asked for
                asked.append(agents.ask(f"Is part {place} good?"))
                notebook.until(_SHOWN, place + 1)
            notebook.page.evaluate(NOTE_CLICKS)
            notebook.start_cell(1)
            notebook.until(RUNS, 1)
            notebook.page.wait_for_timeout(500)
            return [_pressed_ms(notebook, agents, place, one) for place, one in enumerate(asked)]


def _pressed_ms(notebook: Any, agents: Any, place: int, asked: Any) -> float:
    notebook.page.evaluate(_PRESS, place)
    try:
        return float(agents.received_at_ms(asked.request_id) - notebook.page.evaluate(_CLICKED))
    except AssertionError:  # not within 20 s
        return math.inf
