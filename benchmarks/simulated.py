"""On paper: how a run comes to a crowd through levels of stations, one behind the other. Nothing here has a clock, a
socket, or anything random: the same numbers give the same answer.

A station (server, relay, broker, worker) has one core and one network card. It reads one frame after the other and
tells one child after the other; what comes meanwhile waits. All stations of a level are alike, so a few children of
each, evenly spread, stand for all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SPREAD = 16
"""Children of a station that stand for all of them."""
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Level:
    """Stations that are alike, with `fan_out` children each.

    `read_s` is processor time for each frame, `tell_s` for each child in each telling, `sent_bytes` goes to each child
    for each frame. With `pause` frames that were read are told together, as relays do it; else each by itself at once.
    """

    name: str
    stations: int
    fan_out: int
    read_s: float
    tell_s: float
    sent_bytes: float
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Pause:
    """A telling begins no sooner than `least_s` behind the last one, and tellings take at most `share` of the time."""

    least_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Network:
    """What one card sends, and how long it takes to the next station."""

    bytes_per_s: float
    hop_s: float


@dataclass(frozen=True, slots=True)
class Message:
    """Frames that come together."""

    time_s: float
    frames: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Of one station. `cpu` and `card` are what it needs of a core and of the card: above 1 there is not enough."""

    name: str
    stations: int
    fan_out: int
    cpu: float
    card: float
    sent_bytes_per_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Delays are those of the last level's children, from the moment at which the first station began with a frame."""

    loads: tuple[Load, ...]
    median_s: float
    p95_s: float

    @property
    def keeps_up(self) -> bool:
        """Nobody falls further behind with each frame."""
        return all(max(load.cpu, load.card) < 1 for load in self.loads)


def simulate(levels: Sequence[Level], network: Network, every_s: float, seconds: float = SECONDS) -> Outcome:
    """A frame each `every_s` comes to the first level, for `seconds`."""
    begun = [number * every_s for number in range(max(1, round(seconds / every_s)))]
    heard = [[Message(time_s, (number,)) for number, time_s in enumerate(begun)]]
    loads: list[Load] = []
    for level in levels:
        played = [_played(level, messages, network) for messages in heard]
        busy_s = max(busy_s for _, busy_s in played)
        sent = level.fan_out * level.sent_bytes / every_s
        cpu, card = busy_s / (len(begun) * every_s), sent / network.bytes_per_s
        loads.append(Load(level.name, level.stations, level.fan_out, cpu, card, sent))
        heard = [messages for children, _ in played for messages in children]
    delays = sorted(
        message.time_s - begun[frame]
        for messages in heard
        for message in messages
        for frame in message.frames
    )
    return Outcome(tuple(loads), share_of(delays, 0.5), share_of(delays, 0.95))


def share_of(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(fan_out: int) -> list[int]:
    """Places of children, from 1 to `fan_out`: all where they are few, else the middles of as many equal parts."""
    if fan_out <= SPREAD:
        return list(range(1, fan_out + 1))
    return [math.ceil((part + 0.5) * fan_out / SPREAD) for part in range(SPREAD)]


def _played(level: Level, messages: Sequence[Message], network: Network) -> tuple[list[list[Message]], float]:
    """What the children that stand for all of a station hear when `messages` come to it, and its processor time."""
    tellings, busy_s = _tellings(level, messages)
    places = spread(level.fan_out)
    heard: list[list[Message]] = [[] for _ in places]
    card_free_s = 0.0
    for telling in tellings:
        card_s = len(telling.frames) * level.sent_bytes / network.bytes_per_s
        first_s = max(telling.time_s + level.tell_s, card_free_s) + card_s
        each_s = max(level.tell_s, card_s)
        for place, child in zip(places, heard, strict=True):
            child.append(Message(first_s + (place - 1) * each_s + network.hop_s, telling.frames))
        card_free_s = first_s + (level.fan_out - 1) * each_s
    return heard, busy_s


def _tellings(level: Level, messages: Sequence[Message]) -> tuple[list[Message], float]:
    """When a station begins to tell which frames, and its processor time. It tells before it reads on."""
    tellings: list[Message] = []
    untold: tuple[int, ...] = ()
    free_s = not_before_s = busy_s = 0.0
    cost_s = level.fan_out * level.tell_s
    unread = list(reversed(messages))
    while unread or untold:
        read_at_s = max(free_s, unread[-1].time_s) if unread else math.inf
        tell_at_s = max(free_s, not_before_s) if untold else math.inf
        if tell_at_s <= read_at_s:
            tellings.append(Message(tell_at_s, untold))
            untold = ()
            spent_s, free_s = cost_s, tell_at_s + cost_s
            if level.pause is not None:
                not_before_s = tell_at_s + max(level.pause.least_s, cost_s / level.pause.share)
        else:
            message = unread.pop()
            untold += message.frames
            spent_s = level.read_s * len(message.frames)
            free_s = read_at_s + spent_s
        busy_s += spent_s
    return tellings, busy_s
