"""The front end alone, in a real browser: the built bundle with js/dev-model.js in the kernel's place.

Every delay ends in the frame after the one that painted it; docs/benchmarks.md tells how to read the numbers. The peer,
naive.js, has an element per task, on the same tasks, in the same browser.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .driver import CLONE, executable
from .table import Row

ORIGIN = "http://bench.test"
FILES = {
    "/": "js/dev.html",
    "/dev-model.js": "js/dev-model.js",
    "/dev-questions.js": "js/dev-questions.js",
    "/dev-traces.js": "js/dev-traces.js",
    "/naive.js": "benchmarks/naive.js",
    "/static/widget.js": "roma_widget/static/widget.js",
    "/static/widget.css": "roma_widget/static/widget.css",
}
VIEWPORT = {"width": 1280, "height": 720}
TIMES = 20
FRAMES = 120
PASSES = 3
OPENINGS = 5
REST_S = 5
MOUNTS = 100
FIRST_MS, FRAME_MS, ONE_MS, MANY_MS, HEAP_MB, THOUSAND_MS = 300.0, 33.0, 50.0, 100.0, 150.0, 50.0
IDLE_PERCENT, BUSY_PERCENT, LEAK_MB = 1.0, 2.0, 1.0

# Of everything that is painted: when which revision was. Every call that draws on a canvas is counted.
_WATCH = """
window.painted = new Map()
new MutationObserver((records) => {
    for (const { target } of records) {
        const { revision } = target.dataset
        if (!window.painted.has(revision)) window.painted.set(revision, performance.now())
    }
}).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-revision'] })
window.draws = 0
for (const name of ['fillRect', 'clearRect', 'strokeRect', 'fill', 'stroke', 'fillText', 'drawImage']) {
    const draw = CanvasRenderingContext2D.prototype[name]
    CanvasRenderingContext2D.prototype[name] = function (...given) { window.draws++; return draw.apply(this, given) }
}
window.frame = () => new Promise(requestAnimationFrame)
window.until = async (condition) => { while (!condition()) await new Promise((go) => setTimeout(go)) }
"""
_CHANGES = """
window.turn = 0
window.changesOf = (count) => {
    const status = ['RUNNING', 'DONE', 'FAILED'][window.turn++ % 3]
    const step = Math.max(1, Math.floor(window.tasks.length / count))
    const chosen = window.tasks.filter((task, i) => i > 0 && i % step === 0).slice(0, count)
    return Object.fromEntries(chosen.map(({ id }) => [id, { status, updated: Date.now() }]))
}
"""
_UPDATES = """async ([count, times]) => {
    const delays = []
    for (let i = 0; i < times; i++) {
        const changes = window.changesOf(count)
        const began = performance.now()
        const rev = String(window.model.delta(changes))
        await window.until(() => window.painted.has(rev))
        delays.push(window.painted.get(rev) - began)
    }
    return delays
}"""
_NAIVE_UPDATES = """async ([count, times]) => {
    const delays = []
    for (let i = 0; i < times; i++) {
        const body = JSON.stringify({ changed: window.changesOf(count) })
        const began = performance.now()
        window.update(body)
        await window.frame(); await window.frame()
        delays.push(performance.now() - began)
    }
    return delays
}"""
_NAIVE_MOUNT = """async (body) => {
    document.head.append(Object.assign(document.createElement('style'), { textContent: `
        body { margin: 0 } #here { position: relative; width: 1280px; height: 680px; overflow: hidden }
        .node { position: absolute; box-sizing: border-box; width: 200px; height: 48px; border: 1px solid #bbb;
                overflow: hidden; font: 12px/13px Helvetica, Arial, sans-serif; background: #fff }` }))
    const root = document.getElementById('here')
    window.tasks = JSON.parse(body).tasks
    const { mount } = await import('/naive.js')
    const began = performance.now()
    window.update = mount(body, root)
    await window.frame(); await window.frame()
    return performance.now() - began
}"""
_COUNT_FRAMES = """() => {
    window.frames_ms = []
    let last = performance.now()
    window.counting = true
    const next = () => {
        const now = performance.now()
        window.frames_ms.push(now - last)
        last = now
        if (window.counting) requestAnimationFrame(next)
    }
    requestAnimationFrame(next)
}"""
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


def measure() -> Iterator[Row]:
    chromium = executable()
    from browser.lab import chromium_browser

    with chromium_browser(chromium) as browser:
        ours = list(_of_ten_thousand(browser))
        theirs = dict(_of_the_peer(browser))
        for name, value, unit, bound in ours:
            yield Row(f"browser 10,000 tasks: {name}", value, unit, bound)
            if name in theirs:
                yield Row(f"browser 10,000 tasks: {name}, naive", theirs[name], unit)
                yield Row(f"browser 10,000 tasks: {name}, ours / naive", value / theirs[name], "")
        yield from _of_a_thousand(browser)
        yield from _leaks(browser)


@contextmanager
def _opened(browser: Any, query: str) -> Iterator[Any]:
    """dev.html, or an empty page where there is no query."""
    with browser.new_context(viewport=VIEWPORT) as context:
        page = context.new_page()
        page.route(f"{ORIGIN}/**", _serve)
        page.add_init_script(_WATCH + _CHANGES)
        page.goto(f"{ORIGIN}/{query}")
        if query.startswith("?"):
            page.wait_for_function("() => window.painted.size > 0")
        yield page


def _serve(route: Any) -> None:
    path = route.request.url.removeprefix(ORIGIN).split("?")[0]
    if path == "/empty":
        route.fulfill(body="<!doctype html><div id=here></div>", content_type="text/html")
    elif path in FILES:
        route.fulfill(path=str(CLONE / FILES[path]))
    else:
        route.fulfill(status=404)


def _of_ten_thousand(browser: Any) -> Iterator[tuple[str, float, str, float | None]]:
    first = []
    for _ in range(OPENINGS):
        with _opened(browser, "?n=10000") as page:
            first.append(page.evaluate("() => window.painted.values().next().value - window.mounted"))
    yield "first paint", statistics.median(first), "ms", FIRST_MS
    with _opened(browser, "?n=10000") as page:
        for name, frame_ms in _moved(page).items():
            yield f"{name}, p95 frame", frame_ms, "ms", FRAME_MS
        for name, count, bound in (("one changed task", 1, ONE_MS), ("1,000 changed tasks", 1000, MANY_MS)):
            delays = page.evaluate(_UPDATES, [count, TIMES])
            yield f"{name}, median", statistics.median(delays), "ms", bound
            yield f"{name}, slowest", max(delays), "ms", None
        yield "JS heap", _heap_mb(page), "MB", HEAP_MB
    with _opened(browser, "?n=10000&tick=1") as page:
        draws, percent = _off_screen(page, changes=False)
        yield "off screen, draws", draws, "", 0.0
        yield "off screen, CPU", percent, "%", IDLE_PERCENT


def _of_the_peer(browser: Any) -> Iterator[tuple[str, float]]:
    with _opened(browser, "?n=10000") as page:
        body = page.evaluate("() => JSON.stringify({ tasks: window.tasks })")
    first = []
    for _ in range(OPENINGS):
        with _opened(browser, "empty") as page:
            first.append(page.evaluate(_NAIVE_MOUNT, body))
    yield "first paint", statistics.median(first)
    with _opened(browser, "empty") as page:
        page.evaluate(_NAIVE_MOUNT, body)
        for name, frame_ms in _moved(page).items():
            yield f"{name}, p95 frame", frame_ms
        for name, count in (("one changed task", 1), ("1,000 changed tasks", 1000)):
            yield f"{name}, median", statistics.median(page.evaluate(_NAIVE_UPDATES, [count, TIMES]))
        yield "JS heap", _heap_mb(page)


def _of_a_thousand(browser: Any) -> Iterator[Row]:
    with _opened(browser, "?n=1000") as page:
        for count in (1, 100, 1000):
            delays = page.evaluate(_UPDATES, [count, TIMES])
            yield Row(
                f"browser 1,000 tasks: {count:,} changed, median",
                statistics.median(delays),
                "ms",
                THOUSAND_MS,
            )
            yield Row(f"browser 1,000 tasks: {count:,} changed, slowest", max(delays), "ms")
    with _opened(browser, "?n=1000&tick=1") as page:
        draws, percent = _off_screen(page, changes=True)
        yield Row("browser 1,000 tasks: off screen, 10 updates a second, draws", draws, "", 0.0)
        yield Row("browser 1,000 tasks: off screen, 10 updates a second, CPU", percent, "%", BUSY_PERCENT)


def _leaks(browser: Any) -> Iterator[Row]:
    with _opened(browser, "?n=150") as page:
        page.evaluate("() => window.cleanup()")
        page.evaluate(_MOUNT_AND_UNMOUNT, 10)  # what is made once and kept
        before = _counters(page)
        page.evaluate(_MOUNT_AND_UNMOUNT, MOUNTS)
        after = _counters(page)
    for name, unit, bound in (("nodes", "", 0.0), ("listeners", "", 0.0), ("heap", "MB", LEAK_MB)):
        yield Row(f"browser {MOUNTS} mounts and unmounts: {name}", after[name] - before[name], unit, bound)


def _moved(page: Any) -> dict[str, float]:
    """95 of 100 frames come within so many ms of the one before, in the calmest of some passes."""
    passes = [dict(_one_pass(page)) for _ in range(PASSES)]
    return {name: min(_p95(one[name]) for one in passes) for name in passes[0]}


def _one_pass(page: Any) -> Iterator[tuple[str, list[float]]]:
    """Times between frames while a real mouse drags the graph, and zooms it in and out."""
    mouse, x, y = page.mouse, 400, 300
    mouse.move(x, y)
    page.evaluate(_COUNT_FRAMES)
    mouse.down()
    for step in range(FRAMES):
        mouse.move(x + 3 * (step % 40), y - 2 * step)
    mouse.up()
    yield "pan", page.evaluate("() => { window.counting = false; return window.frames_ms }")
    mouse.move(x, y)
    page.keyboard.down("Control")
    page.evaluate(_COUNT_FRAMES)
    for step in range(FRAMES):
        mouse.wheel(0, -40 if step < FRAMES / 2 else 40)
    page.keyboard.up("Control")
    yield "zoom", page.evaluate("() => { window.counting = false; return window.frames_ms }")


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


def _heap_mb(page: Any) -> float:
    return float(_counters(page)["heap"])


def _counters(page: Any) -> dict[str, float]:
    """Of what is left after garbage has been collected."""
    client = page.context.new_cdp_session(page)
    for _ in range(3):
        client.send("HeapProfiler.collectGarbage")
    dom = client.send("Memory.getDOMCounters")
    heap = client.send("Runtime.getHeapUsage")["usedSize"] / 1e6
    client.detach()
    return {"nodes": dom["nodes"], "listeners": dom["jsEventListeners"], "heap": heap}


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
