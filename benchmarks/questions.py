"""Questions through the worst: half open before the network goes, half asked meanwhile, and the page loaded again.

The kernel's clocks of reconnecting run 60 times faster, so that an outage of ten minutes takes ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from .promises import kept
from .size import Size
from .table import Row

FASTER = 60
ANSWERED_MEANWHILE = 3
CELL = """import roma_widget as roma
from roma_widget.core import reconnect
for name in ("FIRST_DELAY_S", "LONGEST_DELAY_S", "PROBE_S"):
    setattr(reconnect, name, getattr(reconnect, name) / {faster})
m = roma.connect({url!r})
m"""
AWAY = "m.connection['state'] in ('reconnecting', 'failed')"
SHOWN = """() => [...document.querySelectorAll('[data-request-id]')].map((one) => one.dataset.requestId)"""
ALL_SHOWN = "(ids) => ids.every((id) => document.querySelector(`[data-request-id='${id}']`))"
PRESS_ALL = """() => {
    for (const button of document.querySelectorAll('[data-state=open] .rw-answers button:first-child')) button.click()
}"""


def measure_in(lab: Any, browser: Any, size: Size) -> Iterator[Row]:
    from browser.agents_that_ask import Agents
    from browser.lab import notebook_of, opened
    from browser.questions_in_lab import press
    from client.proxy import Fault, Proxy
    from client.servers import ServerThread

    half = size.questions // 2
    with (
        closing(ServerThread()) as servers,
        Agents() as agents,
        Proxy(servers, int(agents.server.url.rpartition(":")[2])) as proxy,
        opened(browser, lab, notebook_of(CELL.format(url=proxy.url, faster=FASTER))) as notebook,
    ):
        notebook.run_all()
        notebook.execute("m.wait('connected', timeout=30)")
        before = [agents.ask(f"Is part {n} good?", task=n % 4) for n in range(half)]
        notebook.until(ALL_SHOWN, [one.request_id for one in before])
        notebook.save()
        proxy.now(Fault("cut"))
        notebook.execute(f"import time\nwhile not ({AWAY}): time.sleep(0.02)")
        for one in before[:ANSWERED_MEANWHILE]:
            press(notebook, one, "Approve")
        meanwhile = [agents.ask(f"Is part {n} good?", task=n % 4) for n in range(half, size.questions)]
        notebook.reload()
        notebook.until(ALL_SHOWN, [one.request_id for one in before])
        notebook.page.wait_for_timeout(1000 * size.outage_s / FASTER)
        proxy.clear()
        asked = [*before, *meanwhile]
        open_ones = [one.request_id for one in asked[ANSWERED_MEANWHILE:]]
        lost = _not_shown(notebook, open_ones)
        notebook.page.evaluate(PRESS_ALL)
        for one in asked:
            if one.request_id not in lost:
                _answered_or_lost(one, lost)
        received = [request_id for request_id, _ in agents.received]
    yield Row("questions answered more than once", len(received) - len(set(received)), "", 0.0)
    yield kept("lost_prompts", len(lost), words=size.words)


def _not_shown(notebook: Any, ids: list[str]) -> set[str]:
    from playwright.sync_api import TimeoutError as TooLate

    try:
        notebook.until(ALL_SHOWN, ids)
    except TooLate:
        return set(ids) - set(notebook.page.evaluate(SHOWN))
    return set()


def _answered_or_lost(asked: Any, lost: set[str]) -> None:
    try:
        asked.said()
    except TimeoutError:
        lost.add(asked.request_id)
