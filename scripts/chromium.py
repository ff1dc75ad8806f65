"""Finds the Chromium that the browser tests and screenshots drive, and installs one where there is none.

`find()` is what tests use. `ROMA_WIDGET_CHROMIUM` names another browser of the family.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import debian

NAMES = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
PURPOSE = "The browser tests and screenshots need Chromium, and there is none"


def find() -> str | None:
    """Path of a Chromium that runs, or None."""
    named = os.environ.get("ROMA_WIDGET_CHROMIUM")
    candidates = map(shutil.which, (named,) if named else NAMES)
    return next((path for path in candidates if path is not None and runs(path)), None)


def runs(path: str) -> bool:
    """Whether it starts: on Ubuntu `chromium-browser` may be a note that tells to install a snap."""
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return False
    return answer.returncode == 0


def main() -> None:
    if find():
        return
    try:
        debian.install("chromium", "fonts-liberation", purpose=PURPOSE)
    except debian.CannotInstall as reason:
        sys.exit(f"system: {reason}")
    if not find():
        sys.exit(f"system: {PURPOSE} that runs: please install one, or name it in ROMA_WIDGET_CHROMIUM.")


if __name__ == "__main__":
    main()
