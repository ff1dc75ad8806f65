"""The HTTP side of a ROMA server: whether joining is safe, and a run's saved state. One sentence per failure."""

from __future__ import annotations

import asyncio
import re
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

import aiohttp

from ..core import wire
from ..core.model import RelayNews
from ..core.server_status import GIVE_TOKEN, read_ready, relay_in_health
from .tls import not_trusted

LARGEST_BODY = 256 * 1024 * 1024
SMALL_BODY = 4 * 1024 * 1024
_CHUNK = 256 * 1024
_LOGIN = "wants a login first: connect with what its proxy asks for in headers="
_REFUSALS = {
    401: f"lets nobody in without the right token: {GIVE_TOKEN}",
    403: "does not let us in: it may want a token, or refuse this address of itself",
    **dict.fromkeys((302, 303, 307, 308), _LOGIN),
}
"""What an HTTP status says to who may not even ask."""
_ETAG = re.compile(r'(W/)?"[\x21\x23-\x7e]{1,200}"')

RUN_IN_PROGRESS = (
    "A run is in progress, and opening a socket now could freeze it on ROMA v1. "
    "The socket opens by itself when the run has ended."
)


class Unreachable(Exception):
    """No HTTP answer of use came back; the message is one sentence for the person."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: str
    took_s: float
    etag: str | None = None
    """Names this state of what was asked for; None where the server gives no usable one."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """May a socket be opened now? `reason` says why not. `declared` means that the server itself says so."""

    safe: bool
    declared: bool
    reason: str | None
    round_trip_s: float
    is_roma: bool = True
    is_ready: bool = True
    """What its health says of itself; a label, nothing depends on it."""
    relay: RelayNews | None = None
    """How it stands with the server above, where it is a relay; a label, too."""


class Rest:
    """Requests to one server. The `http` session belongs to the caller."""

    def __init__(self, root: str, http: aiohttp.ClientSession, timeout_s: float) -> None:
        self.root = root
        self._http = http
        self._timeout_s = timeout_s
        self.bytes_received = 0
        self._last_list: tuple[str, wire.ProjectsListed] | None = None

    async def get(self, path: str, limit: int = LARGEST_BODY, etag: str | None = None) -> Answer:
        """GET `path`; with `etag` the answer is 304, without a body, while it is still that one.

        Raises `Unreachable` when nothing that is HTTP comes back in time."""
        return await self._ask("GET", path, limit, headers={"If-None-Match": etag} if etag else None)

    async def post(self, path: str, body: dict[str, Any] | None = None, limit: int = LARGEST_BODY) -> Answer:
        """POST `body` as JSON. Raises `Unreachable` when nothing that is HTTP comes back in time."""
        return await self._ask("POST", path, limit, json=body)

    async def _ask(self, method: str, path: str, limit: int, **sent: Any) -> Answer:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._timeout_s):
                async with self._http.request(
                    method, self.root + path, allow_redirects=False, **sent
                ) as response:
                    body = await self._read(response, limit)
                    took_s = time.monotonic() - began
                    etag = response.headers.get("ETag", "")
                    return Answer(
                        response.status,
                        body.decode("utf-8", "replace"),
                        took_s,
                        etag if _ETAG.fullmatch(etag) else None,
                    )
        except TimeoutError:
            raise Unreachable(f"{self.root} did not answer within {self._timeout_s:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(_sentence(self.root, error)) from error

    async def assess(self) -> Assessment:
        """Ask whether a socket may be opened without harm to a run. Raises `Unreachable`."""
        health = await self.get("/api/health", SMALL_BODY)
        return replace(
            await self._assess(health),
            is_ready=read_ready(health.status, health.body),
            relay=relay_in_health(health.body) if health.status == 200 else None,
        )

    async def _assess(self, health: Answer) -> Assessment:
        if health.status == 200 and wire.read_health(health.body):
            return Assessment(True, True, None, health.took_s)
        executions = await self.get("/api/executions", SMALL_BODY)
        if executions.status == 200:
            running = wire.read_executions(executions.body)
            if running is not None:
                return Assessment(not running, False, RUN_IN_PROGRESS if running else None, health.took_s)
        if executions.status in _REFUSALS:
            reason = f"{self.root} {_REFUSALS[executions.status]} (HTTP {executions.status})."
            return Assessment(False, False, reason, health.took_s, is_roma=False)
        if health.status == executions.status == 404:
            return Assessment(True, False, None, health.took_s, is_roma=False)
        if health.status == executions.status == 200 and wire.read_health(health.body) is None:
            reason = (
                f"{self.root} is no ROMA server: it answers GET /api/health and GET /api/executions with something "
                "else than JSON. Give the address that ROMA's server says when it starts."
            )
            return Assessment(False, False, reason, health.took_s, is_roma=False)
        reason = (
            f"GET /api/executions gave no usable answer (HTTP {executions.status}), so nobody knows whether a run is "
            "in progress, which opening a socket could freeze."
        )
        return Assessment(False, False, reason, health.took_s)

    async def projects(self) -> wire.ProjectsListed:
        """The server's list of projects. Raises `Unreachable` when it gives none."""
        answer = await self.get("/api/projects")
        if answer.status != 200:
            raise Unreachable(f"{self.root} gives no list of projects (HTTP {answer.status}).")
        if self._last_list is not None and self._last_list[0] == answer.body:
            return self._last_list[1]  # the very same, which can be told by `is`
        listed = wire.read_projects(answer.body)
        if isinstance(listed, wire.Unreadable):
            raise Unreachable(f"{self.root} gives no list of projects ({listed.problems[0]}).")
        self._last_list = answer.body, listed
        return listed

    async def _read(self, response: aiohttp.ClientResponse, limit: int) -> bytes:
        parts = []
        size = 0
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            self.bytes_received += len(part)
            if size > limit:
                raise ValueError(f"the body is larger than {limit // 2**20} MiB")
            parts.append(part)
        return b"".join(parts)


def project_path(project_id: str) -> str:
    """Where a project is, `/api/projects/…`; an id may be any text."""
    return f"/api/projects/{quote(project_id.encode('utf-8', 'replace'), safe='')}"


def _sentence(root: str, error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"No host of this name was found: {root}."
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return not_trusted(root, error.certificate_error)
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"{root} does not speak TLS as it should: {error}."
    if isinstance(error, aiohttp.ClientConnectorError):
        if isinstance(error.os_error, ConnectionRefusedError):
            return f"Nothing listens at {root} (connection refused)."
        return f"{root} cannot be reached: {error.os_error.strerror or error.os_error}."
    if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return f"{root} closed the connection without an answer."
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{root} answered, but not in HTTP."
    return f"{root} cannot be asked: {str(error) or type(error).__name__}."
