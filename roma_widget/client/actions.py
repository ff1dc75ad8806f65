"""What a person may ask of a server: traces, start, switch, stop, save, a fresh look. Nothing here harms a run.

What changes the server is confirmed over HTTP, too, because a reply says only what the server meant to do. With a
socket requests go over it (`requests`); without one, what HTTP can do goes over HTTP. Runs on the loop of `roma-io`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any, Protocol

from ..core import wire
from ..core.clock import ServerClock
from ..core.lean import lean_details
from ..core.model import FINAL, Stage, StageStatus, Task, Trace
from ..core.nearest import did_you_mean
from ..core.reading import hide, shorten
from ..core.server_status import Execution, read_execution_status
from ..core.state import ProjectState
from ..core.traces import (
    Fetching,
    in_utc,
    says_project_is_not_loaded,
    says_there_is_none,
    stage_in_utc,
)
from ..errors import ConnectError, NotLive, RomaError, ServerError, UnknownProject, UnknownTask, WaitTimeout
from . import requests
from .feed import Feed
from .rest import SMALL_BODY, Answer, Rest, Unreachable, project_path
from .trace_cache import Fetched

CONFIRM_S = 5.0
"""How long HTTP may take to agree with what the socket said."""
CONFIRM_FIRST_S = 0.05
CONFIRM_GROWTH = 2.0
MARGIN_S = 0.1
"""A request that gets no answer in time says so in its own words, before the whole action is given up."""
LOOK_AGAIN_S = 0.2
"""Between two looks at a project that seems to have no tasks: one look in a hundred meets a file being written."""
_NO_ROUTE = (404, 405)
_NOT_KNOWN = " Whether the server did it is not known: look at m.projects."
_WHY_NO_SOCKET = {
    "polling": "the run is followed over HTTP. The socket opens by itself when that is safe, and then this works; "
    "m.reconnect(force=True) opens it now and can freeze a run in progress on ROMA v1",
    "reconnecting": 'the connection was lost and is being made again: m.wait("connected") waits for it',
    "failed": "the server cannot be reached: m.reconnect() tries again",
    "closed": "this monitor is disconnected: connect again with roma.connect(…)",
    "connecting": 'the connection is still being made: m.wait("connected") waits for it',
}

_WHY_NO_RELAY = (
    "there is no relay at this moment, so the run is followed over HTTP. This works again when there is one: "
    'm.connection["reason"] says why there is none'
)

REFUSED = "node_trace_error"
"""The event by which a server says that there is no trace, or that it cannot give one: others may come."""


class Mirror(Protocol):
    """The session, as far as actions look at it."""

    @property
    def wanted_project(self) -> str | None: ...

    def shown_project(self) -> ProjectState | None: ...

    def project(self, project_id: str) -> ProjectState | None: ...

    def project_ids(self) -> Collection[str]: ...

    def server_clock(self) -> ServerClock: ...

    def publish_now(self) -> None: ...

    async def settled(self, timeout_s: float) -> None: ...


class Actions:
    """See the module. Every `timeout_s` is in seconds: for a request for data, or for all of any other action."""

    def __init__(self, feed: Feed, mirror: Mirror) -> None:
        self._feed = feed
        self._mirror = mirror
        self._requests = feed.hearing.requests
        self._restored: tuple[object, str] | None = None
        self._restoring = asyncio.Lock()

    # -- looking

    async def show(self, timeout_s: float) -> None:
        """Returns when the state of the wanted project, or of the server's current one, is known.

        Asked for over HTTP, which switches and harms nothing. Raises UnknownProject, ServerError (it cannot be read),
        ConnectError, WaitTimeout.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._mirror.settled(timeout_s)
                await self._look_until_shown()
        except TimeoutError:
            named = self._mirror.wanted_project
            what = "the server's current project" if named is None else f"project {shorten(named, 60)!r}"
            error = self._feed.connection.error
            raise WaitTimeout(
                f"Waited {timeout_s:.3g} s for the state of {what}; the connection is {self._feed.connection.state}"
                f"{f': {error}' if error else '.'}"
            ) from None
        self._mirror.publish_now()

    async def _look_until_shown(self) -> None:
        """A project that comes over the socket is known; of one that has no tasks two looks have to say so."""
        looks = 0
        while True:
            current_id = self._feed.hearing.current_id
            project_id = self._mirror.wanted_project or current_id
            shown = self._mirror.shown_project()
            has_tasks = shown is not None and bool(shown.tasks)
            if has_tasks and (looks or (self._is_live and project_id == current_id)):
                return
            if project_id is None or (self._mirror.wanted_project is None and not self._feed.is_roma):
                return  # nothing is current, or there is nobody else to ask
            if looks > 1 and shown is not None:
                return
            if looks:
                await asyncio.sleep(LOOK_AGAIN_S)
            looks += 1
            await self._look_at(project_id)

    async def _look_at(self, project_id: str) -> None:
        """One look. That the wanted project cannot be read is an error; who follows the current one stays with it."""
        request, looked_at = f"GET {shorten(project_path(project_id), 80)}", self._feed.hearing.looked_at
        before = looked_at.get(project_id)
        with self._reached(request):
            answer = await self._feed.look_at(project_id)
        if self._mirror.wanted_project is None or answer is None:
            return
        missing = self._feed.missing(project_id)
        if missing is not None:
            raise UnknownProject(missing)
        if answer.status not in (200, 304):
            raise self._refused(answer, request)
        if looked_at.get(project_id) is before:
            raise ServerError(
                f"{request} answered HTTP {answer.status} with something else than a project.", request
            )

    async def executions(self, timeout_s: float) -> dict[str, Execution]:
        """What the server says is running, by project."""
        request = "GET /api/executions"
        try:
            async with asyncio.timeout(timeout_s):
                await self._mirror.settled(timeout_s)
                with self._reached(request):
                    answer = await self._rest().get("/api/executions", SMALL_BODY)
        except TimeoutError:
            raise ConnectError(f"{request} got no answer within {timeout_s:g} s.") from None
        found = None
        if answer.status == 200:
            found = read_execution_status(answer.body, self._mirror.server_clock())
        if found is None:
            raise self._refused(answer, request)
        return found

    # -- traces

    async def trace(self, task_id: str, timeout_s: float, project_id: str | None = None) -> Trace:
        """The trace of a task of the project (None: of the shown one). Asks the server, unless the task has ended
        and its trace is known.

        A trace with a stage that still runs is asked for again: the task may have ended a moment before its last
        stage.
        """
        await self._mirror.settled(timeout_s)
        project_id, task = self._task(task_id, project_id)
        cache = self._feed.traces
        known = cache.get(project_id, task)
        if (
            known is not None
            and known.trace is not None
            and (self._is_over(task, known) or not self._is_live)
        ):
            return in_utc(known.trace, self._mirror.server_clock())
        self._need_socket(f"The trace of {shorten(task_id, 60)}")
        question = requests.node_trace(
            project_id, task_id, lambda trace_id: cache.is_anothers(trace_id, project_id, task_id)
        )
        try:
            event = await self._ask_for_trace(question, project_id, timeout_s)
        except ServerError as error:
            if error.event == question.refusal and says_there_is_none(error.message):
                cache.put(project_id, task, None)
            raise
        assert isinstance(event, wire.NodeTrace)
        cache.put(project_id, task, event.trace)
        return in_utc(event.trace, self._mirror.server_clock())

    async def _ask_for_trace(
        self, question: requests.Question, project_id: str, timeout_s: float
    ) -> wire.Event:
        """Asked again when the server has the project on disk only, as ROMA after a restart: restoring loads it."""
        here = (self._requests.link, project_id)
        was_restored = self._restored == here
        try:
            return await self._requests.ask(question, timeout_s)
        except ServerError as error:
            if error.event != question.refusal or not says_project_is_not_loaded(error.message):
                raise
            if was_restored or not await self._restore(here, project_id, timeout_s):
                raise
        return await self._requests.ask(question, timeout_s)

    async def _restore(self, here: tuple[object, str], project_id: str, timeout_s: float) -> bool:
        """Have the server load a project, once for each connection, whoever asks; False when it did not."""
        async with self._restoring:
            if self._restored != here:
                self._restored = here
                try:
                    await self._requests.ask(requests.restore(project_id), timeout_s)
                except RomaError:
                    return False
        return True

    async def fetch_traces(self, task_ids: Iterable[str] | None, timeout_s: float, fetching: Fetching) -> int:
        """Asks for the traces that are not known, as many at a time as the server can tell apart; how many came."""
        project_id, missing = await self._traces_to_fetch(task_ids, timeout_s)
        fetching.total = len(missing)
        waiting = iter(missing)
        refusals: list[ServerError] = []

        async def fetch_in_turn() -> None:
            for task_id in waiting:
                try:
                    trace = await self.trace(task_id, timeout_s, project_id)
                    fetching.fetched += not trace.is_sample
                except UnknownTask:  # gone meanwhile
                    continue
                except ServerError as error:
                    if error.event != REFUSED:
                        raise
                    if not says_there_is_none(error.message):
                        refusals.append(error)
                finally:
                    fetching.asked += 1

        workers = [asyncio.ensure_future(fetch_in_turn()) for _ in range(self._requests.width)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if refusals and not fetching.fetched:  # not about one task, then
            raise refusals[0]
        return fetching.fetched

    async def _traces_to_fetch(
        self, task_ids: Iterable[str] | None, timeout_s: float
    ) -> tuple[str | None, list[str]]:
        """The shown project, and those of `task_ids` (None: all) of whose trace nothing is known since they
        changed.
        """
        await self._mirror.settled(timeout_s)
        shown = self._mirror.shown_project()
        wanted = task_ids if task_ids is not None else (shown.tasks if shown is not None else ())
        tasks = [self._task(task_id) for task_id in dict.fromkeys(wanted)]
        unknown = [
            task.task_id for project_id, task in tasks if self._feed.traces.get(project_id, task) is None
        ]
        return shown.project.project_id if shown is not None else None, unknown

    async def stage_details(self, task_id: str, stage_id: str, timeout_s: float) -> Stage:
        await self._mirror.settled(timeout_s)
        project_id, task = self._task(task_id)
        self._need_socket("Details of a stage")
        event = await self._requests.ask(requests.stage_details(project_id, task_id, stage_id), timeout_s)
        assert isinstance(event, wire.StageDetails)
        stage = stage_in_utc(event.stage, self._mirror.server_clock())
        known = self._feed.traces.get(project_id, task)
        for sibling in known.trace.stages if known is not None and known.trace is not None else ():
            if sibling.stage_id == stage_id:
                return replace(stage, seq=sibling.seq, attempt=sibling.attempt)
        return stage

    async def details(self, task: Task, timeout_s: float) -> Mapping[str, Any]:
        """The server's dict of a task, with all that a person reads of it."""
        if task.rest is None:
            return task.raw
        here = lean_details(task.raw_json)
        return await task.rest.whole(task, timeout_s) if here is None else here

    # -- projects

    async def start(
        self, goal: str, max_steps: int | None, timeout_s: float, config: dict[str, Any] | None = None
    ) -> str:
        """Starts a run; the id of its project, once the server's HTTP side has it, too.

        One with a config goes over HTTP: the socket has no request for it.
        """
        async with self._within(timeout_s, "Starting a run"):
            await self._mirror.settled(timeout_s)
            if self._is_live and not config:
                event = await self._requests.ask(
                    requests.start(goal, max_steps, self._mirror.project_ids()), timeout_s
                )
                assert isinstance(event, wire.ProjectStarted)
                project_id = event.project.project_id
            else:
                more: dict[str, Any] = {} if max_steps is None else {"max_steps": max_steps}
                path = "/api/projects/configured" if config else "/api/projects"
                if config:
                    more["config"] = config
                answer = await self._post(path, {"goal": goal, **more})
                project = wire.read_created(answer.body) if answer.status in (200, 201) else None
                if project is None:
                    raise self._refused(answer, f"POST {path}")
                project_id = project.project_id
            await self._confirm_exists(project_id)
            await self._look_at_projects()
            return project_id

    async def switch(self, project_id: str, timeout_s: float) -> None:
        """Makes a project the server's current one, for everybody."""
        async with self._within(timeout_s, "Switching the project"):
            await self._mirror.settled(timeout_s)
            if self._is_live:
                try:
                    await self._requests.ask(requests.switch(project_id), timeout_s)
                except ServerError as error:
                    await self._raise_if_unknown(project_id, error)
                    raise
            else:
                path = f"{project_path(project_id)}/switch"
                answer = await self._post(path, None)
                if answer.status != 200:
                    refused = self._refused(answer, f"POST {path}")
                    await self._raise_if_unknown(project_id, refused)
                    raise refused
            await self._confirm_current(project_id)
            self._mirror.publish_now()

    async def stop(self, project_id: str | None, timeout_s: float) -> None:
        """Ends a run. Over HTTP, where a server that cannot says so at once; ROMA's socket would say nothing at
        all.
        """
        async with self._within(timeout_s, "Stopping the run"):
            await self._mirror.settled(timeout_s)
            project_id = self._shown_id() if project_id is None else project_id
            path = f"{project_path(project_id)}/stop"
            answer = await self._post(path, None)
            if answer.status != 200:
                refused = self._refused(answer, f"POST {path}")
                if answer.status in _NO_ROUTE and wire.read_error(answer.body) is None:
                    raise ServerError(
                        f"This server cannot stop a run: it has no POST {path} (HTTP {answer.status}). ROMA v1 cannot; "
                        "the run goes on.",
                        f"POST {path}",
                    )
                await self._raise_if_unknown(project_id, refused)
                raise refused
            await self._look_at_projects()

    async def save(self, timeout_s: float, project_id: str | None = None) -> None:
        """Has the server save this project (None: the shown one)."""
        async with self._within(timeout_s, "Saving the project"):
            await self._mirror.settled(timeout_s)
            self._need_socket("Saving on the server")
            project_id = self._shown_id() if project_id is None else project_id
            # of an id that is not its own ROMA makes a file and a project, so look now and not at what we remember
            if self._feed.is_roma and project_id not in {
                one.project_id for one in (await self._list()).projects
            }:
                raise UnknownProject(
                    f"The server has no project {shorten(project_id, 60)!r} any more; it was not saved."
                )
            await self._requests.ask(requests.save(project_id), timeout_s)
            await self._confirm_exists(project_id)

    async def refresh(self, timeout_s: float) -> None:
        """The newest state, asked for in the way that harms no run."""
        async with self._within(timeout_s, "Refreshing", ""):
            await self._mirror.settled(timeout_s)
            if not self._is_live:
                with self._reached("The look over HTTP"):
                    shown = self._mirror.shown_project()
                    await self._feed.poll_once(shown.project.project_id if shown is not None else None)
            elif self._feed.numbers.extension:
                await self._requests.ask(requests.snapshot(), timeout_s)
            elif self._feed.is_declared_safe:
                await self._requests.ask(requests.initial_state(), timeout_s)
            elif (shown := self._mirror.shown_project()) is not None and shown.project.project_id:
                await self._requests.ask(requests.restore(shown.project.project_id), timeout_s)
            else:
                await self._look_at_projects()
            self._mirror.publish_now()

    # -- insides

    @property
    def _is_live(self) -> bool:
        return self._feed.connection.state == "live"

    @staticmethod
    def _is_over(task: Task, known: Fetched) -> bool:
        stages = known.trace.stages if known.trace is not None else ()
        return task.status in FINAL and all(stage.status != StageStatus.RUNNING for stage in stages)

    def _task(self, task_id: str, project_id: str | None = None) -> tuple[str, Task]:
        """The task with its project's id, of the shown project unless one is named. ROMA invents a trace of a task
        that does not exist, so it is not asked.
        """
        shown = self._mirror.shown_project() if project_id is None else self._mirror.project(project_id)
        if shown is None or task_id not in shown.tasks:
            of = (
                f"the shown run of {len(shown.tasks)} tasks"
                if shown is not None
                else "it: no project is shown yet"
            )
            meant = did_you_mean(str(task_id), shown.tasks) if shown is not None else ""
            raise UnknownTask(f"There is no task {shorten(str(task_id), 80)!r} in {of}.{meant}")
        return shown.project.project_id, shown.tasks[task_id]

    def _shown_id(self) -> str:
        shown = self._mirror.shown_project()
        if shown is None or not shown.project.project_id:
            raise UnknownProject(
                "No project is shown, so there is none to do this with: start or name one (m.projects)."
            )
        return shown.project.project_id

    def _need_socket(self, what: str) -> None:
        state = self._feed.connection.state
        if state != "live":
            why = _WHY_NO_SOCKET.get(state, f"the state is {state}")
            if state == "polling" and self._feed.options.relay:
                why = _WHY_NO_RELAY
            raise NotLive(f"{what} needs the socket, and {why}.")

    def _rest(self) -> Rest:
        rest = self._feed.rest
        if rest is None or self._feed.connection.state == "closed":
            raise NotLive("There is no connection: connect again with roma.connect(…).")
        return rest

    async def _post(self, path: str, body: dict[str, Any] | None) -> Answer:
        with self._reached(f"POST {path}"):
            answer = await self._rest().post(path, body)
        self._feed.wake()
        return answer

    async def _list(self) -> wire.ProjectsListed:
        with self._reached("GET /api/projects"):
            return await self._rest().projects()

    async def _look_at_projects(self) -> None:
        """What the server's list says now is shown when the action returns."""
        if self._feed.is_roma:
            self._feed.hearing.handle(await self._list(), live=False)
        self._mirror.publish_now()

    def _refused(self, answer: Answer, request: str) -> ServerError:
        said = wire.read_error(answer.body)
        words = (
            hide(said, self._feed.options.secrets()) if said else f"{request} answered HTTP {answer.status}."
        )
        return ServerError(words, request)

    async def _raise_if_unknown(self, project_id: str, refused: ServerError) -> None:
        try:
            answer = await self._rest().get(project_path(project_id))
        except Unreachable:
            return
        if answer.status == 404 and wire.read_error(answer.body) is not None:
            raise UnknownProject(
                f"The server has no project {shorten(project_id, 60)!r}: {refused.message}"
            ) from refused

    async def _confirm_exists(self, project_id: str) -> None:
        path = project_path(project_id)

        async def look() -> str | None:
            status = (await self._rest().get(path)).status
            return None if status == 200 else f"GET {path} answers HTTP {status}"

        await self._confirm(look, f"GET {path}")

    async def _confirm_current(self, project_id: str) -> None:
        async def look() -> str | None:
            listed = await self._rest().projects()
            if listed.current_id != project_id:
                return f"its list says that {shorten(str(listed.current_id), 60)} is current"
            self._feed.hearing.handle(listed, live=False)
            return None

        await self._confirm(look, "GET /api/projects")

    async def _confirm(self, look: Any, request: str) -> None:
        """Until `look` gives no objection. A server without HTTP API is taken at its word."""
        if not self._feed.is_roma:
            return
        deadline = time.monotonic() + CONFIRM_S
        delay_s = CONFIRM_FIRST_S
        while True:
            try:
                objection = await look()
            except Unreachable as error:
                objection = str(error).rstrip(".")
            if objection is None:
                return
            if time.monotonic() + delay_s > deadline:
                raise ServerError(
                    f"The server said yes, but over HTTP it does not agree: {objection}. Look at m.projects.",
                    request,
                )
            await asyncio.sleep(delay_s)
            delay_s *= CONFIRM_GROWTH

    @asynccontextmanager
    async def _within(self, timeout_s: float, what: str, then: str = _NOT_KNOWN) -> AsyncIterator[None]:
        """All of an action. What it asked for may still happen when it is given up."""
        limit = asyncio.timeout(timeout_s + MARGIN_S)
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():  # a request's own
                raise
            state = self._feed.connection.state
            raise WaitTimeout(
                f"{what} was not done within {timeout_s:g} s; the connection is {state}.{then}"
            ) from None

    @contextmanager
    def _reached(self, what: str) -> Iterator[None]:
        try:
            yield
        except Unreachable as error:
            raise ConnectError(f"{what} got no answer. {error}") from error
