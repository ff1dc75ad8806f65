"""Bodies of HTTP requests: untrusted bytes in, JSON objects with what they need out, or `Refused` in ROMA's words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from roma_widget.server.network.limits import LARGEST_DECODED, decoded_size
from roma_widget.server.wire.records import frozen
from roma_widget.server.wire.requests import MAX_STEPS, Refused, check_max_steps

LARGEST_CONFIG = 64 * 1024
_CONFIG_SECTIONS = ("llm", "execution", "cache")


async def object_of(request: web.Request) -> Mapping[str, Any]:
    """The request's JSON object. Raises `Refused` for everything else, in ROMA's words."""
    if request.content_type != "application/json":
        raise Refused("Invalid JSON format")
    text = await request.read()
    if decoded_size(text) > LARGEST_DECODED:
        raise Refused("The request's JSON has too many parts", 413)
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("Invalid JSON format") from None
    if not isinstance(body, dict) or not body:
        raise Refused("Request must contain JSON data")
    return body


def require(body: Mapping[str, Any], *names: str) -> None:
    missing = [name for name in names if name not in body]
    if missing:
        raise Refused(f"Missing required fields: {', '.join(missing)}")


def max_steps_of(body: Mapping[str, Any]) -> int:
    return check_max_steps(body.get("max_steps", MAX_STEPS))


def config_of(config: object) -> msgspec.Raw:
    if not isinstance(config, dict):
        raise Refused("config must be an object")
    for section in _CONFIG_SECTIONS:
        if section not in config:
            raise Refused(f"Missing required config section: {section}")
        if not isinstance(config[section], dict):
            raise Refused(f"config section {section} must be an object")
    raw = frozen(config)
    assert isinstance(raw, msgspec.Raw)
    if len(bytes(raw)) > LARGEST_CONFIG:  # it is written again with every save of its project
        raise Refused(f"config takes at most {LARGEST_CONFIG:,} bytes")
    return raw
