"""Ways to carry one run to a crowd, as levels for `simulated.py`, and the measured numbers that these stand on."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from roma_widget.relay.relay import INTERVAL_S
from roma_widget.server.live.broadcast import SHARE

from .simulated import Level, Network, Outcome, Pause, simulate

MOST_P95_S = 1.0
"""Who bears a crowd keeps up, and 95 % of it hear of a change within this time."""
PAUSE = Pause(INTERVAL_S, SHARE)
SPARE = 0.8
"""The share of a worker's core and card that is planned with."""
WORKERS_CLIENTS = 1_000


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Of a run of 1,000 tasks of 5 kB, of which 100 change in each frame. Seconds are of one core.

    Where each comes from stands in docs/scale.md. Another machine's go in as options: see `scale.py`.
    """

    every_s: float = 0.5
    read_frame_s: float = 0.047
    read_delta_s: float = 0.022
    tell_delta_s: float = 0.00003
    delta_bytes: float = 1_000.0
    frame_bytes: float = 5_000_000.0
    encode_s: float = 0.025
    tell_frame_s: float = 0.003
    redis_emit_s: float = 0.12
    """The process that emits through Redis, without its clients."""
    redis_hear_s: float = 0.08
    """A worker: reading, decoding and encoding anew, without its clients."""
    redis_frame_s: float = 0.004
    """Redis, for each worker."""
    broker_delta_s: float = 0.00001
    """A broker, for one delta and each who hears it."""
    card_bytes_per_s: float = 125_000_000.0
    """1 Gbit/s."""
    hop_s: float = 0.0005

    @property
    def network(self) -> Network:
        return Network(self.card_bytes_per_s, self.hop_s)


Arrangement = Callable[[int, Coefficients], list[Level]]
"""(watchers, numbers) -> levels."""


def naive(watchers: int, of: Coefficients) -> list[Level]:
    """Everyone on ROMA's own server."""
    return [Level("server", 1, watchers, of.encode_s, of.tell_frame_s, of.frame_bytes)]


def relays(most: int) -> Arrangement:
    """A tree with as many levels as it takes when no relay has more than `most` children."""

    def levels(watchers: int, of: Coefficients) -> list[Level]:
        counts = [math.ceil(watchers / most)]
        while counts[0] > 1:
            counts.insert(0, math.ceil(counts[0] / most))
        made = [_server(of)]
        for depth, (count, children) in enumerate(zip(counts, [*counts[1:], watchers], strict=True)):
            made.append(_relay(count, math.ceil(children / count), of, whole_frames=depth == 0))
        return made

    return levels


def redis_manager(watchers: int, of: Coefficients) -> list[Level]:
    """python-socketio's `AsyncRedisManager`: each worker gets each whole frame through Redis, decodes it, and encodes
    it anew for its clients; as many workers as that takes.
    """
    card_s = SPARE * of.every_s
    core_s = card_s - of.redis_hear_s
    most = math.floor(min(core_s / of.tell_frame_s, card_s * of.card_bytes_per_s / of.frame_bytes))
    workers = math.ceil(watchers / max(1, most))
    return [
        Level("server", 1, 1, of.redis_emit_s, 0.0, of.frame_bytes),
        Level("Redis", 1, workers, 0.0, of.redis_frame_s, of.frame_bytes),
        Level(
            "worker", workers, math.ceil(watchers / workers), of.redis_hear_s, of.tell_frame_s, of.frame_bytes
        ),
    ]


def broker(watchers: int, of: Coefficients) -> list[Level]:
    """Not built: one relay publishes its deltas once, and relays that hear them through a broker tell the crowd."""
    edges = math.ceil(watchers / WORKERS_CLIENTS)
    return [
        _server(of),
        _relay(1, 1, of, whole_frames=True),
        Level("broker", 1, edges, 0.0, of.broker_delta_s, of.delta_bytes),
        _relay(edges, math.ceil(watchers / edges), of, whole_frames=False),
    ]


def _server(of: Coefficients) -> Level:
    """ROMA's, with one client: the first relay."""
    return Level("server", 1, 1, of.encode_s, of.tell_frame_s, of.frame_bytes)


def _relay(count: int, children: int, of: Coefficients, *, whole_frames: bool) -> Level:
    read_s = of.read_frame_s if whole_frames else of.read_delta_s
    return Level("relay", count, children, read_s, of.tell_delta_s, of.delta_bytes, PAUSE)


ARRANGEMENTS: Mapping[str, Arrangement] = MappingProxyType(
    {
        "ROMA's server alone": naive,
        "relays of 250": relays(250),
        "relays of 1,000": relays(1_000),
        "relays of 4,000": relays(4_000),
        "Redis manager": redis_manager,
        "broker, edges of 1,000": broker,
    }
)


def outcome(arrangement: str, watchers: int, of: Coefficients) -> Outcome:
    return simulate(ARRANGEMENTS[arrangement](watchers, of), of.network, of.every_s)


def bears(found: Outcome) -> bool:
    return found.keeps_up and found.p95_s <= MOST_P95_S


def most_borne(arrangement: str, of: Coefficients, most: int) -> int:
    """The largest crowd up to `most` that is borne, to a hundredth; 0 where not even one watcher is."""

    def is_borne(watchers: int) -> bool:
        return bears(outcome(arrangement, watchers, of))

    if is_borne(most):
        return most
    if not is_borne(1):
        return 0
    low, high = 1, most
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (middle, high) if is_borne(middle) else (low, middle)
    return low
