"""How many files this process may open: each connection is one."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

MANY: Final = 65_536
"""More than connections of a server ever need; some systems refuse to be asked for no limit at all."""
_NO_LIMIT = 1 << 30


def open_files() -> int:
    """As it is now; a large number where nobody says."""
    try:
        import resource
    except ImportError:  # Windows
        return _NO_LIMIT
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _NO_LIMIT if soft == resource.RLIM_INFINITY or soft < 0 else int(soft)


def allow_many_files() -> None:
    """As many as the system lets this process ask for, up to `MANY`; never fewer than before.

    For a process that is a server and nothing else: in somebody's notebook this is not ours to change.
    """
    try:
        import resource
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MANY if hard == resource.RLIM_INFINITY else min(hard, MANY)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):  # macOS has a lower limit that it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def room_for_connections() -> int:
    """A quarter of the files is for everything else."""
    return open_files() * 3 // 4


def too_few_for(connections: int) -> str | None:
    """A sentence where the system lets this process have fewer connections."""
    room = room_for_connections()
    if room >= connections:
        return None
    return (
        f"No more than {room:,} connections can be open at a time, because this process may open only {open_files():,} "
        f"files. For {connections:,} it takes a hard limit of {-(-connections * 4 // 3):,} (ulimit -Hn, systemd's "
        "LimitNOFILE=)."
    )
