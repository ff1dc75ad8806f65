"""Installs packages of the system, where that is possible without asking anybody: through apt, as root or by sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_APT = ("apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300")


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
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", *_APT]
    _run([*apt, "update"])  # which may fail: the lists that are there may do
    done = _run([*apt, "install", "-y", "--no-install-recommends", *packages])
    if done.returncode:
        raise CannotInstall(f"{done.stdout}\n{advice}")


def unpack(package: str, folder: Path, *, purpose: str) -> None:
    """The files of `package` in `folder`, without installing it: none of its services starts."""
    advice = f"{purpose}: please install it (on Debian and Ubuntu: sudo apt-get install {package})."
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise CannotInstall(advice)
    print(f"system: unpacking {package} from apt into {folder}", flush=True)
    prefix = privilege()
    if prefix is not None:
        _run([*prefix, *_APT, "update"])
    folder.mkdir(parents=True, exist_ok=True)
    done = _run([*_APT, "download", package], folder)
    for file in folder.glob("*.deb"):
        done = _run(["dpkg-deb", "--extract", str(file), str(folder)])
        file.unlink()
    if done.returncode:
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


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
