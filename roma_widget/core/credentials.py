"""What a person gives to be let in, a token and headers, checked before it goes out. No sentence repeats a value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .reading import shorten

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""


def checked_token(token: object) -> str | None:
    """A token that a header can carry. Raises ValueError."""
    if token is None:
        return None
    if not isinstance(token, str):
        raise ValueError(f"token takes a string, not {type(token).__name__}.")
    if _CONTROL.search(token):
        raise ValueError(
            "token takes a string without line breaks or other control characters: strip() one that was read from a "
            "file."
        )
    return token


def checked_headers(headers: object) -> tuple[tuple[str, str], ...]:
    """Names and values, sorted; None for none. Raises ValueError for what no request can carry."""
    if headers is None:
        return ()
    if not isinstance(headers, Mapping):
        raise ValueError(
            f'headers takes a mapping, {{"X-Forwarded-User": "ada"}}, not {type(headers).__name__}.'
        )
    pairs = tuple(headers.items())
    for name, value in pairs:
        if not isinstance(name, str) or not isinstance(value, str):
            raise ValueError("headers takes names and values that are strings.")
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(
                "The name of a header holds letters, digits and signs such as -, and no blank: "
                f"{shorten(repr(name), 60)} is none."
            )
        if _CONTROL.search(value):
            raise ValueError(
                f"The value of the header {shorten(name, 60)} must hold no line breaks or other control characters."
            )
    return tuple(sorted(pairs))
