"""Packets of Engine.IO as they go out: encoded once, whoever they are for, and kept as bytes."""

from __future__ import annotations

import base64
import struct
from functools import cached_property
from typing import NamedTuple

from engineio import packet as engineio_packet

TEXT, BINARY = 1, 2
_LAST = 0x80


class Utf8(bytes):
    """The text of a websocket's text frame."""


class TextAndBytes(NamedTuple):
    """What goes out as two frames, one behind the other."""

    text: Utf8
    attachment: bytes


class TextPacket(engineio_packet.Packet):  # type: ignore[misc] # the library has no types
    """A message with a text, given as UTF-8. It may be sent to any number of clients, over either transport."""

    packets = 1

    def __init__(self, text: bytes) -> None:
        super().__init__(engineio_packet.MESSAGE)
        self.data = Utf8(b"4" + text)

    @property
    def text(self) -> bytes:
        return self.data

    @cached_property
    def wire(self) -> bytes:
        """All of it as it stands on a websocket that does not compress it."""
        return frame(self.data, TEXT)

    def encode(self, b64: bool = False) -> str | bytes:
        """For an answer to a long poll (`b64`) text; the library joins and encodes it there."""
        return self.data.decode() if b64 else self.data


class AttachedPacket(engineio_packet.Packet):  # type: ignore[misc]
    """A text that announces one attachment, and that attachment: two packets, which nothing may come between."""

    packets = 2

    def __init__(self, text: bytes, attachment: bytes) -> None:
        super().__init__(engineio_packet.MESSAGE)
        self.text = Utf8(b"4" + text)
        self.data = attachment

    @cached_property
    def wire(self) -> bytes:
        return frame(self.text, TEXT) + frame(self.data, BINARY)

    def encode(self, b64: bool = False) -> str | TextAndBytes:
        """As `TextPacket.encode`. \\x1e stands between the packets of one answer."""
        if not b64:
            return TextAndBytes(self.text, self.data)
        return f"{self.text.decode()}\x1eb{base64.b64encode(self.data).decode()}"


Outgoing = TextPacket | AttachedPacket


def frame(payload: bytes | memoryview, opcode: int, *, is_last: bool = True) -> bytes:
    """One frame of a websocket, from a server, not compressed."""
    first, size = opcode | (_LAST if is_last else 0), len(payload)
    if size < 126:
        header = struct.pack("!BB", first, size)
    elif size < 2**16:
        header = struct.pack("!BBH", first, 126, size)
    else:
        header = struct.pack("!BBQ", first, 127, size)
    return b"".join((header, payload))
