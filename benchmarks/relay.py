"""A crowd watches one run: through a relay, through two levels of relays, and, as the naive peer, on the server itself.

The server above sends as ROMA does, whole plain frames twice a second. Each server, relay and part of the crowd is a
process of its own. `python -m benchmarks relay`; how to read it is in docs/benchmarks.md.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psutil

import roma_widget as roma
from roma_widget.server.network.files import allow_many_files

from .children import Child
from .machine import cpu_s
from .table import Row

TASKS, TASK_BYTES = 1_000, 5_000
WATCHERS = 1_000
SECONDS = 60.0
LEAVES = 4
CROWDS = 2
"""Processes in which the watchers are."""
MONITORS = 3
NAIVE_WATCHERS = (10, 20, 40, 80, 160)
NAIVE_SECONDS = 10.0
LIMIT_SECONDS = 15.0
BEARS_S = 2.0
"""Who bears a crowd tells 95 % of it within this time."""
MOST_DELAY_MS = 1_000.0
MOST_CPU = 80.0
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What all watchers saw together."""

    bytes_down: int
    messages: int
    lost: int
    behind: int
    skipped: int
    delays_ms: Counter[int]

    def delay_ms(self, share: float) -> float:
        """The delay that `share` of all tellings did not exceed; infinite where nothing was told."""
        left = share * self.delays_ms.total()
        for delay_ms, count in sorted(self.delays_ms.items()):
            left -= count
            if left <= 0:
                return float(delay_ms)
        return float("inf")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of some processes: CPU as share of one core (above 100: more than there is), and memory at the end."""

    cpu: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Measured:
    heard: Heard
    costs: dict[str, Cost]
    handshakes_above: int

    @property
    def is_whole(self) -> bool:
        return not self.heard.lost and not self.heard.behind


def measure() -> Iterator[Row]:
    allow_many_files()
    naive = _most_naive()
    one = _run(WATCHERS, SECONDS, _one_level, monitors=MONITORS)
    two = _run(WATCHERS, SECONDS, _two_levels, monitors=MONITORS)
    for name, measured in (("one relay", one), ("two levels", two)):
        _say(f"{name}, {WATCHERS:,} watchers", measured)
        yield from _rows(f"relay: {name}, {WATCHERS:,} watchers", measured, WATCHERS, SECONDS)
    count, direct = naive
    yield from _rows(f"relay: naive, {count:,} watchers", direct, count, NAIVE_SECONDS)
    yield Row("relay: bytes down, one relay / naive", 100 * _down(one) / _down(direct), "%")
    ours = one.costs["relay"].cpu / WATCHERS
    yield Row(
        "relay: CPU per watcher, one relay / naive", 100 * ours / (direct.costs["server"].cpu / count), "%"
    )
    yield Row("relay: watchers borne, one relay", float(most_borne()), "")


def _rows(name: str, measured: Measured, count: int, seconds: float) -> Iterator[Row]:
    heard, is_ours = measured.heard, "relay" in measured.costs
    for process, cost in measured.costs.items():
        bound = MOST_CPU if process == "relay" else None
        yield Row(f"{name}: {process}, CPU of one core", cost.cpu, "%", bound)
        yield Row(f"{name}: {process}, memory", cost.memory_mb, "MB")
    yield Row(f"{name}: bytes down per watcher and second", heard.bytes_down / count / seconds / 1000, "kB")
    for word, share in (("median", 0.5), ("p95", 0.95), ("slowest", 1.0)):
        bound = MOST_DELAY_MS if is_ours and share == 0.95 else None
        yield Row(f"{name}: delay, {word}", heard.delay_ms(share), "ms", bound)
    yield Row(f"{name}: messages lost", heard.lost, "", 0 if is_ours else None)
    yield Row(
        f"{name}: watchers whose last state is not the server's", heard.behind, "", 0 if is_ours else None
    )
    yield Row(f"{name}: changes told only with later ones", 100 * heard.skipped / (2 * seconds * count), "%")
    yield Row(
        f"{name}: links the server above has seen", measured.handshakes_above, "", 1 if is_ours else None
    )


def _down(measured: Measured) -> float:
    """Bytes of one telling to one watcher."""
    return measured.heard.bytes_down / measured.heard.messages


# --- who stands between the server and the crowd -----------------------------------------------------------------

Between = Callable[[ExitStack, str], tuple[dict[str, list[Child]], list[str]]]
"""(processes by what they are called, addresses for the watchers)."""


def _one_level(stack: ExitStack, url: str) -> tuple[dict[str, list[Child]], list[str]]:
    relay = stack.enter_context(Child("benchmarks.relay_process", url))
    return {"relay": [relay]}, [relay.first["url"]]


def _two_levels(stack: ExitStack, url: str) -> tuple[dict[str, list[Child]], list[str]]:
    roots, (root_url,) = _one_level(stack, url)
    leaves = [stack.enter_context(Child("benchmarks.relay_process", root_url)) for _ in range(LEAVES)]
    return {**roots, "each leaf": leaves}, [leaf.first["url"] for leaf in leaves]


def _nobody(stack: ExitStack, url: str) -> tuple[dict[str, list[Child]], list[str]]:
    return {}, [url]


# --- one measurement ---------------------------------------------------------------------------------------------


def _run(count: int, seconds: float, between: Between, *, monitors: int = 0) -> Measured:
    """The run is played for `seconds` to `count` watchers and `monitors` monitors of ours.

    Raises RuntimeError when a monitor ends with another state than the server.
    """
    plain = between is _nobody
    with ExitStack() as stack:
        server = stack.enter_context(Child("benchmarks.roma_like", str(TASKS), str(TASK_BYTES)))
        relays, urls = between(stack, server.first["url"])
        looking = [roma.connect(urls[at % len(urls)], headers={"kernel": str(at)}) for at in range(monitors)]
        for monitor in looking:
            stack.callback(monitor.disconnect)
            monitor.wait("connected", timeout=PATIENCE_S)
        crowds = [
            stack.enter_context(
                Child(
                    "benchmarks.crowd",
                    url,
                    str(count // max(CROWDS, len(urls))),
                    "plain" if plain else "ours",
                )
            )
            for url in (urls if len(urls) > 1 else urls * CROWDS)
        ]
        for crowd in crowds:
            crowd.ask(begin=True)
        watched = {"server": [server], **relays, "all watchers": crowds}
        before, began_s = {name: _cpu_s(children) for name, children in watched.items()}, time.monotonic()
        played = server.ask(seconds=seconds)
        took_s = time.monotonic() - began_s
        heard = together(
            [
                crowd.ask(stamps=played["stamps"], tasks=played["tasks"], patience_s=PATIENCE_S)
                for crowd in crowds
            ]
        )
        # what is left to be told is of that time, too
        costs = {name: _cost(name, children, before[name], took_s) for name, children in watched.items()}
        for monitor in looking:
            _agree(monitor, played["tasks"])
    return Measured(heard, costs, played["handshakes"])


def _cpu_s(children: list[Child]) -> float:
    return cpu_s(*(child.pid for child in children))


def _cost(name: str, children: list[Child], before_s: float, took_s: float) -> Cost:
    """Of one of several relays on the average, of the crowd's processes all together."""
    of = 1 if name == "all watchers" else len(children)
    memory = sum(psutil.Process(child.pid).memory_info().rss for child in children)
    return Cost(100 * (_cpu_s(children) - before_s) / took_s / of, memory / of / 1e6)


