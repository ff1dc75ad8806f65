"""`Server`: the embedded server, in a thread of the user's process. It puts the parts together and owns their
lifetime.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from roma_widget.errors import NotLive, RomaError
from roma_widget.server.agents.checks import (
    number_of,
    seconds_of,
    text_of,
    text_or_none,
    texts_of,
    whole_number_of,
)
from roma_widget.server.agents.instrument import Project
from roma_widget.server.agents.runs import Run, Runs
from roma_widget.server.live.broadcast import INTERVAL_S, RealtimeExecutionWrapper
from roma_widget.server.live.live import Live
from roma_widget.server.live.parts import AgentParts
from roma_widget.server.network.app import Limits, Shell
from roma_widget.server.state.hitl import REATTACH_S, RESEND_S, Prompt
from roma_widget.server.state.state import State
from roma_widget.server.state.traces import MOST_IN_MEMORY, ProcessingStage

START_S = 20.0
STOP_S = 10.0


class Server:
    """A ROMA-compatible server for agents of this process, or for a `run` callable that clients start.

    `host` is this machine unless a `token` is given; `port` 0 takes a free one. `data_dir` keeps projects and
    traces over restarts (None: a private temporary folder, removed at the end); `run(project, goal, options)`, sync
    or async, executes what a client starts; `options` holds `max_steps` and, where the client configured the project,
    the sections of its config. `origins` are the web pages that may connect from elsewhere, as
    `https://host`. Usable as a context manager. Raises `ServeError` when the address will not do, `StoreError` when
    `data_dir` will not, TypeError, ValueError for what an option does not take.

    >>> with roma.Server() as server, server.project("Survey of X") as project:
    ...     print(server.url)
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        data_dir: str | Path | None = None,
        run: Run | None = None,
        *,
        token: str | None = None,
        origins: Iterable[str] = (),
        interval_s: float = INTERVAL_S,
        resend_s: float = RESEND_S,
        reattach_s: float = REATTACH_S,
        most_traces: int = MOST_IN_MEMORY,
        limits: Limits | None = None,
    ) -> None:
        if run is not None and not callable(run):
            raise TypeError(f"run takes a callable (project, goal, options), not {type(run).__name__}.")
        if data_dir is not None and not isinstance(data_dir, str | os.PathLike):
            raise TypeError(f"data_dir takes a folder's path, not {type(data_dir).__name__}.")
        self._address: dict[str, Any] = {
            "host": text_of(host, "host"),
            "port": whole_number_of(port, "port"),
            "token": text_or_none(token, "token"),
            "origins": texts_of(origins, "origins"),
            "limits": limits or Limits(),
        }
        self._stored: dict[str, Any] = {
            "data_dir": data_dir,
            "resend_s": number_of(resend_s, "resend_s", "seconds"),
            "reattach_s": number_of(reattach_s, "reattach_s", "seconds"),
            "most_traces": whole_number_of(most_traces, "most_traces", 1),
        }
        self._run = run
        self._interval_s = seconds_of(interval_s, "interval_s")
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._state: State | None = None
        self._live: Live | None = None
        self._shell: Shell | None = None
        self._runs: Runs | None = None
        self._url = ""
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Server {self._url}>" if self.is_running else "<Server, not running>"

    @property
    def is_running(self) -> bool:
        """Can clients connect?"""
        return self._url != ""

    @property
    def url(self) -> str:
        """Where it is, `http://127.0.0.1:54321`. Raises NotLive when it is not running."""
        if not self._url:
            raise NotLive("The server is not running: start it first (`with roma.Server() as server:`).")
        return self._url

    @property
    def port(self) -> int:
        """The port of its address. Raises NotLive when it is not running."""
        return int(self.url.rpartition(":")[2])

    @property
    def state(self) -> State:
        """What it knows. For instrumentation and tests; change it through `project` and what that gives."""
        if self._state is None:
            raise NotLive("The server is not running: start it first (`with roma.Server() as server:`).")
        return self._state

    @property
    def shell(self) -> Shell:
        """Its clients. For tests and numbers."""
        assert self._shell is not None
        return self._shell

    @property
    def runs(self) -> Runs:
        assert self._runs is not None
        return self._runs

    def start(self) -> Self:
        """Opens the data folder and listens; returns when clients can connect. A stopped server may be started
        again. Raises RomaError where it runs already, `ServeError` when the address will not do, `StoreError` when
        `data_dir` will not. Example: `server = roma.Server().start()`
        """
        with self._lock:
            if self._thread is not None:
                raise RomaError("The server is running already.")
            self._state = state = State(**self._stored)
            started: Future[str] = Future()
            self._loop = self._ending = None
            self._pid = os.getpid()
            self._thread = threading.Thread(
                target=self._serve, args=(state, started), name="roma-server", daemon=True
            )
            self._thread.start()
            try:
                self._url = started.result(START_S)
            except BaseException:
                self._end_thread(started)
                state.close()
                raise
            atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """Ends its runs, says goodbye to the clients, saves what is left; safe to call again, also after a Ctrl-C
        in it.

        Raises `StoreError` when something could not be saved. Example: `server.stop()`
        """
        if os.getpid() != self._pid:
            return  # a fork of the process that has it: even the lock may be a copy that nobody opens
        with self._lock:
            if self._thread is None or self._state is None:
                return
            if self._runs is not None and self._url:
                self._runs.close()
            with self._state.lock:
                # in one step: who asks after this hears that the server is gone, who asked before is released
                self._url = ""
                self._state.prompts.release()
            self._end_thread(None)
            atexit.unregister(self.stop)
            self._state.close()

    def _end_thread(self, started: Future[str] | None) -> None:
        thread, loop, ending = self._thread, self._loop, self._ending
        if thread is not None:
            if loop is not None and ending is not None and not loop.is_closed():
                loop.call_soon_threadsafe(ending.set)
            elif started is not None:
                started.cancel()  # it has not come so far: it ends when it does
            thread.join(STOP_S)
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def project(
        self, goal: str, *, title: str | None = None, max_steps: int = 250, project_id: str | None = None
    ) -> Project:
        """A run to report: enter it, then its tasks. It becomes the server's current project, for every client.

        `project_id` takes up a project again that the server has (after a restart), or names a new one. Raises
        TypeError, ValueError for what it does not take, NotLive.

        >>> with server.project("Survey of X") as project, project.task("Survey of X") as root:
        ...     root.finish("done")
        """
        goal, title = text_of(goal, "goal"), text_or_none(title, "title")
        project_id = text_or_none(project_id, "project_id")
        max_steps = whole_number_of(max_steps, "max_steps", 1)
        state = self.state
        with state.lock:
            self.url  # noqa: B018 - raises when the server is not running
            if project_id is not None and project_id in state.projects:
                record = state.projects.get(project_id)
                record.run += 1  # who held it before reports no more
                record.stop_requested = False
            else:
                record = state.create_project(goal, title=title, max_steps=max_steps, project_id=project_id)
            state.projects.make_current(record)
            project = Project(self, record)
        self._call(lambda live: live.projects_changed())
        return project

    # --- from the instrumentation, from any thread ---------------------------------------------------------------

    def prompt_opened(self, prompt: Prompt) -> None:
        self._call(lambda live: self._parts.asking.opened(prompt))

    def prompt_closed(self, prompt: Prompt, state: str, why: str) -> None:
        self._call(lambda live: self._parts.asking.closed(prompt, state, why))

    def _call(self, act: Any) -> None:
        loop, live = self._loop, self._live
        if loop is not None and live is not None and not loop.is_closed():
            loop.call_soon_threadsafe(act, live)

    # --- the thread ----------------------------------------------------------------------------------------------

    def _serve(self, state: State, started: Future[str]) -> None:
        try:
            asyncio.run(self._serve_on_loop(state, started))
        except BaseException as error:
            if started.cancelled():
                return  # nobody waits for it any more
            if started.done():
                raise
            started.set_exception(error)

    async def _serve_on_loop(self, state: State, started: Future[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        self._runs = Runs(self, self._run)
        self._parts = AgentParts(state, self._runs)
        live = self._live = Live(state, self._parts)
        shell = self._shell = Shell(live, **self._address)
        live.shell = shell
        wrapper = RealtimeExecutionWrapper(live.tick, self._loop, self._interval_s)
        await shell.start()
        state.changed = lambda project_id: wrapper.changed()

        def stage_changed(project_id: str, node_id: str, stage: ProcessingStage) -> None:
            if live.extension.stage_changed(project_id, node_id, stage):
                wrapper.changed()

        state.stage_changed = stage_changed
        asking = asyncio.create_task(self._parts.asking.keep_asking())
        if not started.set_running_or_notify_cancel():
            self._ending.set()
        else:
            started.set_result(shell.url)
        try:
            await self._ending.wait()
        finally:
            state.changed = lambda project_id: None
            state.stage_changed = lambda *stage: None
            wrapper.close()
            live.close()
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await shell.stop()
