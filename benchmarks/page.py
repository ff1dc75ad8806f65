"""A page with the front end on it, or with a peer of its graph, and what is measured there.

Every delay ends in the frame after the one that painted it; docs/benchmarks.md tells how to read the numbers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .driver import CLONE
from .size import Size

ORIGIN = "http://bench.test"
FILES = {
    "/": "js/dev.html",
    "/dev-model.js": "js/dev-model.js",
    "/dev-questions.js": "js/dev-questions.js",
    "/dev-traces.js": "js/dev-traces.js",
    "/element-per-task.js": "benchmarks/element-per-task.js",
    "/static/widget.js": "roma_widget/static/widget.js",
    "/static/widget.css": "roma_widget/static/widget.css",
}
PEERS = "/peers/"
PLOTLY = "/plotly.min.js"
VIEWPORT = {"width": 1280, "height": 720}
PASS_S = 4.0
"""A peer that needs seconds for a frame is not watched for all of the moves."""

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
    const chosen = window.tasks.filter((task, i) => i % step === step - 1).slice(0, count)
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
_PEER_UPDATES = """async ([count, times]) => {
    const delays = []
    for (let i = 0; i < times; i++) {
        const body = JSON.stringify({ changed: window.changesOf(count) })
        const began = performance.now()
        await window.update(body)
        await window.frame(); await window.frame()
        delays.push(performance.now() - began)
    }
    return delays
}"""
_MOUNT_PEER = """async ([module, body]) => {
    const root = document.getElementById('here')
    window.tasks = JSON.parse(body).tasks
    const { mount } = await import(module)
    const began = performance.now()
    window.update = await mount(body, root)
    await window.frame(); await window.frame()
    return performance.now() - began
}"""
_EMPTY = f"""<!doctype html><link rel=stylesheet href={PEERS}react-flow.css><style>
body {{ margin: 0 }} #here {{ position: relative; width: 1280px; height: 680px; overflow: hidden }}
.node {{ position: absolute; box-sizing: border-box; width: 200px; height: 48px; border: 1px solid #bbb;
         overflow: hidden; font: 12px/13px Helvetica, Arial, sans-serif; background: #fff }}
</style><div id=here></div>"""
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
_END_COUNT = """async () => {
    await window.frame(); await window.frame()
    window.counting = false
    return window.frames_ms
}"""


@contextmanager
def opened(browser: Any, query: str) -> Iterator[Any]:
    """dev.html, or with "empty" the page of a peer; "empty?plotly" has plotly's own script, too."""
    with browser.new_context(viewport=VIEWPORT) as context:
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.route(f"{ORIGIN}/**", _serve)
        page.add_init_script(_WATCH + _CHANGES)
        page.goto(f"{ORIGIN}/{query}")
        if query.startswith("?"):
            page.wait_for_function("() => window.painted.size > 0")
        yield page


def _serve(route: Any) -> None:
    path = route.request.url.removeprefix(ORIGIN).split("?")[0]
    if path == "/empty":
        script = f"<script src={PLOTLY}></script>" if "?plotly" in route.request.url else ""
        route.fulfill(body=_EMPTY + script, content_type="text/html")
    elif path == PLOTLY:
        import plotly

        route.fulfill(path=str(Path(plotly.__file__).parent / "package_data" / "plotly.min.js"))
    elif path.startswith(PEERS):
        route.fulfill(path=str(CLONE / "benchmarks" / "peers" / "built" / path.removeprefix(PEERS)))
    elif path in FILES:
        route.fulfill(path=str(CLONE / FILES[path]))
    else:
        route.fulfill(status=404)


def first_paint_ms(page: Any) -> float:
    return float(page.evaluate("() => window.painted.values().next().value - window.mounted"))


def updates_ms(page: Any, count: int, times: int) -> list[float]:
    """How long each of some changes of `count` tasks took."""
    delays: list[float] = page.evaluate(_UPDATES, [count, times])
    return delays


def mount_peer_ms(page: Any, module: str, body: str) -> float:
    return float(page.evaluate(_MOUNT_PEER, [module, body]))


def peer_updates_ms(page: Any, count: int, times: int) -> list[float]:
    delays: list[float] = page.evaluate(_PEER_UPDATES, [count, times])
    return delays


def panned_ms(page: Any, size: Size) -> list[float]:
    """While a real mouse drags the graph, 95 of 100 frames come within so many ms; for each of some passes."""
    mouse, x, y = page.mouse, 400, 300
    passes = []
    for _ in range(size.passes):
        mouse.move(x, y)
        page.evaluate(_COUNT_FRAMES)
        mouse.down()
        for step in _within(PASS_S, size.moves):
            mouse.move(x + 3 * (step % 40), y - 2 * step)
        mouse.up()
        passes.append(_p95(page.evaluate(_END_COUNT)))
    return passes


def zoomed_ms(page: Any, size: Size) -> list[float]:
    """The same while the wheel zooms it in and out."""
    passes = []
    page.mouse.move(400, 300)
    page.keyboard.down("Control")
    for _ in range(size.passes):
        page.evaluate(_COUNT_FRAMES)
        for step in _within(PASS_S, size.moves):
            page.mouse.wheel(0, -40 if step < size.moves / 2 else 40)
        passes.append(_p95(page.evaluate(_END_COUNT)))
    page.keyboard.up("Control")
    return passes


def _within(seconds: float, steps: int) -> Iterator[int]:
    deadline = time.monotonic() + seconds
    for step in range(steps):
        if time.monotonic() > deadline:
            return
        yield step


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