def together(answers: list[dict[str, Any]]) -> Heard:
    delays_ms: Counter[int] = Counter()
    for answer in answers:
        for delay_ms, count in answer["delays_ms"]:
            delays_ms[delay_ms] += count
    total = {
        key: sum(answer[key] for answer in answers)
        for key in ("bytes_down", "messages", "lost", "behind", "skipped")
    }
    return Heard(**total, delays_ms=delays_ms)


def _agree(monitor: roma.Monitor, tasks: dict[str, tuple[str, str]]) -> None:
    def shown() -> dict[str, tuple[str, str]]:
        return {
            task.task_id: (str(task.status), task.result_summary or "")
            for task in monitor.snapshot.tasks.values()
        }

    wanted = {key: (status, summary or "") for key, (status, summary) in tasks.items()}
    deadline_s = time.monotonic() + PATIENCE_S
    while shown() != wanted:
        if time.monotonic() > deadline_s:
            raise RuntimeError("A monitor's last state is not the server's.")
        time.sleep(0.2)


# --- how many ----------------------------------------------------------------------------------------------------


def _most_naive() -> tuple[int, Measured]:
    """The largest crowd that the server itself bears, or the smallest tried."""
    best: tuple[int, Measured] | None = None
    for count in NAIVE_WATCHERS:
        measured = _run(count, NAIVE_SECONDS, _nobody)
        _say(f"naive, {count:,} watchers", measured)
        if best is None or _bears(measured):
            best = count, measured
        if not _bears(measured):
            break
    assert best is not None
    return best


def most_borne(first: int = WATCHERS, most: int = 16_000) -> int:
    """Watchers that one relay bears, found by doubling; 0 where it does not bear `first`."""
    borne, count = 0, first
    while count <= most:
        try:
            measured = _run(count, LIMIT_SECONDS, _one_level)
        except (RuntimeError, OSError):  # who does not even let them in
            break
        _say(f"one relay, {count:,} watchers", measured)
        if not _bears(measured):
            break
        borne, count = count, 2 * count
    return borne


def _bears(measured: Measured) -> bool:
    return measured.is_whole and measured.heard.delay_ms(0.95) <= 1000 * BEARS_S


def _say(what: str, measured: Measured) -> None:
    cpu = ", ".join(f"{name} {cost.cpu:.0f} %" for name, cost in measured.costs.items())
    heard = measured.heard
    print(
        f"relay: {what}: {cpu}; delay {heard.delay_ms(0.5):,.0f} ms, p95 {heard.delay_ms(0.95):,.0f} ms; "
        f"{heard.lost} messages lost, {heard.behind} watchers behind, {heard.skipped} changes skipped",
        file=sys.stderr,
    )
