"""`simple_execute_stream`: a run of which everyone is told the end, and which nobody has to look at meanwhile."""

from __future__ import annotations

import asyncio
import contextlib

from roma_widget.server.live.audience import Audience
from roma_widget.server.live.parts import Controls
from roma_widget.server.state.project_records import ProjectRecord
from roma_widget.server.state.state import State
from roma_widget.server.wire.records import encode
from roma_widget.server.wire.requests import SimpleExecuteStream, one_sentence


class SimpleExecutions:
    """Starts them; their ends are broadcast, as on ROMA. The current project stays what it is."""

    def __init__(self, state: State, control: Controls, audience: Audience) -> None:
        self._state = state
        self._control = control
        self._audience = audience

    async def start(self, request: SimpleExecuteStream) -> None:
        """Returns when it runs. Raises `Refused`."""
        loop = asyncio.get_running_loop()

        def ended(record: ProjectRecord, error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the server has stopped meanwhile
                loop.call_soon_threadsafe(self._ended, request.goal, record, error)

        await self._control.start(
            request.goal,
            max_steps=request.max_steps,
            options=request.options,
            make_current=False,
            on_end=ended,
        )

    def _ended(self, goal: str, record: ProjectRecord, error: BaseException | None) -> None:
        with self._state.lock:
            status, why = record.fields["status"], record.fields["error"]
            root = next(iter(record.nodes.values()), None) if record.nodes else None
            result = root.fields["full_result"] if root is not None else None
        if error is not None or status != "completed":
            said = one_sentence(error) if error is not None else why
            failure = {"message": f"Streaming execution failed: {said or status}", "goal": goal}
            self._audience.everyone("simple_execution_error", encode(failure))
            return
        update = {"goal": goal, "project_id": record.project_id, "status": status, "result": result}
        self._audience.everyone("simple_execution_update", encode(update))
