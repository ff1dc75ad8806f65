"""Saving, loading and recording a run of 1,000 tasks with their traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from .children import Child, server
from .generate import Source
from .receive import await_frames
from .table import Row

ROUNDS = 2
MOST_RECORDED = 1.1
MOST_SAVE_S = 2.0
MOST_LOAD_S = 1.0
MOST_MOMENT_S = 0.05
MOST_OF_RECEIVED = 0.15


def measure() -> Iterator[Row]:
    costs: dict[str, list[float]] = {variant: [] for variant in ("roma", "roma_record")}
    saved = []
    with server(Source()) as frames:
        for _ in range(ROUNDS):
            with ExitStack() as stack:
                clients = {
                    variant: stack.enter_context(Child("benchmarks.client", variant, frames.first["url"]))
                    for variant in costs
                }
                before = {variant: client.ask() for variant, client in clients.items()}
                sent = frames.ask()
                for variant, client in clients.items():
                    after = await_frames(client, sent["frames"])
                    costs[variant].append(after["io_cpu_s"] - before[variant]["io_cpu_s"])
                saved.append(clients["roma_record"].ask(what="archive"))
    least = {variant: min(taken) for variant, taken in costs.items()}
    yield Row(
        "record: CPU of roma-io with / without", least["roma_record"] / least["roma"], "x", MOST_RECORDED
    )
    best = {name: min(each[name] for each in saved) for name in saved[0]}
    yield Row("record: file / bytes received", best["recorded"] / best["received"], "x")
    yield Row("save: 1,000 tasks, 1,000 traces of 10 kB", best["save_s"], "s", MOST_SAVE_S)
    yield Row("save: file / bytes received", best["bytes"] / best["received"], "x", MOST_OF_RECEIVED)
    yield Row("load: the same", best["load_s"], "s", MOST_LOAD_S)
    yield Row("load: a moment of it, median", best["moment_s"], "s", MOST_MOMENT_S)
