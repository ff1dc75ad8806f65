"""A server in a process of its own that sends large frames at a steady pace while it is told to."""

from __future__ import annotations

import json
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any, Self

from client.servers import SAFE, ServerThread, WireServer, frame, node

CHANGED = 5
"""Tasks that change with each frame."""


class SteadyFeed:
    """`megabytes` every `period_s` between `play` and `pause`; the first frame comes at the first `play`."""

    def __init__(self, megabytes: float, period_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._orders, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, megabytes, period_s), daemon=True)
        self._process.start()
        self.url: str = self._orders.recv()

    def play(self) -> None:
        self._orders.send(True)

    def pause(self) -> None:
        self._orders.send(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.close()
        self._process.join(10)


def _serve(orders: Connection[Any, Any], megabytes: float, period_s: float) -> None:
    thread = ServerThread()
    server = WireServer(thread, {"/api/health": SAFE})
    orders.send(server.url)
    tasks = [node(f"root.{place}", full_result="x" * 9_700) for place in range(round(megabytes * 100))]
    texts = [f'"{task["task_id"]}":{json.dumps(task)}' for task in tasks]
    head, tail = json.dumps(frame({"HERE": 0})).split('{"HERE": 0}')
    is_playing, number = False, 0
    try:
        while True:
            began_s = time.monotonic()
            if orders.poll(0 if is_playing else None):
                is_playing = orders.recv()
                continue
            for _ in range(CHANGED):
                number += 1
                task = {**tasks[number % len(tasks)], "agent_name": f"agent {number}"}
                texts[number % len(tasks)] = f'"{task["task_id"]}":{json.dumps(task)}'
            server.send(f'42["task_graph_update",{head}{{{",".join(texts)}}}{tail}]')
            orders.poll(max(0.0, began_s + period_s - time.monotonic()))
    except EOFError:
        server.close()
        thread.close()
