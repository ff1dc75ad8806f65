"""The graph against its peers, on the same tasks, one after the other in the same Chromium.

Ours is the whole built widget with js/dev-model.js in the kernel's place; a peer draws the graph and nothing else.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from .driver import executable
from .page import PEERS, first_paint_ms, mount_peer_ms, opened, panned_ms, peer_updates_ms, updates_ms
from .peers_bundle import build_peers
from .promises import kept
from .size import FULL, Size
from .table import Growth, Row

OURS = "ours"
MODULES = {
    "an element per task": "/element-per-task.js",
    "plotly": f"{PEERS}plotly.js",
    "Cytoscape.js": f"{PEERS}cytoscape.js",
    "React Flow": f"{PEERS}react-flow.js",
}
SLOW_MS = 3000.0
"""Who needs longer for a first paint is opened once only, has fewer updates and is dragged once."""
GROWTH_OPENINGS = 3
"""Where only the growth is looked at; and one pass with the mouse does."""
PEER_OPENINGS = 2
PEER_PASSES = 2
SLOW_UPDATES = 3


@dataclass(frozen=True, slots=True)
class Drawn:
    """What one graph took of each thing, in ms: first paints, updates of one task, p95 frames of each pass."""

    first_paint: list[float]
    update: list[float]
    pan: list[float]


WORDS = {"first_paint": "first paint", "update": "update of one task", "pan": "p95 frame while panning"}


def measure(size: Size = FULL) -> Iterator[Row | Growth]:
    chromium = executable()
    build_peers()
    from browser.lab import chromium_browser

    with chromium_browser(chromium) as browser:
        few = replace(size, openings=min(size.openings, GROWTH_OPENINGS), passes=1)
        numbers = sorted({*size.growth, size.many})
        drawn = {n: _all_at(browser, n, size if n == size.many else few) for n in numbers}
    most = drawn[size.many]
    for key in WORDS:
        ours = getattr(most[OURS], key)
        beside = {who: _number(one, key) for who, one in most.items() if who != OURS}
        yield kept(key, _number(most[OURS], key), ours, beside, size.words)
    for key, words in WORDS.items():
        costs = {who: {n: _number(drawn[n][who], key) for n in size.growth} for who in most}
        yield Growth(words, "ms", costs)


def _number(drawn: Drawn, key: str) -> float:
    """The median; of passes with the mouse the calmest, since others' work on the machine can only add to it."""
    values: list[float] = getattr(drawn, key)
    return min(values) if key == "pan" else statistics.median(values)


def _all_at(browser: Any, n: int, size: Size) -> Mapping[str, Drawn]:
    with opened(browser, f"?n={n}") as page:
        body: str = page.evaluate("() => JSON.stringify({ tasks: window.tasks })")
    peers = {who: _peer(browser, module, body, size) for who, module in MODULES.items()}
    return {OURS: _ours(browser, n, size), **peers}


def _ours(browser: Any, n: int, size: Size) -> Drawn:
    first = []
    for _ in range(size.openings):
        with opened(browser, f"?n={n}") as page:
            first.append(first_paint_ms(page))
    with opened(browser, f"?n={n}") as page:
        panned = panned_ms(page, size)
        return Drawn(first, updates_ms(page, 1, size.updates), panned)


def _peer(browser: Any, module: str, body: str, size: Size) -> Drawn:
    address = "empty?plotly" if "plotly" in module else "empty"
    first: list[float] = []
    while len(first) < min(size.openings, PEER_OPENINGS) and not (first and first[0] > SLOW_MS):
        with opened(browser, address) as page:
            first.append(mount_peer_ms(page, module, body))
    with opened(browser, address) as page:
        is_slow = mount_peer_ms(page, module, body) > SLOW_MS
        panned = panned_ms(page, replace(size, passes=1 if is_slow else min(size.passes, PEER_PASSES)))
        return Drawn(first, peer_updates_ms(page, 1, SLOW_UPDATES if is_slow else size.updates), panned)
