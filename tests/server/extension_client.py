"""The receiving side of the extension, without a network: applies what comes, and says when something is missing."""

from __future__ import annotations

import zlib
from typing import Any

import msgspec

GZIP = b"\x1f\x8b"
LARGEST = 256 * 1024 * 1024
"""Bytes of an unpacked message: what claims to be more is not unpacked."""


class Lost(Exception):
    """A delta does not lead on from here: ask `request_snapshot`, and pass over deltas until that comes."""


def unpack(body: bytes) -> dict[str, Any]:
    if body[:2] == GZIP:
        inflate = zlib.decompressobj(wbits=31)
        body = inflate.decompress(body, LARGEST)
        if inflate.unconsumed_tail or not inflate.eof:
            raise ValueError("too large, or cut short")
    message = msgspec.msgpack.decode(body)
    assert isinstance(message, dict)
    return message


class Mirror:
    """The current project as the server has it. New with every connection: the first message is a snapshot."""

    def __init__(self) -> None:
        self.at: tuple[int, int] | None = None
        """Epoch and seq; None until a snapshot came, and after something was lost."""
        self.project: dict[str, Any] | None = None
        self.nodes: dict[str, dict[str, Any]] = {}
        self.stages: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
        """By (project, node), then by their place in the trace."""

    def apply(self, event: str, body: bytes) -> None:
        """Takes a `snapshot`, `delta` or `stages`. Raises `Lost`."""
        message = unpack(body)
        match event:
            case "snapshot":
                self.project = message["project"]
                self.nodes = {}
                self._take(message)
            case "delta":
                if self.at != (message["epoch"], message["base"]):
                    self.at = None
                    raise Lost
                if "project" in message:
                    self.project = {**(self.project or {}), **message["project"]}
                self._take(message)
            case "stages":
                for pushed in message["stages"]:
                    stages = self.stages.setdefault((pushed["project_id"], pushed["node_id"]), {})
                    stages[pushed["seq"]] = msgspec.json.decode(pushed["stage"])
            case _:
                raise AssertionError(event)

    def _take(self, message: dict[str, Any]) -> None:
        self.at = message["epoch"], message["seq"]
        for node_id, node in message["nodes"].items():
            if "needs" in node:  # a whole one
                goal = self.project["goal"] if self.project is not None else None
                self.nodes[node_id] = {"overall_objective": goal, **node}
            else:
                self.nodes[node_id].update(node)
