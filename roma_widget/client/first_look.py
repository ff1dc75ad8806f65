"""Whether there can be a ROMA server at an address: asked once, so that a slip of the hand is told at once.

A server that does not answer yet is waited for; one that answers as no ROMA server does is refused.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from ..errors import ConnectError
from .feed import FeedOptions, Target
from .rest import SMALL_BODY, Rest, Unreachable
from .tls import connector

PATIENCE_S: Final = 5.0
_HANDSHAKE: Final = "/socket.io/?EIO=4&transport=polling"
_MAY_CHANGE: Final = frozenset({401, 403, 429})
"""Answers of whoever wants a credential or a pause; servers that start or rest answer with 5xx."""


async def look_first(upstream: FeedOptions) -> None:
    """Raises `ConnectError` when what answers there is no ROMA server. Harms no run."""
    headers = Target(upstream.root, upstream.token, upstream.headers).all_headers()
    async with aiohttp.ClientSession(
        connector=connector(upstream.root), headers=headers, cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        try:
            async with asyncio.timeout(PATIENCE_S):
                await _look(Rest(upstream.root, http, PATIENCE_S))
        except (Unreachable, TimeoutError):
            return


async def _look(rest: Rest) -> None:
    assessment = await rest.assess()
    if assessment.is_roma:
        return
    if not assessment.safe:
        raise ConnectError(assessment.reason or "")
    # no HTTP side of ROMA, so no run that a handshake could harm
    handshake = await rest.get(_HANDSHAKE, SMALL_BODY)
    if handshake.status in _MAY_CHANGE or handshake.status >= 500:
        return
    if handshake.status != 200 or not handshake.body.startswith("0{"):
        raise ConnectError(
            f"{rest.root} is no ROMA server: it has neither ROMA's HTTP API nor a socket.io server. Give the address "
            "that ROMA's server says when it starts."
        )
