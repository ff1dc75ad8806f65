"""Projects whose runs begin anew for as long as it takes, and what the server says of them."""

from __future__ import annotations

import json
import threading
import urllib.request
from typing import Any

from roma_widget.server.embedded import Server
from roma_widget.server.scenarios import goal_of
from roma_widget.server.state.project_records import ProjectRecord

IN_TURNS = (0, 1)
"""Two projects take turns in being the current one."""
BESIDE = (2, 3)
"""Two others run all the time."""


class EndlessRuns:
    """See the module. Each project has a goal, and so tasks and texts, of its own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._is_over = False
        self._alive = 0
        self._all_ended = threading.Event()
        self._records: dict[int, ProjectRecord] = {}
        self.n_runs = 0
        for number in (IN_TURNS[0], *BESIDE):
            self._start(number)

    @property
    def beside(self) -> list[str]:
        return [self._records[number].project_id for number in BESIDE]

    @property
    def current(self) -> str:
        current_id = self._server.state.projects.current_id
        assert current_id is not None
        return current_id

    def begin_no_more(self) -> None:
        with self._lock:
            self._is_over = True

    def finish(self, timeout_s: float) -> None:
        """Let the runs of now come to their ends, and no other begin."""
        self.begin_no_more()
        assert self._all_ended.wait(timeout_s)

    def _start(self, number: int) -> None:
        with self._lock:
            self._alive += 1
            self.n_runs += 1
        self._records[number] = self._server.runs.start(
            goal_of("report", number),
            record=self._records.get(number),
            make_current=number in IN_TURNS,
            on_end=lambda *_: self._go_on(number),
        )

    def _go_on(self, ended: int) -> None:
        with self._lock:
            self._alive -= 1
            if self._is_over:
                if not self._alive:
                    self._all_ended.set()
                return
        self._start(ended if ended in BESIDE else IN_TURNS[1 - ended])


def tasks_on(server: Server, project_id: str) -> dict[str, Any]:
    """What the server says of a project's tasks, results and all."""
    with urllib.request.urlopen(f"{server.url}/api/projects/{project_id}", timeout=10) as response:
        tasks: dict[str, Any] = json.load(response)["state"]["all_nodes"]
        return tasks
