"""Who executes a started project: the callable that was given to `Server(run=...)`, in a thread of its own for each
run.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from roma_widget.errors import RomaError, RunStopped
from roma_widget.server.agents.instrument import Project
from roma_widget.server.agents.terms import CANCELLED, FINAL, Host
from roma_widget.server.state.project_records import ProjectRecord, description_of, title_of
from roma_widget.server.wire.records import now_iso

NO_RUNS = "this server starts no runs"
STOPPED = "The run was stopped by request."
MOST_LIVING = 32
"""Runs at a time: each is a thread, and a coroutine brings its own event loop with three descriptors."""
GOODBYE_S = 2.0
"""How long runs get to end when the server stops; they are daemon threads."""

Run = Callable[[Project, str, Mapping[str, Any]], Any]
OnEnd = Callable[[ProjectRecord, BaseException | None], None]

_log = logging.getLogger("roma_widget.server")


@dataclass(slots=True, eq=False)
class _Living:
    """A run of ours: its thread, and how to cancel it when it is a coroutine."""

    thread: threading.Thread
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[Any] | None = None

    def cancel(self) -> None:
        if self.loop is not None and self.task is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.task.cancel)


class Runs:
    """Starts and stops runs. Any thread may call it."""

    def __init__(self, host: Host, run: Run | None) -> None:
        self._host = host
        self._run = run
        self._living: dict[_Living, ProjectRecord] = {}

    @property
    def can_start(self) -> bool:
        """Whether there is a callable to start."""
        return self._run is not None

    def start(
        self,
        goal: str,
        *,
        max_steps: int = 250,
        record: ProjectRecord | None = None,
        config: msgspec.Raw | None = None,
        options: Mapping[str, Any] | None = None,
        make_current: bool = True,
        on_end: OnEnd | None = None,
    ) -> ProjectRecord:
        """Creates a project, or runs `record` anew without its old tasks and traces, and starts the callable on it.

        `on_end` is called from the run's thread when it has ended. Raises RomaError when this server starts no
        runs, or this project is running.
        """
        run = self._run
        if run is None:
            raise RomaError(NO_RUNS)
        state = self._host.state
        with state.lock:
            if len(self._living) >= MOST_LIVING:
                raise RomaError(f"{MOST_LIVING} runs are alive: wait for one to end, or stop one")
            if record is None:
                record = state.create_project(goal, max_steps=max_steps, config=config)
            elif record.alive:
                raise RomaError(f"Project {record.project_id} is running already")
            else:
                self._begin_anew(record, goal, max_steps)
            record.run += 1
            record.alive = True
            record.stop_requested = False
            state.projects.change(record, status="running", error=None)
            if make_current:
                state.projects.make_current(record)
            project = Project(self._host, record)
            given = {"max_steps": max_steps, **(options or {})}
            living = _Living(threading.current_thread())
            living.thread = threading.Thread(
                target=self._execute, args=(run, project, living, given, on_end), name="roma-run", daemon=True
            )
            self._living[living] = record
        living.thread.start()
        return record

    def _begin_anew(self, record: ProjectRecord, goal: str, max_steps: int) -> None:
        state = self._host.state
        for prompt in state.prompts.of_project(record.project_id):
            state.prompts.withdraw(prompt, "it was lost: the project was started anew")
        state.prompts.forget_attempts(record.project_id)
        state.projects.clear(record)
        state.traces.clear(record.project_id)
        about = {"title": title_of(goal), "description": description_of(goal)}
        state.projects.change(
            record, goal=goal, max_steps=max_steps, **(about if goal != record.goal else {})
        )

    def stop(self, record: ProjectRecord) -> bool:
        """Ends a living run, of ours or of a user's agent: its next report raises `RunStopped`. False when it is
        not alive.
        """
        state = self._host.state
        with state.lock:
            if not record.alive:
                return False
            record.stop_requested = True
            record.alive = False
            prompts = [
                p
                for p in state.prompts.of_project(record.project_id)
                if state.prompts.withdraw(p, "the run was stopped")
            ]
            for node in state.projects.nodes(record).values():
                if node.fields["status"] not in FINAL:
                    state.projects.change_node(
                        record, node, status=CANCELLED, error=STOPPED, timestamp_completed=now_iso()
                    )
            state.projects.change(record, status="stopped", error=STOPPED)
            state.traces.close_all(record.project_id, STOPPED)
            living = [run for run, its_record in self._living.items() if its_record is record]
        for prompt in prompts:
            self._host.prompt_closed(prompt, "stopped", "the run was stopped")
        for run in living:
            run.cancel()
        return True

    def close(self) -> None:
        """Stops the runs that this started, and waits a little for them."""
        with self._host.state.lock:
            living = dict(self._living)
        for record in living.values():
            self.stop(record)
        until_s = time.monotonic() + GOODBYE_S
        for run in living:
            if run.thread is not threading.current_thread():
                run.thread.join(max(0.0, until_s - time.monotonic()))

    def _execute(
        self, run: Run, project: Project, living: _Living, options: Mapping[str, Any], on_end: OnEnd | None
    ) -> None:
        ended_by: BaseException | None = None
        try:
            with project:
                result = run(project, project.goal, options)
                if inspect.isawaitable(result):
                    asyncio.run(self._awaited(project, living, result))
        except (RunStopped, asyncio.CancelledError) as stopped:
            ended_by = stopped
        except RomaError as error:  # a human's abort, an unanswered question: the project says so
            ended_by = error
        except BaseException as error:
            ended_by = error
            _log.exception("The run of project %s failed", project.id)
        finally:
            with self._host.state.lock:
                del self._living[living]
            if on_end is not None:
                on_end(project.record, ended_by)

    async def _awaited(self, project: Project, living: _Living, result: Any) -> None:
        living.loop, living.task = asyncio.get_running_loop(), asyncio.current_task()
        if project.is_stopped:  # before there was anything to cancel
            if inspect.iscoroutine(result):
                result.close()  # else Python complains that it was never awaited
            raise RunStopped(STOPPED)
        await result
