"""The widget: traits that mirror a run, methods that turn it into data, and the two outputs a display makes.

Only `roma-io` sets the traits, `selection` apart. A monitor holds no socket and no state of its own: a session
(given by whoever opens the monitor) does.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import time
import uuid
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import wait
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, Self

import anywidget
import traitlets

from ..analysis import frames
from ..analysis.run_data import RunData
from ..core import view
from ..core.hitl import ANSWERABLE, PENDING, HitlRequest
from ..core.log import Excerpt
from ..core.model import OUTCOMES_OF_AN_ENDED_RUN, Connection, Snapshot, Task, Trace
from ..core.reading import shorten
from ..core.review import for_the_browser
from ..errors import AnswerError, NotLive, UnknownTask
from .acting import Acting, Actions, checked_id, checked_timeout, detached
from .assets import asset
from .callbacks import Callbacks
from .cells import cell_watch
from .history import Memory, Remembering
from .hitl import Hitl, Questions
from .hitl_news import News
from .inspecting import Inspecting
from .messages import Channel, Publication
from .noting import Io, Noted, Noting, Watches
from .picture import Picture
from .question import Question
from .saving import Saveable, Saving
from .telling import Telling

if TYPE_CHECKING:
    import pandas

LEAVE_WITHIN_S = 10.0
"""How long `disconnect` waits for the connection to end."""
ACT_WITHIN_S = 9.0
"""What a person asked for in the browser, which waits ten seconds for an answer."""
_log = logging.getLogger("roma_widget.widget")
_MIRRORED = frozenset(
    {"connection", "projects", "project", "progress", "watching", "selection", "revision", "pending", "notes"}
)
_NOT_LIVE = "roma-widget: run this cell again for the live view."
_WAITS_FOR = ("connected", "done", "hitl")


class Session(Memory, Noted, Questions, Saveable, Protocol):
    """What a monitor needs of its session."""

    @property
    def snapshot(self) -> Snapshot: ...

    @property
    def actions(self) -> Actions: ...

    async def reconnect(self, *, force: bool = False) -> None: ...

    def link(self) -> dict[str, Any]: ...

    def events(self) -> Excerpt: ...

    def traces(self, project_id: str) -> Mapping[str, Trace]: ...

    def server_offset_s(self) -> float | None: ...

    async def wait(
        self, until: Any, timeout: float | None, stall_timeout: float | None, here: Callable[[], Any]
    ) -> Any: ...


def _mirrored(kind: type[traitlets.TraitType[Any, Any]], text: str, **options: Any) -> Any:
    """A trait that only `roma-io` sets and that the browser is told."""
    return kind(read_only=True, help=text, **options).tag(sync=True)


class _Ids(traitlets.List[str]):
    """Of tasks; what is none is said in a sentence of ours."""

    def validate(self, obj: Any, value: Any) -> Any:
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise traitlets.TraitError(f"selection takes a list of task ids, not {shorten(repr(value), 60)}.")
        return super().validate(obj, value)


class Monitor(Acting, Remembering, Noting, Telling, Saving, RunData, anywidget.AnyWidget):
    """A live mirror of one ROMA run. Made by `roma_widget.connect` or `roma_widget.demo`, not directly.

    Show it by making it the last expression of a cell. Read it at any moment: `m.progress`, `m.tasks()`,
    `m.graph()`. It is a context manager; `close()` ends it.
    """

    _session: Session
    connection: Any = _mirrored(
        traitlets.Dict,
        "How the monitor hears from the server: state, reason, attempt, next_retry, error, relay, …",
    )
    projects: Any = _mirrored(
        traitlets.List,
        "The server's projects, newest first (500 at most): id, title, status, created, updated, is_current, and "
        "`questions`: how many wait for a person there, which `pending` tells of the shown project alone.",
    )
    project: Any = _mirrored(
        traitlets.Dict, "The shown project: id, title, goal, status; {} while there is none."
    )
    progress: Any = _mirrored(
        traitlets.Dict,
        "Counts and outcome of the shown run. `running` counts RUNNING and AGGREGATING, `waiting` what has not begun "
        "or waits for its sub-tasks; `fraction` is the share of the known tasks that ended.",
    )
    watching: Any = _mirrored(
        traitlets.Unicode,
        "Id of the project that this monitor holds to; None: it follows the server's current one.",
        allow_none=True,
        default_value=None,
    )
    selection: Any = _Ids(
        traitlets.Unicode(), help="Ids of the selected tasks. Set it to select and reveal them in every view."
    ).tag(sync=True)
    revision: Any = _mirrored(traitlets.Int, "Grows with each published change.")
    pending: Any = _mirrored(
        traitlets.List,
        "The questions of the shown project that wait for a person, the oldest first: request_id, checkpoint, "
        "task_id, attempt, message (cut at 2,000 characters), asked, state, why, action, project_id, previous_id.",
    )
    notes: Any = _mirrored(
        traitlets.Dict,
        "What was written beside tasks of the shown run: `n`, and the `newest` 200, oldest first: time (epoch ms), "
        "task, text (cut at 1,000 characters), tags. `m.annotations()` has all of it.",
    )
    address: Any = _mirrored(traitlets.Unicode, "host:port of the server.")
    static_key: Any = _mirrored(traitlets.Unicode, "Names the static picture beside the live view.")
    snapshot: Any = traitlets.Any(read_only=True, help="The immutable `Snapshot` last published.")
    # anywidget makes a trait of `_css` only where the class has one.
    _esm: Any = traitlets.Unicode().tag(sync=True)
    _css: Any = traitlets.Unicode().tag(sync=True)

    def __init__(
        self,
        *,
        session: Session,
        io: Io,
        address: str,
        watching: str | None,
        on_watch: Callable[[Monitor, str | None, float], Coroutine[Any, Any, None]],
        on_close: Callable[[Monitor], Coroutine[Any, Any, None]],
    ) -> None:
        self._session = session
        self._io = io
        self._on_watch = on_watch
        self._on_close = on_close
        self._is_detached = False
        self._watches = Watches()
        self._callbacks = Callbacks(self._failed)
        self._hitl = Hitl(self._asked_here, lambda: self._session, io, self.on, self._failed)
        self._inspecting = Inspecting(lambda: self.snapshot, lambda: self._session.actions)
        self._hitl_news = News(self._callbacks, self._hitl.shown)
        self._channel = Channel(self._send_to_browser, self, time.monotonic, cell_watch.busy)
        self._picture = Picture()
        cell_watch.register()
        # before the comm opens, so that the browser starts from these
        super().__init__(_esm=asset("widget.js"), _css=asset("widget.css"))
        self._put("address", address)
        self._put("watching", watching)
        self._put("static_key", f"roma-{uuid.uuid4().hex[:12]}")
        self._put("snapshot", Snapshot())
        _deliver_during_cells(self.comm)
        self.on_msg(self._hear_from_browser)

    # -- data

    def _fetched(self, snapshot: Snapshot) -> tuple[Mapping[str, Trace], float | None]:
        project = snapshot.project
        traces = self._session.traces(project.project_id) if project is not None else {}
        return traces, self._session.server_offset_s()

    def _asked(self, _snapshot: Snapshot) -> tuple[HitlRequest, ...]:
        return self._session.hitl_ledger()

    def task(self, task_id: str) -> Task:
        """One task, frozen as it stands; its `.parent`, `.children` and `.context` are tasks, too.

        Raises UnknownTask. Example: `m.task("root.1").children[0].goal`
        """
        snapshot: Snapshot = self.snapshot
        return snapshot.task(task_id)

    def events(self) -> pandas.DataFrame:
        """What happened since the monitor's session began, oldest first: one row per changed field of a task, and
        more.

        Columns: seq (int64), time (`datetime64[us, UTC]`, when we heard of it), event, task_id, field, before, after
        (strings; what does not apply is NA; texts are cut at 200 characters).

        - "task_changed": `field` of `task_id` went from `before` to `after`; "task_added": `after` is its status;
          "task_removed".
        - "project_changed": `field` of the shown project; field "project_id": another project is shown from now on,
          and what is known of it is added.
        - "connection": the state of the connection; "relay_connection": that of the relay's own with the server,
          `field` says why.
        - "watch": what `m.watch_for` waits for under the name `field` became so; "annotation": `after` was written
          beside `task_id`.
        - "error": what the server refused or what could not be read; `field` is the event's name, `after` a sentence.
          With `field` "hitl" an answer of yours was lost.
        - any other: an event of the server that this version does not know, under its own name; `field` is "size",
          `after` its size in bytes.

        Of the shown project, and of what names none; where `m.watch` leads begins anew. 50,000 rows are
        kept, 2,500 each of errors and of unknown events; `df.attrs["dropped"]` older ones are gone. Example:
        `m.events().query("field == 'status'")`
        """
        return frames.events(self._session.events())

    @property
    def hitl(self) -> Hitl:
        """What the agents ask a person: `.pending`, `.next()`, `.on_request(fn)`, `.on_answer(fn)`, `.policy(fn)`,
        `.ledger()`, `.as_code()`. Example: `m.hitl.next(timeout=60).approve()`
        """
        return self._hitl

    def link(self) -> dict[str, Any]:
        """How good the connection is, as of now; units stand in the names. All counts are of this connection's life.

        - round_trip_s: float, the newest timed `GET /api/health` (every 4 s while live); None while unknown.
        - jitter_s: float, mean difference of consecutive round trips of the last 10 minutes, |r(i) - r(i-1)| (the
          idea of RFC 3550, section 6.4.1); None with fewer than two.
        - missed_pings: int, pings that the server owed and that came more than a quarter of their interval late.
        - frames, bytes_received: int; frames_per_s, bytes_per_s: float, over the last 10 s, None while nothing
          supplies the state (and in the first second).
        - skipped_frames: int, passed over for a newer one; lost_deltas: int; unasked_replies: int, answers that
          nobody waited for; reconnects: int.
        - age_s: float, since the newest word from the server, or on the shown project where it comes over HTTP alone;
          None before the first.
        - extension: bool, whether changes come as deltas.
        - relay: None, or how the relay stands with the server above that the monitor goes through: `{"at": str
          or None, "of": str, "state": str, "reason": str or None, "error": str or None, "heard_at": str or None}`;
          the state is "absent" while there is none, at its host and port, heard_at (ISO) until when it has heard the
          server, None while it does.
        - history: a list of at most 120 points, one every 5 s, oldest first: `{"ago_s": float, "round_trip_s": float
          or None, "frames": int, "bytes": int, "state": str}`. frames and bytes came within that step; round_trip_s
          is None where none was answered in it; state is the connection's at its end. While this process or the
          machine stood still there are no points.

        Example: `[point["round_trip_s"] for point in m.link()["history"]]`
        """
        return self._session.link()

    # -- waiting and acting

    def wait(
        self, until: Any = "done", timeout: float | None = None, stall_timeout: float | None = 60.0
    ) -> Any:
        """Wait until the run is `"done"` (returns its outcome), `"connected"`, `"hitl"` (returns the oldest question
        that wants an answer, as `m.hitl.next()` does), or a predicate of Snapshot holds.

        `timeout` in seconds, None waits for ever and 0 only looks; `stall_timeout` is how long a run may count as
        stalled. Can be interrupted. When `m.watch` moves the monitor meanwhile, what it shows then is waited for.
        Raises WaitTimeout, RunStalled, ConnectError (cannot be reached), UnknownProject, NotLive (disconnected), or
        ValueError for what it does not take.
        Example: `m.wait(lambda s: len(s.tasks) > 3, timeout=30)`
        """
        return self._io.result(self._waiting(until, timeout, stall_timeout))

    async def wait_async(
        self, until: Any = "done", timeout: float | None = None, stall_timeout: float | None = 60.0
    ) -> Any:
        """`wait` for use with `await`; the kernel stays free for other work.

        Example: `await m.wait_async("done", timeout=3600)`
        """
        return await asyncio.wrap_future(self._io.submit(self._waiting(until, timeout, stall_timeout)))

    def _act(
        self,
        work: Callable[[Actions], Coroutine[Any, Any, Any]],
        meanwhile: Callable[[], object] | None = None,
    ) -> Any:
        self._raise_if_detached()
        return self._io.result(work(self._session.actions), meanwhile=meanwhile)

    def _waiting(
        self, until: Any, timeout: float | None, stall_timeout: float | None
    ) -> Coroutine[Any, Any, Any]:
        if not callable(until) and until not in _WAITS_FOR:
            raise ValueError(
                "wait(until=…) takes 'connected', 'done', 'hitl' or a function of a Snapshot, "
                f"not {shorten(repr(until), 60)}."
            )
        timeout = None if timeout is None else checked_timeout(timeout, is_wait=True)
        if stall_timeout is not None:
            stall_timeout = checked_timeout(stall_timeout, is_wait=True, what="stall_timeout")
        if self._is_detached and not (until == "done" and self.snapshot.outcome in OUTCOMES_OF_AN_ENDED_RUN):
            raise _nothing_more()
        if until == "hitl":
            return self._hitl.awaited(timeout)
        return self._session.wait(until, timeout, stall_timeout, self._here)

    def _here(self) -> Session:
        """Where this monitor is, for who waits. Raises NotLive when it is nowhere any more."""
        if self._is_detached:
            raise _nothing_more()
        return self._session

    def _asked_here(self) -> Questions:
        """Where this monitor's questions are answered. Raises NotLive when it is nowhere any more."""
        self._raise_if_detached()
        return self._session

    def watch(self, project_id: str | None, timeout: float = 20.0) -> None:
        """Show this project in this monitor alone, and switch the server for nobody; None: its current one again.

        A project that is not the server's current one is followed over HTTP, which harms no run. Returns when its
        state is shown. Raises UnknownProject or ServerError (the server's words), ConnectError, WaitTimeout
        (`timeout` seconds were not enough) or NotLive, and then the monitor shows what it did before. Example:
        `m.watch(m.projects[1]["id"])`
        """
        wanted = None if project_id is None else checked_id(project_id)
        timeout = checked_timeout(timeout)
        self._raise_if_detached()
        self._io.result(self._on_watch(self, wanted, timeout))

    def reconnect(self, force: bool = False) -> None:
        """Try to connect now. `force` opens a socket also while a run is in progress, which can freeze that run.

        Behind a relay that has no socket to the server it is the relay that tries; `force` waits for its word, and
        raises ServerError (a refusal), ConnectError or WaitTimeout when there is none. Raises NotLive when the monitor
        is disconnected, and for `force` while there is no relay: with relay=True nothing here opens a socket to the
        server itself. Example: `m.reconnect()`
        """
        if self._is_detached:
            raise NotLive("This monitor is disconnected; make a new one with roma.connect(…).")
        reconnecting = self._session.reconnect(force=force)
        if force and self.connection.get("relay") is not None:
            self._io.result(reconnecting)
        else:
            self._io.submit(reconnecting)

    def disconnect(self) -> None:
        """Stop listening. The view stays and says so; the data stays readable. May be called again.

        Example: `m.disconnect(); m.tasks()`
        """
        if self._is_detached:
            return
        self._is_detached = True
        self._watches.end()
        self._callbacks.end()
        with suppress(NotLive):  # as Python ends, or in a fork: nobody listens any more
            leaving = self._io.submit(self._leave())
            if self._io.is_current():  # from a trait observer: nobody may wait there
                return
            if wait({leaving}, LEAVE_WITHIN_S).done:
                leaving.result()
            else:
                _log.warning(
                    "This monitor has not let go of its server after %g s; it goes on doing so on its own.",
                    LEAVE_WITHIN_S,
                )

    def close(self) -> None:
        """Disconnect and remove the view; the end of a `with` block does it by itself. May be called again.

        Example: `m.close()`
        """
        self.disconnect()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        numbers = self.progress
        goal = self.project.get("goal")
        run = f"{shorten(goal, 60)!r} " if goal else ""
        counts = (
            f"{numbers['outcome'].replace('_', ' ')}: {numbers['done']} of {numbers['total']} done, "
            f"{numbers['failed']} failed, {numbers['running']} running"
            if numbers.get("total")
            else "no tasks yet"
        )
        state = self.connection.get("state", "connecting")
        return f"<Monitor {self.address} {state}; {run}{counts}; revision {self.revision}>"

    # -- from the session, on roma-io

    def move_to(self, session: Session, watching: str | None) -> None:
        """From now on this session shows what this monitor shows; it tells right afterwards."""
        self._session = session
        self._put("watching", watching)

    def show(self, news: Publication, facts: dict[str, Any]) -> None:
        if facts["project"].get("id") != self.project.get("id"):
            self._put("selection", [])  # the same ids are other tasks there
        before = self.snapshot
        self._put("snapshot", news.snapshot)
        for name, value in facts.items():
            self._put(name, value)
        self._put("revision", news.snapshot.revision)
        self._show_notes()
        self._channel.publish(news)
        self._tell_of_the_end(before, news.snapshot)
        self._picture.refresh(self.snapshot, self.static_key)

    def _show_notes(self) -> None:
        self._put("notes", view.notes(self._session.annotations()))

    def show_connection(self, connection: Connection) -> None:
        before = self.connection
        self._put("connection", connection.as_trait())
        if self.connection != before:
            self._callbacks.tell("connection", copy.deepcopy(self.connection))

    def show_prompts(self, pending: tuple[HitlRequest, ...]) -> None:
        self._put("pending", [request.as_trait() for request in pending])
        self._hitl_news.show(pending)

    def prompt_changed(self, request: HitlRequest) -> None:
        """A question is new, or in another state."""
        self._hitl_news.hear(request)
        if request.state not in PENDING:
            self._channel.settled(request)

    def beat(self, age_ms: float | None, server_now_ms: float | None, round_trip_ms: float | None) -> None:
        self._channel.beat(age_ms, server_now_ms, round_trip_ms)
        self._show_notes()
        self._picture.refresh(self.snapshot, self.static_key)

    def retire(self) -> None:
        """A later run of the same cell has made another monitor, and this one's output is gone."""
        self._picture.end()
        self._watches.end()
        self._callbacks.end()

    # -- from the browser, on roma-io (messages.Person)

    def select(self, tasks: list[str]) -> None:
        unknown = [task_id for task_id in tasks if task_id not in self.snapshot.tasks]
        if unknown:
            raise UnknownTask(f"There is no task {shorten(unknown[0], 80)!r} any more.")
        self._put("selection", tasks)

    async def connect_anyway(self) -> None:
        self._raise_if_detached()
        await self._session.reconnect(force=True)

    async def retry(self) -> None:
        self._raise_if_detached()
        await self._session.reconnect()

    async def show_project(self, project_id: str | None) -> None:
        self._raise_if_detached()
        await self._on_watch(self, project_id, ACT_WITHIN_S)

    async def switch_for_everyone(self, project_id: str) -> None:
        self._raise_if_detached()
        await self._session.actions.switch(project_id, ACT_WITHIN_S)

    async def task_details(self, task_id: str) -> dict[str, Any]:
        task: Task | None = self.snapshot.tasks.get(task_id)
        if task is None:
            raise UnknownTask(f"There is no task {shorten(task_id, 80)!r} any more.")
        details = view.task_details(task, await self._session.actions.details(task, ACT_WITHIN_S))
        # of a saved run it is read from its file
        changes = await asyncio.to_thread(self._session.statuses, task_id)
        return {**details, "history": view.status_history(changes)}

    async def task_trace(self, task_id: str) -> Any:
        return await self._inspecting.trace(task_id, ACT_WITHIN_S)

    async def stage_texts(self, task_id: str, seq: int) -> Any:
        return await self._inspecting.texts(task_id, seq, ACT_WITHIN_S)

    async def open_stage(self, task_id: str, seq: int) -> None:
        if self._callbacks.wants("stage_opened"):
            self._callbacks.tell("stage_opened", *await self._inspecting.opened(task_id, seq, ACT_WITHIN_S))

    async def answer_question(self, request_id: str, action: str, instructions: str | None) -> None:
        self._raise_if_detached()
        await self._hitl.answering.take(request_id, action, instructions, "button")

    async def question(self, request_id: str) -> dict[str, Any]:
        request = self._session.question(request_id)
        if request is None:
            raise AnswerError(f"There is no question {shorten(repr(request_id), 80)} any more.")
        previous = self._session.question(request.previous_id) if request.previous_id is not None else None
        return await asyncio.to_thread(for_the_browser, request, previous)  # it may be megabytes

    def link_quality(self) -> dict[str, Any]:
        return self._session.link()

    # -- insides

    def _open_questions(self) -> list[tuple[Question]]:
        pending = self._session.prompts()
        return [(self._hitl.shown(each),) for each in pending if each.state in ANSWERABLE]

    def _raise_if_detached(self) -> None:
        if self._is_detached:
            raise detached()

    @traitlets.validate("selection")
    def _check_selection(self, proposal: dict[str, Any]) -> list[str]:
        for task_id in proposal["value"]:
            self.task(task_id)
        return list(proposal["value"])

    @traitlets.observe("selection")
    def _selected(self, change: dict[str, Any]) -> None:
        before = change["old"] if isinstance(change["old"], list) else []
        self._tell_selected(before, change["new"], self.snapshot)

    def notify_change(self, change: Any) -> None:
        """Without an open view nobody needs the comm message; a view gets all traits with its first hello."""
        if (
            change["name"] in _MIRRORED
            and getattr(self, "_channel", None) is not None
            and not self._channel.is_open
        ):
            traitlets.HasTraits.notify_change(self, change)
        else:
            super().notify_change(change)

    def _put(self, name: str, value: Any) -> None:
        if getattr(self, name) == value:
            return
        try:
            # a copy: what a notebook does to the trait's value must not reach the other monitors
            self.set_trait(name, value if name == "snapshot" else copy.deepcopy(value))
        except BaseException:  # a person's trait observer raised: theirs must not stop ours
            _log.exception("an observer of %r raised", name)

    def _hear_from_browser(self, _widget: object, content: object, _buffers: object) -> None:
        self._io.post(self._receive, content)

    def _receive(self, content: object) -> None:
        if self._channel.receive(content):
            self.send_state(list(_MIRRORED))

    def _send_to_browser(self, content: dict[str, Any], buffers: list[bytes]) -> None:
        if self.comm is not None:
            self.send(content, buffers)

    async def _leave(self) -> None:
        self.show_connection(Connection("closed", reconnects=self.connection.get("reconnects", 0)))
        await self._on_close(self)

    def _ipython_display_(self, **_: Any) -> None:
        """Two outputs: the live view, and a picture without scripts that survives where the view cannot."""
        from IPython.display import display

        bundle: Any = self._repr_mimebundle_()
        if isinstance(bundle, tuple):
            bundle = bundle[0]
        if bundle is None:
            print(repr(self))
            return
        display({**bundle, "text/plain": _NOT_LIVE}, raw=True)
        self._picture.display(self.snapshot, self.static_key)


def _nothing_more() -> NotLive:
    return NotLive(
        "This monitor is disconnected: nothing more will come. Connect again with roma.connect(…)."
    )


def _deliver_during_cells(comm: Any) -> None:
    """Let clicks arrive while a cell runs.

    ipykernel 7 routes a comm's messages to the subshell of the comm's last parent message; after a publish from a
    cell or a thread that is the busy main shell, and a click waits for the cell's end. Measured: 7.0 s became 30 ms.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda _data, default: default
