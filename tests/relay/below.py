"""A client below a relay that speaks the wire itself: who it is, what it hears, what it is answered."""

from __future__ import annotations

from typing import Any, Self

import socketio
from client.servers import ServerThread, eventually

TIMEOUT_S = 30.0


class Below:
    """Of the extension under this label, or (without one) a plain one. Its methods are called in the test's thread."""

    def __init__(self, servers: ServerThread, url: str, label: str | None) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._servers = servers
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False)
        self._client.on("*", self._hear)
        auth = {} if label is None else {"roma_widget": 1, "label": label}
        servers.run(self._client.connect(url, auth=auth, transports=["websocket"]))

    def _hear(self, event: str, *args: Any) -> None:
        self.heard.append((event, args[0] if args else None))

    def all(self, event: str) -> list[Any]:
        return [payload for name, payload in tuple(self.heard) if name == event]

    def hears(self, event: str, count: int = 1) -> list[Any]:
        """These, once there are so many, without the `rid`."""
        eventually(lambda: len(self.all(event)) >= count, TIMEOUT_S)
        return self.all(event)

    def answer(self, request_id: str, action: str = "approve", instructions: str | None = None) -> Any:
        """Returns what came before the acknowledgement: (event, payload), None where nothing did."""
        rid = f"rid-{len(self.heard)}"
        given = {
            "request_id": request_id,
            "action": action,
            "modification_instructions": instructions,
            "rid": rid,
        }
        self._servers.run(self._client.call("hitl_response", given, timeout=TIMEOUT_S))
        replies = [
            (event, payload)
            for event, payload in self.heard
            if isinstance(payload, dict) and payload.get("rid") == rid
        ]
        assert len(replies) < 2
        return replies[0] if replies else None

    def says(self, request_id: str, action: str = "approve") -> None:
        """An answer, and no waiting for what comes of it."""
        self.asks("hitl_response", {"request_id": request_id, "action": action})

    def asks(self, event: str, payload: Any) -> None:
        """And no waiting for the answer."""
        self._servers.run(self._client.emit(event, payload))

    def is_gone(self) -> None:
        """Returns when all was heard of a relay that has died."""
        eventually(lambda: not self._client.connected, TIMEOUT_S)

    def close(self) -> None:
        self._servers.run(self._client.disconnect())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
