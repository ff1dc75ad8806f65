"""Who may ask over HTTP, and how an answer is dressed: Host, Origin and token, CORS, gzip, errors as JSON.

Loopback alone is no protection from a browser: any page may send requests to 127.0.0.1, and a name that is
made to point there ("DNS rebinding") even reads the answers. So an `Origin` must be ours or named, what a foreign
page embeds is refused, and without a token the `Host` must be a loopback name. The token of a socket comes with its
CONNECT (`auth={"token": ...}`, checked in `app`): browsers cannot send headers with a websocket.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from roma_widget.server.network.listening import ServeError, is_loopback
from roma_widget.server.network.sessions import SOCKET_PATH
from roma_widget.server.wire.records import compact_json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

GZIP_ABOVE = 1000
"""Bodies of more bytes than this are compressed for those who accept it."""
IN_A_THREAD_ABOVE = 4096
"""Bodies of more bytes than this are compressed beside the loop; aiohttp before 3.14 does so only where it is told."""
TOKEN_HEADER = "X-Roma-Widget-Token"
"""In place of `Authorization`, which a proxy with a login of its own keeps for itself (JupyterHub's does)."""
_PREFLIGHT = {
    hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, PUT, PATCH, DELETE, OPTIONS",
    hdrs.ACCESS_CONTROL_ALLOW_HEADERS: f"Authorization, Content-Type, {TOKEN_HEADER}",
    hdrs.ACCESS_CONTROL_MAX_AGE: "600",
}
_log = logging.getLogger("roma_widget.server")


def middlewares(token: str | None, origins: frozenset[str]) -> list[Middleware]:
    """In the order aiohttp wants: the first one is the outermost."""
    return [_cors(origins), _json_errors, _may_ask(token, origins), _gzip]


def named_origins(origins: Iterable[str]) -> frozenset[str]:
    """Origins as browsers write them; `ServeError` for what is none (a path, a `*`)."""
    if isinstance(origins, str):
        origins = (origins,)
    named = frozenset(origin.rstrip("/").lower() for origin in origins)
    for origin in named:
        parts = urlsplit(origin)
        if not parts.scheme or not parts.netloc or origin != f"{parts.scheme}://{parts.netloc}":
            raise ServeError(
                f"{origin!r} is no origin: write it as scheme://host or scheme://host:port, "
                "for example http://localhost:3000."
            )
    return named


def is_token(given: object, token: str) -> bool:
    """In constant time; whatever `given` holds."""
    return isinstance(given, str) and hmac.compare_digest(_bytes(given), _bytes(token))


def json_error(status: int, text: str) -> web.Response:
    body = compact_json({"error": text})
    return web.Response(status=status, body=body, content_type="application/json")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON and headers may hold lone surrogates


def _cors(origins: frozenset[str]) -> Middleware:
    @web.middleware
    async def cors(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get(hdrs.ORIGIN, "")
        if origin.lower() not in origins:
            return await handler(request)
        is_preflight = request.method == "OPTIONS" and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers
        response = web.Response(status=204, headers=_PREFLIGHT) if is_preflight else await handler(request)
        if not response.prepared:
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers.add(hdrs.VARY, hdrs.ORIGIN)
        return response

    return cors


@web.middleware
async def _json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        response = json_error(error.status, error.reason)
        if hdrs.ALLOW in error.headers:
            response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
        return response
    except web.RequestPayloadError:
        return json_error(400, "The request's body is broken")
    except Exception:
        _log.exception("Answering %s %s failed.", request.method, request.path[:200])
        return json_error(500, "Internal server error")


def _may_ask(token: str | None, origins: frozenset[str]) -> Middleware:
    @web.middleware
    async def may_ask(request: web.Request, handler: Handler) -> web.StreamResponse:
        host, origin = request.headers.get(hdrs.HOST, ""), request.headers.get(hdrs.ORIGIN)
        if token is None and not _is_loopback_host(host):
            return json_error(403, "This server has no token and answers to names of this machine only")
        if origin is not None and not _is_same_origin(origin, host) and origin.lower() not in origins:
            return json_error(403, "Pages of this origin may not use this server")
        if origin is None and _is_of_a_foreign_page(request):
            return json_error(403, "Pages of other origins may not use this server")
        if token is not None and request.path != SOCKET_PATH and not _has_token(request, token):
            response = json_error(401, "This server wants its token: Authorization: Bearer <token>")
            response.headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
            return response
        if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
            return json_error(415, "Bodies of requests must not be compressed")  # 12 kB may hold 16 MB
        return await handler(request)

    return may_ask


def _is_loopback_host(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or name.endswith(".localhost") or is_loopback(name)


def _is_same_origin(origin: str, host: str) -> bool:
    """Behind a proxy the page may be https while we are http: the host and its port decide."""
    scheme, _, netloc = origin.lower().partition("://")
    return scheme in ("http", "https") and bool(netloc) and netloc == host.lower()


def _is_of_a_foreign_page(request: web.Request) -> bool:
    """Browsers send no `Origin` for what a page embeds (`<script src>`, `<img>`), but say whose page it is."""
    is_typed_or_clicked = request.headers.get("Sec-Fetch-Dest") == "document"
    return request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not is_typed_or_clicked


def _has_token(request: web.Request, token: str) -> bool:
    scheme, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() == "bearer" and is_token(given.strip(), token):
        return True
    return is_token(request.headers.get(TOKEN_HEADER), token)


@web.middleware
async def _gzip(request: web.Request, handler: Handler) -> web.StreamResponse:
    response = await handler(request)
    if not isinstance(response, web.Response) or response.prepared or _is_small(response.body):
        return response
    if "no-transform" in response.headers.get(hdrs.CACHE_CONTROL, ""):  # its receiver compresses by itself
        return response
    response.headers.add(hdrs.VARY, hdrs.ACCEPT_ENCODING)
    if _accepts_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        response = web.Response(
            status=response.status,
            reason=response.reason,
            headers=response.headers,
            body=response.body,
            zlib_executor_size=IN_A_THREAD_ABOVE,
        )
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _is_small(body: Any) -> bool:
    return not isinstance(body, bytes) or len(body) <= GZIP_ABOVE


def _accepts_gzip(accept_encoding: str) -> bool:
    for offer in accept_encoding.lower().split(","):
        coding, _, weight = offer.replace(" ", "").partition(";q=")
        if coding == "gzip":
            return weight.strip("0.") != "" if weight else True
    return False
