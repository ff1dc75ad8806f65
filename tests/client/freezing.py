"""A server that behaves as the real ROMA v1 does: whoever joins during a run freezes it for ever.

PROTOCOL item 1, as observed: the connect handler (and `request_initial_state`) puts the saved graph in the place of the
live one. The run goes on with nodes that nobody sees: RUNNING tasks stay, frames go on unchanged, `/api/executions`
keeps listing the run. Its health does not say `safe_to_join`, and one in a hundred saved states is read half written.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

from aiohttp import WSMessage
from client.servers import ROMA_V1, ServerThread, WireServer, _Line, frame, node, packet

from roma_widget.archive.capture import FRAME

CHILDREN = 6
TORN_ONE_IN = 100


class FreezingServer(WireServer):
    """Runs `run-1`, `run-2`, ... one at a time, when told to by `start_run`; one step every `step_s`.

    `frozen` names the runs that somebody froze by joining, `ended` those that came to their end.
    """

    def __init__(self, servers: ServerThread, *, seed: int = 0, step_s: float = 0.05) -> None:
        self.frozen: list[str] = []
        self.ended: list[str] = []
        self._rng = random.Random(seed)
        self._step_s = step_s
        self._current: str | None = None
        self._projects: dict[str, dict[str, Any]] = {}
        self._alive: str | None = None
        self._running: asyncio.Task[None] | None = None
        super().__init__(servers, {"/api/health": ROMA_V1})
        self.answers["/api/executions"] = self._executions
        self.answers["/api/projects"] = self._listed

    def start_run(self) -> str:
        """Begin the next run; its project's id."""

        async def start() -> str:
            assert self._alive is None, "one run at a time"
            run_id = f"run-{len(self._projects) + 1}"
            self._current = self._alive = run_id
            self.answers[f"/api/projects/{run_id}"] = lambda: self._saved(run_id)
            self._projects[run_id] = _state(run_id, 0)
            self._running = asyncio.create_task(self._run(run_id), name=run_id)
            return run_id

        return str(self._servers.run(start()))

    def close(self) -> None:
        async def stop() -> None:
            if self._running is not None:
                self._running.cancel()
                await asyncio.gather(self._running, return_exceptions=True)

        self._servers.run(stop())
        super().close()

    async def _run(self, run_id: str) -> None:
        step = 0
        while step < 2 * CHILDREN + 2:
            await asyncio.sleep(self._step_s)
            if run_id not in self.frozen:
                step += 1
                self._projects[run_id] = _state(run_id, step)
                if step == 2 * CHILDREN + 2:  # the saved state is final before the run is off the list
                    self._alive = None
                    self.ended.append(run_id)
            await self._send([packet(FRAME, self._projects[run_id])])

    async def _hear(self, line: _Line, message: WSMessage) -> None:
        text = message.data if isinstance(message.data, str) else ""
        joins = text.startswith("40")
        if (joins or '"request_initial_state"' in text) and self._alive is not None:
            self.frozen.append(self._alive)
        if joins:
            self.greeting = [packet("projects_list", self._listed())]
        if '"restore_project_state"' in text and self._current is not None:
            await line.send(packet("project_restored", self._projects[self._current]))
        await super()._hear(line, message)

    def _executions(self) -> dict[str, Any]:
        return {"running_executions": {self._alive: {"is_alive": True}} if self._alive else {}}

    def _listed(self) -> dict[str, Any]:
        projects = [state["current_project"] for state in self._projects.values()]
        return {"projects": projects, "current_project_id": self._current}

    def _saved(self, run_id: str) -> dict[str, Any]:
        state: Any = self._projects[run_id]
        if self._rng.randrange(TORN_ONE_IN) == 0:
            state = self._rng.choice([None, {**state, "all_nodes": {}}])
        return {"project": self._projects[run_id]["current_project"], "state": state}


def _state(run_id: str, step: int) -> dict[str, Any]:
    """A root with children that run one after the other, two steps each."""
    ended = step >= 2 * CHILDREN + 2
    root = node("root", "DONE" if ended else "PLAN_DONE" if step else "RUNNING")
    children = [
        node(f"root.{n}", "DONE" if step > 2 * n else "RUNNING" if step >= 2 * n - 1 else "PENDING")
        for n in range(1, CHILDREN + 1)
        if step
    ]
    return frame([root, *children], project=run_id, status="completed" if ended else "running")
