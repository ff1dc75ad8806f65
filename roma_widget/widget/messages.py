"""What travels between kernel and browser (docs/messages.md), and who is told what.

A `Channel` is the browser's side of one monitor. It runs on the loop of `roma-io` and knows which views are open,
what was sent last, and nothing else: a view that lost a message says `hello` again and gets a whole snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from ..core import view
from ..core.model import NO_TASKS, Snapshot, Task

SILENCE_S = 60.0
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


class Ask(msgspec.Struct, tag_field="type", tag="ask"):
    rid: str
    what: str
    task: str


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
    """What a person can ask for through the browser; raises with one sentence when it cannot be."""

    def select(self, tasks: list[str]) -> None: ...

    def connect_anyway(self) -> None: ...

    def retry(self) -> None: ...


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
        try:
            match message.action:
                case "select":
                    self._person.select(message.tasks)
                case "connect_anyway":
                    self._person.connect_anyway()
                case "retry":
                    self._person.retry()
                case unknown:
                    raise ValueError(f"This version knows no action {unknown[:40]!r}.")
        except Exception as error:  # the person in the browser is who must learn of it
            self._reply(message.rid, str(error) or type(error).__name__)
        else:
            self._reply(message.rid, None)

    def _answer(self, message: Ask) -> None:
        task: Task | None = (self._snapshot.tasks or NO_TASKS).get(message.task)
        if message.what != "task":
            self._reply(message.rid, f"This version cannot be asked for {message.what[:40]!r}.")
        elif task is None:
            self._reply(message.rid, f"There is no task {message.task[:80]!r} any more.")
        else:
            try:
                body = _encode(view.task_details(task))
            except Exception as error:  # whatever the server wrote there: who asked must hear something
                self._reply(message.rid, f"This task's texts cannot be read ({type(error).__name__}).")
            else:
                self._reply(message.rid, None, [body])

    def _reply(self, rid: str, error: str | None, buffers: list[bytes] | None = None) -> None:
        self._send({"type": "reply", "rid": rid, "ok": error is None, "error": error}, buffers or [])
