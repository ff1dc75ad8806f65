"""What travels between kernel and browser (docs/messages.md), and who is told what.

A `Channel` is the browser's side of one monitor. It runs on the loop of `roma-io` and knows which views are open,
what was sent last, and nothing else: a view that lost a message says `hello` again and gets a whole snapshot.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ..core import view
from ..core.hitl import HitlRequest
from ..core.model import Snapshot
from ..core.reading import clean, shorten
from ..errors import RomaError

SILENCE_S = 60.0
LONGEST_ERROR = 1_000
_log = logging.getLogger("roma_widget.widget")
_NOTHING = b'{"changed":{},"removed":[]}'
_encode = msgspec.json.Encoder().encode

Send = Callable[[dict[str, Any], list[bytes]], None]


class Hello(msgspec.Struct, tag_field="type", tag="hello"):
    view: str
    rev: int | None = None


class Here(msgspec.Struct, tag_field="type", tag="here"):
    """A sign of life every 20 s: a tab that was closed says nothing at all."""

    view: str


class Bye(msgspec.Struct, tag_field="type", tag="bye"):
    view: str


class Do(msgspec.Struct, tag_field="type", tag="do"):
    rid: str
    action: str
    tasks: list[str] = []
    project: str | None = None
    request: str = ""
    answer: str = ""
    instructions: str | None = None
    task: str = ""
    seq: int = -1


class Ask(msgspec.Struct, tag_field="type", tag="ask"):
    rid: str
    what: str
    task: str = ""
    at: float | None = None
    request: str = ""
    seq: int = -1


FromBrowser = Hello | Here | Bye | Do | Ask


@dataclass(frozen=True, slots=True)
class Publication:
    """One published change: `delta` is the encoded difference to `base`, made once for all monitors."""

    snapshot: Snapshot
    base: int
    delta: bytes
    server_now_ms: float | None


def publication(before: Snapshot, after: Snapshot, server_now_ms: float | None) -> Publication:
    """What turns a browser that shows `before` into one that shows `after`."""
    changed = view.difference(before.tasks, after.tasks)
    return Publication(after, before.revision, _encode(changed) if changed else _NOTHING, server_now_ms)


class Person(Protocol):
    """What a person can ask for through the browser; raises with one sentence when it cannot be.

    What takes its time is awaited, and answered when it is done.
    """

    def select(self, tasks: list[str]) -> None: ...

    def connect_anyway(self) -> Awaitable[None]: ...

    def retry(self) -> Awaitable[None]: ...

    def show_project(self, project_id: str | None) -> Awaitable[None]: ...

    def switch_for_everyone(self, project_id: str) -> Awaitable[None]: ...

    def task_details(self, task_id: str) -> Awaitable[Any]: ...

    def task_trace(self, task_id: str) -> Awaitable[Any]: ...

    def stage_texts(self, task_id: str, seq: int) -> Awaitable[Any]: ...

    def export_page(self) -> Awaitable[Any]: ...

    def open_stage(self, task_id: str, seq: int) -> Awaitable[None]: ...

    def answer_question(self, request_id: str, action: str, instructions: str | None) -> Awaitable[None]: ...

    def question(self, request_id: str) -> Awaitable[Any]: ...

    def link_quality(self) -> Any: ...

    def known_times(self) -> Any: ...

    def run_at(self, epoch_ms: float) -> Awaitable[Any]: ...


class Channel:
    """See the module. `busy` tells whether a cell is running, so that silence may mean nothing."""

    def __init__(
        self, send: Send, person: Person, now: Callable[[], float], busy: Callable[[], bool]
    ) -> None:
        self._send = send
        self._person = person
        self._now = now
        self._busy = busy
        self._views: dict[str, float] = {}
        self._sent: int | None = None
        self._snapshot = Snapshot()
        self._server_now_ms: float | None = None
        self._replying: set[asyncio.Future[None]] = set()

    @property
    def is_open(self) -> bool:
        return bool(self._views)

    def publish(self, news: Publication) -> None:
        """Tell the open views what is new."""
        self._snapshot, self._server_now_ms = news.snapshot, news.server_now_ms
        if not self._views:
            self._sent = None
        elif self._sent == news.base:
            self._sent = news.snapshot.revision
            content = {
                "type": "delta",
                "rev": self._sent,
                "base": news.base,
                "server_now": news.server_now_ms,
            }
            self._send(content, [news.delta])
        else:
            self._send_snapshot()

    def beat(self, age_ms: float | None, server_now_ms: float | None, round_trip_ms: float | None) -> None:
        """Say that the kernel lives. Views that fell silent are taken for closed."""
        now = self._now()
        if self._busy():
            self._views = dict.fromkeys(self._views, now)
        self._views = {name: seen for name, seen in self._views.items() if now - seen < SILENCE_S}
        self._server_now_ms = server_now_ms
        if self._views and self._sent is not None:
            self._send(
                {
                    "type": "beat",
                    "rev": self._sent,
                    "age_ms": age_ms,
                    "server_now": server_now_ms,
                    "round_trip_ms": round_trip_ms,
                },
                [],
            )

    def settled(self, request: HitlRequest) -> None:
        """Tell the open views what became of a question, which is among the pending ones no more."""
        if self._views:
            self._send(
                {
                    "type": "settled",
                    "request_id": request.request_id,
                    "state": str(request.state),
                    "action": request.answer.action if request.answer is not None else None,
                    "why": request.why,
                },
                [],
            )

    def receive(self, content: object) -> bool:
        """Handle what a browser sent. True when a view opened, which wants the traits, too."""
        try:
            message = msgspec.convert(content, FromBrowser)
        except msgspec.ValidationError as error:
            rid = content.get("rid") if isinstance(content, Mapping) else None
            if isinstance(rid, str):
                self._reply(rid, f"The message was not understood: {error}.")
            return False
        match message:
            case Hello():
                self._views[message.view] = self._now()
                self._send_snapshot()
                return True
            case Here():
                unknown = message.view not in self._views
                self._views[message.view] = self._now()
                if unknown:
                    self._send_snapshot()
                return unknown
            case Bye():
                self._views.pop(message.view, None)
            case Do():
                self._do(message)
            case Ask():
                self._answer(message)
        return False

    def _send_snapshot(self) -> None:
        self._sent = self._snapshot.revision
        content = {"type": "snapshot", "rev": self._sent, "server_now": self._server_now_ms}
        self._send(content, [_encode(view.whole(self._snapshot.tasks))])

    def _do(self, message: Do) -> None:
        person = self._person
        match message.action:
            case "select" | "open_stage" if self._is_of_another_run(message):
                self._reply(message.rid, "Another run is shown by now.")
            case "select":
                self._answer_with(message.rid, lambda: person.select(message.tasks))
            case "connect_anyway":
                self._answer_with(message.rid, person.connect_anyway)
            case "retry":
                self._answer_with(message.rid, person.retry)
            case "watch":
                self._answer_with(message.rid, lambda: person.show_project(message.project))
            case "switch" if message.project is not None:
                project_id = message.project
                self._answer_with(message.rid, lambda: person.switch_for_everyone(project_id))
            case "answer":
                self._answer_with(
                    message.rid,
                    lambda: person.answer_question(message.request, message.answer, message.instructions),
                )
            case "export_page":
                self._answer_with(message.rid, person.export_page)
            case "open_stage":
                self._answer_with(message.rid, lambda: person.open_stage(message.task, message.seq))
            case unknown:
                self._reply(message.rid, f"This version knows no action {unknown[:40]!r}.")

    def _is_of_another_run(self, message: Do) -> bool:
        """Whether the person saw another run than is shown: the same ids are other tasks there."""
        project = self._snapshot.project
        return message.project is not None and (project is None or project.project_id != message.project)

    def _answer(self, message: Ask) -> None:
        person = self._person
        match message.what:
            case "task":
                self._answer_with(message.rid, lambda: person.task_details(message.task))
            case "trace":
                self._answer_with(message.rid, lambda: person.task_trace(message.task))
            case "stage":
                self._answer_with(message.rid, lambda: person.stage_texts(message.task, message.seq))
            case "question":
                self._answer_with(message.rid, lambda: person.question(message.request))
            case "link":
                self._answer_with(message.rid, person.link_quality)
            case "times":
                self._answer_with(message.rid, person.known_times)
            case "moment" if message.at is not None:
                at_ms = message.at
                self._answer_with(message.rid, lambda: person.run_at(at_ms))
            case unknown:
                self._reply(message.rid, f"This version cannot be asked for {unknown[:40]!r}.")

    def _answer_with(self, rid: str, act: Callable[[], Any]) -> None:
        """Reply with what `act` gives, at once or when it has been awaited."""
        try:
            value = act()
        except Exception as error:  # the person in the browser is who must learn of it
            self._reply(rid, _told(error))
            return
        if not isinstance(value, Awaitable):
            self._reply_with(rid, value)
            return
        task = asyncio.ensure_future(self._reply_when_done(rid, value))
        self._replying.add(task)
        task.add_done_callback(self._replying.discard)

    async def _reply_when_done(self, rid: str, value: Awaitable[Any]) -> None:
        try:
            answer = await value
        except Exception as error:
            self._reply(rid, _told(error))
        else:
            self._reply_with(rid, answer)

    def _reply_with(self, rid: str, value: Any) -> None:
        try:
            body = [_encode(value)] if value is not None else []
        except Exception as error:  # whatever a server wrote there: who asked must hear something
            _log.exception("putting an answer into words")
            self._reply(rid, f"The answer cannot be put into words ({type(error).__name__}).")
        else:
            self._reply(rid, None, body)

    def _reply(self, rid: str, error: str | None, buffers: list[bytes] | None = None) -> None:
        said = None if error is None else shorten(clean(error), LONGEST_ERROR)
        self._send({"type": "reply", "rid": clean(rid), "ok": error is None, "error": said}, buffers or [])


def _told(error: Exception) -> str:
    """The sentence for who asked. What is no refusal of ours is a mistake of ours: the log has all of it."""
    if not isinstance(error, RomaError):
        _log.error("what a browser asked for failed", exc_info=error)
    return str(error) or type(error).__name__
