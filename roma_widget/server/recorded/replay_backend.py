"""What stands behind the shell in a replay: the recorded server at this moment, and what clients hear of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from roma_widget.archive.capture import FRAME, Broadcast, Capture, Moment
from roma_widget.server.network.client import Client
from roma_widget.server.network.subscriber import Backlog, Message
from roma_widget.server.recorded.answers import HANDLED_EVENTS, Asked, answer
from roma_widget.server.recorded.replay_http import routes
from roma_widget.server.recorded.standing import Standing
from roma_widget.server.wire.records import compact_json, empty_frame

_SNAPSHOTS = frozenset({FRAME, "project_switched"})


class ReplayBackend:
    """A `Backend` whose state is moved by `apply`, one recorded moment after the other."""

    events = tuple(HANDLED_EVENTS)

    def __init__(self, capture: Capture, *, safe_to_join: bool) -> None:
        self._capture = capture
        self._safe_to_join = safe_to_join
        self._standing = Standing(capture)
        self._backlogs: dict[Client, Backlog] = {}

    def apply(self, moment: Moment) -> None:
        """The moment is now; a broadcast goes to everyone."""
        self._standing.apply(moment)
        if isinstance(moment, Broadcast):
            self._broadcast(moment.event, moment.payload)

    def _broadcast(self, event: str, payload: bytes) -> None:
        for client, backlog in self._backlogs.items():
            backlog.put((event, payload, False), is_snapshot=event in _SNAPSHOTS)
            client.refresh()

    async def joined(self, client: Client) -> None:
        await client.reply("projects_list", compact_json(self._standing.projects_list()))
        if self._standing.current_id is None:  # then everyone is sent the empty frame
            self._broadcast(FRAME, empty_frame(_now()))
            await client.reply(FRAME, empty_frame(_now()))
        self._backlogs[client] = Backlog()

    def left(self, client: Client) -> None:
        self._backlogs.pop(client, None)

    async def request(self, client: Client, event: str, args: tuple[Any, ...]) -> None:
        for reply in answer(event, args, Asked(self._capture, self._standing, _now())):
            await client.reply(reply.event, reply.payload)

    def refused(self, client: Client, event: str, why: str, args: tuple[Any, ...] = ()) -> tuple[str, bytes]:
        return "error", compact_json({"message": why})

    def newest(self, client: Client) -> Message | None:
        """The next message of the client's backlog; while there are more it is asked again."""
        backlog = self._backlogs.get(client)
        if backlog is None:
            return None
        message = backlog.take()
        if len(backlog):
            client.refresh()
        return message

    def routes(self) -> list[web.RouteDef]:
        return routes(self._standing, safe_to_join=self._safe_to_join)


def _now() -> str:
    """Naive local time, as the real server writes it everywhere but in its health reply."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None).isoformat()
