"""Installs packages of the system, where that is possible without asking anybody: through apt, as root or by sudo."""

from __future__ import annotations

import os
import shutil
import subprocess


class CannotInstall(Exception):
    """The message is one sentence: what a person should install."""


def install(*packages: str, purpose: str) -> None:
    """Install `packages`; `purpose` completes "... is needed" in what is printed and raised."""
    wanted = " ".join(packages)
    advice = f"{purpose}: please install it (on Debian and Ubuntu: sudo apt-get install {wanted})."
    prefix = privilege()
    if shutil.which("apt-get") is None or prefix is None:
        raise CannotInstall(advice)
    print(f"system: installing {wanted} through apt", flush=True)
    apt = [
        *prefix,
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "-qq",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [*apt, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        # A failed update is no failure yet: the lists that are there may do.
        if done.returncode and arguments[0] == "install":
            raise CannotInstall(f"{done.stdout}\n{advice}")


def privilege() -> list[str] | None:
    """What stands before a command to run it as root; None where that would take a password."""
    if not hasattr(os, "geteuid"):
        return None
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    allowed = subprocess.run(
        ["sudo", "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
    )
    return ["sudo", "-n"] if allowed.returncode == 0 else None
