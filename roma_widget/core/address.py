"""What `connect` accepts as a server's address."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..errors import ConnectError
from .reading import shorten

_EXAMPLE = "write it like http://127.0.0.1:5000"
_LONGEST = 2_000
# up to the last @: a slip of the hand may put more of a password there than the rules see
_USER = re.compile(r"(?<=://).*@|^(?!\w+://).*@", re.DOTALL)
# what an address may hold without being quoted, but for @: `http://user/password@host` is a slip of the hand
_PATH = re.compile(r"/([A-Za-z0-9._~!$&'()*+,;=:/-]|%[0-9A-Fa-f]{2})*")
_OF_THE_SERVER = re.compile(r"/(api(/(executions|health|projects|task-graph)\b.*)?|socket\.io)$")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def server_url(url: object) -> str:
    """`scheme://host[:port][/path]`, checked. The path is where a reverse proxy has put the server.

    Raises `ConnectError` with what is wrong and what to write instead.
    """
    if not isinstance(url, str):
        raise ConnectError(f"A server's address is text, not {type(url).__name__}: {_EXAMPLE}.")
    text = url.strip()
    # what an address must not hold may be a secret, and is not repeated
    shown = shorten(_USER.sub("…@", text).split("?")[0].split("#")[0], 80)
    if not text:
        raise ConnectError(f"The server's address is empty: {_EXAMPLE}.")
    if len(text) > _LONGEST:
        raise ConnectError(f"The server's address has {len(text):,} characters: {_EXAMPLE}.")
    if any(character.isspace() or ord(character) < 32 for character in text):
        raise ConnectError(f"{shown!r} has a space in it, which no address has: {_EXAMPLE}.")
    if "://" not in text:
        raise ConnectError(f"{shown!r} has no scheme: write http://{shown} or https://{shown}.")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ConnectError(f"{shown!r} is no address: {_EXAMPLE}.") from None
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ConnectError(f"{shown!r} has no port from 1 to 65535: {_EXAMPLE}.")
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https"):
        raise ConnectError(
            f"{shown!r} starts with {scheme}://, but a ROMA server speaks http or https: {_EXAMPLE}."
        )
    if not parts.hostname:
        raise ConnectError(f"{shown!r} names no host: {_EXAMPLE}.")
    if parts.username is not None or parts.password is not None:
        raise ConnectError(
            "The address holds a user name or password: pass it with token= or headers= instead."
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    root = f"{scheme}://{host}" + (f":{port}" if port is not None else "")
    path = parts.path.rstrip("/")
    own = _OF_THE_SERVER.search(path)
    if own is not None:
        path = path[: own.start()]
    if path and not _is_prefix(path):
        raise ConnectError(
            f"{shown!r} has a path that no server is under: leave out everything after {root}, or write the path as "
            "the proxy's set-up does."
        )
    if own is not None or parts.query or parts.fragment:
        raise ConnectError(
            f"{shown!r} has more than a server's address in it: leave out everything after {root}{path}."
        )
    return root + path


def _is_prefix(path: str) -> bool:
    return bool(_PATH.fullmatch(path)) and not {"", ".", ".."} & set(path.split("/")[1:])


def is_loopback(root: str) -> bool:
    """Does `root` (as `server_url` gives it) stay on this machine?"""
    host = urlsplit(root).hostname or ""
    return host in _LOOPBACK or host.startswith("127.")


def host_and_port(root: str) -> str:
    """What tells it from others, for people: with the path, where there is one."""
    return root.partition("://")[2]
