"""Who is joined, told by kind: plain clients speak ROMA and nothing else, those of the extension are told more."""

from __future__ import annotations

from roma_widget.server.network.app import Client, Shell


class Audience:
    """All clients of a server. Without a `shell` (before the start) nobody is there."""

    def __init__(self) -> None:
        self.shell: Shell | None = None

    def __len__(self) -> int:
        return len(self._clients())

    def everyone(self, event: str, payload: bytes) -> None:
        if self.shell is not None:
            self.shell.broadcast(event, payload)

    def by_kind(self, event: str, plain: bytes, extended: bytes) -> None:
        """To everyone, in the words of each."""
        for client in self._clients():
            client.post(event, extended if client.extension else plain)

    def extended(self, event: str, payload: bytes, *, but: Client | None = None) -> None:
        """To the clients of the extension only."""
        for client in self._clients():
            if client.extension and client is not but:
                client.post(event, payload)

    def has_plain(self) -> bool:
        return any(not client.extension for client in self._clients())

    def refresh(self) -> None:
        if self.shell is not None:
            self.shell.refresh()

    def refresh_extended(self) -> None:
        """Plain clients hear of it with the next frame: they get no more of these than one in half a second."""
        for client in self._clients():
            if client.extension:
                client.refresh()

    def _clients(self) -> tuple[Client, ...]:
        return tuple(self.shell.clients.values()) if self.shell is not None else ()
