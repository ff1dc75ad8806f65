"""What others may cost a server. All numbers are here; docs/protocol.md lists them."""

from __future__ import annotations

from dataclasses import dataclass

_MB = 1024 * 1024
_COSTS = {"{": 220, "[": 64, ",": 60}  # bytes of a decoded object or list, of a member
LARGEST_DECODED = 128 * _MB


@dataclass(frozen=True, slots=True)
class Limits:
    """Too many requests are refused, too many large answers wait; beyond the others a connection is cut."""

    # what comes from one client
    largest_message: int = 16 * _MB
    """Bytes of one message or body."""
    largest_decoded: int = LARGEST_DECODED
    """Bytes that one message may take when it is decoded: JSON of empty objects grows to 30 times its size."""
    largest_before_joining: int = 64 * 1024
    messages_before_joining: int = 16
    packets_per_body: int = 1000
    """In one POST of a long polling client."""
    requests_per_s: float = 500
    burst: int = 500
    """Requests at once before `requests_per_s` counts."""
    waiting_requests: int = 1000
    waiting_bytes: int = 128 * _MB
    """Bytes, decoded, of the requests that wait for their turn."""

    # what one client has been sent and does not read
    queued_packets: int = 5000
    queued_bytes: int = 64 * _MB
    """With more than this waiting, the next message ends the connection. A single one may be larger."""

    # all connections
    connections: int = 1024
    """Open at the same time; fewer where the system allows the process few files. As many sessions of Engine.IO."""
    head_s: float = 10.0
    """For a request's line and headers, from the first byte; a new connection: from its beginning."""
    body_s: float = 30.0
    idle_s: float = 120.0
    """Between two requests on a connection."""
    large_answer: int = _MB
    """HTTP answers above this are large: `large_answers` are written at a time, twice as many wait, for `turn_s`."""
    large_answers: int = 8
    turn_s: float = 10.0
    answer_s: float = 30.0
    """How long an HTTP answer may take to be read."""

    connect_s: float = 10.0
    """How long a connection may take to join."""
    probe_s: float = 10.0
    """How long each step of a change from polling to websocket may take."""
    goodbye_s: float = 0.5
    """How long connections get to end by themselves, at a disconnect and when the server stops."""
    ping_interval_s: float = 25.0
    """A client is asked for a sign of life this often."""
    ping_timeout_s: float = 20.0
    """How long that sign may take. Both are told to the client, who takes a longer silence for the server's end."""


def decoded_size(text: str | bytes) -> int:
    """About the bytes that a JSON text takes when it is decoded: rather too many than too few."""
    if isinstance(text, str):
        return len(text) + sum(cost * text.count(sign) for sign, cost in _COSTS.items())
    return len(text) + sum(cost * text.count(sign.encode()) for sign, cost in _COSTS.items())
