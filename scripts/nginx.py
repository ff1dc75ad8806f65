"""Finds the nginx behind which relays are tested, and unpacks one into build/ where there is none.

`find()` is what tests use. `ROMA_WIDGET_NGINX` names another. It is not installed: Debian's package would start a web
server on port 80, now and whenever the machine starts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import debian

UNPACKED = Path(__file__).resolve().parent.parent / "build" / "nginx"
PLACES = ("nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx", str(UNPACKED / "usr/sbin/nginx"))
PURPOSE = "The tests of relays behind a proxy need nginx and openssl, and there is none"


def find() -> str | None:
    """Path of an nginx that runs, or None."""
    named = os.environ.get("ROMA_WIDGET_NGINX")
    candidates = map(shutil.which, (named,) if named else PLACES)
    return next((path for path in candidates if path is not None and runs(path)), None)


def runs(path: str) -> bool:
    try:
        answer = subprocess.run([path, "-v"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0


def main() -> None:
    try:
        if find() is None:
            debian.unpack("nginx", UNPACKED, purpose=PURPOSE)
        if shutil.which("openssl") is None:
            debian.install("openssl", purpose=PURPOSE)
    except debian.CannotInstall as reason:
        sys.exit(f"system: {reason}")
    if find() is None:
        sys.exit(f"system: {PURPOSE} that runs: please install one, or name it in ROMA_WIDGET_NGINX.")


if __name__ == "__main__":
    main()
