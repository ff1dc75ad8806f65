"""The front end alone, in a real browser, in detail: the built bundle with js/dev-model.js in the kernel's place.

`benchmarks.graph` holds it against its peers; here is what it does off screen, what it keeps, and many changes at once.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from .driver import executable
from .page import opened, updates_ms, zoomed_ms
from .size import FULL, Size
from .table import Row, Spread

REST_S = 5
MOUNTS = 100
MANY_MS, HEAP_MB, THOUSAND_MS, FRAME_MS = 100.0, 150.0, 50.0, 33.0
IDLE_PERCENT, BUSY_PERCENT, LEAK_MB = 1.0, 2.0, 1.0

_MOUNT_AND_UNMOUNT = """async (times) => {
    const { default: widget } = await import('/static/widget.js')
    const el = document.getElementById('here')
    for (let i = 0; i < times; i++) {
        window.painted.clear()
        const unmount = widget.render({ model: window.model, el })
        await window.until(() => window.painted.size > 0)
        unmount()
        await window.frame()
        window.model.sent.length = 0
    }
    window.painted.clear()
}"""


def measure(size: Size = FULL) -> Iterator[Row]:
    chromium = executable()
    from browser.lab import chromium_browser

    with chromium_browser(chromium) as browser:
        yield from _of_many(browser, size)
        yield from _of_a_thousand(browser, size)
        yield from _leaks(browser)


def _of_many(browser: Any, size: Size) -> Iterator[Row]:
    name = f"browser {size.many:,} tasks"
    with opened(browser, f"?n={size.many}") as page:
        yield _changes(name, page, 1000, MANY_MS, size)
        zoomed = zoomed_ms(page, size)
        yield Row(f"{name}: p95 frame while zooming", min(zoomed), "ms", FRAME_MS, Spread.of(zoomed))
        yield Row(f"{name}: JS heap", _counters(page)["heap"], "MB", HEAP_MB)
    with opened(browser, f"?n={size.many}&tick=1") as page:
        draws, percent = _off_screen(page, changes=False)
        yield Row(f"{name}: off screen, draws", draws, "", 0.0)
        yield Row(f"{name}: off screen, CPU", percent, "%", IDLE_PERCENT)


def _of_a_thousand(browser: Any, size: Size) -> Iterator[Row]:
    name = f"browser {size.tasks:,} tasks"
    with opened(browser, f"?n={size.tasks}") as page:
        for count in (1, 100, 1000):
            yield _changes(name, page, count, THOUSAND_MS, size)
    with opened(browser, f"?n={size.tasks}&tick=1") as page:
        draws, percent = _off_screen(page, changes=True)
        yield Row(f"{name}: off screen, 10 updates a second, draws", draws, "", 0.0)
        yield Row(f"{name}: off screen, 10 updates a second, CPU", percent, "%", BUSY_PERCENT)


def _changes(name: str, page: Any, count: int, bound_ms: float, size: Size) -> Row:
    delays = updates_ms(page, count, size.updates)
    median = statistics.median(delays)
    return Row(f"{name}: {count:,} changed, median", median, "ms", bound_ms, Spread.of(delays))


def _leaks(browser: Any) -> Iterator[Row]:
    with opened(browser, "?n=150") as page:
        page.evaluate("() => window.cleanup()")
        page.evaluate(_MOUNT_AND_UNMOUNT, 10)  # what is made once and kept
        before = _counters(page)
        page.evaluate(_MOUNT_AND_UNMOUNT, MOUNTS)
        after = _counters(page)
    for name, unit, bound in (("nodes", "", 0.0), ("listeners", "", 0.0), ("heap", "MB", LEAK_MB)):
        yield Row(f"browser {MOUNTS} mounts and unmounts: {name}", after[name] - before[name], unit, bound)


def _off_screen(page: Any, changes: bool) -> tuple[float, float]:
    """What is drawn, and the share of one core that is used, while the widget is scrolled away."""
    page.evaluate("() => { document.body.style.paddingTop = '3000px'; window.scrollTo(0, 0) }")
    page.wait_for_timeout(2500)  # what was under way, and one beat
    if changes:
        page.evaluate("() => { setInterval(() => window.model.delta(window.changesOf(1)), 100) }")
        page.wait_for_timeout(500)
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy_s() -> float:
        metrics = {one["name"]: one["value"] for one in client.send("Performance.getMetrics")["metrics"]}
        return float(metrics["TaskDuration"])

    draws, began = page.evaluate("() => window.draws"), busy_s()
    page.wait_for_timeout(REST_S * 1000)
    return page.evaluate("() => window.draws") - draws, 100 * (busy_s() - began) / REST_S


def _counters(page: Any) -> dict[str, float]:
    """Of what is left after garbage has been collected."""
    client = page.context.new_cdp_session(page)
    for _ in range(3):
        client.send("HeapProfiler.collectGarbage")
    dom = client.send("Memory.getDOMCounters")
    heap = client.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    client.detach()
    return {"nodes": dom["nodes"], "listeners": dom["jsEventListeners"], "heap": heap}
