"""Where a server listens: loopback unless there is a token, one address even where a name has two."""

from __future__ import annotations

import asyncio
import errno
import socket
from ipaddress import ip_address

from aiohttp import web

from roma_widget.errors import RomaError
from roma_widget.server.network.connections import Connections

BACKLOG = 1024
"""Connections that wait to be accepted: all watchers of a server come back at the moment it does."""
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where one listens -> where one is reached from here


class ServeError(RomaError):
    """The server cannot be served: the address is refused or taken, or it is used before its start."""


def is_loopback(address: str) -> bool:
    """Whether an IP address means this machine; a name never does."""
    try:
        return ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


class _Site(web.BaseSite):
    """aiohttp's site for an address, with `connections` between the sockets and its protocol."""

    __slots__ = ("_address", "_connections")

    def __init__(self, runner: web.AppRunner, connections: Connections, address: str, port: int) -> None:
        super().__init__(runner)
        self._address = (address, port)
        self._connections = connections

    @property
    def name(self) -> str:
        return "http://{}:{}".format(*self._address)

    async def start(self) -> None:
        await super().start()
        server = self._runner.server
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._connections.made(server), *self._address, backlog=BACKLOG
        )


async def address_of(host: str, *, has_token: bool) -> str:
    """The one address to listen on. "localhost" may have two; with port 0 they would get different ports.

    Raises `ServeError` for an unknown host, and for one that others can reach while there is no token.
    """
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host or " ", None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise ServeError(f"The host {host!r} is not known here: {error}.") from error
    addresses = sorted((str(entry[4][0]) for entry in found), key=lambda address: ":" in address)
    if not has_token and not all(is_loopback(address) for address in addresses):
        raise ServeError(
            f"The host {host!r} is reachable from other machines and there is no token: "
            "give one, or use 127.0.0.1."
        )
    return addresses[0]


async def listen(runner: web.AppRunner, connections: Connections, address: str, port: int) -> None:
    """Starts listening; port 0 takes a free one. `ServeError` says why not."""
    try:
        await _Site(runner, connections, address, port).start()
    except (OSError, OverflowError) as error:
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            text = f"Port {port} of {address} is taken: choose another, or 0 for any free one."
        else:
            text = f"Cannot listen on port {port} of {address}: {error}."
        raise ServeError(text) from error


def url_of(runner: web.AppRunner) -> str:
    """The address as this machine reaches it."""
    address, port = runner.addresses[0][:2]
    host = _EVERY_ADDRESS.get(address, address)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
