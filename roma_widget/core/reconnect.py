"""When to try again: pure arithmetic, the caller brings the randomness."""

from __future__ import annotations

MAX_ATTEMPTS = 10
FIRST_DELAY_S = 1.0
GROWTH = 1.5
LONGEST_DELAY_S = 30.0
JITTER_SHARE = 0.3
PROBE_S = 30.0
POLL_FIRST_S = 1.0
POLL_LONGEST_S = 15.0
PLAIN_FIRST_S = 10.0
PLAIN_GROWTH = 3.0
PLAIN_LONGEST_S = 1800.0


def reconnect_delay_s(attempt: int, jitter: float) -> float | None:
    """Seconds to wait after failed attempt `attempt` (1-based); None when attempts are used up.

    `jitter` is a number in [0, 1). Example: `reconnect_delay_s(1, 0.0) == 1.0`.
    """
    if attempt >= MAX_ATTEMPTS:
        return None
    base_s = min(FIRST_DELAY_S * GROWTH ** (attempt - 1), LONGEST_DELAY_S)
    return float(base_s * (1 + JITTER_SHARE * jitter))


def poll_delay_s(last_s: float, *, changed: bool) -> float:
    """Seconds until the next HTTP poll: one while the run moves, growing to fifteen while it rests."""
    return POLL_FIRST_S if changed else min(last_s * GROWTH, POLL_LONGEST_S)


def plain_for_s(times: int) -> float:
    """Seconds to go without a server's extension when it has been in vain `times` times in a row (1-based).

    Example: `plain_for_s(2) == 30.0`.
    """
    within = min(times - 1, 20)  # a power of any number of times would be no number in the end
    return float(min(PLAIN_FIRST_S * PLAIN_GROWTH**within, PLAIN_LONGEST_S))
