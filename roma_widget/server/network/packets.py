"""Packets of Engine.IO as they go out: a text is encoded once, whoever it is for, and kept as bytes."""

from __future__ import annotations

from typing import Any

from engineio import packet as engineio_packet


class Utf8(bytes):
    """The text of a websocket's text frame."""


class TextPacket(engineio_packet.Packet):  # type: ignore[misc] # the library has no types
    """A message with a text, given as UTF-8. It may be sent to any number of clients, over either transport."""

    def __init__(self, text: bytes) -> None:
        super().__init__(engineio_packet.MESSAGE)
        self.data = Utf8(b"4" + text)

    def encode(self, b64: bool = False) -> str | bytes:
        """For an answer to a long poll (`b64`) text; the library joins and encodes it there."""
        return self.data.decode() if b64 else self.data


def message(data: bytes) -> Any:
    """A binary packet, for one client: the library keeps its first encoding, which differs with the transport."""
    return engineio_packet.Packet(engineio_packet.MESSAGE, data)
