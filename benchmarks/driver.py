"""The browser tests' Chromium, for what is measured in one."""

from __future__ import annotations

import sys

from .generate import CAPTURES

CLONE = CAPTURES.parent.parent


def executable() -> str:
    """Where Chromium is. The driver of the browser tests (`browser.lab`) can be imported from then on.

    Raises RuntimeError where there is none.
    """
    sys.path[:0] = [str(CLONE / "tests"), str(CLONE / "scripts")]
    import chromium

    found = chromium.find()
    if found is None:
        raise RuntimeError(f"{chromium.PURPOSE}: `make test` installs one.")
    return str(found)
