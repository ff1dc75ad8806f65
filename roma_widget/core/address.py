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
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def server_url(url: object) -> str:
    """`scheme://host[:port]`, checked. Raises `ConnectError` with what is wrong and what to write instead."""
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
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConnectError(
            f"{shown!r} has more than a server's address in it: leave out everything after {root}."
        )
    return root


def is_loopback(root: str) -> bool:
    """Does `root` (as `server_url` gives it) stay on this machine?"""
    host = urlsplit(root).hostname or ""
    return host in _LOOPBACK or host.startswith("127.")


def host_and_port(root: str) -> str:
    return urlsplit(root).netloc
