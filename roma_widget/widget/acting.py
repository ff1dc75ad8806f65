"""What a monitor can ask of its server, from the caller's thread: each call waits, and can be interrupted."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ..core.arguments import as_number
from ..core.model import Stage, Task, Trace
from ..core.reading import shorten
from ..core.server_status import Execution
from ..core.text import count_text
from ..core.traces import Fetching
from ..errors import NotLive


class Actions(Protocol):
    """What a session can ask of its server."""

    async def trace(self, task_id: str, timeout_s: float) -> Trace: ...

    async def details(self, task: Task, timeout_s: float) -> Mapping[str, Any]: ...

    def fetch_traces(
        self, task_ids: Iterable[str] | None, timeout_s: float, fetching: Fetching
    ) -> Coroutine[Any, Any, int]: ...

    async def stage_details(self, task_id: str, stage_id: str, timeout_s: float) -> Stage: ...

    async def start(
        self, goal: str, max_steps: int | None, timeout_s: float, config: dict[str, Any] | None = None
    ) -> str: ...

    async def executions(self, timeout_s: float) -> dict[str, Execution]: ...

    async def switch(self, project_id: str, timeout_s: float) -> None: ...

    async def stop(self, project_id: str | None, timeout_s: float) -> None: ...

    async def save(self, timeout_s: float) -> None: ...

    async def refresh(self, timeout_s: float) -> None: ...


class Acting:
    """Mixed into `Monitor`. `timeout` is in seconds, above 0 (else ValueError), for the reply or for all of an action.

    WaitTimeout says that it was over before the request got its turn, or before the action was done.
    """

    if TYPE_CHECKING:

        def task(self, task_id: str) -> Task: ...

        def _act(
            self,
            work: Callable[[Actions], Coroutine[Any, Any, Any]],
            meanwhile: Callable[[], object] | None = None,
        ) -> Any: ...

    def trace(self, task_id: str, timeout: float = 20.0) -> Trace:
        """What happened inside one task, stage by stage.

        Asks the server, unless the task has ended and its trace is known already. `trace.is_sample` is True for a
        trace that ROMA invents because it has none. Raises UnknownTask, NotLive (traces need the socket, also while a
        run is followed over HTTP), ServerError (the server's words), ConnectError, WaitTimeout. Example:
        `[stage.stage for stage in m.trace("root").stages]`
        """
        timeout = checked_timeout(timeout)
        found: Trace = self._act(lambda actions: actions.trace(task_id, timeout))
        return found

    def stage_details(self, task_id: str, stage_id: str, timeout: float = 20.0) -> Stage:
        """One stage of a task as the server has it now; it leaves out the calls of tools and the messages.

        Raises as `trace` does. Example: `m.stage_details("root", m.trace("root").stages[0].stage_id).llm_response`
        """
        timeout = checked_timeout(timeout)
        found: Stage = self._act(lambda actions: actions.stage_details(task_id, stage_id, timeout))
        return found

    def fetch_traces(
        self, task_ids: Iterable[str] | None = None, progress: bool = True, timeout: float = 20.0
    ) -> int:
        """Fetch the traces of all tasks of the shown run, or of `task_ids`; the number that came.

        One at a time on ROMA, four on servers of ours. Traces that were fetched and whose task has not changed since
        are not asked for again, so a call that was interrupted goes on where it stopped. Tasks that have no trace do
        not count. With `progress` a line says how far it is. `timeout` is for each trace. Raises as `trace` does, but
        not where the server refuses some traces and gives others; ValueError for what is no list of ids. Example:
        `m.fetch_traces()`
        """
        timeout = checked_timeout(timeout)
        wanted = None if task_ids is None else _checked_ids(task_ids)
        fetching = Fetching()
        with _Line(fetching, progress) as line:
            fetched: int = self._act(
                lambda actions: actions.fetch_traces(wanted, timeout, fetching), line.draw
            )
        return fetched

    def result(self, task_id: str) -> Any:
        """What a task came to, as the server sent it: text, a dict, or None while there is nothing.

        While a task is planned, and after its aggregation failed, ROMA keeps the plan there. Servers of ours may be
        asked for it. Raises UnknownTask, and NotLive, ConnectError or ServerError where they cannot be. Example:
        `m.result("root")`
        """
        return self.task(task_id).result

    def execution_status(self, timeout: float = 20.0) -> dict[str, Execution]:
        """What the server says is running, by project id; asked for over HTTP, at each call.

        Each has "goal", "max_steps", "started" (an aware datetime) and "is_alive" (bool), None where the server does
        not say. Raises ServerError, ConnectError, NotLive. Example:
        `[run["goal"] for run in m.execution_status().values()]`
        """
        timeout = checked_timeout(timeout)
        found: dict[str, Execution] = self._act(lambda actions: actions.executions(timeout))
        return found

    def start(self, goal: str, *, max_steps: int | None = None, timeout: float = 20.0, **options: Any) -> str:
        """Start a run and return the id of its project, once the server has confirmed it over HTTP, too.

        The new project becomes the server's current one, FOR EVERYONE who watches this server; a monitor that watches a
        project goes on watching that one. Goes over the socket when there is one, else over HTTP. `max_steps` None
        leaves it to the server. With `options`, which always go over HTTP, the run is configured: ROMA takes the
        sections `llm`, `execution` and `cache`, each a dict, and wants all three; our server hands them to its `run`.
        Raises ServerError (the server's words: a goal that is too short, a missing section, a server that starts no
        runs), ConnectError, NotLive, WaitTimeout, ValueError for options that are no JSON. Example:
        `m.start("Survey of rooftop farms"); m.wait("done")`
        """
        timeout = checked_timeout(timeout)
        if not isinstance(goal, str):
            raise ValueError(f"goal takes a string, not {type(goal).__name__}.")
        try:
            config = json.loads(json.dumps(options, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(f"The options of start take what JSON can hold: {error}.") from None
        started: str = self._act(lambda actions: actions.start(goal, max_steps, timeout, config))
        return started

    def switch(self, project_id: str, timeout: float = 20.0) -> None:
        """Make a project the server's current one, FOR EVERYONE: all who watch this server see it change.

        `m.watch` shows another project here alone. Returns when the server has confirmed it, over HTTP, too. Raises
        UnknownProject, ServerError, ConnectError, NotLive, WaitTimeout. Example: `m.switch(m.projects[1]["id"])`
        """
        timeout = checked_timeout(timeout)
        self._act(lambda actions: actions.switch(checked_id(project_id), timeout))

    def stop(self, project_id: str | None = None, timeout: float = 20.0) -> None:
        """End the run of the shown project, or of `project_id`: its next report fails, open tasks become CANCELLED.

        ROMA v1 cannot stop a run, and then this raises ServerError saying so. Raises also UnknownProject, ConnectError,
        NotLive, WaitTimeout. Example: `m.stop()`
        """
        timeout = checked_timeout(timeout)
        self._act(
            lambda actions: actions.stop(None if project_id is None else checked_id(project_id), timeout)
        )

    def save_on_server(self, timeout: float = 20.0) -> None:
        """Have the server write the shown project to its disk now; returns when it said that it did.

        Needs the socket. Raises UnknownProject (the server has it no more), ServerError, ConnectError, NotLive,
        WaitTimeout. Example: `m.save_on_server()`
        """
        timeout = checked_timeout(timeout)
        self._act(lambda actions: actions.save(timeout))

    def refresh(self, timeout: float = 20.0) -> None:
        """Ask for the newest state, in the way that harms no run, and return when it is shown.

        A server that declares itself safe is asked for its initial state, another to restore the shown project's;
        without a socket one look is taken over HTTP. Raises ServerError, ConnectError, NotLive, WaitTimeout.
        Example: `m.refresh()`
        """
        timeout = checked_timeout(timeout)
        self._act(lambda actions: actions.refresh(timeout))


def checked_id(project_id: object) -> str:
    if isinstance(project_id, str) and project_id:
        return project_id
    raise ValueError(f"project_id takes a project's id, not {shorten(repr(project_id), 60)}.")


def _checked_ids(task_ids: object) -> list[str]:
    if isinstance(task_ids, str) or not isinstance(task_ids, Iterable):
        raise ValueError(f"task_ids takes a list of ids, not {shorten(repr(task_ids), 60)}.")
    ids = list(task_ids)
    for task_id in ids:
        if not isinstance(task_id, str):
            raise ValueError(f"task_ids takes a list of ids, each a string, not {type(task_id).__name__}.")
    return ids


def checked_timeout(timeout: object, *, is_wait: bool = False, what: str = "timeout") -> float:
    """A wait may end at once, with 0, or never, with infinity; a request needs some time, and an end."""
    seconds = as_number(timeout)
    if seconds is not None and (seconds >= 0 if is_wait else 0 < seconds < math.inf):
        return seconds
    least = "from 0 on" if is_wait else "above 0"
    raise ValueError(f"{what} takes seconds {least}, not {shorten(repr(timeout), 60)}.")


def detached() -> NotLive:
    return NotLive("This monitor is disconnected and can ask nothing: connect again with roma.connect(…).")


class _Line:
    """ "Traces: 12 of 40", on one line that is written over; finished also when interrupted."""

    def __init__(self, fetching: Fetching, wanted: bool) -> None:
        self._fetching = fetching
        self._wanted = wanted

    def draw(self, end: str = "") -> None:
        so_far = self._fetching
        if not self._wanted or not so_far.total:
            return
        none = so_far.asked - so_far.fetched
        without = f", {count_text(none, 'task')} without one" if none else ""
        sys.stdout.write(f"\rTraces: {so_far.asked:,} of {so_far.total:,}{without}{end}")
        sys.stdout.flush()

    def __enter__(self) -> _Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.draw("\n")
