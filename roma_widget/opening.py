"""`connect` and `demo`: how a monitor comes to be, and who closes what.

A registry per I/O thread shares feeds by (server, credentials, ways to connect) and sessions by feed and project.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from .client.feed import Feed, FeedOptions
from .client.loop import IoThread, io_thread
from .core.address import host_and_port, server_url
from .errors import ConnectError
from .server.capture import recording_path
from .server.child import ChildServer, start_replay_child
from .session import Session
from .widget.cells import current_cell
from .widget.monitor import Monitor

TRANSPORTS = ("websocket", "polling")


def connect(
    url: str,
    project: str | None = None,
    *,
    join: Literal["safe", "always"] = "safe",
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    transports: Iterable[str] = TRANSPORTS,
    timeout: float = 20.0,
) -> Monitor:
    """Watch a ROMA server. Returns at once; `m.wait("connected")` waits.

    `url` is the server's address, `http://127.0.0.1:5000`. `project` is the id of the project to show; without it
    the server's current one is shown. With `join="safe"` a run in progress on a server that does not declare
    itself safe is followed over HTTP, because opening a socket could freeze it; `join="always"` connects
    regardless. `token` is sent as the socket's auth and as `Authorization: Bearer`; `headers` go with every
    request. `transports` are tried in order. `timeout` bounds each try, in seconds.

    Monitors of one server, token and project share one connection. Raises ConnectError when the address makes no
    sense, ValueError for an unknown option. Example: `m = connect("http://127.0.0.1:5000")`
    """
    chosen = (transports,) if isinstance(transports, str) else tuple(transports)
    if not chosen or any(transport not in TRANSPORTS for transport in chosen):
        raise ValueError(f"transports takes any of {TRANSPORTS}, not {chosen!r}.")
    if join not in ("safe", "always"):
        raise ValueError(f'join takes "safe" or "always", not {join!r}.')
    if not 0 < timeout < 86_400:
        raise ValueError(f"timeout takes seconds above 0, not {timeout!r}.")
    options = FeedOptions(
        root=server_url(url),
        token=token,
        headers=tuple(sorted((headers or {}).items())),
        transports=chosen,
        timeout_s=float(timeout),
        always_join=join == "always",
    )
    return _open(options, project)


def demo(scenario: str = "report", *, speed: float = 1.0) -> Monitor:
    """Watch a recorded run, played by an embedded server in a child process that ends with the monitor.

    `scenario` names a recording that ships with the package; `speed` 10.0 plays it ten times as fast. Running
    the same cell again starts the run anew and ends the one before. Raises ValueError for an unknown scenario.
    Example: `m = demo(speed=5)`
    """
    if not speed > 0:
        raise ValueError(f"speed takes a number above 0, not {speed!r}.")
    child = start_replay_child(recording_path(scenario), speed=speed)
    try:
        cell_id = current_cell()
        previous = _demos.pop(cell_id, None) if cell_id is not None else None
        if previous is not None:
            previous.disconnect()
        monitor = _open(FeedOptions(root=child.url), None, child)
    except BaseException:
        child.close()
        raise
    if cell_id is not None:
        _demos[cell_id] = monitor
    return monitor


_demos: dict[str, Monitor] = {}


class _Registry:
    """What is open on one I/O thread. Touched on its loop only."""

    def __init__(self, io: IoThread) -> None:
        self.io = io
        self._feeds: dict[FeedOptions, Feed] = {}
        self._sessions: dict[tuple[FeedOptions, str | None], Session] = {}

    async def session(self, options: FeedOptions, project: str | None, on_end: Callable[[], None]) -> Session:
        key = (options, project)
        known = self._sessions.get(key)
        if known is not None:
            return known
        feed = self._feeds.get(options)
        is_new = feed is None
        if feed is None:
            feed = self._feeds[options] = Feed(options)

        async def end() -> None:
            self._sessions.pop(key, None)
            if feed.unsubscribe(session):
                self._feeds.pop(options, None)
                await feed.close()
            on_end()

        session = self._sessions[key] = Session(feed, project, end)
        if is_new:
            feed.start()
        return session


_registry: _Registry | None = None


def _open(options: FeedOptions, project: str | None, child: ChildServer | None = None) -> Monitor:
    global _registry
    if project is not None and not isinstance(project, str):
        raise ConnectError(f"A project is named by its id, a string, not {type(project).__name__}.")
    io = io_thread()
    if _registry is None or _registry.io is not io:
        _registry = _Registry(io)
    registry = _registry
    session = io.result(registry.session(options, project, child.close if child else lambda: None))
    monitor = Monitor(session=session, io=io, address=host_and_port(options.root), on_close=session.detach)
    cell_id = current_cell()

    async def attach() -> None:
        session.attach(monitor, cell_id)

    io.result(attach())
    return monitor
