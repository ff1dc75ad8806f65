"""Whose certificates are believed: those of the system, or what SSL_CERT_FILE and SSL_CERT_DIR name.

aiohttp asks the environment when it is imported, which is too early for a line in a notebook.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import aiohttp


def connector(root: str) -> aiohttp.TCPConnector | None:
    """For a session with `root`; None where there is no TLS."""
    if not root.startswith("https:"):
        return None
    return aiohttp.TCPConnector(
        ssl=_trusting(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    )


def not_trusted(root: str, error: Exception) -> str:
    """The sentence for a person who connects to `root`."""
    why = getattr(error, "verify_message", "") or str(error)
    return (
        f"The certificate of {root} is not trusted here ({why.rstrip('.')}): "
        'set os.environ["SSL_CERT_FILE"] to the file of the authority that signed it, and connect again.'
    )


@lru_cache(maxsize=4)  # reading the system's certificates takes tens of milliseconds
def _trusting(file: str | None, folder: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
